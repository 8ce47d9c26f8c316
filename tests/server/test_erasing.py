# SPDX-License-Identifier: Apache-2.0
"""Erasing on one server: everything of a record goes, and feeds, log and record still verify."""

from pathlib import Path

import pytest

from fixtures.pages import plain_pages
from server.erasing_plan import plan_erasure
from server.errors import RecordErased
from server.feeds import open_stored
from server.log_export import check_beside
from server.store.sqlite_file import PAGE_BYTES
from tests.server.pens import Office, Pen

NAME, PHONE, LATE = "单雄信的姓名", "13800138999", "后来写下的病情"


def pages(office: Office) -> bytes:
    """Every page of the store's file in plain, freed ones included, and what its runs hold."""
    key = bytes.fromhex("ab" * 32)
    found = b"".join(plain_pages(office.store.path, key, PAGE_BYTES, "sha256"))
    with office.store.read() as tx:
        for kind, body in tx.rows("SELECT kind, body FROM segments"):
            found += b"".join(entry.raw for entry in open_stored(str(kind), bytes(body)))
    return found


def erase(office: Office, subject: str) -> bytes:
    with office.store.read() as tx:
        plan = plan_erasure(tx, office.schema, subject, "request", "本人要求", "周")
    case = office.district.erasing.carry_out(plan.case)
    assert office.store.overwrite_freed()
    return case


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_what_is_erased_is_in_no_table_and_all_verifies(office: Office) -> None:
    one, two = Pen(office, "zhang", "张霞"), Pen(office, "li", "李明")
    home = one.write(None, area="440103019003", phone=PHONE, mood=NAME)
    other = one.write(None, area="440103019003", phone="13900000000")
    one.sync()
    two.sync()
    one.write(home, phone=PHONE + "1", reason=NAME)
    two.write(home, phone=PHONE + "2")
    one.sync()
    two.sync()
    assert office.verify().holds
    assert NAME.encode() in pages(office)
    erase(office, home)
    found = pages(office)
    assert NAME.encode() not in found
    assert PHONE.encode() not in found
    assert b"13900000000" in found
    verdict = office.verify()
    assert verdict.problems == []
    assert verdict.fates["erased"] == 3
    with office.store.read() as tx:
        assert check_beside(tx) == []
        assert not tx.rows("SELECT 1 FROM records WHERE id = ?", [home])
        assert tx.rows("SELECT 1 FROM records WHERE id = ?", [other])
    with pytest.raises(RecordErased):
        office.district.write("w", "household", home, {"phone": "1"})


def test_what_arrives_late_is_taken_out_in_the_same_commit(office: Office) -> None:
    one, two = Pen(office, "zhang", "张霞"), Pen(office, "li", "李明")
    home = one.write(None, area="440103019003", phone=PHONE)
    one.sync()
    two.sync()
    two.write(home, mood=LATE)
    erase(office, home)
    two.write(None, area="440103019003", phone="13900000000")
    two.sync()
    assert office.store.overwrite_freed()
    assert LATE.encode() not in pages(office)
    verdict = office.verify()
    assert verdict.problems == []
    assert verdict.fates["erased"] == 2
    with office.store.read() as tx:
        assert len(tx.rows("SELECT 1 FROM erasure_parts")) == 2


def test_a_blank_that_no_erasure_names_is_a_disagreement(office: Office) -> None:
    one = Pen(office, "zhang", "张霞")
    home = one.write(None, area="440103019003", phone=PHONE)
    one.sync()
    erase(office, home)
    assert office.verify().holds
    office.sql("DELETE FROM erased_changes")
    assert {problem.kind for problem in office.verify().problems} == {"blank"}
