# SPDX-License-Identifier: Apache-2.0
"""Lists that field work is done by, counted from records as they are shown."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from sync.fieldwork import (
    GOODS_OF_PARCEL,
    HOUR_MS,
    Clock,
    Daily,
    Dealt,
    Doors,
    InZone,
    Row,
    clock,
    daily,
    deal,
    doors,
    hours,
    in_zones,
    stock,
    without,
)

NOON_MS = 1_767_240_000_000
"""1 January 2026, 12:00 in China."""
DAY_MS = 24 * HOUR_MS
DAY = "2026-01-01"


def row(id: str, home: str = "", disputed: bool = False, **values: Any) -> Row:
    return Row(id, home or id, values, disputed)


# ---- zones ---------------------------------------------------------------------------------------

HOMES = [
    row("h1", area="440103019003", building="3", address="西街 12 号 3 栋 101"),
    row("h2", area="440103019003", building="4", address="西街 12 号 4 栋 101"),
    row("h3", area="440103020001"),
    row("h4"),
]


def zoned(*zones: Row, on: str = "2026-01-05") -> list[tuple[str, str, str]]:
    return [tuple(one) for one in in_zones(HOMES, zones, on)]


def zone(id: str, level: str, **values: Any) -> Row:
    return row(id, level=level, **{"area": "440103019", **values})


def test_a_household_is_in_the_strictest_zone_that_holds_on_the_day() -> None:
    some = [zone("z1", "watched"), zone("z2", "closed"), zone("z3", "controlled")]
    for order in permutations(some):
        assert zoned(*order) == [("h1", "closed", "z2"), ("h2", "closed", "z2")]
    # Of two of one level the later id; a level nobody declared is the least of all.
    assert zoned(zone("z1", "closed"), zone("z2", "closed"))[0] == ("h1", "closed", "z2")
    assert zoned(zone("z9", "new level"), zone("z1", "watched"))[0] == ("h1", "watched", "z1")
    assert zoned(zone("z9", "new level"))[0] == ("h1", "new level", "z9")
    assert in_zones(HOMES, [zone("z1", "watched")], DAY)[0] == InZone("h1", "watched", "z1")


def test_a_lifted_zone_and_one_of_other_days_hold_nobody() -> None:
    assert zoned(zone("z", "lifted")) == []
    assert zoned(zone("y", "lifted"), zone("z", "watched"))[0] == ("h1", "watched", "z")
    held = [("h1", "closed", "z"), ("h2", "closed", "z")]
    for starts, ends, expected in (
        ("2026-01-05", "2026-01-05", held),
        ("2026-01-06", None, []),
        (None, "2026-01-04", []),
        ("2026-01-04", None, held),
        (None, "2026-01-06", held),
        (None, None, held),
    ):
        assert zoned(zone("z", "closed", starts_on=starts, ends_on=ends)) == expected


def test_a_zone_holds_its_area_and_of_it_the_buildings_that_are_named() -> None:
    assert zoned(zone("z", "closed", area="440103")) == [
        ("h1", "closed", "z"),
        ("h2", "closed", "z"),
        ("h3", "closed", "z"),
    ]
    assert zoned(zone("z", "closed", area=None)) == []
    assert zoned(zone("z", "closed", buildings=["3"])) == [("h1", "closed", "z")]
    assert zoned(zone("z", "closed", buildings=["9", "4 栋"])) == [("h2", "closed", "z")]
    assert zoned(zone("z", "closed", buildings=["9"])) == []
    home = row("h", area="440103019", building="7", address="西街")
    for building, count in (("7", 1), ("西街", 1), ("70", 0)):
        assert len(in_zones([home], [zone("z", "closed", buildings=[building])], DAY)) == count


# ---- doors ---------------------------------------------------------------------------------------


def visit(id: str, home: str, outcome: str | None, disputed: bool = False, day: int = 0) -> Row:
    return row(id, home, disputed, outcome=outcome, at_ms=NOON_MS + day * DAY_MS)


def test_a_household_counts_by_the_best_outcome_of_its_visits_in_the_round() -> None:
    best = [("met", "done"), ("moved", "moved"), ("refused", "refused"), ("no_answer", "shut")]
    for n, (outcome, state) in enumerate(best):
        some = [visit(str(m), "h1", other) for m, (other, _) in enumerate(best[n:])]
        for order in permutations(some):
            assert doors([row("h1")], order, DAY, DAY).states == {"h1": state}, outcome
    assert doors([row("h1")], [visit("v", "h1", "by_other")], DAY, DAY).states == {"h1": "done"}
    assert doors([row("h1")], [visit("v", "h1", None)], DAY, DAY).states == {"h1": "shut"}
    assert doors([row("h1")], [], DAY, DAY).states == {"h1": "missing"}


def test_a_disputed_outcome_counts_as_a_shut_door() -> None:
    for outcome in ("met", "moved", "refused"):
        found = doors([row("h1")], [visit("v", "h1", outcome, disputed=True)], DAY, DAY)
        assert found.states == {"h1": "shut"}


def test_a_visit_counts_in_the_days_of_the_round_and_for_the_households_due_alone() -> None:
    for day, state in ((-1, "missing"), (0, "done"), (2, "done"), (3, "missing")):
        made = [visit("v", "h1", "met", day=day), visit("w", "h9", "met")]
        assert doors([row("h1")], made, DAY, "2026-01-03").states == {"h1": state}
    # One that is out of the round hides none that is in it.
    made = [visit("v", "h1", "met", day=-1), visit("w", "h1", "refused")]
    assert doors([row("h1")], made, DAY, DAY).states == {"h1": "refused"}
    # A visit without its time was at the beginning of time.
    timeless = [row("v", "h1", outcome="met")]
    assert doors([row("h1")], timeless, DAY, DAY).states == {"h1": "missing"}
    assert doors([row("h1")], timeless, "1970-01-01", "1970-01-01").states == {"h1": "done"}


def test_doors_are_listed_by_state_and_those_left_are_missing_and_shut() -> None:
    told = Doors({"h3": "shut", "h1": "shut", "h2": "missing", "h4": "done", "h5": "refused"})
    assert told.of("shut") == ["h1", "h3"]
    assert told.left == ["h1", "h2", "h3"]


# ---- calls ---------------------------------------------------------------------------------------


def call_list(id: str, callers: list[str], homes: list[str], **values: Any) -> Row:
    return row(id, callers=callers, households=homes, **values)


def test_every_household_of_a_running_list_has_one_caller_a_day() -> None:
    homes = [f"h{n:02}" for n in range(40)]
    lists = [call_list("l1", ["w1", "w2", "w3"], homes)]
    told = deal(lists, DAY)
    assert [one.home for one in told] == homes
    assert {one.caller for one in told} == {"w1", "w2", "w3"}
    assert {one.call_list for one in told} == {"l1"}
    assert deal(lists, "2026-01-02") != told
    turned = [call_list("l1", ["w3", "w1", "w2"], homes[::-1])]
    assert deal(turned, DAY) == told


def test_the_same_day_is_dealt_alike_on_every_tablet() -> None:
    assert deal([call_list("l1", ["w1", "w2", "w3"], ["h1", "h2", "h3", "h4"])], DAY) == [
        Dealt("h1", "w2", "l1"),
        Dealt("h2", "w2", "l1"),
        Dealt("h3", "w1", "l1"),
        Dealt("h4", "w3", "l1"),
    ]


def test_a_household_on_several_lists_is_called_once_as_the_first_list_of_its_caller_asks() -> None:
    lists = [
        call_list("l2", ["w1"], ["h1"]),
        call_list("l1", ["w1"], ["h1"]),
        call_list("l0", [], ["h1"]),
        call_list("l3", [], ["h1", "h2"]),
    ]
    assert deal(lists, DAY) == [Dealt("h1", "w1", "l1")]
    assert deal([row("l")], DAY) == []


def test_a_list_that_ended_or_has_not_begun_is_not_called() -> None:
    for status, starts, count in (
        (None, None, 1),
        ("cancelled", None, 0),
        (None, "2026-01-02", 0),
        (None, DAY, 1),
        (None, "2025-12-31", 1),
    ):
        one = call_list("l", ["w"], ["h"], status=status, starts_on=starts)
        assert len(deal([one], DAY)) == count
    ended = call_list("l1", ["w"], ["h"], status="cancelled")
    assert deal([ended, call_list("l2", ["w"], ["h"])], DAY) == [Dealt("h", "w", "l2")]


# ---- the day's table -----------------------------------------------------------------------------


def test_a_line_of_the_day_says_what_visits_calls_and_the_form_say_of_a_household() -> None:
    visits = [
        row(
            "v2",
            "h1",
            at_ms=NOON_MS,
            outcome="met",
            temperature_c=36.5,
            shortages=["rice"],
            services=["meal", "talk", "company"],
            workers=["w2", "w1"],
        )
    ]
    calls = [
        row(
            "c1",
            "h1",
            True,
            at_ms=NOON_MS,
            outcome="reached",
            temperature_c=38.0,
            shortages=["medicine", "rice"],
            caller="w3",
        )
    ]
    forms = [
        row("f1", "h1", on=DAY, health="fever", care_given=["cleaning"], reporter=["w1"]),
        row("f2", "h1", on=DAY, health="better"),
    ]
    assert daily([row("h1")], visits, calls, forms, DAY) == [
        Daily(
            "h1",
            38.0,
            "better",
            ("medicine", "rice"),
            ("cleaning", "company", "meal"),
            ("w1", "w2", "w3"),
            ("c1", "f1", "f2", "v2"),
            True,
        )
    ]
    quiet = daily([row("h1")], visits, [], [], DAY)[0]
    assert (quiet.disputed, quiet.missing, quiet.health) == (False, False, None)
    # Health is what the form says; a visit's word on it is none.
    told = daily(
        [row("h1")], [visits[0]._replace(values={**visits[0].values, "health": "x"})], [], [], DAY
    )
    assert told[0].health is None
    assert daily([row("h1")], [], [], forms[::-1], DAY)[0].health == "better"


def test_who_was_not_reported_on_stands_first_and_as_missing() -> None:
    forms = [row("f1", "h1", on=DAY), row("f3", "h3", on=DAY), row("f9", "h9", on=DAY)]
    homes = [row(f"h{n}") for n in (4, 3, 2, 1)]
    lines = daily(homes, [], [], forms, DAY)
    assert [(line.home, line.missing) for line in lines] == [
        ("h2", True),
        ("h4", True),
        ("h1", False),
        ("h3", False),
    ]
    assert lines[0] == Daily("h2", None, None, (), (), (), (), False)


@pytest.mark.parametrize("outcome", ["no_answer", "wrong_number", "not_opened", None])
def test_a_door_or_telephone_that_nobody_answered_reports_nothing(outcome: str | None) -> None:
    made = [row("x", "h1", at_ms=NOON_MS, outcome=outcome)]
    assert daily([row("h1")], made, [], [], DAY)[0].missing
    assert daily([row("h1")], [], made, [], DAY)[0].missing
    spoken = [row("x", "h1", at_ms=NOON_MS, outcome="refused")]
    assert not daily([row("h1")], spoken, [], [], DAY)[0].missing


def test_what_is_of_another_day_or_without_its_time_is_not_in_the_table() -> None:
    for values in ({"at_ms": NOON_MS + DAY_MS}, {"at_ms": None}, {}, {"at_ms": "noon"}):
        made = [row("x", "h1", outcome="met", **values)]
        assert daily([row("h1")], made, [], [], DAY)[0].missing
    assert daily([row("h1")], [], [], [row("f", "h1", on="2026-01-02")], DAY)[0].missing


# ---- counted against each other ------------------------------------------------------------------


def test_on_the_shelf_is_what_came_in_less_what_went_out_and_what_parcels_took() -> None:
    moves = [
        row("m1", "p1", direction="received", goods="rice", quantity=50),
        row("m2", "p1", direction="moved_in", goods="rice", quantity=20),
        row("m3", "p1", direction="counted_more", goods="rice", quantity=3),
        row("m4", "p1", direction="moved_out", goods="rice", quantity=30),
        row("m5", "p2", direction="given_out", goods="mask"),
        row("m6", "p2", direction="lost", goods="mask", quantity=4),
    ]
    parcels = [
        row("q1", stock_point="p1", status="packed", rice_kg=5, masks=2),
        row("q2", stock_point="p1", status="planned", rice_kg=7),
        row("q3", stock_point=None, status="packed", rice_kg=9),
        row("q4", stock_point="p1", status="handed_over", rice_kg=1, masks=0),
    ]
    assert stock(moves, parcels) == {("p1", "rice"): 37, ("p1", "mask"): -2, ("p2", "mask"): -4}
    for status in ("packed", "on_the_way", "handed_over", "missing"):
        assert stock([], [row("q", stock_point="p", status=status, masks=1)]) == {("p", "mask"): -1}
    for name, goods in GOODS_OF_PARCEL.items():
        assert stock([], [row("q", stock_point="p", status="packed", **{name: 6})]) == {
            ("p", goods): -6
        }


def test_hours_given_count_once_confirmed_and_hours_spent_at_once() -> None:
    def served(direction: str, status: str, minutes: int | None = 60, **more: Any) -> Row:
        return row("s", "w1", direction=direction, status=status, minutes=minutes, **more)

    assert hours([served("given", "confirmed"), served("given", "reported")]) == {"w1": 60}
    assert hours([served("redeemed", "reported")]) == {"w1": -60}
    assert hours([served("redeemed", "not_counted")]) == {}
    assert hours([served("given", "confirmed"), served("given", "confirmed", 30)]) == {"w1": 90}
    passed = served("passed_on", "reported", passed_to="w2")
    assert hours([passed, passed]) == {"w1": -120, "w2": 120}
    assert hours([served("redeemed", "reported", passed_to="w2")]) == {"w1": -60}
    assert hours([served("passed_on", "reported")]) == {"w1": -60}
    assert hours([served("given", "confirmed", None)]) == {"w1": 0}


def test_homes_without_what_is_wanted_are_listed_in_order() -> None:
    homes = [row("h3"), row("h1"), row("h2")]
    letters = [
        row("a", "h1", status="handed_over", kind="tax"),
        row("b", "h2", status="lost", kind="tax"),
        row("c", "h3", status="read", kind="school"),
    ]
    assert without(homes, letters, status="handed_over") == ["h2", "h3"]
    assert without(homes, letters, status={"handed_over", "read"}) == ["h2"]
    assert without(homes, letters, status=frozenset({"read", "lost"}), kind="tax") == ["h1", "h3"]
    assert without(homes, letters) == []
    assert without(homes, []) == ["h1", "h2", "h3"]


# ---- the clock of a need -------------------------------------------------------------------------


def test_a_need_is_cleared_on_its_day_or_later_or_still_open() -> None:
    found = NOON_MS
    for values, now, expected in (
        ({}, found + HOUR_MS, Clock("open_today", 1.0, False, "community")),
        ({}, found + DAY_MS, Clock("open_overnight", 24.0, False, "community")),
        (
            {"status": "solved", "solved_at_ms": found + HOUR_MS},
            found + DAY_MS,
            Clock("same_day", 1.0, False, "community"),
        ),
        (
            {"status": "closed", "closed_at_ms": found + DAY_MS},
            found + 9 * DAY_MS,
            Clock("later", 24.0, False, "community"),
        ),
        (
            {
                "status": "confirmed",
                "solved_at_ms": found + 2 * HOUR_MS,
                "confirmed_at_ms": found + HOUR_MS,
                "closed_at_ms": found + 3 * HOUR_MS,
            },
            found + DAY_MS,
            Clock("same_day", 1.0, False, "community"),
        ),
        ({"status": "solved"}, found + HOUR_MS, Clock("same_day", 1.0, False, "community")),
    ):
        assert clock(row("n", found_at_ms=found, **values), now) == expected
    assert clock(row("n"), found) == Clock("open_today", 0.0, False, "community")


@pytest.mark.parametrize(
    ("level", "acts"),
    [
        ("community", "street"),
        ("street", "district"),
        ("district", "city"),
        ("city", "city"),
        ("elsewhere", "street"),
        (None, "street"),
    ],
)
def test_a_need_past_its_deadline_is_for_the_level_above(level: str | None, acts: str) -> None:
    def told(deadline: str | None, **values: Any) -> Clock:
        return clock(
            row("n", level=level, deadline=deadline, found_at_ms=NOON_MS, **values), NOON_MS
        )

    late = told("2025-12-31")
    assert (late.overdue, late.acts) == (True, acts)
    own = level if level in ("community", "street", "district", "city") else "community"
    for deadline in (DAY, "2026-01-02", None):
        assert (told(deadline).overdue, told(deadline).acts) == (False, own)
    assert told("2025-12-31", status="solved")[2:] == (False, own)


def test_the_records_of_a_line_stand_in_the_order_of_their_ids_whatever_their_kind() -> None:
    visits = [
        row("a", "h1", at_ms=NOON_MS, outcome="met"),
        row("c", "h1", at_ms=NOON_MS, outcome="met"),
    ]
    calls = [row("b", "h1", at_ms=NOON_MS, outcome="reached")]
    forms = [row("0", "h1", on=DAY)]
    assert daily([row("h1")], visits, calls, forms, DAY)[0].sources == ("0", "a", "b", "c")
