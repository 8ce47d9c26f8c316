# SPDX-License-Identifier: Apache-2.0
"""The check of values: every limit refuses what is one past it and takes what is at it.

What lives here: each problem code met by a value, with the words a worker reads.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.behaviour import Step
from sync.change import TEXT_CHARS_MAX, check_writable
from sync.collections import SCHEMA
from sync.errors import ChangeInvalid
from sync.schema import NAME_CHARS_MAX, Choice, Collection, Field, Label
from sync.validation import (
    CODES,
    DEPTH_MAX,
    Problem,
    no_key,
    not_sealed,
    problems,
    step_problem,
)

HOUSEHOLD = SCHEMA.collections["household"]
VISIT = SCHEMA.collections["visit"]
NEW_HOUSEHOLD = {
    "area": "440103019003007",
    "address": "东漖北路 3 号 201",
    "head_name": "陈桂兰",
}
TOY = Collection(
    name="toy",
    label=Label(zh="试验", en="Toy"),
    fields={
        "text": Field(chars_max=5, label=Label(zh="文字", en="Text")),
        "must": Field(required=True),
        "whole": Field(kind="integer", minimum=-2, maximum=1_500, unit="kg"),
        "part": Field(kind="number", minimum=30, maximum=45),
        "flag": Field(kind="boolean"),
        "day": Field(kind="date"),
        "moment": Field(kind="time"),
        "rank": Field(kind="choice", policy="highest", order=("low", "high")),
        "code": Field(pattern="[0-9]{3}"),
        "rows": Field(kind="list", items_max=2, chars_max=5),
        "shape": Field(kind="object", items_max=2),
        "tags": Field(policy="union", items_max=2, chars_max=5),
        "numbers": Field(policy="union", kind="integer"),
        "given": Field(policy="sum", kind="integer", maximum=10),
        "log": Field(policy="append", chars_max=5, items_max=2),
        "secret": Field(sealed=True),
    },
)


def codes(values: dict[str, Any], collection: Collection = TOY) -> dict[str, str]:
    return {p.field: p.code for p in problems(collection, values, creating=False)}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


GOOD: list[tuple[str, Any]] = [
    ("text", "五个字正好"),
    ("text", ""),
    ("text", None),
    ("text", "a\n\tb"),
    ("whole", -2),
    ("whole", 1_500),
    ("part", 36),
    ("part", 45.0),
    ("flag", False),
    ("day", "2028-02-29"),
    ("moment", 835_000_000_000),
    ("moment", -(2**63)),
    ("rank", "high"),
    ("code", "123"),
    ("rows", ["12345"]),
    ("code", ""),
    ("rows", ["a", "b"]),
    ("rows", [nested(DEPTH_MAX - 1)]),
    ("shape", {"a": 1, "b": [2.5, None, True]}),
    ("tags", ["a", "b"]),
    ("numbers", [1, 2]),
    ("tags", "a"),
    ("tags", []),
    ("given", -3),
    ("log", "hello"),
    ("log", ["a", "b"]),
]
BAD: list[tuple[str, Any, str]] = [
    ("text", "六个字就多了", "value/too-long"),
    ("text", 5, "value/kind-text"),
    ("text", "a\x00", "value/characters"),
    ("text", "\ud800", "value/characters"),
    ("must", None, "value/required"),
    ("must", "", "value/required"),
    ("must", " \n", "value/required"),
    ("whole", -3, "value/too-small"),
    ("whole", 1_501, "value/too-large"),
    ("whole", 1.0, "value/kind-integer"),
    ("whole", True, "value/kind-integer"),
    ("whole", "7", "value/kind-integer"),
    ("part", float("nan"), "value/not-plain"),
    ("part", float("inf"), "value/not-plain"),
    ("part", 29.9, "value/too-small"),
    ("part", "36.5", "value/kind-number"),
    ("flag", 1, "value/kind-boolean"),
    ("day", "2026-02-29", "value/kind-date"),
    ("day", "20260209", "value/kind-date"),
    ("day", "", "value/kind-date"),
    ("day", 20260209, "value/kind-date"),
    ("moment", 2**63, "value/not-plain"),
    ("moment", 1.5, "value/kind-time"),
    ("rank", "middle", "value/choice"),
    ("rank", ["low"], "value/choice"),
    ("code", "1234", "value/pattern"),
    ("code", "123\n", "value/pattern"),
    ("rows", "a", "value/kind-list"),
    ("rows", ["a", "b", "c"], "value/too-many"),
    ("rows", ["123456"], "value/too-long"),
    ("rows", nested(DEPTH_MAX + 1), "value/too-deep"),
    ("shape", [1], "value/kind-object"),
    ("shape", {"a": 1, "b": 2, "c": 3}, "value/too-many"),
    ("shape", {1: 2}, "value/not-plain"),
    ("shape", {"a": b"x"}, "value/not-plain"),
    ("shape", {"k" * 49: 1}, "value/not-plain"),
    ("shape", {"a": "x" * 16_001}, "value/too-long"),
    ("tags", ["a", "b", "c"], "value/too-many"),
    ("tags", ["123456"], "value/too-long"),
    ("tags", ["a", 7], "value/kind-text"),
    ("tags", [True], "value/not-plain"),
    ("tags", [["a"]], "value/not-plain"),
    ("tags", None, "value/not-plain"),
    ("given", 11, "value/too-large"),
    ("given", [1, 2], "value/kind-integer"),
    ("given", None, "value/not-plain"),
    ("log", "123456", "value/too-long"),
    ("log", ["a", "b", "c"], "value/too-many"),
    ("secret", "sealed/1:" + "A" * 98, "value/no-key"),
    ("unknown", 1, "value/undeclared"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_value_at_its_limit_is_taken(name: str, value: Any) -> None:
    assert codes({name: value}) == {}


@pytest.mark.parametrize(("name", "value", "code"), BAD)
def test_a_value_past_its_limit_is_named_with_its_code(name: str, value: Any, code: str) -> None:
    assert codes({name: value}) == {name: code}


def test_every_code_is_met_by_a_bad_value() -> None:
    steps = {"value/step-needs", "value/step-order"}
    arrived = {"value/not-sealed"}  # asked only of what comes from elsewhere
    # What steps need looks at more than one value.
    assert {code for _, _, code in BAD} == CODES - steps - arrived


def test_creating_asks_for_what_is_required_and_editing_does_not() -> None:
    assert problems(HOUSEHOLD, NEW_HOUSEHOLD, creating=True) == []
    assert problems(HOUSEHOLD, {"phone": "12012345678"}, creating=False) == []
    missing = problems(HOUSEHOLD, {"phone": "12012345678"}, creating=True)
    assert [p.field for p in missing] == ["area", "address", "head_name"]
    assert {p.code for p in missing} == {"value/required"}


def test_a_problem_is_said_in_words_a_worker_understands() -> None:
    (found,) = problems(VISIT, {"temperature_c": 51}, creating=False)
    assert found.message("zh") == "“体温”不能大于 45°C。"
    assert found.message("en") == "“Temperature” must be at most 45 °C."
    (found,) = problems(HOUSEHOLD, {**NEW_HOUSEHOLD, "address": ""}, creating=True)
    assert found.message() == "请填写“地址”。"
    (found,) = problems(HOUSEHOLD, {"monthly_income_fen": 10**10}, creating=False)
    assert found.message("zh") == "“月收入”不能大于 10,000,000元。"
    (found,) = problems(TOY, {"whole": 2_000}, creating=False)
    assert found.message("en") == "“whole” must be at most 1,500 kg."


def test_a_problem_never_repeats_what_was_written() -> None:
    telling = [(name, value) for name, value, _ in BAD if len(str(value)) > 3]
    for name, value in telling:
        for found in problems(TOY, {name: value}, creating=False):
            assert str(value) not in found.zh + found.en


def test_a_visit_from_a_tablet_thirty_years_off_is_as_good_as_any() -> None:
    values = {"household": "h1", "at_ms": 834_000_000_000, "mode": "door", "outcome": "met"}
    assert problems(VISIT, values, creating=True) == []


def test_what_a_newer_program_knows_needs_only_be_plain() -> None:
    def kept(values: dict[str, Any]) -> list[str]:
        found = problems(TOY, values, creating=False, undeclared_allowed=True)
        return [p.code for p in found]

    assert kept({"new": {"a": [1, "b"]}}) == []
    assert kept({"new": nested(DEPTH_MAX + 1)}) == ["value/too-deep"]
    assert kept({"new": 2**64}) == ["value/not-plain"]


def test_all_problems_are_named_at_once_in_the_order_of_the_form() -> None:
    values = {"zz": 1, "aa": 1, "whole": 9_999, "text": "much too long", "must": ""}
    found = problems(TOY, values, creating=False)
    assert [p.field for p in found] == ["text", "must", "whole", "aa", "zz"]


def test_what_the_check_lets_pass_a_change_can_carry() -> None:
    edges = [nested(DEPTH_MAX), "x" * 16_000, -(2**63), 2**63 - 1, 1.7e308, {"k" * 48: {"": 0}}]
    for value in edges:
        found = problems(TOY, {"new": value}, creating=False, undeclared_allowed=True)
        if not found:
            check_writable(("new",), [value])
    assert found  # the last: an empty key
    with pytest.raises(ChangeInvalid):
        check_writable(("new",), [edges[-1]])
    with pytest.raises(ChangeInvalid):
        check_writable(("new",), [nested(DEPTH_MAX + 1)])


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*TOY.fields, "unknown"]), ANYTHING), st.booleans())
def test_whatever_is_handed_in_the_check_answers(values: dict[str, Any], creating: bool) -> None:
    for found in problems(TOY, values, creating):
        assert found.code in CODES
        assert found.zh
        assert found.en
    kept = {p.field for p in problems(TOY, values, creating, undeclared_allowed=True)}
    for name in values.keys() - kept:
        check_writable((name,), [values[name]])


def test_a_step_that_may_not_be_taken_yet_is_said_in_both_languages() -> None:
    need = SCHEMA.collections["need"]
    for step in need.steps:
        for code in ("value/step-needs", "value/step-order"):
            found = step_problem(need, step, step.values[0], code)
            assert (found.field, found.code) == (step.field, code)
            assert found.zh != found.en
            field = need.fields[step.field]
            for lang, join in (("zh", "或"), ("en", " or ")):
                said = found.message("zh" if lang == "zh" else "en")
                assert field.label is not None
                assert field.label.text(lang) in said
                chosen = {c.value: c.label.text(lang) for c in field.choices}
                assert f"“{chosen[step.values[0]]}”" in said
                named = [need.fields[n].label for n in step.needs]
                words = [label.text(lang) for label in named if label]
                if code == "value/step-order":
                    words = [chosen[one] for one in step.after]
                assert join.join(f"“{word}”" for word in words) in said


@pytest.mark.parametrize(
    "value",
    [
        [2**63, 1],
        [1, 2**63],
        [[], 2**63, []],
        [[1], [2**63], [3]],
        {"a": 1, "b": 2**63, "c": 3},
        {"a": [1, {"b": -(2**63) - 1}], "c": 1},
        {"": 1},
        {"x" * 81: 1},
        {"a\x07": 1},
        [float("inf"), 1],
        [b"bytes", 1],
        [[float("nan")], 1],
    ],
)
def test_what_is_not_plain_is_found_wherever_it_stands(value: Any) -> None:
    assert problems(HOUSEHOLD, {"of a newer program": value}, False, undeclared_allowed=True)
    plain = [2**63 - 1, -(2**63), {"a": [None, True, 1.5, "x"]}, [[]]]
    assert problems(HOUSEHOLD, {"new": plain}, False, undeclared_allowed=True) == []


@pytest.mark.parametrize("kind", ["list", "object"])
def test_what_is_nested_too_deeply_is_refused_in_lists_and_objects(kind: str) -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value] if kind == "list" else {"a": value}
        return value

    for depth, codes in ((DEPTH_MAX, []), (DEPTH_MAX + 1, ["value/too-deep"])):
        found = problems(HOUSEHOLD, {"new": nested(depth)}, False, undeclared_allowed=True)
        assert [one.code for one in found] == codes


def test_a_limit_that_is_broken_is_told_with_its_number() -> None:
    broken: list[tuple[str, Any, str]] = [
        ("text", "123456", "5"),
        ("whole", 2_000, "1,500"),
        ("whole", -3, "-2"),
        ("tags", ["a", "b", "c"], "2"),
        ("rows", [1, 2, 3], "2"),
        ("rows", ["123456"], "5"),
        ("shape", {"a": 1, "b": 2, "c": 3}, "2"),
    ]
    for name, value, number in broken:
        (found,) = problems(TOY, {name: value}, creating=False)
        assert number in found.zh
        assert number in found.en
    for name in ("text", "new"):
        (found,) = problems(
            TOY, {name: ["x" * (TEXT_CHARS_MAX + 1)]}, creating=False, undeclared_allowed=True
        )
        assert f"{TEXT_CHARS_MAX:,}" in found.en
        assert problems(TOY, {"new": "x" * TEXT_CHARS_MAX}, False, undeclared_allowed=True) == []
    (found,) = problems(TOY, {"text": "x" * 6}, creating=False)
    assert "文字" in found.zh
    assert "None" not in found.zh + found.en


def test_a_field_of_any_kind_takes_numbers_lists_and_long_texts() -> None:
    loose = Collection(name="t", label=Label(zh="t"), fields={"x": Field(kind="any", chars_max=2)})
    for value in (7, True, "long", ["a", 1], {"a": None}):
        assert problems(loose, {"x": value}, creating=True) == []


def test_names_within_a_value_are_as_long_as_any_and_all_of_it_is_looked_at() -> None:
    for name, good in (("x" * NAME_CHARS_MAX, True), ("x" * (NAME_CHARS_MAX + 1), False)):
        found = problems(TOY, {"new": {name: 1}}, False, undeclared_allowed=True)
        assert (found == []) is good
    for wrong in ([2**63, {"a": 1}], [{"a": 1}, 2**63], {"a": 2**63, "b": {"c": 1}}):
        assert problems(TOY, {"new": wrong}, False, undeclared_allowed=True)


def test_a_problem_without_a_number_names_none() -> None:
    (found,) = problems(TOY, {"flag": 7}, creating=False)
    assert found.message() == found.zh
    assert "  " not in found.en
    assert "XX" not in found.zh + found.en


def test_steps_that_may_come_from_several_values_name_them_all() -> None:
    two = Collection(
        name="t",
        label=Label(zh="t"),
        fields={
            "s": Field(
                kind="choice",
                choices=tuple(Choice(v, Label(zh=f"值{v}", en=f"V{v}")) for v in "abc"),
                label=Label(zh="状态", en="Status"),
            )
        },
    )
    step = Step(why="x", field="s", values=("c",), after=("a", "b"))
    found = step_problem(two, step, "c", "value/step-order")
    assert "“Va” or “Vb”" in found.en
    assert "“值a”或“值b”" in found.zh


@pytest.mark.parametrize(
    ("say", "code", "words"),
    [(no_key, "value/no-key", "has no key for"), (not_sealed, "value/not-sealed", "is not sealed")],
)
def test_a_sealed_field_is_named_where_it_is_open_or_may_not_be_written(
    say: Callable[[Collection, str], Problem], code: str, words: str
) -> None:
    found = say(TOY, "text")
    assert (found.field, found.code) == ("text", code)
    assert "“Text”" in found.en
    assert words in found.en
    assert "“文字”" in found.zh
