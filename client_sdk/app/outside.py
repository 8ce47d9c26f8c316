# SPDX-License-Identifier: Apache-2.0
"""What goes out and what came in: the sync, its progress, what became of one's edits.

What lives here: the pages of the exchange. What must not: the exchange (``client_sdk.syncing``).
Invariant: sizes are shown before anything is sent.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.response import Response

from client_sdk.app.desk import (
    Desk,
    Form,
    acts,
    desk_of,
    going_on,
    in_thread,
    sentences,
    size,
)
from client_sdk.tablet import Tablet
from crypto.bundle import MAGIC, read_head
from sync.carry.stick import Label, saved_name

_Request = Request[Any, Any, Any]
NOTICES_SHOWN = 60
KIND_OF = {"need": "kind", "shortage": "goods", "referral": "to_kind", "wish": "text"}
"""The field that says what it was, of each collection whose end is news."""


@get("/sync")
@in_thread
def sync_page(request: _Request) -> Response[Any]:
    """What a sync would bring, how far one is, how the last one ended."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        return desk.page("sync.html", tablet, **_state(desk, tablet))

    return desk.with_tablet(work)


@get("/sync/progress")
@in_thread
def progress(request: _Request) -> Response[Any]:
    """The middle of that page, for the script while a sync runs."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        found = desk.page("sync_state.html", tablet, **_state(desk, tablet))
        return going_on(found, running=desk.keeper.syncing.running)

    return desk.with_tablet(work)


def _state(desk: Desk, tablet: Tablet) -> dict[str, Any]:
    syncing = desk.keeper.syncing
    ended = syncing.ended
    return {
        "how_far": syncing.how_far,
        "ended": ended,
        "problem": sentences(ended.error, desk.lang) if ended and ended.error else "",
        "sizes": tablet.sizes(),
        "size": size,
        "blobs_wait": tablet.blobs_wait,
        "enrolled": tablet.transport is not None,
    }


@post("/sync")
@acts("/sync")
def sync(desk: Desk, tablet: Tablet, form: Form) -> None:
    """Start a sync by hand."""
    desk.keeper.syncing.start(blobs=form.one("blobs") == "1")


@post("/sync/signal")
@in_thread
def signal(request: _Request) -> Response[Any]:
    """The browser says that there is a network again."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        desk.keeper.syncing.start_by_itself(tablet)
        return Response(None, status_code=204)

    return desk.with_tablet(work)


# -- by stick ---------------------------------------------------------------------------------


def _back(form: Form) -> str:
    """The page the form stood on."""
    return "/meet" if form.one("from") == "meet" else "/sync"


@post("/stick/write")
@acts(_back)
def write_stick(desk: Desk, tablet: Tablet, form: Form) -> Response[Any]:
    """A sealed bundle for the district, or for the teammate that is named, which the browser saves
    where the worker says."""
    mate = form.one("mate")
    receiver = tablet.teammate_of(mate) if mate else tablet.district_replica
    data = tablet.export_for_teammate(receiver) if mate else tablet.export_bundle()
    head = read_head(data)
    return _saved(data, saved_name(receiver, Label(head.sender, head.sequence, head.name)))


@post("/stick/card")
@acts(_back)
def write_card(desk: Desk, tablet: Tablet, form: Form) -> Response[Any]:
    """This tablet's card, by which a teammate who never met it can make a file for it."""
    return _saved(tablet.card(), f"{tablet.replica.hex()}.card")


def _saved(data: bytes, name: str) -> Response[Any]:
    return Response(
        data,
        media_type="application/octet-stream",
        headers={"content-disposition": f'attachment; filename="{name}"'},
        status_code=200,
    )


@post("/stick/read")
@acts(_back)
def read_stick(desk: Desk, tablet: Tablet, form: Form) -> Response[Any] | None:
    """Take in a bundle of the district or of a teammate, or a teammate's card: checked whole before
    anything of it is applied."""
    upload = form.files.get("stick")
    if upload is None:
        desk.say("stick-none", "bad")
        return None
    if not upload.data.startswith(MAGIC):
        mate = tablet.learn_card(upload.data)
        desk.say("card-known", name=tablet.teammates().get(mate, mate.hex()[:8]))
        return None
    report = tablet.import_bundle(upload.data)
    if report.wipe and tablet.obey(report.wipe).wipe:
        desk.keeper.forget()
        return desk.go("/unlock")
    tablet.prepare_search()
    tablet.prepare_day()
    if report.replica == tablet.district_replica:
        desk.say("stick-done", records=report.records)
    else:
        name, changes, records = report.sender, report.changes, report.records
        desk.say("stick-from", name=name, changes=changes, records=records)
    return None


@get("/notices")
@in_thread
def notices(request: _Request) -> Response[Any]:
    """What became of what was written here."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        told = list(reversed(tablet.notices()))[:NOTICES_SHOWN]
        held = tablet.homes_of(t.notice.record for t in told)
        homes = {t.id: held.get(t.notice.record, "") for t in told}
        stops = {s.home: s for s in tablet.stops(sorted({h for h in homes.values() if h}))}
        solved = tablet.solved()[:NOTICES_SHOWN]
        log = tablet.log_notices()
        standing = tablet.standing()
        return desk.page(
            "notices.html",
            tablet,
            told=told,
            homes=homes,
            stops=stops,
            who=tablet.worker_name,
            solved=solved,
            names={one.record.home: tablet.name_of_record(one.record.home) for one in solved},
            kinds=KIND_OF,
            log=list(reversed(log)),
            unread=standing.notices or standing.log_unread,
        )

    return desk.with_tablet(work)


@post("/notices")
@acts("/notices")
def read_all(desk: Desk, tablet: Tablet, form: Form) -> None:
    """All that is shown was read."""
    for number in form.all("notice"):
        if number.isdigit():
            tablet.mark_read(int(number))
    for record in form.all("solved"):
        tablet.mark_solved_read(record)
    tablet.mark_log_read()


HANDLERS = [
    sync_page,
    progress,
    sync,
    signal,
    write_stick,
    write_card,
    read_stick,
    notices,
    read_all,
]
