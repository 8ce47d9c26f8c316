# SPDX-License-Identifier: Apache-2.0
"""Households entered twice: proposals with reasons, two side by side, joining, parting.

What lives here: forms to functions. What must not: comparing (``duplicates``), the changes
(``joining``). Invariants
- What is proposed joins nothing; joining is an officer's change like any other, and so is undoing.
- A join is refused where one of the two changed after the page with the preview was made.
"""

from __future__ import annotations

import hashlib
from typing import Any

from server.accounts import AUDIT, READ
from server.audit_errors import RecordChanged
from server.duplicates import Proposal, propose, read_entries
from server.history import Stored
from server.joining import joining, parting, share_teams, telling_apart
from server.own import Write
from server.repair_words import REASON_WORDS
from server.store.base import Transaction
from server.web.errors import FormRefused
from server.web.joined import beside
from server.web.listed import part_of
from server.web.remembered import Counted, patience, results_of
from server.web.reports import prepare
from server.web.routing import Go, Result, Shown, Visit, act, page
from server.web.scoped import Scoped
from sync.joining import FIELDS_OF_JOINING, JOINED_INTO

PROPOSED_MAX = 2_000
KEPT_MS = 3_600_000
"""Comparing a hundred thousand households takes half a minute: once an hour while one looks."""


def proposals(visit: Visit, scoped: Scoped, until: float) -> Counted | None:
    """Likely doubles of the area, the surest first; None where that takes longer than ``until``."""
    area = scoped.area

    def find(tx: Transaction) -> list[Proposal]:
        return propose(read_entries(tx, area))[:PROPOSED_MAX]

    results = results_of(visit.service)
    return results.get(("doubles", area), find, until, kept_ms=KEPT_MS, long=True)


@page("/repair/doubles", READ, prepare=prepare)
def doubles(visit: Visit) -> Result:
    """Likely doubles with their reasons, and what was joined."""
    visit.purpose = "repair"
    with visit.scope() as scoped:
        held = proposals(visit, scoped, patience())
        listed = part_of(held, _name, scoped.still_doubles, visit.query("after"))
        joined = scoped.joined()
        homes = [h for one in listed["found"] for h in (one.first, one.second)]
        homes += [h for one in joined for h in one]
        values = listed | {
            "titles": scoped.titles(homes),
            "joined": joined,
            "reason_words": REASON_WORDS,
        }
    return Shown("doubles.html", values)


def _name(one: Proposal) -> str:
    return f"{one.first} {one.second}"


@page("/repair/doubles/{one:str}/{two:str}", READ)
def double(visit: Visit) -> Result:
    """Two households side by side, and one as it would be with the other joined into it."""
    visit.purpose = "repair"
    one, two = visit.param("one"), visit.param("two")
    with visit.scope() as scoped:
        pair = {home: scoped.household(home) for home in (one, two)}
        amounts = {home: scoped.amounts(home) for home in pair}
        into = visit.query("into")
        if into not in pair:
            into = max(pair, key=lambda home: (sum(amounts[home].values()), home == two))
        away = one if into == two else two
        both = scoped.as_joined(away, into)
        values = {
            "one": one,
            "two": two,
            "away": away,
            "into": into,
            "titles": scoped.titles([one, two]),
            "rows": _rows(visit, scoped, pair[one].body, pair[two].body, both.shown),
            "amounts": amounts,
            "tablets": sorted({t for home in pair for t in scoped.tablets_holding(home)}),
            "joined": {home: str(held.body.get(JOINED_INTO) or "") for home, held in pair.items()},
            "reasons": _reasons(scoped, one, two),
            "reason_words": REASON_WORDS,
            "seen": _digest(pair[one], pair[two]),
            "disputes": beside(visit, scoped, (one, two)) if _tied(pair) else [],
            "names": scoped.names,
            "may_audit": visit.account.may(AUDIT),
        }
    return Shown("double.html", values)


def _tied(pair: dict[str, Stored]) -> bool:
    return any(held.body.get(JOINED_INTO) for held in pair.values())


def _rows(
    visit: Visit, scoped: Scoped, one: dict[str, Any], two: dict[str, Any], shown: dict[str, Any]
) -> list[tuple[str, str, str, str, bool]]:
    """Field, both values, what would be shown, and whether it would be a conflict."""
    out = []
    declared = scoped.schema.collections["household"].fields
    for name in [n for n in declared if n in one or n in two]:
        held = shown.get(name)
        if name in FIELDS_OF_JOINING or name == "known_apart":
            continue

        def words(value: Any, name: str = name) -> str:
            return visit.value("household", name, value)

        siblings = [words(s.value) for s in held.siblings] if held and held.conflict else []
        told = " | ".join(siblings) if siblings else words(held.value if held else None)
        out.append((name, words(one.get(name)), words(two.get(name)), told, bool(siblings)))
    return out


def _reasons(scoped: Scoped, one: str, two: str) -> list[tuple[str, float]]:
    """What speaks for the two being one, and what against."""
    found = scoped.compared(one, two)
    return [(reason.kind, reason.points) for reason in found.reasons]


def _digest(one: Stored, two: Stored) -> str:
    return hashlib.sha256(b"|".join((one.vector, two.vector))).hexdigest()[:16]


@act("/repair/doubles/{one:str}/{two:str}/join", AUDIT)
def join(visit: Visit) -> Result:
    """Join one into the other, as the preview showed."""
    one, two, into = visit.param("one"), visit.param("two"), visit.text("into", 64)
    if into not in (one, two):
        raise FormRefused("into")
    away = one if into == two else two

    def writes(tx: Transaction) -> list[Write]:
        return joining(tx, away, into)

    _write(visit, writes, share=(away, into))
    return Go(_here(one, two), visit.say("已并户，各平板下次同步时收到 ‖ Joined; tablets follow"))


@act("/repair/doubles/{one:str}/{two:str}/part", AUDIT)
def part(visit: Visit) -> Result:
    """Take the join of one of the two back."""
    one, two, away = visit.param("one"), visit.param("two"), visit.text("away", 64)
    if away not in (one, two):
        raise FormRefused("away")
    _write(visit, lambda tx: parting(tx, away))
    said = visit.say("并户已撤销，又是两户 ‖ The join is taken back: they are two again")
    return Go(_here(one, two), said)


@act("/repair/doubles/{one:str}/{two:str}/apart", AUDIT)
def apart(visit: Visit) -> Result:
    """Say that they are two households: they are not proposed again."""
    one, two = visit.param("one"), visit.param("two")
    _write(visit, lambda tx: telling_apart(tx, one, two))
    return Go("/repair/doubles", visit.say("已记下：是不同的两户 ‖ Noted: they are two households"))


def _here(one: str, two: str) -> str:
    return f"/repair/doubles/{one}/{two}"


def _write(visit: Visit, made: Any, share: tuple[str, str] | None = None) -> None:
    """Write what was decided upon the two as they were looked at. Raises RecordChanged."""
    reason = visit.text("reason")
    if not reason:
        raise FormRefused(visit.say("请写明原因 ‖ give a reason"))
    visit.purpose = "repair"
    district = visit.service.district
    with visit.scope() as scoped:
        pair = [scoped.household(visit.param(name)) for name in ("one", "two")]
        if _digest(*pair) != visit.text("seen", 16):
            raise RecordChanged()
        writes = made(scoped.tx)

    def after(tx: Transaction, _: object) -> None:
        if share:
            share_teams(tx, *share, visit.now_ms)

    district.write_many(visit.account.id, writes, reason, after=after)
