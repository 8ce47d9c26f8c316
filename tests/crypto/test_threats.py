# SPDX-License-Identifier: Apache-2.0
"""What the pages on threats and law claim rests on tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"threats": ROOT / "crypto" / "README.md", "law": ROOT / "server" / "LAW.md"}
ATTACKERS = {
    "thief of a tablet that is off",
    "thief of a tablet that is on",
    "cloner",
    "file tamperer",
    "stick carrier",
    "network",
    "rogue worker",
    "rogue officer",
    "rogue district server",
    "rogue administrator",
    "internet",
    "hostile text",
    "backup thief",
    "power and disk",
    "quantum",
}
COLUMNS = ["attacker", "asset", "attack", "defence", "tests", "not protected"]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def threats() -> list[list[str]]:
    lines = PAGES["threats"].read_text("utf-8").splitlines()
    at = next(n for n, line in enumerate(lines) if cells(line) == COLUMNS)
    rows = []
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(cells(line))
    return rows


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    there: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        there.update(re.findall(r"def (test_\w+)", path.read_text("utf-8")))
    named = set(re.findall(r"`(test_\w+)`", PAGES[page].read_text("utf-8")))
    assert len(named) > 10
    assert named - there == set()


def test_every_attacker_is_played_against_real_processes() -> None:
    drills: set[str] = set()
    for path in (ROOT / "tests" / "drills").glob("test_*.py"):
        drills.update(re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))
    named: set[str] = set()
    for row in threats():
        played = drills & set(re.findall(r"`(test_\w+)`", row[4]))
        assert played, row[0]
        named |= played
    # And none is played that the page does not know.
    assert drills - named == set()


def test_every_attacker_has_asset_attack_defence_test_and_what_is_not_protected() -> None:
    rows = threats()
    assert {row[0] for row in rows} == ATTACKERS
    for row in rows:
        assert len(row) == len(COLUMNS), row[0]
        assert all(row), row[0]
        assert re.findall(r"`test_\w+`", row[4]), row[0]
