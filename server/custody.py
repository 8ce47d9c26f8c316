# SPDX-License-Identifier: Apache-2.0
"""Custody: which feeds the upstream and the last verified backup hold, for tablets and officers.

What lives here: reading it, the signed word to a tablet, the last backup. What must not: receipts'
signatures (``linking.py``), making backups. Invariants
- The upstream holds what it gave a signed receipt for, or named when it listed its feeds; what was
  merely sent to it does not count.
- Further up, and in backups there, is what the server above says of its own commits (``reach.py``).
- A word replaces the one before: an upstream that was set back holds less, and tablets hear so.
"""

from __future__ import annotations

from typing import NamedTuple

from crypto.identity import DeviceKey
from crypto.statement import PLACES_MAX, Held, issue_held
from server.custody_places import BACKUP, last_backup, upstream_kind
from server.history import History, read_history
from server.reach import beyond
from server.store.base import Transaction
from sync.clock import counter_of

KEYS_MAX = PLACES_MAX // 4
"""Keys of one tablet that are told of, the newest; of all their places as many as one word has."""

Place = tuple[str, bytes, bytes, int, bytes]
"""Kind, who holds it, whose feed, up to which counter, and the head there."""


def places_of(tx: Transaction, me: bytes, replicas: list[bytes]) -> list[Place]:
    """Where these feeds are beside this store."""
    out: list[Place] = []
    above = upstream_kind(tx)
    seq, _ = last_backup(tx)
    far = beyond(tx)
    for replica in replicas:
        if above is not None:
            rows = tx.rows(
                "SELECT counter, head FROM peer_points WHERE peer = ? AND replica = ?"
                " AND offered = 0 ORDER BY counter DESC LIMIT 2",
                [f"above {above[1].hex()}", replica],
            )
            out += [(above[0], above[1], replica, int(c), bytes(h)) for c, h in rows]
        if seq:
            rows = tx.rows(
                "SELECT last, head FROM segments WHERE replica = ? AND seq <= ?"
                " ORDER BY last DESC LIMIT 2",
                [tx.number_of(replica), seq],
            )
            out += [(BACKUP, me, replica, int(c), bytes(h)) for c, h in rows]
        for kind, holder, upto in far:
            rows = tx.rows(
                "SELECT last, head FROM segments WHERE replica = ? AND seq <= ?"
                " ORDER BY last DESC LIMIT 2",
                [tx.number_of(replica), upto],
            )
            out += [(kind, holder, replica, int(c), bytes(h)) for c, h in rows]
    return out


def held_word(
    tx: Transaction, key: DeviceKey, replica: bytes, device: str, now_ms: int
) -> bytes | None:
    """The word for a tablet; None where there is neither upstream nor backup."""
    if upstream_kind(tx) is None and not last_backup(tx)[0]:
        return None
    found = tx.rows(
        "SELECT replica FROM device_keys WHERE device = ? ORDER BY since_ms DESC LIMIT ?",
        [device, KEYS_MAX],
    )
    places = places_of(tx, key.replica, [bytes(row[0]) for row in found])
    return issue_held(key, Held(replica, key.replica, now_ms, tuple(places[:PLACES_MAX])))


class Seen(NamedTuple):
    """One change of a record and where it is: who carried it here, kinds of places further on."""

    counter: int
    writer: str
    collection: str
    carrier: str
    received_at_ms: int | None
    places: tuple[str, ...]


def custody_of(tx: Transaction, me: bytes, record: str) -> list[Seen]:
    """All changes of a record held here, in the order of their history, with their places."""
    return custody_in(tx, me, read_history(tx, record))


def custody_in(tx: Transaction, me: bytes, history: History) -> list[Seen]:
    """The same, of a history that was read."""
    out = []
    held: dict[bytes, list[Place]] = {}
    for moment in history.moments:
        found = moment.found
        replica, counter = found.entry.dot[:16], counter_of(found.entry.dot)
        if replica not in held:
            held[replica] = places_of(tx, me, [replica])
        # Of a feed that forked a counter does not say which branch: only its ends are sure.
        forked = replica in history.forks
        servers = {holder: kind for kind, holder, *_ in held[replica] if kind != BACKUP}
        kinds = [
            _named(kind, servers.get(holder, ""))
            for kind, holder, _, upto, _ in held[replica]
            if (counter == upto if forked else counter <= upto)
        ]
        out.append(
            Seen(
                counter,
                _name_of(tx, replica),
                history.collection,
                _name_of(tx, found.carrier) if found.carrier != replica else "",
                found.received_at_ms,
                tuple(dict.fromkeys(kinds)),
            )
        )
    return out


def held_beyond(tx: Transaction, me: bytes, device: str) -> tuple[int, dict[str, int]]:
    """How many changes of a tablet are here, of its newest keys; and kind of place → how many."""
    keys = "SELECT replica FROM device_keys WHERE device = ? ORDER BY since_ms DESC LIMIT ?"
    total, beyond_here = 0, dict[str, int]()
    for (replica,) in tx.rows(keys, [device, KEYS_MAX]):
        own = bytes(replica)
        last = "SELECT max(last) FROM segments WHERE replica = ?"
        here = int(tx.rows(last, [tx.number_of(own)])[0][0] or 0)
        places = places_of(tx, me, [own])
        servers = {holder: kind for kind, holder, *_ in places if kind != BACKUP}
        held: dict[str, int] = {}
        for kind, holder, _, upto, _ in places:
            name = _named(kind, servers.get(holder, ""))
            held[name] = max(held.get(name, 0), min(upto, here))
        total += here
        for name, count in held.items():
            beyond_here[name] = beyond_here.get(name, 0) + count
    return total, beyond_here


def _named(kind: str, server: str) -> str:
    """The own backup, or that of a server above by what it is."""
    return f"{server}-{BACKUP}" if kind == BACKUP and server else kind


def _name_of(tx: Transaction, replica: bytes) -> str:
    sql = (
        "SELECT d.name FROM device_keys k JOIN devices d ON d.id = k.device WHERE k.replica = ?"
        " UNION ALL SELECT name FROM known_keys WHERE replica = ?"
    )
    found = tx.rows(sql, [replica, replica])
    return str(found[0][0]) if found and found[0][0] else replica.hex()[:8]
