# SPDX-License-Identifier: Apache-2.0
"""A person's rights in the console: a copy of everything held, erasing, a legal hold.

What lives here: forms to functions. What must not: collecting (``server.rights``), planning,
erasing. Invariants
- Every page asks for a code again, and what it shows is in the access log first.
- An erasure is asked for twice: by the page that says what it comes to, and by the record's id,
  typed. What lies outside the account's area does not exist.
"""

from __future__ import annotations

from typing import Any

from server import rights_document
from server.accounts import PERSON
from server.audit_words import moment
from server.erasing_archives import away_for
from server.erasing_certificate import AWAY_WORDS, STAYS_WORDS, cases
from server.erasing_keeping import erase_here
from server.erasing_plan import BASES, Plan, active_holds, add_hold, plan_erasure, related_to
from server.errors import HoldStands
from server.rights import Everything, everything
from server.web.errors import FormRefused
from server.web.routing import Download, Go, Result, Shown, Visit, act, page
from server.web.scoped import Scoped
from server.withdrawals import close_withdrawal, withdrawals
from sync.record import RecordState

PURPOSE = "rights"
ASKED = [basis for basis in BASES if basis != "retention"]


def _everything(
    visit: Visit, scoped: Scoped, subject: str, away: set[str] | None = None
) -> Everything:
    """All that is held, within the account's area, and noted as read; ``away`` as there."""
    scoped.place(subject)

    def opened(collection: str, record: str, state: RecordState) -> RecordState:
        return scoped.sealed.state(collection, record, state) if scoped.sealed else state

    found = everything(scoped.tx, scoped.schema, subject, visit.now_ms, opened, away)
    for one in found.records:
        scoped.saw(found.area, found.home, one.record)
    return found


def _plan(visit: Visit, scoped: Scoped, subject: str) -> Plan | None:
    try:
        fields = visit.service.district.fields
        return plan_erasure(
            scoped.tx, scoped.schema, subject, "request", "", visit.account.id, fields=fields
        )
    except HoldStands:
        return None


@page("/records/{record:str}/rights", PERSON, sure=True)
def rights(visit: Visit) -> Result:
    """What is held about a person or household, and what erasing it would come to."""
    subject = visit.param("record")
    visit.purpose = PURPOSE
    with visit.scope() as scoped:
        away: set[str] = set()
        found = _everything(visit, scoped, subject, away)
        plan = _plan(visit, scoped, subject)
        values: dict[str, Any] = {
            "found": found,
            "subject": subject,
            "plan": plan,
            "away": sorted(away | (plan.case.away if plan else set())),
            "away_words": AWAY_WORDS,
            "bases": ASKED,
            "basis": visit.query("basis"),
            "stays": STAYS_WORDS,
            "cases": [one for one in cases(scoped.tx) if one.subject == subject],
            "changes": sum(len(one.changes) for one in found.records),
        }
    return Shown("rights.html", values)


@page("/withdrawn", PERSON)
def withdrawn(visit: Visit) -> Result:
    """Consents that were taken back and not seen to: each leads to the page that erases."""
    visit.purpose = f"{PURPOSE} withdrawn"
    with visit.scope() as scoped:
        found = withdrawals(scoped.tx, scoped.area)
        for one in found:
            scoped.saw(one.area, one.home, one.person, ("name",))
    return Shown("withdrawn.html", {"found": found})


@act("/withdrawn/{record:str}/close", PERSON, sure=True)
def close(visit: Visit) -> Result:
    """Say why nothing is to be erased for a withdrawal."""
    record, reason = visit.param("record"), visit.text("reason", 400)
    with visit.writing() as scoped:
        scoped.place(record)
        if not reason:
            raise FormRefused(visit.say("请写明理由 ‖ give a reason"))
        close_withdrawal(scoped.tx, record, reason, visit.account.id, visit.now_ms)
    return Go("/withdrawn", visit.say("已记录 ‖ Noted"))


@page("/records/{record:str}/copy", PERSON, sure=True)
def copy(visit: Visit) -> Result:
    """The copy for the person: a page to print, or JSON with ``as=json``."""
    subject = visit.param("record")
    visit.purpose = f"{PURPOSE} copy"
    with visit.scope() as scoped:
        found = _everything(visit, scoped, subject)
        schema = scoped.schema
    if visit.query("as") == "json":
        return Download(rights_document.as_json(found), "application/json", f"{subject}.json")
    text = rights_document.as_html(
        found, schema, lambda ms: moment(ms, "zh") if ms else "", visit.areas
    )
    return Download(text.encode(), "text/html", f"{subject}.html")


@act("/records/{record:str}/erase", PERSON, sure=True)
def erase(visit: Visit) -> Result:
    """Erase it, here and wherever it went."""
    subject = visit.param("record")
    with visit.scope() as scoped:
        scoped.place(subject)
    basis, reason = visit.text("basis", 20), visit.text("reason", 400)
    if visit.text("typed", 64) != subject or basis not in ASKED or not reason:
        raise FormRefused(visit.say("请写明理由并输入编号确认 ‖ give a reason and type the id"))
    district, data = visit.service.district, visit.service.settings.data
    asked: tuple[Any, ...] = (subject, basis, reason, visit.account.id, [], visit.texts("redact"))
    case = erase_here(district, data, *asked)
    said = visit.say("已删除，案号 {case} ‖ Erased, case {case}", case=case.hex()[:16])
    with visit.scope() as scoped:
        away = away_for(scoped.tx, case)
    lines = [said, *(f"{name}: {visit.say(AWAY_WORDS)}" for name in away)]
    return Go("/search", " · ".join(lines))


@act("/records/{record:str}/hold", PERSON, sure=True)
def hold(visit: Visit) -> Result:
    """Keep it from erasure; releasing is for two people, and not done here."""
    subject, reason = visit.param("record"), visit.text("reason", 400)
    with visit.writing() as scoped:
        scoped.place(subject)
        related_to(scoped.tx, scoped.schema, subject)
        if not reason:
            raise FormRefused(visit.say("请写明理由 ‖ give a reason"))
        if subject not in active_holds(scoped.tx):
            add_hold(scoped.tx, subject, reason, visit.account.id, visit.now_ms)
    return Go(f"/records/{subject}/rights", visit.say("已保全 ‖ Held"))
