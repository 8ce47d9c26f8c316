# SPDX-License-Identifier: Apache-2.0
"""The limits of every field, as they are asked of changes that arrive; and what passes unasked."""

from typing import Any

import pytest

from sync.change import ADD, APPEND, COUNT, REMOVE, TEXT_CHARS_MAX, Change
from sync.collections import SCHEMA
from sync.limits import Limits
from sync.schema import NAME_CHARS_MAX, REGISTERS, Field
from sync.validation import not_sealed, problems

LIMITS = Limits(SCHEMA)
FIELDS = [(c.name, f) for c in SCHEMA.collections.values() for f in c.fields]


def change(
    collection: str, sets: dict[str, Any], others: list[tuple[str, str, Any]] | None = None
) -> Change:
    return Change(
        "w", collection, tuple(sets), list(sets.values()), "r", b"", 1, 0, 0, others or []
    )


def writing(collection: str, name: str, value: Any) -> Change:
    """The change that writes one value on a field, by the operation of its policy."""
    match SCHEMA.policy(collection, name):
        case "union":
            return change(collection, {}, [(ADD, name, [value])])
        case "append":
            return change(collection, {}, [(APPEND, name, [value])])
        case "sum":
            return change(collection, {}, [(COUNT, name, value)])
    return change(collection, {name: value})


def beyond(field: Field) -> list[tuple[str, Any]]:
    """Values just beyond each limit a field declares, with the code a worker is told."""
    found: list[tuple[str, Any]] = []
    match field.kind:
        case "text":
            found.append(("value/too-long", "7" * (field.chars_max + 1)))
            if field.policy in REGISTERS:
                found.append(("value/kind-text", 7))
        case "integer" | "number":
            found.append((f"value/kind-{field.kind}", "x"))
            if field.minimum is not None:
                found.append(("value/too-small", int(field.minimum) - 1))
            if field.maximum is not None:
                found.append(("value/too-large", int(field.maximum) + 1))
        case "date":
            found.append(("value/kind-date", "2026-02-30"))
        case "time":
            found.append(("value/kind-time", "noon"))
        case "boolean":
            found.append(("value/kind-boolean", "yes"))
        case "choice":
            found.append(("value/choice", "x" * 60))
    if field.sealed:
        found.append(("value/no-key", "sealed/1:" + "A" * 98))
    if field.required and field.policy in REGISTERS:
        found.append(("value/required", None))
    if field.pattern:
        found.append(("value/pattern", "\u2603"))
    return found


@pytest.mark.parametrize(("collection", "name"), FIELDS)
def test_every_field_refuses_what_is_beyond_its_limits_on_both_sides(
    collection: str, name: str
) -> None:
    declared = SCHEMA.collections[collection]
    field = declared.fields[name]
    cases = beyond(field)
    assert cases
    for code, value in cases:
        given = [value] if field.policy == "union" else value
        at_the_door = problems(declared, {name: given}, False)
        assert [p.code for p in at_the_door] == [code], (name, code)
        assert field.label is not None
        for lang in ("zh", "en"):
            assert field.label.text(lang) in at_the_door[0].message(lang)
        arrived = LIMITS.broken(writing(collection, name, value))
        if field.sealed:
            # What it says is not looked at where it arrives, only that nobody can read it there.
            told = [] if code == "value/no-key" else [(name, "value/not-sealed")]
            assert [(p.field, p.code) for p in arrived] == told
            continue
        assert [(p.field, p.code) for p in arrived] == [(name, code)]


@pytest.mark.parametrize(
    "fine",
    [
        change("hamster", {"name": 7}),
        change("visit", {"cool_room": ["a", 1]}),
        change("visit", {"mode": "video_call"}),
        change("visit", {}, [(ADD, "services", ["haircut"])]),
        change("visit", {}, [(REMOVE, "services", [7])]),
        change("visit", {"services": "meal"}),
        change("household", {"phone": None}),
        change("household", {"phone": ""}),
        change("visit", {"at_ms": -(2**60)}),
        change("visit", {"temperature_c": 37}),
    ],
)
def test_what_only_a_newer_program_knows_breaks_no_limit(fine: Change) -> None:
    assert LIMITS.broken(fine) == []


@pytest.mark.parametrize(
    ("collection", "sets", "others"),
    [
        ("visit", {"services": ["meal", "x" * 60]}, []),
        ("household", {"notes": "x" * 2_001}, []),
        ("household", {}, [(ADD, "address", ["x" * 121])]),
        ("household", {"address": "\x07"}, []),
        ("household", {}, [(ADD, "categories", ["dibao"] * 41)]),
    ],
)
def test_an_operation_that_another_declaration_asks_for_keeps_the_limits_too(
    collection: str, sets: dict[str, Any], others: list[tuple[str, str, Any]]
) -> None:
    assert LIMITS.broken(change(collection, sets, others))


def test_a_breach_names_the_field_and_never_the_value() -> None:
    found = LIMITS.broken(change("household", {"phone": "secret words", "area": "440103"}))
    assert [p.field for p in found] == ["phone"]
    assert all("secret" not in p.message(lang) for p in found for lang in ("zh", "en"))


def test_no_declared_text_is_longer_than_a_change_may_carry() -> None:
    for collection in SCHEMA.collections.values():
        assert all(f.chars_max <= TEXT_CHARS_MAX for f in collection.fields.values())


def test_a_choice_that_is_no_label_is_none_of_a_newer_program() -> None:
    for value in ("", "x" * (NAME_CHARS_MAX + 1), 7):
        assert LIMITS.broken(change("visit", {}, [(ADD, "services", [value])])), value
    assert LIMITS.broken(change("visit", {}, [(ADD, "services", ["x" * NAME_CHARS_MAX])])) == []
    assert LIMITS.broken(change("visit", {}, [(ADD, "services", ["x"])])) == []


def test_a_value_in_the_clear_is_named_by_the_label_of_its_field() -> None:
    collection, name = next(
        (c, n) for c in SCHEMA.collections.values() for n, f in c.fields.items() if f.sealed
    )
    found = not_sealed(collection, name)
    label = collection.fields[name].label
    assert label is not None
    assert (found.field, found.code) == (name, "value/not-sealed")
    assert label.text("zh") in found.message("zh")
    assert label.text("en") in found.message("en")


@pytest.mark.parametrize(
    ("label", "good"),
    [("x", True), ("x" * NAME_CHARS_MAX, True), ("x" * (NAME_CHARS_MAX + 1), False), ("", False)],
)
def test_a_label_of_a_newer_program_is_as_long_as_names_are(label: str, good: bool) -> None:
    (name,) = [
        n for n, f in SCHEMA.collections["visit"].fields.items() if n == "outcome" and f.choices
    ]
    assert (LIMITS.broken(change("visit", {name: label})) == []) is good


def test_every_field_that_breaks_a_limit_is_named_whatever_follows_it() -> None:
    both = change("household", {"phone": "x" * 9_000}, [(ADD, "tags of a newer program", ["x"])])
    assert [one.field for one in LIMITS.broken(both)] == ["phone"]


def test_where_another_declaration_merges_otherwise_each_value_fits_by_itself() -> None:
    several = change("household", {}, [(ADD, "phone", ["13800138000", "13800138001"])])
    assert LIMITS.broken(several) == []
    wrong = change("household", {}, [(ADD, "phone", ["13800138000", "x" * 9_000])])
    assert [one.field for one in LIMITS.broken(wrong)] == ["phone"]
