# SPDX-License-Identifier: Apache-2.0
"""The tables of the store in PostgreSQL: the embedded store's, in PostgreSQL's words.

What lives here: translating the migrations and applying them. What must not: queries. Invariants
- One list of tables for both stores (``migrations.py``); only types and storage differ here.
- Each district has its own schema, so that nothing of it is mixed with another's and it can be
  moved or dropped alone.
- Text compares by bytes (``COLLATE "C"``), as it does in the embedded store: ranges of area codes
  and orders of ids are the same on both.
- ``meta`` holds whole numbers.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg import sql

from server.errors import StoreDamaged
from server.store.migrations import MIGRATIONS

MIGRATION_LOCK = 0x646F6F7273746570
"""Key of the advisory lock under which one process at a time makes tables ("doorstep")."""
FILL_PERCENT = 85
"""Room left in the pages of what is updated often: new versions stay on the page, and indexes are
left alone."""

KEY_COLUMNS = ("replica", "device", "public", "certificate", "succession", "parent")
DEVICE_COLUMNS = ("id", "name", "team", "state", "revocation", "role", "area")
_WORDS = (
    (re.compile(r"\s+"), " "),
    (re.compile(r" WITHOUT ROWID"), ""),
    (re.compile(r"\b(\w+) INTEGER PRIMARY KEY"), r"\1 bigserial PRIMARY KEY"),
    (re.compile(r"\bINTEGER\b"), "bigint"),
    (re.compile(r"\bBLOB\b"), "bytea"),
    (re.compile(r"\bTEXT\b"), 'text COLLATE "C"'),
)
_OWN = {
    "CREATE TABLE meta ": (("value bytea", "value bigint NOT NULL"),),
    "CREATE TABLE records ": (('body text COLLATE "C"', "body jsonb"),),
}
SHARED = (
    "INSERT INTO meta VALUES ('known', 0) ON CONFLICT DO NOTHING",
    # Not logged: a crash, a restore and a standby's promotion empty it, and no nonce is good again.
    'CREATE UNLOGGED TABLE nonces (device text COLLATE "C" PRIMARY KEY, nonce bytea NOT NULL)',
    (
        "CREATE FUNCTION tell_known() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path FROM CURRENT AS"
        " 'BEGIN UPDATE meta SET value = value + 1 WHERE key = ''known''; RETURN NULL; END'"
    ),
    *(
        f"CREATE TRIGGER tell_known AFTER {what} ON {table} EXECUTE FUNCTION tell_known()"
        for table, what in (
            ("forks", "INSERT OR DELETE"),
            ("known_keys", "INSERT OR UPDATE OR DELETE"),
            ("server_keys", "INSERT OR UPDATE OR DELETE"),
            ("incarnations", "INSERT"),
            ("device_keys", f"INSERT OR DELETE OR UPDATE OF {', '.join(KEY_COLUMNS)}"),
            ("devices", f"INSERT OR DELETE OR UPDATE OF {', '.join(DEVICE_COLUMNS)}"),
        )
    ),
)
"""What several processes over one database need: nonces that all know, and a number that moves when
one of them changed what the others keep in memory, whoever it was and whatever wrote it."""
DISTRICT = "district"
PARTITIONED = ("homes", "records", "kinds", "conflicts")
"""The tables that can be seen over all districts at once; each row names its own."""
SPAN, ARRIVING = "districts", "districts_arriving"
"""The schema of what spans all districts, and one for a moment; no district may be named so."""
_OFTEN_UPDATED = ("CREATE TABLE records ", "CREATE TABLE homes ")


def translated(statement: str) -> str:
    """One statement of the embedded store's migrations, for PostgreSQL."""
    out = statement.strip()
    for pattern, word in _WORDS:
        out = pattern.sub(word, out)
    for beginning, changes in _OWN.items():
        if out.startswith(beginning):
            for old, new in changes:
                out = out.replace(old, new)
    if out.startswith(_OFTEN_UPDATED):
        out += f" WITH (fillfactor = {FILL_PERCENT})"
    return out


def migrate(connection: psycopg.Connection[Any], schema: str, made: bool = False) -> None:
    """Bring a district's schema to the newest tables; all in one transaction, each applied once.

    ``made``: there is to be a district already. Raises StoreDamaged where there is none.
    """
    with connection.transaction():
        held = connection.execute("SELECT to_regclass(%s)", [f"{schema}.migrations"]).fetchone()
        if made and held == (None,):
            raise StoreDamaged(f"the schema {schema} holds no district")
        # Two processes may start at once; the second waits here and then finds all done.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        connection.execute(
            'CREATE TABLE IF NOT EXISTS migrations (name text COLLATE "C" PRIMARY KEY,'
            " applied_at timestamptz NOT NULL)"
        )
        done = {row[0] for row in connection.execute("SELECT name FROM migrations")}
        names = {*(name for name, _ in MIGRATIONS), "shared", DISTRICT}
        if done and not names <= done:
            # Tables change alone; whoever wants them among the others takes them in again.
            detach(connection, schema)
        for name, script in MIGRATIONS:
            if name in done:
                continue
            for statement in filter(str.strip, script.split(";\n")):
                connection.execute(translated(statement.strip().rstrip(";")).encode())
            connection.execute("INSERT INTO migrations VALUES (%s, now())", [name])
        if "shared" not in done:
            for statement in SHARED:
                connection.execute(statement.encode())
            connection.execute("INSERT INTO migrations VALUES ('shared', now())")
        if DISTRICT not in done:
            for table in PARTITIONED:
                connection.execute(
                    f'ALTER TABLE {table} ADD COLUMN {DISTRICT} text COLLATE "C" NOT NULL'
                    " DEFAULT current_schema()::text".encode()
                )
            connection.execute("INSERT INTO migrations VALUES (%s, now())", [DISTRICT])
        # The row that gives commit order is there from the start: writers queue up for it.
        connection.execute("INSERT INTO meta VALUES ('seq', 0) ON CONFLICT DO NOTHING")


def detach(connection: psycopg.Connection[Any], district: str) -> None:
    """Let the tables of a district of this database stand by themselves."""
    for table in PARTITIONED:
        parent, own = f"{SPAN}.{table}", f"{district}.{table}"
        ask = "SELECT 1 FROM pg_inherits WHERE inhparent = to_regclass(%s)"
        if connection.execute(f"{ask} AND inhrelid = to_regclass(%s)", [parent, own]).fetchall():
            connection.execute(f"ALTER TABLE {parent} DETACH PARTITION {own}".encode())
