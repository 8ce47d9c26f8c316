# SPDX-License-Identifier: Apache-2.0
"""A line that breaks at any byte, going up or coming down: the next sync heals it."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from client_sdk.errors import Unreachable
from client_sdk.tablet import Tablet
from fixtures.district import local_district
from fixtures.road import Road
from tests.conftest import SEED
from tests.faults.conftest import Place

CUTS = 12


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[Place, Tablet, Road]]:
    with local_district(tmp_path / "district") as server:
        place = Place(tmp_path, server)
        tablet = place.tablet()
        road = Road(1, server.port)
        with tablet._store.transaction():
            tablet._store.put("addresses", [road.address(0)])
        tablet.close()
        place.tablets[0] = place.open(tablet.directory, "w0")
        yield place, place.tablets[0], road
        place.tablets[0].close()
        road.close()


@pytest.mark.parametrize("upwards", [True, False], ids=["up", "down"])
def test_a_line_cut_at_any_byte_costs_only_another_try(
    line: tuple[Place, Tablet, Road], upwards: bool
) -> None:
    place, tablet, road = line
    rng, lane = Random(SEED), road.lanes[0]
    home = place.home(tablet)
    given = 0
    tablet.sync()
    for number in range(CUTS):
        for text in range(4):
            place.visit(tablet, home, f"{number}-{text}-{rng.randrange(10**9)}")
        tablet.count(home, "rice_given_kg", number + 1)
        given += number + 1
        # Anywhere within the request, or within the answer, on the connection that is open.
        after = rng.randrange(1, 400)
        lane.cut_after(up=after) if upwards else lane.cut_after(down=after)
        with pytest.raises(Unreachable):
            tablet.sync()
        assert len(tablet.unsent()) == 5
        lane.mend()
        assert tablet.sync().agrees
    place.heal()
    assert place.body(home)["rice_given_kg"] == given
