# SPDX-License-Identifier: Apache-2.0
"""Meeting teammates over the local network: the public methods.

What lives here: listening, finding, calling. What must not: how it is done (``lan_*.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from client_sdk import lan_finding, lan_meeting
from client_sdk.lan_link import Listening, Until
from client_sdk.lan_meeting import Met, OnProgress, Side
from client_sdk.outbox import carried_files, sealed_files
from client_sdk.sharing import PageKey, page_key
from client_sdk.tablet_carrying import TabletCarrying
from client_sdk.views import MeetingReport
from sync.carry.stick import OUTBOX_BYTES_MAX


class TabletMeeting(TabletCarrying):
    """The methods of a ``Tablet`` that meet others over a line."""

    def serve_meeting(
        self,
        until: Until,
        *,
        host: str = "",
        port: int = 0,
        announce: bool = True,
        take_outboxes: bool = False,
        on_ready: Callable[[str], None] | None = None,
        on_met: Callable[[Met], None] | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Listen for teammates until ``until()`` is true, one meeting at a time.

        ``on_ready`` is given the text of the code that callers scan; ``announce`` also tells the
        local network. ``take_outboxes``: sealed files of tablets that cannot be opened are kept
        and carried to the district. ``host``: the address to listen at; this device's own where it
        is empty. Raises OSError where the port is taken.
        """
        host = host or lan_finding.own_address()
        side = Side(self._store, self.schema, on_progress, self.waiting)

        def told(met: Met) -> None:
            self._after_exchange()
            if on_met is not None:
                on_met(met)

        with ExitStack() as stack:
            listening = Listening(host, port, self.waiting)
            stack.callback(listening.close)
            if announce:
                stack.enter_context(lan_finding.announced(host, listening.port, listening.pin))
            if on_ready is not None:
                address = f"{host}:{listening.port}"
                on_ready(lan_finding.code_of(address, listening.pin, self.replica))
            keep = self.carry_outbox if take_outboxes else None
            lan_meeting.serve(listening, side, until, told, keep, OUTBOX_BYTES_MAX)

    def meet_by_code(self, code: str, on_progress: OnProgress | None = None) -> MeetingReport:
        """Exchange with the teammate whose code this is. Raises what ``meet_at`` raises."""
        found = lan_finding.read_code(code)
        return self.meet_at(found, on_progress)

    def meet_at(
        self, found: lan_finding.Meetable, on_progress: OnProgress | None = None
    ) -> MeetingReport:
        """Exchange with a listener that was found.

        Whatever breaks off, both stores are whole, and the next meeting goes on. Raises
        Unreachable, PeerUnknown, PeerRevoked, MeetingRefused, PinMismatch.
        """
        side = Side(self._store, self.schema, on_progress, self.waiting)
        try:
            return lan_meeting.meet_at(side, found.address, found.pin, found.replica)
        finally:
            self._after_exchange()

    @staticmethod
    def find_teammates(
        host: str = "", seconds: float = lan_finding.FIND_SECONDS
    ) -> list[lan_finding.Meetable]:
        """Listeners on the local network; who they are is proved when they are met."""
        return lan_finding.find(host or lan_finding.own_address(), seconds)

    def page_key(self, host: str) -> PageKey:
        """The key and certificate with which an app serves its pages to a phone at this address."""
        return page_key(self._store, host)

    @staticmethod
    def hand_over_outbox(directory: Path, code: str) -> int:
        """Hand the sealed outbox of the tablet in a directory to a listener, without opening it.

        Returns how many files it took; they stay here as well. Raises Unreachable, MeetingRefused.
        """
        found = lan_finding.read_code(code)
        paths = [*sealed_files(directory), *carried_files(directory)]
        files = [path.read_bytes() for path in paths]
        return lan_meeting.hand_over(found.address, found.pin, files)


def stop_after(seconds: float) -> Until:
    """An ``until`` that ends after so many seconds."""
    over = threading.Event()
    timer = threading.Timer(seconds, over.set)
    timer.daemon = True
    timer.start()
    return over.is_set
