# SPDX-License-Identifier: Apache-2.0
"""Keeping the facts up with the record while the server serves, so that no report has to wait.

What lives here: when a step is taken. What must not: what a step does (``folding``). Invariant: it
takes at most a fifth of the time of the thread that writes; uploads have the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from server.errors import StoreContended, StoreUnreachable
from server.logs import log
from server.reports.folding import Folding
from server.service import Service

LOOK_SECONDS = 60.0
"""Between two looks at what is new. A page that shows figures does not wait for it."""
PAUSE_SHARE = 4.0
"""After a step it rests this many times as long as the step took."""


class KeepingUp:
    """Looks every minute. ``run`` ends when it is cancelled."""

    def __init__(
        self,
        service: Service,
        look_seconds: float = LOOK_SECONDS,
        step: Callable[[], bool] | None = None,
    ) -> None:
        self._service = service
        self._look_seconds = look_seconds
        self._step = step or Folding(service.district.store, service.district.schema).step

    async def run(self) -> None:
        """Until cancelled. What the database refuses is tried again at the next look."""
        while not self._service.stopping:
            await asyncio.sleep(self._look_seconds)
            try:
                await self._keep_up()
            except (StoreUnreachable, StoreContended) as error:
                log("facts-later", error=error.code)

    async def _keep_up(self) -> None:
        more = True
        while more and not self._service.stopping:
            began = time.perf_counter()
            more = await self._service.run(self._step)
            if more:
                await asyncio.sleep(PAUSE_SHARE * (time.perf_counter() - began))
