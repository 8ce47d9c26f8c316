# SPDX-License-Identifier: Apache-2.0
"""Places in feeds whose content was erased: making them, and knowing them.

What lives here: taking the content of changes out of stored runs. What must not: what is erased and
why (``erasing.py``), records. Invariants
- A run keeps its place, its heads and its signature: the digest of an erased change stands where
  its salt and its bytes were, so that the chain verifies, and what it said cannot be guessed.
- The seed of the block goes with it: the salts of the other changes stand beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.msgpack import encode

from server.archive_errors import ArchiveMissing
from server.feeds import ARCHIVED, segment_of, whole
from server.store.base import Transaction
from sync.change import Entry, entry_of
from sync.clock import Dot, counter_of
from sync.compression import REPLY_LEVEL, pack
from sync.feed import Partial, Segment, Slot, unpack_segment


def are_erased(tx: Transaction, replica: bytes, blanks: Sequence[tuple[int, bytes]]) -> bool:
    """Does an erasure name every one of these changes (counter, digest) of a writer?"""
    found = {
        (int(counter), bytes(tag))
        for counter, tag in tx.rows(
            "SELECT counter, tag FROM erased_changes WHERE replica = ? AND counter >= ?"
            " AND counter <= ?",
            [replica, blanks[0][0], blanks[-1][0]],
        )
    }
    return all((counter, digest[:4]) in found for counter, digest in blanks)


def erased_dots(tx: Transaction, cases: Sequence[int] | None = None) -> set[Dot]:
    """The dots of all changes that are erased, or of those that these cases name."""
    asked = "SELECT replica, counter, tag FROM erased_changes"
    if cases is None:
        found = tx.rows(asked)
    else:
        found = tx.rows_in(f"{asked} WHERE erasure IN (?*)", list(cases))
    return {
        bytes(replica) + int(counter).to_bytes(8, "big") + bytes(tag)
        for replica, counter, tag in found
    }


def take_out(tx: Transaction, dots: Iterable[Dot]) -> list[Entry]:
    """Take the content of these changes out of the runs held; what it was.

    Archives are overwritten after the commit (``erasing_keeping.py``): the store names what is to
    go from them.
    """
    wanted: dict[bytes, set[Dot]] = {}
    for d in dots:
        wanted.setdefault(d[:16], set()).add(d)
    gone: list[Entry] = []
    for replica, some in sorted(wanted.items()):
        counters = sorted(counter_of(d) for d in some)
        rows = tx.rows(
            "SELECT n, first, last, kind, body FROM segments WHERE replica = ? AND last >= ?"
            " AND first <= ?",
            [tx.number_of(replica), counters[0], counters[-1]],
        )
        for n, first, last, kind, body in rows:
            if not any(first <= counter <= last for counter in counters):
                continue
            if kind == ARCHIVED:
                gone += _archived_content(tx, bytes(body), some)
                continue
            source, taken = without(segment_of(str(kind), bytes(body)), some)
            if taken:
                gone += taken
                tx.run(
                    "UPDATE segments SET kind = 'partial', body = ? WHERE n = ?",
                    [pack(encode(source), REPLY_LEVEL), int(n)],
                )
    return gone


def _archived_content(tx: Transaction, body: bytes, dots: set[Dot]) -> list[Entry]:
    """What these changes say in an archive; nothing where it is not here."""
    try:
        return without(segment_of(*whole(tx, ARCHIVED, body)), dots)[1]
    except ArchiveMissing:
        return []


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
