# SPDX-License-Identifier: Apache-2.0
"""One SQL view per collection: the record with plain columns, for reports and for ``doorstep sql``.

What lives here: making the views from the schema, and reading through them. What must not: writing.
Invariants
- A view has ``id``, ``home``, ``voided`` and one column for each declared field, in its order;
  lists and objects are JSON text.
- Views are derived: they are dropped and made anew when the schema changed, and hold nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlcipher3

from server.errors import QueryRefused
from server.moved import VIEW, VIEW_SQL
from server.store.base import Store
from server.store.sqlite_file import connect
from sync.schema import Collection, Schema

ROWS_MAX = 100_000
"""What one query may give: more is an export."""
FIXED = ("id", "home", "voided")


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def view_sql(collection: Collection, store: Store) -> str:
    """The query of the view of one collection."""
    columns = ['r.id AS "id"', 'h.id AS "home"', 'r.voided AS "voided"']
    for field in collection.fields:
        if field not in FIXED:
            columns.append(f"{store.field_sql(field)} AS {quoted(field)}")
    kind = collection.name.replace("'", "''")
    return (
        f"SELECT {', '.join(columns)} FROM records r"
        " JOIN homes h ON h.n = r.home"
        f" WHERE r.kind = (SELECT kind FROM kinds WHERE collection = '{kind}')"
    )


def refresh_views(store: Store, schema: Schema) -> list[str]:
    """Make the views that are missing or differ; the names of all views of collections.

    A collection named like a table of the store gets a view named ``<collection>_records``.
    """
    with store.read() as tx:
        known = tx.relations()
    wanted: dict[str, str] = {}
    for collection in schema.collections.values():
        name = collection.name
        if known.get(name, ("view", ""))[0] != "view":
            name += "_records"
        wanted[name] = view_sql(collection, store)
    names = list(wanted)
    wanted[VIEW] = VIEW_SQL
    stale = {name: sql for name, sql in wanted.items() if known.get(name, ("", ""))[1] != sql}
    if stale:
        with store.write() as tx:
            for name, sql in stale.items():
                tx.make_view(name, sql)
    return names


class Table(NamedTuple):
    """What a query gave."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    cut: bool


_READING = frozenset({sqlcipher3.SQLITE_SELECT, sqlcipher3.SQLITE_READ, sqlcipher3.SQLITE_FUNCTION})
_RECURSIVE = 33


def query(
    path: Path, key_hex: str, sql: str, parameters: Sequence[Any] = (), rows_max: int = ROWS_MAX
) -> Table:
    """Run one statement that only reads, on a connection that can do nothing else.

    Raises QueryRefused for anything but one reading statement.
    """
    connection = connect(path, key_hex)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.set_authorizer(_allow)
        try:
            cursor = connection.execute(sql, parameters)
            if cursor.description is None:
                raise QueryRefused("a query that gives rows")
            rows = cursor.fetchmany(rows_max + 1)
        except (sqlcipher3.Error, sqlcipher3.Warning) as error:
            raise QueryRefused(str(error)) from None
        columns = [str(column[0]) for column in cursor.description]
        return Table(columns, rows[:rows_max], len(rows) > rows_max)
    finally:
        connection.close()


def _allow(action: int, *_: str | None) -> int:
    fine = action in _READING or action == _RECURSIVE
    return int(sqlcipher3.SQLITE_OK if fine else sqlcipher3.SQLITE_DENY)
