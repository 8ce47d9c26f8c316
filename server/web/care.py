# SPDX-License-Identifier: Apache-2.0
"""Who of the office takes care of a conflict, until when, and what was said about it.

What lives here: those rows. What must not: deciding, which is a change of the record. Invariant:
nothing here reaches a tablet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from server.store.base import Transaction
from server.web.errors import FormRefused


class Care(NamedTuple):
    """Who is to settle a conflict, by which day (YYYY-MM-DD)."""

    assignee: str
    due: str


class Comment(NamedTuple):
    """What somebody of the office said."""

    at_ms: int
    by: str
    words: str


def of_conflicts(tx: Transaction, numbers: Sequence[int]) -> dict[int, Care]:
    """Those of these conflicts that somebody takes care of."""
    if not numbers:
        return {}
    found = tx.rows_in(
        "SELECT conflict, assignee, due FROM conflict_care WHERE conflict IN (?*)", list(numbers)
    )
    return {int(n): Care(str(assignee), str(due)) for n, assignee, due in found}


def hand_on(tx: Transaction, number: int, assignee: str, due: str, by: str, now_ms: int) -> None:
    """Hand a conflict on. Raises FormRefused for a day that is none."""
    if due and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", due):
        raise FormRefused("due: YYYY-MM-DD")
    tx.run(
        "INSERT INTO conflict_care (conflict, assignee, due, by, at_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (conflict) DO UPDATE SET assignee = excluded.assignee, due = excluded.due,"
        " by = excluded.by, at_ms = excluded.at_ms",
        [number, assignee, due, by, now_ms],
    )


def comments_of(tx: Transaction, number: int) -> list[Comment]:
    """What was said about a conflict, oldest first."""
    found = tx.rows(
        "SELECT at_ms, by, words FROM conflict_comments WHERE conflict = ? ORDER BY n LIMIT 200",
        [number],
    )
    return [Comment(*row) for row in found]


def comment(tx: Transaction, number: int, words: str, by: str, now_ms: int) -> None:
    """Say something. Raises FormRefused for nothing."""
    if not words:
        raise FormRefused("words")
    tx.run(
        "INSERT INTO conflict_comments (conflict, at_ms, by, words) VALUES (?, ?, ?, ?)",
        [number, now_ms, by, words],
    )
