# SPDX-License-Identifier: Apache-2.0
"""Keeping what is derived from the record up with it, without holding up pages or uploads.

What lives here: taking short steps while a page can wait, then behind it. What must not: what a
step does. Invariant: one of each name runs at a time in a server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from server.service import Service

WAIT_SECONDS_MAX = 0.05
"""A page waits this long for what is new; what takes longer goes on behind it."""
PAUSE_SECONDS = 0.05
"""Between two steps behind a page, for uploads."""

REST_SHARE = 4
"""Rest after keeping up, for each part of the time that it took: where it takes long, uploads have
most of the thread that writes, and pages say as of when their figures are."""

_running: dict[tuple[str, int], asyncio.Task[None]] = {}
_rested: dict[tuple[str, int], float] = {}
"""From when each may be done again."""


async def keep_up(name: str, service: Service, step: Callable[[], bool]) -> None:
    """Take steps until there is nothing more; ``step`` tells whether there is."""
    key = (name, id(service))
    task = _running.get(key)
    if task is None:
        if time.monotonic() < _rested.get(key, 0.0):
            return
        task = asyncio.get_running_loop().create_task(_go_on(key, service, step))
        _running[key] = task
        task.add_done_callback(lambda _: _running.pop(key, None))
    await asyncio.wait({task}, timeout=WAIT_SECONDS_MAX)


async def _go_on(key: tuple[str, int], service: Service, step: Callable[[], bool]) -> None:
    more, took = not service.stopping, 0.0
    while more:
        began = time.monotonic()
        more = await service.run(step) and not service.stopping
        took += time.monotonic() - began
        if more:
            await asyncio.sleep(PAUSE_SECONDS)
    _rested[key] = time.monotonic() + REST_SHARE * took
