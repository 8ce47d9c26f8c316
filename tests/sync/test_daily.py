# SPDX-License-Identifier: Apache-2.0
"""The table of a day: who reported, and the health that the last form tells."""

from typing import Any

import pytest

from sync.fieldwork import Row, daily

DAY = "2026-06-09"


def form(number: int, **values: Any) -> Row:
    return Row(f"f{number}", "h1", {"on": DAY, **values})


def test_everybody_who_reported_stands_in_the_line_once() -> None:
    forms = [form(1, reporter=["w2"]), form(2, reporter=["w1", "w2"]), form(3)]
    (line,) = daily([Row("h1", "h1", {})], [], [], forms, DAY)
    assert line.reporters == ("w1", "w2")


@pytest.mark.parametrize("told", [["worse"], ["worse", "better"], ["better", "same", "worse"]])
def test_health_is_what_the_last_form_says(told: list[str]) -> None:
    forms = [form(number, health=one) for number, one in enumerate(told)]
    (line,) = daily([Row("h1", "h1", {})], [], [], forms, DAY)
    assert line.health == told[-1]
