# SPDX-License-Identifier: Apache-2.0
"""What ``doorstep report`` answers: a table in the terminal, or a file.

What lives here: asking the desk, choosing the format, showing. What must not: the figures.
Invariant: a list of records shows people's names, so the journal notes who asked for it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from server.area_names import read_area_names
from server.cli_words import State
from server.errors import ReportRefused
from server.journal import note
from server.log_access import note_seen
from server.office import Desk, reading
from server.reports import REPORTS, Params, records, refresh, run
from server.reports.exports import new_bytes
from server.reports.folding import Progress
from server.reports.geojson import as_geojson
from server.reports.running import report_of
from server.reports.sheets import Sheet, records_sheet, sheet_of
from server.reports.writing import as_csv, as_json, as_xlsx, records_json

HEADING_CHARS = 8
"""Room that a heading asks for; a longer one goes over several lines."""


def answer(state: State, name: str, given: dict[str, Any]) -> None:
    """Answer ``doorstep report NAME`` with its options. Raises ReportRefused."""
    asked = Params(
        area=given["area"],
        level=given["level"] or "",
        since=given["since"],
        until=given["day"],
        days=given["days"],
    )
    with reading(state.settings) as desk:
        _refresh(state, desk)
        data, sheet = _made(state, desk, name, asked, given)
    out: Path | None = given["out"]
    if out is not None:
        if data is None:
            raise ReportRefused("--out: csv, xlsx, geojson, json")
        with new_bytes(out) as file:
            file.write(data)
        state.warn("已写入 {out} ‖ Written to {out}", out=out)
    elif data is None:
        _show(state, sheet, given["definitions"])
    elif given["kind"] == "xlsx":
        raise ReportRefused("--out")
    else:
        sys.stdout.write(data.decode())


def list_reports(state: State) -> None:
    """Name all reports."""
    state.table(
        ["名称 ‖ name", "报表 ‖ report", "内容 ‖ what", "指标 ‖ figures"],
        [
            (
                one.name,
                one.label.text(state.lang),
                one.words.text(state.lang),
                " ".join(column.name for column in one.columns),
            )
            for one in REPORTS.values()
        ],
    )


def _refresh(state: State, desk: Desk) -> None:
    """Bring the facts up to date; a first time, or much that is new, shows how far it is."""
    begun: list[Any] = []

    def told(now: Progress) -> None:
        if not begun:
            bar = state.progress("整理台账 ‖ Going through the record", now.total)
            begun.extend([bar, bar.__enter__(), 0])
        begun[1](now.done - begun[2])
        begun[2] = now.done

    try:
        refresh(desk.store, desk.schema, told)
    finally:
        if begun:
            begun[0].__exit__(None, None, None)


def _made(
    state: State, desk: Desk, name: str, asked: Params, given: dict[str, Any]
) -> tuple[bytes | None, Sheet]:
    """The bytes of the format asked for, None for a table; and the sheet."""
    kind, figure, now_ms, lang = given["kind"], given["figure"], desk.now_ms, state.lang
    seen: list[str] = []
    if figure:
        report_of(name)
        with desk.store.write() as tx:
            note(tx, now_ms, given["by"], "report", f"{name} {figure}", asked.area)
    with desk.store.read() as tx:
        result = run(tx, name, asked, now_ms=now_ms, divided=kind != "geojson")
        sheet = sheet_of(result, lang)
        if figure:
            if kind == "geojson":
                raise ReportRefused("--records: table, csv, xlsx, json")
            found = records(tx, name, figure, asked, now_ms=now_ms)
            seen = [one.record for one in found]
            wanted = next(one for one in result.report.figures if one.name == figure)
            areas = read_area_names(tx)
            sheet = records_sheet(result.report, wanted, found, sheet.days, sheet.unit, lang, areas)
        elif kind == "geojson":
            return as_geojson(tx, result, lang), sheet
    if figure:
        with desk.store.write() as tx:
            purpose = f"report {name} {figure}"
            note_seen(tx, now_ms, given["by"], seen, purpose, "head_name address")
    if kind == "json":
        return records_json(sheet) if figure else as_json(result, lang), sheet
    if kind == "csv":
        return as_csv(sheet).encode(), sheet
    return as_xlsx(sheet, now_ms) if kind == "xlsx" else None, sheet


def _show(state: State, sheet: Sheet, definitions: bool) -> None:
    state.say("{title}  {unit}  {days}", title=sheet.title, unit=sheet.unit, days=sheet.days)
    if sheet.notice:
        state.warn("{notice}", notice=sheet.notice)
    rows = [*sheet.rows, *([sheet.total] if sheet.total else [])]
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    for table in _tables(sheet, texts, state.out.width):
        state.out.print(table)
    if definitions:
        for name, words in [(sheet.title, sheet.words), *sheet.definitions]:
            state.out.print(f"{name}  {words}", markup=False)


def _tables(sheet: Sheet, rows: list[list[str]], width: int) -> list[Table]:
    """As many tables as are needed for no cell to be cut; each repeats the first columns."""
    headings, keys = sheet.headings, sheet.keys
    needs = [
        max([min(cell_len(head), HEADING_CHARS), *(cell_len(row[at]) for row in rows)]) + 3
        for at, head in enumerate(headings)
    ]
    parts: list[list[int]] = [[]]
    for at in range(keys, len(headings)):
        if parts[-1] and sum(needs[i] for i in [*range(keys), *parts[-1], at]) >= width:
            parts.append([])
        parts[-1].append(at)
    tables = []
    for part in parts:
        table = Table(header_style="bold")
        for at in [*range(keys), *part]:
            # Text that anyone wrote is shown as it is: brackets are no markup here.
            table.add_column(
                Text(headings[at]),
                justify="left" if at < keys or sheet.total is None else "right",
                min_width=needs[at] - 3,
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(Text(row[at]) for at in [*range(keys), *part]))
        tables.append(table)
    return tables
