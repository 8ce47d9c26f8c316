# SPDX-License-Identifier: Apache-2.0
"""Forms from declarations: a new record of any kind, and the correction of one.

What lives here: the pages of generated forms and their drafts. What must not: widgets
(``forms.py``). Invariant: a correction says why, and writes only what was changed.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Response

from client_sdk.app import media
from client_sdk.app.desk import Desk, Form, desk_of, in_thread, posted
from client_sdk.app.forms import (
    FIRST_STATUS,
    Maker,
    Widget,
    read_changes,
    read_new,
    texts_of,
    told,
)
from client_sdk.app.household import NEW
from client_sdk.app.syncing import REFUSALS
from client_sdk.errors import EntryRefused
from client_sdk.tablet import Tablet
from sync.effects import day_of

_Request = Request[Any, Any, Any]
CONSENT = "consent"
SIGNED = {"consent": "sign-answer", "parcel": "sign-received", "guardian_notice": "sign-notice"}
"""What is signed on the glass, of each collection that has a signature: the text above it."""
NOWHERE = "-"
"""In an address, where a new household has no household to stand in."""


@get("/home/{home:str}/new/{collection:str}")
@in_thread
def new_page(request: _Request, home: FromPath[str], collection: FromPath[str]) -> Response[Any]:
    """An empty form of one collection."""
    desk = desk_of(request)
    if collection not in (*NEW, "household", "shortage"):
        raise NotFoundException()

    def work(tablet: Tablet) -> Response[Any]:
        given: dict[str, list[str]] = {}
        if collection in FIRST_STATUS:
            given["status"] = [FIRST_STATUS[collection]]
        if collection == "household":
            given["area"] = [_area(tablet)]
        if collection == "daily_form":
            given["on"] = [day_of(desk.keeper.clock())]
        if collection == "child_check":
            given["mode"] = ["door"]
        if collection == CONSENT:
            given |= _asked_consent(request, tablet, home, day_of(desk.keeper.clock()))
        return _page(desk, tablet, home, collection, tablet.new_id(), given, {})

    return desk.with_tablet(work)


def _asked_consent(
    request: _Request, tablet: Tablet, home: str, today: str
) -> dict[str, list[str]]:
    """What a consent's form begins with: whose it is, what about, who is to sign."""
    people = [hit.id for hit in tablet.listed(home, "person")["person"]]
    asked = {name: str(request.query_params.get(name, "")) for name in ("purpose", "answer")}
    given = {name: [value] for name, value in asked.items() if value} | {"on": [today]}
    whose = str(request.query_params.get("person", ""))
    if len(people) == 1:
        whose = people[0]
    if whose in people:
        child = tablet.needs_guardian(whose, today)
        given |= {"person": [whose], "signed_by": ["guardian" if child else "self"]}
    return given


def _marked(
    desk: Desk,
    tablet: Tablet,
    collection: str,
    widgets: list[Widget],
    given: dict[str, list[str]],
) -> list[Widget]:
    """The widgets of a consent: at each child stands that a guardian signs."""
    if collection != CONSENT:
        return widgets
    on, mark = given.get("on", [""])[-1], desk.words("guardian-mark")
    return [
        one._replace(
            options=tuple(
                o._replace(label=f"{o.label} · {mark}") if tablet.needs_guardian(o.value, on) else o
                for o in one.options
            )
        )
        if one.name == "person"
        else one
        for one in widgets
    ]


def _child(tablet: Tablet, collection: str, given: dict[str, list[str]]) -> str:
    """The name of the child for whom a guardian signs; empty where nobody has to."""
    whose = given.get("person", [""])[-1]
    if collection != CONSENT or not whose or not tablet.holds(whose):
        return ""
    if not tablet.needs_guardian(whose, given.get("on", [""])[-1]):
        return ""
    return tablet.name_of_record(whose) or "–"


@get("/draft/{draft:str}")
@in_thread
def draft_page(request: _Request, draft: FromPath[str]) -> Response[Any]:
    """Go on with what was begun."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        found = tablet.draft(draft)
        if found is None:
            return desk.go(f"/record/{draft}" if tablet.holds(draft) else "/")
        if found.kind == "visit":
            return desk.go(f"/home/{found.home}/visit")
        return _page(desk, tablet, found.home or NOWHERE, found.kind, draft, found.values, {})

    return desk.with_tablet(work)


@post("/draft/{draft:str}/drop")
@in_thread
def drop(request: _Request, draft: FromPath[str]) -> Response[Any]:
    """Forget what was begun, by the worker's own word."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        found = tablet.draft(draft)
        tablet.drop_draft(draft)
        desk.say("draft-dropped")
        return desk.go(f"/home/{found.home}" if found and found.home else "/")

    return desk.with_tablet(work)


def _page(
    desk: Desk,
    tablet: Tablet,
    home: str,
    collection: str,
    draft: str,
    given: dict[str, list[str]],
    problems: dict[str, str],
) -> Response[Any]:
    declared = tablet.schema.collections[collection]
    inside = "" if home == NOWHERE else home
    maker = Maker(tablet, inside, desk.lang, creating=True)
    return desk.page(
        "entry.html",
        tablet,
        status=400 if problems else 200,
        home=home,
        collection=collection,
        draft=draft,
        widgets=_marked(desk, tablet, collection, maker.widgets(declared, given, problems), given),
        problems=problems,
        stop=next(iter(tablet.stops([inside])), None) if inside else None,
        with_photo="photos" in declared.fields or "signature" in declared.fields,
        signed=SIGNED[collection] if "signature" in declared.fields else "",
        files=sum(map(len, _kept_with(tablet, home, draft).values())),
        child=_child(tablet, collection, given),
        record=None,
    )


@post("/home/{home:str}/new/{collection:str}/{draft:str}/keep")
async def keep(
    request: _Request, home: FromPath[str], collection: FromPath[str], draft: FromPath[str]
) -> Response[Any]:
    """Keep what was entered so far."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        with desk.keeper.tablet() as tablet:
            if not tablet.holds(draft):
                inside = "" if home == NOWHERE else home
                tablet.keep_draft(draft, collection, inside, form.plain())
        if "doorstep-script" in request.headers:
            return Response(None, status_code=204)
        desk.say("draft-kept")
        return desk.go("/" if home == NOWHERE else f"/home/{home}")

    return await posted(request, work)


@post("/home/{home:str}/new/{collection:str}/{draft:str}")
async def create(
    request: _Request, home: FromPath[str], collection: FromPath[str], draft: FromPath[str]
) -> Response[Any]:
    """Write the record."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        if collection not in (*NEW, "household", "shortage"):
            raise NotFoundException()
        with desk.keeper.tablet() as tablet:
            declared = tablet.schema.collections[collection]
            fields = read_new(declared, form, desk.keeper.clock())
            if home != NOWHERE:
                fields["household"] = home
            fields.update(_written_by(tablet, collection))
            try:
                if collection == CONSENT and not tablet.holds(draft):
                    # Before the signature is kept: nobody signs what is completed afterwards.
                    tablet.check_consent(fields, signed=bool(_signed(form)))
                _photo(tablet, fields, home, collection, draft, form)
                made = tablet.finish_draft(draft, [(collection, draft, fields)])[0]
            except EntryRefused as error:
                words = told(error.problems, desk.lang)
                if collection == CONSENT and form.files:
                    desk.say("sign-anew", "bad")
                return _page(desk, tablet, home, collection, draft, form.plain(), words)
            except REFUSALS as error:
                desk.tell(error)
                return _page(desk, tablet, home, collection, draft, form.plain(), {})
            desk.say("saved-it")
            desk.keeper.syncing.start_by_itself(tablet)
        return desk.go(f"/home/{made if home == NOWHERE else home}")

    return await posted(request, work)


def _written_by(tablet: Tablet, collection: str) -> dict[str, Any]:
    """The fields that name who was there."""
    declared = tablet.schema.collections[collection].fields
    out: dict[str, Any] = {}
    for name in ("workers", "assessors", "reporter", "caller", "carrier", "delivered_by"):
        if name in declared:
            union = declared[name].policy == "union"
            out[name] = [tablet.worker] if union else tablet.worker
    return out


def _photo(
    tablet: Tablet, fields: dict[str, Any], home: str, collection: str, draft: str, form: Form
) -> None:
    """Keep a photo or signature that came with the form, named by the record.

    Those that came with it before, when something else was not right yet, are still its own.
    """
    declared = tablet.schema.collections[collection].fields
    if home == NOWHERE or tablet.holds(draft):
        return
    for field, earlier in _kept_with(tablet, home, draft).items():
        fields[field] = earlier if declared[field].policy == "union" else earlier[-1]
    wanted = [("photo", "photos"), ("signature", "signature")]
    if collection == CONSENT:
        wanted = [(_signed(form), "signature")]
    for name, field in wanted:
        upload = form.files.get(name)
        if upload is None or field not in declared:
            continue
        is_photo = name == "photo"
        made = tablet.attach(
            media.photo(upload.data) if is_photo else media.signature(upload.data),
            household=home,
            media_type="image/jpeg" if is_photo else "image/png",
            purpose="handover" if is_photo and collection == "parcel" else "signature",
            about=(collection, draft, field),
        )
        union = declared[field].policy == "union"
        fields[field] = [*fields.get(field, ()), made] if union else made


def _kept_with(tablet: Tablet, home: str, draft: str) -> dict[str, list[str]]:
    """What came with a form that is not written yet, by the field it belongs to."""
    out: dict[str, list[str]] = {}
    if home != NOWHERE:
        for hit in tablet.listed(home, "attachment")["attachment"]:
            if hit.values.get("about_record") == draft and hit.values.get("about_field"):
                out.setdefault(str(hit.values["about_field"]), []).append(hit.id)
    return out


def _signed(form: Form) -> str:
    """Which file of a form is the signature: from the glass, or of paper where there is none."""
    return next((name for name in ("signature", "photo") if name in form.files), "")


def _area(tablet: Tablet) -> str:
    """The area of the households held: a new one at the next door lies in it too."""
    stops = tablet.agenda("all", limit=1, shown=False).stops
    return str(tablet.read(stops[0].home)["area"] or "") if stops else ""


# -- correcting -------------------------------------------------------------------------------


@get("/record/{record:str}/edit")
@in_thread
def edit_page(request: _Request, record: FromPath[str]) -> Response[Any]:
    """The form of a record, filled with what is shown of it."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        return _edit(desk, tablet, record, None, {})

    return desk.with_tablet(work)


def _edit(
    desk: Desk,
    tablet: Tablet,
    record: str,
    given: dict[str, list[str]] | None,
    problems: dict[str, str],
) -> Response[Any]:
    found = tablet.read(record)
    declared = tablet.schema.collections[found.collection]
    maker = Maker(tablet, found.home, desk.lang, creating=False)
    texts = texts_of(declared, found) if given is None else given
    return desk.page(
        "entry.html",
        tablet,
        status=400 if problems else 200,
        home=found.home,
        collection=found.collection,
        draft="",
        # What somebody signed is voided and signed anew, never written over.
        widgets=[] if found.collection == CONSENT else maker.widgets(declared, texts, problems),
        problems=problems,
        stop=next(iter(tablet.stops([found.home])), None),
        with_photo=False,
        signed="",
        files=0,
        child="",
        record=found,
    )


@post("/record/{record:str}/edit")
async def edit(request: _Request, record: FromPath[str]) -> Response[Any]:
    """Write what was changed, with the reason."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        with desk.keeper.tablet() as tablet:
            found = tablet.read(record)
            declared = tablet.schema.collections[found.collection]
            if found.collection == CONSENT:
                desk.say("consent-stands", "bad")
                return desk.go(f"/record/{record}")
            changes = read_changes(declared, found, form)
            try:
                if changes.sets:
                    tablet.set_fields(record, changes.sets, reason=form.one("reason")[:200])
                for name, added in changes.adds.items():
                    tablet.add(record, name, *added)
                for name, removed in changes.removes.items():
                    tablet.remove(record, name, *removed)
                for name, amount in changes.counts.items():
                    tablet.count(record, name, amount)
                for name, entry in changes.appends.items():
                    tablet.append(record, name, entry)
            except EntryRefused as error:
                words = told(error.problems, desk.lang)
                return _edit(desk, tablet, record, form.plain(), words)
            except REFUSALS as error:
                desk.tell(error)
                return _edit(desk, tablet, record, form.plain(), {})
            desk.say("saved-it" if any(changes) else "nothing-changed")
            return desk.go(f"/record/{record}")

    return await posted(request, work)


@post("/record/{record:str}/void")
async def void(request: _Request, record: FromPath[str]) -> Response[Any]:
    """Say that a record was a mistake, with the reason; it stays readable."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        reason = form.one("reason")[:200]
        if not reason:
            desk.say("reason-needed", "bad")
            return desk.go(f"/record/{record}/edit")
        with desk.keeper.tablet() as tablet:
            home = tablet.read(record).home
            tablet.void(record, reason)
        desk.say("voided-it")
        return desk.go(f"/record/{record}" if home == record else f"/home/{home}")

    return await posted(request, work)


HANDLERS = [new_page, draft_page, drop, keep, create, edit_page, edit, void]
