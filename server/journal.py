# SPDX-License-Identifier: Apache-2.0
"""The journal: which officer did what, beside the record's own changes.

What lives here: writing and reading its lines. What must not: values of records. Invariants
- A line is written in the transaction of what it tells of.
- It is a leaf of the provable log, which holds what was done, when and by whom, and of target and
  detail only a digest, with the salt that stands here.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import msgspec

from crypto.logword import NOTE, SALT_BYTES, salted
from server.log_tree import Adding
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
    salt, log = os.urandom(SALT_BYTES), Adding(tx)
    leaf = log.add(NOTE, at_ms, what, who, salted(salt, said_of(target, detail)))
    log.store()
    tx.run(
        "INSERT INTO journal (at_ms, who, what, target, detail, leaf, salt)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [at_ms, who, what, target, detail, leaf, salt],
    )


def said_of(*parts: str) -> str:
    """What a leaf's digest is over."""
    return msgspec.json.encode(parts).decode()


def lines(tx: Transaction, limit: int = 200) -> list[Line]:
    """The newest lines, newest first."""
    found = tx.rows(
        "SELECT at_ms, who, what, target, detail FROM journal ORDER BY n DESC LIMIT ?", [limit]
    )
    return [Line(*row) for row in found]
