# SPDX-License-Identifier: Apache-2.0
"""How a tablet ends: wiped by hand, by its district, or because its lease ran out.

What lives here: the public methods that end a tablet, and what opening one does about its lease.
What must not: how erasing is done (``ending.py``), how time is counted (``lease.py``). Invariant:
what no receipt covers stays in the sealed outbox, whatever ends here.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from client_sdk import lease
from client_sdk.devices import own_replicas
from client_sdk.ending import sign_proof, tell_proof, wipe
from client_sdk.errors import LeaseClosed, LeaseErased, Revoked, ServerRefused, Unreachable
from client_sdk.keeping import let_go
from client_sdk.keys import Keys
from client_sdk.roots import root_by
from client_sdk.scope import scrub
from client_sdk.syncing import Syncing
from client_sdk.tablet_base import TabletBase
from crypto.certificate import Revocation, check_revocation


class TabletEnding(TabletBase):
    """The methods of a ``Tablet`` that end it."""

    _keys: Keys | None = None

    def wipe(self) -> None:
        """Erase the keys, the store and all blobs of this tablet. The sealed outbox stays.

        What no receipt covers can still be opened by the district from ``outbox_files``.
        """
        directory, keys = self.directory, self._keys or Keys(self.directory)
        self.close()
        wipe(directory, keys)

    def obey(self, statement: bytes) -> Revocation:
        """Check a revocation of this tablet and, where it says so, wipe it and prove that.

        The outbox is left for the office. Raises RevocationRefused for a statement of anyone else.
        """
        public = root_by(self._store, statement, 3)
        named = check_revocation(statement, public)
        mine = {*own_replicas(self._store)}
        check_revocation(statement, public, next(iter(mine & {named.replica}), self.replica))
        if named.wipe:
            sign_proof(self._store, named.serial, self._clock())
            self.wipe()
            # The connection needs no key any more: the proof carries its own signature.
            tell_proof(self.directory, self.transport)
            if self.transport is not None:
                self.transport.close()
        return named

    def _revoked(self, told: Revoked, syncing: Syncing) -> None:
        """The district took the certificate back: hand over all there is, then obey."""
        with contextlib.suppress(Unreachable, ServerRefused):
            syncing.hand_over()
            if self.transport is not None:
                self._blobs.send(self.transport)
        self._after_exchange()
        self.obey(told.revocation)

    def _after_exchange(self) -> None:
        """What a transaction cannot hold: the counter outside, outbox files that are receipted, and
        what a second store has of households given back."""
        if self._store.closed:
            return
        self._outside.write(self._store.chain)
        self._keep_identity()
        scrub(self._store)
        if self._outbox is not None:
            self._outbox.compact(self._store)
        let_go(self._store, self._clock())

    # -- the lease ----------------------------------------------------------------------------

    @staticmethod
    def _look_before(directory: Path, keys: Keys, now_ms: int) -> None:
        """Before a store is opened: is its lease over? Then its keys go. Raises LeaseErased."""
        found = lease.look_outside(directory, now_ms)
        if found is not None and found.state == "over":
            wipe(directory, keys)
            raise LeaseErased()

    def _keep_lease(self) -> None:
        """After opening: a store whose lease is spent stays open only if the district answers.

        Raises LeaseClosed, LeaseErased, Revoked; the tablet is closed then.
        """
        found = lease.look(self._store, self._clock())
        if found is None or found.state == "open":
            return
        if found.state == "over":
            self.wipe()
            raise LeaseErased()
        try:
            if self.transport is None:
                raise Unreachable("no address")
            syncing = Syncing(self._store, self.schema, self._clock, self.transport)
            try:
                syncing.run()
            except Revoked as told:
                self._revoked(told, syncing)
                raise
            self._after_exchange()
        except (Unreachable, ServerRefused) as error:
            self.close()
            if isinstance(error, Revoked):
                raise
            raise LeaseClosed(str(error)) from error
        except BaseException:
            self.close()
            raise
        now = lease.look(self._store, self._clock())
        if now is not None and now.state != "open":
            self.close()
            raise LeaseClosed()
