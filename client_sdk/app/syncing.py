# SPDX-License-Identifier: Apache-2.0
"""A sync beside the pages: started by hand or by itself, watched, broken off by nothing but errors.

What lives here: the thread, how far it is, how it ended. What must not: the exchange itself.
Invariants: one sync at a time; what an error leaves is whole, and the next sync goes on from there.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from client_sdk.errors import Revoked, TabletError
from client_sdk.tablet_day import Sizes
from client_sdk.views import Progress, SyncReport
from crypto.errors import CryptoError
from sync.errors import SyncError

if TYPE_CHECKING:
    from client_sdk.app.keeper import Keeper
    from client_sdk.tablet import Tablet

REFUSALS = (TabletError, CryptoError, SyncError)
AUTO_AFTER_MS = 5 * 60_000
"""By itself it tries no sooner after the last try: where there is no signal, trying costs power."""


class HowFar(NamedTuple):
    """Changes and bytes sent of those there were (as stored), records fetched, the phase."""

    phase: str
    sent: int
    to_send: int
    bytes_sent: int
    bytes_to_send: int
    records: int


class Ended(NamedTuple):
    """How the last sync ended: its report, or the error that broke it off."""

    at_ms: int
    report: SyncReport | None
    error: Exception | None


class Syncing:
    """The syncs of one keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._thread: threading.Thread | None = None
        self._tried_ms = 0
        self.how_far: HowFar | None = None
        self.ended: Ended | None = None
        self.is_auto = True

    @property
    def running(self) -> bool:
        """Is one under way?"""
        return self._thread is not None and self._thread.is_alive()

    def start(self, *, blobs: bool) -> None:
        """Start one, unless one runs, or a meeting. ``blobs``: photos and sounds too."""
        if self._keeper.exchanging:
            return
        self._tried_ms = self._keeper.clock()
        self.how_far = None
        self._thread = threading.Thread(target=self._run, args=(blobs,), daemon=True)
        self._thread.start()

    def start_by_itself(self, tablet: Tablet) -> None:
        """Start one where something is to be sent or long was not fetched, and not too often."""
        now_ms = self._keeper.clock()
        if not self.is_auto or self.running or now_ms - self._tried_ms < AUTO_AFTER_MS:
            return
        if tablet.transport is not None:
            self.start(blobs=not tablet.blobs_wait)

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, for a stop of the program."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, blobs: bool) -> None:
        keeper = self._keeper
        report: SyncReport | None = None
        error: Exception | None = None
        try:
            with keeper.tablet_for_sync() as tablet:
                try:
                    report = tablet.sync(_watch(self, tablet), blobs=blobs)
                    tablet.prepare_search()
                    tablet.prepare_day()
                except Revoked as revoked:
                    error = revoked
                    if revoked.revocation and tablet.obey(revoked.revocation).wipe:
                        keeper.forget()
        except REFUSALS as refused:
            error = refused
        self.ended = Ended(keeper.clock(), report, error)
        self.how_far = None
        keeper_thread, self._thread = self._thread, None
        del keeper_thread
        keeper.work_ended()


def _watch(syncing: Syncing, tablet: Tablet) -> _Watch:
    return _Watch(syncing, tablet, tablet.sizes())


class _Watch:
    """Hears how far the exchange is and reckons bytes by what is still unsent."""

    def __init__(self, syncing: Syncing, tablet: Tablet, before: Sizes) -> None:
        self._syncing = syncing
        self._tablet = tablet
        self._before = before

    def __call__(self, at: Progress) -> None:
        left = self._tablet.sizes().change_bytes
        total = self._before.change_bytes
        self._syncing.how_far = HowFar(
            at.phase, at.sent, at.to_send, max(0, total - left), total, at.records
        )
