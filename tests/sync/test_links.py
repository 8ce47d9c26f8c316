# SPDX-License-Identifier: Apache-2.0
"""References that lead nowhere any more."""

from __future__ import annotations

from typing import Any

import pytest

from sync.collections import SCHEMA
from sync.joining import Joins, joins
from sync.links import Broken, Linked, broken_links, circles, targets

NO_JOINS = Joins({}, ())


def first_reference(to: str) -> tuple[str, str]:
    """A collection and a field of it that leads to records of ``to``."""
    return next(
        (name, field_name)
        for name, declared in sorted(SCHEMA.collections.items())
        for field_name, field in declared.fields.items()
        if to in (field.refers_to or ()) and field_name not in ("joined_into", "known_apart")
    )


COLLECTION, PERSON = first_reference("person")


def record(home: str, voided: bool = False, collection: str = COLLECTION, **values: Any) -> Linked:
    return collection, home, voided, values


def test_the_collections_declare_references_to_persons() -> None:
    assert PERSON in SCHEMA.collections[COLLECTION].fields


@pytest.mark.parametrize(
    ("there", "wrong"),
    [
        (None, "missing"),
        (record("h1", True, "person"), "voided"),
        (record("h2", False, "person"), "moved"),
        (record("h1", False, "person"), None),
        (record("h2", False, "household"), None),
    ],
)
def test_a_reference_is_broken_where_its_target_is_missing_void_or_moved(
    there: Linked | None, wrong: str | None
) -> None:
    held = {"a": record("h1", **{PERSON: "p1"})} | ({"p1": there} if there else {})
    told = [] if wrong is None else [Broken("a", COLLECTION, "h1", PERSON, "p1", wrong)]
    assert broken_links(SCHEMA, held, NO_JOINS) == told


def test_a_person_reached_through_a_join_has_not_moved() -> None:
    held = {
        "a": record("h1", **{PERSON: "p1"}),
        "b": record("h1", **{PERSON: "h1"}),
        "p1": record("h2", False, "person"),
        "h1": record("h9", False, "person"),
    }
    assert broken_links(SCHEMA, held, joins({"h2": "h1"}, ["h1", "h2"])) == []
    assert broken_links(SCHEMA, held, joins({"h1": "h2"}, ["h1", "h2"])) == []
    assert [one.record for one in broken_links(SCHEMA, held, NO_JOINS)] == ["a"]


def test_void_records_and_unknown_collections_have_no_broken_references() -> None:
    held = {
        "a": record("h1", True, **{PERSON: "gone"}),
        "b": record("h1", False, "of a newer program", **{PERSON: "gone"}),
        "c": record("h1", **{PERSON: "gone"}),
        "d": record("h1", joined_into="gone", known_apart=["gone"], joined_seen="gone"),
        "e": record("h1", False, "household", joined_into="gone", known_apart=["gone"]),
        "f": record("h1"),
    }
    assert [one.record for one in broken_links(SCHEMA, held, NO_JOINS)] == ["c"]


def test_broken_references_stand_in_order_of_home_record_field_and_target() -> None:
    held = {
        "b": record("h1", **{PERSON: ["y", "x"]}),
        "a": record("h1", **{PERSON: "z"}),
        "c": record("h0", **{PERSON: "z"}),
    }
    told = broken_links(SCHEMA, held, NO_JOINS)
    assert [(one.home, one.record, one.to) for one in told] == [
        ("h0", "c", "z"),
        ("h1", "a", "z"),
        ("h1", "b", "x"),
        ("h1", "b", "y"),
    ]


def test_a_team_that_is_no_more_is_told_where_the_teams_are_known() -> None:
    collection, field, offices = next(
        (name, field_name, found.names)
        for name, declared in sorted(SCHEMA.collections.items())
        for field_name, found in declared.fields.items()
        if found.names and not found.refers_to
    )
    held = {"a": record("h1", False, collection, **{field: ["t1", "t2"]})}
    told = broken_links(SCHEMA, held, NO_JOINS, {offices: {"t1"}})
    assert told == [Broken("a", collection, "h1", field, "t2", "dissolved")]
    assert broken_links(SCHEMA, held, NO_JOINS) == []
    assert broken_links(SCHEMA, held, NO_JOINS, {"of another kind": set()}) == []
    assert len(broken_links(SCHEMA, held, NO_JOINS, {offices: set()})) == 2


def test_households_joined_in_a_circle_are_a_line_each() -> None:
    held = {
        "h1": record("h1", False, "household", joined_into="h2"),
        "h2": record("h2", False, "household", joined_into="h1"),
        "h3": record("h3", False, "household"),
    }
    round_and_round = joins({"h1": "h2", "h2": "h1"}, held)
    lines = [
        Broken("h1", "household", "h1", "joined_into", "h2", "circle"),
        Broken("h2", "household", "h2", "joined_into", "h1", "circle"),
    ]
    assert list(circles(held, round_and_round)) == lines
    assert broken_links(SCHEMA, held, round_and_round) == lines
    undone = {**held, "h1": record("h1", False, "household")}
    assert next(circles(undone, round_and_round)).to == ""


@pytest.mark.parametrize(
    ("value", "leads_to"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ("", []), (None, []), (7, []), (["", 7, "c"], ["c"])],
)
def test_a_reference_leads_to_the_ids_it_holds(value: object, leads_to: list[str]) -> None:
    assert list(targets(value)) == leads_to
