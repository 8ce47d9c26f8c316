# SPDX-License-Identifier: Apache-2.0
"""Which doors are to be knocked at: one narrow row for each household, brought up to date as asked.

What lives here: what makes a household due, the rows, the questions a day asks of them. What must
not: drawing. Invariants: the rows follow from the records alone and can be thrown away; a household
whose records changed stands in ``agenda_stale`` by the transaction that changed them, whoever wrote
(triggers of the store see to it); every question reads narrow rows, never the records of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, NamedTuple

import msgspec

from client_sdk.store.base import Store
from client_sdk.store.records import from_json, in_parts
from sync.collections.declare import ENDED
from sync.collections.visit import REACHED
from sync.effects import UTC_OFFSET_HOURS, day_of

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NEVER = "9999-12-31"
"""The day of what is never due; it sorts behind every other."""
FOLLOW_UP_DAYS = {"today": 0, "tomorrow": 1, "week": 7}
DAILY_DAYS_MAX = 7
"""A household whose last daily form is older than this is not on the daily list any more."""
SHUT = frozenset({"not_opened", "no_answer"})
"""Outcomes after which the same door is tried again on the same day."""
AGAIN_AFTER_MS = 2 * HOUR_MS
"""A door that stayed shut is tried again in the afternoon, and not before two hours."""
NOON_HOUR = 13
MARKED = ("categories", "risk_flags", "care_level")
"""Fields of the household that a list shows beside the name."""
LISTED = ("head_name", "address", *MARKED)
"""What a list shows of each household, for the reading log."""
_READ = ("household", "visit", "need", "call", "daily_form", "assessment", "child_check")
_json = msgspec.json.Encoder().encode


class Due(NamedTuple):
    """One thing that makes a household due: the day, why, and the record that says so.

    ``why`` is ``visit``, ``follow_up``, ``again``, ``need``, ``urgent``, ``call``, ``daily``,
    ``check`` or ``review``.
    """

    on: str
    why: str
    record: str


class Stop(NamedTuple):
    """One household on the agenda.

    ``state`` is ``due``, ``again`` (a door that stayed shut today), ``done`` (answered today)
    or ``rest``. ``visit_ms`` is 0 where there was none; ``marks`` hold ``MARKED`` and ``needs``,
    how many are open.
    """

    home: str
    building: str
    floor: int
    room: str
    address: str
    name: str
    state: str
    due: tuple[Due, ...]
    visit_ms: int
    outcome: str
    marks: dict[str, Any]


class Building(NamedTuple):
    """What is left and done in one building."""

    name: str
    due: int
    again: int
    done: int
    rest: int


class Agenda(NamedTuple):
    """One part of a day: how many there are of each state, the buildings, and one page of stops."""

    counts: dict[str, int]
    buildings: tuple[Building, ...]
    stops: tuple[Stop, ...]
    total: int
    offset: int


def start_of(at_ms: int) -> int:
    """When the day of a moment began, in milliseconds; days are those of China (sync.effects)."""
    offset_ms = UTC_OFFSET_HOURS * HOUR_MS
    return (at_ms + offset_ms) // DAY_MS * DAY_MS - offset_ms


def later(day: str, days: int) -> str:
    """The day so many days after another; NEVER where either is no day."""
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):
        return NEVER


# -- the rows ---------------------------------------------------------------------------------


def refresh(store: Store, now_ms: int) -> int:
    """Bring the rows of changed households up to date; returns how many there were."""
    today = day_of(now_ms)
    if store.get("agenda_day") != today:
        _begin_day(store, today)
    stale = [home for (home,) in store.rows("SELECT home FROM agenda_stale")]
    if not stale:
        return 0
    marks = ",".join("?" * len(_READ))
    rows: list[tuple[Any, ...]] = []
    for holes, part in in_parts(stale):
        sql = (
            f"SELECT home, collection, id, body FROM records WHERE home IN ({holes})"
            f" AND collection IN ({marks}) AND voided = 0"
        )
        found: dict[str, dict[str, list[tuple[str, dict[str, Any]]]]] = {}
        for home, collection, record, body in store.run(sql, (*part, *_READ)):
            of_home = found.setdefault(home, {name: [] for name in _READ})
            of_home[collection].append((record, from_json(body)))
        rows += [row for home, kept in found.items() if (row := _row(home, kept, today))]
    with store.transaction():
        store.run_ids("DELETE FROM agenda WHERE home IN (SELECT value FROM json_each(?))", stale)
        store.run_many(
            "INSERT INTO agenda (home, building, floor, room, address, name, due_on, due, "
            "visit_ms, answered_ms, touched_ms, outcome, marks) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        store.run_ids(
            "DELETE FROM agenda_stale WHERE home IN (SELECT value FROM json_each(?))", stale
        )
    return len(stale)


def _begin_day(store: Store, today: str) -> None:
    """What hangs on the day itself is reckoned anew: who is still on the daily list."""
    with store.transaction():
        sql = "INSERT OR IGNORE INTO agenda_stale SELECT home FROM agenda WHERE instr(due, ?)"
        store.run(sql, ('"daily"',))
        store.put("agenda_day", today)


_Kept = dict[str, list[tuple[str, dict[str, Any]]]]


def _row(home: str, kept: _Kept, today: str) -> tuple[Any, ...] | None:
    """The row of one household; None for what is no household, or was joined into another."""
    own = next((body for record, body in kept["household"] if record == home), None)
    if own is None or own.get("joined_into"):
        return None
    visits = sorted((_number(body, "at_ms"), record, body) for record, body in kept["visit"])
    last_ms, last, last_body = visits[-1] if visits else (0, "", {})
    reached_ms = max((at for at, _, b in visits if b.get("outcome") in REACHED), default=0)
    answered_ms = max((at for at, _, b in visits if b.get("outcome") not in SHUT), default=0)
    due = sorted(
        d
        for d in _due(home, own, kept, (last_ms, last, last_body), reached_ms)
        if d.why != "daily" or d.on >= later(today, -DAILY_DAYS_MAX)
    )
    touched = [last_ms]
    for collection, field in (
        ("need", "found_at_ms"),
        ("need", "solved_at_ms"),
        ("need", "handled_at_ms"),
        ("call", "at_ms"),
    ):
        touched += [_number(body, field) for _, body in kept[collection]]
    shown = {name: own[name] for name in MARKED if own.get(name)}
    shown["needs"] = sum(1 for _, body in kept["need"] if body.get("status") not in ENDED)
    return (
        home,
        _text(own, "building"),
        _number(own, "floor"),
        _text(own, "room"),
        _text(own, "address"),
        _text(own, "head_name"),
        due[0].on if due else NEVER,
        _json(due).decode(),
        last_ms,
        answered_ms,
        max(touched),
        str(last_body.get("outcome") or ""),
        _json(shown).decode(),
    )


def _due(
    home: str,
    own: dict[str, Any],
    kept: _Kept,
    last: tuple[int, str, dict[str, Any]],
    reached_ms: int,
) -> Iterable[Due]:
    reached_on = day_of(reached_ms) if reached_ms else ""
    planned = _text(own, "next_visit")
    if planned and reached_on < planned:
        yield Due(planned, "visit", home)
    last_ms, record, body = last
    days = FOLLOW_UP_DAYS.get(str(body.get("follow_up")))
    if days is not None:
        yield Due(later(day_of(last_ms), days), "follow_up", record)
    if body.get("outcome") in SHUT:
        yield Due(day_of(last_ms), "again", record)
    for need, body in kept["need"]:
        if body.get("status") in ENDED:
            continue
        if body.get("urgency") in ("urgent", "life"):
            yield Due(day_of(_number(body, "found_at_ms")), "urgent", need)
        elif _text(body, "deadline"):
            yield Due(_text(body, "deadline"), "need", need)
    for call, body in kept["call"]:
        on = _text(body, "call_back_on") or _text(body, "due_on")
        if on and body.get("status") in ("call_back", "dealt"):
            yield Due(on, "call", call)
    for collection, field, why in (
        ("daily_form", "on", "daily"),
        ("assessment", "next_review", "review"),
        ("child_check", "next_check", "check"),
    ):
        of_kind = [(_text(body, field), record) for record, body in kept[collection]]
        on, record = max(of_kind, default=("", ""))
        if on:
            yield Due(later(on, 1) if why == "daily" else on, why, record)


def _number(body: dict[str, Any], field: str) -> int:
    """A whole number as it was merged; 0 where something else stands there."""
    value = body.get(field)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _text(body: dict[str, Any], field: str) -> str:
    value = body.get(field)
    return value if isinstance(value, str) else ""


# -- the questions ----------------------------------------------------------------------------


def state_of(due_on: str, visit_ms: int, answered_ms: int, today: str, start_ms: int) -> str:
    """``done``, ``again``, ``due`` or ``rest``: where a household stands on a day."""
    if answered_ms >= start_ms:
        return "done"
    if visit_ms >= start_ms:
        return "again"
    return "due" if due_on <= today else "rest"


def is_time_again(visit_ms: int, now_ms: int) -> bool:
    """Is it time to try a door again that stayed shut at ``visit_ms``?"""
    noon_ms = start_of(now_ms) + NOON_HOUR * HOUR_MS
    return now_ms >= noon_ms and (visit_ms < noon_ms or now_ms - visit_ms >= AGAIN_AFTER_MS)


def agenda(
    store: Store,
    part: str,
    now_ms: int,
    route: list[str],
    *,
    building: str | int | None = None,
    offset: int = 0,
    limit: int = 40,
) -> Agenda:
    """One page of one part (a state, or ``all``) of the day, by building in the order of the route.

    ``building`` leaves all others out, by its name or by its place in the order.
    Doors to be tried again stand among those that are due as soon as it is time.
    """
    refresh(store, now_ms)
    today, start_ms = day_of(now_ms), start_of(now_ms)
    place = {name: number for number, name in enumerate(route)}
    counts = dict.fromkeys(("due", "again", "done", "rest"), 0)
    tally: dict[str, dict[str, int]] = {}
    chosen: list[tuple[tuple[int, str], str, str]] = []
    # Covered by the index agenda_parts, in whose order they come: building, floor, room.
    sql = (
        "SELECT building, home, due_on, visit_ms, answered_ms FROM agenda ORDER BY building, floor"
    )
    for name, home, due_on, visit_ms, answered_ms in store.rows(sql + ", room, home"):
        state = state_of(due_on, visit_ms, answered_ms, today, start_ms)
        counts[state] += 1
        if name not in tally:
            tally[name] = dict.fromkeys(counts, 0)
        tally[name][state] += 1
        listed = part in (state, "all")
        listed |= part == "due" and state == "again" and is_time_again(visit_ms, now_ms)
        if listed:
            chosen.append(((place.get(name, len(place)), name), home, state))
    buildings = [Building(name, **found) for name, found in tally.items()]
    buildings.sort(key=lambda b: (place.get(b.name, len(place)), b.name))
    if isinstance(building, int):
        building = buildings[building].name if 0 <= building < len(buildings) else None
    if building is not None:
        chosen = [item for item in chosen if item[0][1] == building]
    chosen.sort(key=lambda item: item[0])
    page = chosen[offset : offset + limit]
    stops = stops_of(store, [home for _, home, _ in page], now_ms)
    return Agenda(counts, tuple(buildings), stops, len(chosen), offset)


def stops_of(store: Store, homes: list[str], now_ms: int) -> tuple[Stop, ...]:
    """These households as stops, in the order given; those that are none are left out."""
    today, start_ms = day_of(now_ms), start_of(now_ms)
    found: dict[str, Stop] = {}
    for holes, part in in_parts(homes):
        sql = (
            "SELECT home, building, floor, room, address, name, due_on, due, visit_ms, "
            f"answered_ms, outcome, marks FROM agenda WHERE home IN ({holes})"
        )
        for row in store.run(sql, part):
            due = tuple(d for d in (Due(*x) for x in from_json(row[7])) if d.on <= today)
            state = state_of(row[6], row[8], row[9], today, start_ms)
            found[row[0]] = Stop(
                *(row[0], row[1], row[2], row[3], row[4], row[5]),
                state,
                due,
                row[8],
                row[10],
                from_json(row[11]),
            )
    return tuple(found[home] for home in homes if home in found)
