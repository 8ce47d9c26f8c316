# SPDX-License-Identifier: Apache-2.0
"""The access log: who saw what of which household, when and for what.

What lives here: its lines, written and read. What must not: deciding who may see. Invariants
- Lines are only ever added.
- What one person saw again of one record within REPEAT_MS, for the same purpose, is one line.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from server.journal import note
from server.log_access import Reading, note_readings
from server.service import Service
from server.store.base import Store, Transaction
from server.web.scoped import Read, Scoped

REPEAT_MS = 10 * 60_000
PART_LINES = 500
"""Lines of one transaction: uploads come in between, also where a file holds a whole district."""
KNOWN_MAX = 50_000
"""Lines remembered so as not to be written again."""
PURPOSE_CHARS_MAX = 200


class Line(NamedTuple):
    """One line of the access log."""

    n: int
    at_ms: int
    account: str
    area: str
    home: str
    record: str
    fields: str
    purpose: str
    device: str


Key = tuple[str, str, Read]
"""Who read what for what."""


class Seen:
    """What was written to the log lately, so that it is not written again at every click."""

    def __init__(self) -> None:
        self._lately: OrderedDict[Key, int] = OrderedDict()
        self._lock = threading.Lock()

    async def keep(
        self, service: Service, account: str, purpose: str, scopes: Sequence[Scoped], now_ms: int
    ) -> None:
        """Write what was read before it is shown."""
        for part, reads in self._parts(account, purpose, scopes, now_ms):
            await service.run(partial(_write, service.district.store, reads, now_ms))
            self._note(part, now_ms)

    def keep_apart(
        self,
        service: Service,
        account: str,
        purpose: str,
        scopes: Sequence[Scoped],
        now_ms: int,
        told: Callable[[int], None],
    ) -> None:
        """The same, waited for in a thread that is no page's; ``told`` hears how many are written
        each time, and uploads come in between."""
        for part, reads in self._parts(account, purpose, scopes, now_ms):
            service.submit(partial(_write, service.district.store, reads, now_ms)).result()
            self._note(part, now_ms)
            told(len(part))

    @staticmethod
    def keep_export(service: Service, account: str, what: str, lines: int, now_ms: int) -> None:
        """A line of the journal for a file that is given out, each time, with how many records it
        lists; waited for in a thread that is no page's."""
        said = partial(_note_export, service.district.store, account, what, lines, now_ms)
        service.submit(said).result()

    def _parts(
        self, account: str, purpose: str, scopes: Sequence[Scoped], now_ms: int
    ) -> Iterator[tuple[list[Key], list[Reading]]]:
        """What is new, in parts that one transaction takes."""
        purpose = purpose[:PURPOSE_CHARS_MAX]
        new = []
        for scoped in scopes:
            for read in scoped.reads:
                key = (account, purpose, read)
                if now_ms - self._lately.get(key, -REPEAT_MS) >= REPEAT_MS:
                    new.append(key)
        for start in range(0, len(new), PART_LINES):
            part = new[start : start + PART_LINES]
            yield part, [Reading(w, r.area, r.home, r.record, r.fields, why) for w, why, r in part]

    def _note(self, part: list[Key], now_ms: int) -> None:
        with self._lock:
            for key in part:
                self._lately[key] = now_ms
            while len(self._lately) > KNOWN_MAX:
                self._lately.popitem(last=False)


def _write(store: Store, reads: list[Reading], now_ms: int) -> None:
    with store.write() as tx:
        note_readings(tx, now_ms, reads)


def _note_export(store: Store, account: str, what: str, lines: int, now_ms: int) -> None:
    with store.write() as tx:
        note(tx, now_ms, account, "export", what, str(lines))


def read_log(
    tx: Transaction,
    area: str,
    account: str = "",
    home: str = "",
    before: int | None = None,
    limit: int = 100,
) -> list[Line]:
    """Lines of an area, newest first, before a number."""
    where: list[str] = ["substr(area, 1, ?) = ?"]
    values: list[object] = [len(area), area]
    parts: list[tuple[str, object]] = [("account = ?", account), ("home = ?", home)]
    sql = (
        "SELECT n, at_ms, account, area, home, record, fields, purpose, device FROM access_log"
        " WHERE "
    )
    for part, value in parts:
        if value:
            where.append(part)
            values.append(str(value))
    if before is not None:
        where.append("n < ?")
        values.append(before)
    found = tx.rows(sql + " AND ".join(where) + " ORDER BY n DESC LIMIT ?", [*values, limit])
    return [Line(*row) for row in found]
