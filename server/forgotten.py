# SPDX-License-Identifier: Apache-2.0
"""Own tablets' keys that this server does not know (any more), as carriers tell of them.

What lives here: taking in the successions and certificates of own tablets that came with feeds of
others. What must not: keys of other servers' tablets (``trust.py``). Invariants
- A succession makes the key one of its tablet's, so that a revocation covers it and the tablet that
  comes later itself is at home.
- A certificate makes a tablet known only where this server itself signed it, and where no
  succession places the key; its team must be there still.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TypeVar

import msgspec

from crypto.certificate import Certificate, Succession, check_certificate
from crypto.errors import CryptoError
from crypto.identity import SIGNATURE_BYTES, DeviceKey
from crypto.signed import STATEMENT_BYTES_MAX
from server import devices
from server.devices import ACTIVE, add_key
from server.errors import DeviceRevoked, DeviceUnknown
from server.journal import note
from server.roots import Roots
from server.store.base import Transaction
from server.trust import TABLET
from sync.decoding import MALFORMED


def take_in_own(
    tx: Transaction,
    roots: Roots,
    known: Container[bytes],
    statements: Sequence[bytes],
    now_ms: int,
) -> bool:
    """Take in what places a key at an own tablet; True if devices are to be read again.

    ``known`` are the keys of own devices. What does not hold is left out, as it is in
    ``Trust.learn``, which takes what is of others.
    """
    certificates: list[tuple[bytes, Certificate]] = []
    followed: set[bytes] = set()
    changed = False
    for statement in statements:
        said = _decoded(statement, SIGNATURE_BYTES, Certificate)
        if said is None:
            named = _decoded(statement, 2 * SIGNATURE_BYTES, Succession)
            if named is not None and _is_own_tablet(tx, named.old_replica):
                followed.add(named.new_replica)
                changed |= _take_succession(tx, roots.present, statement, now_ms)
        elif said.issuer in roots.replicas and said.role == TABLET and said.replica not in known:
            certificates.append((statement, said))
    for statement, said in certificates:
        # A later key of a tablet, perhaps a revoked one, is not a tablet of its own.
        if said.replica not in followed:
            changed |= _take_certificate(tx, roots, statement, said, now_ms)
    return changed


_S = TypeVar("_S", bound=msgspec.Struct)


def _decoded(statement: bytes, at: int, kind: type[_S]) -> _S | None:
    if len(statement) > STATEMENT_BYTES_MAX:
        return None
    try:
        return msgspec.msgpack.decode(statement[at:], type=kind)
    except MALFORMED:
        return None


def _is_own_tablet(tx: Transaction, replica: bytes) -> bool:
    sql = (
        "SELECT 1 FROM device_keys k JOIN devices d ON d.id = k.device"
        " WHERE k.replica = ? AND d.role = ?"
    )
    return bool(tx.rows(sql, [replica, TABLET]))


def _take_succession(tx: Transaction, key: DeviceKey, statement: bytes, now_ms: int) -> bool:
    before = _keys(tx)
    try:
        devices.succeed(tx, key, statement, now_ms)
    except (CryptoError, DeviceUnknown, DeviceRevoked):
        # One that does not hold, or of a revoked tablet, whose later keys stay uncertified.
        return False
    return _keys(tx) != before


def _take_certificate(
    tx: Transaction, roots: Roots, statement: bytes, said: Certificate, now_ms: int
) -> bool:
    if tx.rows("SELECT 1 FROM device_keys WHERE replica = ?", [said.replica]):
        return False
    if not tx.rows("SELECT 1 FROM teams WHERE id = ?", [said.team]):
        return False
    try:
        issuer = next(root for root in roots.keys if root.replica == said.issuer)
        check_certificate(statement, issuer.public)
    except CryptoError:
        return False
    device = said.replica.hex()
    tx.run(
        "INSERT INTO devices (id, name, team, state, enrolled_at_ms, box_public)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [device, said.name, said.team, ACTIVE, said.issued_at_ms, said.box_public],
    )
    add_key(tx, said.replica, device, said.public, statement, None, now_ms)
    note(tx, now_ms, "", "device-remembered", device, said.name)
    return True


def _keys(tx: Transaction) -> int:
    return int(tx.rows("SELECT count(*) FROM device_keys")[0][0])
