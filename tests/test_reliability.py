# SPDX-License-Identifier: Apache-2.0
"""The figures of reliability stand where the README shows them, as the tools wrote them."""

import json

import pytest

from tests.reliability import BEGIN, END, FIGURES, FILE, PARTS, README, flat, known, table

FIGURES_NOW = json.loads(FILE.read_text())


def test_the_readme_shows_the_figures_of_the_file() -> None:
    shown = README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert shown.strip() == table(FIGURES_NOW)


def test_every_figure_belongs_to_a_run_with_its_seed_day_and_commit() -> None:
    assert flat(known()) == FIGURES_NOW
    assert set(FIGURES) == set(PARTS)
    for name, run in FIGURES_NOW["runs"].items():
        assert {"seed", "date", "commit", "passed"} <= run.keys(), name
        assert run["passed"], name


@pytest.mark.parametrize(
    "none", ["simulation_failed", "inconsistent", "lost", "fuzz_faults", "planted_bugs_survived"]
)
def test_what_must_be_nothing_is_nothing(none: str) -> None:
    assert FIGURES_NOW.get(none, 0) == 0
