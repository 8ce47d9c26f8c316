# SPDX-License-Identifier: Apache-2.0
"""Reports as pages, as files, and for programs; the list of records behind every figure.

What lives here: addresses to parameters, figures to templates. What must not: any figure
(``server.reports``). Invariants
- A report is run with the account's area as its scope.
- A file is given only soon after a code was asked again, and stands in the access log.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import msgspec

from server.accounts import EXPORT, READ
from server.approvals import EXPORT as EXPORT_MANY
from server.approvals import EXPORT_ALONE_MAX, granted
from server.area_names import read_area_names
from server.errors import ReportRefused, ServerBusy
from server.reports import REPORTS, Params, run
from server.reports.define import Figure
from server.reports.folding import Folding, progress_of
from server.reports.geojson import as_geojson
from server.reports.params import DIGITS, checked, day_of
from server.reports.running import (
    RECORDS_MAX,
    Behind,
    Result,
    numbers_behind,
    records_at,
    report_of,
)
from server.reports.sheets import key_text, records_sheet, sheet_of
from server.reports.writing import as_csv, as_json, as_xlsx, records_json
from server.service import Service
from server.store.base import Store, Transaction
from server.web.exporting import Job, exports_of
from server.web.keeping import keep_up
from server.web.remembered import Counted, patience, results_of
from server.web.routing import Download, Go, Shown, Visit, page
from server.web.routing import Result as Answered
from server.web.scoped import Scoped

ROWS = 100
ROWS_READ = 1_000
"""Records of a file that are read between two words of progress."""
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


def counted(
    service: Service,
    area: str,
    name: str,
    asked: Params,
    until: float,
    *,
    divided: bool = True,
) -> Counted | None:
    """A report over an account's area, counted lately, or as soon as a page may wait for; None
    while it is counted for the first time. Raises ReportRefused.

    It is counted upon the schema's facts as they are: ``prepare`` first.
    """
    clock = service.district.clock
    # What does not hold is refused at once, not behind the page.
    checked(asked, report_of(name).level, area, clock())

    def count(tx: Transaction) -> Result:
        return run(tx, name, asked, area, now_ms=clock(), divided=divided)

    # Another day is another result, where no day was asked for.
    key = ("report", name, asked, area, divided, day_of(clock()))
    return results_of(service).get(key, count, until)


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
        held = None
        if ready(scoped):
            held = counted(visit.service, scoped.area, name, asked, patience())
        found = held.result if held else None
        sheet = sheet_of(found, visit.lang) if found else None
        values: dict[str, Any] = {
            "report": declared,
            "found": found,
            "counted_ms": held.at_ms if held else None,
            "again": bool(held and held.again),
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
        held = _numbers(visit, scoped, name, figure) if ready(scoped) else None
        after = visit.query_number("after") or 0
        numbers: dict[int, int] = held.result if held else {}
        part = dict(islice(((n, many) for n, many in numbers.items() if n > after), ROWS + 1))
        more = len(part) > ROWS
        if more:
            part.popitem()
        found = records_at(scoped.tx, part)
        for one in found:
            scoped.saw(one.area, one.home, one.record, ("head_name", "address"))
        values = {
            "report": declared,
            "figure": wanted,
            "found": found,
            "ready": held is not None,
            "again": bool(held and held.again),
            "counted_ms": held.at_ms if held else None,
            "total": len(numbers),
            "most": len(numbers) == RECORDS_MAX,
            "after": max(part, default=0) if more else 0,
            "kept": lambda **more: kept(visit, **more),
        }
    return Shown("behind.html", values)


def _numbers(visit: Visit, scoped: Scoped, name: str, figure: str) -> Counted | None:
    """The numbers of the records behind a figure, listed lately or as soon as a page may wait."""
    asked, area, clock = params_of(visit), scoped.area, visit.service.district.clock
    value = visit.query("key") if "key" in visit.request.query_params else None
    checked(asked, report_of(name).level, area, clock())

    def count(tx: Transaction) -> dict[int, int]:
        return numbers_behind(tx, name, figure, asked, area, now_ms=clock(), key=value)

    key = ("behind", name, figure, asked, area, value, day_of(clock()))
    return results_of(visit.service).get(key, count, patience())


def _figure(name: str, figure: str) -> Figure:
    found = report_of(name).figure(figure)
    if found is None:
        raise ReportRefused(", ".join(one.name for one in report_of(name).figures))
    return found


@page("/reports/{report:str}/export/{format:str}", EXPORT, sure=True, prepare=prepare)
def export(visit: Visit) -> Answered:
    """A report as a file; with ``figure`` the records behind it. Large ones are made apart."""
    name, kind, figure = visit.param("report"), visit.param("format"), visit.query("figure")
    if kind not in KINDS or (figure and kind == "geojson"):
        raise ReportRefused(", ".join(KINDS) if not figure else "csv, xlsx, json")
    declared, asked = report_of(name), params_of(visit)
    if figure:
        _figure(name, figure)
    with visit.scope() as scoped:
        _need_ready(scoped)
        area = checked(asked, declared.level, scoped.area, visit.now_ms).area
    exports = exports_of(visit.service)
    value = visit.query("key") if "key" in visit.request.query_params else None
    key = (visit.account.id, visit.account.area, name, kind, figure, asked, value, visit.lang)
    job = exports.begin(key, partial(_made, visit.service, _Wanted(visit, name, kind, figure)))
    found = exports.take(key, job)
    if found is not None and job.lines > EXPORT_ALONE_MAX:
        target = f"{name} {figure} {area}".strip()
        with visit.scope() as scoped:
            yes = granted(scoped.tx, EXPORT_MANY, target, visit.account.id, visit.now_ms)
        if yes is None:
            said = visit.say(
                "{n} 行，须由另一人批准后才能导出 ‖ {n} lines: a second person must say yes first",
                n=job.lines,
            )
            return Go(f"/approvals?{urlencode({'kind': EXPORT_MANY, 'target': target})}", said)
    if found is not None and not visit.query("wait"):
        exports.drop(key)
        return found
    here = f"/reports/{name}/export/{kind}?{kept(visit, figure=figure, wait='1')}"
    if not visit.query("wait"):
        # This page fetches; the one that waits says when there is something to fetch.
        return Go(here)
    return Shown(
        "export.html",
        {
            "report": declared,
            "kind": kind,
            "ready": found is not None,
            "done": job.done,
            "total": job.total,
            "kept": lambda: kept(visit, figure=figure),
            "here": here,
        },
    )


class _Wanted:
    """What a file is made of, taken from the visit: that one is over before the file is made."""

    def __init__(self, visit: Visit, name: str, kind: str, figure: str) -> None:
        self.name, self.kind, self.figure = name, kind, figure
        self.account, self.lang, self.now_ms = visit.account, visit.lang, visit.now_ms
        self.asked = params_of(visit)
        self.key = visit.query("key") if "key" in visit.request.query_params else None
        self.purpose = f"export {name} {figure} {kind}".replace("  ", " ")
        self.seen = visit.console.seen


def _made(service: Service, wanted: _Wanted, store: Store, job: Job) -> Download:
    """The file, once the access log holds what is in it."""
    name, kind, figure, lang = wanted.name, wanted.kind, wanted.figure, wanted.lang
    with store.read() as tx:
        scoped = Scoped(tx, service.district.schema, wanted.account)
        area, now_ms = scoped.area, wanted.now_ms
        scoped.saw(area, "", name, (figure or "figures",))
        divided = kind != "geojson"
        found = run(tx, name, wanted.asked, area, now_ms=now_ms, divided=divided)
        sheet = sheet_of(found, lang)
        if figure:
            listed = _listed(tx, scoped, wanted, job)
            declared = _figure(name, figure)
            areas = read_area_names(tx)
            sheet = records_sheet(
                found.report, declared, listed, sheet.days, sheet.unit, lang, areas
            )
        body = {
            "csv": lambda: as_csv(sheet).encode(),
            "xlsx": lambda: as_xlsx(sheet, now_ms),
            "geojson": lambda: as_geojson(tx, found, lang),
            "json": lambda: records_json(sheet) if figure else as_json(found, lang),
        }[kind]()

    def told(lines: int) -> None:
        job.done += lines

    wanted.seen.keep_apart(service, wanted.account.id, wanted.purpose, [scoped], now_ms, told)
    what = wanted.purpose.removeprefix("export ")
    wanted.seen.keep_export(service, wanted.account.id, what, job.lines, now_ms)
    return Download(body, KINDS[kind], f"{sheet.title}-{sheet.days}.{kind}")


def _listed(tx: Transaction, scoped: Scoped, wanted: _Wanted, job: Job) -> list[Behind]:
    numbers = numbers_behind(
        tx,
        wanted.name,
        wanted.figure,
        wanted.asked,
        scoped.area,
        now_ms=wanted.now_ms,
        key=wanted.key,
    )
    # Each is read, and then stands in the log.
    job.lines, job.total = len(numbers), 2 * len(numbers)
    listed: list[Behind] = []
    items = iter(numbers.items())
    while part := dict(islice(items, ROWS_READ)):
        listed += records_at(tx, part)
        job.done += len(part)
    for one in listed:
        scoped.saw(one.area, one.home, one.record, ("head_name", "address"))
    return listed


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
        # A program waits for its answer: it has no page to look at meanwhile.
        asked, now_ms = params_of(visit), visit.now_ms
        held = counted(visit.service, scoped.area, name, asked, patience())
        found = held.result if held else run(scoped.tx, name, asked, scoped.area, now_ms=now_ms)
        body = as_json(found, visit.lang)
    return Download(body, KINDS["json"], f"{name}.json", inline=True)
