# SPDX-License-Identifier: Apache-2.0
"""Readings of sensitive fields: written as leaves of the provable log, counted, and judged.

What lives here: adding lines to the access log, reports over them, the rule of what is unusual.
What must not: deciding who may read. Invariants
- A line and its leaf are one transaction; the leaf holds when and who, and of the rest a digest
  with the salt that stands beside the line.
- Unusual is a rule in words, the same for everybody: more than ``HOMES_PER_HOUR_MAX`` different
  households in one hour, not counting those with a conflict that is the reader's own care.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from crypto.logword import ACCESS, SALT_BYTES, salted
from server.journal import said_of
from server.log_tree import Adding
from server.store.base import Transaction

HOUR_MS = 3_600_000
HOMES_PER_HOUR_MAX = 30
"""A visit a minute for half an hour: who settles conflicts reads fewer, who browses reads more."""


class Reading(NamedTuple):
    """Who read which fields of which record of a household, and what for."""

    account: str
    area: str
    home: str
    record: str
    fields: str
    purpose: str


def note_readings(tx: Transaction, at_ms: int, readings: Iterable[Reading]) -> None:
    """Add lines to the access log, each a leaf of the provable log."""
    log, rows = Adding(tx), []
    for one in readings:
        salt = os.urandom(SALT_BYTES)
        leaf = log.add(ACCESS, at_ms, "read", one.account, salted(salt, said_of(*one[1:])))
        rows.append((at_ms, *one, leaf, salt))
    log.store()
    tx.run_many(
        "INSERT INTO access_log (at_ms, account, area, home, record, fields, purpose, leaf, salt)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


class Count(NamedTuple):
    """How much was read: by an officer or of a household. ``most`` is the largest number of
    households in one hour, outside the reader's own open conflicts; ``at_ms`` is that hour."""

    name: str
    lines: int
    homes: int
    readers: int
    first_ms: int
    last_ms: int
    most: int
    at_ms: int

    @property
    def unusual(self) -> bool:
        """Does the rule say that somebody should look?"""
        return self.most > HOMES_PER_HOUR_MAX


def by_officer(tx: Transaction, since_ms: int = 0) -> list[Count]:
    """What each officer read, the busiest hour first."""
    lines: dict[str, list[tuple[int, str]]] = {}
    for account, at_ms, home in tx.rows(
        "SELECT account, at_ms, home FROM access_log WHERE at_ms >= ? ORDER BY at_ms, n", [since_ms]
    ):
        lines.setdefault(str(account), []).append((int(at_ms), str(home)))
    cared: dict[str, set[str]] = {}
    for account, home in tx.rows(
        "SELECT c.assignee, k.home FROM conflict_care c JOIN conflicts k ON k.n = c.conflict"
    ):
        cared.setdefault(str(account), set()).add(str(home))
    found = [_count(who, seen, cared.get(who, set())) for who, seen in lines.items()]
    return sorted(found, key=lambda c: (-c.most, c.name))


def _count(who: str, seen: Sequence[tuple[int, str]], own: set[str]) -> Count:
    most, hour = _busiest([(at, home) for at, home in seen if home not in own])
    homes = {home for _, home in seen}
    return Count(who, len(seen), len(homes), 1, seen[0][0], seen[-1][0], most, hour)


def _busiest(seen: Sequence[tuple[int, str]]) -> tuple[int, int]:
    """The most different households within any hour, and when that hour began."""
    inside: dict[str, int] = {}
    most, hour, first = 0, 0, 0
    for at_ms, home in seen:
        inside[home] = inside.get(home, 0) + 1
        while seen[first][0] <= at_ms - HOUR_MS:
            gone = seen[first][1]
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            first += 1
        if len(inside) > most:
            most, hour = len(inside), seen[first][0]
    return most, hour


def by_household(tx: Transaction, since_ms: int = 0) -> list[Count]:
    """How often each household was read, and by how many, the most readers first."""
    found = tx.rows(
        "SELECT home, count(*), count(DISTINCT account), min(at_ms), max(at_ms) FROM access_log"
        " WHERE at_ms >= ? GROUP BY home ORDER BY 3 DESC, 2 DESC, home",
        [since_ms],
    )
    return [
        Count(str(home), int(n), 1, int(readers), int(first), int(last), 0, 0)
        for home, n, readers, first, last in found
    ]
