# SPDX-License-Identifier: Apache-2.0
"""``doorstep compact``, and what verify, doctor, backup and restore then say."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.district import district_settings
from server.app import opened_district
from server.cli import main
from server.compacting import Compacting
from server.custody_places import note_backup
from server.service import Service
from server.settings import Settings
from tests.server.pens import Office, Pen

Doorstep = Callable[..., Result]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return district_settings(tmp_path / "district", backup_dir=str(tmp_path / "backups"))


@pytest.fixture
def doorstep(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Doorstep:
    monkeypatch.setenv("DOORSTEP_BACKUP_DIR", settings.backup_dir)

    def run(*arguments: str, fails: int = 0) -> Result:
        base = ["--data-dir", settings.data_dir, "--lang", "en"]
        found = CliRunner().invoke(main, [*base, *arguments])
        assert found.exit_code == fails, found.output + repr(found.exception)
        return found

    return run


def work(settings: Settings, home: str = "") -> str:
    """A tablet brings a run that is worth an archive; the household that it wrote on."""
    with opened_district(settings) as (district, keys):
        pen = Pen(Office.around(district, keys.sign), f"w{random.random()}", "张霞")
        home = home or pen.write(None, area="440103019003", phone="1")
        pen.sync()
        for turn in range(60):
            pen.write(home, notes=f"{turn} {random.Random(turn).randbytes(40).hex()}")
        pen.sync()
    return home


@pytest.mark.slow
def test_what_was_compacted_is_backed_up_restored_and_asked_for_by_name(
    doorstep: Doorstep, settings: Settings, tmp_path: Path
) -> None:
    doorstep("init")
    home = work(settings)
    before, after = tmp_path / "before.db", tmp_path / "after.db"
    assert "2 runs stay: not in the last backup" in doorstep("compact", "--older-than", "0").stdout
    doorstep("backup", str(before))
    dry = doorstep("compact", "--older-than", "0", "--dry-run").stdout
    assert "2 runs, 61 changes" in dry
    # Only what is older than a year goes by itself.
    assert "0 runs" in doorstep("compact").stdout
    assert "2 runs, 61 changes" in doorstep("compact", "--older-than", "0").stdout
    doorstep("verify")
    told = doorstep("audit", "history", home).stdout
    assert "✓ archives: 1 archives, 0 missing" in doorstep("doctor", "--quick").stdout
    doorstep("backup", str(after))
    assert after.stat().st_size <= before.stat().st_size

    own = settings.data / "archive"
    (archive,) = own.iterdir()
    aside = tmp_path / "aside"
    own.rename(aside)
    # The copy beside the backups will do.
    doorstep("verify")
    copy = Path(settings.backup_dir) / archive.name
    copy.rename(tmp_path / archive.name)
    found = doorstep("verify", fails=1)
    assert archive.name in found.stdout
    assert "server/archive" in doorstep("audit", "history", home, fails=1).stderr
    assert "✗ archives: 1 archives, 1 missing" in doorstep("doctor", "--quick", fails=1).stdout
    work(settings, home)

    assert archive.name in doorstep("restore", str(after), "--yes").stderr
    aside.rename(own)
    doorstep("verify")
    assert doorstep("audit", "history", home).stdout == told
    assert "missing" not in doorstep("restore", str(before), "--yes").stderr
    aside = own.rename(tmp_path / "again")
    # One from before has all in itself.
    doorstep("verify")
    assert doorstep("audit", "history", home).stdout == told


def test_the_server_compacts_by_itself_after_a_backup_once_a_day(settings: Settings) -> None:
    CliRunner().invoke(main, ["--data-dir", settings.data_dir, "init"])
    work(settings)
    old = Settings(data_dir=settings.data_dir, backup_dir=settings.backup_dir, compact_days=30)
    now_ms = 0
    with opened_district(old, clock=lambda: now_ms) as (district, _):
        with district.store.read() as tx:
            ((seq, came_ms),) = tx.rows("SELECT max(seq), max(received_at_ms) FROM segments")
            now_ms = int(came_ms) + 29 * 86_400_000
            job = Compacting(old)
            assert not job.is_due(tx, now_ms)
        for later_ms, archived in ((0, 0), (2 * 86_400_000, 1)):
            now_ms += later_ms
            with district.store.write() as tx:
                note_backup(tx, int(seq), now_ms)
            with district.store.read() as tx:
                assert job.is_due(tx, now_ms)
            job.work(Service(district, old, b""))
            with district.store.read() as tx:
                assert not job.is_due(tx, now_ms)
                assert len(tx.rows("SELECT 1 FROM archives")) == archived
