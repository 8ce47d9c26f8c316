# SPDX-License-Identifier: Apache-2.0
"""A visit, in as few taps as it takes, kept at every one of them.

What lives here: the page of a visit, its draft, its photos, what it is written as. What must not:
what a visit brings along (``sync.collections.visit``). Invariants: the draft has the id of the
visit it becomes, so photos name it before it is written; a visit that was written is corrected with
a reason, never written over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response import Response

from client_sdk.app import media
from client_sdk.app.desk import Desk, Form, desk_of, in_thread, posted
from client_sdk.app.forms import Maker, Widget, read_value, told
from client_sdk.app.syncing import REFUSALS
from client_sdk.errors import EntryRefused, TabletError
from client_sdk.tablet import Tablet
from client_sdk.views import Hit
from sync.collections.need import KINDS
from sync.effects import keyed_id

_Request = Request[Any, Any, Any]
ASKED = (
    "persons",
    "mood",
    "blood_pressure",
    "services",
    "follow_up",
    "minutes",
)
"""The fields of a visit that come as plain widgets, in the order of the talk."""
READ = (*ASKED, "mode", "outcome", "shortages", "gps")
QUICK = {
    "well": {"mode": "door", "outcome": "met", "mood": "good", "follow_up": "none"},
    "shut": {"mode": "door", "outcome": "not_opened"},
}
"""What one tap says."""
DEGREES = ("35", "36", "37", "38", "39", "40")
NEEDED = tuple(c for c in KINDS if c.value not in ("rice", "vegetables", "gas", "medicine"))
"""Needs that are no shortage: those have pictures of their own."""
PHRASES = 8
OFFERED = ("persons", "services", "minutes")
"""What one tap takes over from the last time. What is measured or seen anew is only shown beside
its field: nobody's temperature is copied."""
FILES = ("photo", "sound", "signature")


class Offered(NamedTuple):
    """What a field held the last time it was filled in: for the form, and in words."""

    values: list[str]
    shown: str


@get("/home/{home:str}/visit")
@in_thread
def visit_page(request: _Request, home: FromPath[str]) -> Response[Any]:
    """Begin a visit, or go on with the one that was begun."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        begun = [d for d in tablet.drafts(home) if d.kind == "visit" and d.worker == tablet.worker]
        draft = begun[0].id if begun else tablet.new_id()
        return _page(desk, tablet, home, draft, begun[0].values if begun else {}, {})

    return desk.with_tablet(work)


def _page(
    desk: Desk,
    tablet: Tablet,
    home: str,
    draft: str,
    given: dict[str, list[str]],
    problems: dict[str, str],
) -> Response[Any]:
    declared = tablet.schema.collections["visit"]
    maker = Maker(tablet, home, desk.lang, creating=True)
    people = tablet.listed(home, "person", "visit", "attachment")
    visits = sorted(people["visit"], key=lambda v: str(v.values.get("at_ms")), reverse=True)
    if "persons" not in given and len(people["person"]) == 1:
        given = {**given, "persons": [people["person"][0].id]}
    widgets = {
        name: maker.widget(declared, name, given.get(name, []), problems.get(name, ""))
        for name in READ
    }
    phrases = [desk.words(f"phrase-{n}") for n in range(PHRASES)]
    return desk.page(
        "visit.html",
        tablet,
        status=400 if problems else 200,
        home=home,
        draft=draft,
        stop=next(iter(tablet.stops([home])), None),
        widgets=widgets,
        asked=[widgets[name] for name in ASKED if widgets[name] is not None],
        given=given,
        problems=problems,
        degrees=DEGREES,
        needed=[(c.value, c.label.text(desk.lang)) for c in NEEDED],
        phrases=phrases,
        last=visits[0].values if visits else {},
        offered=_offered(widgets, visits, desk.lang),
        files=[a.values for a in people["attachment"] if a.values.get("about_record") == draft],
        begun=bool(given),
    )


def _offered(
    widgets: Mapping[str, Widget | None], visits: list[Hit], lang: str
) -> dict[str, Offered]:
    """What may be taken over from the last visit that said something of a field."""
    out: dict[str, Offered] = {}
    for name in OFFERED:
        widget = widgets[name]
        held = next((v.values[name] for v in visits if v.values.get(name)), None)
        if widget is None or held is None or len(widget.options) == 1:
            continue
        values = [str(one) for one in held] if isinstance(held, list) else [str(held)]
        labels = {o.value: o.label for o in widget.options}
        # Who moved out, or a choice that is no longer one, is not offered.
        values = [v for v in values if v in labels] if labels else values
        words = [labels.get(v) or f"{v} {widget.unit}" for v in values]
        if values:
            out[name] = Offered(values, (", " if lang == "en" else "、").join(words))
    return out


@post("/home/{home:str}/visit/{draft:str}/keep")
async def keep(request: _Request, home: FromPath[str], draft: FromPath[str]) -> Response[Any]:
    """Keep what was entered so far; the script calls it at every tap."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        with desk.keeper.tablet() as tablet:
            if tablet.holds(draft):
                return desk.go(f"/saved/{draft}")
            tablet.keep_draft(draft, "visit", home, form.plain())
            try:
                _attach(desk, tablet, home, draft, form)
            except TabletError as error:
                if "doorstep-script" in request.headers:
                    raise
                desk.tell(error)
        if "doorstep-script" in request.headers:
            return Response(None, status_code=204)
        return desk.go(f"/home/{home}/visit")

    return await posted(request, work)


def _attach(desk: Desk, tablet: Tablet, home: str, visit: str, form: Form) -> None:
    """Keep the files that came with the form; each names the visit that is to be."""
    for kind in FILES:
        upload = form.files.get(kind)
        if upload is None:
            continue
        if kind == "photo":
            data, media_type, purpose = media.photo(upload.data), "image/jpeg", "home"
        elif kind == "signature":
            data, media_type, purpose = media.signature(upload.data), "image/png", "signature"
        else:
            data, media_type, purpose = upload.data, media.sound(upload.data), "voice"
        tablet.attach(
            data,
            household=home,
            media_type=media_type,
            purpose=purpose,
            about=("visit", visit, "signature" if kind == "signature" else ""),
        )
        desk.say(f"{kind}-kept")


@post("/home/{home:str}/visit/{draft:str}")
async def finish(request: _Request, home: FromPath[str], draft: FromPath[str]) -> Response[Any]:
    """Write the visit, and the needs that were found."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        with desk.keeper.tablet() as tablet:
            if tablet.holds(draft):
                tablet.drop_draft(draft)
                return desk.go(f"/saved/{draft}")
            quick = QUICK.get(form.one("quick"), {})
            if not quick and not form.one("outcome"):
                words = {"outcome": desk.words("choose-one")}
                tablet.keep_draft(draft, "visit", home, form.plain())
                return _page(desk, tablet, home, draft, form.plain(), words)
            tablet.keep_draft(draft, "visit", home, form.plain())
            try:
                _attach(desk, tablet, home, draft, form)
                tablet.finish_draft(draft, _records(desk, tablet, home, draft, form))
            except EntryRefused as error:
                words = told(error.problems, desk.lang)
                return _page(desk, tablet, home, draft, form.plain(), words)
            except REFUSALS as error:
                desk.tell(error)
                return _page(desk, tablet, home, draft, form.plain(), {})
            desk.keeper.syncing.start_by_itself(tablet)
        return desk.go(f"/saved/{draft}")

    return await posted(request, work)


def _records(
    desk: Desk, tablet: Tablet, home: str, draft: str, form: Form
) -> list[tuple[str, str, dict[str, Any]]]:
    """What a form is written as: the visit, and a need for each that was marked."""
    declared = tablet.schema.collections["visit"]
    now_ms = desk.keeper.clock()
    fields: dict[str, Any] = {
        "household": home,
        "at_ms": now_ms,
        "workers": [tablet.worker],
        "mode": "door",
    }
    for name in READ:
        value = read_value(declared.field(name), name, form)
        if value not in (None, []):
            fields[name] = value
    fields.update(QUICK.get(form.one("quick"), {}))
    if form.one("degrees"):
        text = f"{form.one('degrees')}.{form.one('tenths') or '0'}"
        fields["temperature_c"] = read_value(
            declared.field("temperature_c"), "t", Form([("t", text)], {})
        )
    if notes := [*form.all("phrase"), *form.all("notes")]:
        fields["notes"] = notes
    out: list[tuple[str, str, dict[str, Any]]] = [("visit", draft, fields)]
    persons = fields.get("persons") or []
    for kind in dict.fromkeys(form.all("needs")):
        need: dict[str, Any] = {
            "household": home,
            "kind": kind,
            "urgency": form.one("urgency") or "normal",
            "status": "open",
            "source": "visit",
            "visit": draft,
            "reporter": tablet.worker,
            "found_at_ms": now_ms,
        }
        if len(persons) == 1:
            need["person"] = persons[0]
        out.append(("need", keyed_id("need", [draft, kind]), need))
    return out


@get("/saved/{record:str}")
@in_thread
def saved(request: _Request, record: FromPath[str]) -> Response[Any]:
    """What was written, how to correct it, and whose door is next."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        found = tablet.read(record)
        agenda = tablet.agenda("due", limit=40, shown=False)
        following = [s for s in agenda.stops if s.home != found.home]
        here = next(iter(tablet.stops([found.home])), None)
        if here is not None:
            near = [s for s in following if s.building == here.building]
            following = [s for s in near if (s.floor, s.room) > (here.floor, here.room)] or near
            following = following or [s for s in agenda.stops if s.home != found.home]
        return desk.page(
            "saved.html",
            tablet,
            record=found,
            stop=here,
            following=following[0] if following else None,
            left=agenda.counts["due"] + agenda.counts["again"],
        )

    return desk.with_tablet(work)


HANDLERS = [visit_page, keep, finish, saved]
