# SPDX-License-Identifier: Apache-2.0
"""Backups from before an erasure open for nobody within thirty days, and the newest go on to."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.demo_server import StoryClock
from fixtures.district import Process, district_settings, init_server
from fixtures.waiting import until
from fixtures.world import HOUSEHOLD
from server.app import opened_district, wall_clock_ms
from server.backup_keys import DAY_MS, Forgetting, dead_before_ms
from server.backups import back_up, check_backup
from server.cli import main
from server.doctor_rights import rights_findings
from server.erasing_certificate import BACKUPS_GONE_MS, facts_of, sentences
from server.erasing_keeping import erase_here
from server.errors import BackupWrong
from server.keys import ServerKeys, read_keys
from server.service import Service


class Time:
    """The server's clock, which a test sets."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        self.now_ms += 1
        return self.now_ms


class Here:
    """A district that is not served, its job, and backups of it."""

    def __init__(self, folder: Path, time: Time, service: Service, keys: ServerKeys) -> None:
        self.folder, self.time = folder, time
        self.district, self.keys, self.service = service.district, keys, service
        self.job = Forgetting(service.settings, keys)

    def backup(self, name: str) -> Path:
        target = self.folder / name
        back_up(self.district.store, self.keys, target)
        return target

    def erase(self) -> str:
        home = self.district.write("office", "household", None, HOUSEHOLD)
        asked = (home, "request", "本人要求", "周", [])
        return erase_here(self.district, self.folder, *asked).hex()

    def due(self) -> bool:
        with self.district.store.read() as tx:
            return self.job.is_due(tx, self.time())

    def pass_days(self, days: int) -> bool:
        """So many days later: is the job due? Then it is done."""
        self.time.now_ms += days * DAY_MS
        if not self.due():
            return False
        self.job.work(self.service)
        assert not self.due()
        return True

    def told(self) -> list[str]:
        """What the doctor finds wanting of people's rights."""
        with self.district.store.read() as tx:
            found = rights_findings(tx, self.time())
        return [one.name for one in found if one.grade != "good"]

    def facts(self, case: str) -> dict[str, object]:
        with self.district.store.write() as tx:
            return facts_of(tx, self.district.key, case, self.time())


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    time, settings = Time(), district_settings(tmp_path / "server")
    init_server(settings)
    with opened_district(settings, clock=time) as (district, keys):
        service = Service(district, settings, keys.tls.tls_pin)
        yield Here(tmp_path, time, service, keys)
        service.close()


def opens(here: Here, backup: Path) -> bool:
    try:
        return check_backup(backup, here.keys).records >= 0
    except BackupWrong:
        return False


def test_a_backup_from_before_an_erasure_is_dead_within_thirty_days_and_a_later_one_is_not(
    here: Here,
) -> None:
    assert not here.pass_days(400)
    before = here.backup("before.db")
    case = here.erase()
    erased_ms = here.time.now_ms
    assert not here.pass_days(9)
    between = here.backup("between.db")
    second = here.erase()
    # One new key for what was erased in these days.
    assert here.pass_days(1)
    after = here.backup("after.db")
    assert not here.pass_days(18)
    assert [opens(here, one) for one in (before, between, after)] == [True, True, True]
    assert here.facts(case)["backups_gone"] is False
    assert here.pass_days(1)
    assert here.time.now_ms - erased_ms < BACKUPS_GONE_MS
    assert [opens(here, one) for one in (before, between, after)] == [False, False, True]
    for one in (case, second):
        facts = here.facts(one)
        assert facts["backups_gone"] is True
        assert any("No backup from before" in line for line in sentences(facts, "en", str))
        assert any("无人能打开" in line for line in sentences(facts, "zh", str))
    # What is erased later has a time of its own.
    third = here.erase()
    assert here.facts(third)["backups_gone"] is False
    assert not here.pass_days(9)
    assert here.pass_days(1)
    assert opens(here, after)
    with here.district.store.read() as tx:
        told = [str(r[0]) for r in tx.rows("SELECT what FROM journal WHERE what LIKE 'store-key%'")]
    assert told == ["store-key-renewed", "store-key-forgotten", "store-key-renewed"]


def test_a_server_that_was_off_for_weeks_does_both_at_once(here: Here) -> None:
    before = here.backup("before.db")
    case = here.erase()
    here.time.now_ms += 60 * DAY_MS
    assert here.told() == ["backup-keys"]
    assert here.due()
    here.job.work(here.service)
    assert here.due()
    here.job.work(here.service)
    assert not here.due()
    assert here.told() == []
    assert not opens(here, before)
    assert here.facts(case)["backups_gone"] is True


def test_keys_forgotten_by_the_office_count_too(tmp_path: Path) -> None:
    settings = district_settings(tmp_path / "server")
    init_server(settings)
    call = ["--lang", "en", "--data-dir", settings.data_dir, "keys"]
    for words in (["renew", "store"], ["forget", "--days", "0", "--yes"]):
        found = CliRunner().invoke(main, [*call, *words])
        assert found.exit_code == 0, found.output
    with opened_district(settings) as (district, _), district.store.read() as tx:
        assert dead_before_ms(tx) > 0


@pytest.mark.slow
def test_a_server_that_is_served_forgets_by_itself_within_thirty_days(tmp_path: Path) -> None:
    settings = district_settings(tmp_path / "server")
    init_server(settings)
    clock = StoryClock(tmp_path / "clock")
    process = Process(settings, ("fixtures.demo_server", str(tmp_path / "clock")))

    def doorstep(*words: str) -> None:
        call = ["--lang", "en", "--data-dir", settings.data_dir, *words]
        found = CliRunner().invoke(main, call)
        assert found.exit_code == 0, found.output

    def served(days: int, event: str) -> None:
        """The server is started so many days later, and left to itself until it says that."""
        clock.set_to(wall_clock_ms() + days * DAY_MS)
        process.start()
        until(lambda: f'"{event}"' in process.log.read_text("utf-8"))
        assert process.stop() == 0

    def records(backup: Path) -> int:
        return check_backup(backup, read_keys(settings.keys)).records

    before, after = tmp_path / "before.db", tmp_path / "after.db"
    with ExitStack() as stack:
        stack.callback(process.stop)
        process.start()
        caller = process.caller()
        home, _ = (caller.write("office", "household", None, HOUSEHOLD) for _ in range(2))
        caller.close()
        doorstep("backup", str(before))
        doorstep("erase", "now", home, "--reason", "本人要求", "--yes", "--by", "周")
        assert process.stop() == 0
        served(11, "store-key-renewed")
        doorstep("backup", str(after))
        assert (records(before), records(after)) == (2, 1)
        served(30, "store-keys-forgotten")
        with pytest.raises(BackupWrong):
            records(before)
        assert records(after) == 1
