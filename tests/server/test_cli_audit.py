# SPDX-License-Identifier: Apache-2.0
"""The auditor's commands on a real store, alone and beside a running server."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fixtures.district import district_process, district_settings, new_district
from server.app import opened_district
from server.cli import main
from sync.collections import SCHEMA
from sync.messages import decode_notice
from tests.server.pens import Office, Pen

Doorstep = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "district"


@pytest.fixture
def home(folder: Path) -> str:
    """A district with one open conflict; the id of its household."""
    settings = new_district(folder)
    with opened_district(settings) as (district, keys):
        office = Office.around(district, keys.sign)
        a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
        made = a.write(None, head_name="单雄信", area="440103019003", phone="13800138000")
        a.sync()
        b.sync()
        a.write(made, phone="13800138001")
        office.now_ms += 1_000
        b.write(made, phone="13800138002")
        a.push()
        b.push()
    return made


@pytest.fixture
def doorstep(folder: Path) -> Doorstep:
    def run(*arguments: str, lang: str = "en", fails: int = 0) -> Result:
        base = ["--data-dir", str(folder), "--lang", lang]
        found = CliRunner(env={"COLUMNS": "240"}).invoke(main, [*base, *arguments])
        assert found.exit_code == fails, found.output + repr(found.exception)
        return found

    return run


def test_an_auditor_lists_shows_resolves_and_undoes(doorstep: Doorstep, home: str) -> None:
    listed = doorstep("audit", "list", "--state", "open", "--area", "440103").stdout
    assert home in listed
    assert "13800138001 | 13800138002" in listed
    assert "1 in all; open 1" in listed
    shown = doorstep("audit", "show", "1").stdout
    assert "had seen 张霞's edit of" in shown
    assert "not 张霞's edit of" in shown
    assert "“13800138000” (张霞's edit of" in shown
    seen = re.findall(r"--seen ([0-9a-f]{16})", shown)[0]
    zh = doorstep("audit", "show", "1", lang="zh").stdout
    assert "没看过陈宇轩" in zh
    refused = doorstep(
        *("audit", "resolve", "1", "--choose", "1", "--reason", "x", "--seen", "0" * 16), fails=1
    )
    assert "audit/record-changed" in refused.stderr
    decide = ("audit", "resolve", "1", "--choose", "1", "--by", "gsy", "--seen", seen)
    assert "settled as “13800138001”" in doorstep(*decide, "--reason", "问过本人").stdout
    assert "问过本人" in doorstep("audit", "show", "1").stdout
    assert "0 in all; by an officer 1" in doorstep("audit", "list", "--state", "open").stdout
    doorstep("audit", "undo", "1", "--by", "lhz", "--reason", "打错了")
    assert "lhz undid the decision" in doorstep("audit", "show", "1").stdout
    wrong = doorstep("audit", "resolve", "1", "--value", "x" * 999, "--reason", "x", fails=1)
    assert "audit/value" in wrong.stderr
    assert "audit/unknown" in doorstep("audit", "show", "7", fails=1).stderr
    assert "audit/incomplete" in doorstep("audit", "resolve", "1", "--reason", "x", fails=1).stderr


def test_a_record_is_voided_or_a_field_emptied_and_whose_value_goes_is_told(
    doorstep: Doorstep, home: str, folder: Path
) -> None:
    def decided(*how: str, fails: int = 0, lang: str = "en") -> Result:
        return doorstep("audit", "resolve", "1", *how, "--by", "gsy", fails=fails, lang=lang)

    def held(sql: str) -> list[tuple[Any, ...]]:
        with opened_district(district_settings(folder)) as (made, _), made.store.read() as tx:
            return tx.rows(sql)

    void = "SELECT voided FROM records"
    both = decided("--void", "--empty", "--reason", "x", fails=1)
    assert "audit/incomplete" in both.stderr
    stale = decided("--void", "--reason", "x", "--seen", "0" * 16, fails=1)
    assert "audit/record-changed" in stale.stderr
    assert held(void) == [(0,)]
    done = decided("--void", "--reason", "这一户不存在").stdout
    assert "Conflict 1 is settled, and its record is void" in done
    assert "audit/settled" in decided("--void", "--reason", "x", fails=1).stderr
    assert held(void) == [(1,)]
    told = [decode_notice(row[0]) for row in held("SELECT body FROM notices")]
    assert [(n.yours, n.kept, n.reason, n.kept_by) for n in told] == [
        ("13800138001", "13800138002", "这一户不存在", "gsy")
    ]
    shown = doorstep("audit", "show", "1").stdout
    assert "这一户不存在" in shown
    assert "The record is void" in shown
    doorstep("audit", "undo", "1", "--reason", "邻居说人在")
    assert held(void) == [(0,)]
    assert "The record is void" not in doorstep("audit", "show", "1").stdout
    emptied = decided("--empty", "--reason", "都是空号", lang="zh").stdout
    assert "冲突 1 已裁定为“（空）”" in emptied
    assert "It holds" in doorstep("verify").stdout


def test_whose_value_goes_only_after_a_decision_was_undone_is_told_too(
    doorstep: Doorstep, home: str, folder: Path
) -> None:
    for choice, reason in (("1", "问过本人"), ("2", "又打来电话"), ("1", "再问一次")):
        decide = ("audit", "resolve", "1", "--choose", choice, "--by", "gsy")
        doorstep(*decide, "--reason", reason)
        doorstep("audit", "undo", "1", "--by", "lhz", "--reason", "打错了")
    with opened_district(district_settings(folder)) as (made, _), made.store.read() as tx:
        told = [decode_notice(row[0]) for row in tx.rows("SELECT body FROM notices ORDER BY seq")]
    # Each of the two once, whatever is decided and undone after that.
    assert [(n.yours, n.kept, n.reason, n.kept_by) for n in told] == [
        ("13800138002", "13800138001", "问过本人", "gsy"),
        ("13800138001", "13800138002", "又打来电话", "gsy"),
    ]
    assert "It holds" in doorstep("verify").stdout


def test_a_history_is_drawn_and_every_value_explained(doorstep: Doorstep, home: str) -> None:
    out = doorstep("audit", "history", home).stdout
    assert out.count("●") == 3
    assert "├─╯" in out
    phone = SCHEMA.collections["household"].field("phone").label
    assert phone
    assert f"{phone.en} shows “13800138002”" in out
    then = doorstep("audit", "history", home, "--at", "1").stdout
    assert "13800138000" in then
    assert "13800138002" not in then
    assert "server/not-found" in doorstep("audit", "history", "nowhere", fails=1).stderr


def test_verify_says_that_it_holds_and_fails_on_what_was_altered(
    doorstep: Doorstep, home: str, folder: Path
) -> None:
    out = doorstep("verify").stdout
    assert "It holds" in out
    assert "3 changes" in out
    listed = doorstep("verify", "--changes", lang="zh").stdout
    assert listed.count(home) == 3
    assert "核对无误" in listed
    with opened_district(district_settings(folder)) as (district, _), district.store.write() as tx:
        tx.run("UPDATE records SET body = json_set(body, '$.phone', '1') WHERE id = ?", [home])
    broken = doorstep("verify", fails=1)
    assert f"[shown] {home} phone" in broken.stdout


def test_decisions_go_through_the_server_that_has_the_store(
    doorstep: Doorstep, home: str, folder: Path
) -> None:
    with district_process(folder) as process:
        decide = ("audit", "resolve", "1", "--value", "13800138009", "--reason", "问过")
        assert "13800138009" in doorstep(*decide).stdout
        assert "audit/settled" in doorstep(*decide, fails=1).stderr
        doorstep("audit", "undo", "1", "--reason", "打错了")
        void = doorstep("audit", "resolve", "1", "--void", "--reason", "没有这一户", lang="zh")
        assert "整条记录已作废" in void.stdout
        assert "It holds" in doorstep("verify").stdout
        assert process.stop() == 0
    with opened_district(district_settings(folder)) as (district, _), district.store.read() as tx:
        assert tx.rows("SELECT voided FROM records WHERE id = ?", [home]) == [(1,)]
    assert "by an officer" in doorstep("audit", "list").stdout


def test_the_quarantine_is_listed_and_released_by_command(
    doorstep: Doorstep, home: str, folder: Path
) -> None:
    with opened_district(district_settings(folder)) as (district, keys):
        office = Office.around(district, keys.sign)
        pen = Pen(office, "lm", "李明")
        pen.sync()
        office.sql("UPDATE devices SET state = 'revoked', revoked_at_ms = 1 WHERE id = 'lm'")
        pen.write(home, notes="x")
        pen.push()
    out = doorstep("audit", "quarantine", "list").stdout
    assert "李明" in out
    dot = re.findall(r"[0-9a-f]{56}", out)[0]
    doorstep("audit", "quarantine", "release", dot, "--reason", "核实", "--by", "gsy")
    assert "gsy" in doorstep("audit", "quarantine", "list", "--all").stdout
    refused = doorstep("audit", "quarantine", "release", dot, "--reason", "核实", fails=1)
    assert "audit/not-quarantined" in refused.stderr
    assert "It holds" in doorstep("verify").stdout
