# SPDX-License-Identifier: Apache-2.0
"""Where an uploaded run stands in what is held of its feed: new, known, a gap, or a fork.

What lives here: placing runs, storing them as received, finding a change by its dot. What must not:
merging. Invariant: the segments of a replica form a tree by (counter, head); its leaves are what
receipts name. A fork keeps both branches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from server.store.base import Transaction
from server.store.rows import SegmentRow
from sync.change import Entry, change_digest, entry_of
from sync.clock import counter_of
from sync.compression import REPLY_LEVEL, pack, unpack
from sync.errors import FeedGap
from sync.feed import (
    SEGMENT_BYTES_MAX,
    Block,
    Partial,
    Segment,
    build_segment,
    genesis,
    next_head,
    segment_digests,
    segment_slots,
    unpack_segment,
)

_segment = msgspec.msgpack.Decoder(Segment)
_partial = msgspec.msgpack.Decoder(Partial)
_encode = msgspec.msgpack.Encoder().encode

PARTIAL_BYTES_MAX = 2 * SEGMENT_BYTES_MAX
"""A stored run with its salts, unpacked."""


class Run(NamedTuple):
    """A verified run of a feed, on its way in: readable but for what was erased."""

    replica: bytes
    first: int
    before: bytes
    head: bytes
    entries: list[Entry]
    source: Segment | Partial

    @property
    def last(self) -> int:
        """The counter of its last change."""
        return self.source.last

    def heads(self) -> list[bytes]:
        """The heads along it, the one before its first change first."""
        if isinstance(self.source, Segment):
            digests = [entry.digest for entry in self.entries]
        else:
            digests = slot_digests(self.source)
        out = [self.before]
        for digest in digests:
            out.append(next_head(out[-1], digest))
        return out


class Placed(NamedTuple):
    """What of a run is new. ``at`` and ``on`` are the counter and head it goes on from."""

    new: list[Entry]
    at: int
    on: bytes
    forked: bool


def leaves_of(tx: Transaction, replica: bytes) -> list[tuple[int, bytes]]:
    """The ends of all branches held of a feed, as (counter, head)."""
    found = tx.rows(
        "SELECT counter, head FROM leaves WHERE replica = ? ORDER BY counter DESC",
        [tx.number_of(replica)],
    )
    return [(int(r[0]), bytes(r[1])) for r in found]


def place(tx: Transaction, run: Run) -> Placed:
    """Find where a run continues what is held. Raises FeedGap where nothing held is its
    beginning."""
    leaves = leaves_of(tx, run.replica)
    if (run.first - 1, run.before) in leaves or (run.first == 1 and not leaves):
        return Placed(run.entries, run.first - 1, run.before, False)
    heads = run.heads()
    known = _heads_between(tx, run.replica, run.first - 1, run.last)
    for back in range(len(heads) - 1, -1, -1):
        counter = run.first - 1 + back
        if (counter, heads[back]) in known:
            new = [entry for entry in run.entries if counter_of(entry.dot) > counter]
            forked = counter < run.last and (counter, heads[back]) not in leaves and bool(leaves)
            return Placed(new, counter, heads[back], forked)
    raise FeedGap(f"from {run.first}; held up to {leaves[0][0] if leaves else 0}")


def _heads_between(
    tx: Transaction, replica: bytes, first: int, last: int
) -> set[tuple[int, bytes]]:
    known: set[tuple[int, bytes]] = {(0, genesis(replica))}
    for start, before, digests in stored_digests(tx, replica, first, last):
        head, counter = before, start - 1
        known.add((counter, head))
        for digest in digests:
            head, counter = next_head(head, digest), counter + 1
            known.add((counter, head))
    return known


def stored_digests(
    tx: Transaction, replica: bytes, first: int, last: int
) -> Iterable[tuple[int, bytes, list[bytes]]]:
    """The digests of the stored runs of a replica that touch these counters: (first, head before,
    digests). The changes themselves are not read: that takes five times as long."""
    found = tx.rows(
        "SELECT first, before, kind, body FROM segments WHERE replica = ? AND last >= ?"
        " AND first <= ? ORDER BY first, n",
        [tx.number_of(replica), first, last + 1],
    )
    for start, before, kind, body in found:
        source = segment_of(kind, bytes(body))
        digests = segment_digests(source) if isinstance(source, Segment) else slot_digests(source)
        yield int(start), bytes(before), digests


def slot_digests(partial: Partial) -> list[bytes]:
    """The digests of a run's changes, of those too whose content was erased."""
    return [
        change_digest(partial.replica, counter, slot.salt, slot.raw) if slot.raw else slot.digest
        for counter, slot in enumerate(partial.slots, partial.first)
    ]


def open_stored(kind: str, body: bytes) -> list[Entry]:
    """The changes of a stored run, but for those whose content was erased."""
    if kind == "segment":
        return unpack_segment(_segment.decode(body))
    partial = _partial.decode(unpack(body, PARTIAL_BYTES_MAX))
    return [
        entry_of(partial.replica, counter, slot.salt, slot.raw)
        for counter, slot in enumerate(partial.slots, partial.first)
        if slot.raw
    ]


def stored_slots(kind: str, body: bytes) -> tuple[bytes, int, list[tuple[bytes, bytes]]]:
    """Replica and first counter of a stored run, and salt and bytes of each of its changes.

    They are not read: of two thousand changes of an import a page wants one. No bytes: erased.
    """
    source = segment_of(kind, body)
    if isinstance(source, Segment):
        return source.replica, source.first, segment_slots(source)
    return source.replica, source.first, [(slot.salt, slot.raw) for slot in source.slots]


def segment_of(kind: str, body: bytes) -> Segment | Partial:
    """A stored run in the form it travels in."""
    if kind == "segment":
        return _segment.decode(body)
    return _partial.decode(unpack(body, PARTIAL_BYTES_MAX))


def row_of(
    run: Run,
    placed: Placed,
    seq: int,
    now_ms: int,
    offset_ms: int | None,
    carrier: bytes,
    leaf: int,
) -> SegmentRow:
    """How the new part of a run is stored: as received where all of it is new."""
    first = placed.at + 1
    source: Segment | Partial = run.source
    if first != run.first:
        source = _cut(source, first, placed)
    if isinstance(source, Segment):
        kind, body = "segment", _encode(source)
    else:
        kind, body = "partial", pack(_encode(source), REPLY_LEVEL)
    return SegmentRow(
        run.replica,
        first,
        run.last,
        placed.on,
        run.head,
        kind,
        seq,
        now_ms,
        offset_ms,
        carrier,
        body,
        leaf,
    )


def _cut(source: Segment | Partial, first: int, placed: Placed) -> Segment | Partial:
    if isinstance(source, Partial):
        slots = source.slots[first - source.first :]
        return Partial(source.replica, first, placed.on, slots, source.signature)
    blocks: list[Block] = [
        b
        for i, b in enumerate(source.blocks)
        if i + 1 == len(source.blocks) or source.blocks[i + 1].first > first
    ]
    raws = [e.raw for e in placed.new]
    return build_segment(
        source.replica, first, placed.on, blocks, raws, source.signature, REPLY_LEVEL
    )


def store_runs(tx: Transaction, rows: Sequence[SegmentRow]) -> None:
    """Store runs and move the leaves they continue."""
    for row in rows:
        number = tx.number_of(row.replica)
        tx.run(
            "INSERT INTO segments (replica, first, last, before, head, kind, seq, received_at_ms,"
            " offset_ms, carrier, body, leaf, contact_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
            " (SELECT d.last_contact_ms FROM devices d JOIN device_keys k ON k.device = d.id"
            " WHERE k.replica = ?))",
            [
                number,
                row.first,
                row.last,
                row.before,
                row.head,
                row.kind,
                row.seq,
                row.received_at_ms,
                row.offset_ms,
                tx.number_of(row.carrier),
                row.body,
                row.leaf,
                row.carrier,
            ],
        )
        tx.run(
            "DELETE FROM leaves WHERE replica = ? AND counter = ? AND head = ?",
            [number, row.first - 1, row.before],
        )
        tx.run("INSERT INTO leaves VALUES (?, ?, ?)", [number, row.last, row.head])
        tx.run("DELETE FROM heard WHERE replica = ? AND counter <= ?", [row.replica, row.last])
