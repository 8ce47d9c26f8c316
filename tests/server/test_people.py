# SPDX-License-Identifier: Apache-2.0
"""Teams, areas and assignments: what a team may read, and that tablets are told of every change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.district import district_settings
from server import people
from server.app import opened_district
from server.district import District
from server.errors import AssignedByArea, ImportRefused, NameTaken, NotFound
from server.scope import homes_in_scope, scope_version
from server.setup import init_server
from server.store.base import Transaction

GRID = "440103019003001"


@pytest.fixture
def district(tmp_path: Path) -> Iterator[District]:
    settings = district_settings(tmp_path / "d")
    init_server(settings)
    with opened_district(settings) as (found, _):
        writes = [
            (
                "household",
                f"h{n}",
                {"area": area, "address": f"{n}", "head_name": "陈"},
                [],
            )
            for n, area in enumerate((GRID, GRID, "440103020001001"))
        ]
        found.write_many("office", writes)
        with found.store.write() as tx:
            people.add_team(tx, "t1", "一组", "x", 1)
            people.add_team(tx, "t2", "二组", "x", 1)
        yield found


@pytest.fixture
def tx(district: District) -> Iterator[Transaction]:
    with district.store.write() as found:
        yield found


def test_an_assignment_adds_to_the_scope_and_raises_its_version(tx: Transaction) -> None:
    before = scope_version(tx, "t1"), scope_version(tx, "t2")
    assert people.assign_homes(tx, "t1", ["h0", "h2"], "x", 1) == 2
    assert homes_in_scope(tx, "t1") == {"h0", "h2"}
    assert (scope_version(tx, "t1"), scope_version(tx, "t2")) == (before[0] + 1, before[1])


def test_assigning_again_changes_nothing(tx: Transaction) -> None:
    people.assign_homes(tx, "t1", ["h0"], "x", 1)
    version = scope_version(tx, "t1")
    assert people.assign_homes(tx, "t1", ["h0"], "x", 1) == 0
    assert scope_version(tx, "t1") == version


def test_an_area_brings_all_households_within_it(tx: Transaction) -> None:
    assert people.assign_area(tx, "t1", "440103019", "x", 1) == 2
    assert homes_in_scope(tx, "t1") == {"h0", "h1"}
    assert people.unassign_area(tx, "t1", "440103019", "x", 1) == 1
    assert homes_in_scope(tx, "t1") == set()


def test_a_household_of_an_assigned_area_is_not_taken_back_alone(tx: Transaction) -> None:
    people.assign_area(tx, "t1", GRID, "x", 1)
    with pytest.raises(AssignedByArea):
        people.unassign_homes(tx, "t1", ["h0"], "x", 1)


def test_taking_back_tells_the_team_and_keeps_the_line(tx: Transaction) -> None:
    people.assign_homes(tx, "t1", ["h0", "h1"], "x", 1)
    version = scope_version(tx, "t1")
    assert people.unassign_homes(tx, "t1", ["h0"], "x", 2) == 1
    assert homes_in_scope(tx, "t1") == {"h1"}
    assert scope_version(tx, "t1") > version
    done = tx.rows("SELECT target, done FROM assignments ORDER BY n")
    assert done == [("h0", "assign"), ("h1", "assign"), ("h0", "unassign")]


def test_an_unknown_household_or_team_is_refused(tx: Transaction) -> None:
    with pytest.raises(NotFound):
        people.assign_homes(tx, "t1", ["h0", "nobody"], "x", 1)
    with pytest.raises(NotFound):
        people.assign_area(tx, "t9", GRID, "x", 1)
    with pytest.raises(ImportRefused):
        people.assign_area(tx, "t1", "x' OR 1", "x", 1)
    assert homes_in_scope(tx, "t1") == set()


def test_a_team_id_is_not_given_to_another_name(tx: Transaction) -> None:
    with pytest.raises(NameTaken):
        people.add_team(tx, "t1", "另一组", "x", 1)


def test_a_worker_moves_between_teams_by_being_added_again(tx: Transaction) -> None:
    people.add_worker(tx, "w1", "张霞", "t1", "worker", "x", 1)
    people.add_worker(tx, "w1", "张霞", "t2", "worker", "x", 1)
    assert people.workers(tx, "t1") == []
    assert [worker.id for worker in people.workers(tx, "t2")] == ["w1"]


def test_areas_are_listed_level_by_level(tx: Transaction) -> None:
    people.store_areas(tx, people.read_areas(Path("fixtures/areas.csv")), "x", 1)
    assert [area.name for area in people.areas_below(tx, "")] == ["广东省"]
    assert "荔湾区" in {area.name for area in people.areas_below(tx, "4401")}
