# SPDX-License-Identifier: Apache-2.0
"""Calls, daily tables and goods, played with two offline tablets and a clash."""

import pytest

from client_sdk.errors import EntryRefused
from client_sdk.tablet import Tablet
from sync.effects import days_after
from tests.fieldwork.conftest import AREA, Street, more_homes, open_fields

PICTURE = b"\xff\xd8 a picture"


# ---- calls ---------------------------------------------------------------------------------------


def test_on_overlapping_lists_each_household_has_one_caller_a_day(street: Street) -> None:
    one, two = street.one, street.two
    homes = more_homes(street, 7)

    def call_list(tablet: Tablet, name: str, who: list[str], which: list[str]) -> str:
        return tablet.create_record(
            "call_list",
            {
                "area": AREA,
                "name": name,
                "group": "other",
                "script": "您好，今天身体怎样？",
                "callers": who,
                "households": which,
            },
        )

    call_list(one, "独居", ["w-a", "w-c"], homes[:5])
    call_list(two, "透析", ["w-b", "w-c"], homes[3:])
    # Before they meet each tablet knows its own list; both deal, and the calls overlap.
    one.deal_calls()
    two.deal_calls()
    street.meet()
    for tablet in (one, two):
        calls = tablet.rows("call")
        assert sorted(row.home for row in calls) == sorted(homes)
        assert all(isinstance(row.get("caller"), str) for row in calls)
    assert [(r.id, r.get("caller")) for r in one.rows("call")] == [
        (r.id, r.get("caller")) for r in two.rows("call")
    ]
    # Knowing the same lists, they deal the next day alike without meeting.
    tomorrow = days_after(one.today(), 1)
    assert one.deal_calls(tomorrow) == two.deal_calls(tomorrow)
    street.meet()
    assert [c.id for c in one.conflicts() if c["due_on"] == tomorrow] == []
    assert len([r for r in one.rows("call") if r.get("due_on") == tomorrow]) == len(homes)
    assert {row.get("caller") for row in one.my_calls(tomorrow)} <= {"w-a"}


def test_a_call_without_answer_is_called_back_and_what_it_finds_is_a_task(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    call = one.create_record("call", {"household": home, "caller": "w-a"})
    street.meet()
    one.edit(call, outcome="no_answer")
    assert [row.id for row in one.my_calls()] == [call]
    assert one.read(call)["call_back_on"] == one.today()
    # The teammate reached them meanwhile, and it sounded bad.
    two.edit(call, outcome="alarming")
    two.add(call, "shortages", "medicine")
    street.meet()
    shown = one.read(call)
    assert set(open_fields(one, call)) == {"outcome", "at_ms"}
    assert (shown["status"], shown["attempts"]) == ("call_back", 2)
    (need,) = one.of_household(home, "need")
    assert (need["source"], need["urgency"]) == ("call", "urgent")
    (short,) = one.of_household(home, "shortage")
    assert short["goods"] == ["medicine"]


# ---- the table of the day ------------------------------------------------------------------------


def test_the_table_of_the_day_fills_itself_and_names_who_is_missing(street: Street) -> None:
    one, two = street.one, street.two
    homes = more_homes(street, 2)
    visit = one.create_record(
        "visit",
        {
            "household": homes[0],
            "mode": "door",
            "outcome": "met",
            "temperature_c": 36.8,
            "services": ["meal"],
            "shortages": ["rice"],
        },
    )
    two.create_record("call", {"household": homes[0], "outcome": "fine", "caller": "w-b"})
    two.create_record("call", {"household": homes[1], "outcome": "no_answer", "caller": "w-b"})
    form = {"household": homes[0], "health": "as_usual", "care_given": ["bathing"]}
    assert one.create_record("daily_form", form) == two.create_record(
        "daily_form", {**form, "health": "unwell"}
    )
    street.meet()
    one.edit(visit, temperature_c=36.9)
    two.edit(visit, temperature_c=38.9)
    street.meet()
    for tablet in (one, two):
        missing, also, told = tablet.daily()
        assert (missing.missing, also.missing) == (True, True)
        assert {missing.home, also.home} == {homes[1], homes[2]}
        assert told.home == homes[0]
        assert (told.health, told.temperature_c) == ("unwell", 38.9)
        assert told.disputed
        assert told.care == ("bathing", "meal")
        assert told.shortages == ("rice",)
        assert told.reporters == ("w-a", "w-b")
        assert len(told.sources) == 3


# ---- shortages, parcels, stock -------------------------------------------------------------------


def test_a_parcel_is_handed_over_with_proof_and_the_shelf_adds_up(street: Street) -> None:
    one, two, home = street.one, street.two, street.home
    point = one.create_record("stock_point", {"area": AREA, "name": "社区仓", "kind": "community"})
    one.create_record(
        "stock_movement",
        {"household": point, "direction": "received", "goods": "rice", "quantity": 100},
    )
    street.meet()
    short = one.create_record("shortage", {"household": home, "goods": ["rice"]})
    parcel = one.create_record(
        "parcel",
        {
            "household": home,
            "goods": ["rice"],
            "rice_kg": 10,
            "shortages": [short],
            "stock_point": point,
        },
    )
    one.edit(parcel, status="packed")
    assert one.stock() == {(point, "rice"): 90}
    street.meet()
    assert two.read(short)["status"] == "packed"
    # Two hands put something in; one carries it off while the other counts what is spoilt.
    one.count(parcel, "rice_kg", 5)
    two.count(parcel, "rice_kg", 2)
    two.create_record(
        "stock_movement",
        {"household": point, "direction": "spoilt", "goods": "rice", "quantity": 3},
    )
    street.meet()
    assert one.stock() == two.stock() == {(point, "rice"): 100 - 17 - 3}
    with pytest.raises(EntryRefused) as refused:
        one.edit(parcel, status="handed_over")
    assert "签名”或“照片" in refused.value.problems[0].zh
    photo = one.attach(PICTURE, household=home, media_type="image/jpeg", purpose="handover")
    one.add(parcel, "photos", photo)
    one.edit(parcel, status="handed_over", receiver="陈桂兰")
    two.edit(parcel, status="missing")
    street.meet()
    assert one.read(parcel)["status"] == "missing"
    assert one.read(short)["status"] == "reopened"
    assert one.read(parcel)["carrier"] == "w-a"
    two.edit(parcel, status="handed_over")
    street.meet()
    assert (one.read(parcel)["status"], one.read(short)["status"]) == ("handed_over",) * 2
    assert one.stock() == {(point, "rice"): 80}


def test_a_parcel_that_is_brought_back_is_on_the_shelf_again(street: Street) -> None:
    one, home = street.one, street.home
    point = one.create_record("stock_point", {"area": AREA, "name": "社区仓", "kind": "community"})
    parcel = one.create_record(
        "parcel", {"household": home, "goods": ["mask"], "masks": 20, "stock_point": point}
    )
    one.edit(parcel, status="on_the_way")
    assert one.stock() == {(point, "mask"): -20}
    one.edit(parcel, status="brought_back")
    assert one.stock() == {}
