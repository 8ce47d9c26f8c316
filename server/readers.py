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


def give_way_soon() -> None:
    """Let threads that compute keep those that answer waiting for moments only."""
    sys.setswitchinterval(SWITCH_SECONDS)


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
        return self._pool.submit(lambda: work(self._mine()))

    async def run(self, work: Callable[[Store], T]) -> T:
        """Run work with this thread's store."""
        return await asyncio.wrap_future(self.submit(work))

    def close(self) -> None:
        """Wait for running work and release the connections; what has not begun is left."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for store in self._opened:
            store.close()
