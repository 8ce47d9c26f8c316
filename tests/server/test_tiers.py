# SPDX-License-Identifier: Apache-2.0
"""Servers over servers, as processes on loopback TLS: what is written anywhere arrives everywhere
it belongs."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixtures.tree import Tier, enrol, raised
from fixtures.waiting import until

LEVELS = (("province", ""), ("city", "4401"), ("district", "440103"), ("street", "440103019"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Tier]]:
    """Four levels, shared by tests that leave them as they were."""
    with ExitStack() as stack:
        yield raised(tmp_path_factory.mktemp("tree"), LEVELS, stack)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[dict[str, Tier]]:
    """A city and a district of it."""
    with ExitStack() as stack:
        yield raised(tmp_path, LEVELS[1:3], stack)


@pytest.mark.slow
def test_what_is_written_in_the_street_reaches_the_province_and_what_the_city_decides_comes_back(
    tree: dict[str, Tier],
) -> None:
    street, province = tree["street"], tree["province"]
    home = "h-of-the-street"
    with_area = {"area": "440103019003", "phone": "1"}
    caller = street.process.caller()
    caller.write("zx", "household", home, with_area)
    until(lambda: province.shown(home).get("phone") == "1")
    city = tree["city"].process.caller()
    city.write("office", "household", home, {"phone": "2"})
    city.close()
    until(lambda: street.shown(home).get("phone") == "2")
    until(lambda: province.shown(home).get("phone") == "2")
    caller.close()
    for tier in tree.values():
        assert tier.verify() == []


@pytest.mark.slow
def test_a_link_that_was_down_comes_back_by_itself_and_nothing_is_lost(
    tree: dict[str, Tier],
) -> None:
    street, district = tree["street"], tree["district"]
    district.process.stop()
    try:
        caller = street.process.caller()
        for number in range(20):
            caller.write("zx", "household", f"h{number}", {"area": "440103019003", "phone": "1"})
        caller.close()
        until(lambda: street.rows("SELECT code FROM links") == [("server/link-down",)])
    finally:
        # The other tests here need it too.
        district.process.start()
    until(lambda: all(tree["province"].shown(f"h{n}") for n in range(20)))


@pytest.mark.slow
def test_what_lies_outside_a_servers_area_does_not_come_down(tree: dict[str, Tier]) -> None:
    city, street = tree["city"].process.caller(), tree["street"]
    city.write("office", "household", "elsewhere", {"area": "440105001001", "phone": "9"})
    city.write("office", "household", "here", {"area": "440103019001", "phone": "9"})
    city.close()
    until(lambda: street.shown("here") != {})
    assert street.shown("elsewhere") == {}
    assert tree["district"].shown("elsewhere") == {}
    until(lambda: tree["province"].shown("elsewhere") != {})


@pytest.mark.slow
def test_a_revoked_server_gets_and_brings_nothing(pair: dict[str, Tier]) -> None:
    city, district = pair["city"], pair["district"]
    until(lambda: district.rows("SELECT met_at_ms FROM links") != [(None,)])
    city.cli("revoke", "district", "--by", "office")
    office, worker = city.process.caller(), district.process.caller()
    office.write("office", "household", "late", {"area": "440103019001", "phone": "9"})
    worker.write("zx", "household", "late too", {"area": "440103019001", "phone": "9"})
    office.close()
    worker.close()
    until(lambda: district.rows("SELECT code FROM links") == [("server/link-refused",)])
    assert district.shown("late") == {}
    assert city.shown("late too") == {}
    assert city.rows("SELECT state FROM devices") == [("revoked",)]


@pytest.mark.slow
def test_a_district_that_moves_to_another_upstream_loses_nothing(
    pair: dict[str, Tier], tmp_path: Path
) -> None:
    district, other = pair["district"], Tier(tmp_path / "other")
    caller, city = district.process.caller(), pair["city"].process.caller()
    caller.write("zx", "household", "mover", {"area": "440103019001", "phone": "1"})
    until(lambda: pair["city"].shown("mover") != {})
    city.write("office", "household", "mover", {"address": "x"})
    until(lambda: district.shown("mover").get("address") == "x")
    district.cli("upstream", "remove", "--by", "office")
    other.process.start()
    try:
        enrol(other, district, "district", "440103")
        caller.write("zx", "household", "mover", {"phone": "2"})
        until(lambda: other.shown("mover").get("phone") == "2")
        assert other.shown("mover")["address"] == "x"
        assert other.verify() == []
    finally:
        caller.close()
        city.close()
        other.process.stop()
