# SPDX-License-Identifier: Apache-2.0
"""Records: applying and joining, case by case and as laws over drawn histories."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.change import Change, Entry, encode_change, entry_of
from sync.clock import Chains
from sync.packing import pack_state
from sync.policy import append_value, siblings_of, union_value
from sync.record import (
    RecordState,
    apply_change,
    chains_for,
    deliverable,
    join_chains,
    join_states,
    note_forks,
)
from tests.sync.histories import SCHEMA, World, copy_state

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16


class Writer:
    """A replica that writes on one record; what it has seen is said each time."""

    def __init__(self, replica: bytes) -> None:
        self.replica = replica
        self.counter = 0

    def __call__(
        self,
        sets: dict[str, Any] | None = None,
        *others: tuple[str, str, Any],
        seen: tuple[Entry, ...] = (),
        salt: bytes = bytes(16),
    ) -> Entry:
        self.counter += 1
        sets = sets or {}
        tips: dict[bytes, bytes] = {}
        for e in seen:
            tips[e.dot[:16]] = max(tips.get(e.dot[:16], b""), e.dot)
        vector = b"".join(sorted(tips.values()))
        names, values = tuple(sets), list(sets.values())
        stamp = 1_000 + self.counter
        change = Change("w", "thing", names, values, "r", vector, stamp, 0, 0, list(others))
        return entry_of(self.replica, self.counter, salt, encode_change(change))


def state_of(*entries: Entry, forks: set[bytes] | None = None) -> RecordState:
    """Apply in this order by the full rules; each must be deliverable."""
    state = RecordState()
    known = set[bytes]() if forks is None else forks
    for entry in entries:
        note_forks(state, entry, known)
        chains = chains_for(state, known)
        if not state.vector.covers(entry.dot, chains):
            assert deliverable(state, entry, chains)
            apply_change(state, entry, chains)
    return state


def join(a: RecordState, b: RecordState) -> RecordState:
    return join_states(a, b, join_chains(a, b, set()))


def values(state: RecordState, field: str) -> list[Any]:
    return sorted(str(s.value) for s in siblings_of(state, field))


def packed(state: RecordState) -> Any:
    return pack_state(state, SCHEMA, "thing")


def test_a_write_that_saw_another_overwrites_it() -> None:
    first = Writer(A)({"a": 1})
    second = Writer(B)({"a": 2}, seen=(first,))
    assert values(state_of(first, second), "a") == ["2"]
    assert values(join(state_of(first), state_of(first, second)), "a") == ["2"]
    assert values(join(state_of(first, second), state_of(first)), "a") == ["2"]


def test_two_writes_that_did_not_see_one_another_both_stay() -> None:
    x, y = Writer(A)({"a": 1}), Writer(B)({"a": 2})
    for state in (state_of(x, y), state_of(y, x), join(state_of(x), state_of(y))):
        assert values(state, "a") == ["1", "2"]


def test_only_the_fields_written_are_touched() -> None:
    first = Writer(A)({"a": 1, "b": 2})
    second = Writer(B)({"a": 3}, seen=(first,))
    state = state_of(first, second)
    assert (values(state, "a"), values(state, "b")) == (["3"], ["2"])
    assert set(state.writes) == {first.dot, second.dot}


def test_a_change_takes_in_its_own_dot_and_nothing_more() -> None:
    w = Writer(A)
    first = w({"a": 1})
    other = Writer(B)({"b": 1})
    second = w({"a": 2}, seen=(first,))
    state = state_of(first, other, second)
    assert state.vector.pack() == second.dot + other.dot
    assert state.preds == {first.dot: (), other.dot: (), second.dot: (first.dot,)}


def test_a_change_is_deliverable_once_all_it_saw_is_there() -> None:
    first = Writer(A)({"a": 1})
    second = Writer(B)({"a": 2}, seen=(first,))
    empty, there = RecordState(), state_of(first)
    assert not deliverable(empty, second, chains_for(empty, set()))
    assert deliverable(there, second, chains_for(there, set()))
    assert deliverable(empty, first, chains_for(empty, set()))


def test_a_removal_takes_only_the_adds_it_saw() -> None:
    mine = Writer(A)({}, ("add", "u", ["e"]))
    hers = Writer(B)({}, ("add", "u", ["e"]))
    gone = Writer(C)({}, ("remove", "u", ["e"]), seen=(mine,))
    assert union_value(state_of(mine, gone), "u") == []
    for state in (state_of(mine, hers, gone), state_of(mine, gone, hers)):
        assert union_value(state, "u") == ["e"]
    assert union_value(join(state_of(mine, gone), state_of(mine, hers)), "u") == ["e"]


def test_an_element_added_again_after_its_removal_is_in() -> None:
    w = Writer(A)
    added = w({}, ("add", "u", ["e", 1]))
    removed = w({}, ("remove", "u", ["e"]), seen=(added,))
    again = w({}, ("add", "u", ["e"]), seen=(removed,))
    assert union_value(state_of(added, removed), "u") == [1]
    assert union_value(state_of(added, removed, again), "u") == [1, "e"]


def test_a_number_and_its_text_are_two_elements() -> None:
    w = Writer(A)
    both = w({}, ("add", "u", [1, "1"]))
    one = w({}, ("remove", "u", ["1"]), seen=(both,))
    assert union_value(state_of(both), "u") == [1, "1"]
    assert union_value(state_of(both, one), "u") == [1]


def test_every_count_counts_once_however_often_it_comes() -> None:
    w, other = Writer(A), Writer(B)
    x = w({}, ("count", "c", 5))
    y = w({}, ("count", "c", -2), seen=(x,))
    z = other({}, ("count", "c", 10))
    left, right = state_of(x, y), state_of(x, z)
    whole = join(join(left, right), join(right, left))
    assert sum(whole.counts["c"].values()) == 13
    assert sum(state_of(x, x, y, z, y).counts["c"].values()) == 13


def test_counts_of_two_branches_of_one_feed_share_what_came_before() -> None:
    w = Writer(A)
    x = w({}, ("count", "c", 5))
    copy = Writer(A)
    copy.counter = 1
    mine = w({}, ("count", "c", 1), seen=(x,), salt=b"1" * 16)
    theirs = copy({}, ("count", "c", 2), seen=(x,), salt=b"2" * 16)
    both = join(state_of(x, mine), state_of(x, theirs))
    assert sum(both.counts["c"].values()) == 8


def test_entries_appended_at_the_same_time_all_stay_in_order() -> None:
    mine, hers = Writer(A), Writer(B)
    x = mine({}, ("append", "p", ["x1", "x2"]))
    y = hers({}, ("append", "p", ["y"]))
    z = mine({}, ("append", "p", ["z"]), seen=(x,))
    for state in (state_of(x, y, z), state_of(y, x, z), join(state_of(x, z), state_of(y))):
        assert append_value(state, "p") == ["x1", "x2", "y", "z"]


def voided(state: RecordState) -> bool:
    return state.voided(chains_for(state, set()))


def test_a_void_covers_the_edits_it_saw_and_no_others() -> None:
    w, other = Writer(A), Writer(B)
    first = w({"a": 1})
    void = w({}, ("void", "", "twice"), seen=(first,))
    unseen = other({"a": 2}, seen=(first,))
    assert not voided(state_of(first))
    assert voided(state_of(first, void))
    assert not voided(state_of(first, void, unseen))
    assert not voided(join(state_of(first, unseen), state_of(first, void)))


def test_an_edit_after_a_void_brings_the_record_back_and_a_second_void_voids_it() -> None:
    w = Writer(A)
    first = w({"a": 1})
    void = w({}, ("void", "", "twice"), seen=(first,))
    edit = w({"a": 2}, seen=(void,))
    again = w({}, ("void", "", "after all"), seen=(edit,))
    assert not voided(state_of(first, void, edit))
    assert voided(state_of(first, void, edit, again))


def test_two_voids_of_one_record_do_not_undo_one_another() -> None:
    first = Writer(A)({"a": 1})
    mine = Writer(B)({}, ("void", "", "moved"), seen=(first,))
    hers = Writer(C)({}, ("void", "", "twice"), seen=(first,))
    assert voided(join(state_of(first, mine), state_of(first, hers)))


def test_a_void_and_an_edit_on_two_tablets_split_over_voids_stay_alive() -> None:
    # Each void saw one of the two edits: neither saw all there is.
    x, y = Writer(A)({"a": 1}), Writer(B)({"b": 1})
    sees_x = Writer(C)({}, ("void", "", ""), seen=(x,))
    sees_y = Writer(b"d" * 16)({}, ("void", "", ""), seen=(y,))
    assert not voided(state_of(x, y, sees_x, sees_y))


def test_equal_counters_of_two_branches_are_two_writes() -> None:
    x = Writer(A)({"a": 1}, salt=b"1" * 16)
    y = Writer(A)({"a": 2}, salt=b"2" * 16)
    forks: set[bytes] = set()
    state = state_of(x, y, forks=forks)
    assert forks == {A}
    assert values(state, "a") == ["1", "2"]
    assert values(join(state_of(x), state_of(y)), "a") == ["1", "2"]
    assert len(state.vector.pack()) == 56


def test_a_longer_branch_does_not_swallow_the_shorter_one() -> None:
    w = Writer(A)
    root = w({"a": 0})
    short = w({"a": 1}, seen=(root,), salt=b"1" * 16)
    copy = Writer(A)
    copy.counter = 1
    l1 = copy({"a": 2}, seen=(root,), salt=b"2" * 16)
    l2 = copy({"b": 3}, seen=(l1,), salt=b"2" * 16)
    for forks, state in [
        (f := set[bytes](), state_of(root, short, l1, l2, forks=f)),
        (f := set[bytes](), state_of(root, l1, l2, short, forks=f)),
    ]:
        assert forks == {A}
        assert values(state, "a") == ["1", "2"]
    known: set[bytes] = set()
    left, right = state_of(root, short), state_of(root, l1, l2)
    both = join_states(left, right, join_chains(left, right, known))
    assert values(both, "a") == ["1", "2"]
    assert known == {A}


def test_a_vector_with_two_entries_of_a_replica_tells_of_its_fork() -> None:
    x = Writer(A)({"a": 1}, salt=b"1" * 16)
    y = Writer(A)({"b": 2}, salt=b"2" * 16)
    change = Change("w", "thing", ("a",), [3], "r", b"".join(sorted((x.dot, y.dot))), 5, 0, 0)
    saw_both = entry_of(B, 1, bytes(16), encode_change(change))
    forks: set[bytes] = set()
    note_forks(RecordState(), saw_both, forks)
    assert forks == {A}


def test_a_change_that_missed_its_own_replicas_last_one_tells_of_a_fork() -> None:
    w = Writer(A)
    first = w({"a": 1})
    skipped = w({"a": 2}, seen=(first,))
    third = w({"a": 3}, seen=(first,))
    forks: set[bytes] = set()
    note_forks(state_of(first, skipped), third, forks)
    assert forks == {A}
    plain: set[bytes] = set()
    fourth = w({"a": 4}, seen=(third,))
    note_forks(state_of(first, third), fourth, plain)
    assert plain == set()


def test_what_is_no_longer_shown_is_forgotten_but_not_that_it_was_seen() -> None:
    first = Writer(A)({"a": 1})
    second = Writer(B)({"a": 2}, seen=(first,))
    state = state_of(first, second)
    assert set(state.writes) == {second.dot}
    assert state.vector.covers(first.dot, Chains(set(), {}))


def test_a_state_carries_the_highest_stamp_of_all_its_changes() -> None:
    early, late = Writer(A)({"a": 1}), Writer(B)
    late.counter = 500
    high = late({"a": 2})
    low = Writer(C)({"a": 3}, seen=(high,))
    assert state_of(early, high, low).stamp == high.change.stamp
    assert join(state_of(early), state_of(high)).stamp == high.change.stamp


STEPS = st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=40)


def three_states(steps: list[int], *, forks: bool) -> list[RecordState]:
    world = World(3, 1)
    for seed in steps:
        world.step(seed, forks=forks)
    return [copy_state(s.plain.get("record-0", RecordState())) for s in world.stores]


@settings(max_examples=60)
@given(STEPS, st.booleans())
def test_joining_is_commutative_associative_and_idempotent(steps: list[int], forks: bool) -> None:
    x, y, z = three_states(steps, forks=forks)
    known: set[bytes] = set()
    for a, b in ((x, y), (y, z), (x, z)):
        join_chains(a, b, known)

    def j(a: RecordState, b: RecordState) -> RecordState:
        return join_states(a, b, join_chains(a, b, known))

    assert packed(j(x, y)) == packed(j(y, x))
    assert packed(j(x, x)) == packed(x)
    assert packed(j(j(x, y), y)) == packed(j(x, y))
    assert packed(j(j(x, y), z)) == packed(j(x, j(y, z)))


@settings(max_examples=60)
@given(STEPS)
def test_joining_only_ever_adds_to_what_is_known(steps: list[int]) -> None:
    x, y, _ = three_states(steps, forks=False)
    both = join(x, y)
    chains = chains_for(both, set())
    assert both.vector.covers_all(x.vector, chains)
    assert both.vector.covers_all(y.vector, chains)
    assert both.stamp >= max(x.stamp, y.stamp)
    for field in {*x.registers, *y.registers}:
        for d in {*x.registers.get(field, {}), *y.registers.get(field, {})}:
            alive = d in both.registers.get(field, {})
            seen = all(s.vector.covers(d, chains) for s in (x, y))
            assert alive or seen


@settings(max_examples=60)
@given(STEPS, st.booleans())
def test_applying_a_change_is_joining_the_state_of_its_writer(
    steps: list[int], forks: bool
) -> None:
    """The writer's state, before and after a write, differs by what applying does elsewhere."""
    world = World(3, 1)
    for seed in steps:
        world.step(seed, forks=forks)
    writer, reader = world.stores[0], world.stores[1]
    reader.take_state(writer, "record-0")
    before = copy_state(reader.plain.get("record-0", RecordState()))
    write = writer.write("record-0", {"a": "new", "b": 1}, [("count", "c", 1)], 99_999)
    applied = copy_state(before)
    known = set(reader.plain_forks)
    note_forks(applied, write.entry, known)
    apply_change(applied, write.entry, chains_for(applied, known))
    assert packed(applied) == packed(
        join_states(before, writer.plain["record-0"], join_chains(before, applied, known))
    )


@pytest.mark.parametrize("seed", range(20))
def test_counters_are_exact_whatever_the_route(seed: int) -> None:
    rng = random.Random(seed)
    world = World(4, 1)
    total = 0
    for _ in range(30):
        store = rng.choice(world.stores)
        if rng.random() < 0.6:
            amount = rng.randint(-5, 9)
            total += amount
            store.write("record-0", {}, [("count", "c", amount)], rng.randint(0, 99))
        else:
            store.take_state(rng.choice(world.stores), "record-0")
    world.meet_all(rng)
    assert [s.shown("record-0").fields["c"].value for s in world.stores] == [total] * 4


def test_a_writer_who_had_seen_two_others_tells_of_no_fork() -> None:
    a, b, c = Writer(A), Writer(B), Writer(C)
    first, second = a({"a": 1}), b({"a": 2})
    again = a({"a": 3}, seen=(first, second))
    forks: set[bytes] = set()
    state_of(first, second, again, c({"a": 4}, seen=(again, second)), forks=forks)
    assert forks == set()


def test_a_first_write_that_the_second_had_not_seen_tells_of_a_fork() -> None:
    a, forks = Writer(A), set[bytes]()
    state_of(a({"a": 1}), a({"a": 2}), forks=forks)
    assert forks == {A}


def test_what_feeds_tell_is_asked_for_where_two_states_are_joined() -> None:
    def recall(_dot: bytes) -> None:
        return None

    assert join_chains(RecordState(), RecordState(), set(), recall).recall is recall
