# SPDX-License-Identifier: Apache-2.0
"""Histories of several stores, played through the engine and judged by a model without vectors.

What lives here: a model that remembers, for every write, the set of writes its author knew, and
stores that run the real engine on what they are given. What must not: any use of vectors, counters
or tags in the model; that it knows none of them is why its word counts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sync.batch import Batch
from sync.change import Change, Entry, encode_change, entry_of
from sync.clock import Chains, Recall, Stamp, VersionVector
from sync.packing import OLDER_PER_REPLICA_MAX, decode_causal, pack_state, unpack_state
from sync.policy import Shown, show
from sync.record import (
    RecordState,
    apply_change,
    chains_for,
    deliverable,
    join_chains,
    join_states,
    note_forks,
)
from sync.schema import plain_schema

STAGES = ("low", "middle", "high")
SCHEMA = plain_schema(
    {
        "thing": {
            "a": "latest",
            "b": "ask",
            "h": {"policy": "highest", "order": list(STAGES)},
            "n": "lowest",
            "u": "union",
            "c": "sum",
            "p": "append",
        }
    }
)
REGISTER_VALUES: dict[str, tuple[Any, ...]] = {
    "a": ("x", "y", None, 7),
    "b": ("x", "y", ["x"], {"k": 1}),
    "h": STAGES,
    "n": (1, 2, 2.5, -3),
    "new": ("a field only a newer program knows", 0),
}


class Write(NamedTuple):
    """One write, as the model sees it: what it did, and which writes its author knew."""

    n: int
    record: str
    entry: Entry
    knows: frozenset[int]


@dataclass
class Known:
    """What one store was given: writes that count, and writes that wait for earlier ones."""

    merged: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)

    def copy(self) -> Known:
        return Known(set(self.merged), set(self.waiting))


def expected(world: World, record: str, merged: set[int]) -> dict[str, Any]:
    """What a store that knows exactly these writes of a record must show."""
    writes = [world.writes[n] for n in sorted(merged) if world.writes[n].record == record]
    out: dict[str, Any] = {}
    for name in sorted({name for w in writes for name in w.entry.change.names}):
        setters = [w for w in writes if name in w.entry.change.names]
        alive = [w for w in setters if not any(w.n in other.knows for other in setters)]
        out[name] = sorted(w.entry.dot for w in alive), _chosen(name, alive)
    elements: dict[str, list[Any]] = {}
    for w in writes:
        for op, name, value in w.entry.change.others:
            if op == "count":
                out[name] = out.get(name, 0) + value
            elif op == "append":
                out.setdefault(name, []).append((w.entry.change.stamp, w.entry.dot, value))
            elif op == "add":
                later = [x for x in writes if w.n in x.knows and _touches(x, name)]
                gone = {e for x in later for e in _touches(x, name)}
                elements.setdefault(name, []).extend(e for e in value if e not in gone)
    for name, values in elements.items():
        if values:
            out[name] = sorted(set(values))
    for name, value in out.items():
        if isinstance(value, list) and value and isinstance(value[0], tuple):
            out[name] = [
                item for _, _, items in sorted(value, key=lambda v: v[:2]) for item in items
            ]
    edits = {w.n for w in writes if not w.entry.change.void}
    out["voided"] = any(w.entry.change.void and edits <= w.knows for w in writes)
    return out


def _touches(w: Write, name: str) -> list[Any]:
    ops = w.entry.change.others
    return [e for op, f, value in ops if op in ("add", "remove") and f == name for e in value]


def _chosen(name: str, alive: list[Write]) -> Any:
    def value(w: Write) -> Any:
        return w.entry.change.values[w.entry.change.names.index(name)]

    order = sorted(alive, key=lambda w: (w.entry.change.stamp, w.entry.dot))
    if name == "h":
        best = max(STAGES.index(value(w)) for w in alive)
        order = [w for w in order if STAGES.index(value(w)) == best]
    if name == "n":
        best = min(value(w) for w in alive)
        order = [w for w in order if value(w) == best]
    return value(order[-1])


def as_model(shown: Shown) -> dict[str, Any]:
    """What the engine shows, in the form of ``expected``."""
    out: dict[str, Any] = {"voided": shown.voided}
    for name, f in shown.fields.items():
        out[name] = (sorted(s.dot for s in f.siblings), f.value) if f.siblings else f.value
    return out


class Store:
    """One store: packed records, moved only through ``Batch``; beside it the full rules alone.

    ``recall`` is what it asks where the lists of its records are cut; None: it holds no feeds.
    """

    recall: Recall | None = None

    def __init__(self, replica: bytes, world: World) -> None:
        self.world = world
        self.replica = replica
        self.counter = 0
        self.stamp = Stamp(0, 0)
        self.own: set[bytes] = set()
        self.known: dict[str, Known] = {}
        self.log: list[int] = []
        self.records: dict[str, tuple[str, bytes, dict[str, Any]]] = {}
        self.waiting: list[Entry] = []
        self.forks: set[bytes] = set()
        self.plain: dict[str, RecordState] = {}
        self.plain_waiting: list[Entry] = []
        self.plain_forks: set[bytes] = set()

    def backup(self) -> dict[str, Any]:
        """A copy of all there is, as a restored or copied tablet finds it again."""
        kept: dict[str, Any] = {
            name: value.copy()
            for name, value in vars(self).items()
            if isinstance(value, set | list) or name == "records"
        }
        kept["known"] = {r: k.copy() for r, k in self.known.items()}
        kept["plain"] = {r: copy_state(s) for r, s in self.plain.items()}
        return {**vars(self), **kept}

    def restore(self, kept: dict[str, Any]) -> None:
        vars(self).update(kept)
        vars(self).update(self.backup())

    def state(self, record: str) -> RecordState:
        stored = self.records.get(record)
        return unpack_state(decode_causal(stored[1]), stored[2]) if stored else RecordState()

    def shown(self, record: str) -> Shown:
        return show(self.state(record), SCHEMA, "thing", self.forks)

    def merged(self, record: str) -> set[int]:
        return self.known.setdefault(record, Known()).merged

    def _off_my_chain(self, replica: bytes, dots: set[bytes]) -> None:
        """Whoever meets a point of their own feed that they did not write goes on under a new
        name."""
        if any(d[:16] == self.replica and d not in self.own for d in dots):
            self.replica = self.world.new_replica()
            self.counter = 0

    def take_changes(self, numbers: list[int]) -> None:
        entries = [self.world.writes[n].entry for n in numbers]
        named = {e.dot for e in entries}
        for e in entries:
            named |= set(VersionVector(e.change.vector).dots())
        self._off_my_chain(self.replica, named)
        for n in numbers:
            self.known.setdefault(self.world.writes[n].record, Known()).waiting.add(n)
            if n not in self.log:
                self.log.append(n)
        self._through_batch(entries, [])
        self._through_plain(entries)
        self._model()

    def take_state(self, other: Store, record: str) -> None:
        stored = other.records.get(record)
        if stored is None:
            return
        self._off_my_chain(self.replica, set(other.state(record).vector.dots()))
        self.known.setdefault(record, Known()).merged |= other.merged(record)
        self._through_batch([], [(record, *stored)])
        a, b = self.plain.get(record, RecordState()), other.plain[record]
        chains = join_chains(a, b, self.plain_forks)
        self.plain[record] = join_states(a, b, chains)
        self._through_plain([])
        self._model()

    def _model(self) -> None:
        for known in self.known.values():
            again = True
            while again:
                ready = {n for n in known.waiting if self.world.writes[n].knows <= known.merged}
                again = bool(ready - known.merged)
                known.merged |= ready
                known.waiting -= ready

    def _through_batch(
        self, entries: list[Entry], states: list[tuple[str, str, bytes, dict[str, Any]]]
    ) -> None:
        stored = {r: (c, causal) for r, (c, causal, _) in self.records.items()}
        batch = Batch(SCHEMA, self.forks, stored, recall=self.recall)
        for record, collection, causal, body in states:
            batch.offer_state(record, collection, decode_causal(causal), body)
        waited, self.waiting = self.waiting, []
        for entry in [*waited, *entries]:
            batch.offer(entry)
        for record in batch.wanting():
            batch.give_body(record, self.records[record][2])
        batch.settle()
        assert batch.misfits == []
        for record, slot in batch.touched.items():
            self.waiting += slot.waiting
            if slot.dirty:
                before = {} if slot.new else self.records[record][2]
                body = slot.body if slot.full is not None else {**before, **slot.patch}
                assert body is not None
                self.records[record] = (slot.collection, slot.causal_bytes(), body)
                assert slot.vector() == decode_causal(slot.causal_bytes())[0]

    def _through_plain(self, entries: list[Entry]) -> None:
        self.plain_waiting += entries
        again = True
        while again:
            again, left = False, []
            for entry in self.plain_waiting:
                state = self.plain.setdefault(entry.record, RecordState())
                note_forks(state, entry, self.plain_forks)
                chains = chains_for(state, self.plain_forks)
                if state.vector.covers(entry.dot, chains):
                    continue
                if deliverable(state, entry, chains):
                    apply_change(state, entry, chains)
                    again = True
                else:
                    left.append(entry)
            self.plain_waiting = left

    def write(self, record: str, sets: dict[str, Any], others: list[Any], now_ms: int) -> Write:
        """Write one change upon all this store holds of the record."""
        self.stamp = self.stamp.tick(now_ms)
        self.counter += 1
        vector = self.state(record).vector.pack()
        change = Change(
            "w-" + self.replica.hex()[:2],
            "thing",
            tuple(sets),
            list(sets.values()),
            record,
            vector,
            self.stamp.ms,
            self.stamp.n,
            now_ms - self.stamp.ms,
            others,
        )
        n = len(self.world.writes)
        # Salts are random at each opening of a store: two branches never share one.
        salt = n.to_bytes(16, "big")
        entry = entry_of(self.replica, self.counter, salt, encode_change(change))
        write = Write(n, record, entry, frozenset(self.merged(record)))
        self.world.writes.append(write)
        self.own.add(entry.dot)
        self.take_changes([n])
        return write


def copy_state(state: RecordState) -> RecordState:
    return join_states(state, RecordState(), Chains(set(), {}))


class World:
    """Some stores and all that was ever written."""

    def __init__(self, stores: int, records: int) -> None:
        self.writes: list[Write] = []
        self._replicas = 0
        self.records = [f"record-{i}" for i in range(records)]
        self.stores = [Store(self.new_replica(), self) for _ in range(stores)]
        self.backups: dict[int, dict[str, Any]] = {}

    def new_replica(self) -> bytes:
        self._replicas += 1
        return bytes([self._replicas * 37 % 256]) * 8 + self._replicas.to_bytes(8, "big")

    def step(self, seed: int, *, forks: bool) -> None:
        """One random step, the same for the same number."""
        rng = random.Random(seed)
        store = rng.choice(self.stores)
        record = rng.choice(self.records)
        kind = rng.random()
        if kind < 0.5:
            if forks and self._wrote(store.replica, record) >= OLDER_PER_REPLICA_MAX:
                return  # Who holds no feeds cannot tell branches apart beyond the cut of the list.
            sets, others = random_operations(rng)
            store.write(record, sets, others, rng.choice((5, 1_000, 1_001, 50_000)))
        elif kind < 0.7:
            self.give_changes(rng.choice(self.stores), store, rng)
        elif kind < 0.92 or not forks:
            store.take_state(rng.choice(self.stores), record)
        else:
            at = self.stores.index(store)
            if at in self.backups and rng.random() < 0.7:
                store.restore(self.backups[at])
                # A restored store opens anew; what it wrote before the backup is its own.
            else:
                self.backups[at] = store.backup()

    def _wrote(self, replica: bytes, record: str) -> int:
        return sum(w.entry.dot[:16] == replica and w.record == record for w in self.writes)

    def give_changes(self, source: Store, target: Store, rng: random.Random) -> None:
        """Some of what one store has written down, in any order, in batches of any size."""
        numbers = [n for n in source.log if rng.random() < 0.8]
        if rng.random() < 0.5:
            rng.shuffle(numbers)
        while numbers:
            size = rng.randint(1, 7)
            target.take_changes(numbers[:size])
            numbers = numbers[size:]

    def check(self) -> None:
        """Every store shows what the model says, by both ways through the engine."""
        for store in self.stores:
            for record in self.records:
                merged = store.merged(record)
                state = store.state(record)
                assert as_model(show(state, SCHEMA, "thing", store.forks)) == expected(
                    self, record, merged
                )
                state.drop_dead()
                plain = store.plain.get(record, RecordState())
                assert pack_state(state, SCHEMA, "thing") == pack_state(plain, SCHEMA, "thing")
                chains = chains_for(state, store.forks)
                assert all(
                    state.vector.covers(self.writes[n].entry.dot, chains)
                    for n in merged
                    if self.writes[n].record == record
                )

    def meet_all(self, rng: random.Random) -> None:
        """Everything reaches everyone, in an order of its own for each store."""
        for store in self.stores:
            for other in rng.sample(self.stores, len(self.stores)):
                self.give_changes(other, store, rng)
        everything = list(range(len(self.writes)))
        for store in self.stores:
            rng.shuffle(everything)
            for start in range(0, len(everything), 5):
                store.take_changes(everything[start : start + 5])


def random_operations(rng: random.Random) -> tuple[dict[str, Any], list[Any]]:
    """What one random write does: sets, other operations, both, or a void."""
    kind = rng.random()
    if kind < 0.05:
        return {}, [("void", "", "left the area")]
    sets: dict[str, Any] = {}
    others: list[Any] = []
    if kind < 0.75:
        for name in rng.sample(sorted(REGISTER_VALUES), rng.choice((1, 1, 2, 3))):
            sets[name] = rng.choice(REGISTER_VALUES[name])
    if kind > 0.6:
        op = rng.choice(("add", "add", "remove", "count", "append"))
        if op in ("add", "remove"):
            others.append((op, "u", rng.sample(["e", "f", "g"], rng.choice((1, 1, 2)))))
        elif op == "count":
            others.append((op, "c", rng.choice((1, 5, -2))))
        else:
            others.append((op, "p", [rng.randint(0, 99)]))
    return sets, others
