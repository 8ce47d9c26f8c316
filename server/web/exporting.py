# SPDX-License-Identifier: Apache-2.0
"""Files that take longer to make than a page may: made apart, with progress, fetched when done.

What lives here: jobs and their progress. What must not: what stands in a file. Invariants
- A file is given to who asked for it alone, once, and not before the access log says what is in
  it.
- One is made at a time; those not fetched are dropped after KEPT_SECONDS.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from weakref import WeakKeyDictionary

from server.errors import ServerBusy
from server.service import Service
from server.store.base import Store
from server.web.routing import Download

WAIT_SECONDS = 0.1
"""A small file comes at once."""
KEPT_SECONDS = 15 * 60
JOBS_MAX = 20
"""Files in memory and in the making, of all people: some megabytes each."""

Key = tuple[object, ...]


class Job:
    """One file in the making: ``done`` of ``total`` records, 0 while that is not known. ``lines``
    are the records that it lists."""

    def __init__(self, make: Callable[[Store, Job], Download]) -> None:
        self._make = make
        self.done = self.total = self.lines = 0
        self.made_at = time.monotonic()
        self.future: Future[Download] | None = None

    def run(self, store: Store) -> Download:
        """Make it."""
        return self._make(store, self)


class Exports:
    """The files of one server."""

    def __init__(self, service: Service) -> None:
        self._submit = service.exporters.submit
        self._jobs: dict[Key, Job] = {}
        self._lock = threading.Lock()

    def begin(self, key: Key, make: Callable[[Store, Job], Download]) -> Job:
        """The job of a key: the one that runs, or a new one. Raises ServerBusy."""
        with self._lock:
            for old in [k for k, job in self._jobs.items() if _stale(job)]:
                del self._jobs[old]
            job = self._jobs.get(key)
            if job is None:
                if len(self._jobs) >= JOBS_MAX:
                    raise ServerBusy("files in the making")
                job = self._jobs[key] = Job(make)
                job.future = self._submit(job.run)
            return job

    def take(self, key: Key, job: Job) -> Download | None:
        """The file, once it is made; None while it is not. Raises what making it raised."""
        if job.future is None:
            return None
        try:
            found = job.future.result(WAIT_SECONDS)
        except TimeoutError:
            return None
        except BaseException:
            self.drop(key)
            raise
        return found

    def drop(self, key: Key) -> None:
        """Forget a job."""
        with self._lock:
            self._jobs.pop(key, None)


def _stale(job: Job) -> bool:
    over = job.future is not None and job.future.done()
    return over and time.monotonic() - job.made_at > KEPT_SECONDS


_of: WeakKeyDictionary[Service, Exports] = WeakKeyDictionary()
_making = threading.Lock()


def exports_of(service: Service) -> Exports:
    """The files of a server."""
    with _making:
        found = _of.get(service)
        if found is None:
            found = _of[service] = Exports(service)
        return found
