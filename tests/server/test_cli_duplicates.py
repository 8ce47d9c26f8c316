# SPDX-License-Identifier: Apache-2.0
"""``doorstep duplicates`` and ``doorstep repair``, from a file of households to a join undone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.district import district_process
from server.cli import main

Doorstep = Callable[..., Result]
AREA = "440103019003"
HOMES = [
    {
        "id": "one",
        "area": AREA,
        "address": "龙津东路12号3栋501房",
        "head_name": "陈桂兰",
        "phone": "12612345678",
    },
    {
        "id": "two",
        "area": AREA,
        "address": "龙津东路１２号三栋501",
        "head_name": "陈桂兰",
        "phone": "12612345678",
        "gas": "bottled",
    },
    {"id": "three", "area": "440103014001", "address": "多宝路8号", "head_name": "何小明"},
]


@pytest.fixture
def doorstep(tmp_path: Path) -> Doorstep:
    def run(*arguments: str, lang: str = "en", fails: int = 0) -> Result:
        base = ["--data-dir", str(tmp_path / "district"), "--lang", lang]
        found = CliRunner(env={"COLUMNS": "240"}).invoke(main, [*base, *arguments])
        assert found.exit_code == fails, found.output + repr(found.exception)
        return found

    run("init")
    file = tmp_path / "homes.json"
    file.write_text(json.dumps(HOMES), "utf-8")
    run("import", str(file))
    return run


def test_an_officer_finds_a_double_joins_it_and_takes_it_back(doorstep: Doorstep) -> None:
    found = doorstep("duplicates", "list").stdout
    assert "陈桂兰 龙津东路12号3栋501房" in found
    assert "the same address; heads of the same name; the same telephone" in found
    assert "地址相同; 户主同名; 电话相同" in doorstep("duplicates", "list", lang="zh").stdout
    assert "陈桂兰" not in doorstep("duplicates", "list", "--area", "440103014").stdout
    shown = doorstep("duplicates", "show", "two", "one").stdout
    assert "龙津东路１２号三栋501" in shown

    said = doorstep("duplicates", "join", "two", "one", "--reason", "one family").stdout
    assert "two is read as one now" in said
    assert "陈桂兰" not in doorstep("duplicates", "list").stdout
    # What the other had and the survivor lacks is shown as the survivor's.
    line = next(
        x for x in doorstep("duplicates", "show", "one", "two").stdout.splitlines() if "Gas" in x
    )
    assert line.count("Bottled") == 2
    refused = doorstep("duplicates", "join", "one", "two", "--reason", "again", fails=1)
    assert "circle" in refused.output

    said = doorstep("duplicates", "undo", "two", "--reason", "two families after all").stdout
    assert "a household of its own again" in said
    assert "陈桂兰" in doorstep("duplicates", "list").stdout
    doorstep("duplicates", "undo", "two", "--reason", "twice", fails=1)
    # Why it was done stays in the record.
    assert "two families after all" in doorstep("audit", "history", "two").stdout

    doorstep("duplicates", "apart", "one", "two", "--reason", "father and son")
    assert "陈桂兰" not in doorstep("duplicates", "list").stdout


def test_links_that_broke_are_listed_for_repair(doorstep: Doorstep, tmp_path: Path) -> None:
    needs = [
        {"id": "n1", "household": "nobody", "kind": "rice"},
        {"id": "n2", "household": "one", "kind": "rice", "person": "nobody"},
    ]
    file = tmp_path / "needs.json"
    file.write_text(json.dumps(needs), "utf-8")
    doorstep("import", str(file), "--collection", "need")
    listed = doorstep("repair", "list").stdout
    assert ("n1" in listed, "n2" in listed) == (True, True)
    assert "the record is not here" in listed
    assert "所指记录不在" in doorstep("repair", "list", lang="zh").stdout
    near = doorstep("repair", "list", "--area", AREA).stdout
    assert ("n1" in near, "n2" in near) == (False, True)


def test_what_was_written_on_the_other_unseen_is_settled_by_an_officer(
    doorstep: Doorstep, tmp_path: Path
) -> None:
    doorstep("duplicates", "join", "two", "one", "--reason", "one family")
    assert "phone" not in doorstep("duplicates", "conflicts").stdout
    file = tmp_path / "late.json"
    file.write_text(json.dumps([{"id": "two", "phone": "12699999999"}]), "utf-8")
    doorstep("import", str(file))
    listed = doorstep("duplicates", "conflicts").stdout
    line = next(x for x in listed.splitlines() if "12699999999" in x)
    assert "12612345678" in listed
    assert "电话" in doorstep("duplicates", "conflicts", lang="zh").stdout
    assert "phone" not in doorstep("duplicates", "conflicts", "--area", "440103014").stdout
    choice = next(word for word in line.split() if len(word) == 56)
    doorstep("duplicates", "settle", "one", "phone", "00" * 28, "--reason", "no", fails=1)
    doorstep("duplicates", "settle", "one", "phone", choice, "--reason", "rang it")
    assert "phone" not in doorstep("duplicates", "conflicts").stdout
    assert "rang it" in doorstep("audit", "history", "two").stdout


def test_an_auditor_finds_settles_and_undoes_what_a_join_set_against_each_other(
    doorstep: Doorstep, tmp_path: Path
) -> None:
    file = tmp_path / "late.json"
    assert "made by joins" not in doorstep("audit", "list").stdout
    doorstep("duplicates", "join", "two", "one", "--reason", "one family")
    file.write_text(json.dumps([{"id": "two", "phone": "12699999999"}]), "utf-8")
    doorstep("import", str(file))
    assert "1 more were made by joins" in doorstep("audit", "list").stdout
    assert "1 more" not in doorstep("audit", "list", "--state", "office").stdout
    listed = doorstep("audit", "list", "--joined").stdout
    assert "1 made by joins in all; open 1" in listed
    for word in ("one/phone", "12612345678 | 12699999999", "two → one"):
        assert word in listed
    for none in (("--field", "gas"), ("--area", "440103014"), ("--collection", "person")):
        assert "0 made by joins" in doorstep("audit", "list", "--joined", *none).stdout
    assert (
        "因并户而来的共 1 个；待裁定 1" in doorstep("audit", "list", "--joined", lang="zh").stdout
    )

    shown = doorstep("audit", "show", "one/phone").stdout
    assert "joined two into one" in shown
    assert "one family" in shown
    lines = shown.splitlines()
    assert [x.split("│")[5].strip() for x in lines if "126" in x] == ["one", "two"]

    digest = shown.rsplit("--seen ", 1)[1].split()[0]
    settle = ["audit", "resolve", "one/phone", "--choose", "1", "--reason"]
    file.write_text(json.dumps([{"id": "two", "gas": "none"}]), "utf-8")
    doorstep("import", str(file))
    old = doorstep(*settle, "rang it", "--seen", digest, fails=1)
    assert "changed since" in old.output
    doorstep("audit", "undo", "one/phone", "--reason", "nothing yet", fails=1)
    # It lies between two households: which of them should not be is not said.
    between = doorstep("audit", "resolve", "one/phone", "--void", "--reason", "x", fails=1)
    assert "audit/incomplete" in between.output
    assert "12612345678" in doorstep(*settle, "rang it").stdout
    doorstep(*settle, "twice", fails=1)
    listed = doorstep("audit", "list", "--joined", "--field", "phone").stdout
    assert "1 made by joins in all; by an officer 1" in listed
    assert "rang it" in doorstep("audit", "show", "one/phone").stdout

    doorstep("audit", "undo", "one/phone", "--reason", "wrong number")
    shown = doorstep("audit", "show", "one/phone").stdout
    assert "wrong number" in shown
    assert "undone" in shown
    # What was shown before is set back on both.
    line = next(
        x for x in doorstep("duplicates", "show", "one", "two").stdout.splitlines() if "126" in x
    )
    assert (line.count("12699999999"), line.count("12612345678")) == (3, 0)
    assert "one/phone" not in doorstep("audit", "list", "--joined", "--state", "open").stdout
    doorstep("audit", "undo", "one/phone", "--reason", "again", fails=1)
    doorstep("audit", "show", "phone", fails=2)
    doorstep("audit", "show", "nobody/phone", fails=1)
    doorstep("verify")


@pytest.mark.slow
def test_a_join_is_made_in_the_server_that_runs(doorstep: Doorstep, tmp_path: Path) -> None:
    with district_process(tmp_path / "district"):
        doorstep("duplicates", "join", "two", "one", "--reason", "one family")
        assert "陈桂兰" not in doorstep("duplicates", "list").stdout
    doorstep("duplicates", "undo", "two", "--reason", "not so")
    assert "陈桂兰" in doorstep("duplicates", "list").stdout
