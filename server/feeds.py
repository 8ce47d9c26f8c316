# SPDX-License-Identifier: Apache-2.0
"""Where an uploaded run stands in what is held of its feed: new, known, a gap, or a fork.

What lives here: placing runs, storing them as received, finding a change by its dot. What must not:
merging. Invariants
- The segments of a replica form a tree by (counter, head); its leaves are what receipts name. A
  fork keeps both branches.
- Of a run that lies in an archive the row stays, with a mark of each head along it: where an upload
  stands, and which points of a feed are held, is answered without the archive.
- What is erased is read out of no archive, whether that was overwritten yet or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from server.archive_errors import ArchiveMissing, ArchiveWaits
from server.store.base import Transaction
from server.store.rows import SegmentRow
from sync.change import Entry, change_digest, entry_of
from sync.clock import Dot, counter_of
from sync.compression import REPLY_LEVEL, pack, unpack
from sync.errors import FeedGap
from sync.feed import (
    SEGMENT_BYTES_MAX,
    Block,
    Partial,
    Segment,
    Slot,
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
ARCHIVED = "archived"
"""The kind of a run whose body lies in an archive (``archives.py``)."""
MARK_BYTES = 16
"""Kept of each head along an archived run: nobody finds two chains whose heads begin alike."""


class Archived(msgspec.Struct, array_like=True, frozen=True):
    """What stands in the place of an archived run's body: the archive's file, its number there,
    its bytes, and the marks of the heads along it, the one before its first change first."""

    file: str
    n: int
    size: int
    marks: bytes

    def points(self) -> list[bytes]:
        """The marks, one by one."""
        return [self.marks[i : i + MARK_BYTES] for i in range(0, len(self.marks), MARK_BYTES)]


_archived = msgspec.msgpack.Decoder(Archived)


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
        if known & {(counter, heads[back]), (counter, heads[back][:MARK_BYTES])}:
            new = [entry for entry in run.entries if counter_of(entry.dot) > counter]
            forked = counter < run.last and (counter, heads[back]) not in leaves and bool(leaves)
            return Placed(new, counter, heads[back], forked)
    raise FeedGap(f"from {run.first}; held up to {leaves[0][0] if leaves else 0}")


def _heads_between(
    tx: Transaction, replica: bytes, first: int, last: int
) -> set[tuple[int, bytes]]:
    known: set[tuple[int, bytes]] = {(0, genesis(replica))}
    for start, _, heads in stored_heads(tx, replica, first, last):
        known.update(enumerate(heads, start - 1))
    return known


def stored_heads(
    tx: Transaction, replica: bytes, first: int, last: int
) -> Iterable[tuple[int, bytes, list[bytes]]]:
    """The heads along the stored runs of a replica that touch these counters: (first, head before,
    heads), the head before first among them; of archived runs their first ``MARK_BYTES``."""
    for start, before, kind, body in _rows_between(tx, replica, first, last):
        if kind == ARCHIVED:
            yield start, before, _archived.decode(body).points()
        else:
            yield start, before, heads_of(segment_of(kind, body))


def stored_digests(
    tx: Transaction, replica: bytes, first: int, last: int
) -> Iterable[tuple[int, bytes, list[bytes]]]:
    """The digests of the stored runs of a replica that touch these counters: (first, head before,
    digests). The changes themselves are not read: that takes five times as long."""
    for start, before, kind, body in _rows_between(tx, replica, first, last):
        yield start, before, digests_of(segment_of(*whole(tx, kind, body)))


def _rows_between(
    tx: Transaction, replica: bytes, first: int, last: int
) -> Iterable[tuple[int, bytes, str, bytes]]:
    found = tx.rows(
        "SELECT first, before, kind, body FROM segments WHERE replica = ? AND last >= ?"
        " AND first <= ? ORDER BY first, n",
        [tx.number_of(replica), first, last + 1],
    )
    return [(int(start), bytes(before), str(k), bytes(body)) for start, before, k, body in found]


def digests_of(source: Segment | Partial) -> list[bytes]:
    """The digests of a run's changes."""
    return segment_digests(source) if isinstance(source, Segment) else slot_digests(source)


def heads_of(source: Segment | Partial) -> list[bytes]:
    """The heads along a run, the one before its first change first."""
    out = [source.before]
    for digest in digests_of(source):
        out.append(next_head(out[-1], digest))
    return out


def marks_of(source: Segment | Partial) -> bytes:
    """What stays of the heads along a run when it goes into an archive."""
    return b"".join(head[:MARK_BYTES] for head in heads_of(source))


def whole(tx: Transaction, kind: str, body: bytes) -> tuple[str, bytes]:
    """Kind and body of a stored run as it was received, out of its archive where it lies in one;
    with blanks for what is erased, whatever that archive still holds.

    Raises ArchiveMissing where that archive is not here, or does not hold this run; ArchiveWaits
    where what it holds of erased records was not looked for yet.
    """
    if kind != ARCHIVED:
        return kind, body
    row = _archived.decode(body)
    key = tx.rows("SELECT key FROM archives WHERE name = ?", [row.file])
    if not key:
        raise ArchiveMissing(row.file)
    found = tx.archives.read(row.file, bytes(key[0][0]), row.n)
    source = segment_of(*found)
    if marks_of(source) != row.marks:
        raise ArchiveMissing(row.file)
    if tx.rows(
        "SELECT 1 FROM erasure_archives WHERE archive = ? AND searched_at_ms IS NULL LIMIT 1",
        [row.file],
    ):
        raise ArchiveWaits(row.file)
    return _as_erased(tx, source) or found


def _as_erased(tx: Transaction, source: Segment | Partial) -> tuple[str, bytes] | None:
    """A run without what an erasure names of it; None where all of that is out of it already."""
    found = tx.rows(
        "SELECT counter, tag FROM erased_changes WHERE replica = ? AND counter >= ?"
        " AND counter <= ?",
        [source.replica, source.first, source.last],
    )
    if isinstance(source, Partial):
        found = [row for row in found if source.slots[int(row[0]) - source.first].raw]
    if not found:
        return None
    gone = {source.replica + int(c).to_bytes(8, "big") + bytes(tag) for c, tag in found}
    left, taken = without(source, gone)
    return ("partial", pack(_encode(left), REPLY_LEVEL)) if taken else None


def archive_of(body: bytes) -> Archived:
    """Where the body of an archived run lies."""
    return _archived.decode(body)


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


def without(source: Segment | Partial, dots: set[Dot]) -> tuple[Partial, list[Entry]]:
    """A run with blanks for these changes, and what stood there."""
    if isinstance(source, Segment):
        entries = {counter_of(e.dot): e for e in unpack_segment(source)}
        slots = [Slot(b"", entries[c].salt, entries[c].raw) for c in sorted(entries)]
    else:
        entries = {}
        slots = list(source.slots)
        for counter, slot in enumerate(slots, source.first):
            if slot.raw:
                entries[counter] = entry_of(source.replica, counter, slot.salt, slot.raw)
    taken = []
    for counter, entry in entries.items():
        if entry.dot in dots:
            slots[counter - source.first] = Slot(entry.digest)
            taken.append(entry)
    partial = Partial(source.replica, source.first, source.before, slots, source.signature)
    return partial, taken


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


def _last_contact_ms(tx: Transaction, carrier: bytes) -> int | None:
    """When the tablet that brings something was here before, by this server's clock."""
    found = tx.rows(
        "SELECT d.last_contact_ms FROM devices d JOIN device_keys k ON k.device = d.id"
        " WHERE k.replica = ?",
        [carrier],
    )
    return found[0][0] if found else None


def store_runs(tx: Transaction, rows: Sequence[SegmentRow]) -> None:
    """Store runs and move the leaves they continue."""
    contacts = {carrier: _last_contact_ms(tx, carrier) for carrier in {r.carrier for r in rows}}
    for row in rows:
        number = tx.number_of(row.replica)
        tx.run(
            "INSERT INTO segments (replica, first, last, before, head, kind, seq, received_at_ms,"
            " offset_ms, carrier, body, leaf, contact_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                contacts[row.carrier],
            ],
        )
        tx.run(
            "DELETE FROM leaves WHERE replica = ? AND counter = ? AND head = ?",
            [number, row.first - 1, row.before],
        )
        tx.run("INSERT INTO leaves VALUES (?, ?, ?)", [number, row.last, row.head])
        tx.run("DELETE FROM heard WHERE replica = ? AND counter <= ?", [row.replica, row.last])
