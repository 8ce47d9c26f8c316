# SPDX-License-Identifier: Apache-2.0
"""The figures of reliability stand where the README shows them, as the tools wrote them."""

import json

import pytest

from tests.reliability import (
    BEGIN,
    END,
    FILE,
    PARTS,
    README,
    flat,
    joined,
    known,
    sums_of,
    table,
    taken,
)
from tests.simulation.plan import FAULTS

FIGURES_NOW = json.loads(FILE.read_text())


def test_the_readme_shows_the_figures_of_the_file() -> None:
    shown = README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert shown.strip() == table(FIGURES_NOW)


def test_every_figure_is_the_sum_of_runs_with_their_seeds_day_and_commit() -> None:
    assert flat(known()) == FIGURES_NOW
    assert set(FIGURES_NOW["runs"]) <= set(PARTS)
    for name, runs in FIGURES_NOW["runs"].items():
        for run in runs:
            assert {"seeds", "date", "commit", "passed"} <= run.keys(), name
            assert run["passed"], name
            assert not run["commit"].endswith("-dirty"), name


@pytest.mark.parametrize(
    "none", ["simulation_failed", "inconsistent", "lost", "fuzz_faults", "planted_bugs_survived"]
)
def test_what_must_be_nothing_is_nothing(none: str) -> None:
    assert FIGURES_NOW.get(none, 0) == 0


def test_every_kind_of_fault_fired() -> None:
    kinds = FIGURES_NOW["simulation_faults"]
    assert kinds
    assert all(kinds.values())
    if FIGURES_NOW["simulation_runs"] >= PARTS["simulation"].full:
        assert set(FAULTS) <= set(kinds)


def test_what_another_tree_counted_is_taken_once() -> None:
    mine = {"simulation": [one_run(0, 4)]}
    theirs = {"simulation": [one_run(0, 9, runs=2), one_run(10, 14, "d")], "kill": [one_run(1, 1)]}
    runs = taken(mine, theirs)
    assert [run["seeds"] for run in runs["simulation"]] == [[[0, 9]], [[10, 14]]]
    assert taken(runs, mine) == taken(runs, theirs) == runs


def test_two_runs_of_one_commit_from_different_seeds_are_both_kept() -> None:
    both = {"simulation": [one_run(0, 4), one_run(10, 14)]}
    assert taken(both, both) == both
    assert taken({"simulation": [one_run(0, 4)]}, both) == both


def one_run(first: int, last: int, commit: str = "c", runs: int = 1) -> dict[str, object]:
    figures = {"simulation_runs": runs, "simulation_faults": {"crash": 2}}
    made = {"figures": figures, "seeds": [[first, last]], "commit": commit}
    return made | {"date": "2026-11-22", "passed": True, "seconds": 5}


def test_pieces_of_one_commit_are_one_run_and_another_commit_stands_beside_it() -> None:
    runs = joined(joined(joined([], one_run(0, 4)), one_run(5, 9)), one_run(20, 24))
    assert [run["seeds"] for run in runs] == [[[0, 9], [20, 24]]]
    runs = joined(runs, one_run(25, 29, "d"))
    assert [(run["commit"], run["seconds"]) for run in runs] == [("c", 15), ("d", 5)]
    sums = sums_of(runs)
    assert sums["simulation_runs"] == 4
    assert sums["simulation_faults"] == {"crash": 8}


def test_the_next_piece_begins_behind_every_seed_there_was() -> None:
    assert sums_of([one_run(7, 19), one_run(0, 4, "d")])["next"] == 20
    assert "next" not in sums_of([])


def test_a_parser_that_no_time_was_left_for_counts_as_one_without_cases() -> None:
    told = [{"target": "a", "cases": 50_000, "passed": 40_000}]
    told.append({"target": "b", "cases": 0, "passed": 0})
    figures = PARTS["fuzz"].figures({"cases": 50_000, "faults": 0, "targets": told})
    sums = sums_of([{"figures": figures, "seeds": [[1, 1]]}])
    assert (sums["fuzz_parsers"], sums["fuzz_cases_least"]) == (2, 0)
