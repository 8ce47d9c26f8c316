# SPDX-License-Identifier: Apache-2.0
"""One record's causal state, in its working form: apply a change, join two states.

What lives here: the rules of merging, field by field. What must not: packing (``packing.py``), how
siblings become one shown value (``policy.py``), and the quick path for plain edits (``batch.py``),
which must give what these rules give.

Invariants
- A sibling stays until a write that had seen it overwrites it (Law 2).
- Applying needs every change the writer had seen to be there (causal delivery); a record's vector
  takes in the change's own dot and nothing more.
- Merging looks at operations, never at the declaration of a field.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple, TypeVar

from sync.change import ADD, APPEND, COUNT, REMOVE, VOID, Entry, own_tips
from sync.clock import Chains, Dot, Recall, Stamp, VersionVector, counter_of, replica_of

T = TypeVar("T")

PARTED_MAX = 1_000
"""Dots of one replica listed from where its lines part: a list that a page of states still carries.
Two copies of a tablet stop writing as one as soon as either meets the other's feed."""


class Write(NamedTuple):
    """Who wrote, and when by the hybrid clock."""

    stamp: Stamp
    worker: str


class Void(NamedTuple):
    """A void: what its writer had seen, and why."""

    seen: VersionVector
    reason: str


class RecordState:
    """One record: its vector, and per field what nobody has yet overwritten with knowledge of it.

    ``preds`` lists the dots taken in, each with the same replica's tips before it on this record.
    ``edits`` is a second vector over edits alone: a record is void while some void has seen them
    all.
    """

    __slots__ = (
        "appends",
        "counts",
        "edits",
        "elements",
        "preds",
        "registers",
        "stamp",
        "vector",
        "voids",
        "writes",
    )

    def __init__(self) -> None:
        self.vector = VersionVector()
        self.edits = VersionVector()
        self.stamp = Stamp(0, 0)
        self.preds: dict[Dot, tuple[Dot, ...]] = {}
        self.writes: dict[Dot, Write] = {}
        self.registers: dict[str, dict[Dot, Any]] = {}
        self.elements: dict[tuple[str, str | int], dict[Dot, None]] = {}
        self.counts: dict[str, dict[Dot, int]] = {}
        self.appends: dict[str, dict[Dot, list[Any]]] = {}
        self.voids: dict[Dot, Void] = {}

    def live_dots(self) -> set[Dot]:
        """The dots of all writes that still show in some way."""
        live: set[Dot] = set(self.voids)
        maps: tuple[dict[Any, dict[Dot, Any]], ...] = (
            self.registers,
            self.elements,
            self.counts,
            self.appends,
        )
        for by_name in maps:
            for by_dot in by_name.values():
                live.update(by_dot)
        return live

    def drop_dead(self) -> None:
        """Forget who wrote what is no longer shown, and names that nothing stands under."""
        maps: tuple[dict[Any, dict[Dot, Any]], ...] = (
            self.registers,
            self.elements,
            self.counts,
            self.appends,
        )
        for by_name in maps:
            for name in [name for name, by_dot in by_name.items() if not by_dot]:
                del by_name[name]
        live = self.live_dots()
        if len(live) < len(self.writes):
            for d in [d for d in self.writes if d not in live]:
                del self.writes[d]

    def voided(self, chains: Chains) -> bool:
        """Is the record void: has some void seen every edit there is?"""
        return any(void.seen.covers_all(self.edits, chains) for void in self.voids.values())


def spot_forks(state: RecordState, dots: list[Dot], forks: set[bytes]) -> None:
    """Add to ``forks`` the replicas of dots that the vector reaches by number but the list
    lacks."""
    for d in dots:
        replica = d[:16]
        if replica in forks or d in state.preds:
            continue
        tips = state.vector.of(replica)
        # A cut list says nothing of what is older than its first dot: only newer ones can be
        # missed.
        oldest = min((x[16:24] for x in state.preds if x[:16] == replica), default=b"")
        if any(t[16:24] >= d[16:24] for t in tips) and (
            d[16:24] >= oldest or not _cut(state, replica)
        ):
            forks.add(replica)


def _cut(state: RecordState, replica: bytes) -> bool:
    return any(
        p not in state.preds for d, preds in state.preds.items() if d[:16] == replica for p in preds
    )


def chains_for(state: RecordState, forks: set[bytes]) -> Chains:
    """What is known of branches while ``state`` alone is looked at."""
    return Chains(forks, state.preds)


def parted(tips: Collection[Dot], chains: Chains) -> dict[Dot, tuple[Dot, ...]]:
    """The dots of one replica that stand behind some of its tips and not behind all, with what
    stood before each: below them the lines are one. At most ``PARTED_MAX``, the latest."""
    found: dict[Dot, tuple[Dot, ...]] = {}
    lines = set(tips)
    while len(lines) > 1 and len(found) < PARTED_MAX:
        at = max(lines, key=lambda d: d[16:24])
        lines.discard(at)
        try:
            behind = chains.behind(at)
        except LookupError:
            behind = None
        if behind is not None:
            found[at] = behind
        # A line that ends meets no other: those are followed to where they end too.
        lines.update(behind or (b"",))
    return found


def complete(state: RecordState, recall: Recall) -> None:
    """Where a replica wrote the record in two lines, list them to where they part: who has this
    state tells them apart by it, and needs no feed."""
    chains = Chains(set(), dict(state.preds), recall)
    for tips in state.vector.tips.values():
        if len(tips) > 1:
            state.preds.update(parted(tips, chains))


def deliverable(state: RecordState, entry: Entry, chains: Chains) -> bool:
    """Is every change that the writer had seen there already?"""
    packed = entry.change.vector
    return all(state.vector.covers(packed[i : i + 28], chains) for i in range(0, len(packed), 28))


def note_forks(state: RecordState, entry: Entry, forks: set[bytes]) -> None:
    """Spot forks that this change shows, before it is applied."""
    packed = entry.change.vector
    named = [packed[i : i + 28] for i in range(0, len(packed), 28)]
    spot_forks(state, [entry.dot, *named], forks)
    replica, counter = replica_of(entry.dot), counter_of(entry.dot)
    own = max((counter_of(d) for d in own_tips(entry)), default=0)
    # The state holds a dot that the writer, had it been on this branch, would have seen: its own.
    if any(own < counter_of(t) < counter for t in state.vector.of(replica)):
        forks.add(replica)
    for i in range(1, len(named)):
        if named[i][:16] == named[i - 1][:16]:
            forks.add(named[i][:16])


def _uncovered(by_dot: dict[Dot, T], seen: VersionVector, chains: Chains) -> dict[Dot, T]:
    return {d: v for d, v in by_dot.items() if not seen.covers(d, chains)}


def apply_change(state: RecordState, entry: Entry, chains: Chains) -> None:
    """Apply one deliverable change that is not yet covered; ``state`` is changed in place."""
    change, d = entry.change, entry.dot
    seen = VersionVector(change.vector)
    state.preds[d] = own_tips(entry)
    if chains.preds is not state.preds:
        chains.preds[d] = state.preds[d]
    state.stamp = max(state.stamp, change.stamp)
    state.writes[d] = Write(change.stamp, change.worker)
    for name, value in zip(change.names, change.values, strict=True):
        state.registers[name] = {
            **_uncovered(state.registers.get(name, {}), seen, chains),
            d: value,
        }
    void = False
    for op, field, value in change.others:
        if op in (ADD, REMOVE) and isinstance(value, list):
            for element in value:
                key = (field, element if isinstance(element, str | int) else str(element))
                state.elements[key] = _uncovered(state.elements.get(key, {}), seen, chains)
                if op == ADD:
                    state.elements[key][d] = None
        elif op == COUNT and isinstance(value, int):
            state.counts.setdefault(field, {})[d] = value
        elif op == APPEND and isinstance(value, list):
            state.appends.setdefault(field, {})[d] = value
        elif op == VOID:
            void = True
            state.voids[d] = Void(seen, str(value))
    if not void:
        state.edits.take_in((d,), chains)
    state.vector.take_in((d,), chains)
    state.drop_dead()


def _dotted(
    a: dict[Dot, T], seen_a: VersionVector, b: dict[Dot, T], seen_b: VersionVector, chains: Chains
) -> dict[Dot, T]:
    """Keep what both have, and what one has and the other's vector does not cover."""
    out = {d: v for d, v in a.items() if d in b or not seen_b.covers(d, chains)}
    for d, v in b.items():
        if d not in a and not seen_a.covers(d, chains):
            out[d] = v
    return out


def _joined(
    a: dict[Any, dict[Dot, T]],
    b: dict[Any, dict[Dot, T]],
    x: RecordState,
    y: RecordState,
    c: Chains,
) -> dict[Any, dict[Dot, T]]:
    return {
        name: _dotted(a.get(name, {}), x.vector, b.get(name, {}), y.vector, c)
        for name in [*a, *(n for n in b if n not in a)]
    }


def _everything(a: dict[Any, dict[Dot, T]], b: dict[Any, dict[Dot, T]]) -> dict[Any, dict[Dot, T]]:
    return {n: {**a.get(n, {}), **b.get(n, {})} for n in [*a, *(n for n in b if n not in a)]}


def join_chains(
    a: RecordState,
    b: RecordState,
    forks: set[bytes],
    recall: Recall | None = None,
) -> Chains:
    """The knowledge of branches for joining two states: their lists together, forks spotted."""
    for state in (a, b):
        for replica, tips in state.vector.tips.items():
            if len(tips) > 1:
                forks.add(replica)
    spot_forks(a, list(b.preds), forks)
    spot_forks(b, list(a.preds), forks)
    return Chains(forks, {**a.preds, **b.preds}, recall)


def join_states(a: RecordState, b: RecordState, chains: Chains) -> RecordState:
    """The join of two states of one record: any order, any repetition, any route."""
    out = RecordState()
    out.registers = _joined(a.registers, b.registers, a, b, chains)
    out.elements = _joined(a.elements, b.elements, a, b, chains)
    out.counts = _everything(a.counts, b.counts)
    out.appends = _everything(a.appends, b.appends)
    out.voids = {**a.voids, **b.voids}
    out.writes = {**a.writes, **b.writes}
    # A dot whose predecessors one side no longer lists keeps those the other side knows.
    out.preds = {**a.preds, **{d: p or a.preds.get(d, ()) for d, p in b.preds.items()}}
    out.stamp = max(a.stamp, b.stamp)
    out.vector, out.edits = a.vector.copy(), a.edits.copy()
    out.vector.join(b.vector, chains)
    out.edits.join(b.edits, chains)
    out.drop_dead()
    return out
