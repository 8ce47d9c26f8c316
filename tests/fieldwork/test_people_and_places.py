# SPDX-License-Identifier: Apache-2.0
"""Supervision, volunteers, institutions, tests at the door, letters, donations, journeys and the
street, played with two offline tablets and a clash."""

from typing import Any

import pytest

from client_sdk.errors import EntryRefused
from sync.effects import days_after
from tests.fieldwork.conftest import AREA, Street, more_homes, open_fields

# ---- supervision ---------------------------------------------------------------------------------


def test_a_finding_is_checked_only_after_it_was_put_right(street: Street) -> None:
    one, two = street.one, street.two
    seen = one.create_record(
        "inspection", {"area": AREA, "office": "裕安社区", "by_office": "区局"}
    )
    found = one.create_record(
        "finding", {"household": seen, "text": "三户未走访", "put_right_by": "2023-11-20"}
    )
    street.meet()
    assert two.read(seen)["inspectors"] == ["w-a"]
    with pytest.raises(EntryRefused):
        two.edit(found, status="checked")
    with pytest.raises(EntryRefused):
        two.edit(found, status="put_right")
    two.append(found, "measures", "已补访三户")
    two.edit(found, status="put_right", put_right_by="2023-11-18")
    one.edit(found, weight="serious", put_right_by="2023-11-25")
    street.meet()
    assert one.read(found)["put_right_by"] == "2023-11-18"
    one.edit(found, status="checked")
    two.edit(found, status="reopened")
    street.meet()
    shown = two.read(found)
    assert (shown["status"], shown["checked_by"]) == ("reopened", ["w-a"])


# ---- volunteers ----------------------------------------------------------------------------------


def test_hours_count_when_confirmed_and_nobody_spends_them_twice(street: Street) -> None:
    one, two = street.one, street.two
    giver = one.create_record("volunteer", {"area": AREA, "name": "赵家明"})
    friend = one.create_record("volunteer", {"area": AREA, "name": "李嘉欣"})
    given = one.create_record(
        "service_hours", {"household": giver, "direction": "given", "minutes": 180}
    )
    assert one.hours() == {giver: 0}
    street.meet()
    one.edit(given, status="confirmed")
    two.edit(given, status="not_counted")
    street.meet()
    assert one.hours() == two.hours()
    one.edit(given, status="confirmed")
    street.meet()
    assert one.hours() == {giver: 180}
    redeemed = {"household": giver, "direction": "redeemed", "minutes": 100}
    one.create_record("service_hours", redeemed)
    two.create_record("service_hours", redeemed)
    street.meet()
    # Both were spent: the account says so, and nothing is hidden.
    assert one.hours() == {giver: -20}
    with pytest.raises(EntryRefused):
        one.create_record(
            "service_hours", {"household": giver, "direction": "passed_on", "minutes": 10}
        )
    one.create_record(
        "service_hours",
        {"household": giver, "direction": "passed_on", "minutes": 10, "passed_to": friend},
    )
    assert one.hours() == {giver: -30, friend: 10}


# ---- institutions --------------------------------------------------------------------------------


def test_of_two_words_about_an_institution_the_stricter_holds(street: Street) -> None:
    one, two = street.one, street.two
    house = one.create_record("institution", {"area": AREA, "name": "颐养院", "kind": "old_age"})
    stay = one.create_record("resident_stay", {"household": house, "name": "陈桂兰"})
    street.meet()
    one.edit(house, entry="closed_off", visits="suspended")
    two.edit(house, entry="restricted", visits="by_window")
    reading = {"household": house, "whom": "resident", "resident": stay, "temperature_c": 37.0}
    warm = one.create_record("temperature_reading", reading)
    two.edit(stay, status="in_hospital")
    one.edit(stay, status="left")
    street.meet()
    shown = two.read(house)
    assert (shown["entry"], shown["visits"]) == ("closed_off", "suspended")
    assert shown["suspended_from"] == one.today()
    assert two.read(warm)["measured_by"] == ["w-a"]
    one.edit(warm, temperature_c=37.1)
    two.edit(warm, temperature_c=38.4)
    street.meet()
    assert one.read(warm)["temperature_c"] == 38.4
    assert one.read(stay)["status"] == "in_hospital"


# ---- testing at the door, letters ----------------------------------------------------------------


def test_who_cannot_come_is_booked_and_asked_again(street: Street) -> None:
    one, two = street.one, street.two
    booked = one.create_record(
        "test_appointment",
        {"household": street.home, "kind": "vaccination", "hindrances": ["bedridden"]},
    )
    with pytest.raises(EntryRefused):
        one.edit(booked, status="booked")
    one.edit(booked, status="booked", booked_for_ms=1_700_086_400_000)
    street.meet()
    one.edit(booked, status="said_no", reason_no="怕痛")
    two.edit(booked, status="not_home")
    street.meet()
    shown = one.read(booked)
    assert (shown["status"], shown["again_on"]) == ("said_no", days_after(one.today(), 7))
    two.edit(booked, status="done", dose=1, vaccine="灭活")
    one.edit(booked, dose=2)
    street.meet()
    assert open_fields(one, booked) == ["dose"]
    assert one.read(booked)["done_at_ms"] is not None


def test_a_letter_is_counted_against_the_doors(street: Street) -> None:
    one, two = street.one, street.two
    homes = more_homes(street, 2)
    letter = {"title": "一封信", "edition": "11月"}
    first = one.create_record("letter", {**letter, "household": homes[0], "copies": 1})
    assert two.create_record("letter", {**letter, "household": homes[0], "copies": 1}) == first
    one.edit(first, status="handed_over")
    two.edit(first, status="not_taken")
    other = two.create_record("letter", {**letter, "household": homes[1]})
    two.edit(other, status="signed", receiver="何锦泉")
    street.meet()
    had = {"handed_over", "signed", "put_in_box"}
    for tablet in (one, two):
        left = tablet.without("letter", title="一封信", edition="11月", status=had)
        assert left == sorted([homes[0], homes[2]])
    one.edit(first, status="handed_over")
    street.meet()
    assert two.without("letter", title="一封信", status=had) == [homes[2]]
    assert two.read(first)["copies"] == 2


# ---- donations, journeys, the street -------------------------------------------------------------


def test_what_arrived_and_was_given_on_adds_up_across_tablets(street: Street) -> None:
    one, two = street.one, street.two
    gift = one.create_record(
        "donation", {"area": AREA, "donor": "粤海公司", "goods": "mask", "pledged": 1_000}
    )
    street.meet()
    one.count(gift, "arrived", 600)
    two.count(gift, "arrived", 300)
    one.count(gift, "given_on", 200)
    two.add(gift, "given_to", street.home)
    one.edit(gift, status="done")
    two.edit(gift, status="questioned")
    street.meet()
    shown: dict[str, Any] = dict(one.read(gift).values)
    assert (shown["pledged"], shown["arrived"], shown["given_on"]) == (1_000, 900, 200)
    assert (shown["status"], shown["given_to"]) == ("questioned", [street.home])
    assert shown["pledged_on"] == one.today()


def test_a_journey_needs_its_pass_and_is_graver_if_one_says_so(street: Street) -> None:
    one, two = street.one, street.two
    way = one.create_record("journey", {"household": street.home, "kind": "dialysis"})
    street.meet()
    with pytest.raises(EntryRefused):
        one.edit(way, status="permitted")
    one.edit(way, status="permitted", pass_number="L-77", urgency="soon")
    two.edit(way, urgency="life", pass_number="L-78")
    street.meet()
    shown = one.read(way)
    assert (shown["status"], shown["urgency"], shown["granted_by"]) == ("permitted", "life", "w-a")
    assert open_fields(one, way) == ["pass_number"]
    two.edit(way, status="under_way", pass_number="L-77")
    two.edit(way, status="arrived")
    one.edit(way, status="reopened")
    street.meet()
    assert one.read(way)["status"] == "reopened"
    one.edit(way, status="done")
    street.meet()
    shown = two.read(way)
    assert (shown["status"], shown["escorts"]) == ("done", ["w-b"])
    assert shown["back_at_ms"] is not None


def test_a_person_met_in_the_street_has_no_address_and_is_kept_in_touch(street: Street) -> None:
    one, two = street.one, street.two
    patrol = one.create_record("patrol", {"area": AREA, "places": ["bridge"]})
    met = one.create_record("street_person", {"area": AREA, "called": "阿强"})
    street.meet()
    for tablet, given in ((one, "food"), (two, "quilt")):
        tablet.create_record(
            "street_meeting",
            {"household": met, "patrol": patrol, "offered": [given], "meals_given": 1},
        )
    one.edit(met, status="in_shelter")
    two.edit(met, status="in_touch", whereabouts="人民桥底")
    two.count(patrol, "quilts_given", 1)
    one.count(patrol, "quilts_given", 2)
    street.meet()
    for tablet in (one, two):
        assert tablet.read(met)["status"] == "in_touch"
        meetings = tablet.of_household(met, "street_meeting")
        assert sorted(m["offered"][0] for m in meetings) == ["food", "quilt"]
        assert tablet.read(patrol)["quilts_given"] == 3
    assert "household" not in one.read(met).values
