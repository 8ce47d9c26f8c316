# SPDX-License-Identifier: Apache-2.0
"""One household entered twice: which record speaks for it, and how the two are read as one."""

from __future__ import annotations

from typing import Any

import pytest

from sync.clock import Chains, Dot, Stamp, VersionVector, dot
from sync.joining import (
    JOINED_INTO,
    JOINED_SEEN,
    SEEN_CHARS_MAX,
    Joins,
    combined,
    joins,
    late_fields,
    seen_text,
)
from sync.record import RecordState, Void, Write

NO_FORKS: set[bytes] = set()


def written(writer: int, counter: int) -> Dot:
    return dot(bytes([writer]) * 16, counter, b"tag0")


def seen(*dots: Dot) -> str:
    return seen_text(b"".join(sorted(dots)))


# ---- which record speaks -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("into", "survivor"),
    [
        ({}, {}),
        ({"a": "b"}, {"a": "b"}),
        ({"a": "b", "b": "c"}, {"a": "c", "b": "c"}),
        ({"c": "b", "b": "a"}, {"c": "a", "b": "a"}),
        ({"a": None, "b": "", "c": "c"}, {}),
        ({"a": "c", "b": "c"}, {"a": "c", "b": "c"}),
    ],
)
def test_every_join_is_followed_to_its_end(
    into: dict[str, str | None], survivor: dict[str, str]
) -> None:
    assert joins(into) == Joins(survivor, ())


def test_a_join_into_what_is_not_held_is_not_followed() -> None:
    assert joins({"a": "b", "b": "c"}, ["a", "b"]).survivor == {"a": "b"}
    assert joins({"a": "b", "b": "c"}, []).survivor == {}
    assert joins({"a": "b", "b": "c"}, ["b", "c"]).survivor == {"a": "c", "b": "c"}


def test_joins_in_a_circle_join_nothing_and_what_leads_into_one_ends_where_it_enters() -> None:
    assert joins({"a": "b", "b": "a"}) == Joins({}, (("a", "b"),))
    assert joins({"c": "b", "b": "a", "a": "c"}) == Joins({}, (("a", "b", "c"),))
    led = joins({"z": "y", "y": "b", "a": "b", "b": "a"})
    assert led == Joins({"z": "b", "y": "b"}, (("a", "b"),))
    two = joins({"d": "e", "e": "d", "a": "b", "b": "a", "x": "w"})
    assert two == Joins({"x": "w"}, (("a", "b"), ("d", "e")))


def test_a_record_speaks_for_itself_and_for_those_joined_into_it() -> None:
    found = joins({"b": "a", "c": "a", "e": "d"})
    assert [found.of(x) for x in "abcdef"] == ["a", "a", "a", "d", "d", "f"]
    assert [found.aliases(x) for x in "adb"] == [["b", "c"], ["e"], []]


# ---- read as one ---------------------------------------------------------------------------------


def state(registers: dict[str, dict[Dot, Any]], **more: Any) -> RecordState:
    out = RecordState()
    out.registers = registers
    for name, value in more.items():
        setattr(out, name, value)
    return out


OWN, EARLY, LATE = written(1, 1), written(2, 1), written(2, 2)


def test_what_the_joiner_had_seen_only_fills_gaps_and_what_came_later_stands_beside() -> None:
    survivor = state({"phone": {OWN: "1"}, "note": {OWN: ""}, "name": {OWN: None}})
    other = state(
        {
            "phone": {EARLY: "2"},
            "note": {EARLY: "seen"},
            "name": {EARLY: "张"},
            "email": {EARLY: "e"},
            "street": {LATE: "late"},
        }
    )
    shown = combined(survivor, [(other, seen(EARLY))], NO_FORKS).registers
    assert shown["phone"] == {OWN: "1"}
    assert shown["note"] == {OWN: "", EARLY: "seen"}
    assert shown["name"] == {OWN: None, EARLY: "张"}
    assert shown["email"] == {EARLY: "e"}
    other.registers["phone"] = {LATE: "3"}
    shown = combined(survivor, [(other, seen(EARLY))], NO_FORKS).registers
    assert shown["phone"] == {OWN: "1", LATE: "3"}
    assert combined(survivor, [(other, seen(LATE))], NO_FORKS).registers["phone"] == {OWN: "1"}


@pytest.mark.parametrize("text", [None, "", "no hexadecimal", "00", 7, "00" * 28])
def test_where_it_is_not_known_what_was_seen_all_counts_as_late(text: object) -> None:
    survivor, other = state({"phone": {OWN: "1"}}), state({"phone": {EARLY: "2"}})
    shown = combined(survivor, [(other, text)], NO_FORKS).registers
    assert shown["phone"] == {OWN: "1", EARLY: "2"}
    assert late_fields(other, text, NO_FORKS) == {"phone"}


def test_the_fields_of_the_join_itself_are_never_read_from_the_other_record() -> None:
    other = state({JOINED_INTO: {LATE: "a"}, "phone": {LATE: "3"}, JOINED_SEEN: {LATE: "00"}})
    shown = combined(state({JOINED_INTO: {OWN: None}}), [(other, "")], NO_FORKS).registers
    assert shown == {JOINED_INTO: {OWN: None}, "phone": {LATE: "3"}}
    assert late_fields(other, "", NO_FORKS) == {"phone"}


def test_sets_counts_and_lists_of_all_records_come_together() -> None:
    def full(d: Dot, element: str) -> RecordState:
        return state(
            {},
            elements={("tags", element): {d: None}},
            counts={"seen": {d: 2}},
            appends={"log": {d: [element]}},
            writes={d: Write(Stamp(d[0], 0), "w")},
        )

    first, second, third = full(OWN, "x"), full(EARLY, "x"), full(LATE, "y")
    out = combined(first, [(second, ""), (third, seen(LATE))], NO_FORKS)
    assert out.elements == {("tags", "x"): {OWN: None, EARLY: None}, ("tags", "y"): {LATE: None}}
    assert out.counts == {"seen": {OWN: 2, EARLY: 2, LATE: 2}}
    assert out.appends == {"log": {OWN: ["x"], EARLY: ["x"], LATE: ["y"]}}
    assert set(out.writes) == {OWN, EARLY, LATE}
    new = combined(state({}), [(second, "")], NO_FORKS)
    assert (new.elements, new.counts, new.appends) == (
        second.elements,
        second.counts,
        second.appends,
    )


def test_reading_two_as_one_changes_neither_and_keeps_the_survivors_own_causality() -> None:
    survivor = state(
        {"phone": {OWN: "1"}},
        elements={("tags", "x"): {OWN: None}},
        counts={"seen": {OWN: 1}},
        appends={"log": {OWN: ["a"]}},
        vector=VersionVector(OWN),
        edits=VersionVector(OWN),
        stamp=Stamp(5, 1),
        voids={OWN: Void(VersionVector(OWN), "twice")},
        preds={OWN: ()},
        writes={OWN: Write(Stamp(5, 1), "w")},
    )
    other = state(
        {"phone": {LATE: "3"}},
        elements={("tags", "x"): {LATE: None}},
        counts={"seen": {LATE: 1}},
        appends={"log": {LATE: ["b"]}},
        writes={LATE: Write(Stamp(9, 0), "v")},
        preds={LATE: ()},
        voids={LATE: Void(VersionVector(LATE), "other")},
    )
    out = combined(survivor, [(other, "")], NO_FORKS)
    assert (out.vector, out.edits, out.stamp) == (survivor.vector, survivor.edits, Stamp(5, 1))
    assert (out.voids, out.preds) == (survivor.voids, survivor.preds)
    assert out.voided(Chains(NO_FORKS, out.preds))
    for kept, dots in (
        (survivor.registers["phone"], {OWN}),
        (survivor.elements["tags", "x"], {OWN}),
        (survivor.counts["seen"], {OWN}),
        (survivor.appends["log"], {OWN}),
        (survivor.writes, {OWN}),
        (other.registers["phone"], {LATE}),
        (other.writes, {LATE}),
    ):
        assert set(kept) == dots
    out.voids.clear()
    out.preds.clear()
    assert (set(survivor.voids), set(survivor.preds)) == ({OWN}, {OWN})


def test_late_fields_are_those_with_any_write_the_joiner_had_not_seen() -> None:
    other = state({"a": {EARLY: 1, LATE: 2}, "b": {EARLY: 1}, "c": {LATE: 1}})
    assert late_fields(other, seen(EARLY), NO_FORKS) == {"a", "c"}
    assert late_fields(other, seen(LATE), NO_FORKS) == set()


def test_a_fork_counts_as_seen_by_its_branch_and_not_by_its_number() -> None:
    one, two = (dot(bytes([2]) * 16, 2, tag) for tag in (b"tag1", b"tag2"))
    first = written(2, 1)
    other = state({"a": {one: 1}, "b": {two: 1}}, preds={one: (first,), two: (first,), first: ()})
    forks = {bytes([2]) * 16}
    assert late_fields(other, seen(one), forks) == {"b"}
    survivor = state({"a": {OWN: 0}, "b": {OWN: 0}})
    shown = combined(survivor, [(other, seen(one))], forks).registers
    assert shown == {"a": {OWN: 0}, "b": {OWN: 0, two: 1}}


def test_what_was_seen_is_kept_as_text_up_to_a_hundred_writers() -> None:
    assert seen_text(b"\x01\xff") == "01ff"
    assert len(seen_text(bytes(SEEN_CHARS_MAX // 2))) == SEEN_CHARS_MAX == 100 * 28 * 2
    assert seen_text(bytes(SEEN_CHARS_MAX // 2 + 1)) == ""
