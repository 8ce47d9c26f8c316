# SPDX-License-Identifier: Apache-2.0
"""Many districts as one: tables partitioned by district, whose partitions may lie on other servers.

What lives here: the parents of the districts' tables in a schema of their own, taking a district in
and out, one view for each collection over all of them. What must not: writing the record, which its
server does in the district's own schema. Invariants
- A district of this database is its table itself, attached; one of another server is a foreign
  table over it (``postgres_fdw``). Nothing is copied, and a district can be moved or dropped alone.
- Every join names the district: a partition is joined with its own alone, on the server where it
  lies, and a condition on the district reaches that server and no other.
- Each parent has ``district`` in every row and in every join, so that an engine which distributes
  tables by a column can do it by this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg

from server.errors import AlreadyInitialised, ConfigurationWrong, NotFound, StoreTooNew
from server.store.postgres_lines import SCHEMA_NAME, coded
from server.store.postgres_migrations import (
    ARRIVING,
    DISTRICT,
    PARTITIONED,
    SPAN,
    detach,
)
from server.views import FIXED, quoted
from sync.schema import Collection, Schema

COLUMNS = (
    "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), coalesce(c.collname::text, '')"
    " FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation"
    " AND c.collname <> 'default' WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0"
    " AND NOT a.attisdropped ORDER BY a.attname"
)
PARTITIONS = (
    "SELECT coalesce((SELECT option_value FROM pg_options_to_table(f.ftoptions)"
    " WHERE option_name = 'schema_name'), n.nspname::text), coalesce(s.srvname::text, '')"
    " FROM pg_inherits i"
    " JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid"
    " LEFT JOIN pg_foreign_server s ON s.oid = f.ftserver"
    " WHERE i.inhparent = to_regclass(%s) ORDER BY 1"
)
WHERE_IT_LIES = ("enable_partitionwise_join", "enable_partitionwise_aggregate")
"""Settings under which a partition is joined and counted where it lies, and not fetched first."""
Column = tuple[str, str, str]
Connection = psycopg.Connection[Any]


class Place(NamedTuple):
    """A district, and the foreign server where it lies; empty for this database."""

    district: str
    server: str


@contextmanager
def opened(dsn: str) -> Iterator[Connection]:
    """The database of a DSN. Raises StoreUnreachable, and what ``postgres_lines.coded`` knows."""
    try:
        with psycopg.connect(dsn, autocommit=True) as db:
            yield db
    except psycopg.Error as error:
        raise coded(error) or error from error


def places(db: Connection) -> list[Place]:
    """The districts that are taken in."""
    return [Place(*row) for row in db.execute(PARTITIONS, [f"{SPAN}.{PARTITIONED[0]}"]).fetchall()]


def take_in(db: Connection, district: str, server: str, schema: Schema) -> None:
    """Take in a district of this database, or of a foreign server that is defined in it.

    Raises NotFound where it is not there, AlreadyInitialised where it was taken in, StoreTooNew
    where its tables are of another version than those of the others.
    """
    if not SCHEMA_NAME.fullmatch(district) or district in (SPAN, ARRIVING):
        raise ConfigurationWrong(district)
    if district in {place.district for place in places(db)}:
        raise AlreadyInitialised(district)
    with db.transaction():
        _run(db, f"CREATE SCHEMA IF NOT EXISTS {SPAN}")
        for table, columns in _arriving(db, district, server).items():
            _make_parent(db, table, columns)
            if server:
                _run(
                    db,
                    f"CREATE FOREIGN TABLE {SPAN}.{table}_of_{district} PARTITION OF {SPAN}.{table}"
                    f" FOR VALUES IN ('{district}') SERVER {quoted(server)}"
                    f" OPTIONS (schema_name '{district}', table_name '{table}')",
                )
            else:
                _run(
                    db,
                    f"ALTER TABLE {SPAN}.{table} ATTACH PARTITION {district}.{table}"
                    f" FOR VALUES IN ('{district}')",
                )
        for collection in schema.collections.values():
            make_view(db, collection)
        ((database,),) = db.execute("SELECT current_database()").fetchall()
        for name in WHERE_IT_LIES:
            _run(db, f"ALTER ROLE CURRENT_USER IN DATABASE {quoted(database)} SET {name} = on")


def take_out(db: Connection, district: str) -> None:
    """Leave a district out; nothing of it is touched. Raises NotFound."""
    place = {place.district: place for place in places(db)}.get(district)
    if place is None:
        raise NotFound(district)
    with db.transaction():
        if not place.server:
            detach(db, district)
            return
        for table in PARTITIONED:
            _run(db, f"DROP FOREIGN TABLE {SPAN}.{table}_of_{district}")


def _run(db: Connection, statement: str) -> None:
    db.execute(statement.encode())


def _arriving(db: Connection, district: str, server: str) -> dict[str, list[Column]]:
    """The columns of each table of a district that is not taken in yet. Raises NotFound."""
    where = ARRIVING if server else district
    if server:
        _run(db, f"CREATE SCHEMA {ARRIVING}")
        try:
            _run(
                db,
                f"IMPORT FOREIGN SCHEMA {district} LIMIT TO ({', '.join(PARTITIONED)})"
                f" FROM SERVER {quoted(server)} INTO {ARRIVING}",
            )
        except (psycopg.errors.FdwSchemaNotFound, psycopg.errors.UndefinedObject) as error:
            raise NotFound(f"{district} {server}") from error
    found = {table: _columns(db, where, table) for table in PARTITIONED}
    if server:
        _run(db, f"DROP SCHEMA {ARRIVING} CASCADE")
    if not all(found.values()):
        raise NotFound(f"{district} {server}".rstrip())
    return found


def _columns(db: Connection, schema: str, table: str) -> list[Column]:
    return [(n, t, c) for n, t, c in db.execute(COLUMNS, [f"{schema}.{table}"]).fetchall()]


def _make_parent(db: Connection, table: str, columns: list[Column]) -> None:
    there = _columns(db, SPAN, table)
    if there and there != columns:
        if db.execute(PARTITIONS, [f"{SPAN}.{table}"]).fetchall():
            raise StoreTooNew(f"{table}: the districts are of different versions")
        # Nothing is in it: it was made by an older program.
        _run(db, f"DROP TABLE {SPAN}.{table} CASCADE")
        there = []
    if not there:
        parts = ", ".join(
            f"{quoted(name)} {kind}" + (f" COLLATE {quoted(collation)}" if collation else "")
            for name, kind, collation in columns
        )
        _run(db, f"CREATE TABLE {SPAN}.{table} ({parts}) PARTITION BY LIST ({DISTRICT})")


def make_view(db: Connection, collection: Collection) -> None:
    """The view of a collection, as each district has one, with the district before it."""
    name = collection.name
    if name in PARTITIONED:
        name += "_records"
    columns = ['r.district AS "district"', 'r.id AS "id"', 'h.id AS "home"', 'r.voided AS "voided"']
    columns += [
        f"r.body ->> {_text(field)} AS {quoted(field)}"
        for field in collection.fields
        if field not in (*FIXED, DISTRICT)
    ]
    _run(db, f"DROP VIEW IF EXISTS {SPAN}.{quoted(name)}")
    _run(
        db,
        f"CREATE VIEW {SPAN}.{quoted(name)} AS SELECT {', '.join(columns)} FROM {SPAN}.records r"
        f" JOIN {SPAN}.homes h ON h.district = r.district AND h.n = r.home"
        f" JOIN {SPAN}.kinds k ON k.district = r.district AND k.kind = r.kind"
        f" WHERE k.collection = {_text(collection.name)}",
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
