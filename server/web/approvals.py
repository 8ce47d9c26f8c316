# SPDX-License-Identifier: Apache-2.0
"""The rule of two, as a page: asking, and another's answer.

What lives here: forms to functions. What must not: the rule itself (``server.approvals``).
Invariant: who answers has just shown a factor again.
"""

from __future__ import annotations

from server.accounts import AUDIT, READ, find_account
from server.approvals import (
    APPROVED,
    APPROVED_HOURS,
    ASKED,
    KINDS,
    REASON_CHARS_MAX,
    REFUSED,
    TARGET_CHARS_MAX,
    Approval,
    answer,
    approval,
    approvals,
    ask,
)
from server.errors import NotFound
from server.web.errors import FormRefused
from server.web.routing import Go, Result, Shown, Visit, act, page
from server.web.scoped import Scoped

STATE_NAMES = {
    ASKED: "待批 ‖ waiting",
    APPROVED: "已批准 ‖ approved",
    REFUSED: "未批准 ‖ refused",
}


@page("/approvals", READ)
def listed(visit: Visit) -> Result:
    """What was asked for in the area, what waits first."""
    with visit.scope() as scoped:
        values = {
            "found": [one for one in approvals(scoped.tx) if _seen(scoped, visit, one)],
            "names": scoped.names,
            "kinds": KINDS,
            "state_names": STATE_NAMES,
            "asked": {"kind": visit.query("kind"), "target": visit.query("target")},
            "may_answer": visit.account.may(AUDIT),
            "hours": APPROVED_HOURS,
            "reason_chars": REASON_CHARS_MAX,
        }
    return Shown("approvals.html", values)


def _seen(scoped: Scoped, visit: Visit, one: Approval) -> bool:
    """Own requests, those of accounts in the area, and those made at the machine."""
    asker = find_account(scoped.tx, one.asked_by)
    return asker is None or asker.id == visit.account.id or scoped.holds(asker.area)


@act("/approvals/ask", READ)
def asking(visit: Visit) -> Result:
    """Ask for another's yes."""
    kind, reason = visit.text("kind", 40), visit.text("reason", REASON_CHARS_MAX)
    if not reason:
        raise FormRefused(visit.say("请写明理由 ‖ give a reason"))
    with visit.writing() as scoped:
        target = visit.text("target", TARGET_CHARS_MAX)
        ask(scoped.tx, kind, target, visit.account.id, reason, visit.now_ms)
    return Go("/approvals", visit.say("已申请，等另一人批复 ‖ Asked; another must answer"))


@act("/approvals/{n:int}/answer", AUDIT, sure=True)
def answering(visit: Visit) -> Result:
    """Say yes or no to another's request."""
    yes = visit.text("yes", 8) == "yes"
    with visit.writing() as scoped:
        one = approval(scoped.tx, visit.number("n"))
        if not _seen(scoped, visit, one):
            raise NotFound("approval")
        answer(scoped.tx, one.n, visit.account.id, yes, visit.now_ms)
    said = "已批准 ‖ Approved" if yes else "未批准 ‖ Refused"
    return Go("/approvals", visit.say(said))
