# SPDX-License-Identifier: Apache-2.0
"""The store gets a new key while it is served, by real processes, killed at every step."""

import os
import secrets
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.disk import small_disk
from fixtures.district import district_settings, new_district
from fixtures.kill_world import World
from server.app import opened_district
from server.backups import check_backup
from server.cli import main
from server.errors import BackupWrong, KeyFileWrong, ServerError
from server.keys import read_keys
from server.office import reading
from server.people import add_team
from server.rekey_errors import RenewalRoom, StoreReplaced
from server.rekeying import renew_store_key
from server.settings import Settings
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import connect

BALLAST_ROWS = 1_200
BALLAST_BYTES = 12_000
# One of so many kills comes before the copy is whole, on a machine however fast.
KILLS_MAX = 10
DISK_BYTES = 80 * 1024 * 1024


def doorstep(settings: Settings, *words: str, fails: int = 0) -> Result:
    found = CliRunner().invoke(main, ["--data-dir", settings.data_dir, "--lang", "en", *words])
    assert found.exit_code == fails, found.output + repr(found.exception)
    return found


def weigh_down(settings: Settings) -> None:
    """Make the store so large that putting in a key takes a while."""
    with closing(connect(settings.store_path, read_keys(settings.keys).store_hex)) as db:
        db.execute("CREATE TABLE ballast (n INTEGER PRIMARY KEY, body BLOB)")
        db.execute("BEGIN")
        rows = [(os.urandom(BALLAST_BYTES),) for _ in range(BALLAST_ROWS)]
        db.executemany("INSERT INTO ballast (body) VALUES (?)", rows)
        db.execute("COMMIT")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return new_district(tmp_path / "server")


def teams(settings: Settings) -> list[str]:
    with reading(settings) as desk, desk.store.read() as tx:
        return [row[0] for row in tx.rows("SELECT id FROM teams ORDER BY id")]


# ---- served --------------------------------------------------------------------------------------


class Here(Exception):
    """The moment in which the server is killed."""


def killed_while_copying(world: World) -> bool:
    """Kill the server as soon as it tells of the copy; has it the key of before?

    How far it is by then is the machine's affair: either key is right, and each has all.
    """
    key = read_keys(world.settings.keys).store_hex

    def told(done: int, total: int) -> None:
        raise Here

    with closing(world.server.caller()) as caller, suppress(Here):
        caller.renew_store("office", told)
    world.server.kill()
    world.server.start()
    assert teams(world.settings) == sorted(teams(world.settings))
    real = Path(os.path.realpath(world.settings.store_path)).name
    assert {p.name for p in world.settings.data.glob("district*.db")} == {"district.db", real}
    return read_keys(world.settings.keys).store_hex == key


@pytest.mark.slow
def test_uploads_go_on_while_the_store_gets_a_new_key_and_all_of_them_are_there(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    try:
        world.server.stop()
        weigh_down(world.settings)
        world.server.start()
        before = world.server.keys.store_hex
        doorstep(world.settings, "backup", str(tmp_path / "before.db"))
        threads = [world.toil(n, "toil", n, f"t{n}", world.homes, 6.0, 0.5) for n in (0, 1)]
        receipts = world.acknowledged.receipts
        doorstep(world.settings, "keys", "renew", "store")
        # An office command: the store that it opens is the new one.
        doorstep(world.settings, "teams", "add", "n1", "新队")
        during = world.acknowledged.receipts - receipts
        assert any(killed_while_copying(world) for _ in range(KILLS_MAX))
        doorstep(world.settings, "keys", "renew", "store")
        for thread in threads:
            thread.join()
        assert during > 2
        world.server.keys.store.look()
        with pytest.raises(ServerError):
            SqliteStore(world.settings.store_path, before)
        world.sync_all()
        assert world.losses() == []
        assert world.faults() == []
        assert check_backup(tmp_path / "before.db", read_keys(world.settings.keys)).records > 0
    finally:
        world.end()


# ---- cut off at every step -----------------------------------------------------------------------


STEPS = ("make_next", "copied", "retire", "led", "promote", "checked")


@pytest.mark.parametrize("step", STEPS)
def test_after_a_failure_at_any_step_the_store_opens_and_has_all(
    settings: Settings, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    ring = "server.store_keyring.StoreKeyring"
    where = {
        "make_next": "server.rekeying.os.path.realpath",
        "copied": "server.store.sqlite_rekey.InFile._go_over",
        "retire": f"{ring}.retire",
        "led": "server.store.sqlite_rekey.inode_of",
        "promote": f"{ring}.promote",
        "checked": "server.rekeying.check_pages",
    }[step]
    key = read_keys(settings.keys).store_hex
    with opened_district(settings) as (district, keys):
        with district.store.write() as tx:
            add_team(tx, "t1", "t1", "office", 0)
        monkeypatch.setattr(where, killed)
        with pytest.raises(Killed):
            renew_store_key(district.store, keys.store, settings.store_path, "office", 5)
        monkeypatch.undo()
    assert teams(settings) == ["t1"]
    with opened_district(settings) as (district, keys):
        went_over = keys.store_hex != key
        assert keys.store.next() is None
        with district.store.write() as tx:
            add_team(tx, "t2", "t2", "office", 0)
    assert went_over == (step in ("led", "promote", "checked"))
    assert teams(settings) == ["t1", "t2"]
    real = Path(os.path.realpath(settings.store_path))
    assert {p.name for p in settings.data.glob("district*")} == {"district.db", real.name}
    doorstep(settings, "doctor")


def test_a_disk_without_room_for_a_second_store_is_told_and_nothing_is_left_there(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        settings = new_district(disk.folder / "server", disk_free_bytes_min=0)
        weigh_down(settings)
        key = read_keys(settings.keys).store_hex
        files = {p.name for p in settings.data.glob("district*")}
        with opened_district(settings) as (district, keys):

            def fill(done: int, total: int) -> None:
                if disk.mounted:
                    disk.fill(200_000)
                else:
                    raise RenewalRoom

            with pytest.raises(RenewalRoom):
                renew_store_key(district.store, keys.store, settings.store_path, "office", 5, fill)
            if disk.mounted:
                with pytest.raises(RenewalRoom):
                    renew_store_key(district.store, keys.store, settings.store_path, "office", 5)
            assert {p.name for p in settings.data.glob("district*.db")} <= files
            disk.free()
            assert keys.store_hex == key
            renew_store_key(district.store, keys.store, settings.store_path, "office", 5)
        assert teams(settings) == []


def test_a_renewal_after_one_that_ended_badly_does_not_write_over_the_key_in_use(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise KeyFileWrong("the key service is away")

    with opened_district(settings) as (district, keys):
        for where in ("promote", "retire"):
            with monkeypatch.context() as patched:
                patched.setattr(f"server.store_keyring.StoreKeyring.{where}", away)
                with pytest.raises(KeyFileWrong):
                    renew_store_key(district.store, keys.store, settings.store_path, "office", 5)
        with district.store.write() as tx:
            add_team(tx, "t1", "t1", "office", 0)
    assert teams(settings) == ["t1"]
    doorstep(settings, "keys", "renew", "store")
    assert teams(settings) == ["t1"]


# ---- others --------------------------------------------------------------------------------------


def test_a_process_that_has_the_former_file_open_writes_nothing_and_is_told(
    settings: Settings,
) -> None:
    with reading(settings) as office:
        doorstep(settings, "keys", "renew", "store")
        with pytest.raises(StoreReplaced), office.store.write() as tx:
            add_team(tx, "t1", "t1", "office", 0)
    assert teams(settings) == []


def test_what_another_process_writes_while_pages_are_copied_is_in_the_copy(
    settings: Settings,
) -> None:
    weigh_down(settings)
    with reading(settings) as office, opened_district(settings) as (district, keys):
        told: list[int] = []

        def write(done: int, total: int) -> None:
            told.append(done)
            if len(told) in (2, 5) or (done == total and len(told) < 30):
                with office.store.write() as tx:
                    add_team(tx, f"t{len(told):02}", "队", "office", 0)

        renew_store_key(district.store, keys.store, settings.store_path, "office", 5, write)
        assert sorted(told) != told
    # What was written after the last page of a copy makes it begin again, as what was before.
    assert teams(settings) == ["t02", "t05", "t13", "t21", "t29"]


def test_what_this_process_writes_in_the_last_moment_is_in_the_new_file(settings: Settings) -> None:
    weigh_down(settings)
    with opened_district(settings) as (district, keys):
        threads: list[threading.Thread] = []

        def write(name: str) -> None:
            with district.store.write() as tx:
                add_team(tx, name, name, "office", 0)

        def told(done: int, total: int) -> None:
            threads.append(threading.Thread(target=write, args=(f"t{len(threads):02}",)))
            threads[-1].start()

        renew_store_key(district.store, keys.store, settings.store_path, "office", 5, told)
        for thread in threads:
            thread.join()
    assert len(threads) > 5
    assert teams(settings) == [f"t{n:02}" for n in range(len(threads))]


def test_a_reader_beside_goes_over_with_the_store(settings: Settings) -> None:
    with opened_district(settings) as (district, keys):
        beside = district.store.another()
        with beside.read() as tx:
            assert tx.rows("SELECT id FROM teams") == []
        renew_store_key(district.store, keys.store, settings.store_path, "office", 5)
        with district.store.write() as tx:
            add_team(tx, "t1", "t1", "office", 0)
        with beside.read() as tx:
            assert tx.rows("SELECT id FROM teams") == [("t1",)]
        beside.close()


def test_backups_of_before_are_put_back_until_their_key_is_forgotten(
    settings: Settings, tmp_path: Path
) -> None:
    with opened_district(settings) as (district, _), district.store.write() as tx:
        add_team(tx, "t1", "t1", "office", 0)
    copies = [tmp_path / f"{n}.db" for n in range(3)]
    for copy in copies:
        doorstep(settings, "backup", str(copy))
        doorstep(settings, "keys", "renew", "store")
    doorstep(settings, "teams", "add", "t2", "t2")
    doorstep(settings, "restore", str(copies[0]), "--yes")
    assert teams(settings) == ["t1"]
    doorstep(settings, "keys", "renew", "store")
    doorstep(settings, "teams", "add", "t3", "t3")
    assert teams(settings) == ["t1", "t3"]
    assert "goes" not in doorstep(settings, "keys", "forget", "--yes").output
    doorstep(settings, "keys", "forget", "--days", "0", "--yes")
    keys = read_keys(settings.keys)
    for copy in copies:
        with pytest.raises(BackupWrong):
            check_backup(copy, keys)
    assert teams(settings) == ["t1", "t3"]
    with reading(settings) as desk, desk.store.read() as tx:
        told = [row[0] for row in tx.rows("SELECT what FROM journal")]
    # Two renewals went with the journal that was set aside.
    assert told.count("store-key-renewed") == 1
    assert told.count("store-key-forgotten") == 4


def test_settings_by_environment_give_the_next_key_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = new_district(tmp_path / "server")
    monkeypatch.setenv("OUTER", secrets.token_hex(32))
    doorstep(settings, "keys", "keep", "environment", "OUTER")
    doorstep(settings, "keys", "renew", "store")
    assert teams(settings) == []
    assert not (settings.keys / "store.key").exists()
    assert district_settings(tmp_path / "server").store_path.is_symlink()
