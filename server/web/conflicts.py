# SPDX-License-Identifier: Apache-2.0
"""The conflict inbox and one conflict: looking, deciding, undoing, handing on.

What lives here: forms to functions and back. What must not: rules; deciding is ``resolving``'s, as
for the command line. Invariant: a decision brings back the digest of what was looked at.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from server.accounts import AUDIT, READ, accounts_in
from server.audit import STATES, Filter
from server.audit_show import Conflict
from server.audit_words import (
    base_words,
    decision_words,
    field_words,
    seen_words,
    where_words,
)
from server.errors import NotFound
from server.history import Stored
from server.resolving import resolve, undo
from server.voiding import VOIDED, standing, void
from server.web import care
from server.web.differences import marked
from server.web.effects import effects_of
from server.web.errors import FormRefused
from server.web.graph import picture
from server.web.joined import in_inbox
from server.web.records import beside_text
from server.web.routing import Go, Result, Shown, Visit, act, page
from server.web.scoped import Scoped
from sync.effects import day_of
from sync.labels import shown, value_of
from sync.policy import same_key
from sync.schema import REGISTERS

ROWS = 50
DAY_MS = 86_400_000
REASONS = (
    "已电话核实 ‖ Checked by phone",
    "以最近一次入户为准 ‖ The latest visit holds",
    "以证件为准 ‖ By the identity papers",
    "以社区台账为准 ‖ By the community's register",
    "录入笔误 ‖ A slip of the pen",
)
FILTERS = (
    "state",
    "area",
    "team",
    "worker",
    "collection",
    "field",
    "policy",
    "older",
    "mine",
    "late",
)


def wanted_of(visit: Visit, source: dict[str, str] | None = None) -> Filter:
    """The filter of a list, from what stands behind the question mark."""
    read = visit.query if source is None else lambda name, default="": source.get(name) or default
    older = read("older")
    state = read("state", "open")
    # A field is named alone, or with the collection whose field is meant.
    kind, _, field = read("field").rpartition(".")
    return Filter(
        state=state if state in STATES else "open",
        area=read("area"),
        team=read("team"),
        worker=read("worker"),
        collection=kind or read("collection"),
        field=field,
        policy=read("policy"),
        before_ms=visit.now_ms - int(older) * DAY_MS if older.isdigit() else None,
        assignee=visit.account.id if read("mine") else "",
        due=day_of(visit.now_ms) if read("late") else "",
    )


def _kept(visit: Visit) -> dict[str, str]:
    """The filter as it stands in the address, without what is empty."""
    return {name: visit.query(name) for name in FILTERS if visit.query(name)}


@page("/conflicts", READ)
def inbox(visit: Visit) -> Result:
    """The list of conflicts, newest first, with counts by state."""
    visit.purpose = "inbox"
    wanted = wanted_of(visit)
    after = visit.query_number("after")
    with visit.scope() as scoped:
        found = scoped.conflicts(wanted, ROWS, after)
        counts = scoped.conflict_counts(wanted)
        values = _choices(visit, scoped) | {
            "lines": found.lines,
            "titles": scoped.titles([line.record for line in found.lines]),
            "care": care.of_conflicts(scoped.tx, [line.n for line in found.lines]),
            "today": day_of(visit.now_ms),
            "names": scoped.names,
            "total": _total(counts, wanted.state),
            "counts": counts | {"all": sum(counts.values())},
            "states": (*STATES[:6], "all"),
            "wanted": wanted,
            "kept": _kept(visit),
            "more": urlencode(_kept(visit) | {"after": str(found.after)}) if found.after else "",
            "linked": lambda **more: urlencode(_kept(visit) | more),
            "first": after is None,
            "may_audit": visit.account.may(AUDIT),
            "joined": in_inbox(visit, scoped, wanted) if after is None else None,
            "mark": "-".join(map(str, scoped.conflict_mark())),
        }
    return Shown("conflicts_part.html" if visit.query("part") else "conflicts.html", values)


def _total(counts: dict[str, int], state: str) -> int:
    """How many conflicts there are in a state, by the counts of all."""
    if state in counts:
        return counts[state]
    everything = sum(counts.values())
    return everything - counts.get("open", 0) if state == "settled" else everything


def _choices(visit: Visit, scoped: Scoped) -> dict[str, Any]:
    schema, held = scoped.schema, scoped.conflict_collections()
    return {
        "areas": scoped.areas_near(),
        "teams": scoped.teams(),
        "collections": [
            (c.name, c.label.text(visit.lang))
            for c in schema.collections.values()
            if c.name in held
        ],
        "fields": [
            (
                c.label.text(visit.lang),
                [
                    (f"{c.name}.{name}", field_words(schema, c.name, name, visit.lang))
                    for name, field in c.fields.items()
                    if field.policy in REGISTERS
                ],
            )
            for c in schema.collections.values()
            if c.name in held
        ],
    }


@page("/conflicts/{n:int}", READ)
def one(visit: Visit) -> Result:
    """One conflict in full."""
    number = visit.number("n")
    visit.purpose = f"conflict {number}"
    with visit.scope() as scoped:
        found = scoped.conflict(number)
        history, stored = scoped.history(found.record)
        of_field, photos = beside_text(scoped.photos(found.home, found.record), found.record)
        beside = of_field.pop(found.field, [])
        photos = [*(one for held in of_field.values() for one in held), *photos]
        values = _shown(visit, scoped, found, beside) | {
            "graph": picture(history, scoped.names, scoped.schema, visit.lang, found, rows_max=14),
            "around": _around(visit, scoped, found, stored),
            "visits": scoped.last_visits(found.home),
            "photos": [*_of_nobody(found, beside), *photos],
            "care": care.of_conflicts(scoped.tx, [number]).get(number),
            "comments": care.comments_of(scoped.tx, number),
            "colleagues": [
                a
                for a in accounts_in(scoped.tx, "")
                if a.may(AUDIT) and a.state == "active" and found.area.startswith(a.area)
            ],
            "names": scoped.names,
            "next": scoped.next_open(number),
            "before": scoped.next_open(number, newer=True),
            "may_audit": visit.account.may(AUDIT),
            "reasons": REASONS,
            "team_names": scoped.team_names([side.team for side in found.sides]),
            "voided": bool(stored and stored.voided),
        }
    return Shown("conflict.html", values)


def _of_nobody(found: Conflict, photos: list[Stored]) -> list[Stored]:
    """Those of the field that none of its writers took: they stand with the others, first."""
    writers = {side.worker for side in found.sides}
    return [one for one in photos if one.body.get("taken_by") not in writers]


def _shown(visit: Visit, scoped: Scoped, found: Conflict, photos: list[Stored]) -> dict[str, Any]:
    schema, lang, areas = scoped.schema, visit.lang, visit.areas
    declared = schema.field(found.collection, found.field)

    def words(value: Any) -> str:
        return visit.value(found.collection, found.field, value)

    base = found.base[0].value if found.base else None
    against = words(base) if found.base else None
    sides = []
    for number, side in enumerate(found.sides, 1):
        other = against
        if other is None and len(found.sides) > 1:
            first = found.sides[1 if number == 1 else 0]
            other = words(first.value)
        sides.append(
            {
                "n": number,
                "side": side,
                "dot": side.dot.hex(),
                # Beside another value only what is of its own is marked; beside what all had
                # seen also what was taken away.
                "marked": [
                    piece
                    for piece in marked(other, words(side.value))
                    if piece.kind != "gone" or against is not None
                ],
                "words": words(side.value),
                # What its writer took for this text stands beside it.
                "photos": [one for one in photos if one.body.get("taken_by") == side.worker],
                "seen": seen_words(side, lang),
                "where": where_words(side, lang),
                "shown_now": side.live and same_key(side.value) == same_key(found.shown),
                "effects": effects_of(scoped, found, side.value),
            }
        )
    settled = found.state not in ("open", "rule", "undone")
    return {
        "conflict": found,
        "sides": sides,
        "declared": declared,
        "base": base_words(schema, found, lang, areas),
        "shown_words": words(found.shown),
        "decisions": [decision_words(schema, found, d, lang, areas) for d in found.decisions],
        "can_undo": settled,
        "elsewhere": effects_of(scoped, found, _NEITHER),
        "own": shown(declared, found.shown, lang),
    }


_NEITHER = "\x00"
"""A value that is none of the siblings: everybody whose value was another is told."""


def _around(visit: Visit, scoped: Scoped, found: Conflict, stored: Any) -> list[tuple[str, str]]:
    """The other fields of the record as they are shown, those that hold something."""
    if stored is None:
        return []
    declared = scoped.schema.collections.get(found.collection)
    order = list(declared.fields) if declared else sorted(stored.body)
    out = []
    for name in order:
        held = stored.body.get(name)
        secret = name.endswith("_key")
        if name != found.field and held not in (None, "", []) and not secret:
            out.append((name, visit.value(found.collection, name, held)))
    return out


@act("/conflicts/{n:int}/decide", AUDIT)
def decide(visit: Visit) -> Result:
    """Settle it: by one of the values, or by another."""
    number, choice = visit.number("n"), visit.text("choice", 80)
    visit.purpose = f"conflict {number}"
    with visit.scope() as scoped:
        found = scoped.conflict(number)
        after = scoped.next_open(number)
    arguments: dict[str, Any] = {}
    if choice == "void":
        return _void(visit, found, after)
    if choice == "other":
        declared = visit.service.district.schema.field(found.collection, found.field)
        arguments["value"] = value_of(declared, visit.text("value"))
    elif choice == "empty":
        arguments["value"] = None
    elif choice:
        arguments["choice"] = choice
    else:
        raise FormRefused(visit.say("请先选定一个值 ‖ choose a value first"))
    resolve(
        visit.service.district,
        number,
        officer=visit.account.id,
        reason=visit.text("reason"),
        seen=_seen(visit),
        **arguments,
    )
    said = "冲突 {n} 已裁定，各平板下次同步时收到 ‖ "
    said += "Conflict {n} is settled; tablets get it at their next sync"
    return _on(visit, number, after, said)


def _void(visit: Visit, found: Conflict, after: int | None) -> Result:
    """Settle it by what is shown, and void the record."""
    void(
        visit.service.district,
        found.n,
        officer=visit.account.id,
        reason=visit.text("reason"),
        seen=_seen(visit),
        choice=standing(found),
    )
    return _on(visit, found.n, after, VOIDED)


def _on(visit: Visit, number: int, after: int | None, said: str) -> Go:
    """Go on to the next one if that was asked for."""
    to = after if visit.text("then") == "next" and after is not None else number
    return Go(f"/conflicts/{to}", visit.say(said, n=number))


def _seen(visit: Visit) -> str:
    seen = visit.text("seen", 16)
    if len(seen) != 16:
        raise FormRefused("seen")
    return seen


@act("/conflicts/{n:int}/undo", AUDIT)
def take_back(visit: Visit) -> Result:
    """Undo the decision."""
    number = visit.number("n")
    visit.purpose = f"conflict {number}"
    with visit.scope() as scoped:
        scoped.check_conflict(number)
    undo(
        visit.service.district,
        number,
        officer=visit.account.id,
        reason=visit.text("reason"),
        seen=_seen(visit),
    )
    said = visit.say("冲突 {n} 的裁定已撤销 ‖ The decision on conflict {n} is undone", n=number)
    return Go(f"/conflicts/{number}", said)


@act("/conflicts/{n:int}/care", AUDIT)
def hand_on(visit: Visit) -> Result:
    """Hand a conflict to a colleague, with a day by which it is to be settled."""
    number = visit.number("n")
    with visit.writing() as scoped:
        scoped.check_conflict(number)
        place = scoped.conflict_area(number)
        assignee = visit.text("assignee", 32)
        fine = {
            a.id
            for a in accounts_in(scoped.tx, "")
            if a.may(AUDIT) and a.state == "active" and place.startswith(a.area)
        }
        if assignee and assignee not in fine:
            raise NotFound("account")
        care.hand_on(
            scoped.tx, number, assignee, visit.text("due", 10), visit.account.id, visit.now_ms
        )
    return Go(f"/conflicts/{number}", visit.say("已保存 ‖ Saved"))


@act("/conflicts/{n:int}/comment", READ)
def comment(visit: Visit) -> Result:
    """Say something about a conflict to colleagues."""
    number = visit.number("n")
    with visit.writing() as scoped:
        scoped.check_conflict(number)
        care.comment(scoped.tx, number, visit.text("words", 2_000), visit.account.id, visit.now_ms)
    return Go(f"/conflicts/{number}#comments")
