# SPDX-License-Identifier: Apache-2.0
"""Dots, version vectors and stamps, and the comparisons between them.

What lives here: the values that carry causality, packed as bytes so that storing, comparing and
sending them needs no conversion. What must not: any reading of a clock.

Invariants
- A dot is 28 bytes: replica (16) + counter (8, big endian, from 1) + tag (4).
- A vector is the sorted concatenation of dots, its *tips*. One tip a replica, more where the chain
  of that replica is known to have forked. Two equal vectors are equal bytes.
- Causality is read from vectors only (Law 1). Stamps order siblings for showing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from sync.errors import MessageMalformed

REPLICA_BYTES = 16
COUNTER_BYTES = 8
TAG_BYTES = 4
DOT_BYTES = REPLICA_BYTES + COUNTER_BYTES + TAG_BYTES
COUNTER_MAX = 2**48
"""Writes of one replica: more than 56 million households written once a second for a century."""

Dot = bytes
"""Replica, counter and tag in 28 bytes: the name of one change."""
Preds = Mapping[Dot, tuple[Dot, ...]]
"""Dot -> the same replica's tips on that record before it: the list that tells branches apart."""
Recall = Callable[[Dot], tuple[Dot, ...] | None]
"""What a list said before it was cut, from the feeds: None where no feed here has that change.
Raises LookupError where one has it that cannot be read now."""


class Stamp(NamedTuple):
    """Hybrid logical clock: wall milliseconds, then a counter. Orders siblings, decides nothing."""

    ms: int
    n: int

    def tick(self, now_ms: int) -> Stamp:
        """The stamp of a write made at wall clock ``now_ms``, past every stamp seen so far."""
        return Stamp(now_ms, 0) if now_ms > self.ms else Stamp(self.ms, self.n + 1)


def dot(replica: bytes, counter: int, tag: bytes) -> Dot:
    """Pack one dot."""
    return replica + counter.to_bytes(COUNTER_BYTES, "big") + tag


def replica_of(d: Dot) -> bytes:
    """The replica a dot belongs to (16 bytes)."""
    return d[:REPLICA_BYTES]


def counter_of(d: Dot) -> int:
    """The counter of a dot, from 1."""
    return int.from_bytes(d[REPLICA_BYTES : REPLICA_BYTES + COUNTER_BYTES], "big")


def dots_of(packed: bytes) -> list[Dot]:
    """The tips of a packed vector, in order."""
    if len(packed) == DOT_BYTES:
        return [packed]
    return [packed[i : i + DOT_BYTES] for i in range(0, len(packed), DOT_BYTES)]


def check_vector(packed: bytes) -> bytes:
    """Return ``packed`` if it is a vector in canonical form.

    Raises MessageMalformed on a wrong length, unsorted or repeated tips, or a counter out of range.
    """
    if len(packed) % DOT_BYTES:
        raise MessageMalformed("vector length")
    last = b""
    for d in dots_of(packed):
        if d <= last:
            raise MessageMalformed("vector order")
        if not 1 <= counter_of(d) <= COUNTER_MAX:
            raise MessageMalformed("vector counter")
        last = d
    return packed


class Chains:
    """What is known of branches while one record is merged.

    ``forks`` are the replicas known to have forked (shared by all records of a store, and added to
    when a fork is spotted); ``preds`` are the dots of this record with what stood before each.
    ``recall`` is asked where they are cut, by who holds feeds, and its answers are kept in them.
    """

    __slots__ = ("forks", "preds", "recall")

    def __init__(
        self,
        forks: set[bytes],
        preds: dict[Dot, tuple[Dot, ...]],
        recall: Recall | None = None,
    ) -> None:
        self.forks = forks
        self.preds = preds
        self.recall = recall

    def before(self, d: Dot, tip: Dot) -> bool:
        """Is ``d`` the change ``tip`` or one before it on the chain that ends in ``tip``?

        Where no fork of the replica is known the counters decide. Else the list is walked back from
        the tip; where it is cut the feeds are asked, and where there are none one line is assumed.
        """
        if d == tip:
            return True
        counter = d[REPLICA_BYTES : REPLICA_BYTES + COUNTER_BYTES]
        if d[:REPLICA_BYTES] not in self.forks:
            # Equal counters with different tags are two branches, known or not yet known.
            return tip[REPLICA_BYTES : REPLICA_BYTES + COUNTER_BYTES] > counter
        todo, seen = [tip], set[Dot]()
        while todo:
            at = todo.pop()
            if at == d:
                return True
            if at in seen or at[REPLICA_BYTES : REPLICA_BYTES + COUNTER_BYTES] <= counter:
                continue
            seen.add(at)
            try:
                behind = self.behind(at)
            except LookupError:
                # What cannot be read now shows nothing to be older: it waits, or stands beside.
                continue
            if behind is None:
                return True
            todo += behind
        return False

    def behind(self, d: Dot) -> tuple[Dot, ...] | None:
        """What stood before a change on its record; None where neither list nor feeds tell.

        Raises LookupError where a feed tells it that cannot be read now.
        """
        found = self.preds.get(d)
        if found is None and self.recall is not None:
            found = self.recall(d)
            if found is not None:
                self.preds[d] = found
        return found


class VersionVector:
    """Replica -> tips. The working form of a packed vector, while a record is merged."""

    __slots__ = ("tips",)

    def __init__(self, packed: bytes = b"") -> None:
        self.tips: dict[bytes, tuple[Dot, ...]] = {}
        for d in dots_of(packed):
            replica = d[:REPLICA_BYTES]
            self.tips[replica] = (*self.tips.get(replica, ()), d)

    def pack(self) -> bytes:
        """The canonical bytes."""
        return b"".join(sorted(d for tips in self.tips.values() for d in tips))

    def dots(self) -> Iterable[Dot]:
        """All tips."""
        return (d for tips in self.tips.values() for d in tips)

    def of(self, replica: bytes) -> tuple[Dot, ...]:
        """The tips of one replica, empty if nothing of it was seen."""
        return self.tips.get(replica, ())

    def covers(self, d: Dot, chains: Chains) -> bool:
        """Has whoever holds this vector seen ``d``?"""
        tips = self.tips.get(d[:REPLICA_BYTES])
        return tips is not None and any(chains.before(d, t) for t in tips if t[16:24] >= d[16:24])

    def covers_all(self, other: VersionVector, chains: Chains) -> bool:
        """Has whoever holds this vector seen all that the other names?"""
        return all(self.covers(d, chains) for d in other.dots())

    def take_in(self, dots: Collection[Dot], chains: Chains) -> None:
        """Join by maximum; two tips of one replica that do not follow one another both stay."""
        for d in dots:
            replica = d[:REPLICA_BYTES]
            old = self.tips.get(replica)
            if old is None or old == (d,):
                self.tips[replica] = (d,)
                continue
            both = {*old, d}
            kept = [
                x
                for x in both
                if not any(y != x and y[16:24] > x[16:24] and chains.before(x, y) for y in both)
            ]
            self.tips[replica] = tuple(sorted(kept))

    def join(self, other: VersionVector, chains: Chains) -> None:
        """Take in all tips of the other vector."""
        self.take_in(tuple(other.dots()), chains)

    def copy(self) -> VersionVector:
        """An independent copy."""
        new = VersionVector()
        new.tips = dict(self.tips)
        return new
