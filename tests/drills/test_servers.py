# SPDX-License-Identifier: Apache-2.0
"""Drills: whoever runs a server in bad faith, edits its tables, has a backup, or pulls the plug."""

import os
import secrets
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from crypto.logword import FORKED, ROLLED_BACK, SET_BACK
from fixtures.drill_ground import Ground, copy_of, doorstep, shown_in, taken, twin_of
from fixtures.drill_tablet import NAME, NOTE, PHONE
from server.keys import read_keys
from server.settings import Settings
from server.store.sqlite_file import connect

pytestmark = pytest.mark.slow


def exported(settings: Settings, target: Path) -> tuple[Path, Path]:
    """The log as anybody may have it, and the root key."""
    target.mkdir()
    doorstep(settings, "log", "head", "--key", str(target / "root"))
    doorstep(settings, "log", "export", str(target / "log"))
    return target / "log", target / "root"


def stranger(folder: Path, log: Path, root: Path) -> tuple[int, str]:
    """Somebody with the export and the root key alone, on a machine of their own."""
    folder.mkdir(exist_ok=True)
    plain = {k: v for k, v in os.environ.items() if not k.startswith("DOORSTEP_")}
    found = subprocess.run(
        [sys.executable, "-m", *f"server.cli --lang en log verify {log} --root {root}".split()],
        cwd=folder,
        env=plain | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return found.returncode, found.stdout + found.stderr


def test_a_district_that_shows_two_logs_is_told_by_line_and_by_stick(
    ground: Ground, tmp_path: Path
) -> None:
    one, two, three = (ground.tablet() for _ in range(3))
    with twin_of(ground.settings, tmp_path / "twin") as twin:
        for tablet in (one, three):
            tablet.ask("home")
            ground.synced(tablet)
        with ground.wire.leading_to(twin.port):
            for _ in range(4):
                two.ask("home")
                ground.synced(two)
            # By line: the same server shows another past than it signed.
            ground.synced(one)
            found = one.ask("findings")
            assert found
            assert set(found) <= {FORKED, ROLLED_BACK, SET_BACK}
        # By stick: the answer comes from the other of the two.
        three.ask("home")
        three.ask("lay", str(tmp_path / "stick"), three.ask("stick"))
        doorstep(twin.settings, "bundle", "import", str(tmp_path / "stick"))
        (answer,) = (tmp_path / "stick").rglob(f"to-{three.ask('replica')}/*.bundle")
        three.ask("take_stick", answer.read_bytes())
        assert three.ask("findings")
    ground.synced(one, two, three)
    told = {finding for (finding,) in ground.sql("SELECT finding FROM log_evidence")}
    assert told >= {FORKED, SET_BACK}


def test_an_administrator_who_edits_tables_is_named_leaf_by_leaf(
    ground: Ground, tmp_path: Path
) -> None:
    tablet = ground.tablet()
    tablet.ask("home")
    ground.synced(tablet)
    ground.doorstep("teams", "add", "t77", "改动之前")
    log, root = exported(ground.settings, tmp_path / "before")
    code, told = stranger(tmp_path / "elsewhere", log, root)
    assert code == 0, told
    ((n, leaf),) = ground.sql("SELECT n, leaf FROM journal WHERE target = 't77'")
    settings = copy_of(ground.settings, tmp_path / "rogue")
    for sql in (
        f"UPDATE journal SET detail = 'nothing happened' WHERE n = {n}",
        f"DELETE FROM journal WHERE n = {n}",
    ):
        with closing(connect(settings.store_path, read_keys(settings.keys).store_hex)) as store:
            store.execute(sql)
        assert str(leaf) in doorstep(settings, "log", "verify", fails=True).output
    # Of the export a stranger sees it as well.
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "altered").write_bytes(data)
    code, told = stranger(tmp_path / "elsewhere", tmp_path / "altered", root)
    assert code, told


def test_a_thief_of_backups_reads_nothing_with_any_key_but_the_servers(
    ground: Ground, tmp_path: Path
) -> None:
    tablet = ground.tablet()
    tablet.ask("note", tablet.ask("home"), NOTE)
    ground.synced(tablet)
    stolen, plain = tmp_path / "stolen", tmp_path / "plain"
    for folder in (stolen, plain):
        folder.mkdir()
    ground.doorstep("backup", str(stolen / "backup.db"))
    ground.doorstep("export", str(plain / "plain.db"), "--reason", "drill")
    assert shown_in(stolen) == set()
    assert shown_in(plain) >= {NAME, PHONE}
    other = taken(ground.settings.keys, tmp_path / "keys")
    (other / "store.key").write_text(secrets.token_hex(32) + "\n")
    thief = Settings(data_dir=str(ground.settings.data_dir), key_dir=str(other), lang="en")
    doorstep(thief, "restore", str(stolen / "backup.db"), "--yes", fails=True)
    data = bytearray((stolen / "backup.db").read_bytes())
    data[len(data) // 2] ^= 1
    (stolen / "altered.db").write_bytes(data)
    told = ground.doorstep("restore", str(stolen / "altered.db"), "--yes", fails=True).output
    assert "server/backup" in told


def test_the_power_goes_in_the_middle_and_what_was_acknowledged_is_there(ground: Ground) -> None:
    tablets = [ground.tablet() for _ in range(2)]
    homes = [tablet.ask("home") for tablet in tablets]
    ground.synced(*tablets)
    ground.server.kill()
    late = [tablet.ask("home") for tablet in tablets]
    tablets[0].kill()
    ground.server.start()
    held = {row[0] for row in ground.sql("SELECT id FROM records")}
    assert set(homes) <= held
    again = ground.opened(tablets[0].folder, int(tablets[0].folder.name.rpartition("-")[2]))
    ground.synced(again, tablets[1])
    held = {row[0] for row in ground.sql("SELECT id FROM records")}
    assert {*homes, *late} <= held
    ground.doorstep("verify")
