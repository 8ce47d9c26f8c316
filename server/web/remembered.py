# SPDX-License-Identifier: Apache-2.0
"""Counting apart from pages: figures, lists and proposals that take longer than a page may.

What lives here: one thread that counts on a connection of its own, what it found, and as of when.
What must not: what is counted. Invariants
- A page waits for a count WAIT_SECONDS at most, all its counts together; else it says what it shows
  instead: an older result with its time, or that it is being counted.
- A result is kept by what was asked and the area of who asked: nobody is shown what was counted
  for another area.
- A server that stops waits for no count: one that runs ends at its next question to the store.
- The time told is when the count began; what the facts lacked then, the result itself says.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, TimeoutError
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary, ref

from server.service import Service
from server.store.base import Store, Transaction

KEPT_MS = 60_000
"""What is older is counted again, behind the page that asks."""
SHOWN_MS = 12 * 3_600_000
"""What is older is not shown any more: it is another day's."""
WAIT_SECONDS = 0.08
"""With the rest of a page well below 200 ms, also on a machine that does other things."""
RESULTS_MAX = 400
QUEUE_MAX = 60
"""Counts that wait for their turn: more is somebody who asks for every day of a year."""

Key = tuple[object, ...]
Count = Callable[[Transaction], Any]


class Counted(NamedTuple):
    """A result; ``at_ms``: when its count began; ``again``: a newer one is being counted."""

    result: Any
    at_ms: int
    again: bool = False


class _Counting:
    """A transaction that gives no more rows once the server stops."""

    def __init__(self, tx: Transaction, stops: Callable[[], bool]) -> None:
        self._tx = tx
        self._stops = stops

    def __getattr__(self, name: str) -> Any:
        if self._stops():
            raise CancelledError()
        return getattr(self._tx, name)


class Results:
    """The results of one server."""

    def __init__(self, service: Service) -> None:
        self._clock = service.district.clock
        # Weakly, or a server would be held by what is remembered for it.
        self._service = ref(service)
        self._run = service.counters.submit
        self._run_long = service.exporters.submit
        self._held: OrderedDict[Key, Counted] = OrderedDict()
        self._running: dict[Key, Future[Counted]] = {}
        self._lock = threading.Lock()

    def get(
        self,
        key: Key,
        count: Count,
        until: float,
        *,
        kept_ms: int = KEPT_MS,
        long: bool = False,
    ) -> Counted | None:
        """The result of a key, waited for until a moment of ``time.monotonic``; None where it is
        being counted and there is none to show. What is ``long`` holds up no figures.

        Raises what the count raises.
        """
        now_ms = self._clock()
        with self._lock:
            held = self._held.get(key)
            if held is not None and now_ms - held.at_ms <= kept_ms:
                self._held.move_to_end(key)
                return held
            future = self._running.get(key) or self._start(key, count, long)
        if held is not None and now_ms - held.at_ms <= SHOWN_MS:
            return held._replace(again=True)
        if future is None:
            return None
        try:
            return future.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            return None

    def held(self, key: Key) -> Counted | None:
        """What is remembered under a key, however old; nothing is counted."""
        with self._lock:
            return self._held.get(key)

    def ask(self, key: Key, count: Count) -> None:
        """Count something that a page will soon ask for."""
        self.get(key, count, 0.0)

    def forget(self, *kinds: object) -> None:
        """Let go of what was counted under keys that begin with one of these."""
        with self._lock:
            for key in [key for key in self._held if key[0] in kinds]:
                del self._held[key]

    def _start(self, key: Key, count: Count, long: bool) -> Future[Counted] | None:
        if len(self._running) >= QUEUE_MAX:
            return None
        run = self._run_long if long else self._run
        future = self._running[key] = run(lambda store: self._count(store, key, count))
        return future

    def _stops(self) -> bool:
        service = self._service()
        return service is None or service.stopping

    def _count(self, store: Store, key: Key, count: Count) -> Counted:
        try:
            at_ms = self._clock()
            with store.read() as tx:
                found = Counted(count(cast("Transaction", _Counting(tx, self._stops))), at_ms)
            with self._lock:
                self._held[key] = found
                self._held.move_to_end(key)
                while len(self._held) > RESULTS_MAX:
                    self._held.popitem(last=False)
            return found
        finally:
            with self._lock:
                self._running.pop(key, None)


_of: WeakKeyDictionary[Service, Results] = WeakKeyDictionary()
_making = threading.Lock()


def results_of(service: Service) -> Results:
    """What is remembered for a server."""
    with _making:
        found = _of.get(service)
        if found is None:
            found = _of[service] = Results(service)
        return found


def patience() -> float:
    """Until when a page that begins now waits for its counts."""
    return time.monotonic() + WAIT_SECONDS
