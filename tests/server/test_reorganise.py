# SPDX-License-Identifier: Apache-2.0
"""A community moves to another district: a city and two districts as processes, with tablets."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from client_sdk.tablet import Tablet
from fixtures.tree import Tier, raised
from fixtures.waiting import until
from fixtures.world import HOUSEHOLD

pytestmark = pytest.mark.slow

OLD, NEW = "440103019003", "440105021003"
LEVELS = (("city", "4401"), ("west", "440103"), ("east", "440105"))
HOMES = 5
MOVED = f"SELECT count(*) FROM homes WHERE area LIKE '{NEW}%'"
LEFT = "SELECT count(*) FROM left_areas"


class Town(NamedTuple):
    """The servers and a tablet of each district."""

    city: Tier
    west: Tier
    east: Tier
    a: Tablet
    b: Tablet
    homes: list[str]
    dry_run: list[str]
    """What a dry run told before anything moved, and what then stood in the city's store."""

    def settled(self, count: int) -> bool:
        """Do all three say that so many households have the new area?"""
        sql = f"SELECT count(*) FROM homes WHERE substr(area, 1, 12) = '{NEW}'"
        return all(tier.rows(sql) == [(count,)] for tier in (self.city, self.west, self.east))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Before anything moved; one test alone moves it."""
    folder = tmp_path_factory.mktemp("town")
    with ExitStack() as stack:
        tiers = raised(folder, LEVELS, stack)
        tablets = []
        for name, area in (("west", OLD), ("east", NEW)):
            tier = tiers[name]
            tier.cli("teams", "add", name, name)
            tier.cli("workers", "add", f"{name}-worker", "张霞", "--team", name)
            tier.cli("assign", "--team", name, "--area", area)
            tablet = tier.tablet(folder / f"tablet-{name}", name, name)
            stack.callback(tablet.close)
            tablets.append(tablet)
        town = Town(tiers["city"], tiers["west"], tiers["east"], *tablets, [], [])
        town.homes.extend(filled(town))
        town.dry_run.append(town.city.cli("reorganise", OLD, NEW, "--dry-run").output)
        town.dry_run.extend(str(town.city.rows(sql)) for sql in (MOVED, LEFT))
        yield town


def filled(town: Town) -> list[str]:
    fields = HOUSEHOLD | {"area": OLD}
    homes = [
        town.a.create_record("household", fields | {"phone": f"1380013800{number}"})
        for number in range(HOMES)
    ]
    town.a.sync()
    until(lambda: all(town.city.shown(home) for home in homes))
    return homes


def test_a_dry_run_tells_who_is_touched_and_what_is_at_stake_and_changes_nothing(
    town: Town,
) -> None:
    found, moved, left = town.dry_run
    assert "5 households, 5 records" in found
    lines = [line.replace("│", " ").split() for line in found.splitlines()]
    # Servers with what leaves and what enters, then the tablet that works on all of them.
    assert [line[:4] for line in lines if line[1:2] == ["440103"]] == [["west", "440103", "5", "0"]]
    assert [line[:4] for line in lines if line[1:2] == ["440105"]] == [["east", "440105", "0", "5"]]
    assert ["west", "5"] in [line[:2] for line in lines]
    assert (moved, left) == ("[(0,)]", "[(0,)]")


def test_both_districts_and_their_tablets_follow_and_work_done_meanwhile_is_not_lost(
    town: Town,
) -> None:
    homes = town.homes
    # One household was given to the team by name: that follows too.
    town.west.cli("assign", "--team", "west", homes[0])
    town.a.edit(homes[1], phone="13900139001")
    done = town.city.cli("reorganise", OLD, NEW, "--by", "office").output
    assert "5 households moved" in done
    until(lambda: town.settled(HOMES))
    assert town.b.sync().entered
    assert {town.b.read(home).fields["area"].value for home in homes} == {NEW}
    assert town.b.read(homes[2]).fields["phone"].value == "13800138002"
    # The tablet that was away brings its work to the district it belongs to, and gives all back.
    report = town.a.sync()
    assert set(report.left) == set(homes)
    town.a.sync()
    assert not any(town.a.holds(home) for home in homes)
    until(lambda: town.east.shown(homes[1])["phone"] == "13900139001")
    town.b.sync()
    assert town.b.read(homes[1]).fields["phone"].value == "13900139001"
    assert town.west.rows("SELECT count(*) FROM assigned") == [(0,)]
    assert "13900139001" not in town.west.cli("moved").output
    assert town.west.rows("SELECT count(*) FROM marks WHERE kind = 'reassigned'") != [(0,)]
    assert [tier.verify() for tier in (town.city, town.west, town.east)] == [[], [], []]


def test_an_area_that_contains_the_other_is_refused(tmp_path: Path) -> None:
    tier = Tier(tmp_path / "one")
    for old, new in (("440103", "440103019"), ("440103019", "440103"), ("x", "44")):
        found = tier.run("reorganise", old, new)
        assert found.exit_code == 1
        assert "server/import" in found.output
