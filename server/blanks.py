# SPDX-License-Identifier: Apache-2.0
"""Places in feeds whose content was erased: making them, and knowing them.

What lives here: taking the content of changes out of stored runs. What must not: what is erased and
why (``erasing.py``), records. Invariants
- A run keeps its place, its heads and its signature: the digest of an erased change stands where
  its salt and its bytes were, so that the chain verifies, and what it said cannot be guessed.
- The seed of the block goes with it: the salts of the other changes stand beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.msgpack import encode

from server.archive_errors import ArchiveMissing
from server.feeds import ARCHIVED, archive_of, segment_of, whole, without
from server.store.base import Transaction
from sync.change import Entry
from sync.clock import Dot, counter_of
from sync.compression import REPLY_LEVEL, pack


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


def named_of(tx: Transaction, dots: Iterable[Dot]) -> set[Dot]:
    """Those of these dots that a statement names already."""
    return {d for d in dots if are_erased(tx, d[:16], [(counter_of(d), d[24:])])}


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


def take_out(tx: Transaction, dots: Iterable[Dot], away: set[str]) -> list[Entry]:
    """Take the content of these changes out of the runs held; what it was.

    Archives are overwritten after the commit (``erasing_keeping.py``): the store names what is to
    go from them. Those that have some of it and are not here are added to ``away``.
    """
    gone: list[Entry] = []
    for n, kind, body, some in _runs_with(tx, dots):
        if kind == ARCHIVED:
            try:
                gone += without(segment_of(*whole(tx, kind, body)), some)[1]
            except ArchiveMissing:
                away.add(archive_of(body).file)
            continue
        source, taken = without(segment_of(kind, body), some)
        if taken:
            gone += taken
            tx.run(
                "UPDATE segments SET kind = 'partial', body = ? WHERE n = ?",
                [pack(encode(source), REPLY_LEVEL), n],
            )
    return gone


def archives_with(tx: Transaction, dots: Iterable[Dot]) -> set[str]:
    """The archives that runs with these changes lie in."""
    found = _runs_with(tx, dots)
    return {archive_of(body).file for _, kind, body, _ in found if kind == ARCHIVED}


def _runs_with(tx: Transaction, dots: Iterable[Dot]) -> Iterator[tuple[int, str, bytes, set[Dot]]]:
    """The stored runs of each writer that these changes may be in: number, kind, body, changes."""
    wanted: dict[bytes, set[Dot]] = {}
    for d in dots:
        wanted.setdefault(d[:16], set()).add(d)
    for replica, some in sorted(wanted.items()):
        counters = sorted(counter_of(d) for d in some)
        rows = tx.rows(
            "SELECT n, first, last, kind, body FROM segments WHERE replica = ? AND last >= ?"
            " AND first <= ?",
            [tx.number_of(replica), counters[0], counters[-1]],
        )
        for n, first, last, kind, body in rows:
            if any(first <= counter <= last for counter in counters):
                yield int(n), str(kind), bytes(body), some
