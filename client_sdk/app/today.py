# SPDX-License-Identifier: Apache-2.0
"""Today: whose door is next; the way through the buildings; search; my day.

What lives here: the lists of households. What must not: who is due (``client_sdk.agenda``).
"""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response import Response

from client_sdk.agenda import Agenda, Stop
from client_sdk.app.desk import Desk, Form, desk_of, in_thread, posted
from client_sdk.tablet import Tablet

_Request = Request[Any, Any, Any]
PARTS = ("due", "again", "done", "rest")
DOORS_A_PAGE = 30
"""Doors on one page: more than a morning's, and small enough for slow hardware."""
HITS_A_PAGE = 30
BUILDINGS_A_PAGE = 30
CONFLICTS_COUNTED = 20
"""Of more it says as many: reading all would slow the page down."""


@get("/")
@in_thread
def today(request: _Request) -> Response[Any]:
    """What is due, by building and floor."""
    return _part(desk_of(request), "due", request)


@get("/today/{part:str}")
@in_thread
def today_part(request: _Request, part: FromPath[str]) -> Response[Any]:
    """Another part of the day."""
    return _part(desk_of(request), part if part in PARTS else "due", request)


def _part(desk: Desk, part: str, request: _Request) -> Response[Any]:
    building = number_of(request.query_params.get("b"), -1)
    offset = max(0, number_of(request.query_params.get("from"), 0))

    def work(tablet: Tablet) -> Response[Any]:
        wanted = building if building >= 0 else None
        found = tablet.agenda(part, building=wanted, offset=offset, limit=DOORS_A_PAGE)
        chosen = found.buildings[building].name if 0 <= building < len(found.buildings) else None
        return desk.page(
            "today.html",
            tablet,
            part=part,
            found=found,
            groups=by_building(found.stops),
            building=building if chosen is not None else -1,
            place=chosen,
            left=found.counts["due"] + found.counts["again"],
            drafts=[d for d in tablet.drafts() if d.worker == tablet.worker],
            disputed=tablet.conflict_count(CONFLICTS_COUNTED),
            more=_more(found),
            worker=tablet.worker_name(tablet.worker),
            nearby=_nearby(found, part),
        )

    return desk.with_tablet(work)


def _nearby(found: Agenda, part: str) -> list[tuple[int, str, int]]:
    """The first buildings of the way in which something is to do: (place, name, how many)."""
    counted = [(n, b.name, int(getattr(b, part))) for n, b in enumerate(found.buildings)]
    return [one for one in counted if one[2]][:BUILDINGS_A_PAGE]


def by_building(stops: tuple[Stop, ...]) -> list[tuple[str, int, list[Stop]]]:
    """Doors that lie together: (building, floor, stops), in the order given."""
    out: list[tuple[str, int, list[Stop]]] = []
    for stop in stops:
        if not out or out[-1][:2] != (stop.building, stop.floor):
            out.append((stop.building, stop.floor, []))
        out[-1][2].append(stop)
    return out


def _more(found: Agenda) -> tuple[int | None, int | None]:
    """Where the page before and the page after begin."""
    before = found.offset - DOORS_A_PAGE if found.offset else None
    after = found.offset + DOORS_A_PAGE
    return before, after if after < found.total else None


def number_of(text: str | None, default: int) -> int:
    """A number in an address; what is none is the default."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else default


# -- the way ----------------------------------------------------------------------------------


@get("/route")
@in_thread
def route_page(request: _Request) -> Response[Any]:
    """The buildings in the order in which they are walked."""
    desk = desk_of(request)
    offset = max(0, number_of(request.query_params.get("from"), 0))

    def work(tablet: Tablet) -> Response[Any]:
        buildings = tablet.agenda("due", limit=0).buildings
        return desk.page(
            "route.html",
            tablet,
            buildings=buildings[offset : offset + BUILDINGS_A_PAGE],
            offset=offset,
            total=len(buildings),
            a_page=BUILDINGS_A_PAGE,
        )

    return desk.with_tablet(work)


@post("/route")
async def move(request: _Request) -> Response[Any]:
    """Move one building up or down, or to the head."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        with desk.keeper.tablet() as tablet:
            order = [b.name for b in tablet.agenda("due", limit=0).buildings]
            at = number_of(form.one("at"), -1)
            step = {"up": -1, "down": 1, "first": -at}.get(form.one("step"), 0)
            if 0 <= at < len(order) and 0 <= at + step < len(order):
                order.insert(at + step, order.pop(at))
                tablet.set_route(order)
        return desk.go(f"/route?from={at // BUILDINGS_A_PAGE * BUILDINGS_A_PAGE}")

    return await posted(request, work)


# -- search -----------------------------------------------------------------------------------


@get("/search")
@in_thread
def search_page(request: _Request) -> Response[Any]:
    """What the last question found."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        return desk.page("search.html", tablet, **_found(desk, tablet))

    return desk.with_tablet(work)


@post("/search")
async def search(request: _Request) -> Response[Any]:
    """Ask. The question stands in no address: histories are not for names."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        desk.question = form.one("q")[:60]
        if "doorstep-script" not in request.headers:
            return desk.go("/search")
        with desk.keeper.tablet() as tablet:
            return desk.page("hits.html", tablet, **_found(desk, tablet))

    return await posted(request, work)


def _found(desk: Desk, tablet: Tablet) -> dict[str, Any]:
    hits = tablet.search(desk.question) if desk.question else []
    stops = tablet.stops([hit.id for hit in hits[:HITS_A_PAGE]])
    return {"question": desk.question, "stops": stops, "total": len(hits)}


# -- my day -----------------------------------------------------------------------------------


@get("/day")
@in_thread
def my_day(request: _Request) -> Response[Any]:
    """What I did today, and what the team still has to do."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        day = tablet.my_day()
        return desk.page(
            "day.html",
            tablet,
            day=day,
            doings=day.doings[-60:],
            counts=tablet.agenda("due", limit=0).counts,
            worker=tablet.worker_name(tablet.worker),
        )

    return desk.with_tablet(work)


HANDLERS = [today, today_part, route_page, move, search_page, search, my_day]
