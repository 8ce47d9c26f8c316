# SPDX-License-Identifier: Apache-2.0
"""Erasing on both stores: conflicts, waiting, quarantine, search and facts included."""

from crypto.erasure import READINGS, Line, Readings, issue_readings
from server.erasing_certificate import cases, facts_of
from server.erasing_plan import active_holds, add_hold, holds, plan_erasure
from server.log_access import by_household, by_officer
from server.log_export import check_beside
from server.readings import take_readings
from server.retention import due
from server.store.base import Store
from server.web.lookup import step
from tests.server.pens import Office, Pen
from tests.server.store.test_district import office_on

NAME, PHONE = "单雄信的姓名", "13800138999"
TABLES = {
    "records": "id",
    "conflicts": "record",
    "lookup": "record",
    "waiting": "record",
    "quarantine": "record",
    "also": "record",
    "marks": "record",
    "joined_states": "record",
}


def filled(office: Office) -> tuple[str, str, Pen]:
    one, two = Pen(office, "zhang", "张霞"), Pen(office, "li", "李明")
    home = one.write(None, area="440103019003", phone=PHONE, mood=NAME)
    other = one.write(None, area="440103019003", phone="13900000000")
    one.sync()
    two.sync()
    one.write(home, phone=PHONE + "1", reason=NAME)
    two.write(home, phone=PHONE + "2")
    one.sync()
    two.sync()
    while step(office.store, office.schema):
        pass
    return home, other, one


def test_an_erasure_leaves_nothing_in_any_table_and_all_verifies(store: Store) -> None:
    office = office_on(store)
    home, other, _ = filled(office)
    with store.read() as tx:
        plan = plan_erasure(tx, office.schema, home, "request", "本人要求", "周")
        assert len(plan.case.dots) == 3
    case = office.district.erasing.carry_out(plan.case)
    assert store.overwrite_freed()
    with store.read() as tx:
        for table, column in TABLES.items():
            assert tx.rows(f"SELECT 1 FROM {table} WHERE {column} = ?", [home]) == [], table
        searched = [str(row[0]) for row in tx.rows("SELECT words FROM lookup_words")]
        assert searched
        assert not any(NAME in words for words in searched)
        assert tx.rows("SELECT 1 FROM conflict_sides") == []
        assert tx.rows("SELECT 1 FROM notices") == []
        assert tx.rows("SELECT 1 FROM records WHERE id = ?", [other])
        assert check_beside(tx) == []
        (found,) = cases(tx)
    assert (found.case, found.records, found.places) == (case.hex(), 1, 2)
    assert office.verify().problems == []
    with store.write() as tx:
        facts = facts_of(tx, office.district.key, case.hex(), office.now_ms)
    assert facts["counts"]["changes"] == 3
    assert facts["log_leaf"] is not None


def test_holds_retention_and_readings_are_kept_on_both_stores(store: Store) -> None:
    office = office_on(store)
    home, _, pen = filled(office)
    said = Readings(pen.key.replica, 1, 0, [Line(office.now_ms, "zhang", home, "household")])
    data = issue_readings(pen.key, said)
    for _ in range(2):
        with store.write() as tx:
            held = take_readings(
                tx, office.district.trust, office.district.key, [(READINGS, data)], 0
            )
            assert len(held) == 1
    with store.write() as tx:
        n = add_hold(tx, home, "法院调查", "法务", office.now_ms)
    with store.read() as tx:
        assert active_holds(tx) == {home: "法院调查"}
        assert [hold.n for hold in holds(tx)] == [n]
    with store.read() as tx:
        assert [(c.name, c.lines) for c in by_officer(tx)] == [("zhang", 1)]
        assert [c.name for c in by_household(tx)] == [home]
        assert due(tx, office.schema, office.now_ms) == []
        assert check_beside(tx) == []
