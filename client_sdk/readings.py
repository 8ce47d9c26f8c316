# SPDX-License-Identifier: Apache-2.0
"""What workers opened on this tablet: kept in the encrypted store, told to the district.

What lives here: the tablet's own reading log and how it goes up. What must not: what is unusual,
which the district judges. Invariants
- A line is one worker, one household, one hour, with the kinds of records that were opened: no
  value of any of them, and no second line for what stands there already.
- A list or a search that was shown is a line too, of no household: which list, how many households
  it showed, which sensitive fields. Beyond ``LISTS_PER_HOUR_MAX`` of one worker they are counted,
  and told with the lines that were lost.
- Lines stay until the district says under signature how far it holds them; beyond
  ``READINGS_KEPT_MAX`` the oldest go, and how many went is told.
- Nobody is kept from reading because the log cannot be written: what could not be goes in with the
  next line that can.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from client_sdk.devices import District, own_replicas
from client_sdk.errors import StoreFailed, StoreFull
from client_sdk.store.base import Clock, Store
from crypto.erasure import (
    FIELDS_CHARS_MAX,
    READINGS,
    READINGS_PER_STATEMENT_MAX,
    Line,
    Readings,
    check_readings_held,
    issue_readings,
)
from sync.messages import Statement

HOUR_MS = 3_600_000
READINGS_KEPT_MAX = 20_000
"""Lines of years without contact: 2 MB at most."""
NOWHERE = "-"
"""The household of a line that tells of a list."""
LISTS_PER_HOUR_MAX = 120
"""Pages of lists of one worker in an hour: one every thirty seconds; typing a name makes some."""
STATEMENTS_MAX = 4
"""Statements of one request: 240 lines, at most 24 KiB, far less packed; the rest goes next."""
_LOST = "readings_lost"


class ReadingLog:
    """The reading log of one open tablet."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[int, frozenset[str]]] = {}
        self._lists: dict[str, tuple[int, int]] = {}
        self._unwritten: list[Line] = []

    def opened(self, worker: str, home: str, kinds: Iterable[str]) -> None:
        """Note that a worker opened records of these kinds in a household."""
        now_ms = self._clock()
        hour, known = self._known.get((worker, home), (-1, frozenset()))
        if hour != now_ms // HOUR_MS:
            known = frozenset()
        new = sorted(frozenset(kinds) - known)
        if not new:
            return
        self._known[worker, home] = (now_ms // HOUR_MS, known | set(new))
        self._unwritten += [Line(now_ms, worker, home, text) for text in _texts(new)]
        with contextlib.suppress(StoreFull, StoreFailed):
            self._write()

    def listed(self, worker: str, what: str, count: int, fields: Iterable[str]) -> None:
        """Note that a worker was shown a list (``search``, ``today`` …) of so many households."""
        if not count:
            return
        now_ms = self._clock()
        hour, pages = self._lists.get(worker, (-1, 0))
        pages = pages + 1 if hour == now_ms // HOUR_MS else 1
        self._lists[worker] = (now_ms // HOUR_MS, pages)
        with contextlib.suppress(StoreFull, StoreFailed):
            if pages > LISTS_PER_HOUR_MAX:
                with self._store.transaction():
                    self._store.put(_LOST, self._store.get(_LOST, 0) + 1)
                return
            text = " ".join([what, str(count), *fields])[:FIELDS_CHARS_MAX]
            self._unwritten.append(Line(now_ms, worker, NOWHERE, text))
            self._write()

    def _write(self) -> None:
        store, lines = self._store, self._unwritten
        with store.transaction():
            store.run_many(
                "INSERT INTO reading_log (at_ms, worker, home, fields) VALUES (?, ?, ?, ?)",
                ((line.at_ms, line.worker, line.home, line.fields) for line in lines),
            )
            found = store.one("SELECT min(n), max(n) FROM reading_log")
            first, last = found if found else (0, 0)
            over = last - READINGS_KEPT_MAX - first + 1
            if over > 0:
                store.run("DELETE FROM reading_log WHERE n < ?", (first + over,))
                store.put(_LOST, store.get(_LOST, 0) + over)
        self._unwritten = []


def _texts(kinds: Sequence[str]) -> list[str]:
    """Kinds joined by spaces, in as few texts as hold them."""
    out: list[str] = []
    for kind in kinds:
        if out and len(out[-1]) + 1 + len(kind) <= FIELDS_CHARS_MAX:
            out[-1] += " " + kind
        else:
            out.append(kind)
    return out


def shown(store: Store) -> list[Statement]:
    """What a request brings of the reading log: the oldest lines, signed."""
    rows = store.rows(
        "SELECT n, at_ms, worker, home, fields FROM reading_log ORDER BY n LIMIT ?",
        (READINGS_PER_STATEMENT_MAX * STATEMENTS_MAX,),
    )
    lost = store.get(_LOST, 0)
    out: list[Statement] = []
    for start in range(0, len(rows), READINGS_PER_STATEMENT_MAX):
        part = rows[start : start + READINGS_PER_STATEMENT_MAX]
        lines = [Line(*row[1:]) for row in part]
        said = Readings(store.chain.replica, part[0][0], lost, lines)
        out.append((READINGS, issue_readings(store.key, said)))
    return out


def take_held(store: Store, district: District, data: bytes) -> None:
    """The district holds the log up to there. Raises StatementRefused."""
    said = check_readings_held(data, district.public)
    if said.replica in own_replicas(store):
        store.run("DELETE FROM reading_log WHERE n <= ?", (said.last,))
