# SPDX-License-Identifier: Apache-2.0
"""From what is stored to what people read, and back."""

from __future__ import annotations

from typing import Any

import pytest

from sync.labels import (
    SEALED_WORDS,
    asked,
    field_of,
    form_lines,
    heading,
    shown,
    value_of,
    yuan,
)
from sync.schema import Choice, Collection, Field, Label
from sync.sealing import sealed_text

MEALS = (
    Choice("rice", Label(zh="米饭", en="Rice")),
    Choice("noodles", Label(zh="面条/粉", en="Noodles")),
    Choice("none", Label(zh="不吃")),
)
FORM = Collection(
    name="meal",
    label=Label(zh="用餐", en="Meal"),
    fields={
        "dish": Field(
            kind="choice",
            choices=MEALS,
            label=Label(zh="菜", en="Dish"),
            required=True,
            why="taste",
        ),
        "dishes": Field(kind="choice", policy="union", choices=MEALS, label=Label(zh="几样菜")),
        "price": Field(kind="integer", unit="fen", label=Label(zh="价钱", en="Price")),
        "hot": Field(kind="boolean", policy="latest"),
        "grams": Field(kind="integer", unit="g", minimum=0, maximum=1_500),
        "heat": Field(kind="number", unit="°C", minimum=35.5),
        "at": Field(kind="time", unit="ms"),
        "note": Field(),
    },
)
ITS_TEXT = sealed_text(bytes(80))


def field(name: str) -> Field:
    return FORM.fields[name]


def test_a_field_is_called_by_its_label_or_by_its_name() -> None:
    assert [heading(FORM, "dish", lang) for lang in ("zh", "en")] == ["菜", "Dish"]
    assert [heading(FORM, "dishes", lang) for lang in ("zh", "en")] == ["几样菜", "几样菜"]
    assert [heading(FORM, name, "zh") for name in ("note", "undeclared")] == ["note", "undeclared"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("dish", "dish"),
        (" DISH ", "dish"),
        ("菜", "dish"),
        ("Dish", "dish"),
        ("\ufeff价钱", "price"),
        ("price\ufeff", None),
        ("NOTE", "note"),
        ("几样菜", "dishes"),
        ("", None),
        ("dis", None),
    ],
)
def test_a_heading_names_a_field_by_its_name_or_by_either_label(
    words: str, name: str | None
) -> None:
    assert field_of(FORM, words) == name


@pytest.mark.parametrize(
    ("name", "value", "zh", "en"),
    [
        ("note", None, "", ""),
        ("note", "x", "x", "x"),
        ("note", 7, "7", "7"),
        ("dish", "rice", "米饭", "Rice"),
        ("dish", "none", "不吃", "不吃"),
        ("dish", "soup", "soup", "soup"),
        ("dishes", ["rice", "soup"], "米饭、soup", "Rice, soup"),
        ("dishes", ("none",), "不吃", "不吃"),
        ("hot", True, "是", "yes"),
        ("hot", False, "否", "no"),
        ("price", 120050, "1200.50", "1200.50"),
        ("price", "120050", "120050", "120050"),
        ("grams", 120050, "120050", "120050"),
    ],
)
def test_a_value_is_shown_in_the_words_of_its_language(
    name: str, value: Any, zh: str, en: str
) -> None:
    assert (shown(field(name), value, "zh"), shown(field(name), value, "en")) == (zh, en)


def test_what_is_sealed_is_shown_as_such_where_it_belongs_or_nobody_knows_the_field() -> None:
    sealed = Field(sealed=True, label=Label(zh="病", en="Illness"))
    for one in (sealed, Field()):
        assert shown(one, ITS_TEXT, "zh") == SEALED_WORDS[0]
        assert shown(one, ITS_TEXT, "en") == SEALED_WORDS[1]
    plain = Field(label=Label(zh="备注"))
    assert shown(plain, ITS_TEXT, "zh") == ITS_TEXT
    assert shown(sealed, "open", "zh") == "open"


@pytest.mark.parametrize(
    ("fen", "text"),
    [(0, "0.00"), (5, "0.05"), (100, "1.00"), (-5, "-0.05"), (-120050, "-1200.50"), (99, "0.99")],
)
def test_money_is_written_in_yuan_and_read_back_to_the_fen(fen: int, text: str) -> None:
    assert yuan(fen) == text
    if fen >= 0 or fen <= -100:
        assert value_of(field("price"), text) == fen


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("note", "  a b ", "a b"),
        ("note", " ", None),
        ("note", "1,5", "1,5"),
        ("note", "12", "12"),
        ("note", "yes", "yes"),
        ("dish", "rice", "rice"),
        ("dish", "RICE", "rice"),
        ("dish", "米饭", "rice"),
        ("dish", "noodles", "noodles"),
        ("dish", "soup", "soup"),
        ("dish", "面条/粉", "noodles"),
        ("dishes", "", []),
        ("dishes", "米饭、不吃", ["rice", "none"]),
        ("dishes", "米饭, ,NONE；rice;;粉", ["rice", "none", "rice", "粉"]),
        ("dishes", "米饭/不吃", ["rice", "none"]),
        ("dishes", "rice none", ["rice", "none"]),
        ("dishes", "面条/粉|米饭\n不吃", ["noodles", "rice", "none"]),
        ("dishes", "rice soup", ["rice soup"]),
        ("price", "12", 1200),
        ("price", "12元", 1200),
        ("price", "1,200.5", 120050),
        ("price", "+3.05元", 305),
        ("price", "3.005", "3.005"),
        ("price", "twelve", "twelve"),
        ("grams", "1,500", 1500),
        ("grams", "-7", -7),
        ("grams", "+7", 7),
        ("grams", "7.5", "7.5"),
        ("grams", "9" * 19, int("9" * 19)),
        ("grams", "9" * 20, "9" * 20),
        ("at", "1767240000000", 1_767_240_000_000),
        ("heat", "36.5", 36.5),
        ("heat", "36", 36.0),
        ("heat", "-1,036.25", -1036.25),
        ("heat", "36.", "36."),
        ("heat", "warm", "warm"),
        ("hot", "是", True),
        ("hot", "YES", True),
        ("hot", "True", True),
        ("hot", "否", False),
        ("hot", "No", False),
        ("hot", "FALSE", False),
        ("hot", "maybe", "maybe"),
    ],
)
def test_a_cell_is_read_as_its_field_asks_and_left_as_it_stands_where_it_cannot_be(
    name: str, text: str, value: Any
) -> None:
    found = value_of(field(name), text)
    assert (found, type(found)) == (value, type(value))


def test_a_choice_whose_words_are_those_of_others_is_read_as_itself() -> None:
    both = Choice("both", Label(zh="米饭/不吃", en="Rice none"))
    dishes = Field(kind="choice", policy="union", choices=(*MEALS, both))
    assert value_of(dishes, "米饭/不吃、rice none、不吃/米饭") == ["both", "both", "none", "rice"]


@pytest.mark.parametrize(
    ("name", "zh", "en"),
    [
        ("dish", "米饭 / 面条/粉 / 不吃", "Rice / Noodles / 不吃"),
        ("price", "金额（元）", "money (yuan)"),
        ("grams", "整数 0–1,500 g", "whole number 0–1,500 g"),
        ("heat", "数字 °C", "number °C"),
        ("at", "时间（毫秒）", "time (ms)"),
        ("note", "文字", "text"),
        ("hot", "是/否", "yes/no"),
    ],
)
def test_what_is_asked_for_is_said_with_its_limits_and_unit(name: str, zh: str, en: str) -> None:
    assert (asked(field(name), "zh"), asked(field(name), "en")) == (zh, en)


def test_limits_are_said_of_numbers_alone_and_in_as_many_digits_as_they_have() -> None:
    tight = Field(kind="number", minimum=-0.125, maximum=1_000_000.5, unit="m")
    assert asked(tight, "en") == "number -0.125–1,000,000.5 m"
    assert asked(Field(kind="text", minimum=1, maximum=2), "en") == "text"
    assert asked(Field(kind="integer", maximum=2), "zh") == "整数"


def test_a_form_is_a_line_for_each_field_with_its_rule_and_reason() -> None:
    zh, en = form_lines(FORM, "zh"), form_lines(FORM, "en")
    assert zh[0] == ("菜 *", "dish", asked(field("dish"), "zh"), "不同时由人裁定", "taste")
    assert en[0] == ("Dish *", "dish", asked(field("dish"), "en"), "a person decides", "taste")
    assert zh[1][0] == "几样菜"
    assert (zh[1][3], en[1][3]) == ("全部保留（可多选）", "all are kept (several)")
    assert (zh[3][3], en[3][3]) == ("以最后一次为准", "the last one counts")
    assert [line[1] for line in en] == list(FORM.fields)
