# SPDX-License-Identifier: Apache-2.0
"""A replayed record against the stored one: vector, values, siblings, homes, conflicts, origin.

What lives here: the comparisons, each naming the record and the field or dot. What must not:
reading feeds, merging. Invariant: equal bytes are equal; else the two states are compared part by
part, since the quick path may list the same writes in another order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from server.replay import Replayed, Stood
from server.verify_feeds import UNREADABLE, Problem, Report
from sync.clock import Chains, Dot, VersionVector, dots_of
from sync.packing import decode_causal, pack_state, unpack_state
from sync.policy import SETTLED_BY_RULE, exact_key
from sync.record import RecordState
from sync.schema import REGISTERS, Schema
from sync.session import HOME_FIELD, home_of, homes_of, record_digest

_load = msgspec.json.Decoder(dict[str, Any]).decode
_siblings = msgspec.json.Decoder(list[dict[str, Any]]).decode


class StoredRecord(NamedTuple):
    """A record's row. ``origin`` is the replica it names, b"" for none."""

    record: str
    collection: str
    home: str
    seq: int
    origin: bytes
    voided: bool
    causal: bytes
    body: str


class Placed(NamedTuple):
    """Where a replayed record belongs: its homes, its digest, its area if it is a home."""

    home: str
    homes: frozenset[str]
    digest: int
    area: str


class ConflictRow(NamedTuple):
    """A conflict's row, as far as a replay can tell."""

    n: int
    field: str
    policy: str
    state: str
    opened_seq: int
    siblings: str
    settled: bytes | None


class Comparer:
    """Compares replayed records with stored ones."""

    def __init__(self, schema: Schema, forks: set[bytes], report: Report) -> None:
        self.schema = schema
        self.forks = forks
        self._report = report

    def _tell(self, kind: str, record: str, name: str = "", detail: str = "") -> None:
        self._report(Problem(kind, record, name, detail))

    def compare(self, replayed: Replayed, stored: StoredRecord | None) -> Placed | None:
        """Compare one record; where it belongs, None where it was never merged at all."""
        record = replayed.record
        if not replayed.state.vector.tips:
            if stored is not None:
                self._tell("record-extra", record, "", "no change of any feed makes it")
            return None
        for d in sorted(replayed.unfed):
            if replayed.exact:
                self._tell("feed-missing", record, d.hex(), "named, but in no feed held")
        for d in replayed.twice:
            self._tell("stored-twice", record, d.hex(), "the same change in two segments")
        causal, body = pack_state(replayed.state, self.schema, replayed.collection)
        vector = replayed.state.vector.pack()
        if stored is None:
            self._tell("record-missing", record, "", "its changes are in the feeds")
        else:
            self._compare_row(replayed, stored, causal, body)
        home = home_of(record, body)
        homes = homes_of(record, replayed.state.registers.get(HOME_FIELD, {}).values())
        area = body.get("area")
        return Placed(
            home,
            frozenset(homes | {home}),
            record_digest(record, vector),
            area if home == record and isinstance(area, str) else "",
        )

    def _compare_row(
        self, replayed: Replayed, stored: StoredRecord, causal: bytes, body: dict[str, Any]
    ) -> None:
        record, state = replayed.record, replayed.state
        if stored.collection != replayed.collection:
            self._tell("collection", record, "", f"{stored.collection}, {replayed.collection}")
        try:
            held_body = _load(stored.body)
        except UNREADABLE:
            self._tell("body", record, "", "the shown values cannot be read")
            held_body = body
        # Nearly always all are equal: they are told apart by name only where they are not.
        same = exact_key(body) == exact_key(held_body)
        for name in () if same else sorted(body.keys() | held_body.keys()):
            if exact_key(body.get(name)) != exact_key(held_body.get(name)) or (
                (name in body) != (name in held_body)
            ):
                self._tell("shown", record, name, "another value is shown than the feeds give")
        if stored.causal != causal:
            self._compare_causal(replayed, stored, held_body)
        if stored.voided != state.voided(Chains(self.forks, state.preds)):
            self._tell("voided", record, "", "voided in one and not in the other")
        if stored.home != home_of(record, body):
            self._tell("home", record, "", f"lies in {stored.home}, belongs to another")
        if stored.seq < replayed.seq or (replayed.exact and stored.seq != replayed.seq):
            self._tell("sequence", record, "", f"{stored.seq}, its last change came {replayed.seq}")
        if stored.origin:
            self._check_origin(replayed, stored.origin)

    def _check_origin(self, replayed: Replayed, origin: bytes) -> None:
        """Whoever is named as origin is not sent the record: it must hold exactly this state."""
        vector = replayed.state.vector
        for d in vector.of(origin):
            entry = replayed.tips.get(d)
            if entry is not None:
                seen = VersionVector(entry.change.vector)
                seen.take_in((d,), Chains(self.forks, replayed.state.preds))
                if seen.pack() == vector.pack():
                    return
        self._tell("origin", replayed.record, origin.hex(), "it does not hold this state")

    def _compare_causal(
        self, replayed: Replayed, stored: StoredRecord, body: dict[str, Any]
    ) -> None:
        record, state = replayed.record, replayed.state
        try:
            causal = decode_causal(stored.causal)
            held = unpack_state(causal, body)
            packed = held.vector.pack()
            if packed != causal[0]:
                raise ValueError("vector order")
        except UNREADABLE as error:
            self._tell("causal", record, "", f"cannot be read: {type(error).__name__}")
            return
        except (IndexError, AttributeError) as error:
            self._tell("causal", record, "", f"cannot be read: {type(error).__name__}")
            return
        if packed != state.vector.pack():
            differ = set(dots_of(packed)) ^ set(state.vector.dots())
            self._tell("vector", record, sorted(differ)[0].hex(), "the vectors differ")
        self._compare_registers(record, held, state)
        parts: tuple[tuple[str, dict[Any, Any], dict[Any, Any]], ...] = (
            ("elements", held.elements, state.elements),
            ("counts", held.counts, state.counts),
            ("appends", held.appends, state.appends),
        )
        for what, a, b in parts:
            names = {str(k) for k in a.keys() | b.keys() if a.get(k) != b.get(k)}
            for name in sorted(names):
                self._tell("siblings", record, name, f"{what} differ")
        voids = {d: (v.seen.pack(), v.reason) for d, v in held.voids.items()}
        if voids != {d: (v.seen.pack(), v.reason) for d, v in state.voids.items()}:
            self._tell("voids", record, "", "the voids differ")
        if held.writes != state.writes:
            every = held.writes.keys() | state.writes.keys()
            wrong = sorted(d for d in every if held.writes.get(d) != state.writes.get(d))
            self._tell("writes", record, wrong[0].hex(), "stamp or worker differ")
        if held.edits.pack() != state.edits.pack() or held.stamp != state.stamp:
            self._tell("causal", record, "", "the edits seen, or the highest stamp, differ")
        self._compare_lists(replayed, held)

    def _compare_registers(self, record: str, held: RecordState, state: RecordState) -> None:
        for name in sorted(held.registers.keys() | state.registers.keys()):
            a, b = held.registers.get(name, {}), state.registers.get(name, {})
            for d in sorted(a.keys() | b.keys()):
                if d not in a:
                    self._tell("sibling-missing", record, d.hex(), name)
                elif d not in b:
                    self._tell("sibling-extra", record, d.hex(), name)
                elif exact_key(a[d]) != exact_key(b[d]):
                    self._tell("siblings", record, d.hex(), f"{name}: another value")

    def _compare_lists(self, replayed: Replayed, held: RecordState) -> None:
        """What is listed is so; the list may be cut, but never to less than the tips."""
        known = replayed.state.preds
        for d, before in held.preds.items():
            if d not in known or (replayed.exact and known[d] != before):
                self._tell("list", replayed.record, d.hex(), "what stood before it differs")

    # ---- conflicts -------------------------------------------------------------------------------

    def compare_conflicts(self, replayed: Replayed, rows: list[ConflictRow]) -> None:
        """Every conflict that the replay finds has a row, and no row tells of one it does not."""
        record = replayed.record
        if not replayed.exact:
            self._compare_open(replayed, rows)
            return
        by_field: dict[str, list[ConflictRow]] = {}
        for row in sorted(rows, key=lambda r: r.n):
            by_field.setdefault(row.field, []).append(row)
        stood: dict[str, list[Stood]] = {}
        for one in replayed.conflicts:
            stood.setdefault(one.field, []).append(one)
        for field in sorted(by_field.keys() | stood.keys()):
            kept, found = by_field.get(field, []), stood.get(field, [])
            for one in found[len(kept) :]:
                self._tell("conflict-missing", record, _first(one.dots), field)
            for row in kept[len(found) :]:
                self._tell("conflict-false", record, str(row.n), field)
            for row, one in zip(kept, found, strict=False):
                self._compare_conflict(replayed, row, one)

    def _compare_conflict(self, replayed: Replayed, row: ConflictRow, one: Stood) -> None:
        record = replayed.record
        try:
            sides = _siblings(row.siblings)
            dots = frozenset(bytes.fromhex(side["dot"]) for side in sides if side["live"])
        except UNREADABLE:
            self._tell("conflict", record, str(row.n), f"{row.field}: cannot be read")
            return
        settled = row.settled if row.state == "settled" else None
        if (dots, row.opened_seq, settled) != (one.dots, one.opened_seq, one.settled):
            self._tell("conflict", record, str(row.n), f"{row.field}: another history")
        policy = self.schema.policy(replayed.collection, row.field)
        policy = policy if policy in REGISTERS else "ask"
        wanted = "rule" if policy in SETTLED_BY_RULE else "open"
        # A policy may have been another when the conflict was kept; its own state must follow it.
        if row.policy == policy and row.state not in ("settled", wanted):
            self._tell("conflict", record, str(row.n), f"{row.field}: its state")
        if (row.state == "settled") != (one.settled is not None):
            self._tell("conflict", record, str(row.n), f"{row.field}: settled in one only")

    def _compare_open(self, replayed: Replayed, rows: list[ConflictRow]) -> None:
        """Where signed states took part only what stands now can be told."""
        standing = {one.field for one in replayed.conflicts if one.settled is None}
        standing &= set(replayed.state.registers)
        listed = {row.field for row in rows if row.state != "settled"}
        for field in sorted(standing - listed):
            self._tell("conflict-missing", replayed.record, "", field)
        for field in sorted(listed - standing):
            self._tell("conflict-false", replayed.record, "", field)


def _first(dots: frozenset[Dot]) -> str:
    return sorted(dots)[0].hex()
