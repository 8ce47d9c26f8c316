# SPDX-License-Identifier: Apache-2.0
"""Servers over servers, as processes on loopback TLS: what is written anywhere arrives everywhere
it belongs."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from fixtures.district import Process, district_settings
from server.cli import main
from server.setup import init_server
from server.store.sqlite import SqliteStore
from server.verify import verify_store
from sync.collections import SCHEMA

SECONDS_MAX = 20.0
LEVELS = (("province", ""), ("city", "4401"), ("district", "440103"), ("street", "440103019"))


class Tier:
    """One server of the tree: its process, and what it holds."""

    def __init__(self, folder: Path) -> None:
        self.settings = district_settings(folder)
        self.keys = init_server(self.settings)
        self.process = Process(self.settings)

    def cli(self, *arguments: str) -> Result:
        data = self.settings.data_dir
        found = CliRunner().invoke(main, ["--lang", "en", "--data-dir", data, *arguments])
        assert found.exit_code == 0, found.output
        return found

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        store = SqliteStore(self.settings.store_path, self.keys.store_hex)
        try:
            with store.read() as tx:
                return tx.rows(sql)
        finally:
            store.close()

    def shown(self, record: str) -> dict[str, object]:
        found = self.rows(f"SELECT body FROM records WHERE id = '{record}'")
        return dict(msgspec.json.decode(str(found[0][0]))) if found else {}

    def verify(self) -> list[object]:
        store = SqliteStore(self.settings.store_path, self.keys.store_hex)
        try:
            with store.read() as tx:
                return list(verify_store(tx, SCHEMA, self.keys.sign.public).problems)
        finally:
            store.close()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.05)


def raised(folder: Path, levels: Sequence[tuple[str, str]], stack: ExitStack) -> dict[str, Tier]:
    """Servers over one another, each enrolled at the one above by a ticket, and started."""
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.setenv("DOORSTEP_UPSTREAM_SECONDS", "1")
    tiers: dict[str, Tier] = {}
    above: Tier | None = None
    for name, area in levels:
        tier = tiers[name] = Tier(folder / name)
        if above is not None:
            enrol(above, tier, name, area)
        tier.process.start()
        stack.callback(tier.process.stop)
        above = tier
    return tiers


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


def enrol(above: Tier, below: Tier, name: str, area: str) -> None:
    made = above.cli("servers", "enrol", "--area", area, "--yes", "--no-wait", "--plain")
    below.cli("upstream", "add", made.output.split()[0], "--name", name)


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
    caller = street.process.caller()
    for number in range(20):
        caller.write("zx", "household", f"h{number}", {"area": "440103019003", "phone": "1"})
    caller.close()
    until(lambda: street.rows("SELECT code FROM links") == [("server/link-down",)])
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
