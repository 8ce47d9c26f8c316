# SPDX-License-Identifier: Apache-2.0
"""Many rows into PostgreSQL and out of it: binary COPY, and cursors that the server keeps.

What lives here: that, as the base of its transaction. What must not: which rows. Invariant: what
COPY writes is escaped here, since the connection's own way with text does not see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from server.store.base import STREAM_ROWS
from server.store.postgres_migrations import DISTRICT, PARTITIONED
from server.store.postgres_values import escaped, json_escaped


def jsonb(text: str) -> Jsonb:
    """JSON text as COPY takes it."""
    return Jsonb(json_escaped(text), dumps=str.encode)


def _same(value: Any) -> Any:
    return value


class ManyRows:
    """What of a transaction moves many rows at once."""

    _db: psycopg.Connection[Any]

    def _copy(self, into: str, types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        with (
            self._db.cursor() as cursor,
            cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)".encode()) as copy,
        ):
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)

    def _columns(self, table: str) -> list[tuple[Any, ...]]:
        return self._db.execute(
            "SELECT attname::text, atttypid::regtype::text,"
            " coalesce(pg_get_expr(adbin, adrelid) LIKE 'nextval%%', false) FROM pg_attribute"
            " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
            " WHERE attrelid = %s::text::regclass AND attnum > 0 AND NOT attisdropped"
            # The name of the district is its place, not a part of what is in it.
            " AND NOT (attname = %s AND %s::text = ANY(%s)) ORDER BY attnum",
            [table, DISTRICT, table, list(PARTITIONED)],
            binary=True,
        ).fetchall()

    def columns_of(self, table: str) -> list[str]:
        """The columns of a table."""
        return [r[0] for r in self._columns(table)]

    def stream(self, table: str, columns: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
        """All rows of a table, some at a time, from a cursor that the server keeps."""
        with self._db.cursor(name="stream", binary=True) as cursor:
            cursor.execute(f"SELECT {', '.join(columns)} FROM {table}".encode())
            while rows := cursor.fetchmany(STREAM_ROWS):
                yield rows

    def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows as another store streamed them."""
        known = {r[0]: (r[1], r[2]) for r in self._columns(table)}
        types = [known[name][0] for name in columns]
        as_held = [{"text": escaped, "jsonb": jsonb}.get(kind, _same) for kind in types]
        self._copy(
            f"{table} ({', '.join(columns)})",
            types,
            (
                [None if v is None else change(v) for v, change in zip(row, as_held, strict=True)]
                for row in rows
            ),
        )
        for name in (n for n in columns if known[n][1]):
            self._db.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{name}'),"
                f" (SELECT max({name}) FROM {table}))".encode()
            )
