# SPDX-License-Identifier: Apache-2.0
"""What tablets are told of field keys: the ring of their team, and the keys they lack.

What lives here: rings, wrapped keys, keys of other teams that come with a household. What must not:
who may read (``field_readers.py``). Invariant: a team has the keys of its own group, and of other
groups those that seal something in a household it holds.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from crypto.certificate import Certificate
from crypto.errors import CryptoError
from crypto.field import KEYS_WRAPPED_MAX, wrap_keys
from crypto.identity import SIGNATURE_BYTES, DeviceKey
from crypto.ring import RING_KEYS_MAX, ReaderKeys, Ring, issue_ring
from server.field_keys import FieldKeys, Group, begin_epoch, epoch_of
from server.history import stored_record
from server.scope import outside
from server.store.base import Transaction
from sync.decoding import MALFORMED
from sync.errors import ChangeInvalid, MessageMalformed
from sync.messages import STATEMENTS_MAX, Request, Statement
from sync.sealing import FIELD_KEYS, FIELD_RING, decode_said, is_sealed, key_named


def ring_of(
    tx: Transaction, keys: FieldKeys, root: DeviceKey, team: str, now_ms: int
) -> tuple[Ring, dict[bytes, Group]]:
    """What a team may have, the newest keys first, and whose they are."""
    classes, groups = list[ReaderKeys](), dict[bytes, Group]()
    keys.load_foreign(tx)
    found = tx.rows("SELECT readers FROM field_readers WHERE team = ? ORDER BY readers", [team])
    room = RING_KEYS_MAX // max(1, len(found))
    for (readers,) in found:
        present = epoch_of(tx, team, readers, now_ms)
        mine = [Group(team, readers, epoch) for epoch in range(present, 0, -1)]
        granted = tx.rows(
            "SELECT owner, epoch FROM field_grants WHERE team = ? AND readers = ?"
            " ORDER BY since_ms DESC, owner, epoch",
            [team, readers],
        )
        others = [Group(str(owner), readers, int(epoch)) for owner, epoch in granted]
        others = [group for group in others if keys.has(group)]
        kept = [*mine[:1], *others, *mine[1:]][:room]
        ids = {keys.key(group).id: group for group in kept}
        groups |= ids
        classes.append(ReaderKeys(readers, keys.key(mine[0]).id, b"".join(ids)))
    return Ring(team, root.replica, now_ms, tuple(classes)), groups


def told_fields(
    tx: Transaction,
    keys: FieldKeys,
    root: DeviceKey,
    team: str,
    request: Request,
    now_ms: int,
    others: int,
) -> list[Statement]:
    """The ring and the keys that a tablet of this team lacks, by what its request says: as many
    as have room beside so many ``others`` and the word on the log, more at its next request.

    One that says nothing is an older program, which knows no sealed field.
    """
    told = [data for kind, data in request.statements if kind == FIELD_KEYS]
    if not told:
        return []
    try:
        said = decode_said(told[0])
    except MessageMalformed:
        return []
    if said.wanted:
        grant(tx, keys, team, said.wanted, now_ms)
    ring, groups = ring_of(tx, keys, root, team, now_ms)
    same = ring.digest() == said.digest
    if not (ring.classes or said.digest) or (same and not said.lacking):
        return []
    box = _box_of(tx, request.replica)
    if box is None:
        return []
    out: list[Statement] = [] if same else [(FIELD_RING, issue_ring(root, ring))]
    # One whose ring differs may have most of these; that costs it 34 bytes each.
    wanted = [one for one in said.lacking if one in groups] if same else list(groups)
    for at in range(0, len(wanted), KEYS_WRAPPED_MAX):
        part = [keys.key(groups[one]) for one in wanted[at : at + KEYS_WRAPPED_MAX]]
        out.append((FIELD_KEYS, wrap_keys(box, part)))
    tx.run("UPDATE field_epochs SET told = 1 WHERE team = ? AND told = 0", [team])
    return out[: max(0, STATEMENTS_MAX - 1 - others)]


def grant(
    tx: Transaction,
    keys: FieldKeys,
    team: str,
    wanted: Iterable[tuple[bytes, str]],
    now_ms: int,
) -> None:
    """Give a team keys of other groups that seal something in a record of a household it holds."""
    mine = {r for (r,) in tx.rows("SELECT readers FROM field_readers WHERE team = ?", [team])}
    for key, record in wanted:
        group = keys.named(tx, key)
        if group is None or group.readers not in mine:
            continue
        if group.team == team:
            # This store was set back: the team's tablets remember epochs that it forgot.
            for epoch in range(epoch_of(tx, team, group.readers, now_ms) + 1, group.epoch + 1):
                begin_epoch(tx, team, group.readers, epoch, now_ms)
            continue
        homes = homes_of(tx, record)
        held = homes - outside(tx, team, homes)
        if not held or key not in keys_in(tx, record):
            continue
        tx.run(
            "INSERT INTO field_grants (team, owner, readers, epoch, home, since_ms)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [team, group.team, group.readers, group.epoch, min(held), now_ms],
        )
        tx.run(
            "UPDATE field_epochs SET told = 1 WHERE team = ? AND readers = ? AND epoch = ?",
            [group.team, group.readers, group.epoch],
        )


def homes_of(tx: Transaction, record: str) -> set[str]:
    """The households that a record belongs to."""
    found = tx.rows(
        "SELECT h.id FROM records r JOIN homes h ON h.n = r.home WHERE r.id = ? UNION"
        " SELECT a.home FROM also a WHERE a.record = ? AND a.until_seq IS NULL",
        [record, record],
    )
    return {str(row[0]) for row in found}


def keys_in(tx: Transaction, record: str) -> set[bytes]:
    """The ids of the keys that seal the values of a record."""
    stored = stored_record(tx, record)
    out = set[bytes]()
    for by_dot in stored.state.registers.values() if stored is not None else ():
        for value in by_dot.values():
            if is_sealed(value):
                try:
                    out.add(key_named(value))
                except ChangeInvalid:
                    continue
    return out


def _box_of(tx: Transaction, replica: bytes) -> bytes | None:
    """The box key in a tablet's certificate, which this server signed."""
    found = tx.rows("SELECT certificate FROM device_keys WHERE replica = ?", [replica])
    if not found or not found[0][0]:
        return None
    try:
        said = msgspec.msgpack.decode(bytes(found[0][0])[SIGNATURE_BYTES:], type=Certificate)
    except (*MALFORMED, CryptoError):
        return None
    return said.box_public
