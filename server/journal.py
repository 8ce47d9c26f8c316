# SPDX-License-Identifier: Apache-2.0
"""The journal: which officer did what, beside the record's own changes.

What lives here: writing and reading its lines. What must not: values of records. Invariant: a line
is written in the transaction of what it tells of.
"""

from __future__ import annotations

from typing import NamedTuple

from server.store.base import Transaction


class Line(NamedTuple):
    """One line: ``what`` is a stable word such as ``export``, ``target`` what it was done to."""

    at_ms: int
    who: str
    what: str
    target: str
    detail: str


def note(tx: Transaction, at_ms: int, who: str, what: str, target: str, detail: str) -> None:
    """Add a line."""
    tx.run(
        "INSERT INTO journal (at_ms, who, what, target, detail) VALUES (?, ?, ?, ?, ?)",
        [at_ms, who, what, target, detail],
    )


def lines(tx: Transaction, limit: int = 200) -> list[Line]:
    """The newest lines, newest first."""
    found = tx.rows(
        "SELECT at_ms, who, what, target, detail FROM journal ORDER BY n DESC LIMIT ?", [limit]
    )
    return [Line(*row) for row in found]
