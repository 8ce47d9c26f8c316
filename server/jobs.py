# SPDX-License-Identifier: Apache-2.0
"""Work in the background that one process at a time does, of all that serve one district.

What lives here: looking whether a job is due, its lease, running it aside. What must not: the work
(``backing.py``). Invariants
- Whether a job is due is asked again under its lease: what another process did meanwhile is not
  done twice.
- A process that is killed leaves no lease behind; whoever looks next does the job.
- The work runs in a thread of its own: no upload waits for it.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from server.errors import ServerError
from server.logs import log_fault
from server.service import Service
from server.store.base import Transaction

LOOK_SECONDS = 60.0
"""How often it is looked: a job that another process left is taken up within this."""


class Job(Protocol):
    """One job."""

    @property
    def name(self) -> str:
        """Names its lease."""

    def is_due(self, tx: Transaction, now_ms: int) -> bool:
        """Is it time?"""

    def work(self, service: Service) -> None:
        """Do it, in a thread of its own; what it keeps in the store it writes there itself."""


class Doing:
    """Looks every so often and does what is due. ``run`` ends when it is cancelled."""

    def __init__(self, service: Service, job: Job, look_seconds: float = LOOK_SECONDS) -> None:
        self._service = service
        self._job = job
        self._look_seconds = look_seconds

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.once()
            except ServerError as error:
                # The store does not answer, or the work did not hold: the next look may find
                # better.
                log_fault(error, error.code)
            except OSError as error:
                log_fault(error, ServerError.code)
            await asyncio.sleep(self._look_seconds)

    async def once(self) -> bool:
        """Look once; was it done here?"""
        if not await self._service.run(self._is_due):
            return False
        lease = self._service.district.store.lease(self._job.name)
        with ExitStack() as held:
            if not await self._service.run(partial(held.enter_context, lease)):
                return False
            if not await self._service.run(self._is_due):
                return False
            await asyncio.to_thread(self._job.work, self._service)
        return True

    def _is_due(self) -> bool:
        district = self._service.district
        with district.store.read() as tx:
            return self._job.is_due(tx, district.clock())
