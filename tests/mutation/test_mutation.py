# SPDX-License-Identifier: Apache-2.0
"""The figures of mutation testing add up, and a mutant is what stands in the function."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mutation import switch
from tests.mutation.__main__ import FILE, SHARE_MIN, figures, in_any_order
from tests.mutation.choosing import TESTS_SECONDS_MAX, Choice
from tests.mutation.forking import ENDLESS, KILLED, NOBODY, SURVIVED, UNREACHED, Pool, outcome
from tests.mutation.making import Mutant, settings
from tests.mutation.reasons import GAP, NOT_JUDGED, REASONS, UNREACHED_WHY, reason_of
from tests.plant import ROOT

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
    assert set(why) <= {one.why for one in REASONS} | {GAP, NOT_JUDGED, UNREACHED_WHY}


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


def test_a_test_that_killed_is_asked_first_and_the_quickest_before_the_slow() -> None:
    long = TESTS_SECONDS_MAX * 0.6
    seconds = {"tests/test_m.py::quick": 0.1, "tests/test_m.py::slow": long, "other::last": long}
    choice = Choice({test: ["m.x_f"] for test in seconds}, seconds, ["m.x_g"])
    quick, slow, last = seconds
    assert choice.tests_of("m.x_f")[0] == [quick, slow]
    choice.killed_by("m.x_f", last)
    assert choice.tests_of("m.x_f") == ([last, quick], pytest.approx(0.1 + long))
    assert choice.tests_of("m.x_g") == ([], 0.0)
    assert [choice.is_reached(f"m.x_{name}") for name in "fg"] == [True, False]


def test_each_mutant_has_a_process_of_its_own_and_its_verdict_is_told(tmp_path: Path) -> None:
    ends: list[int] = []
    pool = Pool(tmp_path / "told", 2)

    def killed(say: Callable[[int], None]) -> bool:
        say(7)
        ends.append(99)
        return False

    assert pool.start("a", killed, ends.append)
    assert pool.start("b", lambda say: True, ends.append)
    pool.wait()
    assert sorted(ends) == [NOBODY, 7]
    told = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert sorted(told) == [["a", KILLED], ["b", SURVIVED]]
    assert not Pool(tmp_path / "told", 1, until=0.0).start("c", killed, ends.append)


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "compiled"), [("", False), (str(ROOT / "sync"), True)])
def test_the_loops_that_run_are_those_that_are_asked_for(folder: str, compiled: bool) -> None:
    program = (
        "import sys; from tests.mutation.judging import choose_loops; choose_loops(sys.argv[1]);"
        "from sync import kernel; print(kernel.COMPILED)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(compiled)
