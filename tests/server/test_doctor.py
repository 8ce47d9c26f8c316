# SPDX-License-Identifier: Apache-2.0
"""The doctor says what is wrong; a damaged store is found, kept, and put right from both sides."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import sqlcipher3
from click.testing import CliRunner, Result

from fixtures.district import Process, admit, district_settings, new_district
from fixtures.wire import Speaker, household
from server.app import opened_district
from server.backups import back_up, restore
from server.cli import main
from server.doctor import BORN_MS, examine
from server.errors import AlreadyInitialised, ConfigurationWrong, NotFound, StoreTooNew
from server.findings import Finding
from server.keys import read_keys
from server.service_unit import UNIT_NAME, install, uninstall, unit_text
from server.serving import Serving
from server.settings import Settings
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import connect
from server.verify import verify_store
from server.words import BOTH
from sync.collections import SCHEMA

PAGE = 8192


def found(settings: Settings) -> dict[str, Finding]:
    return {one.name: one for one in examine(settings)}


def asked_to_serve(settings: Settings) -> Result:
    """What the command says, which ends at once where it would serve."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Serving, "run", lambda serving: None)
        return CliRunner().invoke(main, ["--data-dir", settings.data_dir, "serve"])


def test_a_new_server_is_well_and_every_check_is_named(tmp_path: Path) -> None:
    settings = new_district(tmp_path / "d")
    checks = found(settings)
    assert list(checks) == [
        "sqlite-version",
        "disk-space",
        "clock",
        "key-files",
        "certificate",
        "store",
        "backup",
        "archives",
        "clock-behind",
        "waiting",
        "quarantine",
        "forks",
        "tablet-clocks",
        "upstream",
        "wipes",
        "leases",
        "backup-keys",
        "withdrawals",
        "field-keys",
    ]
    readme = (Path(__file__).parents[2] / "server" / "README.md").read_text("utf-8")
    assert [name for name in checks if f"`{name}`" not in readme] == []
    assert not [one for one in checks.values() if one.grade == "wrong"]
    arguments = ["--data-dir", settings.data_dir, "--lang", "en", "doctor"]
    spoken = CliRunner().invoke(main, arguments)
    assert spoken.exit_code == 0
    assert "every page sound" in spoken.output
    asked = CliRunner().invoke(main, [*arguments, "--json"])
    told = msgspec.json.decode(asked.output)
    assert told["ok"] is True
    assert [one["name"] for one in told["checks"]] == list(checks)


def test_what_is_wrong_with_keys_clock_and_disk_is_said_with_what_to_do(tmp_path: Path) -> None:
    settings = new_district(tmp_path / "d")
    (settings.keys / "sign.key").chmod(0o644)
    checks = found(settings)
    assert checks["key-files"].grade == "wrong"
    assert "sign.key" in checks["key-files"].text
    assert "chmod" in checks["key-files"].advice
    (settings.keys / "sign.key").chmod(0o600)
    settings.keys.chmod(0o755)
    assert found(settings)["key-files"].grade == "wrong"
    settings.keys.chmod(0o700)
    early = {one.name: one for one in examine(settings, lambda: BORN_MS - 1)}
    assert early["clock"].grade == "wrong"
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    low = msgspec.structs.replace(settings, disk_free_bytes_alarm=free * 2)
    assert found(low)["disk-space"].grade == "warning"
    out = msgspec.structs.replace(settings, disk_free_bytes_min=free * 2)
    assert found(out)["disk-space"].grade == "wrong"
    for one in found(out).values():
        if one.grade != "good":
            assert BOTH in one.text
            assert BOTH in one.advice


def test_what_waits_in_the_store_is_counted(tmp_path: Path) -> None:
    settings = new_district(tmp_path / "d")
    with opened_district(settings) as (district, _):
        now = district.clock()
        for name in "abcd":
            admit(district, name, "team")
        with district.store.write() as tx:
            tx.run("UPDATE devices SET offset_ms = 600000 WHERE name <> 'd'")
            tx.run(
                "UPDATE devices SET state = 'revoked', revoked_at_ms = ? WHERE name = 'd'",
                [now - 9 * 86_400_000],
            )
            tx.run("INSERT INTO waiting VALUES ('r', ?, 1, ?)", [b"d", b"e"])
            tx.run("INSERT INTO forks VALUES (?, 1, 1)", [b"r" * 16])
    checks = found(settings)
    assert [checks[n].grade for n in ("waiting", "forks", "wipes")] == ["warning"] * 3
    assert checks["tablet-clocks"].grade == "wrong"
    assert "3 of 3" in checks["tablet-clocks"].text
    assert checks["quarantine"].grade == "good"


def test_a_store_of_a_newer_program_is_refused_untouched(tmp_path: Path) -> None:
    settings = new_district(tmp_path / "d")
    keys = read_keys(settings.keys)
    store = SqliteStore(settings.store_path, keys.store_hex)
    with store.write() as tx:
        tx.run("INSERT INTO migrations VALUES ('9999-later', 'now')")
    store.close()
    before = settings.store_path.read_bytes()
    with pytest.raises(StoreTooNew, match="9999-later"):
        SqliteStore(settings.store_path, keys.store_hex)
    assert settings.store_path.read_bytes() == before
    checks = found(settings)
    assert checks["store"].grade == "wrong"
    assert "server/store-too-new" in checks["store"].advice
    asked = CliRunner().invoke(main, ["--data-dir", settings.data_dir, "devices"])
    assert asked.exit_code == 1
    assert "server/store-too-new" in asked.stderr


def test_a_store_of_an_older_program_is_brought_up_to_date_with_its_data(tmp_path: Path) -> None:
    from server.store import migrations

    settings = new_district(tmp_path / "d")
    settings.store_path.unlink()
    key = read_keys(settings.keys).store_hex
    first = connect(settings.store_path, key)
    everything = migrations.MIGRATIONS
    for upto in range(1, len(everything) + 1):
        # As each released program left it, with a row in a table of its first step.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrations, "MIGRATIONS", everything[:upto])
            SqliteStore(settings.store_path, key).close()
        first.execute(
            "INSERT INTO journal (at_ms, who, what, target, detail) VALUES (1,'','x','','')"
        )
        assert found(settings)["store"].grade == ("good" if upto == len(everything) else "warning")
    first.close()
    with opened_district(settings) as (district, _), district.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM journal WHERE what = 'x'") == [(len(everything),)]


def flip(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE + 100)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0xFF]))


@pytest.mark.slow
def test_a_flipped_byte_is_found_kept_and_the_record_comes_back_from_both_sides(
    tmp_path: Path,
) -> None:
    settings = district_settings(tmp_path / "d")
    new_district(tmp_path / "d")
    with opened_district(settings) as (district, keys):
        enrolment = admit(district, "tablet", "team")
        backup = tmp_path / "backup.db"
        back_up(district.store, keys, backup)
    process = Process(settings)
    process.start()
    speaker = Speaker(process.url, enrolment._replace(nonce=b"\0" * 16))
    speaker.send("POST", "/v1/sync", b"")
    segment = speaker.feed.segment([household(ms=n + 1, name=f"户主{n}") for n in range(200)])
    speaker.sync(speaker.request(segments=[segment]))
    speaker.client.close()
    assert process.stop() == 0
    path = settings.store_path
    sound = path.read_bytes()
    pages = len(sound) // PAGE
    for page in (0, 1, pages // 2, pages - 1):
        flip(path, page)
        asked = CliRunner().invoke(main, ["--data-dir", settings.data_dir, "doctor", "--json"])
        told = msgspec.json.decode(asked.output)
        store = next(one for one in told["checks"] if one["name"] == "store")
        assert (asked.exit_code, told["ok"], store["grade"]) == (1, False, "wrong"), page
        assert "restore" in store["advice"]
        path.write_bytes(sound)
    flip(path, 0)
    damaged = path.read_bytes()
    with pytest.raises(TimeoutError, match="server/store-damaged"):
        process.start()
    assert path.read_bytes() == damaged
    asked = CliRunner().invoke(main, ["--data-dir", settings.data_dir, "init"])
    assert "server/already-initialised" in asked.stderr

    restore(settings, read_keys(settings.keys), backup, 77)
    assert path.with_name(path.name + ".77").read_bytes() == damaged
    process.start()
    again = Speaker(process.url, enrolment._replace(nonce=b"\0" * 16))
    again.send("POST", "/v1/sync", b"")
    again.sync(again.request(segments=[segment]))
    again.client.close()
    assert process.stop() == 0
    keys = read_keys(settings.keys)
    store = SqliteStore(path, keys.store_hex)
    with store.read() as tx:
        assert tx.rows("SELECT count(*) FROM household") == [(200,)]
        assert verify_store(tx, SCHEMA, keys.sign.public).holds
    store.close()
    assert found(settings)["store"].grade == "good"


def test_a_store_that_is_gone_is_named_and_not_made_anew(tmp_path: Path) -> None:
    settings = new_district(tmp_path / "d")
    settings.store_path.unlink()
    assert found(settings)["store"].grade == "wrong"
    assert not settings.store_path.exists()
    asked = asked_to_serve(settings)
    assert asked.exit_code == 1
    assert not settings.store_path.exists()


def test_what_is_left_of_a_store_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    settings = new_district(tmp_path / "d")
    keys, path = read_keys(settings.keys), settings.store_path
    bare = tmp_path / "bare"
    connect(bare, keys.store_hex).close()
    # Cut to nothing, and a first page without any table, as a lost log leaves it.
    for left in (b"", bare.read_bytes()):
        path.write_bytes(left)
        assert found(settings)["store"].grade == "wrong"
        asked = asked_to_serve(settings)
        assert asked.exit_code == 1
        assert "server/store-damaged" in asked.stderr
        assert path.read_bytes() == left


@pytest.fixture
def plain_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that a unit can name, wherever these tests lie: a path with blanks is refused."""
    monkeypatch.setattr(sys, "executable", "/bin/true")


@pytest.mark.slow
def test_the_unit_holds_by_systemds_own_judgement(tmp_path: Path, plain_program: None) -> None:
    settings = new_district(tmp_path / "d", port=8443)
    folder = tmp_path / "units"
    folder.mkdir()
    path = install(settings, "", folder)
    text = path.read_text("utf-8")
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="):
        assert f"\n{line}\n" in text
    assert f"ReadWritePaths={settings.data.absolute()}\n" in text
    if shutil.which("systemd-analyze"):
        done = subprocess.run(
            ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, UNIT_NAME in done.stderr) == (0, False), done.stderr
        judged = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--threshold=25", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert judged.returncode == 0, judged.stdout[-600:] + judged.stderr
    install(settings, "", folder)
    path.write_text(text + "# changed\n", "utf-8")
    with pytest.raises(AlreadyInitialised):
        install(settings, "", folder)
    uninstall(folder)
    with pytest.raises(NotFound):
        uninstall(folder)


def test_a_path_that_a_unit_cannot_say_is_refused(tmp_path: Path, plain_program: None) -> None:
    with pytest.raises(ConfigurationWrong):
        unit_text(district_settings(tmp_path / "two words"))
    asked = CliRunner().invoke(main, ["--data-dir", str(tmp_path / "d"), "service", "unit"])
    assert asked.exit_code == 0
    assert "ExecStart=" in asked.output


def test_looking_at_pages_never_makes_a_file(tmp_path: Path) -> None:
    from server.errors import StoreDamaged
    from server.store.checking import check_pages

    with pytest.raises((StoreDamaged, sqlcipher3.OperationalError)):
        check_pages(tmp_path / "none.db", "42" * 32)
    assert list(tmp_path.iterdir()) == []
    connect(tmp_path / "some.db", "42" * 32).close()
    with pytest.raises(StoreDamaged):
        check_pages(tmp_path / "some.db", "43" * 32)
