# SPDX-License-Identifier: Apache-2.0
"""Copied stores: telling apart two tablets that began as one.

What lives here: finding out that a key which named its successor goes on writing, or names a second
one, and giving each store a device of its own. What must not: merging, which does not hang on any
of this. Invariants
- A key that was succeeded is used again by a copy or a store that was set back, never otherwise:
  its own store changes keys before it tells.
- Nothing is refused; the journal tells the auditor; a revocation of the first covers all copies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from crypto.certificate import Certificate
from crypto.identity import SIGNATURE_BYTES
from server.erasing_places import ask_like
from server.journal import note
from server.store.base import Transaction
from sync.errors import MessageMalformed
from sync.machine import TABLET, decode_machine
from sync.messages import Known, Request

NAME_CHARACTERS_MAX = 80


def superseded(tx: Transaction) -> set[bytes]:
    """The keys that named a successor on their own device."""
    found = tx.rows(
        "SELECT k.parent FROM device_keys k JOIN device_keys p ON p.replica = k.parent"
        " WHERE p.device = k.device"
    )
    return {bytes(row[0]) for row in found}


def has_successor(tx: Transaction, replica: bytes) -> bool:
    """Did this key name a successor already, on its own device?"""
    sql = (
        "SELECT 1 FROM device_keys k JOIN device_keys p ON p.replica = k.parent"
        " WHERE k.parent = ? AND k.device = p.device LIMIT 1"
    )
    return bool(tx.rows(sql, [replica]))


def tell_apart(tx: Transaction, replica: bytes, now_ms: int) -> str:
    """A key that was succeeded writes on: its successors become a device of their own.

    Returns that device's id. The district is to be reloaded afterwards.
    """
    device = str(tx.rows("SELECT device FROM device_keys WHERE replica = ?", [replica])[0][0])
    line = _line_after(tx, replica, device)
    if not line:
        # Told apart already, by one whose memory of it was lost between commit and reading again.
        return device
    copy = new_copy(tx, device, line[0], now_ms)
    for one in line:
        tx.run("UPDATE device_keys SET device = ? WHERE replica = ?", [copy, one])
    box = _box_of(tx, replica)
    tx.run("UPDATE devices SET box_public = ?, scope_version = -1 WHERE id = ?", [box, device])
    box = _box_of(tx, line[-1])
    tx.run("UPDATE devices SET box_public = ? WHERE id = ?", [box, copy])
    return copy


def new_copy(tx: Transaction, device: str, replica: bytes, now_ms: int) -> str:
    """Make the row of a copy that writes as ``replica``; its id."""
    copy = replica.hex()
    root = tx.rows("SELECT coalesce(copy_of, id), name FROM devices WHERE id = ?", [device])[0]
    count = int(tx.rows("SELECT count(*) FROM devices WHERE copy_of = ?", [root[0]])[0][0])
    ending = f"·{count + 2}"
    tx.run(
        "INSERT INTO devices (id, name, team, state, enrolled_at_ms, revoked_at_ms, revocation,"
        " last_contact_ms, box_public, copy_of) SELECT ?, ?, team, state, ?, revoked_at_ms,"
        " revocation, last_contact_ms, box_public, ? FROM devices WHERE id = ?",
        [copy, root[1][: NAME_CHARACTERS_MAX - len(ending)] + ending, now_ms, root[0], device],
    )
    ask_like(tx, copy, device, now_ms)
    note(tx, now_ms, "", "device-copied", device, copy)
    return copy


def _line_after(tx: Transaction, replica: bytes, device: str) -> list[bytes]:
    """The keys that follow one another after this one, on its device."""
    line: list[bytes] = []
    at = replica
    while True:
        found = tx.rows(
            "SELECT replica FROM device_keys WHERE parent = ? AND device = ?", [at, device]
        )
        if not found:
            return line
        at = bytes(found[0][0])
        line.append(at)


def _box_of(tx: Transaction, replica: bytes) -> bytes:
    statement = tx.rows("SELECT certificate FROM device_keys WHERE replica = ?", [replica])[0][0]
    body = bytes(statement)[SIGNATURE_BYTES:]
    return msgspec.msgpack.decode(body, type=Certificate).box_public


def note_contact(
    tx: Transaction,
    request: Request,
    known: Sequence[Known],
    new_forks: Mapping[bytes, tuple[str, bytes] | None],
    now_ms: int,
) -> None:
    """What is to be known of a tablet that never comes again: how far it had written; and of one
    that came with another branch of a feed (``new_forks``: replica to its device and key)."""
    held = [p.counter for p in known if p.replica == request.replica]
    if request.counter > max(held, default=0):
        tx.run(
            "UPDATE device_keys SET written = ? WHERE replica = ? AND written < ?",
            [request.counter, request.replica, request.counter],
        )
    for replica, found in new_forks.items():
        note(tx, now_ms, "", "feed-forked", found[0] if found else "", replica.hex())
    _note_machine(tx, request)


def _note_machine(tx: Transaction, request: Request) -> None:
    """Keep what a tablet tells of itself; what cannot be read is as if it was not said."""
    for kind, data in request.statements:
        if kind != TABLET:
            continue
        with suppress(MessageMalformed):
            said = decode_machine(data)
            tx.run(
                "UPDATE devices SET version = ?, used_bytes = ?, free_bytes = ? WHERE id ="
                " (SELECT device FROM device_keys WHERE replica = ?)",
                [said.version, said.used_bytes, said.free_bytes, request.replica],
            )
