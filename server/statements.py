# SPDX-License-Identifier: Apache-2.0
"""Signed statements that go to a tablet with a reply.

What lives here: which statements a tablet is told at this contact. What must not: their forms
(``crypto.statement``). Invariant: only a tablet that speaks the second version is told any; what it
misses comes with a later contact.
"""

from __future__ import annotations

from typing import NamedTuple

from crypto.certificate import Revocation, issue_revocation
from crypto.identity import DeviceKey
from crypto.statement import DAY_MS, issue_lease
from server.boxes import Boxes
from server.custody import held_word
from server.devices import renewed, revocation_of
from server.store.base import Transaction
from server.trust import servers_after
from sync.messages import PROTOCOL, STATEMENTS_MAX, Request, Statement

LEASE = "lease"
CERTIFICATE = "certificate"
REVOCATION = "revocation"
SERVER_KEYS = "server-keys"
HELD = "held"
SERVER_KEY = "server"
"""A server of the tree: what is sealed is sealed to it too, and its pages hold."""
AGAIN_MS = 7 * DAY_MS
"""A revocation is told again so long after a tablet's last contact: the reply that told of it may
have been lost."""
REVOCATIONS_PER_REPLY_MAX = 24
"""Of one reply, the newest: beside them a lease and the keys have room."""


class Terms(NamedTuple):
    """What a district grants: for how long a store opens without contact, and lives after that."""

    open_ms: int = 0
    erase_ms: int = 0

    @classmethod
    def of_days(cls, lease_days: int, erase_days: int) -> Terms:
        """The terms by the settings."""
        return cls(lease_days * DAY_MS, erase_days * DAY_MS)


def statements_for(
    tx: Transaction,
    key: DeviceKey,
    boxes: Boxes,
    device: str,
    request: Request,
    terms: Terms,
    now_ms: int,
) -> list[Statement]:
    """What this tablet is told now."""
    if request.protocol == PROTOCOL:
        return []
    out: list[Statement] = []
    leased = bool(tx.rows("SELECT leased FROM devices WHERE id = ?", [device])[0][0])
    if terms.open_ms or leased:
        lease = issue_lease(key, request.replica, now_ms, terms.open_ms, terms.erase_ms)
        out.append((LEASE, lease))
    if bool(terms.open_ms) != leased:
        tx.run("UPDATE devices SET leased = ? WHERE id = ?", [int(bool(terms.open_ms)), device])
    contact = tx.rows("SELECT last_contact_ms FROM devices WHERE id = ?", [device])[0][0]
    since_ms = 0 if contact is None else int(contact) - AGAIN_MS
    certificate, renewed_at_ms = renewed(tx, key, request.replica, now_ms)
    if renewed_at_ms > since_ms:
        out.append((CERTIFICATE, certificate))
    held = held_word(tx, key, request.replica, device, now_ms)
    if held is not None:
        out.append((HELD, held))
    word, since_use_ms = boxes.word(key)
    if word and since_use_ms > since_ms:
        out.append((SERVER_KEYS, word))
    revoked = revocations(tx, key, since_ms, REVOCATIONS_PER_REPLY_MAX)
    out += [(REVOCATION, statement) for statement in revoked]
    servers = servers_after(tx, key.replica, request.seq)
    return out + [(SERVER_KEY, statement) for statement in servers[: STATEMENTS_MAX - len(out)]]


def revocations(tx: Transaction, key: DeviceKey, since_ms: int, count_max: int) -> list[bytes]:
    """The district's statements on every key of the tablets revoked since then, newest first.

    Tablets need them to refuse a revoked teammate where no server is near.
    """
    found = tx.rows(
        "SELECT k.replica, d.revocation FROM device_keys k JOIN devices d ON d.id = k.device"
        " WHERE d.state = 'revoked' AND d.revocation IS NOT NULL AND d.revoked_at_ms >= ?"
        " ORDER BY d.revoked_at_ms DESC, k.replica LIMIT ?",
        [since_ms, count_max],
    )
    return [_naming(key, bytes(replica), bytes(statement)) for replica, statement in found]


def _naming(key: DeviceKey, replica: bytes, statement: bytes) -> bytes:
    """A revocation that names this key of its device: its own statement names the first one."""
    # It stands in this server's own store: an earlier root may have signed it.
    said = revocation_of(statement)
    if said.replica == replica and said.issuer == key.replica:
        return statement
    body = Revocation(replica, said.serial, said.revoked_at_ms, key.replica, said.reason, said.wipe)
    return issue_revocation(key, body)
