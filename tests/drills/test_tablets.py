# SPDX-License-Identifier: Apache-2.0
"""Drills: whoever has a tablet, its files, a copy of it, or works with it in bad faith."""

import shutil
from pathlib import Path

import pytest

from crypto.statement import DAY_MS
from fixtures.drill_ground import LEASE_DAYS, Ground, shown_in, taken
from fixtures.drill_tablet import NAME, NOTE, PHONE
from fixtures.kill_tablet import SECRET
from fixtures.tablets import Refused, TabletProcess

pytestmark = pytest.mark.slow

HOUR_MS = 3_600_000


def number_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def guessed(tablet: TabletProcess, *tries: tuple[str, int]) -> list[str]:
    """Unlock a tablet by these secrets, each at that time of its clock; the codes, "" for open."""
    return [tablet.ask("guess", f"w{number_of(tablet.folder)}", *one) for one in tries]


def test_a_thief_of_a_tablet_that_is_off_reads_nothing_and_ten_guesses_erase_its_keys(
    ground: Ground, tmp_path: Path
) -> None:
    tablet = ground.tablet()
    home = tablet.ask("home")
    tablet.ask("note", home, NOTE)
    ground.synced(tablet)
    tablet.ask("note", home, NOTE)  # in the outbox still
    tablet.kill()
    stolen = taken(tablet.folder, tmp_path / tablet.folder.name)
    assert shown_in(stolen) == set()
    (tmp_path / "plain").mkdir()
    ground.doorstep("export", str(tmp_path / "plain" / "plain.db"), "--reason", "drill")
    assert shown_in(tmp_path / "plain") >= {NAME, PHONE}
    # The clock is the thief's too: each guess is made two hours after the one before, and the
    # process is started anew in between.
    tries = [(f"guess-{n}-of-many-words", 2 * n * HOUR_MS) for n in range(10)]
    first = guessed(ground.start(stolen), *tries[:5])
    second = guessed(ground.start(stolen), *tries[5:], (SECRET, 40 * HOUR_MS))
    assert [*first, *second] == ["crypto/unlock-refused"] * 9 + ["crypto/unlock-erased"] * 2


def test_a_thief_without_the_device_secret_opens_nothing_by_the_right_passphrase(
    ground: Ground, tmp_path: Path
) -> None:
    one, two = ground.tablet(), ground.tablet()
    for tablet in (one, two):
        tablet.kill()
    stolen = taken(one.folder, tmp_path / one.folder.name)
    shutil.copy(two.folder / "device.secret", stolen / "device.secret")
    thief = ground.start(stolen)
    assert guessed(thief, (SECRET, 0)) == ["crypto/unlock-refused"]
    shutil.copy(one.folder / "device.secret", stolen / "device.secret")
    assert guessed(thief, (SECRET, HOUR_MS)) == [""]


def test_a_thief_of_a_tablet_that_is_on_loses_it_at_the_first_contact(ground: Ground) -> None:
    tablet = ground.tablet()
    home = tablet.ask("home")
    ground.synced(tablet)
    ground.doorstep("revoke", tablet.ask("replica"), "--reason", "stolen")
    # Away from any signal the thief writes on; then the tablet finds one.
    tablet.ask("set", home, {"head_name": "胡说"})
    assert tablet.ask("sync", 0).code == "tablet/revoked"
    left = {path.name for path in tablet.folder.iterdir()}
    assert not left & {"store.db", "vault", "device.secret"}
    assert guessed(tablet, (SECRET, 0)) != [""]
    assert "wiped" in str(ground.sql("SELECT what FROM journal"))
    assert ground.sql(
        f"SELECT json_extract(body, '$.head_name') FROM records WHERE id = '{home}'"
    ) == [(NAME,)]


def test_a_thief_who_keeps_a_tablet_from_the_network_is_shut_out_whatever_its_clock_says(
    ground: Ground,
) -> None:
    tablet, day = ground.tablet(), LEASE_DAYS * DAY_MS
    tablet.ask("lock")
    with ground.wire.cut():
        tries = [day * 6 // 10, -30 * DAY_MS, day * 11 // 10, -2 * DAY_MS]
        found = guessed(tablet, *((SECRET, off_ms) for off_ms in tries))
    assert found == ["", "", "tablet/lease-closed", "tablet/lease-closed"]
    assert guessed(tablet, (SECRET, day * 11 // 10)) == [""]


def test_a_cloner_gets_a_device_of_its_own_and_both_writings_stay_until_both_are_revoked(
    ground: Ground, tmp_path: Path
) -> None:
    one = ground.tablet()
    home = one.ask("home")
    ground.synced(one)
    device = one.ask("replica")
    one.end()
    clone = taken(one.folder, tmp_path / one.folder.name)
    first, second = (ground.opened(folder, number_of(folder)) for folder in (one.folder, clone))
    first.ask("note", home, "原机写的")
    second.ask("note", home, "副本写的")
    for _ in range(2):
        ground.synced(first, second)
    assert first.ask("replica") != second.ask("replica")
    found = ground.sql(f"SELECT body FROM records WHERE id = '{home}'")[0][0]
    assert "原机写的" in found
    assert "副本写的" in found
    ground.doorstep("revoke", device, "--reason", "copied")
    assert {one.ask("sync", 0).code for one in (first, second)} == {"tablet/revoked"}


@pytest.mark.parametrize("name", ["store.db", "vault", "outbox/*"])
def test_whoever_alters_a_tablets_files_gets_a_refusal_and_never_a_changed_record(
    ground: Ground, tmp_path: Path, name: str
) -> None:
    tablet = ground.tablet()
    home = tablet.ask("home")
    tablet.end()
    told = []
    for place in (0.1, 0.5, 0.9):
        folder = taken(tablet.folder, tmp_path / str(place) / tablet.folder.name)
        (file,) = folder.glob(name)
        data = bytearray(file.read_bytes())
        data[int(len(data) * place)] ^= 0x01
        file.write_bytes(data)
        thief = ground.start(folder)
        (code,) = guessed(thief, (SECRET, 0))
        if not code:
            thief.ask("unlock", f"w{number_of(folder)}", SECRET)
            try:
                assert thief.ask("values", home)["head_name"] == NAME
                code = ", ".join(thief.ask("faults"))
            except Refused as error:
                code = error.code
        if name == "outbox/*":
            code = ground.doorstep("recover", str(file)).output
            assert "; 0 bytes unreadable" not in code
        told.append(code)
        thief.kill()
    assert all(told)


def test_a_rogue_worker_writes_nothing_after_the_revocation_and_a_lie_in_time_is_a_conflict(
    ground: Ground,
) -> None:
    rogue, honest = ground.tablet(), ground.tablet()
    home = honest.ask("home")
    ground.synced(honest, rogue)
    rogue.ask("set", home, {"head_name": "改成别人"})
    honest.ask("set", home, {"head_name": "欧阳淑贞"})
    ground.synced(honest, rogue)
    # A lie in time is a conflict, with its writer's name, and the other value stays.
    sides = ground.sql("SELECT worker FROM conflict_sides")
    assert len(sides) == 2
    body = ground.sql(f"SELECT body FROM records WHERE id = '{home}'")[0][0]
    ground.doorstep("revoke", rogue.ask("replica"), "--reason", "rogue")
    rogue.ask("set", home, {"head_name": "再改一次"})
    assert rogue.ask("sync", 0).code == "tablet/revoked"
    assert ground.sql(f"SELECT body FROM records WHERE id = '{home}'")[0][0] == body
    held = ground.sql(f"SELECT reason FROM quarantine WHERE record = '{home}'")
    assert held == [("revoked",)]
