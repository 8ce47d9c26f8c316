# SPDX-License-Identifier: Apache-2.0
"""The exchange by hand: bundles for the district and for teammates, and sealed outboxes carried.

What lives here: the public methods that make and take bundles. What must not: how they are filled
(``bundles.py``), sticks and pictures (``carry``). Invariant: what is carried for others is kept
until the district has taken it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from client_sdk import bundles
from client_sdk.devices import District, learn, name_of, own_replicas, statements_for
from client_sdk.errors import OutboxRefused, PeerUnknown
from client_sdk.outbox import CARRIED_FOLDER, SUFFIX, carried_files
from client_sdk.revoked import is_revoked
from client_sdk.syncing import OnProgress
from client_sdk.tablet_exchange import TabletExchange
from client_sdk.views import SyncReport
from sync.carry.stick import OUTBOX_BYTES_MAX, write_atomically
from sync.decoding import MALFORMED
from sync.errors import MessageMalformed
from sync.messages import WANT_STATES, encode
from sync.parcel import STATEMENT_BYTES_MAX

CARRIED_BYTES_MAX = 64 * 1024 * 1024
"""Sealed files carried for others: a dozen tablets that can no longer be opened."""
CARD_BYTES_MAX = 64 * 1024

_card = msgspec.msgpack.Decoder(list[bytes])


class TabletCarrying(TabletExchange):
    """The methods of a ``Tablet`` for bundles and carried outboxes."""

    def export_bundle(self, *, push_only: bool = False, pull_only: bool = False) -> bytes:
        """A bundle for the district, to go by any carrier: unsent work, carried work, questions.

        ``push_only`` asks for nothing, ``pull_only`` brings nothing. Raises NotEnrolled.
        """
        carried = {} if pull_only else {p.name: p.read_bytes() for p in self.carried_files()}
        want = 0 if push_only else WANT_STATES
        return bundles.for_district(
            self._store, self._clock(), carried, want=want, bring=not pull_only
        )

    def export_for_teammate(self, replica: bytes, *, greet_only: bool = False) -> bytes:
        """A bundle for a teammate (its replica id), whom the district or a card made known here.

        It brings what the teammate's last greeting shows that it lacks; the first one, and one that
        is to ``greet_only``, brings nothing and asks for all. Raises PeerUnknown, PeerRevoked.
        """
        return bundles.for_teammate(self._store, replica, self._clock(), bring=not greet_only)

    def import_bundle(self, data: bytes) -> bundles.BundleReport:
        """Check a bundle and take it in, all or nothing.

        Where the report has a ``wipe``, this tablet was revoked: ``obey`` it. Raises
        BundleIncomplete, BundleForeign, BundleOldKey, BundleRefused, BundleRepeated, BundleLate,
        PeerUnknown, PeerRevoked, MeetingRefused.
        """
        report = bundles.take(self._store, self.schema, data, self._clock())
        self._after_exchange()
        for outbox in report.outboxes:
            self.carry_outbox(outbox)
        for name in report.delivered:
            (self._carried / name).unlink(missing_ok=True)
        return report

    @property
    def district_replica(self) -> bytes:
        """The replica id of the district: whom ``export_bundle`` writes to."""
        return District(*self._store.get("district")).replica

    def own_replicas(self) -> list[bytes]:
        """The replica ids under which this tablet wrote, and bundles for it may be addressed."""
        return own_replicas(self._store)

    # -- teammates ----------------------------------------------------------------------------

    def card(self) -> bytes:
        """The statements by which a teammate knows this tablet: its certificate and successions.

        They name the tablet, its team and its workers: shown to teammates, not left lying about.
        """
        return encode(statements_for(self._store, [self.replica]))

    def learn_card(self, card: bytes) -> bytes:
        """Take in a teammate's card; its replica id. Raises PeerUnknown, MessageMalformed."""
        if len(card) > CARD_BYTES_MAX:
            raise MessageMalformed("card: size")
        try:
            statements = _card.decode(card)
        except MALFORMED as error:
            raise MessageMalformed(f"card: {error}") from error
        if not statements or any(len(one) > STATEMENT_BYTES_MAX for one in statements):
            raise MessageMalformed("card: statements")
        with self._store.transaction():
            return learn(self._store, statements)[-1]

    def teammates(self) -> dict[bytes, str]:
        """The tablets known here that bundles can be made for: replica id -> name."""
        mine = set(own_replicas(self._store))
        found = [row[0] for row in self._store.rows("SELECT replica FROM devices")]
        return {
            replica: name_of(self._store, replica)
            for replica in found
            if replica not in mine and not is_revoked(self._store, replica)
        }

    def teammate_of(self, named: str) -> bytes:
        """The one teammate that a name, or the beginning of a replica id, means.

        Raises PeerUnknown where there is none, or several.
        """
        found = [
            replica
            for replica, name in self.teammates().items()
            if name == named or (len(named) >= 4 and replica.hex().startswith(named.lower()))
        ]
        if len(found) != 1:
            raise PeerUnknown("no such teammate" if not found else "several teammates")
        return found[0]

    def sync(
        self,
        on_progress: OnProgress | None = None,
        *,
        push_only: bool = False,
        pull_only: bool = False,
        blobs: bool = True,
    ) -> SyncReport:
        """As ``TabletExchange.sync``; sealed outboxes that are carried go along."""
        report = super().sync(on_progress, push_only=push_only, pull_only=pull_only, blobs=blobs)
        if self.transport is not None and not pull_only:
            for path in self.carried_files():
                with self.waiting():
                    self.transport.outbox(path.read_bytes())
                path.unlink()
        return report

    # -- sealed outboxes of others ------------------------------------------------------------

    @property
    def _carried(self) -> Path:
        return self.directory / CARRIED_FOLDER

    def carried_files(self) -> list[Path]:
        """The sealed outboxes carried here for tablets that can no longer be opened."""
        return carried_files(self.directory)

    def carry_outbox(self, data: bytes) -> Path:
        """Keep one file of a sealed outbox until the district has it; twice is once.

        Nobody but the district can read it, nor tell here whether it is one. Raises OutboxRefused
        above 5 MiB, or 64 MiB in all.
        """
        held = sum(path.stat().st_size for path in self.carried_files())
        if not 0 < len(data) <= OUTBOX_BYTES_MAX or held + len(data) > CARRIED_BYTES_MAX:
            raise OutboxRefused(f"{len(data)} bytes")
        path = self._carried / (hashlib.sha256(data).hexdigest()[:32] + SUFFIX)
        if not path.exists():
            write_atomically(path, data)
        return path
