# SPDX-License-Identifier: Apache-2.0
"""Enrolling, unlocking, locking, the PIN, who else may unlock, the language.

What lives here: the pages before and around the work. What must not: keys, tries, waits
(``crypto.unlock``). Invariant: a page that is not one of these needs the tablet unlocked.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.response import Response

from client_sdk.app.desk import Desk, Form, acts, desk_of, in_thread, posted
from client_sdk.app.keeper import HIDDEN_SECONDS_MAX, IDLE_SECONDS_MAX
from client_sdk.app.syncing import REFUSALS
from client_sdk.enrolment import read_picture
from client_sdk.errors import EnrolmentFailed, StoreMissing
from client_sdk.tablet import Tablet
from crypto.errors import UnlockRefused, UnlockWait

_Request = Request[Any, Any, Any]


@get("/unlock")
@in_thread
def unlock_page(request: _Request) -> Response[Any]:
    """Ask for the PIN."""
    desk = desk_of(request)
    keeper = desk.keeper
    if not keeper.enrolled:
        return desk.go("/enrol")
    if not keeper.locked:
        return desk.go("/")
    try:
        workers = Tablet.workers_of(keeper.directory)
    except StoreMissing:
        workers = ()
    pad = not keeper.enrolling.needs_passphrase
    return desk.page("unlock.html", workers=workers, pad=pad)


@post("/unlock")
async def unlock(request: _Request) -> Response[Any]:
    """Try a PIN."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        if not desk.keeper.locked:
            return desk.go("/")
        try:
            desk.keeper.unlock(form.one("worker"), form.one("secret"))
        except (UnlockRefused, UnlockWait) as error:
            desk.said.append(("bad", error.message("en" if desk.lang == "en" else "zh")))
            return desk.go("/unlock")
        except REFUSALS as error:
            desk.tell(error)
            return desk.go("/unlock")
        with desk.keeper.tablet() as tablet:
            desk.keeper.syncing.start_by_itself(tablet)
        back, desk.back_to = desk.back_to, "/"
        return desk.go(back)

    return await posted(request, work)


@post("/lock")
@in_thread
def lock(request: _Request) -> Response[Any]:
    """Lock by hand."""
    desk = desk_of(request)
    desk.keeper.lock()
    return desk.go("/unlock")


@get("/idle")
@in_thread
def idle(request: _Request) -> Response[Any]:
    """Where a page goes by itself when nobody touched it for two minutes: it must not stay."""
    desk = desk_of(request)
    desk.keeper.lock()
    return desk.go("/unlock")


@post("/seen")
@in_thread
def seen(request: _Request) -> Response[Any]:
    """The script's word that someone touched the screen, or that the page was hidden or locked."""
    desk = desk_of(request)
    what = request.headers.get("doorstep-seen", "") or request.query_params.get("what", "")
    if what == "hidden":
        desk.keeper.hide()
    elif not desk.keeper.lock_if_left():
        desk.keeper.touch()
    return Response(None, status_code=403 if desk.keeper.locked else 204)


@post("/language")
async def language(request: _Request) -> Response[Any]:
    """Chinese or English."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        desk.lang = "en" if form.one("lang") == "en" else "zh"
        place = form.one("back")
        return desk.go(place if place.startswith("/") and "//" not in place else "/")

    return await posted(request, work)


# -- enrolment --------------------------------------------------------------------------------


@get("/enrol")
@in_thread
def enrol_page(request: _Request) -> Response[Any]:
    """Scan or type the officer's code; or, while it runs, the six digits."""
    desk = desk_of(request)
    keeper = desk.keeper
    if keeper.enrolled and not keeper.enrolling.running:
        return desk.go("/sync" if not keeper.locked else "/unlock")
    enrolling = keeper.enrolling
    if enrolling.error is not None:
        desk.tell(enrolling.error)
        enrolling.error = None
    if enrolling.running:
        return desk.page("enrolling.html", digits=enrolling.digits)
    return desk.page("enrol.html", pad=not enrolling.needs_passphrase, given={})


@post("/enrol")
async def enrol(request: _Request) -> Response[Any]:
    """Begin the enrolment with what was scanned or typed."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        if desk.keeper.enrolled:
            return desk.go("/unlock")
        given = {name: form.one(name) for name in ("code", "address", "name", "worker")}
        try:
            picture = form.files.get("picture")
            code = read_picture(picture.data) if picture else given["code"]
            if not code or not given["worker"]:
                raise EnrolmentFailed("nothing given")
            if form.one("secret") != form.one("again"):
                desk.say("secrets-differ", "bad")
                return desk.page(
                    "enrol.html", pad=not desk.keeper.enrolling.needs_passphrase, given=given
                )
            name = given["name"] or desk.words("tablet-name")
            desk.keeper.enrolling.start(
                code, given["address"], name, given["worker"], form.one("secret")
            )
        except REFUSALS as error:
            desk.tell(error)
            pad = not desk.keeper.enrolling.needs_passphrase
            return desk.page("enrol.html", pad=pad, given=given)
        return desk.go("/enrol")

    return await posted(request, work)


# -- PIN and workers --------------------------------------------------------------------------


@get("/settings")
@in_thread
def settings_page(request: _Request) -> Response[Any]:
    """The PIN, who else may unlock, whether photos wait."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        return desk.page(
            "settings.html",
            tablet,
            workers=Tablet.workers_of(desk.keeper.directory),
            me=tablet.worker,
            name=tablet.name,
            team=tablet.team,
            replica=tablet.replica.hex(),
            blobs_wait=tablet.blobs_wait,
            idle_s=int(IDLE_SECONDS_MAX),
            hidden_s=int(HIDDEN_SECONDS_MAX),
            own_browser=desk.phones is not None,
        )

    return desk.with_tablet(work)


@post("/settings/secret")
@acts("/settings")
def change_secret(desk: Desk, tablet: Tablet, form: Form) -> None:
    """A new PIN needs the old one."""
    if form.one("new") != form.one("again"):
        desk.say("secrets-differ", "bad")
        return
    tablet.change_secret(form.one("old"), form.one("new"))
    desk.say("secret-changed")


@post("/settings/worker")
@acts("/settings")
def add_worker(desk: Desk, tablet: Tablet, form: Form) -> None:
    """Let a teammate unlock this tablet too, with a PIN of their own."""
    if form.one("new") != form.one("again"):
        desk.say("secrets-differ", "bad")
        return
    tablet.add_worker(form.one("old"), form.one("worker"), form.one("new"))
    desk.say("worker-added", worker=form.one("worker"))


@post("/settings/blobs")
@acts("/settings")
def let_blobs_wait(desk: Desk, tablet: Tablet, form: Form) -> None:
    """Photos and sounds wait until they are sent by hand, or go with every sync."""
    tablet.let_blobs_wait(form.one("wait") == "1")
    desk.say("kept")


HANDLERS = [
    unlock_page,
    unlock,
    lock,
    idle,
    seen,
    language,
    enrol_page,
    enrol,
    settings_page,
    change_secret,
    add_worker,
    let_blobs_wait,
]
