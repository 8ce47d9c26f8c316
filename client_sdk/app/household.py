# SPDX-License-Identifier: Apache-2.0
"""A household on one screen, one record in full, and conflicts settled at the door.

What lives here: what is shown of a household, and the page of a conflict. What must not: entering
(``visit.py``, ``entry.py``). Invariant: where a field has several values, all of them are shown at
the field with who wrote each, never one alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response import Response

from client_sdk.app.custody import groups_of
from client_sdk.app.desk import Desk, Form, desk_of, in_thread, posted
from client_sdk.app.forms import Maker, read_value
from client_sdk.app.syncing import REFUSALS
from client_sdk.cli_show import UNSHOWN
from client_sdk.tablet import Tablet
from client_sdk.views import Field, Hit, Record
from sync.collections.declare import ENDED
from sync.schema import REGISTERS

_Request = Request[Any, Any, Any]
VISITS_SHOWN = 3
SHOWN = (
    "person",
    "visit",
    "need",
    "shortage",
    "attachment",
    "call",
    "parcel",
    "referral",
    "consent",
)
NEW = (
    "person",
    "need",
    "parcel",
    "call",
    "assessment",
    "child_check",
    "referral",
    "daily_form",
    "wish",
    "guardian_notice",
    "consent",
)
"""What is entered at a door, in the order of the talk."""
CALLED = (("phone", ""), ("phone2", ""), ("emergency_phone", "emergency_contact"))
CONFLICTS_A_PAGE = 20
CHANGES_SHOWN = 12


class Answered(NamedTuple):
    """The newest answer of one person to one purpose, and the person's name."""

    hit: Hit
    name: str


class Disputed(NamedTuple):
    """A field with several values, and the record it stands in."""

    record: Record
    field: Field


@get("/home/{home:str}")
@in_thread
def household(request: _Request, home: FromPath[str]) -> Response[Any]:
    """Who lives here, warnings, medicine, the last visits, what is open, whom to call."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        own = tablet.read(home)
        kept = tablet.listed(home, *SHOWN)
        visits = sorted(kept["visit"], key=lambda v: -_number(v, "at_ms"))
        kinds = ("image", "audio")
        photos = [a for a in kept["attachment"] if str(a.values.get("media_type"))[:5] in kinds]
        return desk.page(
            "household.html",
            tablet,
            own=own,
            home=home,
            stop=next(iter(tablet.stops([home])), None),
            people=kept["person"],
            visits=visits[:VISITS_SHOWN],
            visits_total=len(visits),
            needs=_open(kept["need"]),
            shortages=_open(kept["shortage"]),
            sent=_open(kept["referral"]),
            disputed=disputes(tablet, own, kept),
            names_of=lambda record: names_of(tablet, record),
            calls=[
                (str(own[field]), str(own[who] or "") if who else "")
                for field, who in CALLED
                if own[field]
            ],
            photos=sorted(photos, key=lambda a: -_number(a, "taken_at_ms"))[:6],
            consents=consents_of(kept["consent"], kept["person"]),
            drafts=tablet.drafts(home),
            new=[name for name in NEW if name in tablet.schema.collections],
            worker_name=tablet.worker_name,
        )

    return desk.with_tablet(work)


def disputes(tablet: Tablet, own: Record, kept: dict[str, list[Hit]]) -> list[Disputed]:
    """The fields of a household and its records that a person has to decide."""
    records = [own]
    records += [tablet.read(hit.id) for hits in kept.values() for hit in hits if hit.conflicts]
    return [Disputed(r, field) for r in records for field in r.fields.values() if field.open]


def consents_of(consents: list[Hit], people: list[Hit]) -> list[Answered]:
    """What each person answered last, for each purpose."""
    names = {hit.id: str(hit.values.get("name") or "") for hit in people}
    last: dict[tuple[str, str], Hit] = {}
    for hit in sorted(consents, key=lambda h: (str(h.values.get("on") or ""), h.id)):
        last[str(hit.values.get("person")), str(hit.values.get("purpose"))] = hit
    return [Answered(hit, names.get(person, "")) for (person, _), hit in sorted(last.items())]


def _open(hits: list[Hit]) -> list[Hit]:
    return [hit for hit in hits if hit.values.get("status") not in ENDED]


def _number(hit: Hit, field: str) -> int:
    value = hit.values.get(field)
    return value if isinstance(value, int) else 0


# -- one record -------------------------------------------------------------------------------


@get("/record/{record:str}")
@in_thread
def record_page(request: _Request, record: FromPath[str]) -> Response[Any]:
    """Every field of one record, and who wrote it."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        found = tablet.read(record)
        declared = tablet.schema.collections.get(found.collection)
        order = list(declared.fields) if declared else []
        fields = sorted(
            (f for f in found.fields.values() if f.name not in UNSHOWN and not _is_empty(f)),
            key=lambda f: (order.index(f.name) if f.name in order else len(order), f.name),
        )
        return desk.page(
            "record.html",
            tablet,
            record=found,
            fields=fields,
            names=names_of(tablet, found),
            is_sent=tablet.is_sent(record),
            kept=groups_of(tablet, tablet.custody(record, limit=CHANGES_SHOWN)),
        )

    return desk.with_tablet(work)


def _is_empty(field: Field) -> bool:
    return field.value in (None, "", []) and not field.conflict


def names_of(tablet: Tablet, record: Record) -> dict[str, str]:
    """What the records and workers that a record refers to are called: id -> name."""
    out: dict[str, str] = {}
    for name, field in record.fields.items():
        declared = tablet.schema.field(record.collection, name)
        values = field.value if isinstance(field.value, list) else [field.value]
        for value in [*values, *(one.value for one in field.siblings)]:
            if isinstance(value, str) and value and not declared.choices:
                known = tablet.name_of_record(value) if declared.refers_to else None
                named = known or tablet.worker_name(value)
                if named != value:
                    out[value] = named
    return out


# -- conflicts --------------------------------------------------------------------------------


@get("/conflicts")
@in_thread
def conflicts(request: _Request) -> Response[Any]:
    """What a person has to decide, in all households held."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        records = tablet.conflicts(open_only=True, limit=CONFLICTS_A_PAGE)
        found = [Disputed(r, f) for r in records for f in r.fields.values() if f.open]
        stops = {s.home: s for s in tablet.stops([d.record.home for d in found])}
        return desk.page(
            "conflicts.html",
            tablet,
            disputed=found,
            stops=stops,
            names_of=lambda record: names_of(tablet, record),
        )

    return desk.with_tablet(work)


@get("/settle/{record:str}/{field:str}")
@in_thread
def settle_page(request: _Request, record: FromPath[str], field: FromPath[str]) -> Response[Any]:
    """Both values, who wrote them, what each had seen; ask, and choose or write a third."""
    desk = desk_of(request)

    def work(tablet: Tablet) -> Response[Any]:
        return _settle(desk, tablet, record, field)

    return desk.with_tablet(work)


def _settle(
    desk: Desk, tablet: Tablet, record: str, field: str, problem: str = ""
) -> Response[Any]:
    found = tablet.read(record)
    shown = found.fields.get(field)
    if shown is None or not shown.conflict:
        desk.say("settled-already", "good")
        return desk.go(f"/home/{found.home}")
    declared = tablet.schema.collections[found.collection]
    maker = Maker(tablet, found.home, desk.lang, creating=False)
    return desk.page(
        "settle.html",
        tablet,
        record=found,
        field=shown,
        third=maker.widget(declared, field, []),
        values=_different(shown),
        stop=next(iter(tablet.stops([found.home])), None),
        problem=problem,
        names=names_of(tablet, found),
    )


def _different(field: Field) -> list[tuple[Any, list[Any]]]:
    """Value -> those who wrote it, in the order of their stamps."""
    out: list[tuple[Any, list[Any]]] = []
    for sibling in field.siblings:
        for value, by in out:
            if value == sibling.value:
                by.append(sibling)
                break
        else:
            out.append((sibling.value, [sibling]))
    return out


@post("/settle/{record:str}/{field:str}")
async def settle(request: _Request, record: FromPath[str], field: FromPath[str]) -> Response[Any]:
    """Write what was found out, with how it was found out as the reason."""

    def work(desk: Desk, form: Form) -> Response[Any]:
        with desk.keeper.tablet() as tablet:
            found = tablet.read(record)
            shown = found.fields.get(field)
            if shown is None or shown.policy not in REGISTERS:
                return desk.go(f"/home/{found.home}")
            declared = tablet.schema.field(found.collection, field)
            chosen, values = form.one("value"), _different(shown)
            if chosen.isdigit() and int(chosen) < len(values):
                value = values[int(chosen)][0]
            elif chosen == "other" or (not chosen and form.one(field)):
                value = read_value(declared, field, form)
            else:
                return _settle(desk, tablet, record, field, desk.words("choose-one"))
            reason = "、".join([*form.all("how"), *form.all("because")])[:200]
            try:
                tablet.resolve(record, field, value, reason=reason)
            except REFUSALS as error:
                message = error.message("en" if desk.lang == "en" else "zh")
                return _settle(desk, tablet, record, field, message)
            desk.say("settled")
            return desk.go(f"/home/{found.home}")

    return await posted(request, work)


HANDLERS = [household, record_page, conflicts, settle_page, settle]
