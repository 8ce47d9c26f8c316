# SPDX-License-Identifier: Apache-2.0
"""Recorded histories, answered by real tablets and servers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.conformance import Played, differences, play_all, read_histories, sample
from tests.conftest import SEED

FOLDER = Path(__file__).parents[2] / "fixtures" / "conformance"
COUNTS = {
    "named": 30,
    "random": 100,
    "moves": 60,
    "restored-tablets": 40,
    "forks": 140,
    "set-back-server": 27,
    "tiers": 30,
    "restored-servers": 30,
    "forks-in-tiers": 60,
}
"""Every file there is, and how many histories it has."""
BY_STICK = ("named", "moves", "set-back-server", "tiers")
"""Played by sealed files too; the others take minutes that way, and go by the same path."""

ON_POSTGRES = 2
"""Histories of each file that are played with all servers on PostgreSQL; the command of
``fixtures.conformance`` plays all of them so, which takes five minutes."""


def wrong(played: list[Played]) -> list[str]:
    found = [f"{p.name}: {line}" for p in played for line in p.differences or []]
    found += [f"{p.name}: {p.error}" for p in played if p.error]
    return found


def answered(played: list[Played]) -> int:
    return sum(p.answer is not None for p in played)


def file_of(name: str) -> str:
    return str(FOLDER / f"{name}.jsonl")


def test_every_file_of_histories_is_played():
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == set(COUNTS)


def test_the_named_histories_are_answered_through_memory():
    played = list(play_all(read_histories([file_of("named")]), "memory", 1))
    assert wrong(played) == []
    assert answered(played) == COUNTS["named"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "through"),
    [(name, through) for name in COUNTS for through in ("memory", "http")]
    + [(name, "bundle") for name in BY_STICK],
)
def test_every_history_is_answered(name: str, through: str):
    played = list(play_all(read_histories([file_of(name)]), through, 2))
    assert wrong(played) == []
    assert answered(played) == COUNTS[name]


@pytest.mark.slow
def test_histories_of_every_file_are_answered_on_postgres():
    histories = [
        history
        for name in COUNTS
        for history in sample(read_histories([file_of(name)]), ON_POSTGRES, SEED)
    ]
    played = list(play_all(histories, "http", 2, "postgres"))
    assert wrong(played) == []
    assert answered(played) == ON_POSTGRES * len(COUNTS)


def test_a_sample_is_the_same_for_a_seed_and_another_for_another():
    histories = [{"name": str(at)} for at in range(100)]
    assert sample(histories, 9, 7) == sample(histories, 9, 7) != sample(histories, 9, 8)
    assert len(sample(histories, 9, 7)) == 9
    assert sample(histories, 200, 7) == histories


def one(name: str) -> dict[str, object]:
    (history,) = read_histories([file_of("named")], name)
    return history


def test_without_an_expected_answer_the_same_is_printed(tmp_path: Path):
    history = one("relay")
    with_answer = tmp_path / "with.jsonl"
    with_answer.write_text(json.dumps(history), "utf-8")
    without = tmp_path / "without.jsonl"
    without.write_text(json.dumps({k: v for k, v in history.items() if k != "expect"}), "utf-8")
    printed = [run_on(path) for path in (with_answer, without)]
    assert printed[0].stdout == printed[1].stdout
    assert printed[0].returncode == printed[1].returncode == 0
    answer = json.loads(printed[0].stdout)
    assert set(answer) == {"name", "replicas", "audited"}
    assert all(isinstance(fields, list) for fields in answer["audited"].values())


def test_a_wrong_answer_is_told_and_fails(tmp_path: Path):
    history = json.loads(json.dumps(one("relay")))
    records = history["expect"]["replicas"]["d1"]
    next(iter(records.values()))["voided"] = True
    path = tmp_path / "wrong.jsonl"
    path.write_text(json.dumps(history), "utf-8")
    done = run_on(path)
    assert done.returncode == 1
    assert "voided False, not True" in done.stderr


def run_on(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fixtures.conformance", str(path), "--processes", "1"]
    return subprocess.run(
        command, cwd=FOLDER.parents[1], capture_output=True, text=True, check=False
    )


EMPTY = {"voided": False, "fields": {}}
PHONE = {"value": 1, "siblings": [1], "conflict": False}


def answer(record: dict[str, object], audited: list[str]) -> dict[str, object]:
    return {"name": "x", "replicas": {"t1": {"h/1": record}}, "audited": {"d1": audited}}


def expect(record: dict[str, object], must: list[str], may: list[str]) -> dict[str, object]:
    return {"replicas": {"t1": {"h/1": record}}, "audited": {"d1": {"must": must, "may": may}}}


def test_the_comparison_sees_each_kind_of_difference():
    shown = {"voided": False, "fields": {"phone": PHONE}}
    assert differences(answer(shown, ["a"]), expect(shown, ["a"], [])) == []
    assert differences(answer(shown, []), expect(shown, ["a"], [])) == ["d1 audit: lacks a"]
    assert differences(answer(shown, ["b"]), expect(shown, [], [])) == ["d1 audit: names b"]
    assert differences(answer(shown, ["b"]), expect(shown, [], ["b"])) == []
    two = {**PHONE, "siblings": [2, 1], "conflict": True}
    turned = {**PHONE, "siblings": [1, 2], "conflict": True}
    both = [{"voided": False, "fields": {"phone": p}} for p in (two, turned)]
    assert differences(answer(both[0], []), expect(both[1], [], [])) == []
    assert len(differences(answer(both[0], []), expect(shown, [], []))) == 1
    assert len(differences(answer(EMPTY, []), expect(shown, [], []))) == 1
    assert len(differences(answer({**shown, "voided": True}, []), expect(shown, [], []))) == 1


def test_empty_sets_and_sums_may_be_left_out_but_not_empty_registers():
    empty = {"voided": False, "fields": {"set": {"value": []}, "sum": {"value": 0}}}
    assert differences(answer(EMPTY, []), expect(empty, [], [])) == []
    zero = {"voided": False, "fields": {"n": {"value": 0, "siblings": [0], "conflict": False}}}
    assert len(differences(answer(EMPTY, []), expect(zero, [], []))) == 1
