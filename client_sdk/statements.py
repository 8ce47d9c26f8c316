# SPDX-License-Identifier: Apache-2.0
"""What the district says under signature in a reply, beside states and receipts.

What lives here: checking each statement and keeping it, by its kind. What must not: what a lease
closes, what keys open, the word on the log (``watching.py``). Invariants: a statement that is older
than the one held of its kind changes nothing; one of a kind that this program does not know is kept
for a newer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from client_sdk import custody, erasing, field_keys, lease, readings
from client_sdk.devices import (
    District,
    district_of,
    learn_server,
    mark_certified,
    own_replicas,
)
from client_sdk.revoked import keep_revocations
from client_sdk.roots import SERVER_KEYS, root_by, take_server_keys
from client_sdk.store.base import Store
from crypto.certificate import check_certificate
from crypto.erasure import ERASURE, READINGS_HELD
from crypto.errors import SealRefused, StatementRefused
from crypto.logword import WORD
from crypto.statement import check_held, check_lease, check_server_keys
from sync.messages import STATEMENTS_MAX, Statement
from sync.ranges import HAVE
from sync.sealing import FIELD_KEYS, FIELD_RING

LEASE = "lease"
REVOCATION = "revocation"
CERTIFICATE = "certificate"
HELD = "held"
_HELD_AT = "held_at_ms"
SERVER_KEY = "server"
ANSWER = "answer"
"""Set where an erasure was carried out whose answer is still to go."""
UNKNOWN = "statements"
"""Statements of kinds that this program does not know: the newest of each."""


def take_statements(
    store: Store, district: District, statements: Sequence[Statement], now_ms: int
) -> None:
    """Keep what holds; inside the transaction of the reply. Raises StatementRefused."""
    for kind, data in statements:
        if kind == SERVER_KEY:
            learn_server(store, data)
        elif kind == LEASE:
            _take_lease(store, district, data, now_ms)
        elif kind == CERTIFICATE:
            _take_certificate(store, district, data)
        elif kind == HELD:
            _take_held(store, district, data, now_ms)
        elif kind == SERVER_KEYS:
            take_server_keys(store, data)
        elif kind == ERASURE:
            if erasing.take_erasure(store, data, now_ms):
                # The district is to hear at once that it is done.
                store.put(ANSWER, True)
        elif kind == READINGS_HELD:
            readings.take_held(store, district, data)
        elif kind == REVOCATION:
            keep_revocations(store, [data])
        elif kind == FIELD_RING:
            field_keys.take_ring(store, data)
        elif kind == FIELD_KEYS:
            _take_field_keys(store, data)
        elif kind not in (WORD, HAVE):
            known = dict(store.get(UNKNOWN, []))
            if len(known) < STATEMENTS_MAX or kind in known:
                store.put(UNKNOWN, [[k, v] for k, v in (known | {kind: data}).items()])


def _take_certificate(store: Store, district: District, data: bytes) -> None:
    """The district says anew who this tablet is: name, team or workers changed, or it is a year."""
    given = check_certificate(data, district.public)
    if given.replica != store.chain.replica:
        _check_mine(store, given.replica, "a certificate of another tablet")
        return
    held = store.get("certificate")
    if held and check_certificate(held, root_by(store, held, 7)).issued_at_ms >= given.issued_at_ms:
        return
    store.put("certificate", data)
    mark_certified(store, given, data)


def _take_field_keys(store: Store, data: bytes) -> None:
    """Keys wrapped for this tablet. What was wrapped for a key that it went on from since is
    left: the next answer brings it for the new one."""
    with suppress(SealRefused):
        field_keys.take_keys(store, [store.box], data)


def _take_held(store: Store, district: District, data: bytes, now_ms: int) -> None:
    said = check_held(data, district.public)
    if said.replica != store.chain.replica:
        _check_mine(store, said.replica, "custody of another tablet")
    if said.issued_at_ms >= store.get(_HELD_AT, 0):
        store.put(_HELD_AT, said.issued_at_ms)
        custody.replace(store, said.places, now_ms)


def is_server_keys(store: Store, data: bytes) -> bool:
    """Is this the district's word on its keys? By a bundle it comes among certificates."""
    try:
        check_server_keys(data, district_of(store).public)
    except StatementRefused:
        return False
    return True


def _take_lease(store: Store, district: District, data: bytes, now_ms: int) -> None:
    given = check_lease(data, district.public)
    if given.replica != store.chain.replica:
        _check_mine(store, given.replica, "a lease of another tablet")
        return
    held = lease.in_store(store)
    if held is None or given.issued_at_ms > held.lease.issued_at_ms:
        lease.begin(store, data, now_ms)


def _check_mine(store: Store, replica: bytes, otherwise: str) -> None:
    """What is said to a key that this tablet went on from, since it asked or by this very answer,
    is left: the next answer says it to the new one. Raises StatementRefused for anyone else's."""
    if replica not in own_replicas(store):
        raise StatementRefused(otherwise)
