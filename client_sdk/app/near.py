# SPDX-License-Identifier: Apache-2.0
"""Without the district: meeting a teammate on the local network, letting a phone in.

What lives here: these pages. What must not: how it is done (``meeting.py``, ``phones.py``).
Invariant: what a code holds is shown while somebody listens, and never in an address or a title.
"""

from __future__ import annotations

from typing import Any

import segno
from litestar import Request, get, post
from litestar.exceptions import NotFoundException
from litestar.response import Response
from markupsafe import Markup

from client_sdk.app.desk import (
    Desk,
    Form,
    acts,
    desk_of,
    going_on,
    in_thread,
    posted,
    sentences,
    size,
)
from client_sdk.app.phones import PHONES_MAX, Phones
from client_sdk.enrolment import read_picture
from client_sdk.lan_finding import Meetable, own_addresses
from client_sdk.tablet import Tablet

_Request = Request[Any, Any, Any]
MATES_SHOWN = 60
"""Tablets to choose from: those of a street."""


def qr(text: str) -> Markup:
    """A code to be scanned, as a drawing within the page; it scales with the text."""
    drawing = segno.make_qr(text, error="m").svg_inline(
        omitsize=True, svgclass="code", lineclass="", light="#fff"
    )
    return Markup(drawing)  # All of it is made by the library, from a code of ours.


# -- teammates --------------------------------------------------------------------------------


@get("/meet")
@in_thread
def meet_page(request: _Request) -> Response[Any]:
    """Show a code, look for a teammate, or read theirs; how far it is, what came of it."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        mates = sorted(tablet.teammates().items(), key=lambda one: (one[1], one[0]))
        return desk.page(
            "meet.html",
            tablet,
            mates=[(replica.hex(), name) for replica, name in mates[:MATES_SHOWN]],
            **_meeting(desk),
        )

    return desk.with_tablet(work)


@get("/meet/progress")
@in_thread
def meet_progress(request: _Request) -> Response[Any]:
    """The middle of that page, for the script while something goes on."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        found = desk.page("meet_state.html", tablet, **_meeting(desk))
        return going_on(found, running=desk.keeper.meeting.running)

    return desk.with_tablet(work)


def _meeting(desk: Desk) -> dict[str, Any]:
    meeting = desk.keeper.meeting
    return {
        "doing": meeting.doing if meeting.running else "",
        "code": meeting.code,
        "qr": qr(meeting.code) if meeting.code else "",
        "how_far": meeting.how_far,
        "found": meeting.found,
        "happened": [
            (one, sentences(one.error, desk.lang) if one.error else "")
            for one in reversed(meeting.happened)
        ],
        "size": size,
    }


@post("/meet/listen")
@acts("/meet")
def listen(desk: Desk, tablet: Tablet, form: Form) -> None:
    """Wait for teammates, with a code on the screen."""
    desk.keeper.meeting.listen()


@post("/meet/look")
@acts("/meet")
def look(desk: Desk, tablet: Tablet, form: Form) -> None:
    """Look for teammates who wait."""
    desk.keeper.meeting.look()


@post("/meet/stop")
async def stop(request: _Request) -> Response[Any]:
    """Wait no longer. Not on the tablet's turn, which the end of a meeting needs."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        desk.keeper.meeting.stop()
        desk.keeper.meeting.wait(2.0)
        return desk.go("/meet")

    return await posted(request, work)


@post("/meet/call")
@acts("/meet")
def call(desk: Desk, tablet: Tablet, form: Form) -> None:
    """Meet one that was found, or whose code was pictured or typed."""
    found, chosen = desk.keeper.meeting.found or [], form.one("found")
    picture = form.files.get("picture")
    where: str | Meetable
    if chosen.isdigit() and int(chosen) < len(found):
        where = found[int(chosen)]
    else:
        where = read_picture(picture.data) if picture else form.one("code")
    if where:
        desk.keeper.meeting.call(where)
    else:
        desk.say("meet-none", "bad")


# -- phones -----------------------------------------------------------------------------------


@get("/phone")
@in_thread
def phone_page(request: _Request) -> Response[Any]:
    """Which phones are let in, and how one gets in."""
    desk = desk_of(request)
    phones = _phones(desk)

    def work(tablet: Tablet) -> Response[Any]:
        listed = [
            (one, qr(one.address) if one.app.gate.awaits_entry else "", one.app.keeper)
            for one in phones.listed()
        ]
        return desk.page(
            "phone.html",
            tablet,
            phones=listed,
            addresses=own_addresses(),
            full=len(listed) >= PHONES_MAX,
            worker_name=tablet.worker_name,
        )

    return desk.with_tablet(work)


def _phones(desk: Desk) -> Phones:
    if desk.phones is None:
        # A phone lets no further one in.
        raise NotFoundException()
    return desk.phones


@post("/phone")
@acts("/phone")
def let_in(desk: Desk, tablet: Tablet, form: Form) -> None:
    """Let one more phone in, at one of this tablet's addresses."""
    phones, host = _phones(desk), form.one("host")
    if host in own_addresses():
        phones.let_in(host, tablet.page_key(host))


@post("/phone/away")
async def send_away(request: _Request) -> Response[Any]:
    """Serve a phone no longer."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        phones, port = _phones(desk), form.one("port")
        if port.isdigit():
            phones.send_away(int(port))
        return desk.go("/phone")

    return await posted(request, work)


HANDLERS = [
    meet_page,
    meet_progress,
    listen,
    look,
    stop,
    call,
    phone_page,
    let_in,
    send_away,
]
