# SPDX-License-Identifier: Apache-2.0
"""Meeting a teammate beside the pages: listening with a code, looking around, calling.

What lives here: the thread, how far it is, what came of it. What must not: the exchange itself
(``client_sdk.lan_meeting``). Invariants: one of these at a time, and none beside a sync; it stops
listening when nobody has the tablet unlocked any more, or after a while; a meeting under way is not
broken off by a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from client_sdk.app.syncing import REFUSALS
from client_sdk.errors import Unreachable
from client_sdk.lan_finding import Meetable
from client_sdk.lan_meeting import Met
from client_sdk.tablet import Tablet
from client_sdk.views import MeetingProgress, MeetingReport

if TYPE_CHECKING:
    from client_sdk.app.keeper import Keeper

LISTEN_SECONDS_MAX = 600.0
"""Ten minutes: a teammate comes up some floors; then the battery matters more."""
HAPPENED_MAX = 20
"""What is told of one listening; a team is smaller."""


class Happened(NamedTuple):
    """What one meeting came to: what was exchanged, sealed files taken, or why nothing was."""

    report: MeetingReport | None
    outboxes: int
    error: Exception | None


class Meeting:
    """The meetings of one keeper. ``doing`` is ``listen``, ``look``, ``call`` or empty."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self.doing = ""
        self.code = ""
        self.how_far: MeetingProgress | None = None
        self.found: list[Meetable] | None = None
        self.happened: list[Happened] = []
        self.host = ""
        """The address to listen at and to look from; empty: this device's own."""
        self.announces = True

    @property
    def running(self) -> bool:
        """Is something under way?"""
        return self._thread is not None and self._thread.is_alive()

    def listen(self) -> None:
        """Show a code and answer teammates, one after another."""
        self._start("listen", self._listen)

    def look(self) -> None:
        """Look for teammates who listen nearby."""
        self._start("look", self._look)

    def call(self, where: str | Meetable) -> None:
        """Meet whoever shows a code, or was found."""
        self._start("call", lambda: self._call(where))

    def stop(self) -> None:
        """Listen no longer; a meeting under way comes to its end first."""
        self._over.set()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _start(self, doing: str, work: Callable[[], None]) -> None:
        if self.running or self._keeper.syncing.running:
            return
        self.doing, self.code, self.how_far = doing, "", None
        self.happened = []
        if doing != "call":
            self.found = None
        self._over.clear()

        def run() -> None:
            try:
                work()
            except REFUSALS as error:
                self._note(Happened(None, 0, error))
            except OSError as error:
                # No network at all, or the port is taken.
                self._note(Happened(None, 0, Unreachable(type(error).__name__)))
            self.doing, self.code, self.how_far = "", "", None
            self._thread = None
            self._keeper.work_ended()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        timer = threading.Timer(LISTEN_SECONDS_MAX, self._over.set)
        timer.daemon = True
        timer.start()
        try:
            with self._keeper.tablet_for_sync() as tablet:
                tablet.serve_meeting(
                    lambda: self._over.is_set() or self._keeper.locked,
                    host=self.host,
                    announce=self.announces,
                    take_outboxes=True,
                    on_ready=self._show,
                    on_met=lambda met: self._met(tablet, met),
                    on_progress=self._tell,
                )
        finally:
            timer.cancel()

    def _look(self) -> None:
        # Without the tablet: its pages are free meanwhile.
        self.found = Tablet.find_teammates(self.host)

    def _call(self, where: str | Meetable) -> None:
        with self._keeper.tablet_for_sync() as tablet:
            if isinstance(where, str):
                report = tablet.meet_by_code(where, self._tell)
            else:
                report = tablet.meet_at(where, self._tell)
            _prepare(tablet)
        self._note(Happened(report, 0, None))

    def _met(self, tablet: Tablet, met: Met) -> None:
        self.how_far = None
        if met.report is not None:
            _prepare(tablet)
        self._note(Happened(met.report, met.outboxes, met.error))

    def _show(self, code: str) -> None:
        self.code = code

    def _tell(self, at: MeetingProgress) -> None:
        self.how_far = at

    def _note(self, one: Happened) -> None:
        self.happened = [*self.happened, one][-HAPPENED_MAX:]


def _prepare(tablet: Tablet) -> None:
    """Bring search and agenda up to date, so that the next page need not."""
    tablet.prepare_search()
    tablet.prepare_day()
