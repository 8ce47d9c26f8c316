# SPDX-License-Identifier: Apache-2.0
"""A full disk, of a tablet and of the server: a code, nothing acknowledged lost, and on it goes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from client_sdk.errors import ServerRefused, StoreFailed, StoreFull
from fixtures.disk import SmallDisk, small_disk
from fixtures.district import district_settings, local_district
from fixtures.wire import loose_client
from server.doctor import examine
from server.recovery import recover
from tests.faults.conftest import Place

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 16 * MIB) as found:
        yield found


def long_text() -> str:
    """Text that does not pack."""
    return os.urandom(180).hex()


def test_a_tablet_whose_disk_is_full_keeps_what_it_said_it_saved(
    tmp_path: Path, disk: SmallDisk
) -> None:
    with local_district(tmp_path / "district") as server:
        place = Place(disk.folder, server)
        tablet = place.tablet()
        home = place.home(tablet)
        disk.fill(120_000)
        refused = 0
        for _ in range(400):
            try:
                place.visit(tablet, home, long_text())
            except (StoreFull, StoreFailed) as error:
                refused += not disk.mounted or error.code == "tablet/store-full"
                if refused > 3:
                    break
        assert refused > 3
        assert {change.record for change in tablet.unsent()} == set(place.saved)
        # What the outbox would hand over is what was saved, and nothing that was refused.
        sealed = [path.read_bytes() for path in tablet.outbox_files()]
        disk.free()
        place.visit(tablet, home, "又有空间了")
        tablet.close()
        place.tablets[0] = place.open(tablet.directory, "w0")
        place.heal()
        found = [recover(server.district, data) for data in sealed]
        assert sum(f.unreadable_bytes + f.refused for f in found) == 0
        assert sum(f.changes for f in found) == len(place.saved) - 1
        assert len(place.held()) == len(place.saved)
        assert place.verdict().holds
        place.tablets[0].close()


def test_a_server_whose_disk_is_full_acknowledges_nothing_it_does_not_hold(
    tmp_path: Path, disk: SmallDisk
) -> None:
    settings = district_settings(disk.folder / "district", disk_free_bytes_min=0)
    with local_district(settings.data, settings=settings) as server:
        place = Place(tmp_path, server)
        tablet = place.tablet()
        home = place.home(tablet)
        tablet.sync()
        for _ in range(300):
            place.visit(tablet, home, long_text())
        unsent = len(tablet.unsent())
        disk.fill(60_000)
        # Where only the size of files can be limited, the tablet's own are too.
        kinds = ServerRefused if disk.mounted else (ServerRefused, StoreFailed, StoreFull)
        with pytest.raises(kinds) as caught:
            tablet.sync()
        assert not disk.mounted or "507 server/disk-full" in str(caught.value)
        assert len(tablet.unsent()) == unsent
        disk.free()
        place.heal()
        tablet.close()


def test_a_server_refuses_uploads_before_its_disk_is_full(tmp_path: Path, disk: SmallDisk) -> None:
    settings = district_settings(disk.folder / "district", disk_free_bytes_min=8 * MIB)
    with local_district(settings.data, settings=settings) as server:
        place = Place(tmp_path, server)
        tablet = place.tablet()
        place.home(tablet)
        if disk.mounted:
            disk.fill(4 * MIB)
            with pytest.raises(ServerRefused, match="server/disk-full"):
                tablet.sync()
            disk.free()
        place.heal()
        tablet.close()


def test_an_alarm_of_the_disk_keeps_no_upload_out(tmp_path: Path) -> None:
    held = os.statvfs(tmp_path)
    free = held.f_bavail * held.f_frsize
    settings = district_settings(tmp_path / "district", disk_free_bytes_alarm=free * 2)
    with local_district(settings.data, settings=settings) as server:
        place = Place(tmp_path, server)
        place.home(place.tablet())
        place.heal()
        with loose_client(server.url) as client:
            assert "doorstep_disk_alarm 1" in client.get("/metrics").text
        (told,) = [one for one in examine(settings, whole=False) if one.name == "disk-space"]
        assert told.grade == "warning"
        place.tablets[0].close()
