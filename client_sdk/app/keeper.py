# SPDX-License-Identifier: Apache-2.0
"""The one tablet behind the pages: opened by a PIN, closed by itself, shared by pages and sync.

What lives here: who may use the tablet at a moment, when it locks, what runs beside the pages. What
must not: pages. Invariants
- One thread at a time uses the tablet; a sync lets the pages in whenever it waits for the network.
- Locked, no page gets the tablet. Its store closes at once, or as soon as a sync that runs has
  ended: a sync is not broken off by a screen that goes dark.
- Time that the device slept counts as time.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from client_sdk.app.enrolling import Enrolling
from client_sdk.app.syncing import Syncing
from client_sdk.errors import Locked
from client_sdk.store.opening import STORE_FILE
from client_sdk.tablet import AUTO_KEYRING, Tablet, now_ms

IDLE_SECONDS_MAX = 120.0
"""Two minutes without a touch: longer than any question at a door, shorter than a theft."""
HIDDEN_SECONDS_MAX = 30.0
"""The page was hidden or the screen went dark: long enough for a call that comes in."""


if sys.platform == "linux":

    def awake_seconds() -> float:
        """Seconds that do not stop while the device sleeps, as ``time.monotonic`` does."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:

    def awake_seconds() -> float:
        """Seconds that do not stop while the device sleeps: so it is on Windows and macOS."""
        return time.monotonic()


class Keeper:
    """Keeps the tablet in ``directory``. ``clock`` is the tablet's, ``seconds`` the lock's."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], int] = now_ms,
        seconds: Callable[[], float] = awake_seconds,
        keyring: Any = AUTO_KEYRING,
    ) -> None:
        self.directory = directory
        self.clock = clock
        self.keyring = keyring
        self._seconds = seconds
        self._turn = threading.Lock()
        self._tablet: Tablet | None = None
        self._locked = True
        self._touched = seconds()
        self._hidden: float | None = None
        self.worker = ""
        self.syncing = Syncing(self)
        self.enrolling = Enrolling(self)

    @property
    def enrolled(self) -> bool:
        """Is there a store to unlock?"""
        return (self.directory / STORE_FILE).exists()

    @property
    def locked(self) -> bool:
        """Must a PIN be given before anything is shown?"""
        return self._locked

    @property
    def is_open(self) -> bool:
        """Is the store still open, be it for the pages or for a sync that runs on?"""
        return self._tablet is not None

    # -- opening and closing ------------------------------------------------------------------

    def unlock(self, worker: str, secret: str) -> None:
        """Open the tablet for one worker. Raises what ``Tablet.open`` raises."""
        with self._turn:
            if self._tablet is not None:
                # Only the PIN tells who it is: the store that a sync holds open proves nothing.
                self._tablet.check_secret(worker, secret)
                self._tablet.worker = worker
            else:
                self._tablet = Tablet.open(
                    self.directory, worker, secret, keyring=self.keyring, clock=self.clock
                )
            self._begin(worker)

    def take(self, tablet: Tablet) -> None:
        """Take a tablet that was just enrolled; it is open."""
        with self._turn:
            self._tablet = tablet
            self._begin(tablet.worker)

    def _begin(self, worker: str) -> None:
        if self._tablet is not None:
            self._tablet.waiting = self._let_others_in
        self.worker = worker
        self._locked = False
        self.touch()

    def lock(self) -> None:
        """Show nothing more; close the store, now or when the sync that runs has ended."""
        self._locked = True
        self._hidden = None
        if not self.syncing.running:
            with self._turn:
                self._close()

    def sync_ended(self) -> None:
        """Called by the sync when it is through: a tablet that was locked meanwhile is closed."""
        if self._locked:
            with self._turn:
                self._close()

    def _close(self) -> None:
        if self._tablet is not None and self._locked:
            self._tablet.close()
            self._tablet = None
            self.worker = ""

    def forget(self) -> None:
        """The tablet was wiped: there is nothing to close any more. Within a turn."""
        self._locked = True
        self._tablet = None
        self.worker = ""

    # -- using --------------------------------------------------------------------------------

    @contextmanager
    def tablet(self) -> Iterator[Tablet]:
        """The open tablet, for this thread alone. Raises Locked."""
        with self._turn:
            if self._locked or self._tablet is None:
                raise Locked()
            yield self._tablet

    @contextmanager
    def tablet_for_sync(self) -> Iterator[Tablet]:
        """The same, for what goes on while the pages are locked. Raises Locked when closed."""
        with self._turn:
            if self._tablet is None:
                raise Locked()
            yield self._tablet

    @contextmanager
    def _let_others_in(self) -> Iterator[None]:
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()

    # -- locking by itself --------------------------------------------------------------------

    def touch(self) -> None:
        """A worker did something."""
        self._touched = self._seconds()
        self._hidden = None

    def hide(self) -> None:
        """The page is hidden, or the screen went dark."""
        self._hidden = self._seconds()

    def seconds_left(self) -> float:
        """How long until it locks by itself if nothing happens; at most IDLE_SECONDS_MAX."""
        now = self._seconds()
        left = IDLE_SECONDS_MAX - (now - self._touched)
        if self._hidden is not None:
            left = min(left, HIDDEN_SECONDS_MAX - (now - self._hidden))
        return left

    def lock_if_left(self) -> bool:
        """Lock where time is up; True if it is locked now."""
        if not self._locked and self.seconds_left() <= 0:
            self.lock()
        return self._locked
