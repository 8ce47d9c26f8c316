# SPDX-License-Identifier: Apache-2.0
"""Figures that were counted lately, so that a page does not count a million visits again.

What lives here: keeping results for a while, and counting anew behind the pages what people look
at. What must not: figures. Invariants
- A result is kept by its report, its parameters and the area of who asked: nobody is shown what
  was counted for another area.
- What is shown says when it was counted; it is at most KEPT_MS old while somebody looks.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakKeyDictionary

from server.reports.running import Result
from server.service import Service
from server.store.base import Store, Transaction

KEPT_MS = 60_000
"""What is older is counted again, behind the page that asks."""
DROPPED_MS = 30 * 60_000
"""What is older is not shown any more."""
RESULTS_MAX = 200

Key = tuple[object, ...]
Count = Callable[[Transaction], Result]


class Counted(NamedTuple):
    """A result, when it was counted, and how to count it again."""

    result: Result
    at_ms: int
    recount: Count


class Results:
    """The results of one server."""

    def __init__(self) -> None:
        self._held: OrderedDict[Key, Counted] = OrderedDict()
        self._asked: dict[Key, None] = {}

    def get(self, tx: Transaction, key: Key, count: Count, now_ms: int) -> Counted:
        """The result of a key: as counted lately, else counted now."""
        held = self._held.get(key)
        if held is None or now_ms - held.at_ms > DROPPED_MS:
            held = Counted(count(tx), now_ms, count)
            self._keep(key, held)
        elif now_ms - held.at_ms > KEPT_MS:
            self._asked[key] = None
        return held

    def _keep(self, key: Key, held: Counted) -> None:
        self._held[key] = held
        self._held.move_to_end(key)
        while len(self._held) > RESULTS_MAX:
            self._held.popitem(last=False)

    def again(self, store: Store, now_ms: int) -> bool:
        """Count one thing that was asked for anew; was there one?"""
        key = next(iter(self._asked), None)
        if key is None:
            return False
        held = self._held.get(key)
        if held is not None:
            with store.read() as tx:
                self._keep(key, Counted(held.recount(tx), now_ms, held.recount))
        self._asked.pop(key, None)
        return True


_of: WeakKeyDictionary[Service, Results] = WeakKeyDictionary()
_running: set[asyncio.Task[None]] = set()


def results_of(service: Service) -> Results:
    """What is remembered for a server."""
    return _of.setdefault(service, Results())


def count_behind(service: Service) -> None:
    """Count anew, behind the page, what was asked for and is old."""
    if not _running:
        task = asyncio.get_running_loop().create_task(_count(service))
        _running.add(task)
        task.add_done_callback(_running.discard)


async def _count(service: Service) -> None:
    results, more = results_of(service), True
    while more and not service.stopping:
        more = await service.readers.run(
            lambda store: results.again(store, service.district.clock())
        )
