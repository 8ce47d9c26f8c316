# SPDX-License-Identifier: Apache-2.0
"""Threads that only read the store, each on a connection of its own, beside the one that writes.

What lives here: those threads. What must not: queries. Invariants
- Nothing that runs here writes; a page that takes long keeps no upload waiting.
- There are few of them: what they do in Python shares the processor with the uploads.
- An upload changes threads several times, and each time waits for those that compute: they give way
  soon.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from server.store.base import Store

T = TypeVar("T")
READERS = 2
"""Pages worked on at once; more wait for their turn, in order."""
SWITCH_SECONDS = 0.0005
"""How long a thread computes before another has its turn. With Python's own 5 ms, beside two that
compute, work handed to a thread was back after 44 ms; so, after 7 ms."""


class _GivingWay:
    """While anything computes here, threads take turns soon; with uploads alone they need not, and
    each turn costs them what the processor has at hand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._before = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._running:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(SWITCH_SECONDS)
            self._running += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._running -= 1
            if not self._running:
                sys.setswitchinterval(self._before)


_giving_way = _GivingWay()


class Readers:
    """Runs work on connections that only read."""

    def __init__(self, store: Store, threads: int = READERS, name: str = "reader") -> None:
        self._store = store
        self._own = threading.local()
        self._opened: list[Store] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def _mine(self) -> Store:
        found: Store | None = getattr(self._own, "store", None)
        if found is None:
            found = self._own.store = self._store.another()
            self._opened.append(found)
        return found

    def submit(self, work: Callable[[Store], T]) -> Future[T]:
        """Run work with this thread's store, some time."""

        def done() -> T:
            with _giving_way:
                return work(self._mine())

        return self._pool.submit(done)

    async def run(self, work: Callable[[Store], T]) -> T:
        """Run work with this thread's store."""
        return await asyncio.wrap_future(self.submit(work))

    def close(self) -> None:
        """Wait for running work and release the connections; what has not begun is left."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for store in self._opened:
            store.close()
