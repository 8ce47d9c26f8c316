# SPDX-License-Identifier: Apache-2.0
"""The figures of mutation testing add up, and a mutant is what stands in the function."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.mutation import switch
from tests.mutation.__main__ import FILE, SHARE_MIN, figures, in_any_order
from tests.mutation.forking import ENDLESS, KILLED, SURVIVED, UNREACHED, outcome
from tests.mutation.making import Mutant, settings
from tests.mutation.reasons import NOT_JUDGED, REASONS, UNREACHED_WHY, reason_of

FOUND: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))


def mutant(n: int, module: str = "sync/x.py", was: str = "a < b", now: str = "a <= b") -> Mutant:
    return Mutant(f"sync.x.x_f__mutmut_{n}", module, "f", was, now, "digest")


def test_the_committed_figures_add_up_and_enough_is_killed() -> None:
    for module, one in FOUND["modules"].items():
        assert one["judged"] == one["killed"] + len(one["survived"]), module
        assert one["judged"] <= one["mutants"]
    for key in ("mutants", "judged", "killed"):
        assert FOUND[key] == sum(one[key] for one in FOUND["modules"].values())
    assert FOUND["share_killed"] == round(FOUND["killed"] / FOUND["judged"], 4) >= SHARE_MIN


def test_every_survivor_is_named_with_its_reason() -> None:
    why = [it["why"] for one in FOUND["modules"].values() for it in one["survived"]]
    assert sum(FOUND["survived_why"].values()) == len(why)
    assert set(why) <= {one.why for one in REASONS} | {NOT_JUDGED, UNREACHED_WHY}


def test_figures_are_counted_from_verdicts() -> None:
    ends = [KILLED, ENDLESS, SURVIVED, UNREACHED]
    verdicts = {mutant(n).name: ("digest", end) for n, end in enumerate(ends)}
    told = figures([mutant(n) for n in range(5)], verdicts)
    assert (told["mutants"], told["judged"], told["killed"]) == (5, 4, 2)
    assert told["share_killed"] == 0.5
    one = told["modules"]["sync/x.py"]
    assert (one["endless"], len(one["survived"])) == (1, 2)
    assert one["survived"][0]["is"] == "a <= b"


def test_mutants_come_in_an_order_of_no_module_and_those_that_survived_come_first() -> None:
    some = [mutant(n) for n in range(50)]
    order = in_any_order(some, {some[3].name})
    assert order != some
    assert order == in_any_order(some[::-1], {some[3].name})
    assert order[0] == some[3]


def test_a_process_that_ends_by_a_limit_is_endless_and_one_that_waits_says_nothing() -> None:
    assert [outcome(status) for status in (0, 1 << 8, 2 << 8, 24, 9, 14)] == [
        SURVIVED,
        KILLED,
        KILLED,
        ENDLESS,
        ENDLESS,
        "",
    ]


def test_a_mutant_is_switched_on_for_all_who_hold_the_function() -> None:
    mutants: switch.MutantDict = {}

    @switch.switched(mutants)
    def double(n: int, times: int = 2) -> int:
        return n * times

    def wrong(n: int, times: int = 3) -> int:
        return n + times

    held = double
    mutants["x_double__mutmut_1"] = wrong
    assert held(5) == 10
    switch.switch_on(f"{__name__}.x_double__mutmut_1")
    assert (held(5), held(5, 1)) == (8, 6)
    with pytest.raises(KeyError):
        switch.switch_on(f"{__name__}.x_double__mutmut_2")


def test_a_reason_names_survivors_that_it_is_for() -> None:
    assert reason_of(mutant(1, "sync/none_such.py", "§", "§§"), False) == NOT_JUDGED
    assert reason_of(mutant(1, "sync/none_such.py", "§", "§§"), True) == UNREACHED_WHY
    assert all(len(one.why) > 15 for one in REASONS)
    assert settings()["source_paths"] == ["sync", "crypto"]
