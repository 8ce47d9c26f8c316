# SPDX-License-Identifier: Apache-2.0
"""A tablet that was away while everything was renewed comes home: by line, by stick, by a teammate;
and so do the servers above and below."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from client_sdk.devices import certificate_of, district_of
from client_sdk.roots import roots_of
from client_sdk.tablet import Tablet
from crypto.errors import PinMismatch
from crypto.statement import DAY_MS
from fixtures.district import Local, add_team, district_settings, local_district, ticket_text
from fixtures.tree import Tier, raised
from fixtures.waiting import until
from fixtures.world import HOUSEHOLD
from server.bundles import Lines, take_bundle
from server.cli import main
from server.keys import read_keys
from server.settings import Settings
from server.setup import init_server

pytestmark = pytest.mark.slow

OLD, NEW = "雨夜敲门三百次也不停", "又过一年门还是要敲的"
YEAR_MS = 366 * DAY_MS


class Clock:
    """Wall milliseconds that a test moves, a minute ahead of the desk that makes tickets."""

    def __init__(self) -> None:
        self.now_ms = time.time_ns() // 1_000_000 + 60_000

    def __call__(self) -> int:
        self.now_ms += 1
        return self.now_ms


def new_root(settings: Settings) -> None:
    """Replace the root, as ``doorstep keys renew root`` does once two people said yes."""
    keys = read_keys(settings.keys)
    keys.roots.renew(keys.folder, time.time_ns() // 1_000_000)


class Office:
    """A district that is stopped for what needs that, and served again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.folder = folder
        self.settings: Settings = district_settings(folder)
        init_server(self.settings)
        self.stack = ExitStack()

    def start(self) -> Local:
        local = self.stack.enter_context(
            local_district(self.folder, clock=self.clock, settings=self.settings)
        )
        self.settings = district_settings(self.folder, port=local.port)
        return local

    def stop(self) -> None:
        self.stack.close()
        self.stack = ExitStack()

    def cli(self, *arguments: str) -> str:
        data = ["--lang", "en", "--data-dir", str(self.folder)]
        found = CliRunner().invoke(main, [*data, *arguments])
        assert found.exit_code == 0, found.output
        return found.output

    def renew_all(self, local: Local) -> None:
        """A year passes: box keys, TLS, the root, twice."""
        for _ in range(4):
            self.clock.now_ms += YEAR_MS // 4
            local.district.boxes.renew(self.clock())
        self.stop()
        for _ in range(2):
            self.cli("keys", "renew", "tls", "--by", "office")
            new_root(self.settings)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    found = Office(tmp_path / "office")
    yield found
    found.stop()


def enrolled(office: Office, local: Local, folder: Path, name: str) -> Tablet:
    return Tablet.enrol(
        folder,
        ticket_text(office.settings, "team", local.port),
        name=name,
        worker="w1",
        secret=OLD,
        show_digits=lambda digits: None,
        keyring=None,
    )


def opened(office: Office, folder: Path, secret: str = OLD) -> Tablet:
    return Tablet.open(folder, "w1", secret, keyring=None, clock=office.clock)


@pytest.fixture
def away(office: Office, tmp_path: Path) -> list[Path]:
    """Two tablets, work on both, one with a new PIN; then everything is renewed while they are
    away."""
    local = office.start()
    add_team(office.settings, "team", {"w1": "张霞"})
    local.service.reload()
    folders = [tmp_path / "a", tmp_path / "b"]
    for number, folder in enumerate(folders):
        tablet = enrolled(office, local, folder, folder.name)
        tablet.create_record("household", HOUSEHOLD | {"phone": f"1380013800{number}"})
        tablet.sync()
        tablet.create_record("household", HOUSEHOLD | {"phone": f"1390013900{number}"})
        if number == 0:
            tablet.change_secret(OLD, NEW)
        tablet.close()
    office.renew_all(local)
    return folders


def test_a_tablet_that_was_away_for_all_of_it_comes_home_by_line(
    office: Office, away: list[Path]
) -> None:
    local = office.start()
    with opened(office, away[0], NEW) as tablet:
        before = certificate_of(tablet._store)
        report = tablet.sync()
        assert (report.sent, report.agrees) == (1, True)
        store = tablet._store
        assert district_of(store).public == local.district.key.public
        assert district_of(store).box_public == local.district.box.public
        assert store.get("pin") == local.keys.tls.tls_pin
        assert len(roots_of(store)) == 3
        after = certificate_of(store)
        assert before is not None
        assert after is not None
        assert after.issuer == local.district.key.replica
        assert after.issued_at_ms - before.issued_at_ms > YEAR_MS // 2
        tablet.create_record("household", HOUSEHOLD)
        assert tablet.sync().rounds == 1
    with opened(office, away[0], NEW) as again:
        assert again.sync().agrees
    with local.district.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM records")[0][0] == 4


def test_a_teammate_who_was_home_brings_the_other_one_there(
    office: Office, away: list[Path]
) -> None:
    local = office.start()
    with opened(office, away[0], NEW) as a, opened(office, away[1]) as b:
        a.sync()
        a.meet(b)
        assert district_of(b._store).public == local.district.key.public
        assert district_of(b._store).box_public == local.district.box.public
        assert b._store.get("pin") == local.keys.tls.tls_pin
        assert b.sync().agrees
        assert b.status().unsent == 0


def test_a_stick_there_and_back_brings_it_home_too(
    office: Office, away: list[Path], tmp_path: Path
) -> None:
    local = office.start()
    lines = Lines(tmp_path / "lines")
    with opened(office, away[1]) as b:
        old_keys = []
        for _ in range(2):
            # The first is sealed to a key no longer in use: its answer tells all the present ones.
            taken = take_bundle(local.district, lines, b.export_bundle())
            old_keys.append(taken.old_key)
            b.import_bundle(taken.answer)
        assert (old_keys, b.status().unsent) == ([True, False], 0)
        assert district_of(b._store).public == local.district.key.public
        assert b.sync().agrees


def test_a_server_with_other_keys_that_no_root_known_names_is_refused(
    office: Office, away: list[Path], tmp_path: Path
) -> None:
    """Somebody else answers under the district's address, with words of their own root."""
    office.stop()
    stranger = Office(tmp_path / "stranger")
    stranger.settings = district_settings(stranger.folder, port=office.settings.port)
    stranger.cli("keys", "renew", "tls", "--by", "office")
    new_root(stranger.settings)
    stranger.start()
    try:
        with opened(office, away[0], NEW) as tablet:
            with pytest.raises(PinMismatch):
                tablet.sync()
            assert tablet.status().unsent == 1
            assert len(roots_of(tablet._store)) == 1
    finally:
        stranger.stop()
    shutil.rmtree(stranger.folder)


def test_servers_above_and_below_follow_a_root_and_a_tls_key(tmp_path: Path) -> None:
    with ExitStack() as stack:
        tiers = raised(tmp_path, (("city", "4401"), ("district", "440103")), stack)
        city, district = tiers["city"], tiers["district"]
        until(lambda: district.rows("SELECT met_at_ms FROM links") != [(None,)])
        # What the old roots wrote themselves is verified afterwards too.
        write(city, "h0", "0")
        until(lambda: district.shown("h0") != {})
        for tier in (city, district):
            tier.process.stop()
            tier.cli("keys", "renew", "tls", "--by", "office")
            new_root(tier.settings)
            tier.process.start()
        write(district, "h1", "1")
        until(lambda: city.shown("h1") != {})
        write(city, "h1", "2", address="x")
        until(lambda: district.shown("h1").get("address") == "x")
        assert [tier.verify() for tier in (city, district)] == [[], []]
        assert len(city.rows("SELECT 1 FROM devices")) == 1
        assert len(city.rows("SELECT 1 FROM device_keys")) == 2


def write(tier: Tier, home: str, phone: str, **more: Any) -> None:
    caller = tier.process.caller()
    caller.write("zx", "household", home, {"area": "440103019001", "phone": phone, **more})
    caller.close()
