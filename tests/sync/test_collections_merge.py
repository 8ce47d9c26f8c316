# SPDX-License-Identifier: Apache-2.0
"""Every field of every collection, edited on two tablets that do not know of each other.

What lives here: the same short story for each declaration: one tablet creates the record, a second
gets it, both edit every field offline, then each takes in the other. What must not: any word of one
collection; what is expected follows from the policy alone, reckoned apart from the engine.
"""

from typing import Any, NamedTuple

import pytest

from sync.change import Change, Entry, encode_change, entry_of
from sync.clock import Stamp
from sync.collections import SCHEMA
from sync.packing import pack_state
from sync.policy import FieldShown, show
from sync.record import (
    RecordState,
    apply_change,
    chains_for,
    deliverable,
    join_chains,
    join_states,
)
from sync.schema import REGISTERS, Collection, Field
from sync.validation import problems

COLLECTIONS = list(SCHEMA.collections.values())
LI, CHEN = b"l" * 16, b"c" * 16
PATTERNED = (
    "440103019003007",
    "440103019003008",
    "13800000000",
    "13800000001",
    "23.1,113.2",
    "23.2,113.2",
    "120/80",
    "130/85",
    "image/jpeg",
    "image/png",
    "0" * 64,
    "1" * 64,
)
"""Texts in pairs: of a field with a pattern, those that it takes."""


def each_collection() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("collection", COLLECTIONS, ids=[c.name for c in COLLECTIONS])


def pair_of(field: Field) -> tuple[Any, Any]:
    """Two different values that the field takes; of an ordered field the lower one first."""
    if field.choices:
        return field.choices[0].value, field.choices[-1].value
    if field.pattern:
        taken = [v for v in PATTERNED if not problems(_alone(field), {"it": v}, creating=False)]
        return taken[0], taken[1]
    low = int(field.minimum or 0)
    pairs: dict[str, tuple[Any, Any]] = {
        "integer": (2, 3) if field.policy == "sum" else (low, low + 1),
        "number": (float(low), low + 0.5),
        "boolean": (False, True),
        "time": (1_780_000_000_000, 1_780_000_000_001),
        "date": ("2026-06-09", "2026-06-10"),
        "text": ("甲", "乙乙"),
    }
    return pairs[field.kind]


def _alone(field: Field) -> Collection:
    assert field.label is not None
    return Collection(name="one", label=field.label, fields={"it": field})


def _edit(
    replica: bytes, counter: int, collection: Collection, values: dict[str, Any], *seen: Entry
) -> Entry:
    """The change that writes ``values`` on every field by its policy, knowing of ``seen``."""
    sets = {n: v for n, v in values.items() if collection.fields[n].policy in REGISTERS}
    ops = {"union": "add", "append": "append", "sum": "count"}
    others = [
        (op, n, v if op == "count" else [v])
        for n, v in values.items()
        if (op := ops.get(collection.fields[n].policy))
    ]
    latest: dict[bytes, bytes] = {}
    for entry in seen:
        latest[entry.dot[:16]] = max(entry.dot, latest.get(entry.dot[:16], b""))
    vector = b"".join(sorted(latest.values()))
    # Stamps rise with the counter, so that the second tablet's edit is the later one.
    stamp = Stamp(1_000 + counter + len(seen), 1 if replica == CHEN else 0)
    change = Change(
        "w",
        collection.name,
        tuple(sets),
        list(sets.values()),
        "r" if seen else None,
        vector,
        stamp.ms,
        stamp.n,
        0,
        others,
    )
    return entry_of(replica, counter, bytes(16), encode_change(change))


def _state(*entries: Entry) -> RecordState:
    state = RecordState()
    for entry in entries:
        chains = chains_for(state, set())
        assert deliverable(state, entry, chains)
        apply_change(state, entry, chains)
    return state


class Meeting(NamedTuple):
    """The record on both tablets after each took in the other, and what was written."""

    made: Entry
    one: Entry
    other: Entry
    joined: RecordState
    joined_back: RecordState


def _meet(collection: Collection, ours: dict[str, Any], theirs: dict[str, Any]) -> Meeting:
    made = _edit(LI, 1, collection, {n: pair_of(f)[0] for n, f in collection.fields.items()})
    one = _edit(LI, 2, collection, ours, made)
    other = _edit(CHEN, 2, collection, theirs, made)
    a, b = _state(made, one), _state(made, other)
    joined = join_states(a, b, join_chains(a, b, set()))
    back = join_states(b, a, join_chains(b, a, set()))
    return Meeting(made, one, other, joined, back)


def _shown(state: RecordState, collection: Collection) -> dict[str, FieldShown]:
    return show(state, SCHEMA, collection.name, set()).fields


@each_collection()
def test_the_values_of_these_stories_are_such_as_a_worker_may_write(
    collection: Collection,
) -> None:
    for which in (0, 1):
        values = {n: pair_of(f)[which] for n, f in collection.fields.items()}
        assert problems(collection, values, creating=True) == []
    assert all(pair_of(f)[0] != pair_of(f)[1] for f in collection.fields.values())


@each_collection()
@pytest.mark.parametrize("higher_is_later", [True, False])
def test_two_offline_edits_of_every_field_show_what_its_policy_says(
    collection: Collection, higher_is_later: bool
) -> None:
    low = {n: pair_of(f)[0] for n, f in collection.fields.items()}
    high = {n: pair_of(f)[1] for n, f in collection.fields.items()}
    ours, theirs = (low, high) if higher_is_later else (high, low)
    met = _meet(collection, ours, theirs)
    for state in (met.joined, met.joined_back):
        fields = _shown(state, collection)
        assert fields.keys() == collection.fields.keys()
        for name, field in collection.fields.items():
            found, first = fields[name], low[name]
            expected = {
                "latest": theirs[name],
                "ask": theirs[name],
                "highest": high[name],
                "lowest": low[name],
                "union": sorted({low[name], high[name]}, key=str),
                "append": [first, ours[name], theirs[name]],
            }
            if field.policy == "sum":
                assert found.value == first + ours[name] + theirs[name], name
            elif field.policy == "union":
                assert sorted(found.value, key=str) == expected["union"], name
            else:
                assert found.value == expected[field.policy], name
            written = [s.value for s in found.siblings]
            both = [ours[name], theirs[name]] if field.policy in REGISTERS else []
            assert (found.policy, written) == (field.policy, both), name
            assert found.conflict == (field.policy in REGISTERS), name
    packed = [pack_state(s, SCHEMA, collection.name) for s in (met.joined, met.joined_back)]
    assert packed[0] == packed[1]


@each_collection()
def test_two_who_write_the_same_are_no_conflict(collection: Collection) -> None:
    same = {n: pair_of(f)[1] for n, f in collection.fields.items()}
    met = _meet(collection, same, same)
    assert not any(f.conflict for f in _shown(met.joined, collection).values())


@each_collection()
def test_who_has_seen_both_settles_every_field_and_loses_no_count_or_word(
    collection: Collection,
) -> None:
    low = {n: pair_of(f)[0] for n, f in collection.fields.items()}
    high = {n: pair_of(f)[1] for n, f in collection.fields.items()}
    met = _meet(collection, high, low)
    settled = _edit(CHEN, 3, collection, low, met.made, met.one, met.other)
    apply_change(met.joined, settled, chains_for(met.joined, set()))
    for name, found in _shown(met.joined, collection).items():
        policy = collection.fields[name].policy
        assert not found.conflict
        if policy in REGISTERS:
            assert found.value == low[name], name
        elif policy == "sum":
            assert found.value == 3 * low[name] + high[name], name
        elif policy == "append":
            assert found.value == [low[name], high[name], low[name], low[name]], name


@each_collection()
def test_what_one_adds_outlives_the_removal_by_another_who_had_not_seen_it(
    collection: Collection,
) -> None:
    sets = [n for n, f in collection.fields.items() if f.policy == "union"]
    low = {n: pair_of(collection.fields[n])[0] for n in sets}
    made = _edit(LI, 1, collection, low)
    again = _edit(CHEN, 2, collection, low, made)
    gone = Change(
        "w",
        collection.name,
        (),
        [],
        "r",
        made.dot,
        5_000,
        0,
        0,
        [("remove", n, [v]) for n, v in low.items()],
    )
    removed = entry_of(LI, 2, bytes(16), encode_change(gone))
    a, b = _state(made, removed), _state(made, again)
    assert _shown(a, collection) == {}
    for x, y in ((a, b), (b, a)):
        fields = _shown(join_states(x, y, join_chains(x, y, set())), collection)
        assert {n: f.value for n, f in fields.items()} == {n: [v] for n, v in low.items()}


@each_collection()
def test_one_past_a_limit_is_refused_in_words_a_worker_understands(
    collection: Collection,
) -> None:
    for name, field in collection.fields.items():
        beyond: list[Any] = []
        if field.kind == "text":
            beyond.append("甲" * (field.chars_max + 1))
        if field.kind == "choice":
            beyond.append("of_next_year")
        beyond += [field.maximum + 1] if field.maximum is not None else []
        beyond += [field.minimum - 1] if field.minimum is not None else []
        for value in beyond:
            whole = int(value) if isinstance(value, float) else value
            (found,) = problems(collection, {name: whole}, creating=False)
            assert field.label is not None
            assert field.label.zh in found.zh, name
            assert field.label.en in found.en, name
