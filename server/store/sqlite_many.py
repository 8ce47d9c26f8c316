# SPDX-License-Identifier: Apache-2.0
"""Whole tables of the embedded store, out of it and into it.

What lives here: that, as the base of its transaction. What must not: which tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlcipher3

from server.store.base import STREAM_ROWS


class ManyRows:
    """What of a transaction moves whole tables."""

    _db: sqlcipher3.Connection
    _learn_names: Callable[[], None]

    def columns_of(self, table: str) -> list[str]:
        """The columns of a table."""
        return [str(r[1]) for r in self._db.execute(f'PRAGMA table_info("{table}")')]

    def stream(self, table: str, columns: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
        """All rows of a table, some at a time."""
        cursor = self._db.execute(f"SELECT {', '.join(columns)} FROM {table}")
        while rows := cursor.fetchmany(STREAM_ROWS):
            yield rows

    def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows as another store streamed them."""
        marks = ", ".join("?" for _ in columns)
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        self._db.executemany(sql, rows)
        # Names come in with their tables.
        self._learn_names()
