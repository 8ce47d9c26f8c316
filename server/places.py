# SPDX-License-Identifier: Apache-2.0
"""Places at the store: how many requests may wait for it, and when those sent away come back.

What lives here: counting, and appointments. What must not: HTTP. Invariants
- Only a request whose body is here takes a place: who sends slowly, or stops, keeps nobody out.
- Whoever is sent away is told a moment of their own, as many a second as were lately answered, so
  that they do not all come back together.
- It is used by the event loop alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.errors import ServerBusy

SECONDS_MAX = 120
"""The furthest appointment: nobody stands before a door for longer without being told anew."""
PACE_MIN = 2.0
"""Requests a second that even a slow machine answers; the pace before anything was measured."""
WEIGHT = 0.05
"""What one request tells of the pace, beside all those before it."""


class Places:
    """The places at one store."""

    def __init__(self, at_once_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.at_once_max = at_once_max
        self.taken = 0
        self.refused = 0
        self._clock = clock
        self._seconds_each = 1 / PACE_MIN
        self._last_end = 0.0
        self._next = 0.0

    def check(self) -> None:
        """Is there a place? Asked before a body is read. Raises ServerBusy with the seconds."""
        if self.taken < self.at_once_max:
            return
        now = self._clock()
        waiting = self.taken * self._seconds_each
        self._next = max(self._next, now + waiting) + self._seconds_each
        self._next = min(self._next, now + SECONDS_MAX)
        self.refused += 1
        raise ServerBusy("", max(1, math.ceil(self._next - now)))

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while a request waits for the store and is answered."""
        self.taken += 1
        began = self._clock()
        try:
            yield
        finally:
            self.taken -= 1
            now = self._clock()
            # With others waiting, the pace is the time between two ends; alone, one's own time.
            took = min(now - max(began, self._last_end), 1 / PACE_MIN)
            self._seconds_each += WEIGHT * (took - self._seconds_each)
            self._last_end = now
