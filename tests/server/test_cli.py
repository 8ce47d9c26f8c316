# SPDX-License-Identifier: Apache-2.0
"""The command line, from an empty folder to a restored backup, alone and beside a server."""

import csv
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import zxingcpp
from click.testing import CliRunner, Result
from PIL import Image

from crypto.ticket import decode_ticket, read_typed_code
from fixtures.district import district_process, district_settings
from fixtures.neighbourhood import neighbourhood
from fixtures.office import write_households_csv
from server.app import opened_district
from server.cli import main
from server.keys import read_counter

Doorstep = Callable[..., Result]
HOUSES = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "district"


@pytest.fixture
def doorstep(folder: Path) -> Doorstep:
    def run(*arguments: str, lang: str = "en", fails: int = 0) -> Result:
        base = ["--data-dir", str(folder), "--lang", lang]
        found = CliRunner().invoke(main, [*base, *arguments])
        assert found.exit_code == fails, found.output + repr(found.exception)
        return found

    return run


@pytest.fixture
def households(tmp_path: Path) -> Path:
    path = tmp_path / "households.csv"
    write_households_csv(path, neighbourhood(households=HOUSES).town.homes, "zh")
    return path


def count(doorstep: Doorstep, table: str) -> int:
    out = doorstep("sql", f"SELECT count(*) FROM {table}", "--csv").stdout
    return int(out.splitlines()[1])


def test_an_office_goes_from_nothing_to_a_report(
    doorstep: Doorstep, households: Path, folder: Path
) -> None:
    doorstep("init")
    doorstep("areas", "import", "fixtures/areas.csv")
    doorstep("teams", "add", "t1", "龙津一组")
    doorstep("workers", "add", "w1", "张霞", "--team", "t1")
    doorstep("import", str(households))
    assert count(doorstep, "household") == HOUSES
    doorstep("assign", "--team", "t1", "--area", "440103")
    shown = doorstep("teams", "list").stdout
    assert "440103" in shown
    report = doorstep("report", "--area", "4401", "--level", "district").stdout
    assert "荔湾区" in report
    assert str(HOUSES) in report
    assert stat.S_IMODE((folder / "district.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "keys" / "store.key").stat().st_mode) == 0o600


def test_reports_are_listed_shown_and_written(
    doorstep: Doorstep, households: Path, tmp_path: Path
) -> None:
    doorstep("init")
    doorstep("import", str(households))
    listed = doorstep("report", "list", lang="zh").stdout
    assert "日清日结" in listed
    shown = doorstep("report", "coverage", "--level", "district", "--definitions").stdout
    assert "Households without any service record in the days." in shown
    target = tmp_path / "missing.csv"
    asked = ("report", "coverage", "--records", "missing", "--format", "csv")
    doorstep(*asked, "--out", str(target), "--by", "何主任")
    assert len(target.read_text("utf-8").splitlines()) == HOUSES + 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "coverage missing" in doorstep("journal", "list").stdout
    assert "FileExistsError" in doorstep(*asked, "--out", str(target), fails=3).stderr
    for kind in ("xlsx", "geojson", "json"):
        doorstep("report", "totals", "--format", kind, "--out", str(tmp_path / f"a.{kind}"))
    assert "server/report" in doorstep("report", "nothing", fails=1).stderr
    assert "server/report" in doorstep("report", "totals", "--area", "x", fails=1).stderr


def test_importing_the_same_file_again_changes_nothing(
    doorstep: Doorstep, households: Path
) -> None:
    doorstep("init")
    assert f"{HOUSES} changes written" in doorstep("import", str(households)).stdout
    assert "; 0 changes written" in doorstep("import", str(households)).stdout


def test_persons_from_json_belong_to_their_households(
    doorstep: Doorstep, households: Path, tmp_path: Path
) -> None:
    doorstep("init")
    doorstep("import", str(households))
    with households.open(encoding="utf-8-sig") as file:
        home = next(csv.DictReader(file))["编号"]
    path = tmp_path / "persons.json"
    path.write_text(json.dumps([{"id": "p1", "household": home, "name": "陈阿婆"}]), "utf-8")
    doorstep("import", str(path), "--collection", "person")
    out = doorstep("sql", "SELECT home, name FROM person", "--csv").stdout
    assert out.splitlines()[1] == f"{home},陈阿婆"


def test_a_row_that_does_not_fit_keeps_the_whole_file_out(
    doorstep: Doorstep, tmp_path: Path
) -> None:
    doorstep("init")
    path = tmp_path / "bad.csv"
    path.write_text(
        "编号,网格,地址,户主\nh1,440103019003001,龙津西路 1 号,陈桂兰\nh2,nowhere,,13800138000\n",
        "utf-8",
    )
    found = doorstep("import", str(path), fails=1)
    assert "server/import" in found.stderr
    assert "3: " in found.stderr
    assert "13800138000" not in found.stderr
    assert count(doorstep, "household") == 0


def test_only_one_reading_statement_can_be_run(doorstep: Doorstep, tmp_path: Path) -> None:
    doorstep("init")
    other = tmp_path / "stolen.db"
    for statement in (
        "DELETE FROM records",
        "ATTACH DATABASE '" + str(other) + "' AS x",
        "PRAGMA query_only = OFF",
        "SELECT 1; SELECT 2",
        "no sql",
    ):
        assert "server/query" in doorstep("sql", statement, fails=1).stderr
    assert not other.exists()
    assert count(doorstep, "journal") >= 0


@pytest.mark.parametrize("kind", ["sqlite", "sql", "csv", "json"])
def test_an_export_is_whole_guarded_and_in_the_journal(
    doorstep: Doorstep, households: Path, tmp_path: Path, kind: str
) -> None:
    doorstep("init")
    doorstep("import", str(households))
    target = tmp_path / "out"
    doorstep("export", str(target), "--format", kind, "--reason", "年报")
    if kind == "sql":
        text, files = target.read_text("utf-8"), [target]
        assert text.count('INSERT INTO "household"') == HOUSES
    elif kind == "sqlite":
        files = [target]
        assert target.read_bytes().startswith(b"SQLite format 3")
    else:
        files = sorted(target.iterdir())
        name = "household.csv" if kind == "csv" else "household.jsonl"
        lines = (target / name).read_text("utf-8").splitlines()
        assert len(lines) >= HOUSES
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert "年报" in doorstep("journal", "list").stdout


def test_init_never_overwrites_a_server(doorstep: Doorstep, folder: Path) -> None:
    doorstep("init")
    before = (folder / "keys" / "sign.key").read_bytes()
    assert "server/already-initialised" in doorstep("init", fails=1).stderr
    assert (folder / "keys" / "sign.key").read_bytes() == before


def test_a_key_that_others_may_read_is_refused(doorstep: Doorstep, folder: Path) -> None:
    doorstep("init")
    (folder / "keys" / "store.key").chmod(0o644)
    assert "server/key-file" in doorstep("teams", "list", fails=1).stderr


def test_a_restored_backup_goes_on_as_a_new_writer(
    doorstep: Doorstep, households: Path, folder: Path, tmp_path: Path
) -> None:
    doorstep("init")
    doorstep("teams", "add", "t1", "一组")
    copy = tmp_path / "copy.db"
    doorstep("backup", str(copy))
    doorstep("import", str(households))
    settings = district_settings(folder)
    with opened_district(settings) as (district, keys):
        first = district.own.key.replica
        assert read_counter(keys.folder, first) == HOUSES
    doorstep("restore", str(copy), "--yes")
    assert count(doorstep, "household") == 0
    assert list(folder.glob("district.db.*"))
    with opened_district(settings) as (district, _):
        assert district.own.key.replica != first


def test_a_damaged_backup_is_not_put_back(doorstep: Doorstep, tmp_path: Path) -> None:
    doorstep("init")
    copy = tmp_path / "copy.db"
    doorstep("backup", str(copy))
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(data)
    assert "server/backup" in doorstep("restore", str(copy), "--yes", fails=1).stderr


def test_a_ticket_is_read_from_its_picture(doorstep: Doorstep, tmp_path: Path) -> None:
    doorstep("init")
    doorstep("teams", "add", "t1", "一组")
    picture = tmp_path / "ticket.png"
    out = doorstep(
        "enrol", "--team", "t1", "--png", str(picture), "--yes", "--no-wait", "--plain"
    ).stdout.splitlines()
    read = zxingcpp.read_barcodes(Image.open(picture))[0].text
    assert read == out[0]
    assert decode_ticket(read).secret == read_typed_code(out[1])


def test_help_and_errors_speak_the_language_of_the_call(doorstep: Doorstep) -> None:
    assert "Make keys" in doorstep("--help", lang="en").stdout
    assert "建立新服务器" in doorstep("--help", lang="zh").stdout
    assert "‖" not in doorstep("import", "--help", lang="zh").stdout
    assert "请先运行" in doorstep("teams", "list", lang="zh", fails=1).stderr


@pytest.mark.slow
def test_the_office_works_while_the_server_runs(
    doorstep: Doorstep, households: Path, folder: Path, tmp_path: Path
) -> None:
    with district_process(folder) as process:
        doorstep("teams", "add", "t1", "一组")
        doorstep("import", str(households))
        assert count(doorstep, "household") == HOUSES
        doorstep("assign", "--team", "t1", "--area", "440103")
        doorstep("backup", str(tmp_path / "copy.db"))
        assert (
            "server/running"
            in doorstep("restore", str(tmp_path / "copy.db"), "--yes", fails=1).stderr
        )
        assert process.stop() == 0
        log = process.log.read_text("utf-8")
    with households.open(encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            assert row["编号"] not in log
            assert row["户主"] not in log
            assert row["电话"] not in log
