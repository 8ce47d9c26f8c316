# SPDX-License-Identifier: Apache-2.0
"""One record replayed from nothing, by the full rules, and what became of each of its changes.

What lives here: applying a record's changes in the order they were received, in memory. What must
not: the quick path, storage, comparison (``verify_records.py``). Invariants
- Only ``sync.record`` merges here: the path of uploads is what is being checked.
- Every change ends with exactly one fate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from server.seen_through import Aside, seen_through
from sync.change import ADD, REMOVE, Entry, own_tips
from sync.clock import Chains, Dot, dots_of
from sync.messages import State
from sync.packing import decode_causal, unpack_state
from sync.policy import choose, kinds, same_key, siblings_of
from sync.record import (
    RecordState,
    apply_change,
    deliverable,
    join_chains,
    join_states,
    note_forks,
)
from sync.schema import Schema

Fate = Literal[
    "shown",
    "sibling",
    "overwritten",
    "effect",
    "superseded",
    "waiting",
    "quarantined",
    "released",
    "erased",
]
FATES: tuple[Fate, ...] = (
    "shown",
    "sibling",
    "overwritten",
    "effect",
    "superseded",
    "waiting",
    "quarantined",
    "released",
    "erased",
)
"""Shown; a sibling beside what is shown; overwritten by someone who had seen it; only took away
or gave a reason; overwritten as a signed state says whose feed has not arrived; waits; set aside;
set aside and released as a new change; its content was erased."""


class Received(NamedTuple):
    """A change with the commit sequence of the segment that brought it."""

    seq: int
    entry: Entry


class Became(NamedTuple):
    """What became of a change; ``by`` is the change that overwrote it last."""

    fate: Fate
    by: Dot | None


class Stood(NamedTuple):
    """A conflict that a replay finds: its live siblings, and the change that settled it."""

    field: str
    opened_seq: int
    dots: frozenset[Dot]
    settled: Dot | None


class Replayed(NamedTuple):
    """A record after its changes. ``unfed`` are its dots that no feed held has; ``exact`` is false
    where a signed state took part, whose moment is not known."""

    record: str
    collection: str
    state: RecordState
    fates: dict[Dot, Became]
    conflicts: list[Stood]
    waiting: frozenset[Dot]
    unfed: frozenset[Dot]
    twice: list[Dot]
    seq: int
    exact: bool
    tips: dict[Dot, Entry]


class Replay:
    """The replay of one record. Make it, then ``run``; it is used once."""

    def __init__(self, record: str, forks: set[bytes]) -> None:
        self.record = record
        self.forks = forks
        self.state = RecordState()
        self.applied: dict[Dot, Entry] = {}
        self.overwriters: dict[Dot, Dot] = {}
        self.waiting: list[Entry] = []
        self.open: dict[str, tuple[int, frozenset[Dot]]] = {}
        self.stood: list[Stood] = []
        self.seq = 0
        self.aside: dict[Dot, Aside] = {}

    def run(
        self, received: list[Received], joined: list[State], aside: dict[Dot, Aside], schema: Schema
    ) -> Replayed:
        """Replay changes in the order of their receipt. ``aside`` are those in quarantine."""
        self._join(joined)
        entries: dict[Dot, Entry] = {}
        twice: list[Dot] = []
        for item in received:
            if item.entry.dot in entries:
                twice.append(item.entry.dot)
            entries[item.entry.dot] = item.entry
        merging = [r for r in received if r.entry.dot not in aside]
        chains = Chains(self.forks, dict(self.state.preds))
        at = 0
        while at < len(received):
            seq, end = received[at].seq, at
            while end < len(received) and received[end].seq == seq:
                end += 1
            batch = [r.entry for r in received[at:end]]
            arrived = [e for e in batch if e.dot not in aside]
            self.aside |= {e.dot: aside[e.dot] for e in batch if e.dot in aside}
            self._transaction(seq, arrived, chains)
            at = end
        self.stood += [Stood(f, seq, dots, None) for f, (seq, dots) in self.open.items()]
        self.stood.sort(key=lambda s: (s.field, s.opened_seq))
        collection = merging[0].entry.change.collection if merging else ""
        collection = collection if not joined else joined[0].collection
        waiting = frozenset(e.dot for e in self.waiting)
        fates = self._fates(entries, aside, waiting, schema, collection)
        unfed = frozenset(d for d in self._named() if d not in entries)
        tips = {d: entries[d] for d in self.state.vector.dots() if d in entries}
        return Replayed(
            self.record,
            collection,
            self.state,
            fates,
            self.stood,
            waiting,
            unfed,
            twice,
            self.seq,
            not joined,
            tips,
        )

    def _join(self, joined: Iterable[State]) -> None:
        for signed in joined:
            body = dict(zip(signed.names, signed.values, strict=True))
            other = unpack_state(decode_causal(bytes(signed.causal)), body)
            chains = join_chains(self.state, other, self.forks)
            if not self.state.vector.covers_all(other.vector, chains):
                self.state = join_states(self.state, other, chains)
        for field in self.state.registers:
            self._look(field, 0, None)

    def _transaction(self, seq: int, arrived: list[Entry], chains: Chains) -> None:
        """As a batch of uploads does it: what waited first, then what came, until all is done."""
        todo = sorted(self.waiting, key=lambda e: e.dot) + arrived
        for entry in todo:
            chains.preds[entry.dot] = own_tips(entry)
        again = True
        while again and todo:
            again, left = False, []
            for received in todo:
                entry = seen_through(received, self._aside_now())
                chains.preds[entry.dot] = own_tips(entry)
                note_forks(self.state, entry, self.forks)
                if self.state.vector.covers(entry.dot, chains):
                    continue
                if not deliverable(self.state, entry, chains):
                    left.append(received)
                    continue
                self._apply(seq, entry, chains)
                again = True
            todo = left
        self.waiting = todo

    def _aside_now(self) -> dict[Dot, Aside]:
        """What is in quarantine by now; a release counts once its change is there."""
        return {
            d: one if one.by in self.applied else one._replace(by=None)
            for d, one in self.aside.items()
        }

    def _apply(self, seq: int, entry: Entry, chains: Chains) -> None:
        state, change = self.state, entry.change
        before: set[Dot] = set()
        if change.vector:
            for name in change.names:
                before.update(state.registers.get(name, ()))
            for op, field, elements in change.others:
                if op in (ADD, REMOVE) and isinstance(elements, list):
                    for element in elements:
                        if isinstance(element, str | int):
                            before.update(state.elements.get((field, element), ()))
        apply_change(state, entry, chains)
        self.applied[entry.dot] = entry
        self.seq = max(self.seq, seq)
        if before:
            live = state.writes
            for d in before:
                if d not in live:
                    self.overwriters[d] = entry.dot
        for name in change.names:
            if len(state.registers[name]) > 1 or name in self.open:
                self._look(name, seq, entry.dot)

    def _look(self, field: str, seq: int, by: Dot | None) -> None:
        """Did a conflict on this field open, change or end?"""
        by_dot = self.state.registers.get(field, {})
        stands = len(by_dot) > 1 and len({same_key(v) for v in by_dot.values()}) > 1
        known = self.open.get(field)
        if stands:
            self.open[field] = (known[0] if known else seq, frozenset(by_dot))
        elif known:
            self.stood.append(Stood(field, known[0], known[1], by))
            del self.open[field]

    def _named(self) -> set[Dot]:
        named = set(self.state.vector.dots()) | set(self.state.writes)
        for entry in self.applied.values():
            named.update(dots_of(entry.change.vector))
        return named

    # ---- fates -----------------------------------------------------------------------------------

    def _fates(
        self,
        entries: dict[Dot, Entry],
        aside: dict[Dot, Aside],
        waiting: frozenset[Dot],
        schema: Schema,
        collection: str,
    ) -> dict[Dot, Became]:
        hidden = self._hidden(schema, collection)
        live = self.state.live_dots()
        fates: dict[Dot, Became] = {}
        for d in entries:
            if d in aside:
                fates[d] = Became("released" if aside[d].released else "quarantined", None)
            elif d in waiting:
                fates[d] = Became("waiting", None)
            elif d in self.state.voids:
                fates[d] = self._void_fate(d)
            elif d in live:
                fates[d] = Became("sibling" if d in hidden else "shown", None)
            elif d in self.overwriters:
                fates[d] = Became("overwritten", self.overwriters[d])
            elif d in self.applied:
                fates[d] = Became("effect", None)
            else:
                fates[d] = Became("superseded", None)
        return fates

    def _void_fate(self, d: Dot) -> Became:
        chains = Chains(self.forks, self.state.preds)
        seen = self.state.voids[d].seen
        later = [e for e in self.state.edits.dots() if not seen.covers(e, chains)]
        return Became("overwritten", later[0]) if later else Became("shown", None)

    def _hidden(self, schema: Schema, collection: str) -> set[Dot]:
        """Live changes of which nothing is what a field shows."""
        state = self.state
        contested = [f for f, by_dot in state.registers.items() if len(by_dot) > 1]
        if not contested and not (state.elements or state.counts or state.appends):
            return set()
        by_kind = kinds(state)
        showing: set[Dot] = set()
        for field, by_dot in state.registers.items():
            if len(by_dot) == 1:
                showing.update(by_dot)
                continue
            chosen = choose(siblings_of(state, field), schema.field(collection, field))
            key = same_key(chosen.value)
            showing.update(d for d, value in by_dot.items() if same_key(value) == key)
        others: list[tuple[str, str, Iterable[Any]]] = [
            *((f, "union", by_dot) for (f, _), by_dot in state.elements.items()),
            *((f, "sum", counts) for f, counts in state.counts.items()),
            *((f, "append", appends) for f, appends in state.appends.items()),
        ]
        for field, kind, dots in others:
            if by_kind.get(field) == kind:
                showing.update(dots)
        return state.live_dots() - showing - set(state.voids)
