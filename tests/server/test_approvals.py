# SPDX-License-Identifier: Apache-2.0
"""The rule of two: what one person may not do alone is done with another's yes, and not else."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest
from click.testing import CliRunner, Result

from fixtures.district import new_district
from fixtures.neighbourhood import neighbourhood
from fixtures.office import write_households_csv
from server import approvals
from server.accounts import add_account, new_account, set_up
from server.approvals import (
    APPROVED_HOURS,
    EXPORT,
    EXPORT_ALONE_MAX,
    ROOT,
    WIPE,
    WIPES_ALONE_MAX,
    ApprovalEnded,
    ApprovalMissing,
    ApprovalRefused,
    answer,
    ask,
    granted,
    need,
    need_for_lines,
    need_for_wipe,
    prove,
)
from server.cli import main
from server.errors import NotFound
from server.journal import lines
from server.office import reading
from server.settings import load_settings
from server.store.base import Transaction
from server.store.sqlite import SqliteStore

NOW = 1_790_000_000_000
PASSWORD = "long-enough-for-a-test"
SECRET = pyotp.random_base32(32)


def add(tx: Transaction, account: str, role: str, area: str = "", now_ms: int = NOW) -> None:
    add_account(tx, new_account(account, account, role, area), "test", now_ms)
    set_up(tx, account, PASSWORD, SECRET, 0, now_ms)


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Transaction]:
    store = SqliteStore(tmp_path / "district.db", secrets.token_hex(32))
    with store.write() as found:
        add(found, "officer", "officer", "440103")
        add(found, "auditor", "auditor", "440103")
        add(found, "foreign", "auditor", "440104")
        add(found, "chief", "supervisor")
        yield found
    store.close()


def test_a_yes_is_for_who_asked_for_one_thing_and_for_a_day(tx: Transaction) -> None:
    asked = ask(tx, EXPORT, "daily", "officer", "年报", NOW)
    with pytest.raises(ApprovalMissing):
        need(tx, EXPORT, "daily", "officer", NOW)
    answer(tx, asked.n, "auditor", True, NOW)
    assert need(tx, EXPORT, "daily", "officer", NOW + 1).answered_by == "auditor"
    for kind, target, by in ((EXPORT, "", "officer"), (ROOT, "daily", "officer")):
        assert granted(tx, kind, target, by, NOW) is None
    assert granted(tx, EXPORT, "daily", "chief", NOW) is None
    assert granted(tx, EXPORT, "daily", "officer", NOW + APPROVED_HOURS * 3_600_000) is None


@pytest.mark.parametrize("by", ["officer", "foreign", "nobody"])
def test_own_requests_other_areas_and_lesser_rights_do_not_answer(tx: Transaction, by: str) -> None:
    asked = ask(tx, EXPORT, "", "auditor" if by == "officer" else "officer", "年报", NOW)
    with pytest.raises(ApprovalRefused):
        answer(tx, asked.n, by, True, NOW)
    assert granted(tx, EXPORT, "", asked.asked_by, NOW) is None


def test_nobody_answers_their_own_request(tx: Transaction) -> None:
    asked = ask(tx, ROOT, "", "chief", "到期", NOW)
    with pytest.raises(ApprovalRefused):
        answer(tx, asked.n, "chief", True, NOW)


def test_a_no_is_final_and_a_new_request_is_another(tx: Transaction) -> None:
    asked = ask(tx, EXPORT, "", "officer", "年报", NOW)
    assert ask(tx, EXPORT, "", "officer", "再来", NOW) == asked
    answer(tx, asked.n, "chief", False, NOW)
    with pytest.raises(ApprovalEnded):
        answer(tx, asked.n, "auditor", True, NOW)
    with pytest.raises(ApprovalMissing):
        need(tx, EXPORT, "", "officer", NOW)
    assert ask(tx, EXPORT, "", "officer", "再来", NOW).n != asked.n


def test_requests_without_reason_or_of_no_kind_are_refused(tx: Transaction) -> None:
    with pytest.raises(ApprovalRefused):
        ask(tx, EXPORT, "", "officer", "  ", NOW)
    with pytest.raises(ApprovalRefused):
        ask(tx, EXPORT, "x" * 201, "officer", "年报", NOW)
    with pytest.raises(NotFound):
        ask(tx, "lunch", "", "officer", "饿", NOW)
    with pytest.raises(NotFound):
        answer(tx, 99, "chief", True, NOW)


def test_asking_and_answering_stand_in_the_journal(tx: Transaction) -> None:
    asked = ask(tx, EXPORT, "daily", "officer", "年报", NOW)
    answer(tx, asked.n, "auditor", True, NOW)
    found = [(line.who, line.what, line.target) for line in lines(tx, 2)]
    assert found == [
        ("auditor", "approval-approved", "export daily"),
        ("officer", "approval-asked", "export daily"),
    ]


def test_a_team_of_tablets_is_revoked_by_one_and_a_district_by_two(tx: Transaction) -> None:
    for n in range(WIPES_ALONE_MAX):
        need_for_wipe(tx, "chief", NOW)
        tx.run(
            "INSERT INTO devices (id, name, team, state, enrolled_at_ms, revoked_at_ms)"
            " VALUES (?, ?, 't', 'revoked', 0, ?)",
            [str(n), str(n), NOW],
        )
    with pytest.raises(ApprovalMissing):
        need_for_wipe(tx, "chief", NOW)
    need_for_wipe(tx, "chief", NOW + 86_400_001)
    add(tx, "other", "auditor")
    answer(tx, ask(tx, WIPE, "", "chief", "换发", NOW).n, "other", True, NOW)
    need_for_wipe(tx, "chief", NOW)


def test_a_long_list_takes_two(tx: Transaction) -> None:
    need_for_lines(tx, EXPORT_ALONE_MAX, "officer", NOW)
    with pytest.raises(ApprovalMissing):
        need_for_lines(tx, EXPORT_ALONE_MAX + 1, "officer", NOW)


def test_a_code_proves_the_answerer_once(tx: Transaction) -> None:
    code = pyotp.TOTP(SECRET).at(NOW // 1000)
    with pytest.raises(ApprovalRefused):
        prove(tx, "auditor", "another-password", code, NOW)
    prove(tx, "auditor", PASSWORD, code, NOW)
    with pytest.raises(ApprovalRefused):
        prove(tx, "auditor", PASSWORD, code, NOW)


# ---- at the machine ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    new_district(tmp_path / "server")
    return tmp_path / "server"


@pytest.fixture
def doorstep(folder: Path) -> Callable[..., Result]:
    def run(*words: str, typed: str = "", fails: int = 0) -> Result:
        base = ["--data-dir", str(folder), "--lang", "en"]
        found = CliRunner().invoke(main, [*base, *words], input=typed, env={"COLUMNS": "200"})
        assert found.exit_code == fails, found.output + repr(found.exception)
        return found

    return run


@pytest.mark.slow
def test_the_whole_record_a_hold_and_the_root_take_two_people_at_the_machine(
    folder: Path,
    tmp_path: Path,
    doorstep: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(approvals, "EXPORT_ALONE_MAX", -1)
    target = tmp_path / "copy.db"
    refused = doorstep("export", str(target), "--reason", "年报", "--by", "chen", fails=1)
    assert "approval/missing" in refused.output
    assert not target.exists()
    assert "approval/missing" in doorstep("keys", "renew", "root", "--by", "chen", fails=1).output
    with reading(load_settings(None, None, {"data_dir": str(folder)})) as desk:
        now_ms = desk.now_ms
        with desk.store.write() as tx:
            add(tx, "zhou", "auditor", now_ms=now_ms)
    homes = neighbourhood(households=1).town.homes
    write_households_csv(tmp_path / "homes.csv", homes, "zh")
    doorstep("import", str(tmp_path / "homes.csv"))
    looking = ("sql", "SELECT id FROM household", "--csv")
    assert "approval/missing" in doorstep(*looking, fails=1).output
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approvals, "EXPORT_ALONE_MAX", 1)
        found = doorstep(*looking).stdout.split()
    doorstep("hold", "add", found[-1], "--reason", "案件")
    release = ("hold", "release", "1", "--reason", "案结", "--by", "chen")
    assert "approval/missing" in doorstep(*release, fails=1).output
    wanted = (("export", ""), ("root", ""), ("hold-release", "1"))
    for n, (kind, of) in enumerate(wanted):
        asking = ("approvals", "ask", kind, "--target", of, "--reason", "年报", "--by", "chen")
        doorstep(*asking)
        code = pyotp.TOTP(SECRET).at(now_ms // 1000 + 30 * (n - 1))
        typed = f"{PASSWORD}\n{code}\n"
        wrong = f"wrong-password\n{code}\n"
        answering = ("approvals", "answer", str(n + 1), "--account", "zhou")
        doorstep(*answering, typed=wrong, fails=1)
        said = doorstep(*answering, typed=typed).output
        assert PASSWORD not in said
        assert code not in said
    assert "approved" in doorstep("approvals", "list").output
    doorstep("export", str(target), "--reason", "年报", "--by", "chen")
    assert target.exists()
    doorstep("keys", "renew", "root", "--by", "chen")
    doorstep(*release)
    doorstep("export", str(tmp_path / "2.db"), "--reason", "年报", "--by", "other", fails=1)
