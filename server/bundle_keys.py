# SPDX-License-Identifier: Apache-2.0
"""Whose bundle it is: the key of a sender that is known here, or that the bundle itself leads to.

What lives here: that, and taking in the keys it brings. What must not: what else is in a bundle.
Invariant: a statement inside a bundle proves itself, and is acted on only once the bundle held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from crypto.certificate import check_succession
from crypto.errors import SuccessionRefused
from crypto.identity import replica_of
from crypto.statement import check_root
from server import devices
from server.devices import old_replica_of
from server.errors import DeviceRevoked, DeviceUnknown
from server.store.base import Transaction
from server.tier_bundles import public_above
from server.trust import root_said
from sync.parcel import decode_parcel

if TYPE_CHECKING:
    from server.district import District


def public_for(district: District, tx: Transaction) -> Callable[[bytes, bytes], bytes]:
    """The key of a sender: of a tablet known here, or of one that its successions lead to."""

    def public_for(sender: bytes, contents: bytes) -> bytes:
        known = {replica: public for replica, (_, public) in district.devices.items()}
        if sender not in known:
            for statement in decode_parcel(contents).statements:
                with suppress(SuccessionRefused):
                    old = known.get(old_replica_of(statement))
                    if old is not None:
                        named = check_succession(statement, old)
                        known[named.new_replica] = named.new_public
                        continue
                said = root_said(statement)
                if said is not None and replica_of(said.old_public) in known:
                    root = check_root(statement, known[replica_of(said.old_public)])
                    known[replica_of(root.new_public)] = root.new_public
        if sender not in known:
            above = public_above(tx, sender, decode_parcel(contents))
            if above is None:
                raise DeviceUnknown(sender.hex())
            return above
        return known[sender]

    return public_for


def take_successions(district: District, statements: Sequence[bytes]) -> None:
    """Keys by which tablets go on, before anything signed with them is looked at."""
    if not statements:
        return
    with district.writing() as tx:
        district.learn(tx, [s for s in statements if root_said(s)], district.clock())
    for statement in statements:
        try:
            with district.store.write() as tx:
                devices.succeed(tx, district.key, statement, district.clock())
        except (DeviceUnknown, DeviceRevoked, SuccessionRefused):
            # Of a tablet that was enrolled after this server's backup, of a revoked one, or none.
            continue
    district.reload()
