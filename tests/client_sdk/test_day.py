# SPDX-License-Identifier: Apache-2.0
"""A day's work: who is due, what is half entered, what was done."""

from typing import Any

import pytest

from client_sdk.agenda import DAY_MS, NEVER, Agenda, day_of, is_time_again, start_of
from client_sdk.errors import EntryRefused
from client_sdk.tablet import Tablet
from tests.client_sdk.conftest import World

CHECK = {"at_ms": 1, "mode": "door"}


@pytest.fixture
def noon(world: World) -> int:
    """The world's clock stands at ten in the morning; returns when that day began."""
    start = start_of(world.now_ms)
    world.now_ms = start + 10 * 3_600_000
    return start


def door(tablet: Tablet, building: str, floor: int, **values: Any) -> str:
    room = f"{floor}01"
    return tablet.create_record(
        "household",
        {
            "area": "440103019003",
            "address": f"{building}{room}",
            "head_name": f"户{building}{floor}",
            "building": building,
            "floor": floor,
            "room": room,
            **values,
        },
    )


def visited(tablet: Tablet, home: str, world: World, outcome: str = "met", **values: Any) -> str:
    return tablet.create_record(
        "visit",
        {
            "household": home,
            "at_ms": world.now_ms,
            "mode": "door",
            "outcome": outcome,
            "workers": [tablet.worker],
            **values,
        },
    )


def names(found: Agenda) -> list[str]:
    return [stop.address for stop in found.stops]


def test_what_is_due_comes_by_building_floor_and_room(world: World, noon: int) -> None:
    tablet = world.tablet("a")
    today = day_of(noon)
    for building, floor in (("乙栋", 3), ("甲栋", 2), ("甲栋", 1), ("乙栋", 1)):
        door(tablet, building, floor, next_visit=today)
    door(tablet, "甲栋", 9, next_visit=day_of(noon + 5 * DAY_MS))
    found = tablet.agenda()
    assert names(found) == ["乙栋101", "乙栋301", "甲栋101", "甲栋201"]
    assert found.counts == {"due": 4, "again": 0, "done": 0, "rest": 1}
    tablet.set_route(["甲栋", "乙栋"])
    assert names(tablet.agenda()) == ["甲栋101", "甲栋201", "乙栋101", "乙栋301"]
    assert names(tablet.agenda(building="乙栋")) == ["乙栋101", "乙栋301"]
    assert names(tablet.agenda(offset=1, limit=2)) == ["甲栋201", "乙栋101"]
    assert [b.due for b in tablet.agenda().buildings] == [2, 2]


def test_a_door_that_stayed_shut_comes_again_in_the_afternoon(world: World, noon: int) -> None:
    tablet = world.tablet("a")
    home = door(tablet, "甲栋", 1, next_visit=day_of(noon))
    visited(tablet, home, world, "not_opened")
    assert names(tablet.agenda()) == []
    assert names(tablet.agenda("again")) == ["甲栋101"]
    world.now_ms = noon + 13 * 3_600_000
    found = tablet.agenda()
    assert [(s.address, s.state) for s in found.stops] == [("甲栋101", "again")]
    visited(tablet, home, world)
    assert tablet.agenda().counts == {"due": 0, "again": 0, "done": 1, "rest": 0}
    world.now_ms += DAY_MS
    assert tablet.agenda().counts["rest"] == 1


def test_a_door_shut_in_the_afternoon_is_not_tried_again_at_once(noon: int) -> None:
    hour = 3_600_000
    assert not is_time_again(noon + 14 * hour, noon + 15 * hour)
    assert is_time_again(noon + 14 * hour, noon + 16 * hour)
    assert is_time_again(noon + 9 * hour, noon + 13 * hour)
    assert not is_time_again(noon + 9 * hour, noon + 12 * hour)


@pytest.mark.parametrize(
    ("collection", "values", "why"),
    [
        ("need", {"kind": "gas", "status": "open", "deadline": "{today}"}, "need"),
        ("need", {"kind": "gas", "status": "open", "urgency": "life", "found_at_ms": 0}, "urgent"),
        ("call", {"status": "call_back", "call_back_on": "{today}"}, "call"),
        ("daily_form", {"on": "{yesterday}"}, "daily"),
        ("child_check", {**CHECK, "safety": "safe", "next_check": "{today}"}, "check"),
        ("assessment", {"at_ms": 1, "grade": "good", "next_review": "{today}"}, "review"),
        ("visit", {**CHECK, "outcome": "met", "follow_up": "week"}, "follow_up"),
    ],
)
def test_forms_calls_needs_and_appointments_make_a_household_due(
    world: World, noon: int, collection: str, values: dict[str, Any], why: str
) -> None:
    tablet = world.tablet("a")
    home = door(tablet, "甲栋", 1)
    assert tablet.agenda().counts["due"] == 0
    days = {"today": day_of(noon), "yesterday": day_of(noon - DAY_MS)}
    plain = {k: v.format(**days) if isinstance(v, str) else v for k, v in values.items()}
    tablet.create_record(collection, {"household": home, **plain})
    (stop,) = tablet.agenda().stops
    assert [due.why for due in stop.due] == [why]


def test_who_was_left_out_of_the_daily_list_for_a_week_is_off_it(world: World, noon: int) -> None:
    tablet = world.tablet("a")
    home = door(tablet, "甲栋", 1)
    tablet.create_record("daily_form", {"household": home, "on": day_of(noon - DAY_MS)})
    assert tablet.agenda().counts["due"] == 1
    world.now_ms += 9 * DAY_MS
    assert tablet.agenda().counts["due"] == 0


def test_what_is_solved_voided_or_joined_away_leaves_the_agenda(world: World, noon: int) -> None:
    tablet = world.tablet("a")
    home, other = door(tablet, "甲栋", 1), door(tablet, "甲栋", 2, next_visit=day_of(noon))
    need = tablet.create_record(
        "need", {"household": home, "kind": "gas", "status": "open", "deadline": day_of(noon)}
    )
    assert tablet.agenda().counts["due"] == 2
    tablet.edit(need, status="solved")
    assert tablet.agenda().counts["due"] == 1
    tablet.edit(other, joined_into=home)
    assert tablet.agenda().counts == {"due": 0, "again": 0, "done": 0, "rest": 1}
    tablet.void(home, "录入错误")
    assert sum(tablet.agenda().counts.values()) == 0


def test_a_clock_that_is_far_off_breaks_no_agenda(world: World) -> None:
    tablet = world.tablet("a")
    home = door(tablet, "甲栋", 1, next_visit="2026-01-01")
    far = 2**62
    tablet.create_record(
        "visit", {"household": home, "at_ms": far, "mode": "door", "outcome": "not_opened"}
    )
    assert day_of(far) == NEVER
    assert tablet.agenda("all").total == 1


def test_a_day_counts_what_the_worker_did_and_nobody_else(world: World, noon: int) -> None:
    tablet = world.tablet("a")
    home = door(tablet, "甲栋", 1)
    visit = visited(tablet, home, world, minutes=20)
    visited(tablet, home, world, "not_opened", workers=["w-else"])
    need = {"household": home, "kind": "gas", "reporter": tablet.worker, "visit": visit}
    tablet.create_record("need", {**need, "status": "open", "found_at_ms": world.now_ms})
    done = {**need, "status": "solved", "found_at_ms": noon - DAY_MS}
    tablet.create_record("need", {**done, "solved_at_ms": world.now_ms})
    day = tablet.my_day()
    assert (day.visits, day.reached, day.shut) == (1, 1, 0)
    assert (day.needs_found, day.needs_solved, day.minutes) == (1, 1, 20)
    assert [d.what for d in day.doings] == ["visit", "found", "solved"]
    assert tablet.my_day(noon - DAY_MS).needs_found == 1


def test_a_draft_outlives_its_program_and_makes_one_record(world: World) -> None:
    tablet = world.tablet("a")
    home = door(tablet, "甲栋", 1)
    draft = tablet.new_id()
    tablet.keep_draft(draft, "visit", home, {"outcome": "met", "notes": "量了血压"})
    tablet.close()
    tablet = world.open("a")
    (found,) = tablet.drafts(home)
    assert found.values == {"outcome": "met", "notes": "量了血压"}
    assert found.worker == "w-a"
    visit = {"household": home, "at_ms": 5, "mode": "door", "outcome": "met"}
    need = {"household": home, "kind": "gas", "status": "open", "visit": draft}
    other = tablet.new_id()
    tablet.finish_draft(draft, [("visit", draft, visit), ("need", other, need)])
    assert tablet.drafts() == []
    assert tablet.read(other)["visit"] == draft
    written = tablet.status().written
    tablet.keep_draft(draft, "visit", home, {})
    tablet.finish_draft(draft, [("visit", draft, visit), ("need", other, need)])
    assert tablet.status().written == written
    assert tablet.drafts() == []


def test_a_draft_that_may_not_be_written_stays_a_draft(world: World) -> None:
    tablet = world.tablet("a")
    home = door(tablet, "甲栋", 1)
    draft = tablet.new_id()
    tablet.keep_draft(draft, "visit", home, {"minutes": "x"})
    wrong = {"household": home, "at_ms": 5, "mode": "door", "outcome": "met", "minutes": "x"}
    with pytest.raises(EntryRefused):
        tablet.finish_draft(draft, [("visit", draft, wrong)])
    assert tablet.draft(draft) is not None
    with pytest.raises(EntryRefused):
        tablet.keep_draft(draft, "visit", home, {"notes": "字" * 70_000})


def test_a_household_that_leaves_waits_for_what_is_half_entered(world: World) -> None:
    tablet = world.tablet("a")
    home = door(tablet, "甲栋", 1)
    draft = tablet.new_id()
    tablet.keep_draft(draft, "visit", home, {"outcome": "met"})
    tablet.sync()
    world.unassign("team", home)
    tablet.sync()
    assert tablet.holds(home)
    tablet.drop_draft(draft)
    tablet.sync()
    assert not tablet.holds(home)
    assert tablet.agenda("all").total == 0


def test_a_drafted_record_reaches_the_district_like_any_other(world: World) -> None:
    tablet, other = world.tablet("a"), world.tablet("b")
    home = door(tablet, "甲栋", 1)
    draft = tablet.new_id()
    visit = {"household": home, "at_ms": 5, "mode": "door", "outcome": "met"}
    tablet.finish_draft(draft, [("visit", draft, visit)])
    assert tablet.sizes().changes == 2
    tablet.sync()
    assert tablet.sizes().changes == 0
    other.sync()
    assert other.read(draft)["outcome"] == "met"
    assert other.agenda("all").total == 1


def test_a_store_of_the_first_shape_opens_with_an_agenda(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tablet = world.tablet("a")
    door(tablet, "甲栋", 1, next_visit="2020-01-01")
    store = tablet._store
    for name in ("new", "changed", "gone"):
        store.run(f"DROP TRIGGER agenda_{name}")
    for name in ("agenda", "agenda_stale", "drafts"):
        store.run(f"DROP TABLE {name}")
    store.run("DELETE FROM _sqlite_migrations WHERE name LIKE '0002%'")
    store.run("PRAGMA user_version = 1")
    tablet.close()
    assert world.open("a").agenda().counts["due"] == 1


def test_plain_values_of_a_household_come_without_what_was_voided(world: World) -> None:
    tablet = world.tablet("a")
    home = door(tablet, "甲栋", 1)
    kept = tablet.create_record("person", {"household": home, "name": "梁伯"})
    gone = tablet.create_record("person", {"household": home, "name": "梁伯伯"})
    tablet.void(gone, "重复")
    found = tablet.listed(home, "household", "person", "visit")
    assert [hit.id for hit in found["person"]] == [kept]
    assert found["household"][0].values["building"] == "甲栋"
    assert found["visit"] == []


def test_the_day_begins_at_midnight_in_china() -> None:
    at = 1_780_990_200_000
    assert day_of(at) == "2026-06-09"
    assert day_of(start_of(at)) == "2026-06-09"
    assert day_of(start_of(at) - 1) == "2026-06-08"
