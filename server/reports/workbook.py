# SPDX-License-Identifier: Apache-2.0
"""Sheets as XLSX, in the form that districts hand upwards: title, office and days, headings, rows,
total, definitions, and a line for signatures.

What lives here: that form. What must not: what stands in it. Invariants
- Nothing that anyone wrote into the record is run by a spreadsheet (``cells``).
- It is imported where a workbook is asked for: the library takes a tenth of a server's start.
"""

from __future__ import annotations

import io
import re
from decimal import Decimal
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import Cell as SheetCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from server.reports.cells import plain, safe
from server.reports.params import day_of
from server.reports.sheets import Sheet, word

ROWS_MAX = 1_048_000
"""Rows of a sheet; a spreadsheet has 1,048,576."""
_THIN = Side(style="thin", color="808080")
_GRID = Border(left=_THIN, right=_THIN, top=_THIN, bottom=_THIN)
_HEAD = PatternFill("solid", fgColor="DDE7F3")
_WIDTH_MIN, _WIDTH_MAX = 9, 44


def workbook(sheet: Sheet, now_ms: int) -> bytes:
    """A sheet as XLSX."""
    book = Workbook()
    page = book.active
    if not isinstance(page, Worksheet):
        raise TypeError("a new workbook has a sheet")
    lang = sheet.lang
    page.title = _tab(sheet.title)
    width = len(sheet.headings)
    _line(page, 1, sheet.title, width, Font(bold=True, size=16), "center")
    office = word(("填报单位", "Office"), lang)
    days = word(("统计日期", "Days"), lang)
    made = word(("制表日期", "Made on"), lang)
    about = f"{office}：{sheet.unit}　　{days}：{sheet.days}　　{made}：{day_of(now_ms)}"
    about += f"　　{sheet.notice}" if sheet.notice else ""
    _line(page, 2, about, width, Font(size=11), "left")
    for at, text in enumerate(sheet.headings, 1):
        cell = _put(page, 3, at, text)
        cell.font, cell.fill, cell.border = Font(bold=True), _HEAD, _GRID
        cell.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
    row = 3
    for values in sheet.rows[:ROWS_MAX]:
        row += 1
        for at, value in enumerate(values, 1):
            _put(page, row, at, value).border = _GRID
    if sheet.total:
        row += 1
        for at, value in enumerate(sheet.total, 1):
            cell = _put(page, row, at, value)
            cell.font, cell.border = Font(bold=True), _GRID
    names = (
        ("填报人", "Filled in by"),
        ("审核人", "Checked by"),
        ("负责人（盖章）", "Head (seal)"),
    )
    signed = "　　　　　　　　".join(f"{word(pair, lang)}：" for pair in names)
    _line(page, row + 2, signed, width, Font(size=11), "left")
    _finish(page, sheet)
    _definitions(book, sheet)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _tab(title: str) -> str:
    return re.sub(r"[\[\]:*?/\\：]", " ", plain(title))[:31] or "1"


def _put(page: Worksheet, row: int, column: int, value: Any) -> SheetCell:
    cell = page.cell(row=row, column=column)
    if not isinstance(cell, SheetCell):
        raise TypeError("a merged cell holds nothing")
    if isinstance(value, str):
        # Set as text, a cell is never taken for a formula, whatever it begins with; the
        # apostrophe keeps it so when someone saves the sheet as CSV.
        cell.value = safe(value)
        cell.data_type = "s"
    elif isinstance(value, Decimal):
        cell.value = value
        cell.number_format = "#,##0.00"
    elif isinstance(value, float):
        cell.value = value
        cell.number_format = "0.0"
    elif value is not None:
        cell.value = value
        cell.number_format = "#,##0"
    return cell


def _line(page: Worksheet, row: int, text: str, width: int, font: Font, at: Any) -> None:
    cell = _put(page, row, 1, text)
    cell.font = font
    cell.alignment = Alignment(horizontal=at, vertical="center", wrap_text=True)
    if width > 1:
        page.merge_cells(start_row=row, start_column=1, end_row=row, end_column=width)
    page.row_dimensions[row].height = 28


def _finish(page: Worksheet, sheet: Sheet) -> None:
    for at in range(1, len(sheet.headings) + 1):
        texts = [sheet.headings[at - 1], *(str(row[at - 1] or "") for row in sheet.rows[:200])]
        # A Chinese character takes the room of two letters; headings may wrap.
        room = max((sum(1 + (ord(c) > 0x2E7F) for c in text) for text in texts[1:]), default=0)
        room = max(room, sum(1 + (ord(c) > 0x2E7F) for c in texts[0]) // 2)
        width = min(max(room + 2, _WIDTH_MIN), _WIDTH_MAX)
        page.column_dimensions[get_column_letter(at)].width = width
    page.row_dimensions[3].height = 48
    page.freeze_panes = "A4"
    page.print_title_rows = "1:3"
    page.page_setup.orientation = "landscape"
    page.page_setup.paperSize = 9
    page.page_setup.fitToWidth, page.page_setup.fitToHeight = 1, 0
    page.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _definitions(book: Workbook, sheet: Sheet) -> None:
    page = book.create_sheet(word(("指标说明", "Definitions"), sheet.lang))
    page.column_dimensions["A"].width, page.column_dimensions["B"].width = 28, 90
    rows = [(sheet.title, sheet.words), *sheet.definitions]
    for row, (name, words) in enumerate(rows, 1):
        left, right = _put(page, row, 1, name), _put(page, row, 2, words)
        left.font = Font(bold=True)
        left.border = right.border = _GRID
        left.alignment = right.alignment = Alignment(wrap_text=True, vertical="top")
