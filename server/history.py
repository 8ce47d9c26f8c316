# SPDX-License-Identifier: Apache-2.0
"""Every change of one record, in causal order, from the feeds.

What lives here: finding changes by their dots, walking back from a record's vector, replaying a
prefix. What must not: words (``audit_words.py``), drawing (``audit_graph.py``), writing. Invariants
- Reading needs no write: nothing here gives numbers to replicas.
- A change comes after all that its writer had seen of the record.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from server.archive_errors import ArchiveMissing
from server.errors import NotFound
from server.feeds import archive_of, stored_slots, whole
from server.set_aside import thaw
from server.store.base import Transaction
from sync.change import Entry, entry_of, own_tips
from sync.clock import Chains, Dot, VersionVector, counter_of, dots_of
from sync.packing import decode_causal, unpack_state
from sync.record import RecordState, apply_change, deliverable

SEGMENTS_KEPT_MAX = 32
"""Unpacked segments kept while a record is looked at: a segment has at most 2,000 changes."""

_load = msgspec.json.Decoder(dict[str, Any]).decode

Fate = Literal["merged", "waiting", "quarantined"]


class Found(NamedTuple):
    """A change with how its segment came.

    ``carrier`` is the replica that brought it, ``offset_ms`` that replica's clock less the
    server's, ``contact_ms`` when the carrier had been heard of before (server's clock).
    """

    entry: Entry
    received_at_ms: int | None
    offset_ms: int | None
    carrier: bytes
    contact_ms: int | None


class ChangeReader:
    """Finds changes by their dots; keeps the segments it opened last.

    ``away``: archives that are not here are added to it and passed over; without it they are
    refused.
    """

    def __init__(self, tx: Transaction, away: set[str] | None = None) -> None:
        self._tx = tx
        self._away = away
        self._opened: OrderedDict[int, _Run] = OrderedDict()

    def find(self, d: Dot) -> Found | None:
        """The change that a dot names; None if no feed held has it.

        Raises ArchiveMissing where it lies in an archive that is not here.
        """
        for run in reversed(self._opened.values()):
            if (held := run.find(d)) is not None:
                return held
        counter, found = counter_of(d), None
        for n, run in self._runs(d[:16], counter, counter):
            self._opened[n] = run
            found = found or run.find(d)
            while len(self._opened) > SEGMENTS_KEPT_MAX:
                self._opened.popitem(last=False)
        return found

    def upto(self, replica: bytes, counter: int, record: str) -> Iterator[Found]:
        """The changes of a feed on one record, up to a counter: each change of it is read.

        Raises ArchiveMissing.
        """
        for _, run in self._runs(replica, 1, counter):
            yield from (found for found in run.all() if found.entry.record == record)

    def _runs(self, replica: bytes, first: int, last: int) -> Iterator[tuple[int, _Run]]:
        rows = self._tx.rows(
            "SELECT s.n, s.kind, s.body, s.received_at_ms, s.offset_ms, c.replica, s.contact_ms"
            " FROM segments s JOIN replicas r ON r.n = s.replica"
            " LEFT JOIN replicas c ON c.n = s.carrier"
            " WHERE r.replica = ? AND s.last >= ? AND s.first <= ?",
            [replica, first, last],
        )
        for n, kind, body, received, offset, carrier, contact in rows:
            came = (received, offset, bytes(carrier or b""), contact)
            try:
                stored = whole(self._tx, str(kind), bytes(body))
            except ArchiveMissing:
                if self._away is None:
                    raise
                self._away.add(archive_of(bytes(body)).file)
                continue
            yield int(n), _Run(*stored_slots(*stored), came)


class _Run(NamedTuple):
    """A stored run whose changes are read as they are asked for."""

    replica: bytes
    first: int
    slots: list[tuple[bytes, bytes]]
    came: tuple[int | None, int | None, bytes, int | None]

    def find(self, d: Dot) -> Found | None:
        """The change that a dot names, where it is of this run and not erased."""
        at = counter_of(d) - self.first
        if d[:16] != self.replica or not 0 <= at < len(self.slots) or not self.slots[at][1]:
            return None
        found = self._at(at)
        return found if found.entry.dot == d else None

    def all(self) -> Iterator[Found]:
        """Its changes, but for those that were erased."""
        return (self._at(at) for at, (_, raw) in enumerate(self.slots) if raw)

    def _at(self, at: int) -> Found:
        return Found(entry_of(self.replica, self.first + at, *self.slots[at]), *self.came)


class Moment(NamedTuple):
    """One change in a record's history. ``parents`` are those its writer had seen last."""

    found: Found
    fate: Fate
    parents: tuple[Dot, ...]

    @property
    def entry(self) -> Entry:
        """The change."""
        return self.found.entry

    @property
    def dot(self) -> Dot:
        """Its name."""
        return self.found.entry.dot


class History(NamedTuple):
    """All that is known of a record's changes, oldest first in causal order.

    ``missing`` are dots that are named but in no feed held: they came as a state that a server
    signed. ``preds`` is the whole list of dots, for telling branches apart.
    """

    record: str
    collection: str
    moments: tuple[Moment, ...]
    missing: tuple[Dot, ...]
    preds: dict[Dot, tuple[Dot, ...]]
    forks: frozenset[bytes]

    def chains(self) -> Chains:
        """What is known of branches."""
        return Chains(set(self.forks), dict(self.preds))

    def covers(self, vector: bytes, d: Dot) -> bool:
        """Had whoever held this vector of the record seen that change?"""
        return VersionVector(vector).covers(d, self.chains())

    def moment(self, d: Dot) -> Moment | None:
        """The change of a name."""
        return next((m for m in self.moments if m.dot == d), None)

    def last_writes(self, field: str, seen_by: Iterable[bytes]) -> list[Moment]:
        """The last changes of a field that all holders of these vectors had seen."""
        chains = self.chains()
        vectors = [VersionVector(v) for v in seen_by]
        known = [
            m
            for m in self.moments
            if m.fate == "merged"
            and field in m.entry.change.names
            and all(v.covers(m.dot, chains) for v in vectors)
        ]
        seen = [VersionVector(m.entry.change.vector) for m in known]
        return [m for m in known if not any(v.covers(m.dot, chains) for v in seen)]

    def state_at(self, count: int) -> RecordState:
        """The record after its first ``count`` changes in this order.

        A change that builds on one of ``missing`` cannot be replayed and is left out.
        """
        state, chains = RecordState(), self.chains()
        for moment in self.moments[:count]:
            if moment.fate == "merged" and deliverable(state, moment.entry, chains):
                apply_change(state, moment.entry, chains)
        return state


class Stored(NamedTuple):
    """A record as the store holds it."""

    record: str
    collection: str
    home: str
    vector: bytes
    voided: bool
    state: RecordState
    body: dict[str, Any]


def stored_record(tx: Transaction, record: str) -> Stored | None:
    """The record as it is held, None if there is none."""
    found = tx.rows(
        "SELECT k.collection, h.id, r.causal, r.body, r.voided FROM records r"
        " JOIN kinds k ON k.kind = r.kind JOIN homes h ON h.n = r.home WHERE r.id = ?",
        [record],
    )
    if not found:
        return None
    collection, home, packed, text, voided = found[0]
    causal, body = decode_causal(bytes(packed)), _load(text)
    state = unpack_state(causal, body)
    return Stored(record, collection, home, causal[0], bool(voided), state, body)


def known_forks(tx: Transaction) -> frozenset[bytes]:
    """The replicas whose chain is known to have forked."""
    return frozenset(bytes(r[0]) for r in tx.rows("SELECT replica FROM forks"))


def read_history(tx: Transaction, record: str, reader: ChangeReader | None = None) -> History:
    """Walk back from the record's vector, and from what waits or is in quarantine.

    Where a change on the way is missing, what stood before it is looked for in its writer's feed:
    every writer's line begins in the vector, so that none of the record's changes is passed over.
    Raises NotFound where nothing of this name was ever received.
    """
    reader = reader or ChangeReader(tx)
    stored = stored_record(tx, record)
    fates: dict[Dot, Fate] = {}
    aside: dict[Dot, Found] = {}
    for table, fate in (("waiting", "waiting"), ("quarantine", "quarantined")):
        for (frozen,) in tx.rows(f"SELECT entry FROM {table} WHERE record = ?", [record]):
            entry = thaw(bytes(frozen))
            fates[entry.dot] = "waiting" if fate == "waiting" else "quarantined"
            aside[entry.dot] = reader.find(entry.dot) or Found(entry, None, None, b"", None)
    if stored is None and not aside:
        raise NotFound("record")
    todo = list(dots_of(stored.vector) if stored else []) + list(aside)
    found: dict[Dot, Found] = {}
    missing: set[Dot] = set()
    looked: dict[bytes, int] = {}
    while todo:
        d = todo.pop()
        if d in found or d in missing:
            continue
        change = aside.get(d) or reader.find(d)
        if change is not None and change.entry.record == record:
            found[d] = change
            todo += dots_of(change.entry.change.vector)
            continue
        missing.add(d)
        if counter_of(d) > looked.get(d[:16], 0):
            looked[d[:16]] = counter_of(d)
            todo += [one.entry.dot for one in reader.upto(d[:16], counter_of(d), record)]
    preds = {d: own_tips(f.entry) for d, f in found.items()}
    if stored:
        preds = {**stored.state.preds, **preds}
    collection = stored.collection if stored else next(iter(found.values())).entry.change.collection
    forks = known_forks(tx)
    moments = tuple(
        Moment(found[d], fates.get(d, "merged"), _parents(found[d].entry, found, preds, forks))
        for d in _in_order(found)
    )
    return History(record, collection, moments, tuple(sorted(missing)), preds, forks)


def _in_order(found: dict[Dot, Found]) -> list[Dot]:
    """Causal order; what is concurrent by (stamp, dot)."""
    needs = {d: {x for x in dots_of(f.entry.change.vector) if x in found} for d, f in found.items()}
    followers: dict[Dot, list[Dot]] = {}
    for d, before in needs.items():
        for x in before:
            followers.setdefault(x, []).append(d)
    ready = [(found[d].entry.change.stamp, d) for d, before in needs.items() if not before]
    heapq.heapify(ready)
    order: list[Dot] = []
    while ready:
        _, d = heapq.heappop(ready)
        order.append(d)
        for x in followers.get(d, ()):
            needs[x].discard(d)
            if not needs[x]:
                heapq.heappush(ready, (found[x].entry.change.stamp, x))
    return order


def _parents(
    entry: Entry,
    found: dict[Dot, Found],
    preds: dict[Dot, tuple[Dot, ...]],
    forks: frozenset[bytes],
) -> tuple[Dot, ...]:
    """The tips the writer had seen that no other tip builds on."""
    tips = [d for d in dots_of(entry.change.vector) if d in found]
    # The newest first: the picture goes straight down along it.
    tips.sort(key=lambda d: (found[d].entry.change.stamp, d), reverse=True)
    if len(tips) < 2:
        return tuple(tips)
    chains = Chains(set(forks), preds)
    pasts = {d: VersionVector(found[d].entry.change.vector) for d in tips}
    return tuple(d for d in tips if not any(x != d and pasts[x].covers(d, chains) for x in tips))
