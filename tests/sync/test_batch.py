# SPDX-License-Identifier: Apache-2.0
"""Batches: the quick path and the full rules give the same, and both what a model without vectors
says. Histories are drawn by Hypothesis; each number is one step of several stores."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.batch import Batch
from sync.change import Change, Entry, encode_change, entry_of
from sync.packing import decode_causal, pack_state, unpack_state
from sync.record import RecordState, apply_change, chains_for, note_forks
from tests.conftest import SEED
from tests.sync.histories import SCHEMA, World, as_model

STEPS = st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=60)


def play(steps: list[int], *, forks: bool, stores: int = 3, records: int = 2) -> World:
    world = World(stores, records)
    for seed in steps:
        world.step(seed, forks=forks)
    world.check()
    return world


@settings(max_examples=60)
@given(STEPS)
def test_concurrent_histories_give_what_the_model_says(steps: list[int]) -> None:
    play(steps, forks=False)


@settings(max_examples=60)
@given(STEPS)
def test_histories_of_restored_stores_give_what_the_model_says(steps: list[int]) -> None:
    play(steps, forks=True)


@settings(max_examples=30)
@given(STEPS, st.integers(0, 2**32 - 1))
def test_equal_knowledge_shows_equal_values_in_any_order_of_delivery(
    steps: list[int], order: int
) -> None:
    world = play(steps, forks=False)
    world.meet_all(random.Random(order))
    world.check()
    for record in world.records:
        everything = {w.n for w in world.writes if w.record == record}
        shown = [as_model(store.shown(record)) for store in world.stores]
        assert all(one == shown[0] for one in shown)
        assert all(store.merged(record) == everything for store in world.stores)


@pytest.mark.slow
@pytest.mark.parametrize("forks", [False, True])
def test_many_long_histories_give_what_the_model_says(forks: bool) -> None:
    seen_forks = 0
    for seed in range(250):
        rng = random.Random(SEED + seed)
        world = play(
            [rng.getrandbits(32) for _ in range(rng.randint(3, 70))],
            forks=forks,
            stores=rng.choice((2, 3, 4)),
            records=rng.choice((1, 2)),
        )
        world.meet_all(rng)
        world.check()
        seen_forks += any(store.forks for store in world.stores)
    # Histories that never fork would prove nothing about forks.
    assert (seen_forks > 50) if forks else seen_forks == 0


class Desk:
    """One store with one writer, to place single cases."""

    def __init__(self, replica: bytes = b"A" * 16) -> None:
        self.replica = replica
        self.counter = 0

    def change(
        self,
        sets: dict[str, Any],
        vector: bytes = b"",
        record: str | None = "r",
        others: list[Any] | None = None,
        stamp: tuple[int, int] = (1_000, 0),
        collection: str = "thing",
    ) -> Entry:
        self.counter += 1
        change = Change(
            "w",
            collection,
            tuple(sets),
            list(sets.values()),
            record,
            vector,
            stamp[0],
            stamp[1],
            0,
            others or [],
        )
        return entry_of(self.replica, self.counter, bytes(16), encode_change(change))


def settled(entries: list[Entry], stored: dict[str, tuple[str, bytes, dict[str, Any]]]) -> Batch:
    batch = Batch(SCHEMA, set(), {r: (c, causal) for r, (c, causal, _) in stored.items()})
    for entry in entries:
        batch.offer(entry)
    for record in batch.wanting():
        batch.give_body(record, stored[record][2])
    batch.settle()
    return batch


def test_a_new_record_and_plain_edits_of_it_never_need_the_full_rules() -> None:
    desk = Desk()
    first = desk.change({"a": 1, "b": 2})
    second = desk.change({"a": 3}, vector=first.dot, stamp=(1_000, 1))
    third = desk.change({"b": 4}, vector=second.dot, stamp=(2_000, 0))
    slot = settled([first, second, third], {}).touched["r"]
    assert slot.full is None
    assert slot.patch == {"a": 3, "b": 4}
    assert slot.applied == [first.dot, second.dot, third.dot]
    assert slot.vector() == third.dot
    assert slot.stamp == (2_000, 0)


def test_the_vector_of_a_slot_may_be_asked_before_and_after_its_bytes() -> None:
    mine, hers = Desk(), Desk(b"B" * 16)
    first = mine.change({"a": 1})
    second = hers.change({"a": 2}, vector=first.dot)
    slot = settled([first, second], {}).touched["r"]
    before = slot.vector()
    assert decode_causal(slot.causal_bytes())[0] == before == slot.vector()


def test_a_stored_record_wants_its_values_only_for_the_full_rules() -> None:
    desk, hers = Desk(), Desk(b"B" * 16)
    first = desk.change({"a": 1})
    stored = {"r": ("thing", settled([first], {}).touched["r"].causal_bytes(), {"a": 1})}
    quick = Batch(SCHEMA, set(), {"r": stored["r"][:2]})
    quick.offer(desk.change({"a": 2}, vector=first.dot, stamp=(1_000, 1)))
    assert quick.wanting() == []
    full = Batch(SCHEMA, set(), {"r": stored["r"][:2]})
    full.offer(hers.change({"a": 3}))
    assert full.wanting() == ["r"]
    full.give_body("r", {"a": 1})
    assert full.wanting() == []


def test_a_change_that_comes_too_early_waits_and_is_handed_back() -> None:
    desk = Desk()
    first = desk.change({"a": 1})
    second = desk.change({"a": 2}, vector=first.dot)
    slot = settled([second], {}).touched["r"]
    assert slot.waiting == [second]
    assert not slot.dirty
    again = settled([second, first], {}).touched["r"]
    assert again.waiting == []
    assert again.body == {"a": 2}
    assert again.last_vector == second.change.vector
    assert not again.beside


def test_a_change_that_is_there_already_changes_nothing() -> None:
    desk = Desk()
    first = desk.change({"a": 1})
    stored = {"r": ("thing", settled([first], {}).touched["r"].causal_bytes(), {"a": 1})}
    slot = settled([first, first], stored).touched["r"]
    assert not slot.dirty
    assert slot.applied == []


def test_a_change_of_another_collection_than_its_record_is_set_aside() -> None:
    desk = Desk()
    first = desk.change({"a": 1})
    other = desk.change({"a": 2}, vector=first.dot, collection="person")
    batch = settled([first, other], {})
    assert batch.misfits == [(other, "collection")]
    assert batch.touched["r"].patch == {"a": 1}


def test_what_becomes_of_a_conflict_is_told_in_order() -> None:
    mine, hers, third = Desk(), Desk(b"B" * 16), Desk(b"C" * 16)
    a, b = mine.change({"a": 1}), hers.change({"a": 2})
    c = third.change({"a": 3})
    seen = b"".join(sorted((a.dot, b.dot, c.dot)))
    end = mine.change({"a": 2}, vector=seen)
    slot = settled([a, b, c, end], {}).touched["r"]
    told = slot.happenings
    assert slot.applied == [a.dot, b.dot, c.dot, end.dot]
    assert [(h.kind, h.field, h.by.dot if h.by else None) for h in told] == [
        ("opened", "a", b.dot),
        ("changed", "a", c.dot),
        ("settled", "a", end.dot),
    ]
    assert {s.dot for s in told[2].siblings} == {a.dot, b.dot, c.dot}


def test_equal_values_written_apart_are_no_conflict_but_both_writes_stay() -> None:
    mine, hers = Desk(), Desk(b"B" * 16)
    a, b = mine.change({"a": 1}), hers.change({"a": 1})
    slot = settled([a, b], {}).touched["r"]
    assert slot.happenings == []
    assert slot.full is not None
    assert set(slot.full.registers["a"]) == {a.dot, b.dot}


def test_a_conflict_that_a_joined_state_brings_is_told_without_an_author() -> None:
    mine, hers = Desk(), Desk(b"B" * 16)
    a, b = mine.change({"a": 1}), hers.change({"a": 2})
    one = settled([a], {}).touched["r"]
    other = settled([b], {}).touched["r"]
    batch = Batch(SCHEMA, set(), {"r": ("thing", one.causal_bytes())})
    batch.offer_state("r", "thing", decode_causal(other.causal_bytes()), {"a": 2})
    batch.give_body("r", {"a": 1})
    batch.settle()
    assert [(h.kind, h.by) for h in batch.touched["r"].happenings] == [("opened", None)]


def test_a_state_that_is_held_already_touches_nothing() -> None:
    first = Desk().change({"a": 1})
    causal = settled([first], {}).touched["r"].causal_bytes()
    batch = Batch(SCHEMA, set(), {"r": ("thing", causal)})
    batch.offer_state("r", "thing", decode_causal(causal), {"a": 1})
    assert batch.wanting() == []
    batch.settle()
    assert not batch.touched["r"].dirty


def test_a_fork_is_spotted_when_a_second_branch_arrives() -> None:
    mine, copy = Desk(), Desk()
    a = mine.change({"a": 1})
    b = copy.change({"a": 2})
    batch = settled([a, b], {})
    assert batch.forks == {b"A" * 16}
    assert batch.forks_before == frozenset()
    assert batch.touched["r"].full is not None
    assert set(batch.touched["r"].full.registers["a"]) == {a.dot, b.dot}


def test_sixteen_writes_of_one_replica_leave_the_quick_path_and_agree_with_it() -> None:
    desk = Desk()
    entries = [desk.change({"a": 0})]
    for i in range(1, 40):
        entries.append(desk.change({"a": i}, vector=entries[-1].dot, stamp=(1_000, i)))
    stored: dict[str, tuple[str, bytes, dict[str, Any]]] = {}
    for entry in entries:
        slot = settled([entry], stored).touched["r"]
        body = slot.body if slot.full is not None else slot.patch
        assert body is not None
        stored["r"] = ("thing", slot.causal_bytes(), body)
    causal = decode_causal(stored["r"][1])
    assert len(causal[7]) == 15 * 28
    assert stored["r"][2] == {"a": 39}
    assert causal[0] == entries[-1].dot


def full_rules(*entries: Entry) -> tuple[bytes, dict[str, Any]]:
    """The same changes by the full rules alone, packed."""
    state, forks = RecordState(), set[bytes]()
    for entry in entries:
        note_forks(state, entry, forks)
        apply_change(state, entry, chains_for(state, forks))
    return pack_state(state, SCHEMA, "thing")


def test_a_writer_whose_counter_fell_back_is_taken_for_a_fork() -> None:
    desk, set_back = Desk(), Desk()
    desk.counter, set_back.counter = 4, 2
    first = desk.change({"a": 5})
    second = set_back.change({"a": 3}, vector=first.dot, stamp=(1_000, 1))
    batch = settled([first, second], {})
    slot = batch.touched["r"]
    assert batch.forks == {b"A" * 16}
    assert slot.vector() == b"".join(sorted((first.dot, second.dot)))
    assert (slot.causal_bytes(), slot.body) == full_rules(first, second)


@pytest.mark.parametrize("stamp", [(900, 0), (1_000, 4), (1_000, 5), (1_000, 6), (1_100, 0)])
def test_the_stamp_of_a_record_never_falls_back(stamp: tuple[int, int]) -> None:
    mine, hers = Desk(), Desk(b"B" * 16)
    first = mine.change({"a": 1, "b": 1}, stamp=(1_000, 5))
    second = hers.change({"a": 2}, vector=first.dot, stamp=stamp)
    slot = settled([first, second], {}).touched["r"]
    assert slot.full is None
    assert slot.stamp == max((1_000, 5), stamp)
    state = unpack_state(decode_causal(slot.causal_bytes()), slot.patch)
    assert pack_state(state, SCHEMA, "thing") == full_rules(first, second)


def by_full_rules(entries: list[Entry]) -> RecordState:
    state = RecordState()
    forks: set[bytes] = set()
    for entry in entries:
        note_forks(state, entry, forks)
        apply_change(state, entry, chains_for(state, forks))
    return state


def test_edits_of_other_fields_meanwhile_stay_on_the_quick_path() -> None:
    office, mine, hers = Desk(b"O" * 16), Desk(), Desk(b"B" * 16)
    born = office.change({"a": 1, "b": 2})
    a = mine.change({"a": 3}, vector=born.dot, stamp=(3_000, 0))
    b = hers.change({"b": 4}, vector=born.dot, stamp=(2_000, 0))
    again = hers.change({"b": 5}, vector=b.dot + born.dot, stamp=(4_000, 0))
    slot = settled([born, a, b, again], {}).touched["r"]
    assert slot.full is None
    assert slot.beside
    assert slot.applied == [born.dot, a.dot, b.dot, again.dot]
    assert slot.patch == {"a": 3, "b": 5}
    state = unpack_state(decode_causal(slot.causal_bytes()), slot.patch)
    wanted = by_full_rules([born, a, b, again])
    assert pack_state(state, SCHEMA, "thing") == pack_state(wanted, SCHEMA, "thing")


@pytest.mark.parametrize(
    ("first", "second"),
    [({"a": 3}, {"a": 4}), ({"a": 3}, {"a": 4, "b": 5}), ({"a": 3, "b": 4}, {"b": 5})],
)
def test_edits_of_one_field_meanwhile_are_for_the_full_rules(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    office, mine, hers = Desk(b"O" * 16), Desk(), Desk(b"B" * 16)
    born = office.change({"a": 1, "b": 2})
    a = mine.change(first, vector=born.dot, stamp=(2_000, 0))
    b = hers.change(second, vector=born.dot, stamp=(3_000, 0))
    slot = settled([born, a, b], {}).touched["r"]
    assert slot.full is not None
    assert [h.kind for h in slot.happenings] == ["opened"]


def test_an_edit_beside_a_birth_that_its_writer_had_not_seen_is_for_the_full_rules() -> None:
    office, mine = Desk(b"O" * 16), Desk()
    born = office.change({"a": 1})
    beside = mine.change({"b": 2}, vector=b"", stamp=(2_000, 0))
    assert settled([born, beside], {}).touched["r"].full is not None


def test_an_edit_that_names_a_branch_that_is_not_listed_is_for_the_full_rules() -> None:
    office, mine, copy, hers = Desk(b"O" * 16), Desk(), Desk(), Desk(b"B" * 16)
    born = office.change({"a": 1, "b": 2})
    mine_1 = mine.change({"a": 3}, vector=born.dot, stamp=(2_000, 0))
    mine_2 = mine.change({"a": 4}, vector=mine_1.dot + born.dot, stamp=(3_000, 0))
    other_1 = copy.change({"a": 9}, vector=born.dot, stamp=(2_000, 0))
    upon = hers.change({"b": 5}, vector=other_1.dot + born.dot, stamp=(4_000, 0))
    batch = settled([born, mine_1, mine_2, upon], {})
    assert batch.forks == {b"A" * 16}
    assert batch.touched["r"].waiting == [upon]


def test_only_what_is_neither_stored_nor_touched_is_born_apart() -> None:
    desk, hers = Desk(), Desk(b"B" * 16)
    first = desk.change({"a": 1})
    causal = settled([first], {}).touched["r"].causal_bytes()
    batch = Batch(SCHEMA, set(), {"r": ("thing", causal)}, apart=True)
    born, again = desk.change({"a": 1}, record="n"), hers.change({"b": 2}, record="n")
    batch.offer_all([hers.change({"a": 2}), born])
    assert set(batch.touched) == {"r"}
    assert batch.births == {"n": born}
    batch.offer_all([again])
    assert set(batch.touched) == {"r", "n"}
    assert batch.births == {}
    assert [slot.record for slot in batch.touched.values()] == ["r", "n"]


def test_what_is_born_apart_keeps_its_collection() -> None:
    desk = Desk()
    batch = Batch(SCHEMA, set(), {}, apart=True)
    born = desk.change({"a": 1})
    other = desk.change({"a": 2}, vector=born.dot, collection="person")
    batch.offer_all([born, other])
    assert batch.touched["r"].collection == "thing"
    assert batch.misfits == [(other, "collection")]


def test_a_copy_that_writes_another_field_is_taken_for_a_fork() -> None:
    office, mine = Desk(b"O" * 16), Desk()
    born = office.change({"a": 1, "b": 2})
    first = mine.change({"a": 3}, vector=born.dot, stamp=(2_000, 0))
    second = mine.change({"b": 4}, vector=born.dot, stamp=(3_000, 0))
    assert settled([born, first, second], {}).forks == {b"A" * 16}
