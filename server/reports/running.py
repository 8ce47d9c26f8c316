# SPDX-License-Identifier: Apache-2.0
"""Running a report: one query for each source, and the list of records behind any figure.

What lives here: building SQL from declarations and putting the rows together. What must not:
any one report, any format. Invariants
- The same condition counts and lists, so a figure is the number of the records behind it.
- Nothing outside the scope is read. The facts are read as they are: ``folding.refresh`` first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from server.errors import ReportRefused
from server.reports.define import Figure, Report, Source
from server.reports.folding import Progress, progress_of
from server.reports.params import DIGITS, Asked, Params, checked
from server.reports.registry import REPORTS
from server.store.base import Transaction

RECORDS_MAX = 100_000
"""Records that one list shows: more is an export."""
_PARAM = re.compile(r"(?<![:\w]):([a-z_]+)")
Number = int | float | None


class Row(NamedTuple):
    """One line: area code and name, the value of the dimension, figures and shares by name."""

    area: str
    area_name: str
    key: str
    values: dict[str, Number]


class Result(NamedTuple):
    """What a report came to. ``total`` has no area; ``scope_name`` is the area all rows lie in.

    ``folding`` is true while some of the record is not in the figures yet.
    """

    report: Report
    asked: Asked
    scope_name: str
    rows: list[Row]
    total: Row
    folding: Progress


class Behind(NamedTuple):
    """One record behind a figure; ``amount`` is what it adds, 1 where the figure counts.

    ``head`` and ``address`` are those of the household it belongs to, where it is one.
    """

    record: str
    home: str
    collection: str
    area: str
    amount: int
    head: str
    address: str
    body: dict[str, Any]


def report_of(name: str) -> Report:
    """A report by its name. Raises ReportRefused."""
    found = REPORTS.get(name)
    if found is None:
        raise ReportRefused(", ".join(REPORTS))
    return found


def run(
    tx: Transaction,
    name: str,
    params: Params,
    scope_area: str = "",
    *,
    now_ms: int,
    divided: bool = True,
) -> Result:
    """Run a report over the facts; ``divided`` False leaves its dimension out.

    Raises ReportRefused for a name, area or day that does not hold.
    """
    report = report_of(name)
    asked = checked(params, report.level, scope_area, now_ms)
    cells: dict[tuple[str, str], dict[str, Number]] = {}
    sums: dict[str, Number] = {}
    for key, source in report.sources.items():
        figures = [one for one in report.figures if one.source == key]
        counting = _overlapping if report.overlapping else _counting
        for area, value, *numbers in tx.rows(*counting(report, source, figures, asked, divided)):
            found = {f.name: int(n or 0) for f, n in zip(figures, numbers, strict=True)}
            if area is None:
                sums |= found
            else:
                cell = cells.setdefault((str(area), "" if value is None else str(value)), {})
                cell |= found
    if not report.overlapping:
        for figure in report.figures:
            sums[figure.name] = sum(int(cell.get(figure.name) or 0) for cell in cells.values())
    office = asked.area or common_area({area for area, _ in cells})
    names = names_of(tx, {area for area, _ in cells} | {office})
    rows = [
        Row(area, names.get(area, ""), key, _complete(report, cells[area, key]))
        for area, key in sorted(cells, key=lambda cell: (cell[0], _place(report, cell[1])))
    ]
    total = Row("", "", "", _complete(report, sums))
    return Result(report, asked, names.get(office) or office, rows, total, progress_of(tx))


def records(
    tx: Transaction,
    name: str,
    figure: str,
    params: Params,
    scope_area: str = "",
    *,
    now_ms: int,
    key: str | None = None,
    limit: int = RECORDS_MAX,
) -> list[Behind]:
    """The records behind a figure, in the order they came; ``key`` is one value of the dimension.

    Raises ReportRefused for a figure that the report has not.
    """
    found = numbers_behind(
        tx, name, figure, params, scope_area, now_ms=now_ms, key=key, limit=limit
    )
    return records_at(tx, found)


def numbers_behind(
    tx: Transaction,
    name: str,
    figure: str,
    params: Params,
    scope_area: str = "",
    *,
    now_ms: int,
    key: str | None = None,
    limit: int = RECORDS_MAX,
) -> dict[int, int]:
    """The numbers of the records behind a figure, in order, with what each adds.

    Raises ReportRefused for a figure that the report has not.
    """
    report = report_of(name)
    found = report.figure(figure)
    if found is None:
        raise ReportRefused(", ".join(one.name for one in report.figures))
    asked = checked(params, report.level, scope_area, now_ms)
    rows = tx.rows(*_listing(report, found, asked, key, limit))
    return {int(number): int(amount or 0) for number, amount in rows}


def records_at(tx: Transaction, amounts: dict[int, int]) -> list[Behind]:
    """The records of these numbers, with what each adds, in the order they came."""
    rows = tx.rows_in(
        "SELECT r.n, r.id, h.id, k.collection, f.area, r.body FROM records r"
        " JOIN homes h ON h.n = r.home JOIN kinds k ON k.kind = r.kind"
        " JOIN facts_home f ON f.n = r.home WHERE r.n IN (?*)",
        list(amounts),
    )
    bodies = dict(
        tx.rows_in(
            "SELECT r.id, r.body FROM records r WHERE r.id IN (?*)",
            sorted({str(row[2]) for row in rows}),
        )
    )
    homes = {home: msgspec.json.decode(body) for home, body in bodies.items()}
    return [
        Behind(
            record,
            home,
            collection,
            area,
            amounts[int(n)],
            str(homes.get(home, {}).get("head_name") or ""),
            str(homes.get(home, {}).get("address") or ""),
            msgspec.json.decode(body),
        )
        for n, record, home, collection, area, body in sorted(rows, key=lambda row: int(row[0]))
    ]


def common_area(areas: set[str]) -> str:
    """The smallest area that contains all of these; empty where none does."""
    one = min(areas, default="")
    levels = [one[:digits] for digits in DIGITS.values() if len(one) >= digits]
    return max((c for c in levels if all(a.startswith(c) for a in areas)), key=len, default="")


def names_of(tx: Transaction, codes: set[str]) -> dict[str, str]:
    """Code → name of areas, and of grids as their own records call them."""
    asked = sorted(code for code in codes if code)
    found = dict(tx.rows_in("SELECT code, name FROM areas WHERE code IN (?*)", asked))
    grids = [code for code in asked if code not in found and len(code) == DIGITS["grid"]]
    if grids:
        found |= dict(
            tx.rows_in(
                "SELECT area, min(name) FROM facts_grid WHERE area IN (?*) GROUP BY 1", grids
            )
        )
    return {str(code): str(name or "") for code, name in found.items()}


# ---- SQL -----------------------------------------------------------------------------------------


def _counting(
    report: Report, source: Source, figures: Sequence[Figure], asked: Asked, divided: bool
) -> tuple[str, list[Any]]:
    """First by whole area codes, which an index gives in order, then by their first digits."""
    key = report.dimension.sql if report.dimension and divided else ""
    numbers = ", ".join(f"{_number(figure)} AS c{at}" for at, figure in enumerate(figures))
    inner = (
        f"SELECT f.area AS area, {key or 'NULL'} AS part, {numbers} {_rows(source, asked)}"
        f" GROUP BY f.area{', 2' if key else ''}"
    )
    sums = ", ".join(f"sum(c{at})" for at in range(len(figures)))
    sql = (
        f"SELECT substr(area, 1, {asked.digits}) AS code, {'part' if key else 'NULL'}, {sums}"
        f" FROM ({inner}) x GROUP BY 1{', 2' if key else ''}"
    )
    return bound(sql, asked)


def _number(figure: Figure) -> str:
    if not figure.amount and not figure.where:
        return "count(*)"
    amount = figure.amount or "1"
    if not figure.where:
        return f"sum({amount})"
    return f"sum(CASE WHEN {figure.where} THEN {amount} ELSE 0 END)"


def _overlapping(
    report: Report, source: Source, figures: Sequence[Figure], asked: Asked, divided: bool
) -> tuple[str, list[Any]]:
    """As ``_counting``, and a row without an area: each record once, whatever rows it stands in.

    For counts only. The source is gone through once for both.
    """
    key = report.dimension.sql if report.dimension and divided else ""
    numbers = ", ".join(
        f"CASE WHEN {figure.where or '1 = 1'} THEN 1 ELSE 0 END AS c{at}"
        for at, figure in enumerate(figures)
    )
    columns = [f"c{at}" for at in range(len(figures))]
    sums = ", ".join(f"sum({column})" for column in columns)
    once = ", ".join(f"max({column}) AS {column}" for column in columns)
    part = f"CAST({key} AS TEXT)" if key else "CAST(NULL AS TEXT)"
    sql = (
        f"WITH x AS MATERIALIZED (SELECT f.n AS n, substr(f.area, 1, {asked.digits}) AS code,"
        f" {part} AS part, {numbers} {_rows(source, asked)})"
        f", y AS (SELECT n, code, CAST(NULL AS TEXT) AS part, {once} FROM x GROUP BY n, code)"
        f" SELECT code, part, {sums} FROM {'x' if key else 'y'} GROUP BY 1, 2"
        f" UNION ALL SELECT NULL, NULL, {sums} FROM y"
    )
    return bound(sql, asked)


def _listing(
    report: Report, figure: Figure, asked: Asked, key: str | None, limit: int
) -> tuple[str, list[Any]]:
    amount = f"sum({figure.amount})" if figure.amount else "1"
    where = f" AND ({figure.where})" if figure.where else ""
    values: list[Any] = []
    if key is not None and report.dimension:
        where += f" AND coalesce(CAST({report.dimension.sql} AS TEXT), '') = :key"
        values.append(key)
    # One record may stand in several rows of a source (a parcel holds several goods): what is
    # counted is the record once, what is added up is all that it adds.
    sql = (
        f"SELECT f.n, {amount} AS amount {_rows(report.sources[figure.source], asked)}"
        f"{where} GROUP BY f.n ORDER BY 1 LIMIT {int(limit)}"
    )
    return bound(sql, asked, {"key": key or ""})


def _rows(source: Source, asked: Asked) -> str:
    area = " AND f.area >= :area AND f.area < :area_end" if asked.area else ""
    return f"FROM {source.tables} WHERE {source.where}{area}"


def bound(sql: str, asked: Asked, more: dict[str, Any] | None = None) -> tuple[str, list[Any]]:
    """Named parameters as positions, with their values in order."""
    values = asked.bound() | (more or {})
    return _PARAM.sub("?", sql), [values[name] for name in _PARAM.findall(sql)]


def _place(report: Report, key: str) -> tuple[int, int, str]:
    """Where a value of the dimension stands: declared ones in their order, numbers by size."""
    if report.dimension and report.dimension.choices:
        order = [choice.value for choice in report.dimension.choices]
        return (0, order.index(key), "") if key in order else (1, 0, key)
    return (0, int(key), "") if key.isdecimal() and len(key) < 18 else (1, 0, key)


def _complete(report: Report, found: dict[str, Number]) -> dict[str, Number]:
    """All figures, those that were found nowhere as 0, and the shares."""
    values: dict[str, Number] = {one.name: found.get(one.name) or 0 for one in report.figures}
    for share in report.shares:
        whole = values[share.whole]
        values[share.name] = round(100 * (values[share.part] or 0) / whole, 1) if whole else None
    return values
