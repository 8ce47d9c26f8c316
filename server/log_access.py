# SPDX-License-Identifier: Apache-2.0
"""Readings of sensitive fields: written as leaves of the provable log, counted, and judged.

What lives here: adding lines to the access log, reports over them, the rule of what is unusual.
What must not: deciding who may read. Invariants
- A line and its leaf are one transaction; the leaf holds when and who, and of the rest a digest
  with the salt that stands beside the line.
- Unusual is a rule in words, the same for everybody. Of a reader: more than
  ``HOMES_PER_HOUR_MAX`` different households in one hour, not counting those with a conflict that
  is the reader's own care; or more of them than ``HOMES_PER_NIGHT_MAX`` in one night (from 23 to 6
  o'clock in China); or a copy of everything, which is one line, of the household ``*``. Of a
  household: read by more than ``READERS_PER_WEEK_MAX`` people within seven days.
- Reading on tablets counts as reading in the console does.
- A line of no household (figures, a list on a tablet) makes none of them unusual.
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
HOMES_PER_NIGHT_MAX = 5
"""An emergency or two; nobody goes from door to door at night."""
READERS_PER_WEEK_MAX = 8
"""A team, its supervisor and an auditor."""
CHINA_MS = 8 * HOUR_MS
NIGHT_BEGINS_MS, NIGHT_MS = 23 * HOUR_MS, 7 * HOUR_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS


class Reading(NamedTuple):
    """Who read which fields of which record of a household, what for, and on which tablet (empty:
    at this server)."""

    account: str
    area: str
    home: str
    record: str
    fields: str
    purpose: str
    device: str = ""


def said_in(*parts: str) -> str:
    """What a line's leaf has a digest of: area to purpose, and the tablet where there is one."""
    return said_of(*(parts if parts[-1] else parts[:-1]))


def note_readings(tx: Transaction, at_ms: int, readings: Iterable[Reading]) -> None:
    """Add lines to the access log, each a leaf of the provable log."""
    log, rows = Adding(tx), []
    for one in readings:
        salt = os.urandom(SALT_BYTES)
        leaf = log.add(ACCESS, at_ms, "read", one.account, salted(salt, said_in(*one[1:])))
        rows.append((at_ms, *one, leaf, salt))
    log.store()
    tx.run_many(
        "INSERT INTO access_log (at_ms, account, area, home, record, fields, purpose, device, leaf,"
        " salt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


EVERY = "*"
"""The household of a line that tells of all of them: a copy, or a query over everything."""


def note_seen(
    tx: Transaction,
    at_ms: int,
    who: str,
    records: Iterable[str],
    purpose: str,
    fields: str = "*",
) -> None:
    """Note that somebody was shown these records; those that are not held are left out."""
    listed = list(dict.fromkeys(records))
    found = tx.rows_in(
        "SELECT r.id, h.id, h.area FROM records r JOIN homes h ON h.n = r.home WHERE r.id IN (?*)",
        listed,
    )
    note_readings(
        tx,
        at_ms,
        [Reading(who, str(a), str(h), str(r), fields, purpose) for r, h, a in sorted(found)],
    )


def note_all_seen(tx: Transaction, at_ms: int, who: str, purpose: str, fields: str = "*") -> None:
    """Note that somebody took a copy of everything, or asked over everything: one line."""
    note_readings(tx, at_ms, [Reading(who, "", EVERY, EVERY, fields, purpose)])


class Count(NamedTuple):
    """How much was read: by an officer or worker, or of a household. ``most`` is the largest number
    of households in one hour, outside the reader's own open conflicts; ``at_ms`` is that hour.
    ``night`` is the largest number in one night, ``week`` of readers in seven days."""

    name: str
    lines: int
    homes: int
    readers: int
    first_ms: int
    last_ms: int
    most: int
    at_ms: int
    night: int = 0
    week: int = 0
    every: int = 0

    @property
    def unusual(self) -> bool:
        """Does a rule say that somebody should look?"""
        return (
            self.most > HOMES_PER_HOUR_MAX
            or self.night > HOMES_PER_NIGHT_MAX
            or self.week > READERS_PER_WEEK_MAX
            or self.every > 0
        )


def by_officer(tx: Transaction, since_ms: int = 0, area: str = "") -> list[Count]:
    """What each officer and worker read in an area, what is unusual first, then the busiest
    hour."""
    lines: dict[str, list[tuple[int, str]]] = {}
    for account, at_ms, home in tx.rows(
        "SELECT account, at_ms, home FROM access_log WHERE at_ms >= ? AND substr(area, 1, ?) = ?"
        " ORDER BY at_ms, n",
        [since_ms, len(area), area],
    ):
        lines.setdefault(str(account), []).append((int(at_ms), str(home)))
    cared: dict[str, set[str]] = {}
    for account, home in tx.rows(
        "SELECT c.assignee, k.home FROM conflict_care c JOIN conflicts k ON k.n = c.conflict"
    ):
        cared.setdefault(str(account), set()).add(str(home))
    found = [_count(who, seen, cared.get(who, set())) for who, seen in lines.items()]
    return sorted(found, key=lambda c: (not c.unusual, -c.most, c.name))


def _count(who: str, seen: Sequence[tuple[int, str]], own: set[str]) -> Count:
    others = [(at, home) for at, home in seen if home and home not in own]
    most, hour = _busiest(others, HOUR_MS)
    homes = {home for _, home in seen if home}
    nights: dict[int, set[str]] = {}
    for at, home in others:
        night, into = divmod(at + CHINA_MS - NIGHT_BEGINS_MS, DAY_MS)
        if into < NIGHT_MS:
            nights.setdefault(night, set()).add(home)
    dark = max(map(len, nights.values()), default=0)
    every = sum(home == EVERY for _, home in seen)
    first, last = seen[0][0], seen[-1][0]
    return Count(who, len(seen), len(homes), 1, first, last, most, hour, dark, 0, every)


def _busiest(seen: Sequence[tuple[int, str]], within_ms: int) -> tuple[int, int]:
    """The most different names within such a time, and when it began."""
    inside: dict[str, int] = {}
    most, hour, first = 0, 0, 0
    for at_ms, home in seen:
        inside[home] = inside.get(home, 0) + 1
        while seen[first][0] <= at_ms - within_ms:
            gone = seen[first][1]
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            first += 1
        if len(inside) > most:
            most, hour = len(inside), seen[first][0]
    return most, hour


def by_household(tx: Transaction, since_ms: int = 0, area: str = "") -> list[Count]:
    """How often each household of an area was read, and by how many, what is unusual first."""
    found = tx.rows(
        "SELECT home, count(*), count(DISTINCT account), min(at_ms), max(at_ms) FROM access_log"
        " WHERE at_ms >= ? AND substr(area, 1, ?) = ? GROUP BY home ORDER BY 3 DESC, 2 DESC, home",
        [since_ms, len(area), area],
    )
    many = [str(row[0]) for row in found if row[0] and int(row[2]) > READERS_PER_WEEK_MAX]
    seen: dict[str, list[tuple[int, str]]] = {home: [] for home in many}
    for home, at_ms, account in tx.rows_in(
        "SELECT home, at_ms, account FROM access_log WHERE home IN (?*) ORDER BY at_ms, n", many
    ):
        if int(at_ms) >= since_ms:
            seen[str(home)].append((int(at_ms), str(account)))
    weeks = {home: _busiest(rows, WEEK_MS)[0] for home, rows in seen.items()}
    counts = [
        Count(str(home), int(n), 1, int(readers), int(a), int(z), 0, 0, 0, weeks.get(home, 0))
        for home, n, readers, a, z in found
    ]
    return sorted(counts, key=lambda c: not c.unusual)
