# SPDX-License-Identifier: Apache-2.0
"""Who was revoked anywhere in the tree: told upwards and downwards, so that nobody serves them.

What lives here: noting, telling and hearing revocations of other servers. What must not: revoking
(``devices.py``), what happens to a revoked tablet's work (its own district decides, and its word
travels with the runs). Invariants
- A revocation counts where a server of the tree signed it, about a key that it certified itself or
  that nobody here knows yet.
- It is told on to every server of the tree, once each, by the commits in which it was heard.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from crypto.certificate import Revocation, check_revocation
from crypto.errors import CryptoError
from crypto.identity import SIGNATURE_BYTES
from crypto.signed import STATEMENT_BYTES_MAX
from server.store.base import Transaction
from server.trust import Trust
from sync.decoding import MALFORMED

TOLD_MAX = 2_000
"""Revocations of one message, 190 bytes each: more than a province has in years."""


def note_revocation(tx: Transaction, said: Revocation, statement: bytes, now_ms: int) -> bool:
    """Keep it, and tell it on; True where it is new."""
    if tx.rows("SELECT 1 FROM heard_revocations WHERE replica = ?", [said.replica]):
        return False
    tx.run(
        "INSERT INTO heard_revocations (replica, issuer, statement, seq, at_ms)"
        " VALUES (?, ?, ?, ?, ?)",
        [said.replica, said.issuer, statement, tx.next_seq(), now_ms],
    )
    return True


def told_revocations(tx: Transaction, after_seq: int) -> list[bytes]:
    """Those that were heard, or made, after a commit."""
    found = tx.rows(
        "SELECT statement FROM heard_revocations WHERE seq > ? ORDER BY seq, replica LIMIT ?",
        [after_seq, TOLD_MAX],
    )
    return [bytes(row[0]) for row in found]


def hear_revocations(
    tx: Transaction, trust: Trust, statements: Iterable[bytes], now_ms: int
) -> bool:
    """Take in what other servers revoked; True where something is new. What does not hold is left
    out."""
    new = False
    for statement in statements:
        said = _said(statement)
        issuer = trust.keys.get(said.issuer) if said is not None else None
        if said is None or issuer is None or trust.signs_pages(said.issuer) is None:
            continue
        if not _certified_by(tx, trust, said.replica, issuer.device):
            continue
        try:
            check_revocation(statement, issuer.public)
        except CryptoError:
            continue
        new |= note_revocation(tx, said, statement, now_ms)
    return new


def _said(statement: bytes) -> Revocation | None:
    if len(statement) > STATEMENT_BYTES_MAX:
        return None
    try:
        return msgspec.msgpack.decode(statement[SIGNATURE_BYTES:], type=Revocation)
    except MALFORMED:
        return None


def _certified_by(tx: Transaction, trust: Trust, replica: bytes, issuer: str) -> bool:
    """Did the issuer certify this key? One that is not known here may be anybody's of the tree."""
    if tx.rows("SELECT 1 FROM device_keys WHERE replica = ?", [replica]):
        return issuer == trust.me.hex()
    found = tx.rows("SELECT parent FROM known_keys WHERE replica = ?", [replica])
    if not found:
        return True
    parent = trust.keys.get(bytes(found[0][0]))
    return parent is not None and parent.device == issuer


def revoked_elsewhere(tx: Transaction, trust: Trust) -> dict[str, bytes]:
    """Devices of other servers that were revoked, with the order to wipe."""
    out = {}
    for replica, statement in tx.rows("SELECT replica, statement FROM heard_revocations"):
        key = trust.keys.get(bytes(replica))
        if key is not None and trust.me.hex() != key.device:
            out[key.device] = bytes(statement)
    return out
