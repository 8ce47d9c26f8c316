# SPDX-License-Identifier: Apache-2.0
"""The packed form of a state: what goes in comes out, up to the cut of the list."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.change import Change, Entry, encode_change, entry_of
from sync.clock import dot
from sync.errors import StateInvalid
from sync.packing import (
    OLDER_PER_REPLICA_MAX,
    birth,
    decode_causal,
    encode_causal,
    pack_state,
    unpack_state,
    vector_of,
)
from sync.record import RecordState, apply_change, chains_for, join_chains, join_states
from tests.sync.histories import SCHEMA, World, copy_state

A, B = b"a" * 16, b"b" * 16


def entry(
    replica: bytes,
    counter: int,
    sets: dict[str, Any],
    vector: bytes = b"",
    others: list[Any] | None = None,
    stamp: tuple[int, int] = (1_000, 0),
) -> Entry:
    names, values = tuple(sets), list(sets.values())
    change = Change("w", "thing", names, values, "r", vector, *stamp, 0, others or [])
    return entry_of(replica, counter, bytes(16), encode_change(change))


def applied(*entries: Entry) -> RecordState:
    state = RecordState()
    for e in entries:
        apply_change(state, e, chains_for(state, set()))
    return state


def parts(state: RecordState) -> dict[str, Any]:
    """All that a state holds, in a form that compares by content."""
    return {
        "vector": state.vector.pack(),
        "edits": state.edits.pack(),
        "stamp": state.stamp,
        "preds": state.preds,
        "writes": state.writes,
        "registers": state.registers,
        "elements": state.elements,
        "counts": state.counts,
        "appends": state.appends,
        "voids": {d: (v.seen.pack(), v.reason) for d, v in state.voids.items()},
    }


def there_and_back(state: RecordState) -> RecordState:
    causal, body = pack_state(state, SCHEMA, "thing")
    return unpack_state(decode_causal(causal), body)


MIXED = [
    applied(entry(A, 1, {"f": "x"}, others=[("count", "c", 1)]), entry(B, 1, {"f": "y"})),
    applied(entry(A, 1, {"f": "x", "g": 1}), entry(B, 1, {}, others=[("append", "f", ["y"])])),
    applied(entry(A, 1, {"f": "x"}), entry(B, 1, {}, others=[("add", "f", ["y"])])),
    applied(entry(A, 1, {"f": "x"}), entry(B, 1, {}, others=[("count", "f", 4)])),
    applied(
        entry(A, 1, {"f": "x"}),
        entry(B, 1, {"f": "z"}, others=[("append", "p", ["y"])]),
        entry(b"c" * 16, 1, {}, others=[("append", "f", [1, 2]), ("count", "f", 4)]),
    ),
    applied(
        entry(A, 1, {}, others=[("append", "p", ["x", "y"])]),
        entry(B, 1, {}, others=[("append", "p", ["z"])]),
    ),
    applied(entry(A, 1, {}, others=[("add", "u", [1, "1", 10, 2])])),
    applied(entry(A, 1, {}, others=[("remove", "u", ["x"])])),
    applied(entry(A, 1, {}, others=[("void", "", "twice")])),
    applied(entry(A, 1, {"f": 1}, stamp=(1_000, 7)), entry(B, 1, {"f": 1}, stamp=(5, 9))),
    applied(entry(A, 1, {"f": {"a": 1}}), entry(B, 1, {"f": {"a": 2}})),
    RecordState(),
]


@pytest.mark.parametrize("state", MIXED)
def test_a_state_of_any_mixture_comes_back_from_its_packed_form(state: RecordState) -> None:
    assert parts(there_and_back(state)) == parts(state)


STEPS = st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=40)


@settings(max_examples=60)
@given(STEPS, st.booleans())
def test_a_drawn_state_comes_back_from_its_packed_form(steps: list[int], forks: bool) -> None:
    world = World(3, 1)
    for seed in steps:
        world.step(seed, forks=forks)
    for store in world.stores:
        state = store.plain.get("record-0", RecordState())
        if max((sum(d[:16] == x[:16] for d in state.preds) for x in state.preds), default=0) <= 15:
            assert parts(there_and_back(state)) == parts(state)
        causal, body = pack_state(state, SCHEMA, "thing")
        assert pack_state(there_and_back(state), SCHEMA, "thing") == (causal, body)


@settings(max_examples=40)
@given(STEPS)
def test_equal_states_pack_to_equal_bytes_whatever_their_history(steps: list[int]) -> None:
    world = World(3, 1)
    for seed in steps:
        world.step(seed, forks=False)
    x, y = (s.plain.get("record-0", RecordState()) for s in world.stores[:2])
    left = join_states(x, y, join_chains(x, y, set()))
    right = join_states(copy_state(y), copy_state(x), join_chains(y, x, set()))
    assert pack_state(left, SCHEMA, "thing") == pack_state(right, SCHEMA, "thing")


def line(count: int) -> tuple[RecordState, list[Entry]]:
    entries = [entry(A, 1, {"f": 0})]
    for i in range(2, count + 1):
        entries.append(entry(A, i, {"f": i}, vector=entries[-1].dot, stamp=(1_000, i)))
    return applied(*entries), entries


@pytest.mark.parametrize("older", [OLDER_PER_REPLICA_MAX, OLDER_PER_REPLICA_MAX + 1])
def test_the_list_is_cut_to_the_last_fifteen_dots_beside_the_tip(older: int) -> None:
    state, entries = line(older + 1)
    back = there_and_back(state)
    kept = [e.dot for e in entries[-OLDER_PER_REPLICA_MAX - 1 :]]
    assert sorted(back.preds) == sorted(kept)
    # What the first dot kept follows is still named, so that a cut can be told from a beginning.
    assert back.preds[kept[0]] == ((entries[0].dot,) if older > OLDER_PER_REPLICA_MAX else ())
    assert pack_state(back, SCHEMA, "thing") == pack_state(state, SCHEMA, "thing")


def test_the_cut_counts_each_replica_by_itself() -> None:
    state, _ = line(20)
    hers = [entry(B, 1, {"b": 0})]
    for i in range(2, 21):
        hers.append(entry(B, i, {"b": i}, vector=hers[-1].dot))
    for e in hers:
        apply_change(state, e, chains_for(state, set()))
    back = there_and_back(state)
    assert sum(d[:16] == A for d in back.preds) == OLDER_PER_REPLICA_MAX + 1
    assert sum(d[:16] == B for d in back.preds) == OLDER_PER_REPLICA_MAX + 1


def test_a_new_record_is_packed_as_its_first_change_by_both_ways() -> None:
    first = entry(A, 1, {"f": 1, "g": "x"}, stamp=(1_000, 7))
    quick = birth(first.dot, 1_000, 7, "w")
    causal, body = pack_state(applied(first), SCHEMA, "thing")
    assert quick == causal
    assert body == {"f": 1, "g": "x"}
    assert len(causal) < 48


def test_the_value_shown_stands_once_and_only_losing_values_apart() -> None:
    long = "a long value that is shown"
    state = applied(entry(A, 1, {"f": "lost"}), entry(B, 1, {"f": long}, stamp=(2_000, 0)))
    causal, body = pack_state(state, SCHEMA, "thing")
    assert body == {"f": long}
    assert long.encode() not in causal
    assert decode_causal(causal)[4] == [[0, "f", "lost"]]


@pytest.mark.parametrize("cut", range(4))
def test_causal_data_that_is_cut_short_is_refused(cut: int) -> None:
    causal, _ = pack_state(MIXED[1], SCHEMA, "thing")
    whole = msgspec.msgpack.decode(causal)
    with pytest.raises(StateInvalid):
        decode_causal(encode_causal(whole[:cut]))


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x80", b"\x01", b"\x91" * 3_000, encode_causal([b"xx", 1, 0, []])]
)
def test_bytes_that_are_no_causal_data_are_refused(data: bytes) -> None:
    with pytest.raises(StateInvalid):
        decode_causal(data)


def test_a_state_that_contradicts_its_values_is_refused() -> None:
    w = entry(A, 1, {}, others=[("append", "p", [1, 2])])
    causal, _ = pack_state(applied(w), SCHEMA, "thing")
    for body in ({}, {"p": [1]}, {"p": [1, 2, 3]}, {"p": None}):
        with pytest.raises(StateInvalid):
            unpack_state(decode_causal(causal), body)


def test_causal_data_altered_anywhere_gives_a_state_or_is_refused() -> None:
    rng = random.Random(7)
    causal, body = pack_state(MIXED[4], SCHEMA, "thing")
    refused = 0
    for _ in range(1_500):
        altered = bytearray(causal)
        altered[rng.randrange(len(altered))] = rng.randrange(256)
        try:
            unpack_state(decode_causal(bytes(altered)), body)
        except StateInvalid:
            refused += 1
    assert refused > 100


def test_a_first_write_of_which_nothing_is_left_is_no_live_write() -> None:
    replica, worker = b"\x01" * 16, "w1"
    first = dot(replica, 1, b"aaaa")
    second = dot(replica, 2, b"bbbb")
    causal = [second, 5, 0, [[first, 1, 0, worker, True], [0, 0, 0, worker, False, ["phone"]]]]
    state = unpack_state([*causal, [], [], None, first, []], {"phone": "2"})
    assert set(state.writes) == {second}


@pytest.mark.parametrize("dots", [0, 1, 2, 9, 10, 40, 2_339, 2_345])
def test_the_vector_of_causal_data_is_found_without_reading_the_rest(dots: int) -> None:
    vector = b"".join(dot(n.to_bytes(16, "big"), n + 1, b"tag0") for n in range(dots))
    for rest in ([5, 0, []], [5, 0, [], [], [], None, b"older", []]):
        causal = encode_causal([vector, *rest])
        assert vector_of(causal) == vector
        # What stands behind it is not looked at, but the vector must be whole.
        if 1 < dots < 2_340:
            assert vector_of(causal[: 6 + len(vector)]) == vector
    for cut in (1, 3, len(vector) // 2):
        with pytest.raises(StateInvalid):
            vector_of(encode_causal([vector, 5, 0, []])[:cut])


@pytest.mark.parametrize("data", [b"", b"\x94", b"\x94\xc4", b"\x94\xc4\x05abc", b"\xc1" * 9])
def test_what_has_no_vector_is_refused(data: bytes) -> None:
    with pytest.raises(StateInvalid):
        vector_of(data)


def test_the_value_shown_is_the_one_that_the_fields_policy_chooses() -> None:
    low = entry(A, 1, {"n": 1}, stamp=(1_000, 0))
    high = entry(B, 1, {"n": 2}, stamp=(2_000, 0))
    causal, body = pack_state(applied(low, high), SCHEMA, "thing")
    assert body == {"n": 1}
    assert [value for _, _, value in decode_causal(causal)[4]] == [2]


def test_a_void_is_named_by_its_place_in_the_vector() -> None:
    first = entry(A, 1, {"f": 1})
    void = entry(B, 1, {}, first.dot, [("void", "", "twice")])
    causal, _ = pack_state(applied(first, void), SCHEMA, "thing")
    ((place, *_, seen),) = decode_causal(causal)[5]
    assert (place, seen) == (1, first.dot)


def test_a_write_of_which_no_name_is_told_is_read_as_it_is() -> None:
    d = dot(A, 1, b"tagg")
    state = unpack_state([d, 1_000, 0, [[0, 0, 0, "w"]], [], [], None, b"", []], {})
    assert list(state.writes) == [d]


def test_a_void_keeps_its_name_whoever_wrote_beside_it() -> None:
    first = entry(A, 1, {"f": 1})
    void = entry(B, 1, {}, first.dot, [("void", "", "twice")])
    beside = entry(b"c" * 16, 1, {"g": 2}, first.dot)
    state = applied(first, void, beside)
    assert set(there_and_back(state).voids) == set(state.voids) == {void.dot}
