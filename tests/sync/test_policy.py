# SPDX-License-Identifier: Apache-2.0
"""Policies: which sibling is shown, and what counts as a conflict."""

import itertools
from typing import Any

import pytest

from sync.change import Change, Entry, encode_change, entry_of
from sync.clock import Stamp
from sync.policy import (
    SETTLED_BY_RULE,
    FieldShown,
    Sibling,
    append_value,
    choose,
    in_conflict,
    kinds,
    same_key,
    show,
)
from sync.record import RecordState, apply_change, chains_for
from sync.schema import REGISTERS, Field, plain_schema

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16
SCHEMA = plain_schema(
    {
        "thing": {
            "latest": "latest",
            "ask": "ask",
            "high": "highest",
            "low": "lowest",
            "stage": {"policy": "highest", "order": ["closed", "open", "urgent"]},
            "calm": {"policy": "lowest", "order": ["closed", "open", "urgent"]},
            "set": "union",
            "sum": "sum",
            "log": "append",
        }
    }
)


def entry(
    replica: bytes,
    sets: dict[str, Any],
    others: list[Any] | None = None,
    ms: int = 1_000,
    n: int = 0,
) -> Entry:
    change = Change(
        "w", "thing", tuple(sets), list(sets.values()), "r", b"", ms, n, 0, others or []
    )
    return entry_of(replica, 1, bytes(16), encode_change(change))


def shown(*entries: Entry) -> dict[str, FieldShown]:
    results = []
    for order in itertools.permutations(entries):
        state = RecordState()
        for e in order:
            apply_change(state, e, chains_for(state, set()))
        results.append(show(state, SCHEMA, "thing", set()).fields)
    assert all(one == results[0] for one in results)  # the order of arrival does not matter
    return results[0]


@pytest.mark.parametrize("field", ["latest", "ask", "undeclared"])
def test_the_sibling_with_the_highest_stamp_is_shown(field: str) -> None:
    found = shown(
        entry(A, {field: "old"}, ms=1_000),
        entry(B, {field: "new"}, ms=2_000),
        entry(C, {field: "middle"}, ms=1_000, n=5),
    )[field]
    assert found.value == "new"
    assert [s.value for s in found.siblings] == ["old", "middle", "new"]
    assert found.conflict
    assert found.policy == ("latest" if field == "latest" else "ask")


@pytest.mark.parametrize("field", ["latest", "ask"])
def test_equal_stamps_are_ordered_by_replica(field: str) -> None:
    assert shown(entry(B, {field: "b"}), entry(A, {field: "a"}))[field].value == "b"
    assert shown(entry(B, {field: "1"}), entry(C, {field: "0"}))[field].value == "0"


@pytest.mark.parametrize(
    ("field", "one", "other", "wins"),
    [
        ("high", 2, 10, 10),
        ("high", 2.5, 2, 2.5),
        ("high", -1, -2, -1),
        ("high", None, -5, -5),
        ("high", True, -5, -5),
        ("high", "zzz", 0, 0),
        ("low", 2, 10, 2),
        ("low", 2.5, 2, 2),
        ("stage", "closed", "open", "open"),
        ("stage", "urgent", "open", "urgent"),
        ("stage", "unknown", "closed", "closed"),
        ("stage", None, "closed", "closed"),
        ("stage", ["open"], "closed", "closed"),
        ("calm", "urgent", "open", "open"),
        ("calm", "closed", "open", "closed"),
        ("calm", "unknown", "closed", "unknown"),
        ("stage", "unknown", "strange", "unknown"),
        ("calm", "unknown", "strange", "strange"),
    ],
)
def test_the_extreme_is_shown_by_number_or_by_the_order_of_labels(
    field: str, one: Any, other: Any, wins: Any
) -> None:
    # Whoever wrote it, and whenever.
    for x, y in ((one, other), (other, one)):
        found = shown(entry(A, {field: x}, ms=5_000), entry(B, {field: y}, ms=1_000))[field]
        assert found.value == wins
        assert found.conflict


@pytest.mark.parametrize("field", ["high", "low", "stage", "calm"])
def test_among_equal_extremes_the_latest_sibling_is_shown(field: str) -> None:
    value = "open" if field in ("stage", "calm") else 1
    other = {"stage": "closed", "calm": "urgent", "high": 0, "low": 2}[field]
    siblings = tuple(
        Sibling(bytes([i]) * 28, v, Stamp(ms, 0), "w")
        for i, (v, ms) in enumerate([(value, 1), (value, 2), (other, 3)])
    )
    declared = SCHEMA.field("thing", field)
    assert choose(siblings, declared) == siblings[1]


def test_a_life_cycle_reopened_here_while_closed_there_stays_open() -> None:
    assert (
        shown(entry(A, {"stage": "open"}), entry(B, {"stage": "closed"}, ms=9_000))["stage"].value
        == "open"
    )


@pytest.mark.parametrize(
    ("x", "y", "same"),
    [
        (1, 1, True),
        (1, 2, False),
        (1, True, False),
        (0, False, False),
        (1, "1", False),
        (None, False, False),
        ("", None, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ([1, 2], [2, 1], False),
        ([1, 2], [1, 2], True),
        (2**60, 2**60 + 1, False),
    ],
)
def test_equal_values_are_no_conflict_and_different_ones_are(x: Any, y: Any, same: bool) -> None:
    assert (same_key(x) == same_key(y)) is same
    found = shown(entry(A, {"ask": x}), entry(B, {"ask": y}))["ask"]
    assert found.conflict is not same
    assert len(found.siblings) == 2


def test_one_sibling_alone_is_no_conflict() -> None:
    found = shown(entry(A, {"ask": "x"}))["ask"]
    assert (found.value, found.conflict, len(found.siblings)) == ("x", False, 1)
    assert not in_conflict(())


def test_sets_sums_and_lists_are_never_in_conflict() -> None:
    found = shown(
        entry(A, {}, [("add", "set", ["x", 2]), ("count", "sum", 3), ("append", "log", ["a"])]),
        entry(B, {}, [("add", "set", ["y", 10]), ("count", "sum", 4), ("append", "log", ["b"])]),
    )
    assert {name: (f.value, f.conflict, f.policy) for name, f in found.items()} == {
        "set": ([2, 10, "x", "y"], False, "union"),
        "sum": (7, False, "sum"),
        "log": (["a", "b"], False, "append"),
    }


def test_a_field_two_declarations_disagree_about_shows_the_set_value_and_loses_nothing() -> None:
    both = (entry(A, {"f": "x"}), entry(B, {}, [("append", "f", ["y"]), ("count", "f", 2)]))
    assert shown(*both)["f"].value == "x"
    state = RecordState()
    for e in both:
        apply_change(state, e, chains_for(state, set()))
    assert state.appends["f"] == {both[1].dot: ["y"]}
    assert state.counts["f"] == {both[1].dot: 2}
    assert kinds(state) == {"f": "register"}


def test_a_set_value_under_a_policy_of_sets_is_shown_as_ask() -> None:
    assert shown(entry(A, {"set": "x"}))["set"].policy == "ask"


def test_every_register_policy_but_ask_settles_its_conflicts() -> None:
    assert {"ask"} == REGISTERS - SETTLED_BY_RULE


def test_the_choice_depends_on_the_declaration_only() -> None:
    siblings = tuple(Sibling(bytes([i]) * 28, i, Stamp(i, 0), "w") for i in (1, 2, 3))
    assert choose(siblings, Field(policy="lowest")).value == 1
    assert choose(siblings, Field(policy="highest")).value == 3
    assert choose(siblings, Field(policy="latest")).value == 3


@pytest.mark.parametrize(
    ("field", "value"), [("high", 3), ("low", 3), ("stage", "closed"), ("calm", "urgent")]
)
def test_a_cleared_field_is_no_extreme_beside_a_value(field: str, value: Any) -> None:
    for cleared_ms in (1_000, 9_000):
        found = shown(entry(A, {field: value}, ms=5_000), entry(B, {field: None}, ms=cleared_ms))
        assert found[field].value == value
        assert found[field].conflict
    assert shown(entry(A, {field: None}), entry(B, {field: None}, ms=2_000))[field].value is None


def test_what_nobody_wrote_has_no_entries_and_no_moment() -> None:
    state = RecordState()
    assert append_value(state, "notes") == []
    assert state.stamp == Stamp(0, 0)
