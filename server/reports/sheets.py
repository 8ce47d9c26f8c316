# SPDX-License-Identifier: Apache-2.0
"""A report, or the records behind a figure, as a sheet in one language: what every format writes.

What lives here: headings, order, labels, units. What must not: formats and SQL. Invariant: each
figure's definition goes along with it.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from server.area_names import AreaNames
from server.reports.define import Dimension, Figure, Report, Share
from server.reports.params import ZONE
from server.reports.running import Behind, Result, Row
from sync.collections import SCHEMA
from sync.labels import heading, shown
from sync.schema import Field

UNITS = {
    "fen": ("元", "yuan"),
    "min": ("分钟", "min"),
    "kg": ("公斤", "kg"),
    "件": ("件", "pieces"),
    "瓶": ("瓶", "bottles"),
    "个": ("个", "pieces"),
    "盒": ("盒", "packs"),
    "户": ("户", "households"),
    "人次": ("人次", "people"),
    "床": ("床", "beds"),
    "份": ("份", "portions"),
}
FIELDS_MAX = 14
"""Columns of fields in a list of records: what fits on a page laid crosswise."""
_SAID = frozenset({"household", "area", "head_name", "address"})
"""Fields that a list of records shows for every collection."""
TOTAL = ("合计", "Total")
NONE = ("未填", "not said")
Cell = str | int | float | Decimal | None


class Sheet(NamedTuple):
    """``unit`` is the office that reports (填报单位); ``total`` is None in a list of records.

    The first ``keys`` columns say what a row is about; ``notice`` says what is not in it yet.
    """

    name: str
    title: str
    words: str
    unit: str
    days: str
    headings: list[str]
    rows: list[list[Cell]]
    total: list[Cell] | None
    definitions: list[tuple[str, str]]
    lang: str
    keys: int
    notice: str = ""


def word(pair: tuple[str, str], lang: str) -> str:
    """One of a pair of words."""
    return pair[lang == "en"]


def sheet_of(result: Result, lang: str) -> Sheet:
    """A report as a sheet."""
    report = result.report
    columns = report.columns
    headings = [word(("区划代码", "Code"), lang), word(("区划", "Area"), lang)]
    if report.dimension:
        headings.append(report.dimension.label.text(lang))
    headings += [_heading(column, lang) for column in columns]

    def line(row: Row) -> list[Cell]:
        cells: list[Cell] = [row.area, row.area_name]
        if report.dimension:
            cells.append(key_text(report.dimension, row.key, lang))
        return cells + [_cell(column, row.values[column.name]) for column in columns]

    total: list[Cell] = [word(TOTAL, lang), ""]
    total += [""] if report.dimension else []
    total += [_cell(column, result.total.values[column.name]) for column in columns]
    return Sheet(
        report.name,
        report.label.text(lang),
        report.words.text(lang),
        result.scope_name,
        _days(result, lang),
        headings,
        [line(row) for row in result.rows],
        total,
        [(_heading(column, lang), column.words.text(lang)) for column in columns],
        lang,
        3 if report.dimension else 2,
        notice_of(result, lang),
    )


def notice_of(result: Result, lang: str) -> str:
    """What is not in the figures yet, in words; empty where all is."""
    done, total, changed = result.folding
    walking = (
        f"台账整理中（{done} / {total}），数字尚不完整。",
        f"The record is being gone through ({done} of {total}): the figures are not complete yet.",
    )
    waiting = (
        f"另有 {changed} 户（处）的新修改尚未计入。",
        f"{changed} households or other homes have changes that are not counted yet.",
    )
    if total:
        return word(walking, lang)
    return word(waiting, lang) if changed else ""


def key_text(dimension: Dimension, key: str, lang: str) -> str:
    """What a value of a dimension is called."""
    if not key:
        return word(NONE, lang)
    for choice in dimension.choices:
        if choice.value == key:
            return choice.label.text(lang)
    return key


def records_sheet(
    report: Report,
    figure: Figure,
    found: Sequence[Behind],
    result_days: str,
    unit: str,
    lang: str,
    areas: AreaNames,
) -> Sheet:
    """The records behind a figure as a sheet: whose they are, where, and what they hold."""
    kinds = {one.collection for one in found}
    collection = SCHEMA.collections.get(kinds.pop()) if len(kinds) == 1 else None
    fields: list[str] = []
    if collection is not None:
        has = {name for one in found for name, value in one.body.items() if value not in (None, [])}
        fields = [name for name in collection.fields if name in has and name not in _SAID]
    fields = fields[:FIELDS_MAX]
    pairs = [
        ("记录", "Record"),
        ("所属户", "Household"),
        ("区划代码", "Code"),
        ("区划", "Area"),
        ("户主", "Head of household"),
        ("地址", "Address"),
    ]
    headings = [word(pair, lang) for pair in pairs]
    rows: list[list[Cell]] = []
    for one in found:
        cells: list[Cell] = [one.record, one.home, one.area, areas.words(one.area, lang)]
        cells += [one.head, one.address]
        if collection is not None:
            cells += [_field_text(collection.field(f), one.body.get(f), lang) for f in fields]
        rows.append(cells)
    if collection is not None:
        headings += [heading(collection, name, lang) for name in fields]
    return Sheet(
        f"{report.name}-{figure.name}",
        f"{report.label.text(lang)}：{figure.label.text(lang)}"
        if lang == "zh"
        else f"{report.label.text(lang)}: {figure.label.text(lang)}",
        figure.words.text(lang),
        unit,
        result_days,
        headings,
        rows,
        None,
        [(figure.label.text(lang), figure.words.text(lang))],
        lang,
        1,
    )


def moment_text(ms: int) -> str:
    """A moment by Guangzhou's clock; the number itself where no calendar has it."""
    try:
        return datetime.datetime.fromtimestamp(ms / 1000, ZONE).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return str(ms)


def _field_text(field: Field, value: Any, lang: str) -> str:
    if field.kind == "time" and isinstance(value, int) and not isinstance(value, bool):
        return moment_text(value)
    return shown(field, value, lang)


def _heading(column: Figure | Share, lang: str) -> str:
    text = column.label.text(lang)
    if isinstance(column, Share):
        unit = "%"
    else:
        unit = word(UNITS[column.unit], lang) if column.unit else ""
    if not unit:
        return text
    return f"{text}（{unit}）" if lang == "zh" else f"{text} ({unit})"


def _cell(column: Figure | Share, value: int | float | None) -> Cell:
    if isinstance(column, Figure) and column.unit == "fen":
        return Decimal(int(value or 0)) / 100
    return value


def _days(result: Result, lang: str) -> str:
    asked = result.asked
    if result.report.whole_record:
        return word(("全部", "all"), lang)
    if asked.since == asked.until:
        return asked.until.isoformat()
    return f"{asked.since.isoformat()} – {asked.until.isoformat()}"
