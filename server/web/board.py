# SPDX-License-Identifier: Apache-2.0
"""The district board: not one household left out, at a glance and as a table, also in print.

What lives here: which figures stand on the board. What must not: the figures (``server.reports``).
Invariant: every figure leads to the records behind it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlencode

from server.accounts import READ
from server.errors import ServerError
from server.reports import Params
from server.reports.folding import progress_of
from server.reports.params import DIGITS, day_of
from server.reports.running import Result
from server.service import Service
from server.web.remembered import Counted, patience
from server.web.reports import counted, prepare, ready
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
TABLES = ("coverage", "stages", "clearing", "daily-forms", "unvisited", "parcels")
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
            "area_name": visit.place(area),
            "below": [a for a in scoped.areas_below(area) if len(a.code) <= 12],
            "progress": progress_of(scoped.tx),
            "ready": ready(scoped),
            "until": visit.query("until"),
            "open_conflicts": scoped.conflict_counts_by_area(area).get("open", 0),
        }
        if values["ready"]:
            values |= _figures(visit, scoped, area)
    return Shown("board.html", values)


def _figures(visit: Visit, scoped: Scoped, area: str) -> dict[str, Any]:
    """What is counted by now; what is not yet, the page shows a moment later."""
    level, wanted = _below(area), list(dict.fromkeys([name for name, _, _ in TILES] + list(TABLES)))
    held = _counts(visit.service, scoped.area, area, visit.query("until"), patience())
    results = {name: found.result for name, found in zip(wanted, held, strict=False) if found}
    found_all = [one for one in held if one]
    grids = held[-1].result if held[-1] else None
    return {
        "tiles": [
            _tile(visit, results[name], figure, bad)
            for name, figure, bad in TILES
            if name in results
        ],
        "tables": [results[name] for name in TABLES if name in results],
        "grids": [row for row in grids.rows if row.values["due"]][:GRIDS_MAX] if grids else None,
        "level": level,
        "linked": lambda **more: urlencode({k: v for k, v in more.items() if v}),
        "counted_ms": min((one.at_ms for one in found_all), default=None),
        "again": any(one.again for one in found_all),
        "counting": sum(one is None for one in held),
        "today": visit.query("until") or day_of(visit.now_ms).isoformat(),
    }


def _counts(
    service: Service, scope: str, area: str, until_day: str, until: float
) -> list[Counted | None]:
    """The reports of the board, and last the coverage by grid."""
    level = _below(area)
    names = dict.fromkeys([name for name, _, _ in TILES] + list(TABLES))
    asked = [(name, Params(area=area, level=level, until=until_day)) for name in names]
    asked.append(("coverage", Params(area=area, level="grid", until=until_day)))
    # All are asked for before any is waited for.
    for name, params in asked:
        counted(service, scope, name, params, 0.0, divided=False)
    return [counted(service, scope, name, p, until, divided=False) for name, p in asked]


def count_ahead(service: Service, scope: str) -> None:
    """Count the board of somebody who is just signing in: it is the page they come to."""
    with suppress(ServerError):
        _counts(service, scope, scope, "", 0.0)


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
