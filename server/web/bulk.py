# SPDX-License-Identifier: Apache-2.0
"""Settling many conflicts by one stated rule, with a preview of each.

What lives here: what a rule chooses, the preview, and doing it one by one. What must not: deciding,
which is ``resolving``'s. Invariants
- What is done is what the preview showed: each conflict comes back with the value chosen and the
  digest of what was looked at; one that changed meanwhile is left alone and named.
- A rule that does not choose one value in a conflict leaves that conflict out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from server.accounts import AUDIT
from server.audit import Filter
from server.audit_show import Conflict, Side
from server.errors import ServerError
from server.resolving import resolve
from server.web.conflicts import REASONS, wanted_of
from server.web.errors import FormRefused
from server.web.routing import Go, Result, Shown, Visit, act, page
from server.web.scoped import Scoped
from sync.policy import same_key

BULK_MAX = 50
"""Conflicts settled at once: what an eye goes through, and a third of a second of writing."""
RULES: dict[str, str] = {
    "latest": "采用最后写入的值 ‖ keep what was written last",
    "earliest": "采用最先写入的值 ‖ keep what was written first",
    "shown": "采用现在显示的值 ‖ keep what is shown now",
    "team": "采用小组“{whom}”的值 ‖ keep the value of team “{whom}”",
    "worker": "采用“{whom}”的值 ‖ keep the value of “{whom}”",
}


class Plan(NamedTuple):
    """What is to be done with one conflict; ``chosen`` is None where the rule does not choose."""

    conflict: Conflict
    chosen: Side | None
    kept: str
    lost: tuple[tuple[str, str], ...]


def choose_by(rule: str, wanted: Filter, found: Conflict) -> Side | None:
    """The side that a rule chooses, None where it chooses none or more than one value."""
    live = [side for side in found.sides if side.live]
    fitting: dict[str, Callable[[], list[Side]]] = {
        "latest": lambda: sorted(live, key=lambda s: (s.stamp, s.dot))[-1:],
        "earliest": lambda: sorted(live, key=lambda s: (s.stamp, s.dot))[:1],
        "shown": lambda: [s for s in live if same_key(s.value) == same_key(found.shown)],
        "team": lambda: [s for s in live if s.team and s.team == wanted.team],
        "worker": lambda: [s for s in live if wanted.worker in (s.worker, s.worker_name)],
    }
    if rule not in fitting:
        raise FormRefused("rule")
    sides = fitting[rule]()
    return sides[0] if sides and len({same_key(s.value) for s in sides}) == 1 else None


@page("/conflicts/bulk", AUDIT)
def preview(visit: Visit) -> Result:
    """What a rule would do with the conflicts that were ticked, or the first of a filter."""
    visit.purpose = "bulk"
    rule, wanted = visit.query("rule", "latest"), wanted_of(visit)
    ticked = visit.request.query_params.getall("n", [])
    with visit.scope() as scoped:
        if visit.query("which") == "all":
            numbers = [line.n for line in scoped.conflicts(wanted, BULK_MAX, None).lines]
        else:
            numbers = [int(n) for n in ticked if n.isascii() and n.isdigit() and len(n) < 16]
        plans = [_plan(visit, scoped, rule, wanted, n) for n in dict.fromkeys(numbers[:BULK_MAX])]
    open_ones = [p for p in plans if p.conflict.state in ("open", "rule", "undone")]
    return Shown(
        "bulk.html",
        {
            "plans": [p for p in open_ones if p.chosen],
            "left_out": [p for p in open_ones if not p.chosen],
            "rule_words": visit.say(RULES[rule], whom=wanted.worker or wanted.team),
            "reasons": REASONS,
        },
    )


def _plan(visit: Visit, scoped: Scoped, rule: str, wanted: Filter, n: int) -> Plan:
    # What the writers had seen would have to be read from the feeds, and stands a click away.
    found = scoped.conflict(n, brief=True)
    chosen = choose_by(rule, wanted, found)

    def words(side: Side) -> str:
        return visit.value(found.collection, found.field, side.value)

    lost = tuple(
        (side.worker_name, words(side))
        for side in found.sides
        if side.live and chosen and same_key(side.value) != same_key(chosen.value)
    )
    return Plan(found, chosen, words(chosen) if chosen else "", lost)


@act("/conflicts/bulk", AUDIT)
def settle(visit: Visit) -> Result:
    """Settle what the preview showed."""
    visit.purpose = "bulk"
    reason, done, failed = visit.text("reason"), 0, []
    picks = visit.texts("pick")[:BULK_MAX]
    if not picks:
        raise FormRefused(visit.say("没有要裁定的冲突 ‖ nothing to settle"))
    for pick in picks:
        number, _, rest = pick.partition(":")
        choice, _, seen = rest.partition(":")
        if not (number.isascii() and number.isdigit() and len(number) < 16 and len(seen) == 16):
            raise FormRefused("pick")
        with visit.scope() as scoped:
            scoped.check_conflict(int(number))
        try:
            resolve(
                visit.service.district,
                int(number),
                officer=visit.account.id,
                reason=reason,
                seen=seen,
                choice=choice,
            )
            done += 1
        except ServerError as error:
            if error.status >= 500 or not reason:
                raise
            failed.append(number)
    said = visit.say("已裁定 {n} 个 ‖ {n} settled", n=done)
    if failed:
        said += visit.say(
            "；{n} 个未动，因为有了新的修改或已有人裁定：{which} ‖ "
            "; {n} left alone because something changed or somebody settled them: {which}",
            n=len(failed),
            which=", ".join(failed),
        )
    return Go("/conflicts", said)
