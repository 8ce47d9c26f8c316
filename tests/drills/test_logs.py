# SPDX-License-Identifier: Apache-2.0
"""Drills: whoever keeps a server's log drops, sets back or forks it, on each way it is watched."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from crypto.logword import FORKED, ROLLED_BACK, UNPROVEN, read_evidence
from fixtures.district import Process, add_team, ticket_text
from fixtures.drill_ground import TEAM, copy_of, doorstep
from fixtures.drill_tablet import HOME, Drilled
from fixtures.tablets import TabletProcess
from fixtures.tree import Tier, raised
from fixtures.waiting import until
from server.journal import note
from server.office import reading
from server.settings import Settings

pytestmark = pytest.mark.slow
NOTES = 200
"""Lines of the journal, each a leaf."""


class Town(NamedTuple):
    """A district under a city; a tablet that goes by line, one that goes by stick."""

    folder: Path
    city: Tier
    district: Tier
    one: TabletProcess
    two: TabletProcess

    def go(self) -> None:
        """Something is written on both tablets and in the office, and goes its ways."""
        self.one.ask("home")
        assert self.one.ask("exchange") == ""
        self.two.ask("home")
        stick = self.folder / f"stick-{len(list(self.folder.glob('stick-*')))}"
        self.two.ask("lay", str(stick), self.two.ask("stick"))
        doorstep(self.district.process.settings, "bundle", "import", str(stick))
        (answer,) = stick.rglob(f"to-{self.two.ask('replica')}/*.bundle")
        self.two.ask("take_stick", answer.read_bytes())
        arrived(self.city, self.district)

    def told(self, finding: str) -> bool:
        """Do both tablets hold it against the district, and the city by its own finding?"""
        both = all(finding in tablet.ask("findings") for tablet in (self.one, self.two))
        return both and until(lambda: finding in found(self.city, self.district))


def arrived(city: Tier, district: Tier) -> None:
    """What the district's office writes has reached the city."""
    caller = district.process.caller()
    home = caller.write("office", "household", None, dict(HOME))
    caller.close()
    until(lambda: city.shown(home) != {})


def found(by: Tier, of: Tier) -> set[str]:
    """What one server found itself in another's log."""
    me, log = by.keys.sign.replica, of.keys.sign.replica.hex().upper()
    rows = by.rows(f"SELECT body FROM log_evidence WHERE hex(server) = '{log}'")
    said = [read_evidence(bytes(row[0])) for row in rows]
    return {one.finding for one in said if one.by == me}


def tablet(town: Tier, folder: Path, name: str, number: int, stack: ExitStack) -> TabletProcess:
    made = TabletProcess(folder / name, Drilled)
    stack.callback(made.forget)
    stack.callback(made.kill)
    code = ticket_text(town.settings, TEAM, town.process.port)
    made.ask("begin", code, name, f"w{number}")
    caller = town.process.caller()
    caller.reload()
    caller.close()
    assert made.ask("exchange") == ""
    return made


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Tier]]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("tree")
        made = raised(folder, [("city", "4401"), ("district", "440103")], stack)
        for tier in made.values():
            stack.callback(lambda tier=tier: tier.process.stop())
        yield made


@pytest.fixture
def town(tree: dict[str, Tier], tmp_path: Path) -> Iterator[Town]:
    district = tree["district"]
    add_team(district.settings, TEAM, {"w0": "张霞", "w1": "李芳"})
    doorstep(district.settings, "assign", "--team", TEAM, "--area", "440103")
    with ExitStack() as stack:
        one, two = (
            tablet(district, tmp_path, name, n, stack) for n, name in enumerate(("line", "stick"))
        )
        yield Town(tmp_path, tree["city"], district, one, two)


def kept_by(tier: Tier, kind: str, settings: Settings | None = None) -> None:
    """In this server's place another one runs, by its keys, on its port."""
    tier.process.stop()
    port, tier.process = (
        tier.process.port,
        Process(settings or tier.settings, ("fixtures.rogue_server", kind)),
    )
    tier.process.port = port
    tier.process.start()


def grown(settings: Settings) -> None:
    """Far more leaves than what comes back to a server that was set back, whoever runs it."""
    with reading(settings) as desk, desk.store.write() as tx:
        for n in range(NOTES):
            note(tx, desk.now_ms, "drill", "drill", str(n), "")


def test_what_a_city_drops_sets_back_or_forks_is_told_by_the_district_below(
    tree: dict[str, Tier], tmp_path: Path
) -> None:
    city, district = tree["city"], tree["district"]
    arrived(city, district)
    arrived(city, district)
    assert found(district, city) == set()
    kept_by(city, "dropping")
    arrived(city, district)
    assert until(lambda: UNPROVEN in found(district, city))
    earlier = copy_of(city.settings, tmp_path / "earlier")
    grown(city.settings)
    arrived(city, district)
    kept_by(city, "deaf", earlier)
    assert until(lambda: ROLLED_BACK in found(district, city))
    grown(city.settings)
    kept_by(city, "deaf")
    assert until(lambda: FORKED in found(district, city))
    # What was found is told to whoever keeps the city's log, and stands in its journal.
    until(lambda: FORKED in {row[0] for row in city.rows("SELECT finding FROM log_evidence")})
    assert ("log-evidence",) in city.rows("SELECT DISTINCT what FROM journal")
    kept_by(city, "honest")


def test_what_a_district_drops_sets_back_or_forks_is_told_by_line_by_stick_and_above(
    town: Town,
) -> None:
    district = town.district
    town.go()
    town.go()
    assert town.one.ask("findings") == town.two.ask("findings") == []
    assert found(town.city, district) == set()
    kept_by(district, "dropping")
    town.go()
    assert town.told(UNPROVEN)
    earlier = copy_of(district.settings, town.folder / "earlier")
    grown(district.settings)
    town.go()
    kept_by(district, "deaf", earlier)
    town.go()
    arrived(town.city, district)
    assert town.told(ROLLED_BACK)
    # And then the one that was there before, as if nothing had been.
    grown(district.settings)
    kept_by(district, "deaf")
    town.go()
    arrived(town.city, district)
    assert town.told(FORKED)
