# SPDX-License-Identifier: Apache-2.0
"""Tablets of this district: taking one in, its successions, taking its certificate back.

What lives here: the rows of devices and their keys, and the statements the server signs about them.
What must not: tickets and digits (``enrolment.py``), HTTP. Invariants
- A device is one tablet; its replicas follow one another, each named by the one before.
- A revocation covers every replica of the device, those to come included.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from crypto.certificate import (
    Certificate,
    Revocation,
    Succession,
    check_succession,
    issue_certificate,
    issue_revocation,
)
from crypto.errors import KeyRefused, StatementRefused, SuccessionRefused
from crypto.identity import SIGNATURE_BYTES, DeviceKey, replica_of
from crypto.signed import STATEMENT_BYTES_MAX
from crypto.statement import Wiped, check_wiped, wiped_replica
from server.copies import has_successor, new_copy
from server.errors import DeviceRevoked, DeviceUnknown, NotFound
from server.field_readers import renew_for
from server.journal import note
from server.revocations import note_revocation
from server.store.base import Transaction
from sync.decoding import MALFORMED

ACTIVE, REVOKED = "active", "revoked"
LINKS_MAX = 1_000
"""Keys one tablet may have had: a copy at every week of twenty years."""


class DeviceShown(NamedTuple):
    """A tablet as an officer sees it."""

    id: str
    name: str
    team: str
    state: str
    enrolled_at_ms: int
    last_contact_ms: int | None
    offset_ms: int | None
    replicas: int
    copy_of: str
    wiped_at_ms: int | None


def admit(
    tx: Transaction,
    key: DeviceKey,
    name: str,
    team: str,
    public: bytes,
    box_public: bytes,
    now_ms: int,
) -> tuple[str, bytes]:
    """Take a tablet in: its id (hex of its first replica) and its certificate.

    Raises NotFound for a team that is not there, what ``issue_certificate`` raises. The district is
    to be reloaded afterwards.
    """
    if not tx.rows("SELECT 1 FROM teams WHERE id = ?", [team]):
        raise NotFound("team")
    replica = replica_of(public)
    device = replica.hex()
    certificate = _certify(tx, key, device, name, team, public, box_public, now_ms)
    for (before,) in tx.rows("SELECT team FROM devices WHERE id = ? AND team <> ?", [device, team]):
        renew_for(tx, str(before), now_ms)
    tx.run(
        "INSERT INTO devices (id, name, team, state, enrolled_at_ms, box_public)"
        " VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, team = excluded.team,"
        " box_public = excluded.box_public, scope_version = -1",
        [device, name, team, ACTIVE, now_ms, box_public],
    )
    add_key(tx, replica, device, public, certificate, None, now_ms)
    return device, certificate


def _certify(
    tx: Transaction,
    key: DeviceKey,
    device: str,
    name: str,
    team: str,
    public: bytes,
    box_public: bytes,
    now_ms: int,
) -> bytes:
    serial = int(tx.rows("SELECT count(*) FROM device_keys")[0][0]) + 1
    workers = tx.rows("SELECT id FROM workers WHERE team = ? ORDER BY id LIMIT 64", [team])
    body = Certificate(
        replica=replica_of(public),
        public=public,
        box_public=box_public,
        name=name,
        area="",
        serial=serial,
        issued_at_ms=now_ms,
        issuer=key.replica,
        team=team,
        workers=tuple(row[0] for row in workers),
    )
    return issue_certificate(key, body)


RENEWED_AFTER_MS = 365 * 86_400_000
"""A certificate is issued anew after a year, whatever it says."""


def renewed(tx: Transaction, key: DeviceKey, replica: bytes, now_ms: int) -> tuple[bytes, int]:
    """The certificate of a key as it should be now, issued anew where name, team or workers
    changed or it is a year old; and when it was renewed, 0 where it is the first."""
    found = tx.rows(
        "SELECT k.certificate, k.since_ms, d.id, d.name, d.team FROM device_keys k"
        " JOIN devices d ON d.id = k.device WHERE k.replica = ?",
        [replica],
    )
    if not found or not found[0][0]:
        return b"", 0
    statement, since_ms, device, name, team = found[0]
    said = msgspec.msgpack.decode(bytes(statement)[SIGNATURE_BYTES:], type=Certificate)
    workers = tx.rows("SELECT id FROM workers WHERE team = ? ORDER BY id LIMIT 64", [team])
    same = (said.name, said.team, said.workers) == (name, team, tuple(r[0] for r in workers))
    # One that an earlier root signed is signed by the present one.
    same = same and said.issuer == key.replica
    if same and now_ms - said.issued_at_ms < RENEWED_AFTER_MS:
        return bytes(statement), said.issued_at_ms if said.issued_at_ms > since_ms else 0
    fresh = _certify(tx, key, device, name, team, said.public, said.box_public, now_ms)
    tx.run("UPDATE device_keys SET certificate = ? WHERE replica = ?", [fresh, replica])
    return fresh, now_ms


def add_key(
    tx: Transaction,
    replica: bytes,
    device: str,
    public: bytes,
    certificate: bytes,
    succession: bytes | None,
    now_ms: int,
) -> None:
    """Keep a key of a device with its certificate, and the succession that named it."""
    tx.run(
        "INSERT INTO device_keys (replica, device, public, certificate, succession, since_ms,"
        " parent) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (replica) DO UPDATE SET certificate = excluded.certificate",
        [
            replica,
            device,
            public,
            certificate,
            succession,
            now_ms,
            old_replica_of(succession) if succession else None,
        ],
    )


def old_replica_of(statement: bytes) -> bytes:
    """Whose succession a statement claims to be; nothing is checked yet. Raises
    SuccessionRefused."""
    if len(statement) > STATEMENT_BYTES_MAX:
        raise SuccessionRefused("length")
    try:
        return msgspec.msgpack.decode(statement[2 * SIGNATURE_BYTES :], type=Succession).old_replica
    except (*MALFORMED, KeyRefused):
        raise SuccessionRefused("malformed") from None


def succeed(tx: Transaction, key: DeviceKey, statement: bytes, now_ms: int) -> tuple[str, bytes]:
    """Take in the key by which a tablet goes on; the device and the new key's certificate.

    Repeating it changes nothing. Raises DeviceUnknown for an old key of nobody, DeviceRevoked,
    SuccessionRefused.
    """
    found = tx.rows(
        "SELECT k.public, d.id, d.name, d.team, d.state FROM device_keys k JOIN devices d"
        " ON d.id = k.device WHERE k.replica = ?",
        [old_replica_of(statement)],
    )
    if not found:
        raise DeviceUnknown("the old key")
    public, device, name, team, state = found[0]
    if state == REVOKED:
        raise DeviceRevoked()
    statement_said = check_succession(statement, bytes(public))
    known = tx.rows(
        "SELECT device, certificate FROM device_keys WHERE replica = ?",
        [statement_said.new_replica],
    )
    if known:
        return str(known[0][0]), bytes(known[0][1])
    if (
        int(tx.rows("SELECT count(*) FROM device_keys WHERE device = ?", [device])[0][0])
        > LINKS_MAX
    ):
        raise DeviceUnknown("too many keys")
    if has_successor(tx, statement_said.old_replica):
        # Two stores go on from one key: the second is a copy of the first.
        device = new_copy(tx, device, statement_said.new_replica, now_ms)
    certificate = _certify(
        tx,
        key,
        device,
        name,
        team,
        statement_said.new_public,
        statement_said.new_box_public,
        now_ms,
    )
    note(tx, now_ms, "", "device-went-on", device, statement_said.new_replica.hex())
    tx.run(
        "UPDATE devices SET box_public = ?, scope_version = -1 WHERE id = ?",
        [statement_said.new_box_public, device],
    )
    add_key(
        tx,
        statement_said.new_replica,
        device,
        statement_said.new_public,
        certificate,
        statement,
        now_ms,
    )
    return str(device), certificate


def find(tx: Transaction, named: str) -> str:
    """The id of the one device that an id, its beginning, or a name means. Raises NotFound."""
    found = tx.rows(
        "SELECT id FROM devices WHERE id = ? OR name = ?"
        " OR (length(?) >= 4 AND substr(id, 1, length(?)) = ?)",
        [named, named, named, named, named],
    )
    if len(found) != 1:
        raise NotFound("no such device" if not found else "several devices of this name")
    return str(found[0][0])


def revoke(tx: Transaction, key: DeviceKey, device: str, reason: str, now_ms: int) -> bytes:
    """Take a device's certificate back, and that of its copies; the statement that orders its
    wipe. Repeating changes nothing."""
    for (copy,) in tx.rows(
        "SELECT id FROM devices WHERE copy_of = ? AND revocation IS NULL", [device]
    ):
        revoke(tx, key, copy, reason, now_ms)
    found = tx.rows("SELECT revocation FROM devices WHERE id = ?", [device])
    if not found:
        raise NotFound("device")
    if found[0][0] is not None:
        return bytes(found[0][0])
    team = tx.rows("SELECT team FROM devices WHERE id = ?", [device])[0][0]
    renew_for(tx, str(team), now_ms)
    serial = int(tx.rows("SELECT count(*) FROM devices WHERE state = ?", [REVOKED])[0][0]) + 1
    body = Revocation(bytes.fromhex(device), serial, now_ms, key.replica, reason)
    statement = issue_revocation(key, body)
    tx.run(
        "UPDATE devices SET state = ?, revoked_at_ms = ?, revocation = ?, nonce = NULL"
        " WHERE id = ?",
        [REVOKED, now_ms, statement, device],
    )
    note_revocation(tx, body, statement, now_ms)
    return statement


def keep_proof(tx: Transaction, proof: bytes, now_ms: int) -> str:
    """Keep a tablet's proof that it was wiped; its device. Repeating changes nothing.

    Raises DeviceUnknown, and StatementRefused where it does not hold or answers no revocation of
    this device.
    """
    found = tx.rows(
        "SELECT k.public, d.id, d.revocation, d.wiped FROM device_keys k JOIN devices d"
        " ON d.id = k.device WHERE k.replica = ?",
        [wiped_replica(proof)],
    )
    if not found:
        raise DeviceUnknown("the key of the proof")
    public, device, revocation, known = found[0]
    said: Wiped = check_wiped(proof, bytes(public))
    if revocation is None or revocation_of(bytes(revocation)).serial != said.serial:
        raise StatementRefused("no such revocation")
    if known is None:
        tx.run(
            "UPDATE devices SET wiped = ?, wiped_at_ms = ? WHERE id = ?", [proof, now_ms, device]
        )
        note(tx, now_ms, "", "device-wiped", str(device), str(said.left))
    return str(device)


def revocation_of(statement: bytes) -> Revocation:
    """What a revocation that this server signed says."""
    return msgspec.msgpack.decode(statement[SIGNATURE_BYTES:], type=Revocation)


def devices(tx: Transaction) -> list[DeviceShown]:
    """All tablets, newest first."""
    found = tx.rows(
        "SELECT d.id, d.name, d.team, d.state, d.enrolled_at_ms, d.last_contact_ms, d.offset_ms,"
        " (SELECT count(*) FROM device_keys k WHERE k.device = d.id), coalesce(d.copy_of, ''),"
        " d.wiped_at_ms FROM devices d WHERE d.role = 'tablet'"
        " ORDER BY d.enrolled_at_ms DESC, d.id"
    )
    return [DeviceShown(*row) for row in found]
