# SPDX-License-Identifier: Apache-2.0
"""Moving a district from one store to another: from the file to PostgreSQL, and back.

What lives here: copying every table in one transaction of the target. What must not: how a store
reads and writes many rows, which is its own. Invariants
- A target that holds anything is refused, and one that does not verify after the copy keeps
  nothing; the source is only read.
- What is derived (views, the tables of reports) is not copied: it is made anew.
- Keys stay where they are: what is moved is bound to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from server.errors import AlreadyInitialised, StoreDamaged
from server.store.base import Store, Transaction
from server.verify import Verdict, verify_store
from sync.schema import Schema

MIGRATED = "migrations"
META = "meta"
KNOWN, SEQ = "known", "seq"
"""Rows of ``meta`` that a store in PostgreSQL has from the start; the first is of its own only."""
Told = Callable[[int], object]


class Moved(NamedTuple):
    """What was moved, and what verification found at both ends."""

    tables: int
    rows: int
    source: Verdict
    target: Verdict


def tables_of(source: Transaction, target: Transaction) -> list[str]:
    """The tables that both stores have by their migrations, in order of their names."""
    here, there = source.relations(), target.relations()
    both = [n for n, (kind, _) in here.items() if kind == "table" and n in there]
    return sorted(n for n in both if n != MIGRATED and not n.startswith("sqlite_"))


def rows_in(tx: Transaction, tables: list[str]) -> int:
    """All rows of these tables."""
    return sum(int(tx.rows(f"SELECT count(*) FROM {name}")[0][0]) for name in tables)


def move(
    source: Store, target: Store, schema: Schema, public: bytes, told: Told = lambda rows: None
) -> Moved:
    """Copy a district into an empty store and verify both; durable when this returns.

    ``public`` is the server's first key; ``told`` hears of rows as they are copied. Raises
    AlreadyInitialised where the target holds anything, StoreDamaged where an end does not verify.
    """
    with source.read() as here:
        before = _verified(here, schema, public)
        with target.write() as there:
            tables = tables_of(here, there)
            if rows_in(there, [name for name in tables if name != META]):
                raise AlreadyInitialised("the target is not empty")
            rows = copy_tables(here, there, tables, told)
            after = _verified(there, schema, public)
            if (before.changes, before.records, before.conflicts, before.fates) != (
                after.changes,
                after.records,
                after.conflicts,
                after.fates,
            ):
                raise StoreDamaged("the ends differ")
    return Moved(len(tables), rows, before, after)


def copy_tables(here: Transaction, there: Transaction, tables: list[str], told: Told) -> int:
    """Copy these tables into a store that holds nothing yet; how many rows."""
    return sum(_copy(here, there, name, told) for name in tables)


def _verified(tx: Transaction, schema: Schema, public: bytes) -> Verdict:
    verdict = verify_store(tx, schema, public)
    if not verdict.holds:
        raise StoreDamaged(f"{verdict.problem_count} problems; see doorstep verify")
    return verdict


def _is_shared(row: tuple[object, ...]) -> bool:
    # Stores of older programs noted their last backup as text.
    return row[0] != KNOWN and isinstance(row[1], int)


def _copy(here: Transaction, there: Transaction, name: str, told: Told) -> int:
    columns = there.columns_of(name)
    if name == META:
        there.run("DELETE FROM meta WHERE key <> ?", [KNOWN])
    count = 0
    for part in here.stream(name, columns):
        rows = [row for row in part if _is_shared(row)] if name == META else part
        there.fill(name, columns, rows)
        count += len(rows)
        told(len(rows))
    if name == META and not there.rows("SELECT 1 FROM meta WHERE key = ?", [SEQ]):
        there.run("INSERT INTO meta (key, value) VALUES (?, 0)", [SEQ])
    return count
