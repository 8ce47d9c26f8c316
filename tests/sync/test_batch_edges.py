# SPDX-License-Identifier: Apache-2.0
"""A batch at its edges: what leaves the quick path, and what is told of it."""

from typing import Any

from sync.batch import Batch
from sync.change import Entry
from sync.packing import decode_causal, pack_state, unpack_state, vector_of
from sync.touched import Touched
from tests.sync.histories import SCHEMA
from tests.sync.test_batch import Desk, full_rules, settled


def test_an_edit_beside_elements_of_a_set_keeps_them() -> None:
    mine, hers = Desk(), Desk(b"B" * 16)
    born = mine.change({"a": 1})
    added = mine.change(
        {"b": 2}, vector=born.dot, others=[["add", "tags", ["x"]]], stamp=(1_001, 0)
    )
    stored: dict[str, tuple[str, bytes, dict[str, Any]]] = {}
    causal, body = full_rules(born, added)
    stored["r"] = ("thing", causal, body)
    edit = hers.change({"b": 3}, vector=added.dot, stamp=(1_002, 0))
    slot = settled([edit], stored).touched["r"]
    assert (slot.causal_bytes(), slot.body) == full_rules(born, added, edit)
    assert slot.body is not None
    assert slot.body["tags"] == ["x"]


def test_a_replica_whose_name_stands_across_two_dots_is_not_taken_for_one_that_wrote() -> None:
    mine, hers = Desk(), Desk(b"B" * 4 + bytes(12))
    first = mine.change({"a": 1})
    second = hers.change({"a": 2}, vector=first.dot, stamp=(1_001, 0))
    packed = first.dot + second.dot
    across = Desk(packed[16:32])
    third = across.change({"a": 3}, vector=packed, stamp=(1_002, 0))
    slot = settled([first, second, third], {}).touched["r"]
    state = unpack_state(decode_causal(slot.causal_bytes()), slot.body or slot.patch)
    assert pack_state(state, SCHEMA, "thing") == full_rules(first, second, third)


def as_by_full_rules(*entries: Entry) -> None:
    """Without the full rules, and yet what they give."""
    slot = settled(list(entries), {}).touched["r"]
    assert slot.full is None
    causal = decode_causal(slot.causal_bytes())
    assert slot.vector() == causal[0] == vector_of(full_rules(*entries)[0])
    assert pack_state(unpack_state(causal, slot.patch), SCHEMA, "thing") == full_rules(*entries)


def test_an_edit_that_is_overwritten_whole_leaves_nothing() -> None:
    office, mine, hers = Desk(b"O" * 16), Desk(), Desk(b"B" * 16)
    born = office.change({"a": 1, "b": 2})
    first = hers.change({"a": 3}, vector=born.dot, stamp=(1_100, 0))
    seen = first.dot + born.dot
    as_by_full_rules(born, first, mine.change({"a": 4}, vector=seen, stamp=(1_200, 0)))


def test_places_in_the_vector_move_with_a_writer_who_comes_between() -> None:
    mine, hers, third = Desk(), Desk(b"B" * 16), Desk(b"C" * 16)
    born = mine.change({"a": 1, "b": 2, "h": "open"}, stamp=(1_000, 0))
    last = third.change({"b": 3}, vector=born.dot, stamp=(2_000, 0))
    seen = born.dot + last.dot
    as_by_full_rules(born, last, hers.change({"a": 4}, vector=seen, stamp=(3_000, 0)))


def test_what_stood_before_a_batch_is_told_whichever_way_it_is_merged() -> None:
    mine, hers = Desk(), Desk(b"B" * 16)
    born = mine.change({"a": 1})
    stored = {"r": ("thing", settled([born], {}).touched["r"].causal_bytes(), {"a": 1})}
    after = {"a": mine.change({"a": 2}, vector=born.dot, stamp=(1_001, 0))}
    after["beside"] = hers.change({"a": 3}, stamp=(1_002, 0))
    after["more than sets"] = hers.change({"a": 3}, others=[["add", "u", ["x"]]])
    for way, entry in after.items():
        slot = settled([entry], stored).touched["r"]
        assert slot.dirty, way
        assert slot.vector_before == born.dot, way
    assert settled([born], {}).touched["r"].vector_before == b""


def test_each_state_that_joins_tells_what_it_changed_of_a_conflict() -> None:
    desks = [Desk(bytes([n]) * 16) for n in (65, 66, 67, 68)]
    entries = [desk.change({"a": n}) for n, desk in enumerate(desks)]
    states = [settled([one], {}).touched["r"].causal_bytes() for one in entries]
    batch = Batch(SCHEMA, set(), {"r": ("thing", states[0])})
    for n in (1, 2):
        batch.offer_state("r", "thing", decode_causal(states[n]), {"a": n})
    batch.offer(entries[3])
    batch.give_body("r", {"a": 0})
    batch.settle()
    told = [(h.kind, h.by and h.by.dot, len(h.siblings)) for h in batch.touched["r"].happenings]
    assert told[0] == ("opened", entries[3].dot, 2)
    assert [kind for kind, _, _ in told] == ["opened", "changed", "changed"]
    assert [by for _, by, _ in told[1:]] == [None, None]
    assert batch.touched["r"].joined == [entries[1].dot, entries[2].dot]


def test_a_record_of_which_nothing_is_known_has_no_causal_data() -> None:
    nothing = Touched("r", "thing")
    assert (nothing.causal_bytes(), nothing.body, nothing.full) == (b"", None, None)


def test_the_value_shown_of_a_conflict_is_by_the_policy_of_its_field() -> None:
    mine, hers = Desk(), Desk(b"B" * 16)
    low, high = mine.change({"n": 1}), hers.change({"n": 2}, stamp=(2_000, 0))
    assert settled([low, high], {}).touched["r"].body == {"n": 1}


def upon_stored(*entries: Entry) -> Batch:
    """The last of these upon a record that is stored with the others, by whichever way; as by the
    full rules."""
    causal, body = full_rules(*entries[:-1])
    batch = settled([entries[-1]], {"r": ("thing", causal, body)})
    slot = batch.touched["r"]
    shown = slot.body if slot.full is not None else {**body, **slot.patch}
    assert shown is not None
    state = unpack_state(decode_causal(slot.causal_bytes()), shown)
    assert pack_state(state, SCHEMA, "thing") == full_rules(*entries)
    return batch


def test_what_settles_a_stored_conflict_leaves_nothing_of_it() -> None:
    mine, hers = Desk(), Desk(b"B" * 16)
    a, b = mine.change({"a": 1}), hers.change({"a": 2})
    upon_stored(a, b, mine.change({"a": 3}, vector=a.dot + b.dot, stamp=(2_000, 0)))


def test_an_edit_upon_two_lines_of_its_replica_that_nobody_knew_for_a_fork_joins_them() -> None:
    mine, copy = Desk(), Desk()
    a, b = mine.change({"a": 1}), copy.change({"b": 2})
    seen = b"".join(sorted((a.dot, b.dot)))
    batch = upon_stored(a, b, mine.change({"a": 3}, vector=seen, stamp=(2_000, 0)))
    assert batch.forks == {b"A" * 16}


def test_edits_of_one_field_meanwhile_are_a_conflict_wherever_their_writers_stand() -> None:
    office, first, second = Desk(b"O" * 16), Desk(b"Y" * 16), Desk(b"Z" * 16)
    born = office.change({"a": 1, "b": 2})
    a = first.change({"a": 3}, vector=born.dot, stamp=(2_000, 0))
    b = second.change({"a": 4}, vector=born.dot, stamp=(3_000, 0))
    assert [h.kind for h in upon_stored(born, a, b).touched["r"].happenings] == ["opened"]


def test_a_state_that_is_known_does_not_keep_the_next_from_being_joined() -> None:
    mine, hers = Desk(), Desk(b"B" * 16)
    first = mine.change({"a": 1})
    second = mine.change({"a": 2}, vector=first.dot, stamp=(1_001, 0))
    other = hers.change({"b": 3})
    causal, body = full_rules(first, second)
    batch = Batch(SCHEMA, set(), {"r": ("thing", causal)})
    for entry in (first, other):
        state, shown = full_rules(entry)
        batch.offer_state("r", "thing", decode_causal(state), shown)
    batch.give_body("r", body)
    batch.settle()
    assert batch.touched["r"].joined == [other.dot]
    assert batch.touched["r"].body == {"a": 2, "b": 3}


def test_what_moves_a_record_or_is_of_a_forked_replica_is_for_the_full_rules() -> None:
    mine = Desk()
    born = mine.change({"a": 1, "household": "h1"})
    moved = mine.change({"household": "h2"}, vector=born.dot, stamp=(1_001, 0))
    assert settled([born, moved], {}).touched["r"].full is not None
    edit = mine.change({"a": 2}, vector=born.dot, stamp=(1_001, 0))
    causal, body = full_rules(born)
    for forks, quick in ((set[bytes](), True), ({b"A" * 16}, False)):
        batch = Batch(SCHEMA, forks, {"r": ("thing", causal)})
        batch.offer(edit)
        for record in batch.wanting():
            batch.give_body(record, body)
        batch.settle()
        assert (batch.touched["r"].full is None) is quick


def test_a_change_that_names_another_of_its_own_number_is_of_a_fork() -> None:
    mine, copy = Desk(), Desk()
    first = mine.change({"a": 1})
    second = copy.change({"b": 2}, vector=first.dot, stamp=(1_001, 0))
    assert settled([first, second], {}).forks == {b"A" * 16}


def test_an_edit_overwrites_equal_values_of_two_writers_wherever_the_rest_stands() -> None:
    mine, hers = Desk(), Desk(b"B" * 16)
    for one, two in (({"a": 1}, {"a": 1, "b": 2}), ({"a": 1, "b": 2}, {"a": 1})):
        a = mine.change(one, stamp=(1_000, 0))
        b = hers.change(two, stamp=(2_000, 0))
        upon_stored(a, b, mine.change({"a": 5}, vector=a.dot + b.dot, stamp=(3_000, 0)))
