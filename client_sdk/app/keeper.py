# SPDX-License-Identifier: Apache-2.0
"""The one tablet behind the pages: opened by a PIN, closed by itself, shared by browsers and sync.

What lives here: who may use the tablet at a moment, when it locks, what runs beside the pages. What
must not: pages. Invariants
- One thread at a time uses the tablet, in the name of whoever unlocked at its browser; a sync lets
  the pages in whenever it waits for the network.
- Locked, no page gets the tablet. Its store closes at once when nobody has it unlocked, or as soon
  as a sync that runs has ended: a sync is not broken off by a screen that goes dark.
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
from client_sdk.app.meeting import Meeting
from client_sdk.app.syncing import Syncing
from client_sdk.errors import Locked
from client_sdk.safekeeping import IDENTITY_FILE
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


class Shared:
    """What all browsers of one tablet have in common: the open tablet and whose turn it is."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.tablet: Tablet | None = None
        self.keepers: list[Keeper] = []

    @property
    def all_locked(self) -> bool:
        """Has nobody the tablet unlocked?"""
        return all(keeper.locked for keeper in self.keepers)


class Keeper:
    """Keeps the tablet in ``directory`` for one browser; ``beside`` makes one for another.

    ``clock`` is the tablet's, ``seconds`` the lock's. Each browser has a lock and a worker of its
    own.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], int] = now_ms,
        seconds: Callable[[], float] = awake_seconds,
        keyring: Any = AUTO_KEYRING,
        first: Keeper | None = None,
    ) -> None:
        self.directory = directory
        self.clock = clock
        self.keyring = keyring
        self._seconds = seconds
        self._shared: Shared = first._shared if first else Shared()
        self._locked = True
        self._touched = seconds()
        self._hidden: float | None = None
        self.worker = ""
        self.on_sooner: Callable[[], None] = lambda: None
        """Called when the moment at which it locks by itself has come nearer."""
        self.syncing: Syncing = first.syncing if first else Syncing(self)
        self.enrolling: Enrolling = first.enrolling if first else Enrolling(self)
        self.meeting: Meeting = first.meeting if first else Meeting(self)
        self._shared.keepers.append(self)

    def beside(self) -> Keeper:
        """A keeper of the same tablet for another browser, locked."""
        return Keeper(
            self.directory,
            clock=self.clock,
            seconds=self._seconds,
            keyring=self.keyring,
            first=self,
        )

    def leave(self) -> None:
        """Its browser is served no longer: lock, and let the others go on."""
        self.lock()
        with self._shared.turn:
            self._shared.keepers.remove(self)

    @property
    def enrolled(self) -> bool:
        """Is there a store to unlock?"""
        return any((self.directory / name).exists() for name in (STORE_FILE, IDENTITY_FILE))

    @property
    def locked(self) -> bool:
        """Must a PIN be given before anything is shown in this browser?"""
        return self._locked

    @property
    def all_locked(self) -> bool:
        """Has nobody the tablet unlocked, at no browser?"""
        return self._shared.all_locked

    @property
    def is_open(self) -> bool:
        """Is the store still open, be it for the pages or for an exchange that runs on?"""
        return self._shared.tablet is not None

    @property
    def exchanging(self) -> bool:
        """Is a sync or a meeting under way, which needs the store open?"""
        return self.syncing.running or self.meeting.running

    # -- opening and closing ------------------------------------------------------------------

    def unlock(self, worker: str, secret: str) -> None:
        """Open the tablet for one worker. Raises what ``Tablet.open`` raises."""
        with self._shared.turn:
            tablet = self._shared.tablet
            if tablet is not None:
                # Only the PIN tells who it is: the store that others hold open proves nothing.
                tablet.check_secret(worker, secret)
            else:
                self._shared.tablet = Tablet.open(
                    self.directory, worker, secret, keyring=self.keyring, clock=self.clock
                )
            self._begin(worker)

    def take(self, tablet: Tablet) -> None:
        """Take a tablet that was just enrolled; it is open."""
        with self._shared.turn:
            self._shared.tablet = tablet
            self._begin(tablet.worker)

    def _begin(self, worker: str) -> None:
        if self._shared.tablet is not None:
            self._shared.tablet.waiting = self._let_others_in
        self.worker = worker
        self._locked = False
        self.touch()
        self.on_sooner()

    def lock(self) -> None:
        """Show nothing more; close the store, now or when what runs has ended."""
        self._locked = True
        self._hidden = None
        self.worker = ""
        if not self.exchanging:
            with self._shared.turn:
                self._close()

    def work_ended(self) -> None:
        """Called by a sync or a meeting that is through: a tablet locked meanwhile is closed."""
        with self._shared.turn:
            self._close()

    def _close(self) -> None:
        if self._shared.tablet is not None and self.all_locked:
            self._shared.tablet.close()
            self._shared.tablet = None

    def forget(self) -> None:
        """The tablet was wiped: there is nothing to close any more. Within a turn."""
        for keeper in self._shared.keepers:
            keeper._locked = True
            keeper.worker = ""
        self._shared.tablet = None

    # -- using --------------------------------------------------------------------------------

    @contextmanager
    def tablet(self) -> Iterator[Tablet]:
        """The open tablet, for this thread alone. Raises Locked."""
        with self._shared.turn:
            tablet = self._shared.tablet
            if self._locked or tablet is None:
                raise Locked()
            tablet.worker = self.worker
            yield tablet

    @contextmanager
    def tablet_for_sync(self) -> Iterator[Tablet]:
        """The same, for what goes on while the pages are locked. Raises Locked when closed."""
        with self._shared.turn:
            if self._shared.tablet is None:
                raise Locked()
            yield self._shared.tablet

    @contextmanager
    def _let_others_in(self) -> Iterator[None]:
        self._shared.turn.release()
        try:
            yield
        finally:
            self._shared.turn.acquire()

    # -- locking by itself --------------------------------------------------------------------

    def touch(self) -> None:
        """A worker did something."""
        self._touched = self._seconds()
        self._hidden = None

    def hide(self) -> None:
        """The page is hidden, or the screen went dark."""
        self._hidden = self._seconds()
        self.on_sooner()

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
