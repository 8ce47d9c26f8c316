# SPDX-License-Identifier: Apache-2.0
"""Every format a report leaves in: whole, readable by others, and nothing in it is ever run."""

import asyncio
import csv
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from datasette.app import Datasette
from openpyxl import load_workbook

from server import reports
from server.area_names import AreaNames
from server.errors import ReportRefused
from server.reports.cells import safe
from server.reports.exports import export
from server.reports.geojson import HOMES_MIN, as_geojson, outline, position
from server.reports.running import Result
from server.reports.sheets import Sheet, records_sheet, sheet_of
from server.reports.writing import as_csv, as_json, as_xlsx
from server.store.sqlite import SqliteStore
from server.views import refresh_views
from sync.collections import SCHEMA
from tests.server.reports.record import DAY, GRID, NOW_MS, OTHER_GRID, Book

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "  =1",
    "＝1+1",
    "＠SUM(1)",
    "a\x01b\x00c",
    "[red]陈[/red]",
    'a"b,c\nd',
    "<script>",
)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    store = SqliteStore(tmp_path / "district.db", "ab" * 32)
    refresh_views(store, SCHEMA)
    yield Book(store)
    store.close()


AREAS = AreaNames({GRID[:9]: "东漖街道", GRID[:12]: "东漖社区", GRID: "一号网格"})


def letters(book: Book) -> Result:
    """Five letters whose titles are hostile, as rows of a report."""
    home = book.household()
    for at, title in enumerate(HOSTILE):
        book.write("letter", household=home, title=title, status="signed", handed_at_ms=at)
    return book.run("letters")


def needs(book: Book) -> Sheet:
    """Records whose every text is hostile."""
    for text in HOSTILE:
        home = book.household(head_name=text, address=text)
        book.write("need", household=home, kind="rice", status="open", remark=text, owner=text)
    report = reports.REPORTS["open-needs"]
    figure = report.figure("open")
    assert figure is not None
    book.run("open-needs")
    found = book.behind("open-needs", "open")
    return records_sheet(report, figure, found, DAY, "荔湾区", "zh", AREAS)


def test_a_list_of_records_says_where_each_lies_by_code_and_by_name(book: Book) -> None:
    sheet = needs(book)
    code = sheet.headings.index("区划代码")
    assert sheet.headings[code + 1] == "区划"
    assert {tuple(row[code : code + 2]) for row in sheet.rows} == {
        (GRID, "东漖街道 东漖社区 一号网格")
    }


@pytest.mark.parametrize("text", HOSTILE[:10])
def test_a_text_that_a_spreadsheet_would_run_is_guarded(text: str) -> None:
    assert safe(text).startswith("'")


@pytest.mark.parametrize("text", ["+86 138 0013 8000", "-5", "120/80", "陈桂兰", "", "a=b"])
def test_what_no_spreadsheet_runs_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


def test_csv_reads_back_and_no_cell_is_a_formula(book: Book) -> None:
    letters(book)
    for sheet in (sheet_of(book.run("letters"), "zh"), needs(book)):
        text = as_csv(sheet)
        assert text.startswith("\ufeff")
        rows = list(csv.reader(io.StringIO(text[1:], newline="")))
        assert [len(row) for row in rows] == [len(sheet.headings)] * len(rows)
        assert len(rows) == 1 + len(sheet.rows) + (sheet.total is not None)
        for cell in [cell for row in rows for cell in row if cell]:
            assert cell.strip()[0] not in "=@＝＠\t\r\n"
            assert cell[0] not in "+-" or cell[1:].replace(" ", "").isdigit()


def test_xlsx_has_the_form_that_goes_upwards_and_no_formula(book: Book) -> None:
    letters(book)
    for sheet in (sheet_of(book.run("letters"), "zh"), needs(book)):
        read = load_workbook(io.BytesIO(as_xlsx(sheet, NOW_MS)))
        page, words = read.worksheets
        cells = [cell for row in page.iter_rows() for cell in row if cell.value is not None]
        assert {cell.data_type for cell in cells} <= {"s", "n"}
        assert page["A1"].value == safe(sheet.title)
        assert "填报单位：" in str(page["A2"].value)
        assert DAY in str(page["A2"].value)
        assert [cell.value for cell in page[3]] == [safe(text) for text in sheet.headings]
        last = 3 + len(sheet.rows) + (sheet.total is not None)
        assert page.max_row == last + 2
        assert "填报人：" in str(page.cell(last + 2, 1).value)
        if sheet.total:
            assert [cell.value for cell in page[last]][3:] == sheet.total[3:]
        defined = {row[0].value: row[1].value for row in words.iter_rows()}
        assert defined == {
            safe(name): safe(text)
            for name, text in [(sheet.title, sheet.words), *sheet.definitions]
        }


def test_amounts_of_money_are_yuan_in_every_sheet(book: Book) -> None:
    home = book.household()
    book.write("relief_application", household=home, kind="dibao", status="paid", paid_fen=120050)
    sheet = sheet_of(book.run("relief"), "en")
    at = sheet.headings.index("Paid (yuan)")
    assert str(sheet.rows[0][at]) == "1200.5"
    page = load_workbook(io.BytesIO(as_xlsx(sheet, NOW_MS))).worksheets[0]
    assert (page.cell(4, at + 1).value, page.cell(4, at + 1).number_format) == (1200.5, "#,##0.00")


def test_geojson_is_what_the_standard_asks_for(book: Book) -> None:
    for k in range(12):
        book.household(gps=f"23.{100 + k % 4},113.{200 + k // 4}")
    for _ in range(HOMES_MIN - 1):
        book.household(OTHER_GRID, gps="23.1,113.2")
    book.household(OTHER_GRID, gps="99.0,113.2")
    result = book.run("coverage")
    with book.store.read() as tx:
        found = json.loads(as_geojson(tx, result, "zh"))
    assert found["type"] == "FeatureCollection"
    assert "crs" not in found
    one, other = sorted(found["features"], key=lambda f: f["id"], reverse=True)
    assert (one["id"], one["properties"]["due"], one["properties"]["missing"]) == (GRID, 12, 12)
    ring = one["geometry"]["coordinates"][0]
    assert one["geometry"]["type"] == "Polygon"
    assert ring[0] == ring[-1]
    assert len(ring) == 5
    assert all(113 < longitude < 114 and 23 < latitude < 24 for longitude, latitude in ring)
    pairs = itertools.pairwise(ring)
    assert sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs) > 0  # counterclockwise
    # Too few households to say where they are.
    assert other["geometry"] is None


def test_an_outline_never_shows_one_door() -> None:
    assert outline([(113.2, 23.1)] * 9) is None
    assert outline([(113.2 + k / 100, 23.1) for k in range(9)]) is None
    assert position("23.1,113.2") == (113.2, 23.1)
    assert position("123.1,113.2") is None
    assert position("north") is None


def test_json_tells_the_figures_with_their_definitions(book: Book) -> None:
    result = letters(book)
    found = json.loads(as_json(result, "en"))
    assert found["total"] == result.total.values
    assert [row["title"] for row in found["rows"]] == [row.key for row in result.rows]
    assert all(figure["definition"] and figure["label"] for figure in found["figures"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"area": "44' OR '1'='1"},
        {"area": "440104"},
        {"until": "2026-02-30"},
        {"since": "2026-06-19"},
        {"since": "1066-10-14"},
        {"level": "house"},
        {"days": 0},
    ],
)
def test_what_is_not_there_or_not_for_the_asker_is_refused(
    book: Book, wrong: dict[str, str]
) -> None:
    with pytest.raises(ReportRefused):
        book.run("totals", scope="440103", **wrong)


def test_unknown_reports_and_figures_are_refused(book: Book) -> None:
    with pytest.raises(ReportRefused):
        book.run("nothing")
    with pytest.raises(ReportRefused):
        book.behind("totals", "coverage")


def test_a_plain_export_opens_in_datasette(book: Book, tmp_path: Path) -> None:
    needs(book)
    plain = tmp_path / "plain.db"
    with book.store.read() as tx:
        counts = dict(export(tx, SCHEMA, "sqlite", plain, "zh"))
    assert counts["need"] == len(HOSTILE)

    async def ask() -> tuple[int, list[dict[str, object]], str]:
        served = Datasette([str(plain)])
        rows = await served.client.get("/plain/need.json?_shape=array&_size=100")
        page = await served.client.get("/plain/household")
        return page.status_code, rows.json(), page.text

    status, rows, text = asyncio.run(ask())
    assert status == 200
    assert {row["owner"] for row in rows} == set(HOSTILE)
    assert "<script>" not in text.partition("<tbody>")[2].partition("</tbody>")[0]
