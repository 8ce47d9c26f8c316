# SPDX-License-Identifier: Apache-2.0
"""Work in the background: one process at a time, and on elsewhere when that one is killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from fixtures.district import Process, district_settings
from fixtures.postgres import Postgres
from fixtures.waiting import until
from server.app import opened_district
from server.backing import Backing
from server.backups import back_up, check_backup, restore
from server.custody_places import last_backup
from server.errors import AlreadyInitialised, BackupWrong
from server.keys import read_keys
from server.office import reading, writing
from server.service import Service
from server.settings import Settings
from server.setup import init_server
from server.store.postgres import PostgresStore
from server.verify import verify_store

pytestmark = pytest.mark.slow
LOOKS = 5
VALUES = {"area": "440103019003001", "head_name": "陈\0桂兰"}


def on_postgres(postgres: Postgres, district: str, folder: Path, **more: object) -> Settings:
    settings = district_settings(
        folder, store_dsn=postgres.dsn(), store_district=district, disk_free_bytes_min=0, **more
    )
    init_server(settings)
    with writing(settings) as desk:
        for _ in range(3):
            desk.writer.write("office", "household", None, dict(VALUES))
    return settings


def test_a_job_goes_on_elsewhere_when_its_holder_is_killed(
    postgres: Postgres, district_name: str, tmp_path: Path
) -> None:
    PostgresStore(postgres.dsn(), district_name).close()
    file = tmp_path / "held"
    file.touch()
    command = [sys.executable, "-m", "tests.server.store.job_process"]
    arguments = [postgres.dsn(), district_name, str(file)]
    with ExitStack() as stack:
        both = [subprocess.Popen([*command, *arguments]) for _ in range(2)]
        for one in both:
            stack.callback(one.wait)
            stack.callback(one.kill)
        (first,) = until(file.read_text).split()
        holder, other = sorted(both, key=lambda one: one.pid != int(first))
        # The other one wants the job meanwhile, and does not get it.
        looks = file.with_name(str(other.pid))
        until(lambda: looks.exists() and looks.stat().st_size >= LOOKS)
        assert file.read_text().split() == [first]
        holder.kill()
        until(lambda: len(file.read_text().split()) > 1)
        assert file.read_text().split() == [first, str(other.pid)]


def test_of_two_processes_one_makes_the_backup(
    postgres: Postgres, district_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = on_postgres(postgres, district_name, tmp_path / "a")
    (tmp_path / "b").mkdir()
    second = district_settings(
        tmp_path / "b",
        key_dir=str(first.keys),
        store_dsn=first.store_dsn,
        store_district=district_name,
    )
    monkeypatch.setenv("DOORSTEP_BACKUP_DIR", str(tmp_path / "backups"))
    processes = [Process(one) for one in (first, second)]
    with ExitStack() as stack:
        for one in processes:
            stack.callback(one.stop)
            one.start()
        lines = until(lambda: [e for p in processes for e in events(p, "backup")])
        time.sleep(0.3)
        assert lines == [e for p in processes for e in events(p, "backup")]
        assert [line["records"] for line in lines] == [3]
    (made,) = (tmp_path / "backups").iterdir()
    assert check_backup(made, read_keys(first.keys)).records == 3
    with reading(second) as desk, desk.store.read() as tx:
        assert last_backup(tx)[1] == int(made.stem.rpartition("-")[2])
        assert tx.rows("SELECT count(*) FROM journal WHERE what = 'backup'") == [(1,)]


def events(process: Process, name: str) -> list[dict[str, object]]:
    lines = process.log.read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [one for one in found if one["event"] == name]


def test_a_backup_of_postgres_is_put_back_into_an_empty_district(
    postgres: Postgres, district_name: str, tmp_path: Path
) -> None:
    settings = on_postgres(postgres, district_name, tmp_path / "a")
    keys, target = read_keys(settings.keys), tmp_path / "copy.db"
    with reading(settings) as desk:
        assert back_up(desk.store, keys, target).records == 3
    with pytest.raises(AlreadyInitialised):
        restore(settings, keys, target, 1_790_000_000_000)
    again = district_settings(
        tmp_path / "a", store_dsn=settings.store_dsn, store_district=f"{district_name}_again"
    )
    restore(again, keys, target, 1_790_000_000_000)
    with reading(again) as desk, desk.store.read() as tx:
        assert verify_store(tx, desk.schema, keys.sign.public).problems == []
        assert tx.rows("SELECT DISTINCT head_name FROM household") == [(VALUES["head_name"],)]
        assert tx.rows("SELECT count(*) FROM journal WHERE what = 'restore'") == [(1,)]


def test_a_backup_that_is_stopped_leaves_nothing(
    postgres: Postgres, district_name: str, tmp_path: Path
) -> None:
    settings = on_postgres(postgres, district_name, tmp_path / "a")
    keys = read_keys(settings.keys)

    def stop(done: int, total: int) -> None:
        raise BackupWrong("stopped")

    folder = tmp_path / "backups"
    folder.mkdir()
    with reading(settings) as desk, pytest.raises(BackupWrong):
        back_up(desk.store, keys, folder / "copy.db", stop)
    assert list(folder.iterdir()) == []


def test_the_oldest_backups_go_and_what_else_lies_there_stays(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    settings = district_settings(tmp_path / "a", backup_dir=str(folder), backups_kept=2)
    init_server(settings)
    folder.mkdir()
    (folder / "photos.db").touch()
    (folder / "district-1790000000000.db.part").touch()
    with opened_district(settings) as (district, keys):
        district.write("office", "household", None, dict(VALUES))
        with closing(Service(district, settings, b"")) as service:
            job, made = Backing(settings, keys), []
            for _ in range(3):
                job.work(service)
                made.append(max(folder.glob("district-*.db")))
                with district.store.read() as tx:
                    assert not job.is_due(tx, district.clock())
                    assert job.is_due(tx, district.clock() + 25 * 3_600_000)
                time.sleep(0.002)
    assert sorted(folder.iterdir()) == [*made[1:], folder / "photos.db"]
    assert check_backup(made[-1], keys).records == 1
