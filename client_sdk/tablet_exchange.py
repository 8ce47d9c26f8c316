# SPDX-License-Identifier: Apache-2.0
"""What a tablet exchanges: with its district, with teammates; and which households it holds.

What lives here: the public methods of the exchange. What must not: how it is done (``exchange.py``,
``meeting.py``). Invariant: whatever breaks off, the store is whole, and the next exchange goes on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from client_sdk import custody, lease, meeting, search, watching
from client_sdk.devices import certificate_of
from client_sdk.errors import NotEnrolled, Revoked
from client_sdk.greeting import compare_heads, greet, read_greeting
from client_sdk.scope import enter, leave, purge, purge_leaving, scrub
from client_sdk.store.records import records_of_homes
from client_sdk.syncing import OnProgress, Syncing
from client_sdk.tablet_ending import TabletEnding
from client_sdk.views import MeetingReport, SyncReport
from client_sdk.watching import LogNotice


class TabletExchange(TabletEnding):
    """The methods of a ``Tablet`` that exchange."""

    def sync(
        self,
        on_progress: OnProgress | None = None,
        *,
        push_only: bool = False,
        pull_only: bool = False,
        blobs: bool = True,
    ) -> SyncReport:
        """Bring unsent work to the district and fetch what is new. Resumes where it broke off.

        ``on_progress`` is called after every round trip. ``push_only`` fetches nothing,
        ``pull_only`` brings nothing; without ``blobs`` photos and sounds wait for another time.
        Raises NotEnrolled, Unreachable, Revoked, ServerRefused.
        """
        if self.transport is None:
            raise NotEnrolled("transport")
        syncing = Syncing(self._store, self.schema, self._clock, self.transport, on_progress)
        try:
            report = syncing.run(push_only=push_only, pull_only=pull_only)
        except Revoked as told:
            self._revoked(told, syncing)
            raise
        finally:
            self._after_exchange()
        lease.look(self._store, self._clock())
        blobs_sent = self._blobs.send(self.transport) if blobs and not pull_only else 0
        return dataclasses.replace(report, blobs_sent=blobs_sent)

    def log_notices(self) -> list[LogNotice]:
        """What was found about servers' logs: set-backs they owned up to, and evidence against
        them."""
        return watching.notices(self._store)

    def mark_log_read(self) -> None:
        """Note that a worker has read of these; the evidence stays."""
        watching.mark_read(self._store)

    def outbox_files(self) -> list[Path]:
        """The sealed files of what no receipt covers yet: the district opens them if all else
        fails."""
        return self._outbox.files() if self._outbox is not None else []

    def prepare_search(self) -> None:
        """Bring the search texts up to date now, so that the next search need not."""
        search.refresh(self._store, self.schema)

    def meet(self, other: TabletExchange) -> MeetingReport:
        """Meet a teammate's tablet in this process: both give, both take."""
        given = self.give_to(other)
        taken = other.give_to(self)
        return MeetingReport(given.changes, taken.changes, taken.carried, taken.records)

    def give_to(self, other: TabletExchange) -> meeting.Taken:
        """One direction: the other takes what this tablet has and it lacks. Heads are compared
        first."""
        while other.compare(self.greet(other.replica)) or self.compare(other.greet(self.replica)):
            continue
        total = meeting.Taken(0, 0, 0, False)
        more = True
        while more:
            wanted = read_greeting(other.greet(self.replica))
            data, _, more = meeting.give(self._store, wanted)
            total = total.plus(other.take(self.greet(other.replica), data))
        return total

    def greet(self, other: bytes | None = None) -> bytes:
        """What is shown first at a meeting, as bytes. ``other``: the replica it speaks to, if
        known."""
        return greet(self._store, other)

    def compare(self, greeting: bytes) -> bool:
        """Compare what the other knows of this tablet's feed, before anything is given.

        True: this tablet was a copy or set back and goes on under a new key; greet again.
        """
        read = read_greeting(greeting)
        changed = compare_heads(self._store, read)
        if changed:
            self._outside.write(self._store.chain)
        with self._store.transaction():
            custody.note(self._store, custody.CARRIED, read.replica, read.known, self._clock())
        return changed

    def give(self, greeting: bytes) -> bytes:
        """What the one that greeted lacks and may read, as bytes; of much, the first part.

        Raises PeerUnknown, PeerRevoked.
        """
        return meeting.give(self._store, read_greeting(greeting)).data

    def take(self, greeting: bytes, given: bytes) -> meeting.Taken:
        """Take in what a teammate gave. Raises MeetingRefused, PeerUnknown."""
        return meeting.take(self._store, self.schema, read_greeting(greeting), given)

    # -- scope (set by the district at every sync; by hand in simulations) ---------------------

    def assign(self, homes: Iterable[str] | None) -> None:
        """Say which households teammates may show this tablet; None: all there are.

        For simulations, which then also purge by ``unassign`` alone: without it, scope is what the
        district said, and what it takes away is purged as soon as receipts allow it.
        """
        with self._store.transaction():
            self._store.put("everything", homes is None)
            self._store.put("scope_given", homes is not None)
            self._store.run("DELETE FROM assigned")
            rows = [(home,) for home in homes or ()]
            self._store.run_many("INSERT OR IGNORE INTO assigned (home) VALUES (?)", rows)

    def unassign(self, homes: Iterable[str], *, at_once: bool = False) -> None:
        """Give households back: they are purged as soon as receipts cover what was written here.

        ``at_once`` purges now; what is unsent stays, sealed to the district.
        """
        listed = list(homes)
        with self._store.transaction():
            leave(self._store, listed)
            if at_once:
                purge(self._store, records_of_homes(self._store, listed) | set(listed))
            purge_leaving(self._store)
        scrub(self._store)

    def hold(self, homes: Iterable[str]) -> None:
        """Take these households as held completely, as a sync does for those that entered."""
        with self._store.transaction():
            enter(self._store, homes)

    @property
    def team(self) -> str:
        """The team on this tablet's certificate; empty where it has none."""
        certificate = certificate_of(self._store)
        return certificate.team if certificate else ""
