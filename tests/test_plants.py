# SPDX-License-Identifier: Apache-2.0
"""Every planted bug can be planted in today's code, and is looked for by tests that are there."""

from collections import Counter
from pathlib import Path

import pytest

from tests import plant
from tests.plant import (
    PLANTS,
    ROOT,
    Outcome,
    alone,
    command_of,
    figures,
    keep,
    kept,
    run_all,
    run_tests,
)
from tests.planted import Plant


@pytest.mark.parametrize("one", PLANTS, ids=lambda one: one.bug)
def test_the_place_of_a_planted_bug_is_there_once(one: Plant) -> None:
    assert one.old != one.new
    assert (ROOT / one.file).read_text(encoding="utf-8").count(one.old) == 1, one.file


@pytest.mark.parametrize("one", PLANTS, ids=lambda one: one.bug)
def test_the_tests_of_a_planted_bug_are_there(one: Plant) -> None:
    for word in one.tests.split():
        if "/" in word:
            name, _, test = word.partition("::")
            assert (ROOT / name).exists(), word
            assert not test or f"def {test}(" in (ROOT / name).read_text(encoding="utf-8")


def test_every_planted_bug_has_a_name_of_its_own() -> None:
    assert [bug for bug, n in Counter(one.bug for one in PLANTS).items() if n > 1] == []


def test_slow_tests_are_run_by_pytest_and_programs_by_themselves() -> None:
    assert alone("-m slow tests/a.py tests/b.py") == {"-m slow tests/a.py", "-m slow tests/b.py"}
    assert command_of("-m slow tests/a.py")[:2] == ["-m", "pytest"]
    program = "-m fixtures.network --small"
    assert alone(program) == {program}
    assert command_of(program) == program.split()


def test_what_became_of_a_bug_is_kept_until_it_is_planted_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plant, "KEPT", tmp_path / "build" / "planted.json")
    one, two, three = PLANTS[:3]
    assert figures() == {"caught": 0, "survived": 0, "on": {}}
    keep(Outcome(one, "test_x", "", 1.0), "a1")
    keep(Outcome(two, "", "SURVIVED", 1.0), "a1")
    keep(Outcome(three, "test_y", "", 1.0), "b2")
    keep(Outcome(three._replace(tests="tests/other.py"), "test_y", "", 1.0), "b2")
    assert {bug: found["caught_by"] for bug, found in kept().items()} == {
        one.bug: "test_x",
        two.bug: "",
    }
    assert figures() == {"caught": 1, "survived": 1, "on": {"a1": 2}}


@pytest.mark.slow
def test_a_program_without_a_word_of_its_judge_is_named(tmp_path: Path) -> None:
    (tmp_path / "fixtures").mkdir()
    (tmp_path / "fixtures" / "__init__.py").write_text("")
    (tmp_path / "fixtures" / "ends.py").write_text("raise SystemExit('the disk is full')")
    code, found = run_tests(tmp_path, "-m fixtures.ends")
    assert code == -1
    assert found == "-m fixtures.ends: no word of its judge: the disk is full"


@pytest.mark.slow
def test_tests_that_fail_without_any_bug_give_no_verdict() -> None:
    one = PLANTS[0]._replace(tests="tests/sync/no_such_test.py")
    (outcome,) = run_all([one])
    assert outcome.caught_by == ""
    assert outcome.trouble.startswith("no verdict: fails without any bug: tests/sync/no_such_test")
