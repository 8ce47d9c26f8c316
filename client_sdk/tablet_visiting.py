# SPDX-License-Identifier: Apache-2.0
"""What a tablet does at another server than its district's.

What lives here: the public methods of a visit. What must not: how it is done (``visiting.py``).
"""

from __future__ import annotations

from collections.abc import Iterable

from client_sdk.devices import district_of, learn, statements_for
from client_sdk.guest import GuestLine
from client_sdk.tablet_base import TabletBase
from client_sdk.transport import Exchanger
from client_sdk.visiting import Visited, Visiting


class TabletVisiting(TabletBase):
    """The methods of a ``Tablet`` that reach other servers of the tree."""

    def know(self, statements: Iterable[bytes]) -> None:
        """Take in statements that lead from the district to other servers and tablets.

        Raises PeerUnknown for one that does not hold.
        """
        with self._store.transaction():
            learn(self._store, statements)

    def visit(
        self, server: bytes, transport: Exchanger, *, push: bool = True, pull: bool = True
    ) -> Visited:
        """Bring unsent and carried work to another server of the tree, and fetch what the team
        holds there. ``server`` is its replica id.

        Raises Unreachable, ServerRefused, PeerUnknown where its key does not lead to the district.
        """
        visiting = Visiting(self._store, self.schema, self._clock, transport, server)
        try:
            return visiting.run(push=push, pull=pull)
        finally:
            self._outside.write(self._store.chain)

    def guest_line(self, server: bytes, addresses: Iterable[str], pin: bytes) -> GuestLine:
        """A line to another server of the tree, for ``visit``; to be closed.

        ``server`` is its replica id, ``pin`` what ``crypto.tls.tls_pin`` gives for its certificate.
        """
        store = self._store
        return GuestLine(
            list(addresses),
            pin,
            server,
            lambda: store.key,
            lambda: statements_for(store, [store.chain.replica]),
        )

    @property
    def home_server(self) -> bytes:
        """The replica id of the district's server."""
        return district_of(self._store).replica
