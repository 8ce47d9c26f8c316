# SPDX-License-Identifier: Apache-2.0
"""The district board: not one household left out, at a glance and as a table, also in print.

What lives here: which figures stand on the board. What must not: the figures (``server.reports``).
Invariant: every figure leads to the records behind it.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlencode

from server.accounts import READ
from server.reports import Params
from server.reports.folding import progress_of
from server.reports.params import DIGITS
from server.reports.running import Result
from server.web.reports import prepare, ready, run_scoped
from server.web.routing import Result as Answered
from server.web.routing import Shown, Visit, page
from server.web.scoped import Scoped

TILES: tuple[tuple[str, str, bool], ...] = (
    ("coverage", "missing", True),
    ("coverage", "done", False),
    ("open-needs", "open", False),
    ("open-needs", "overdue", True),
    ("clearing", "same_day_share", False),
    ("daily-forms", "missing", True),
    ("unvisited", "unvisited", True),
    ("parcels", "lacking", True),
)
"""Report, figure, and whether it wants a person where it is not 0."""
TABLES = ("coverage", "clearing", "daily-forms", "unvisited", "parcels")
GRIDS_MAX = 400
"""Tiles of the map: what fits on two printed pages."""


class Tile(NamedTuple):
    """One figure on the board."""

    report: str
    figure: str
    label: str
    title: str
    value: Any
    share: bool
    bad: bool


@page("/board", READ, prepare=prepare)
def board(visit: Visit) -> Answered:
    """The board of the area, or of one below it."""
    area = visit.query("area")
    with visit.scope() as scoped:
        if area and not scoped.holds(area):
            area = ""
        area = area or scoped.area
        values: dict[str, Any] = {
            "area": area,
            "area_name": scoped.area_name(area),
            "below": [a for a in scoped.areas_below(area) if len(a.code) <= 12],
            "progress": progress_of(scoped.tx),
            "ready": ready(scoped),
            "open_conflicts": scoped.conflict_counts_by_area(area).get("open", 0),
        }
        if values["ready"]:
            values |= _figures(visit, scoped, area)
    return Shown("board.html", values)


def _figures(visit: Visit, scoped: Scoped, area: str) -> dict[str, Any]:
    until = visit.query("until")
    level = _below(area)

    counted: list[int] = []

    def one(name: str, at: str) -> Result:
        asked = Params(area=area, level=at, until=until)
        found = run_scoped(visit, scoped, name, asked, divided=False)
        counted.append(found.at_ms)
        return found.result

    wanted = dict.fromkeys([name for name, _, _ in TILES] + list(TABLES))
    results = {name: one(name, level) for name in wanted}
    grids = one("coverage", "grid")
    return {
        "tiles": [_tile(visit, results[name], figure, bad) for name, figure, bad in TILES],
        "tables": [results[name] for name in TABLES],
        "grids": [row for row in grids.rows if row.values["due"]][:GRIDS_MAX],
        "level": level,
        "linked": lambda **more: urlencode({k: v for k, v in more.items() if v}),
        "until": until,
        "counted_ms": min(counted),
        "today": grids.asked.until.isoformat(),
    }


def _below(area: str) -> str:
    """The level below an area."""
    return next((level for level, digits in DIGITS.items() if digits > len(area)), "grid")


def _tile(visit: Visit, found: Result, figure: str, bad: bool) -> Tile:
    column = next(c for c in found.report.columns if c.name == figure)
    value = found.total.values[figure]
    return Tile(
        found.report.name,
        figure,
        column.label.text(visit.lang),
        found.report.label.text(visit.lang),
        value,
        found.report.figure(figure) is None,
        bad and bool(value),
    )
