# SPDX-License-Identifier: Apache-2.0
"""Quarantine and repair: what is kept but not merged, and what else wants a person's eye.

What lives here: lists, and the form for a release. What must not: releasing, which is
``resolving``'s. Invariant: every line says what to do.
"""

from __future__ import annotations

from typing import Any

from server.accounts import AUDIT, READ, TABLETS
from server.history import stored_record
from server.resolving import release, unseen_fields
from server.web.doubles import proposals
from server.web.links import broken
from server.web.remembered import Counted, patience
from server.web.routing import Go, Result, Shown, Visit, act, page

ROWS = 50
CLOCK_OFF_MS = 5 * 60_000
"""A clock that is off by more is listed: dates on visits begin to mislead."""
REASON_WORDS = {
    "revoked": "写入的平板已被吊销 ‖ its tablet was revoked",
    "collection": "类别与记录不符 ‖ another kind than its record's",
    "stamp": "时间戳不合理 ‖ its stamp cannot be",
    "limit": "超出记录的上限 ‖ beyond a record's limits",
    "value": "值不合要求 ‖ a value that does not fit",
}


@page("/repair", READ)
def repair(visit: Visit) -> Result:
    """All that wants repair, with what to do."""
    visit.purpose = "repair"
    try:
        after = bytes.fromhex(visit.query("after"))
    except ValueError:
        after = b""
    # One wait for both.
    until = patience()
    with visit.scope() as scoped:
        found = scoped.quarantine(ROWS + 1, after, released=bool(visit.query("all")))
        shown = found[:ROWS]
        values: dict[str, Any] = {
            "quarantined": shown,
            "after": shown[-1].entry.dot.hex() if len(found) > ROWS else "",
            "names": scoped.names,
            "reason_words": REASON_WORDS,
            "waiting": scoped.waiting(),
            "clocks": [
                one for one in scoped.tablets() if abs(one["offset_ms"] or 0) > CLOCK_OFF_MS
            ],
            "forks": scoped.forked(),
            "doubles": _count(proposals(visit, scoped, until)),
            "links": _count(broken(visit, scoped, until)),
            "may_tablets": visit.account.may(TABLETS),
            "marks": scoped.marks(),
            "may_audit": visit.account.may(AUDIT),
        }
    return Shown("repair.html", values)


def _count(held: Counted | None) -> int | None:
    return None if held is None else len(held.result)


@page("/repair/quarantine/{dot:str}", READ)
def quarantined(visit: Visit) -> Result:
    """One change in quarantine, beside what the record holds."""
    visit.purpose = "quarantine"
    with visit.scope() as scoped:
        one = scoped.quarantined_one(visit.param("dot"))
        change = one.entry.change
        stored = stored_record(scoped.tx, one.entry.record)
        fits = stored is not None and stored.collection == change.collection
        unseen = unseen_fields(scoped.tx, stored, one.entry) if fits else set()
        held = stored.body if stored and fits else {}
        values = {
            "one": one,
            "dot": one.entry.dot.hex(),
            "names": scoped.names,
            "reason_words": REASON_WORDS,
            "rows": [
                (
                    name,
                    visit.value(change.collection, name, value),
                    visit.value(change.collection, name, held.get(name)),
                    name in unseen,
                )
                for name, value in zip(change.names, change.values, strict=True)
            ],
            "others": [
                (op, name, visit.value(change.collection, name, value))
                for op, name, value in change.others
                if name
            ],
            "unseen": unseen,
            "title": scoped.titles([one.entry.record]).get(one.entry.record, ""),
            "may_audit": visit.account.may(AUDIT),
        }
    return Shown("quarantined.html", values)


@act("/repair/quarantine/{dot:str}/release", AUDIT)
def let_in(visit: Visit) -> Result:
    """Release a change into the record, as a new one that the officer answers for."""
    visit.purpose = "quarantine"
    with visit.scope() as scoped:
        one = scoped.quarantined_one(visit.param("dot"))
    names = one.entry.change.names
    done = release(
        visit.service.district,
        one.entry.dot.hex(),
        officer=visit.account.id,
        reason=visit.text("reason"),
        over=[name for name in names if visit.text(f"f-{name}", 10) == "over"],
        leave=[name for name in names if visit.text(f"f-{name}", 10) == "leave"],
    )
    said = visit.say("已放行到记录 ‖ Released into the record")
    return Go(f"/records/{done.record}", said)
