# SPDX-License-Identifier: Apache-2.0
"""Conflicts that joins of households made: in the inbox, and beside the two that were joined.

What lives here: counting them for the inbox, forms to functions and back. What must not: finding
them (``joined_audit``), deciding (``joined_deciding``). Invariant: a decision brings back the
digest of what was looked at.
"""

from __future__ import annotations

from typing import Any

from server.accounts import AUDIT
from server.audit import Filter
from server.audit_words import moment
from server.joined_audit import JoinedConflict, counts_of, joined_conflicts, joined_of, met_by
from server.joined_deciding import resolve_joined, undo_joined
from server.store.base import Transaction
from server.web.errors import FormRefused
from server.web.remembered import Counted, patience, results_of
from server.web.routing import Go, Result, Visit, act
from server.web.scoped import Scoped

ROWS = 50
EXACT_MAX = 200
"""Up to so many are counted anew for each change of the record; more are, once a minute."""


def _counted(visit: Visit, scoped: Scoped) -> Counted | None:
    """Those of the account's area; None while they are looked for the first time.

    The history of each is read, so it is done apart: for the record as it stands, or, where they
    are many or that takes longer than a page may, for how it stood within the last minute.
    """
    area, schema = scoped.area, scoped.schema

    def find(tx: Transaction) -> list[JoinedConflict]:
        return joined_conflicts(tx, schema, Filter(area=area))

    results, at = results_of(visit.service), scoped.sequence()
    near = results.held(("joined", area))
    if near is None or len(near.result) <= EXACT_MAX:
        held = results.get(("joined", area, at), find, patience(), long=True)
        if held is not None:
            return held
    return results.get(("joined", area), find, 0.0, long=True)


def in_inbox(visit: Visit, scoped: Scoped, wanted: Filter) -> dict[str, Any]:
    """What the inbox shows of them by its filter: lines, how many, how many of each state."""
    held, area = _counted(visit, scoped), scoped.narrowed(wanted.area)
    every: list[JoinedConflict] = held.result if held and area is not None else []
    asked = wanted._replace(area=area or "")
    met = met_by(every, asked._replace(state="all"), scoped.names)
    found = met_by(met, asked, scoped.names)
    for one in found[:ROWS]:
        scoped.saw(one.area, one.home, one.home, [one.field])
    return {
        "ready": held is not None,
        "as_of_ms": held.at_ms if held and held.again else None,
        "lines": found[:ROWS],
        "total": len(found),
        "counts": counts_of(met),
        "titles": scoped.titles([one.home for one in found[:ROWS]]),
    }


def beside(visit: Visit, scoped: Scoped, homes: tuple[str, str]) -> list[dict[str, Any]]:
    """Those that the join of two households made, each with what settles or undoes it."""
    found = joined_of(scoped.tx, scoped.schema, homes)
    return [_shown(visit, scoped, one) for one in found if scoped.holds(one.area)]


def _shown(visit: Visit, scoped: Scoped, one: JoinedConflict) -> dict[str, Any]:
    def words(value: Any) -> str:
        return visit.value("household", one.field, value)

    scoped.saw(one.area, one.home, one.home, [one.field])
    settled = [done for done in (one.settled, one.undone) if done is not None]
    return {
        "one": one,
        "sides": [(side, side.dot.hex(), words(side.value)) for side in one.sides],
        "joins": [
            visit.say(
                "{who} 于 {at} 把 {away} 并入 {into}：“{reason}” ‖ "
                "{who} joined {away} into {into} on {at}: “{reason}”",
                who=scoped.names.worker(join.worker),
                at=moment(join.at_ms, visit.lang),
                away=join.away,
                into=join.into,
                reason=join.reason,
            )
            for join in one.joins
        ],
        "decisions": [
            visit.say(
                "{who} 于 {at} 定为“{value}”：“{reason}” ‖ {who} set “{value}” on {at}: “{reason}”",
                who=scoped.names.worker(done.worker),
                at=moment(done.at_ms, visit.lang),
                value=words(done.value),
                reason=done.reason,
            )
            for done in settled
        ],
    }


def _asked(visit: Visit) -> tuple[str, str]:
    """Name and digest of one that the two in the address made. Raises NotFound, FormRefused."""
    one, two, name = visit.param("one"), visit.param("two"), visit.text("name", 200)
    visit.purpose = "repair"
    with visit.scope() as scoped:
        for home in (one, two, name.rpartition("/")[0]):
            scoped.household(home)
    seen = visit.text("seen", 16)
    if len(seen) != 16:
        raise FormRefused("seen")
    return name, seen


@act("/repair/doubles/{one:str}/{two:str}/settle", AUDIT)
def settle(visit: Visit) -> Result:
    """Settle one by one of its values, on all that was joined."""
    name, seen = _asked(visit)
    choice = visit.text("choice", 80)
    if not choice:
        raise FormRefused(visit.say("请先选定一个值 ‖ choose a value first"))
    resolve_joined(
        visit.service.district,
        name,
        officer=visit.account.id,
        reason=visit.text("reason"),
        seen=seen,
        choice=choice,
    )
    results_of(visit.service).forget("joined")
    said = visit.say("已裁定，各平板下次同步时收到 ‖ Settled; tablets get it at their next sync")
    return Go(_here(visit), said)


@act("/repair/doubles/{one:str}/{two:str}/unsettle", AUDIT)
def unsettle(visit: Visit) -> Result:
    """Take such a decision back."""
    name, seen = _asked(visit)
    undo_joined(
        visit.service.district,
        name,
        officer=visit.account.id,
        reason=visit.text("reason"),
        seen=seen,
    )
    results_of(visit.service).forget("joined")
    return Go(_here(visit), visit.say("裁定已撤销 ‖ The decision is undone"))


def _here(visit: Visit) -> str:
    return f"/repair/doubles/{visit.param('one')}/{visit.param('two')}#conflicts"
