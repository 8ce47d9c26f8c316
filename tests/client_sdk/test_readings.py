# SPDX-License-Identifier: Apache-2.0
"""What a worker opened on a tablet is in its store at once, and in the district's log with its next
exchange, once."""

from typing import Any

from client_sdk import readings
from fixtures.world import World
from server import people
from server.field_readers import allow_team
from server.log_access import HOMES_PER_HOUR_MAX, by_household, by_officer
from server.log_export import check_beside
from server.web.access_pages import Saying
from sync.collections import SCHEMA


def lines(world: World) -> list[tuple[Any, ...]]:
    with world.store.read() as tx:
        assert check_beside(tx) == []
        return tx.rows("SELECT account, area, home, fields, purpose, device FROM access_log")


def test_what_was_opened_comes_in_once(world: World, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    person = a.create_record("person", {"household": home, "name": "单雄信"})
    a.sync()
    a.read(home)
    a.read(home)
    a.read(person)
    assert len(a._store.rows("SELECT * FROM reading_log")) == 2
    a.sync()
    a.sync()
    with world.store.read() as tx:
        device = str(tx.rows("SELECT id FROM devices")[0][0])
    expected = ("w-a", fields["area"], home)
    assert lines(world) == [
        (*expected, "household", "tablet-opened", device),
        (*expected, "person", "tablet-opened", device),
    ]
    assert a._store.rows("SELECT * FROM reading_log") == []


def test_an_answer_that_is_lost_makes_no_second_line(world: World, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.sync()
    a.read(home)
    kept = a._store.rows("SELECT n, at_ms, worker, home, fields FROM reading_log")
    a.sync()
    with a._store.transaction():
        a._store.run_many("INSERT INTO reading_log VALUES (?, ?, ?, ?, ?)", kept)
    a.sync()
    assert len(lines(world)) == 1


def test_who_opens_many_households_on_a_tablet_stands_out(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    homes = [
        a.create_record("household", fields | {"address": f"{n}号"})
        for n in range(HOMES_PER_HOUR_MAX + 1)
    ]
    world.sync(a, b)
    for home in homes:
        a.read(home)
    b.read(homes[0])
    a.sync()
    b.sync()
    with world.store.read() as tx:
        found = {one.name: one.unusual for one in by_officer(tx)}
        busiest = by_household(tx)[0]
    assert found == {"w-a": True, "w-b": False}
    assert (busiest.name, busiest.readers) == (homes[0], 2)


def test_a_line_costs_little_and_the_log_is_bounded(
    world: World, fields: dict[str, Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr(readings, "READINGS_KEPT_MAX", 50)
    a = world.tablet("a")
    homes = [a.create_record("household", fields | {"address": f"{n}号"}) for n in range(60)]
    a.sync()
    for home in homes:
        a.read(home)
    said = readings.shown(a._store)
    assert sum(len(data) for _, data in said) / 50 < 60
    a.sync()
    with world.store.read() as tx:
        assert tx.rows("SELECT last, lost FROM readings_held") == [(60, 10)]
    assert len(lines(world)) == 50


def test_what_a_list_or_search_showed_comes_in_with_its_fields_and_number(
    world: World, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    with world.store.write() as tx:
        people.assign_area(tx, "team", "440103019", "office", 1)
        allow_team(tx, SCHEMA, "team", "identity", "office", 1)
    a.sync()
    for n in range(3):
        a.create_record("household", fields | {"address": f"{n}号"})
    a.sync()
    a.search("单雄信")
    a.search("nobody at all")
    a.households()
    a.agenda("all", limit=2)
    a.agenda("all", limit=1, shown=False)
    a.agenda("due", limit=0)
    a.sync()
    shown = "head_name address categories risk_flags care_level"
    found = [(row[0], row[1], row[2], row[3], row[4]) for row in lines(world)]
    place = ("w-a", "440103019", "")
    assert found == [
        (*place, f"{shown} identity_number", "tablet-listed search 3"),
        (*place, shown, "tablet-listed households 3"),
        (*place, shown, "tablet-listed today 2"),
    ]
    said = Saying(SCHEMA, "zh")
    assert said.purpose(found[0][4]) == "平板上的列表 查找 3"
    assert "身份证" in said.fields(found[0][3])
    with world.store.read() as tx:
        (one,) = by_officer(tx)
        assert (one.lines, one.homes, one.unusual) == (3, 0, False)


def test_conflicts_that_were_listed_count_as_opened_and_counting_them_does_not(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    world.sync(a, b)
    a.edit(home, phone="12600000001")
    b.edit(home, phone="12600000002")
    world.sync(a, b)
    assert a.conflict_count(20) == 1
    a.sync()
    assert lines(world) == []
    assert [one.id for one in a.conflicts()] == [home]
    a.sync()
    assert [(row[2], row[3], row[4]) for row in lines(world)] == [
        (home, "household", "tablet-opened")
    ]


def test_lists_without_end_are_bounded_and_what_was_left_out_is_counted(
    world: World, fields: dict[str, Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr(readings, "LISTS_PER_HOUR_MAX", 5)
    a = world.tablet("a")
    a.create_record("household", fields)
    for _ in range(8):
        a.households()
    a.sync()
    assert len(lines(world)) == 5
    with world.store.read() as tx:
        assert tx.rows("SELECT lost FROM readings_held") == [(3,)]
    world.now_ms += readings.HOUR_MS
    a.households()
    a.sync()
    assert len(lines(world)) == 6
