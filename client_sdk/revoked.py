# SPDX-License-Identifier: Apache-2.0
"""Which devices the district took its certificate back from, as far as this tablet heard.

What lives here: keeping the district's statements and asking them. What must not: this tablet's own
revocation, which comes with its wipe order. Invariants: only what the district signed counts; it
covers the successors of the key it names; teammates tell one another.
"""

from __future__ import annotations

from collections.abc import Iterable

from client_sdk.devices import own_replicas
from client_sdk.errors import PeerRevoked
from client_sdk.roots import root_by
from client_sdk.store.base import Store
from crypto.certificate import check_revocation

REVOCATIONS_MAX = 1_000
"""Kept and told: more lost tablets than a district has."""
_KEY = "revocations"


def revocations_known(store: Store) -> list[bytes]:
    """The district's statements, as they were received."""
    return [statement for _, statement in store.get(_KEY, [])]


def keep_revocations(store: Store, statements: Iterable[bytes]) -> int:
    """Check and keep statements; how many were new. Raises RevocationRefused.

    One about this tablet is left out: it alone decides nothing here, its wipe order does.
    """
    known: list[list[bytes]] = store.get(_KEY, [])
    held = {statement for _, statement in known}
    mine = set(own_replicas(store))
    added: list[list[bytes]] = []
    for statement in statements:
        if statement in held:
            continue
        named = check_revocation(statement, root_by(store, statement, 3))
        if named.replica not in mine and len(known) + len(added) < REVOCATIONS_MAX:
            added.append([named.replica, statement])
            held.add(statement)
    if added:
        store.put(_KEY, [*known, *added])
    return len(added)


def is_revoked(store: Store, replica: bytes) -> bool:
    """Was this replica, or one that it succeeded, revoked as far as known here?"""
    named = {known for known, _ in store.get(_KEY, [])}
    at, seen = replica, set[bytes]()
    while at and at not in seen:
        if at in named:
            return True
        seen.add(at)
        found = store.one("SELECT parent FROM devices WHERE replica = ?", (at,))
        at = found[0] if found else b""
    return False


def check_not_revoked(store: Store, replica: bytes) -> None:
    """Raises PeerRevoked for a device that the district revoked, as far as known here."""
    if is_revoked(store, replica):
        raise PeerRevoked(replica.hex())
