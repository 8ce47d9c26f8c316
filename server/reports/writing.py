# SPDX-License-Identifier: Apache-2.0
"""Sheets as CSV, XLSX and JSON.

What lives here: the formats; what a workbook looks like is in ``workbook.py``. What must not: what
stands in them. Invariant: nothing that anyone wrote into the record is run by a spreadsheet
(``cells``).
"""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec

from server.reports.cells import safe
from server.reports.define import Share
from server.reports.running import Result, Row
from server.reports.sheets import Sheet, key_text, notice_of


def as_csv(sheet: Sheet) -> str:
    """A sheet as CSV with a byte order mark; definitions stay with the other formats."""
    file = io.StringIO(newline="")
    file.write("\ufeff")
    writer = csv.writer(file)
    writer.writerow([safe(text) for text in sheet.headings])
    for row in [*sheet.rows, *([sheet.total] if sheet.total else [])]:
        writer.writerow([safe(cell) for cell in row])
    if sheet.notice:
        writer.writerow([safe(sheet.notice)])
    return file.getvalue()


def as_json(result: Result, lang: str) -> bytes:
    """A report as JSON: figures by name, with their definitions."""
    report, asked = result.report, result.asked

    def line(row: Row) -> dict[str, Any]:
        found: dict[str, Any] = {"area": row.area, "area_name": row.area_name}
        if report.dimension:
            found[report.dimension.name] = row.key
            found["label"] = key_text(report.dimension, row.key, lang)
        return found | row.values

    return msgspec.json.encode(
        {
            "report": report.name,
            "label": report.label.text(lang),
            "definition": report.words.text(lang),
            "area": asked.area,
            "level": asked.level,
            "since": "" if report.whole_record else asked.since,
            "until": asked.until,
            "days": asked.days,
            "not_counted_yet": notice_of(result, lang),
            "figures": [
                {
                    "name": column.name,
                    "label": column.label.text(lang),
                    "definition": column.words.text(lang),
                    "unit": "%" if isinstance(column, Share) else column.unit,
                }
                for column in report.columns
            ],
            "rows": [line(row) for row in result.rows],
            "total": result.total.values,
        }
    )


def records_json(sheet: Sheet) -> bytes:
    """A list of records as JSON."""
    return msgspec.json.encode(
        {
            "title": sheet.title,
            "definition": sheet.words,
            "columns": sheet.headings,
            "rows": sheet.rows,
        }
    )


def as_xlsx(sheet: Sheet, now_ms: int) -> bytes:
    """A sheet as XLSX."""
    # The library takes a tenth of a server's start: who wants a workbook waits for it.
    from server.reports.workbook import workbook

    return workbook(sheet, now_ms)
