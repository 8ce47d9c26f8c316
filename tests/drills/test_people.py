# SPDX-License-Identifier: Apache-2.0
"""Drills: whoever works in the office in bad faith, and text meant for the eyes of the office."""

import csv
import io
import re
from contextlib import closing
from pathlib import Path

import pytest

from fixtures.console import FOREIGN, Visitor
from fixtures.drill_ground import Ground, copy_of, doorstep
from fixtures.drill_tablet import NAME, PHONE
from fixtures.waiting import until
from server.approvals import EXPORT_ALONE_MAX
from server.keys import read_keys
from server.log_access import HOMES_PER_HOUR_MAX
from server.store.sqlite_file import connect

pytestmark = pytest.mark.slow

AREA = "440103"
SCRIPT = "<script>alert('x')</script>"
FORMULA = "=cmd|' /C calc'!A0"
TURNED = "\u202egnp.exe"
RAW = re.compile(r"<script>alert|<img src=x|\sonerror=alert\(1\)>", re.IGNORECASE)
FIELDS = ("area", "address", "head_name", "phone")


def test_a_rogue_officer_sees_nothing_beyond_the_area_and_every_reading_stands_in_the_log(
    ground: Ground, tmp_path: Path
) -> None:
    tablet = ground.tablet()
    homes = [tablet.ask("home") for _ in range(HOMES_PER_HOUR_MAX + 2)]
    ground.synced(tablet)
    for account, area in (("foreign", FOREIGN), ("rogue", AREA)):
        ground.office.add_person(account, account, "officer", area)
    with ground.office.browse("foreign") as visitor:
        for path in (f"/records/{homes[0]}", f"/search?q={NAME}", "/"):
            answer = visitor.get(path)
            assert NAME not in answer.text.replace(f'value="{NAME}"', "")
            assert PHONE not in answer.text
        assert visitor.get(f"/records/{homes[0]}").status_code in (403, 404)
    with ground.office.browse("rogue") as visitor:
        assert NAME in visitor.get(f"/records/{homes[0]}").text
        for home in homes[1:]:
            assert visitor.get(f"/records/{home}").status_code == 200
    read = ground.sql("SELECT home FROM access_log WHERE account = 'rogue'")
    assert {home for (home,) in read} >= set(homes)
    told = ground.doorstep("access", "--officer").output
    assert [line for line in told.splitlines() if "rogue" in line and "!" in line]
    # Taking a line out is seen by who checks the log.
    copy = copy_of(ground.settings, tmp_path / "copy")
    doorstep(copy, "log", "verify")
    ((leaf,),) = ground.sql(f"SELECT leaf FROM access_log WHERE home = '{homes[3]}'")
    with closing(connect(copy.store_path, read_keys(copy.keys).store_hex)) as store:
        store.execute("DELETE FROM access_log WHERE home = ?", [homes[3]])
    assert str(leaf) in doorstep(copy, "log", "verify", fails=True).output


def test_nobody_takes_out_the_record_alone(ground: Ground, tmp_path: Path) -> None:
    copy = copy_of(ground.settings, tmp_path / "copy")
    rows = [
        (f"{AREA}019003001", f"龙津西路{n}号", NAME, PHONE) for n in range(EXPORT_ALONE_MAX + 1)
    ]
    with (tmp_path / "homes.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([FIELDS, *rows])
    doorstep(copy, "import", str(tmp_path / "homes.csv"))
    target = tmp_path / "plain.db"
    told = doorstep(copy, "export", str(target), "--reason", "mine", fails=True).output
    assert "approval/missing" in told
    assert not target.exists()


def naming(word: str, visitor: Visitor) -> list[str]:
    """The cells of the list of households, once it names a word."""
    answer = visitor.fetch("/reports/totals/export/csv?figure=households")
    rows = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    cells = [cell for row in rows for cell in row]
    return cells if any(word in cell for cell in cells) else []


def test_hostile_text_of_a_tablet_is_shown_and_never_run(ground: Ground) -> None:
    tablet = ground.tablet()
    home = tablet.ask("home")
    tablet.ask("set", home, {"head_name": FORMULA, "address": SCRIPT, "helper": TURNED})
    tablet.ask("note", home, '"><img src=x onerror=alert(1)>')
    ground.synced(tablet)
    ground.office.add_person("reader", "审阅", "supervisor", AREA)
    with ground.office.browse("reader") as visitor:
        for path in (f"/records/{home}", "/search?q=calc", "/"):
            answer = visitor.get(path)
            assert RAW.search(answer.text) is None, path
            assert TURNED not in answer.text, path
            assert "script-src" in answer.headers["content-security-policy"]
            assert "unsafe-inline" not in answer.headers["content-security-policy"]
        assert "alert" in visitor.get(f"/records/{home}").text
        visitor.step_up("reader")
        # Figures are up to a minute behind the record.
        cells = until(lambda: naming("calc", visitor))
        assert [cell for cell in cells if cell[:1] in ("=", "+", "@", "\t")] == []
