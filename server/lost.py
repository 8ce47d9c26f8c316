# SPDX-License-Identifier: Apache-2.0
"""What is at stake with a lost tablet: what could be read on it, and what of its work is missing.

What lives here: the report. What must not: revoking (``devices.py``), drawing. Invariants
- Readable is what the tablet was sent or wrote and has not been heard to have purged; a copy of its
  store counts with it.
- Nothing is guessed silently: what is only likely is named so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from server.set_aside import thaw
from server.store.base import Transaction
from server.unsent import Unsent, unsent_of
from sync.clock import dots_of

_load = msgspec.json.Decoder(dict[str, Any]).decode


class Home(NamedTuple):
    """A household that lay on the tablet. ``until_ms`` is None where it still does."""

    home: str
    area: str
    since_ms: int
    until_ms: int | None


class Fields(NamedTuple):
    """What of a collection could be read: how many records, and the fields that had values."""

    collection: str
    records: int
    fields: tuple[str, ...]


class Lost(NamedTuple):
    """The report on one tablet and its copies."""

    device: str
    name: str
    team: str
    state: str
    copies: list[str]
    last_contact_ms: int | None
    revoked_at_ms: int | None
    wiped_at_ms: int | None
    homes: list[Home]
    readable: list[Fields]
    unsent: Unsent
    waiting: list[tuple[str, int]]


def lost(tx: Transaction, device: str, now_ms: int) -> Lost:
    """The report on a tablet by its id."""
    row = tx.rows(
        "SELECT name, team, state, last_contact_ms, revoked_at_ms, wiped_at_ms FROM devices"
        " WHERE id = ?",
        [device],
    )[0]
    copies = [r[0] for r in tx.rows("SELECT id FROM devices WHERE copy_of = ?", [device])]
    family = [device, *copies]
    homes = _homes(tx, family, row[5])
    unsent = unsent_of(tx, device, now_ms)
    return Lost(
        device,
        row[0],
        row[1],
        row[2],
        copies,
        row[3],
        row[4],
        row[5],
        homes,
        _readable(tx, [h.home for h in homes]),
        unsent,
        _waiting(tx, {gap.replica for gap in unsent.gaps}),
    )


def _homes(tx: Transaction, family: list[str], wiped_at_ms: int | None) -> list[Home]:
    held: dict[str, tuple[int, int | None]] = {}
    for device in family:
        before = tx.rows(
            "SELECT home, since_ms, until_ms FROM held_before WHERE device = ?", [device]
        )
        now = tx.rows("SELECT home, since_ms, NULL FROM held WHERE device = ?", [device])
        for home, since, until in (*before, *now):
            end = until if until is not None else wiped_at_ms
            known = held.get(home)
            if known is None:
                held[home] = (since, end)
                continue
            last = None if end is None or known[1] is None else max(end, known[1])
            held[home] = (min(since, known[0]), last)
    areas = dict(tx.rows_in("SELECT id, area FROM homes WHERE id IN (?*)", list(held)))
    found = [Home(h, areas.get(h, ""), since, end) for h, (since, end) in held.items()]
    return sorted(found, key=lambda h: (h.area, h.home))


def _readable(tx: Transaction, homes: list[str]) -> list[Fields]:
    counts: dict[int, int] = {}
    names: dict[int, set[str]] = {}
    rows = tx.rows_in(
        "SELECT r.kind, r.body FROM homes h JOIN records r ON r.home = h.n WHERE h.id IN (?*)",
        homes,
    )
    for kind, body in rows:
        counts[kind] = counts.get(kind, 0) + 1
        filled = {name for name, value in _load(body).items() if value not in (None, "", [])}
        names.setdefault(kind, set()).update(filled)
    return sorted(
        Fields(tx.collection_of(kind), count, tuple(sorted(names[kind])))
        for kind, count in counts.items()
    )


def _waiting(tx: Transaction, replicas: set[bytes]) -> list[tuple[str, int]]:
    """Records on which others' changes wait for what is missing, and how many do."""
    found: dict[str, int] = {}
    if not replicas:
        return []
    for record, entry in tx.rows("SELECT record, entry FROM waiting"):
        if any(d[:16] in replicas for d in dots_of(thaw(bytes(entry)).change.vector)):
            found[record] = found.get(record, 0) + 1
    return sorted(found.items())
