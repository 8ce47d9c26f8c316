# SPDX-License-Identifier: Apache-2.0
"""What a writing brings along: the declarations are sound, and carrying them out is pure."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sync.behaviour import CREATED, Fill, Follows, Opens, Step
from sync.change import ADD, COUNT, REMOVE
from sync.collections import SCHEMA
from sync.effects import (
    Moment,
    Shown,
    Writing,
    born,
    brought,
    day_of,
    days_after,
    filled,
    keyed_id,
    missing_steps,
    record_of,
)
from sync.schema import Collection, Field, Label, Schema
from sync.validation import problems

MOMENT = Moment(1_780_963_200_000, "w1")
COLLECTIONS = list(SCHEMA.collections.values())
WORDS = {"@now", "@today", "@worker", "@record", "@each"}


def givens(collection: Collection) -> Iterator[tuple[Collection, str, Any]]:
    """Every (collection, field, value given) that a declaration writes, and every key."""
    for fill in collection.fills:
        for part in (fill.sets, fill.firsts, fill.adds, fill.counts):
            yield from ((collection, name, value) for name, value in part.items())
    for opening in collection.opens:
        to = SCHEMA.collections[opening.collection]
        for part in (opening.sets, opening.adds, opening.again):
            yield from ((to, name, value) for name, value in part.items())
    for follows in collection.follows:
        link = collection.fields[follows.link]
        to = SCHEMA.collections[link.refers_to]
        yield from ((to, name, value) for name, value in follows.sets.items())


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda c: c.name)
def test_what_a_collection_declares_can_be_written(collection: Collection) -> None:
    for to, name, value in givens(collection):
        assert name in to.fields, (to.name, name)
        if isinstance(value, str) and value.startswith("="):
            assert value[1:] in collection.fields
        elif isinstance(value, str) and value.startswith("@"):
            assert value.partition("+")[0] in WORDS
        elif value is not None:
            given = [value] if to.fields[name].policy == "union" else value
            assert problems(to, {name: given}, False) == []


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda c: c.name)
def test_what_a_collection_waits_for_can_happen(collection: Collection) -> None:
    for what in (*collection.fills, *collection.opens, *collection.follows, *collection.steps):
        if isinstance(what, Fill) and what.field == CREATED:
            continue
        field = collection.fields[what.field]
        choices = {c.value for c in field.choices}
        assert set(what.values) <= choices, (collection.name, what.field)
        assert len(what.why) > 10
    for step in collection.steps:
        assert set(step.needs) <= collection.fields.keys()
        assert set(step.after) <= {c.value for c in collection.fields[step.field].choices}
    assert set(collection.one_per) <= collection.fields.keys()


def test_behaviour_travels_with_the_declarations_and_older_ones_have_none() -> None:
    again = msgspec.json.decode(msgspec.json.encode(SCHEMA), type=Schema)
    assert again == SCHEMA
    older = msgspec.json.decode(
        b'{"name": "x", "label": {"zh": "x"}, "fields": {}}', type=Collection
    )
    assert (older.fills, older.opens, older.steps, older.one_per) == ((), (), (), ())


def test_what_the_writer_gave_is_not_replaced() -> None:
    need = SCHEMA.collections["need"]
    made = born(need, {"kind": "rice", "found_at_ms": 5, "reporter": "w9"}, MOMENT)
    assert (made["found_at_ms"], made["reporter"], made["status"]) == (5, "w9", "open")
    accepted = Writing("need", "n", {"status": "accepted", "owner": "w7"}, [])
    found = filled(SCHEMA, accepted, {"status": "open"}, MOMENT)
    assert (found.sets["owner"], found.sets["accepted_at_ms"]) == ("w7", MOMENT.now_ms)


def test_what_is_said_again_does_not_happen_again() -> None:
    again = Writing("need", "n", {"status": "reopened"}, [])
    shown = {"status": "reopened", "solved_at_ms": 7}
    assert filled(SCHEMA, again, shown, MOMENT) == again


def test_the_first_moment_is_kept() -> None:
    accepted = Writing("need", "n", {"status": "accepted"}, [])
    found = filled(SCHEMA, accepted, {"status": "open", "accepted_at_ms": 3}, MOMENT)
    assert "accepted_at_ms" not in found.sets


def filled_by(fill: Fill, writing: Writing, before: dict[str, Any]) -> Writing:
    finding = msgspec.structs.replace(GRAVE.collections["finding"], fills=(fill,))
    return filled(Schema({"finding": finding}), writing, before, MOMENT)


HIGH = {"risk": "high"}


@pytest.mark.parametrize(
    ("adds", "sets", "before", "added"),
    [
        ({"tags": "=note"}, {"note": "x"}, {}, ["x"]),
        ({"tags": "=note"}, {}, {"note": "y"}, ["y"]),
        ({"tags": "=note"}, {"note": "x"}, {"tags": ["x"]}, []),
        ({"tags": "=note"}, {"note": "x"}, {"tags": ["y"]}, ["x"]),
        ({"tags": "=note"}, {}, {}, []),
        ({"tags": "=note"}, {"note": "x", "tags": "own"}, {}, []),
        ({"tags": "@worker"}, {}, {}, ["w1"]),
        ({"tags": "@now"}, {}, {}, [MOMENT.now_ms]),
        ({"tags": "@record"}, {}, {}, ["f"]),
        ({"tags": "@today"}, {}, {}, ["2026-06-09"]),
        ({"tags": "@today+2"}, {}, {}, ["2026-06-11"]),
    ],
)
def test_what_a_rule_adds_is_added_where_it_is_not_there_yet(
    adds: dict[str, Any], sets: dict[str, Any], before: dict[str, Any], added: list[Any]
) -> None:
    fill = Fill(why="x", field="risk", values=("high",), adds=adds)
    found = filled_by(fill, Writing("finding", "f", HIGH | sets, []), before)
    assert found.others == ([(ADD, "tags", added)] if added else [])


def test_what_a_rule_fills_in_names_its_record_and_moment_and_empties_what_stands() -> None:
    sets = {"by": "@worker", "of": "@record", "at": "@now", "like": "=note", "gone": None}
    fill = Fill(why="x", field="risk", values=("high",), sets=sets)
    told = {"by": "w1", "of": "f", "at": MOMENT.now_ms, "like": "n"}
    writing = Writing("finding", "f", HIGH | {"note": "n"}, [])
    assert filled_by(fill, writing, {}).sets == writing.sets | told
    assert filled_by(fill, writing, {"gone": "x"}).sets == writing.sets | told | {"gone": None}
    new = filled_by(fill, Writing("finding", None, dict(HIGH), []), {})
    assert new.sets == HIGH | {"by": "w1", "of": "", "at": MOMENT.now_ms}
    first = Fill(why="x", field="risk", values=("high",), firsts={"note": "@worker"})
    for before, note in (({}, "w1"), ({"note": ""}, "w1"), ({"note": "x"}, None)):
        assert filled_by(first, Writing("finding", "f", HIGH, []), before).sets.get("note") == note
    adds = Fill(why="x", field="risk", values=("high",), adds={"tags": "@record"})
    assert filled_by(adds, Writing("finding", None, dict(HIGH), []), {}).others == []


def test_what_one_rule_fills_in_stands_against_the_next() -> None:
    first = Fill(why="x", field="risk", values=("high",), sets={"note": "first"}, counts={"n": 1})
    fills = (first, msgspec.structs.replace(first, sets={"note": "second"}, counts={"n": 2}))
    finding = msgspec.structs.replace(GRAVE.collections["finding"], fills=fills)
    writing = Writing("finding", "f", {"risk": "high"}, [])
    found = filled(Schema({"finding": finding}), writing, {}, MOMENT)
    assert (found.sets["note"], found.others) == ("first", [(COUNT, "n", 1)])


def test_an_opening_needs_no_link_and_keeps_an_open_record_as_it_is() -> None:
    graded = Writing("assessment", "a1", {"household": "h", "grade": "poor"}, [])
    held: dict[str, Shown] = {"a1": Shown("assessment", dict(graded.sets))}
    (need,) = brought(SCHEMA, graded, "a1", held.get, MOMENT)
    assert (need.collection, need.sets["status"]) == ("need", "open")
    assert need.record == keyed_id("need", ["h", "", "care"])
    held[str(need.record)] = Shown("need", {**need.sets, "assessments": ["a1"]})
    assert brought(SCHEMA, graded, "a1", held.get, MOMENT) == []
    held[str(need.record)] = Shown("need", {**need.sets, "status": "closed"})
    (again,) = brought(SCHEMA, graded, "a1", held.get, MOMENT)
    assert again.sets["status"] == "reopened"
    assert ("count", "reopened_count", 1) in again.others


def test_what_follows_is_written_only_on_what_is_held() -> None:
    parcel = Writing("parcel", "p", {"status": "on_the_way"}, [])
    held = {
        "p": Shown("parcel", {"status": "on_the_way", "shortages": ["s1", "s2"]}),
        "s1": Shown("shortage", {"status": "found"}),
    }
    assert [w.record for w in brought(SCHEMA, parcel, "p", held.get, MOMENT)] == ["s1"]


def test_a_collection_that_is_not_declared_brings_nothing() -> None:
    writing = Writing("hamster", "x", {"status": "open"}, [])
    assert filled(SCHEMA, writing, {}, MOMENT) == writing
    assert brought(SCHEMA, writing, "x", {}.get, MOMENT) == []
    assert missing_steps(SCHEMA, writing, {}) == []


def test_one_record_per_key_has_an_id_like_any_other() -> None:
    helper = SCHEMA.collections["helper_assignment"]
    found = record_of(helper, {"household": "h", "helper": "x"})
    assert found == record_of(helper, {"household": "h", "person": None, "helper": "y"})
    assert found != record_of(helper, {"household": "h", "person": "p"})
    assert found is not None
    assert len(found) == 22
    assert record_of(SCHEMA.collections["visit"], {"household": "h"}) is None


@pytest.mark.parametrize(
    ("at_ms", "day"),
    [
        (0, "1970-01-01"),
        (1_700_000_000_000, "2023-11-15"),  # 22:13 in London, 06:13 the next day in Guangzhou
        (-62_135_596_800_000, "0001-01-01"),
        (-46_388_678_400_000, "0500-01-01"),
        (-(2**60), "0001-01-01"),
        (2**60, "9999-12-31"),
    ],
)
def test_a_day_is_a_day_in_china_whatever_the_clock_says(at_ms: int, day: str) -> None:
    assert day_of(at_ms) == day


def test_days_after_the_last_day_are_the_last_day() -> None:
    assert days_after("2023-12-31", 1) == "2024-01-01"
    assert days_after("9999-12-31", 30) == "9999-12-31"


def test_a_new_record_has_in_its_sets_what_its_making_adds() -> None:
    adding = msgspec.structs.replace(
        SCHEMA.collections["visit"],
        fills=(Fill(why="made", sets={"a": 1}, firsts={"f": "=a"}, adds={"by": "@worker"}),),
    )
    assert born(adding, {}, MOMENT) == {"a": 1, "f": 1, "by": ["w1"]}
    assert born(adding, {"a": "", "f": None, "by": []}, MOMENT) == {"a": 1, "f": 1, "by": ["w1"]}
    assert born(adding, {"a": 0, "f": 2, "by": ["w2"]}, MOMENT) == {"a": 0, "f": 2, "by": ["w2"]}


GRAVE = Schema(
    {
        "finding": Collection(
            name="finding",
            label=Label(zh="所见"),
            fields={"risk": Field(kind="any"), "tags": Field(kind="any", policy="union")},
            opens=(
                Opens(
                    why="risk",
                    field="risk",
                    collection="case",
                    key=("@record",),
                    sets={"status": "open", "urgency": "=risk", "note": "@each", "gone": "=gone"},
                    adds={"from": "@record"},
                    again={"status": "again", "gone": "=gone"},
                ),
            ),
        ),
        "case": Collection(
            name="case",
            label=Label(zh="事"),
            fields={
                "status": Field(order=("found", "open", "again", "closed"), kind="any"),
                "urgency": Field(order=("low", "high", "life"), kind="any"),
                "note": Field(kind="any"),
                "from": Field(kind="any", policy="union"),
            },
        ),
    }
)


@pytest.mark.parametrize(
    ("there", "sets"),
    [
        (None, {"status": "open", "urgency": "high", "note": "high"}),
        ({"status": "open", "urgency": "low"}, {"urgency": "high"}),
        ({"status": "open", "urgency": "high"}, {}),
        ({"status": "open", "urgency": "life"}, {}),
        ({"status": "found", "urgency": "high"}, {}),
        ({"status": "open", "urgency": "of a newer program"}, {}),
        ({"status": "open"}, {}),
        ({"status": "again", "urgency": "low", "note": "old"}, {"urgency": "high"}),
        ({"status": "closed", "urgency": "low"}, {"status": "again", "gone": None}),
    ],
)
def test_what_is_open_already_is_only_made_graver_and_what_ended_begins_again(
    there: dict[str, Any] | None, sets: dict[str, Any]
) -> None:
    writing = Writing("finding", "f", {"risk": "high"}, [])
    case = keyed_id("case", ["f"])
    held = {"f": Shown("finding", writing.sets)}
    if there is not None:
        held[case] = Shown("case", {"from": ["f"], **there})
    found = brought(GRAVE, writing, "f", held.get, MOMENT)
    adds = [(ADD, "from", ["f"])] if there is None else []
    assert found == ([Writing("case", case, sets, adds)] if sets else [])


def test_an_opening_adds_only_what_is_not_there_yet() -> None:
    writing = Writing("finding", "f", {"risk": "low"}, [])
    case = keyed_id("case", ["f"])
    for known, adds in (([], [(ADD, "from", ["f"])]), (["g"], [(ADD, "from", ["f"])]), (["f"], [])):
        there = Shown("case", {"status": "open", "urgency": "low", "from": known})
        held = {"f": Shown("finding", writing.sets), case: there}
        found = brought(GRAVE, writing, "f", held.get, MOMENT)
        assert found == ([Writing("case", case, {}, adds)] if adds else [])


@pytest.mark.parametrize("nothing", [None, "", False])
def test_what_is_cleared_opens_nothing(nothing: Any) -> None:
    writing = Writing("finding", "f", {"risk": nothing}, [])
    assert brought(GRAVE, writing, "f", {"f": Shown("finding", {})}.get, MOMENT) == []
    # Nor does what was written on another field, or taken out of a set.
    other = Writing(
        "finding", "f", {"tags": "x"}, [(ADD, "tags", ["high"]), (REMOVE, "risk", ["x"])]
    )
    assert brought(GRAVE, other, "f", {"f": Shown("finding", {})}.get, MOMENT) == []
    added = Writing("finding", "f", {}, [(ADD, "risk", ["high"])])
    assert len(brought(GRAVE, added, "f", {"f": Shown("finding", {})}.get, MOMENT)) == 1


def test_what_is_not_held_ends_no_following_and_what_follows_is_filled() -> None:
    follows = Follows(
        why="x", field="risk", values=("high",), link="tags", sets={"status": "again"}
    )
    other = Follows(why="x", field="other", values=("x",), link="tags", sets={"note": "no"})
    finding = msgspec.structs.replace(
        GRAVE.collections["finding"], opens=(), follows=(other, follows)
    )
    at = Fill(why="x", field="status", values=("again",), sets={"note": "@now"})
    case = msgspec.structs.replace(GRAVE.collections["case"], fills=(at,))
    schema = Schema({"finding": finding, "case": case})
    writing = Writing("finding", "f", {"risk": "high"}, [])
    held = {
        "f": Shown("finding", {"tags": ["away", "c"]}),
        "c": Shown("case", {"status": "open"}),
    }
    sets = {"status": "again", "note": MOMENT.now_ms}
    assert brought(schema, writing, "f", held.get, MOMENT) == [Writing("case", "c", sets, [])]
    alone = Writing("finding", "f", {"risk": "high", "tags": "c"}, [])
    found = brought(schema, alone, "f", {"c": held["c"]}.get, MOMENT)
    assert found == [Writing("case", "c", sets, [])]


def test_a_step_is_asked_for_where_what_it_needs_is_empty() -> None:
    step = Step(why="x", field="risk", values=("high",), needs=("tags", "note"))
    finding = msgspec.structs.replace(GRAVE.collections["finding"], steps=(step,))
    schema = Schema({"finding": finding})
    for before, missing in (
        ({}, 1),
        ({"note": ""}, 1),
        ({"tags": []}, 1),
        ({"tags": ["x"]}, 0),
        ({"note": "x"}, 0),
        ({"risk": "high"}, 0),
    ):
        assert len(missing_steps(schema, Writing("finding", "f", HIGH, []), before)) == missing


def test_an_id_of_a_key_is_as_long_as_any_whatever_the_key() -> None:
    assert {len(keyed_id("case", [n])) for n in range(50)} == {22}
    assert not any("=" in keyed_id("case", [n]) for n in range(50))


def test_what_follows_may_name_the_record_it_follows_from() -> None:
    follows = Follows(
        why="x", field="risk", values=("high",), link="tags", sets={"note": "@record"}
    )
    finding = msgspec.structs.replace(GRAVE.collections["finding"], opens=(), follows=(follows,))
    schema = Schema({**GRAVE.collections, "finding": finding})
    writing = Writing("finding", "f", {"risk": "high"}, [])
    held = {"f": Shown("finding", {"tags": ["c"]}), "c": Shown("case", {"note": "x"})}
    found = brought(schema, writing, "f", held.get, MOMENT)
    assert found == [Writing("case", "c", {"note": "f"}, [])]


def test_a_day_in_china_does_not_hang_on_where_the_machine_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        # Half past four in the afternoon in London, past midnight in Guangzhou.
        assert day_of(1_700_065_800_000) == "2023-11-16"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_a_collection_of_a_newer_program_holds_is_made_no_graver() -> None:
    finding = Schema({"finding": GRAVE.collections["finding"]})
    case = keyed_id("case", ["f"])
    writing = Writing("finding", "f", {"risk": "life"}, [])
    held = {"f": Shown("finding", writing.sets), case: Shown("case", {"urgency": "low"})}
    assert brought(finding, writing, "f", held.get, MOMENT) == [
        Writing("case", case, {}, [(ADD, "from", ["f"])])
    ]


def test_a_step_that_is_taken_too_early_is_named_by_its_value() -> None:
    step = Step(why="x", field="risk", values=("high",), after=("low", "none"))
    finding = msgspec.structs.replace(GRAVE.collections["finding"], steps=(step,))
    schema = Schema({"finding": finding})
    (found,) = missing_steps(schema, Writing("finding", "f", HIGH, []), {"risk": "middle"})
    assert "“high”" in found.en
    assert "“low” or “none”" in found.en
    for before in ({"risk": "low"}, {"risk": "none"}, {}):
        assert missing_steps(schema, Writing("finding", "f", HIGH, []), before) == []
