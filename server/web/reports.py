# SPDX-License-Identifier: Apache-2.0
"""Reports as pages, as files, and for programs; the list of records behind every figure.

What lives here: addresses to parameters, figures to templates. What must not: any figure
(``server.reports``). Invariants
- A report is run with the account's area as its scope.
- A file is given only soon after a code was asked again, and stands in the access log.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec

from server.accounts import EXPORT, READ
from server.errors import ReportRefused, ServerBusy
from server.reports import REPORTS, Params, records, run
from server.reports.define import Figure
from server.reports.folding import Folding, progress_of
from server.reports.geojson import as_geojson
from server.reports.params import DIGITS, day_of
from server.reports.running import Behind, Result, report_of
from server.reports.sheets import key_text, records_sheet, sheet_of
from server.reports.writing import as_csv, as_json, as_xlsx, records_json
from server.service import Service
from server.store.base import Transaction
from server.web.keeping import keep_up
from server.web.remembered import Counted, count_behind, results_of
from server.web.routing import Download, Shown, Visit, page
from server.web.routing import Result as Answered
from server.web.scoped import Scoped

LISTED_MAX = 500
"""Records behind a figure that a page lists; all of them are in the file."""
KINDS = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "geojson": "application/geo+json",
    "json": "application/json",
}
LEVEL_WORDS = {
    "city": "市 ‖ city",
    "district": "区 ‖ district",
    "street": "街道 ‖ street",
    "community": "社区 ‖ community",
    "grid": "网格 ‖ grid",
}
ASKED = ("area", "level", "since", "until", "days", "key")


async def prepare(service: Service) -> None:
    """Bring the facts up to date, as far as a page can wait."""
    folding = Folding(service.district.store, service.district.schema)
    await keep_up("facts", service, folding.step)
    count_behind(service)


def params_of(visit: Visit) -> Params:
    """What is asked of a report, from behind the question mark. Raises ReportRefused."""
    days = visit.query("days", "30")
    if not (days.isascii() and days.isdigit() and len(days) < 6):
        raise ReportRefused("days")
    return Params(
        area=visit.query("area"),
        level=visit.query("level"),
        since=visit.query("since"),
        until=visit.query("until"),
        days=int(days),
    )


def ready(scoped: Scoped) -> bool:
    """Are there facts to read? Not before the first step was taken."""
    return "facts_home" in scoped.tx.relations()


def _need_ready(scoped: Scoped) -> None:
    """For files and programs, which cannot show that there is nothing yet. Raises ServerBusy."""
    if not ready(scoped):
        raise ServerBusy("the figures are being prepared")


def run_scoped(
    visit: Visit, scoped: Scoped, name: str, asked: Params, *, divided: bool = True
) -> Counted:
    """A report over the account's area, counted lately or now. Raises ReportRefused.

    It is counted upon the schema's facts as they are: ``prepare`` first.
    """
    area, clock = scoped.area, visit.service.district.clock

    def count(tx: Transaction) -> Result:
        return run(tx, name, asked, area, now_ms=clock(), divided=divided)

    # Another day is another result, where no day was asked for.
    key = (name, asked, area, divided, day_of(visit.now_ms))
    # While the record is gone through for the first time nothing is remembered.
    if progress_of(scoped.tx).total:
        return Counted(count(scoped.tx), visit.now_ms, count)
    return results_of(visit.service).get(scoped.tx, key, count, visit.now_ms)


def kept(visit: Visit, **more: str) -> str:
    """The parameters as they stand in the address, with others put in."""
    held = {name: visit.query(name) for name in ASKED if visit.query(name)}
    return urlencode({k: v for k, v in (held | more).items() if v})


@page("/reports", READ)
def reports(visit: Visit) -> Answered:
    """All reports."""
    return Shown("reports.html", {"reports": list(REPORTS.values())})


@page("/reports/{report:str}", READ, prepare=prepare)
def report(visit: Visit) -> Answered:
    """One report as a table; its figures lead to the records behind them."""
    name = visit.param("report")
    declared = report_of(name)
    with visit.scope() as scoped:
        asked = params_of(visit)
        if not asked.level and declared.level == "grid" and len(scoped.area) < 9:
            # A district has a thousand grids: streets first, grids by choice.
            asked = msgspec.structs.replace(asked, level="street")
        counted = run_scoped(visit, scoped, name, asked) if ready(scoped) else None
        found = counted.result if counted else None
        sheet = sheet_of(found, visit.lang) if found else None
        values: dict[str, Any] = {
            "report": declared,
            "found": found,
            "counted_ms": counted.at_ms if counted else None,
            "sheet": sheet,
            "figures": {one.name for one in declared.figures},
            "columns": declared.columns,
            "levels": [
                (level, visit.say(LEVEL_WORDS[level]))
                for level in DIGITS
                if DIGITS[level] >= len(scoped.area)
            ],
            "areas": scoped.areas_near(),
            "progress": progress_of(scoped.tx),
            "kept": lambda **more: kept(visit, **more),
            "key_text": lambda key: (
                key_text(declared.dimension, key, visit.lang) if declared.dimension else ""
            ),
            "asked": {one: visit.query(one) for one in ASKED},
            "formats": list(KINDS),
        }
    return Shown("report.html", values)


@page("/reports/{report:str}/figures/{figure:str}", READ, prepare=prepare)
def behind(visit: Visit) -> Answered:
    """The records behind one figure."""
    name, figure = visit.param("report"), visit.param("figure")
    visit.purpose = f"report {name} {figure}"
    declared, wanted = report_of(name), _figure(name, figure)
    with visit.scope() as scoped:
        found = _behind(visit, scoped, name, figure, LISTED_MAX + 1) if ready(scoped) else []
        values = {
            "report": declared,
            "figure": wanted,
            "found": found[:LISTED_MAX],
            "more": len(found) > LISTED_MAX,
            "kept": lambda **more: kept(visit, **more),
            "area_names": {one.area: scoped.area_name(one.area) for one in found},
        }
    return Shown("behind.html", values)


def _figure(name: str, figure: str) -> Figure:
    found = report_of(name).figure(figure)
    if found is None:
        raise ReportRefused(", ".join(one.name for one in report_of(name).figures))
    return found


def _behind(visit: Visit, scoped: Scoped, name: str, figure: str, limit: int) -> list[Behind]:
    key = visit.query("key") if "key" in visit.request.query_params else None
    found = records(
        scoped.tx,
        name,
        figure,
        params_of(visit),
        scoped.area,
        now_ms=visit.now_ms,
        key=key,
        limit=limit,
    )
    for one in found:
        scoped.saw(one.area, one.home, one.record, ("head_name", "address"))
    return found


@page("/reports/{report:str}/export/{format:str}", EXPORT, sure=True, prepare=prepare)
def export(visit: Visit) -> Answered:
    """A report as a file; with ``figure`` the records behind it."""
    name, kind, figure = visit.param("report"), visit.param("format"), visit.query("figure")
    if kind not in KINDS:
        raise ReportRefused(", ".join(KINDS))
    visit.purpose = f"export {name} {figure} {kind}".replace("  ", " ")
    report_of(name)
    with visit.scope() as scoped:
        _need_ready(scoped)
        scoped.saw(scoped.area, "", name, (figure or "figures",))
        found = run(
            scoped.tx,
            name,
            params_of(visit),
            scoped.area,
            now_ms=visit.now_ms,
            divided=kind != "geojson",
        )
        sheet = sheet_of(found, visit.lang)
        if figure:
            if kind == "geojson":
                raise ReportRefused("csv, xlsx, json")
            listed = _behind(visit, scoped, name, figure, 100_000)
            sheet = records_sheet(
                found.report, _figure(name, figure), listed, sheet.days, sheet.unit, visit.lang
            )
        body = {
            "csv": lambda: as_csv(sheet).encode(),
            "xlsx": lambda: as_xlsx(sheet, visit.now_ms),
            "geojson": lambda: as_geojson(scoped.tx, found, visit.lang),
            "json": lambda: records_json(sheet) if figure else as_json(found, visit.lang),
        }[kind]()
    return Download(body, KINDS[kind], f"{sheet.title}-{sheet.days}.{kind}")


# ---- for programs --------------------------------------------------------------------------------


@page("/v1/reports", READ)
def api_reports(visit: Visit) -> Answered:
    """All reports with their figures and definitions, as JSON."""
    listed = [
        {
            "name": one.name,
            "label": one.label.text(visit.lang),
            "words": one.words.text(visit.lang),
            "figures": {
                c.name: {"label": c.label.text(visit.lang), "words": c.words.text(visit.lang)}
                for c in one.columns
            },
        }
        for one in REPORTS.values()
    ]
    return Download(msgspec.json.encode(listed), KINDS["json"], "reports.json", inline=True)


@page("/v1/reports/{report:str}", READ, prepare=prepare)
def api_report(visit: Visit) -> Answered:
    """One report over the account's area, as JSON."""
    name = visit.param("report")
    with visit.scope() as scoped:
        _need_ready(scoped)
        found = run_scoped(visit, scoped, name, params_of(visit)).result
        body = as_json(found, visit.lang)
    return Download(body, KINDS["json"], f"{name}.json", inline=True)
