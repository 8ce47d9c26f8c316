# SPDX-License-Identifier: Apache-2.0
"""People and households in the field, played with two offline tablets and a clash: needs, helpers,
zones, rounds, teams, relief without meeting, referrals, children."""

from typing import Any

import pytest

from client_sdk.errors import EntryRefused
from client_sdk.tablet import Tablet
from fixtures.world import HOUSEHOLD
from sync.effects import day_of, days_after
from tests.fieldwork.conftest import Street, open_fields

DAY_MS = 86_400_000
PICTURE = b"\xff\xd8 a picture"


def person(tablet: Tablet, home: str, **fields: Any) -> str:
    return tablet.create_record("person", {"household": home, "name": "陈小明", **fields})


# ---- needs and same-day clearing -----------------------------------------------------------------


def test_a_need_goes_through_its_life_and_the_clock_of_the_day_runs(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    need = one.create_record("need", {"household": home, "kind": "wheelchair", "urgency": "soon"})
    street.meet()
    found = two.read(need)
    assert (found["status"], found["level"], found["reporter"]) == ("open", "community", "w-a")
    assert found["deadline"] == days_after(day_of(found["found_at_ms"]), 1)
    two.edit(need, status="accepted")
    two.edit(need, status="solved")
    shown = two.read(need)
    assert (shown["owner"], shown["solved_at_ms"] >= shown["accepted_at_ms"]) == ("w-b", True)
    assert two.clocks() == []
    # One closes it on the person's word while the other hears that it is broken again.
    street.meet()
    two.edit(need, status="confirmed", confirmed_by="陈桂兰")
    one.edit(need, status="reopened")
    street.meet()
    for tablet in (one, two):
        assert tablet.read(need)["status"] == "reopened"
        assert tablet.read(need)["reopened_count"] == 1
        ((row, clock),) = tablet.clocks()
        assert (row.id, clock.state, clock.acts) == (need, "open_today", "community")
    street.world.now_ms += 3 * DAY_MS
    ((_, clock),) = one.clocks()
    assert (clock.state, clock.overdue, clock.acts) == ("open_overnight", True, "street")


def test_a_need_is_not_confirmed_without_saying_by_whom(street: Street) -> None:
    need = street.one.create_record("need", {"household": street.home, "kind": "rice"})
    with pytest.raises(EntryRefused) as refused:
        street.one.edit(need, status="confirmed")
    (problem,) = refused.value.problems
    assert problem.code == "value/step-needs"
    assert "确认人" in problem.zh
    assert "Confirmed by" in problem.en
    assert street.one.read(need)["status"] == "open"


def test_four_levels_see_a_need_and_each_answer_is_kept(street: Street) -> None:
    one, two = street.one, street.two
    need = one.create_record("need", {"household": street.home, "kind": "repair"})
    street.meet()
    one.add(need, "seen_by_levels", "street")
    one.append(need, "answers", "街道：明天派人")
    two.edit(need, level="district")
    two.add(need, "seen_by_levels", "district")
    two.append(need, "answers", "区：列入修缮计划")
    street.meet()
    shown = one.read(need)
    assert (shown["level"], shown["seen_by_levels"]) == ("district", ["district", "street"])
    assert sorted(shown["answers"]) == ["区：列入修缮计划", "街道：明天派人"]
    assert shown.values == two.read(need).values


# ---- one helper per person -----------------------------------------------------------------------


def test_two_tablets_that_name_a_helper_name_one_and_ask_which(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    child = person(one, home, categories=["child_in_difficulty"])
    street.meet()
    assert one.without("helper_assignment", status={"named", "met"}) == [home]
    first = one.create_record(
        "helper_assignment", {"household": home, "person": child, "helper": "王志豪"}
    )
    second = two.create_record(
        "helper_assignment", {"household": home, "person": child, "helper": "李嘉欣"}
    )
    assert first == second
    street.meet()
    assert len(one.of_household(home, "helper_assignment")) == 1
    assert open_fields(one, first) == ["helper"]
    one.resolve(first, "helper", "李嘉欣", reason="lives next door")
    street.meet()
    assert two.read(first)["helper"] == "李嘉欣"
    assert two.conflicts() == []
    assert two.without("helper_assignment", status={"named", "met"}) == []


def test_naming_a_helper_again_writes_on_the_one_there_is(street: Street) -> None:
    given = {"household": street.home, "helper": "王志豪"}
    record = street.one.create_record("helper_assignment", given)
    street.one.edit(record, status="met")
    assert street.one.create_record("helper_assignment", {**given, "helper": "赵家明"}) == record
    shown = street.one.read(record)
    assert (shown["helper"], shown["status"]) == ("赵家明", "met")


# ---- who is in a zone now ------------------------------------------------------------------------


def test_who_is_in_a_zone_follows_area_building_and_day(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    other = {**HOUSEHOLD, "address": "龙津东路20号101", "building": "20号"}
    away = two.create_record("household", {**other, "area": "440103007001"})
    near = two.create_record("household", other)
    zone = {"area": "440103019", "starts_on": "2023-11-10", "ends_on": "2023-11-20"}
    watched = one.create_record("zone", {**zone, "name": "龙津街", "level": "watched"})
    closed = one.create_record(
        "zone", {**zone, "name": "12号", "level": "closed", "buildings": ["12号"]}
    )
    street.meet()
    for tablet in (one, two):
        found = {line.home: (line.level, line.zone) for line in tablet.in_zones("2023-11-15")}
        assert found == {home: ("closed", closed), near: ("watched", watched)}
        assert tablet.in_zones("2023-11-21") == []
    assert away not in {line.home for line in two.in_zones("2023-11-15")}
    # One lifts the zone while another still finds it controlled: the stricter word holds.
    one.edit(closed, level="lifted")
    two.edit(closed, level="controlled")
    street.meet()
    assert {(z.home, z.level) for z in one.in_zones("2023-11-15")} >= {(home, "controlled")}
    two.edit(closed, level="lifted")
    street.meet()
    assert {z.level for z in one.in_zones("2023-11-15")} == {"watched"}


# ---- the round of a grid -------------------------------------------------------------------------


def test_in_a_round_not_one_household_is_left_out(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    homes = [home]
    for number in range(4):
        homes.append(one.create_record("household", {**HOUSEHOLD, "address": f"龙津路{number}号"}))
    street.meet()
    today = one.today()

    def visit(tablet: Tablet, at: int, outcome: str) -> str:
        return tablet.create_record(
            "visit", {"household": homes[at], "mode": "door", "outcome": outcome}
        )

    shut = visit(one, 0, "not_opened")
    assert one.read(shut)["follow_up"] == "tomorrow"
    visit(two, 0, "met")
    doubted = visit(one, 1, "met")
    visit(two, 2, "refused")
    visit(two, 3, "moved")
    street.meet()
    # Two workers tell one visit differently: until it is settled the door counts as shut.
    one.edit(doubted, outcome="by_other")
    two.edit(doubted, outcome="not_opened")
    street.meet()
    for tablet in (one, two):
        doors = tablet.doors(today)
        assert [doors.states[h] for h in homes] == ["done", "shut", "refused", "moved", "missing"]
        assert doors.left == sorted([homes[1], homes[4]])
    new = two.create_record("household", {**HOUSEHOLD, "address": "天台加建"})
    round_ = one.create_record("grid_round", {"area": "440103019003", "name": "第一轮"})
    street.meet()
    two.add(round_, "households_new", new)
    one.edit(round_, status="closed")
    two.edit(round_, status="reopened")
    street.meet()
    shown = one.read(round_)
    assert (shown["status"], shown["households_new"]) == ("reopened", [new])


# ---- the team at the door ------------------------------------------------------------------------


def test_what_a_team_finds_at_the_door_is_a_task_at_once_and_only_once(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    visit = {"household": home, "mode": "door", "outcome": "met"}
    first = one.create_record("visit", {**visit, "shortages": ["rice", "gas"]})
    second = two.create_record("visit", {**visit, "shortages": ["rice"]})
    street.meet()
    short = one.of_household(home, "shortage")
    assert sorted(s["goods"][0] for s in short) == ["gas", "rice"]
    assert {s["status"] for s in short} == {"found"}
    assert [c.id for c in one.conflicts() if open_fields(one, c.id)] == []
    assert one.read(first)["workers"] == ["w-a"]
    assert one.read(second)["workers"] == ["w-b"]


# ---- care assessment -----------------------------------------------------------------------------


def test_two_who_grade_care_as_poor_open_one_need(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    graded = {"household": home, "grade": "poor", "reasons": ["old_caring_for_disabled"]}
    first = one.create_record("assessment", graded)
    assert [n["kind"] for n in one.of_household(home, "need")] == ["care"]
    second = two.create_record("assessment", {**graded, "reasons": ["several_disabled", "alone"]})
    fair = two.create_record("assessment", {"household": home, "grade": "fair"})
    street.meet()
    for tablet in (one, two):
        (need,) = tablet.of_household(home, "need")
        assert (need["status"], need["source"], need["urgency"]) == ("open", "assessment", "urgent")
        assert need["assessments"] == sorted([first, second])
        assert open_fields(tablet, need.id) == []
    # Solved, it comes back as the same need when care is found poor again.
    two.edit(need.id, status="solved")
    street.meet()
    one.edit(fair, grade="poor")
    street.meet()
    (again,) = two.of_household(home, "need")
    assert (again.id, again["status"], again["reopened_count"]) == (need.id, "reopened", 1)
    assert (again["solved_at_ms"], fair in again["assessments"]) == (None, True)


def test_a_grade_that_is_lowered_unseen_stays_poor(street: Street) -> None:
    one, two = street.one, street.two
    record = one.create_record("assessment", {"household": street.home, "grade": "fair"})
    street.meet()
    one.edit(record, grade="poor")
    two.edit(record, grade="good")
    street.meet()
    assert two.read(record)["grade"] == "poor"
    assert len(two.of_household(street.home, "need")) == 1


# ---- relief without meeting ----------------------------------------------------------------------


def test_relief_is_reviewed_step_by_step_and_paid_in_fen(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    record = one.create_record(
        "relief_application",
        {"household": home, "kind": "emergency", "amount_asked_fen": 300_000},
    )
    with pytest.raises(EntryRefused):
        one.edit(record, status="consented")
    signature = one.attach(
        PICTURE,
        household=home,
        media_type="image/jpeg",
        purpose="signature",
        about=("relief_application", record, "consent"),
    )
    one.edit(record, status="consented", consent=signature)
    sound = one.attach(PICTURE, household=home, media_type="audio/ogg", purpose="voice")
    one.add(record, "survey_files", sound)
    one.edit(record, status="surveyed")
    with pytest.raises(EntryRefused) as refused:
        one.edit(record, status="decided", decision="granted")
    assert refused.value.problems[0].code == "value/step-order"
    street.meet()
    # The street reviews on one tablet; on the other papers are found missing.
    one.edit(record, status="street_review")
    two.edit(record, status="sent_back")
    street.meet()
    assert one.read(record)["status"] == "sent_back"
    one.add(record, "documents", "income_proof")
    for step in ("street_review", "district_review"):
        one.edit(record, status=step)
    street.meet()
    one.edit(record, status="decided", decision="granted", amount_granted_fen=250_050)
    two.edit(record, status="decided", decision="granted", amount_granted_fen=200_000)
    street.meet()
    assert open_fields(two, record) == ["amount_granted_fen"]
    two.resolve(record, "amount_granted_fen", 250_050, reason="the minutes say so")
    two.edit(record, status="paid")
    two.count(record, "paid_fen", 100_050)
    street.meet()
    one.count(record, "paid_fen", 150_000)
    street.meet()
    shown = one.read(record)
    assert (shown["status"], shown["paid_fen"]) == ("paid", 250_050)
    assert shown["reviewers"] == ["w-a", "w-b"]
    assert shown["surveyors"] == ["w-a"]


# ---- referral ------------------------------------------------------------------------------------


def test_a_referral_has_a_receipt_and_an_answer_and_comes_back_if_refused(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    need = one.create_record("need", {"household": home, "kind": "clinic"})
    sent = one.create_record(
        "referral",
        {"household": home, "need": need, "to_kind": "health", "to_name": "区卫健局"},
    )
    assert one.read(need)["status"] == "referred"
    assert one.read(need)["referred_to"] == "区卫健局"
    street.meet()
    with pytest.raises(EntryRefused):
        two.edit(sent, status="received")
    two.edit(sent, status="received", receiver="罗医生")
    one.edit(sent, status="sent_back")
    street.meet()
    shown = two.read(sent)
    assert (shown["status"], shown["receiver"]) == ("sent_back", "罗医生")
    assert shown["received_at_ms"] is not None
    assert two.read(need)["status"] == "reopened"
    with pytest.raises(EntryRefused):
        two.edit(sent, status="answered")
    two.append(sent, "answers", "已安排家庭医生")
    two.edit(sent, status="answered")
    street.meet()
    assert one.read(sent)["status"] == "answered"


# ---- children ------------------------------------------------------------------------------------


def test_a_child_whose_guardian_is_isolated_is_somebodys_task(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    child = person(one, home)
    notice = one.create_record(
        "guardian_notice", {"household": home, "person": child, "guardian": "陈建国"}
    )
    with pytest.raises(EntryRefused):
        one.edit(notice, status="signed")
    signature = one.attach(PICTURE, household=home, media_type="image/png", purpose="signature")
    one.edit(notice, status="signed", signature=signature)
    street.meet()
    one.edit(notice, guardian_state="present")
    two.edit(notice, guardian_state="isolated")
    two.create_record(
        "child_check",
        {"household": home, "person": child, "mode": "door", "safety": "at_risk"},
    )
    street.meet()
    for tablet in (one, two):
        assert tablet.read(notice)["guardian_state"] == "isolated"
        assert tablet.read(notice)["delivered_by"] == ["w-a"]
        (need,) = tablet.of_household(home, "need")
        assert (need["kind"], need["person"], need["urgency"]) == ("guardian", child, "life")


def test_a_wish_that_is_granted_twice_is_granted_and_the_giver_is_asked(street: Street) -> None:
    one, two = street.one, street.two
    wish = one.create_record(
        "wish", {"household": street.home, "kind": "book", "text": "一套十万个为什么"}
    )
    street.meet()
    one.edit(wish, status="granted", giver="新华书店")
    two.edit(wish, status="promised", giver="图书馆")
    street.meet()
    shown = one.read(wish)
    assert (shown["status"], shown["granted_on"]) == ("promised", one.today())
    assert open_fields(one, wish) == ["giver"]
