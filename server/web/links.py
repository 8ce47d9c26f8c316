# SPDX-License-Identifier: Apache-2.0
"""Links that broke: what is wrong with each, what to do, pointing one elsewhere and back.

What lives here: forms to functions. What must not: finding them (``links``), rules. Invariants
- Nothing is repaired by itself: each is an officer's change with a reason, and can be set back.
- A link is pointed to records that the officer sees, or to none.
"""

from __future__ import annotations

from server.accounts import AUDIT, READ
from server.audit_words import field_words
from server.errors import NotFound
from server.history import Stored
from server.links import broken_in
from server.own import Write
from server.repair_words import TO_DO_WORDS, WRONG_WORDS
from server.store.base import Transaction
from server.web.errors import FormRefused
from server.web.listed import part_of
from server.web.remembered import Counted, patience, results_of
from server.web.routing import Go, Result, Shown, Visit, act, page
from server.web.scoped import Scoped
from server.web.scoped_repair import targets
from sync.change import ADD, REMOVE, Value
from sync.links import Broken
from sync.schema import Field

KEPT_MS = 3_600_000
"""All records are gone through: once an hour while somebody looks."""


def broken(visit: Visit, scoped: Scoped, until: float) -> Counted | None:
    """The broken links of the area; None where that takes longer than ``until``."""
    area, schema = scoped.area, scoped.schema

    def find(tx: Transaction) -> list[Broken]:
        return broken_in(tx, schema, area)

    results = results_of(visit.service)
    return results.get(("links", area), find, until, kept_ms=KEPT_MS, long=True)


@page("/repair/links", READ)
def links(visit: Visit) -> Result:
    """Links that lead nowhere any more, each with what to do."""
    visit.purpose = "repair"
    with visit.scope() as scoped:
        held = broken(visit, scoped, patience())
        listed = part_of(held, _name, scoped.still_broken, visit.query("after"))
        values = listed | {
            "titles": scoped.titles([one.home for one in listed["found"]]),
            "wrong_words": WRONG_WORDS,
            "to_do_words": TO_DO_WORDS,
        }
    return Shown("links.html", values)


def _name(one: Broken) -> str:
    return f"{one.record} {one.field} {one.to}"


@page("/repair/links/{record:str}/{field:str}", READ)
def link(visit: Visit) -> Result:
    """One link, what it could lead to instead, and the way back after that was changed."""
    visit.purpose = "repair"
    with visit.scope() as scoped:
        stored, declared = _link(visit, scoped)
        home, _ = scoped.place(stored.record)
        held = list(targets(stored.body.get(visit.param("field"))))
        asked = visit.query("to")
        values = {
            "record": stored.record,
            "title": scoped.titles([stored.record]).get(stored.record, ""),
            "home": home,
            "home_title": scoped.titles([home]).get(home, ""),
            "collection_name": stored.collection,
            "field_name": visit.param("field"),
            "held": held,
            "to": asked if asked in held else (held[0] if held else ""),
            "was": visit.query("was"),
            "now": visit.query("now"),
            "choices": _choices(scoped, home, stored.record, declared),
            "required": declared.required,
            "team": bool(declared.names),
            "may_audit": visit.account.may(AUDIT),
            "wanted": field_words(
                scoped.schema, stored.collection, visit.param("field"), visit.lang
            ),
        }
    return Shown("link.html", values)


def _link(visit: Visit, scoped: Scoped) -> tuple[Stored, Field]:
    """A record and its field that is a link. Raises NotFound."""
    stored = scoped.record(visit.param("record"))
    declared = scoped.schema.field(stored.collection, visit.param("field"))
    if not (declared.refers_to or declared.names):
        raise NotFound("link")
    return stored, declared


def _choices(scoped: Scoped, home: str, record: str, declared: Field) -> list[tuple[str, str]]:
    if declared.names:
        return [(team.id, team.name) for team in scoped.teams()]
    found = scoped.link_choices(home, declared.refers_to)
    return [(one, title) for one, title in found if one != record]


@act("/repair/links/{record:str}/{field:str}/point", AUDIT)
def point(visit: Visit) -> Result:
    """Point a link to another record, or to none."""
    visit.purpose = "repair"
    name, was = visit.param("field"), visit.text("was", 64)
    now = visit.text("other", 64) or visit.text("now", 64)
    reason = visit.text("reason")
    if not reason:
        raise FormRefused(visit.say("请写明原因 ‖ give a reason"))
    with visit.scope() as scoped:
        stored, declared = _link(visit, scoped)
        if was not in (*targets(stored.body.get(name)), "") or was == now:
            raise FormRefused(visit.say("链接已经改动，请重新查看 ‖ the link changed: look again"))
        if not now and declared.required:
            raise FormRefused(visit.say("此项不能为空 ‖ this one cannot be empty"))
        if now and visit.text("back", 2) != "1":
            _check_target(scoped, declared, now)
        write = _write(declared, stored.collection, stored.record, name, was, now)
    visit.service.district.write_many(visit.account.id, [write], reason)
    said = visit.say("已改指，各平板下次同步时收到 ‖ Saved; tablets get it at their next sync")
    return Go(f"/repair/links/{stored.record}/{name}?was={was}&now={now}", said)


def _check_target(scoped: Scoped, declared: Field, now: str) -> None:
    """Raises NotFound for what is not there, not seen, void, or of another kind."""
    if declared.names:
        scoped.team(now)
        return
    there = scoped.record(now)
    if there.voided or there.collection != declared.refers_to:
        raise NotFound(declared.refers_to)


def _write(declared: Field, collection: str, record: str, name: str, was: str, now: str) -> Write:
    if declared.policy != "union":
        return (collection, record, {name: now or None}, [])
    others: list[tuple[str, str, Value]] = []
    others += [(REMOVE, name, [was])] if was else []
    others += [(ADD, name, [now])] if now else []
    return (collection, record, {}, others)
