# SPDX-License-Identifier: Apache-2.0
"""Lists that field work is done by, counted from records as they are shown.

What lives here: pure functions: who is in a zone, which doors are left, whom to call, what a day's
table says, what is in stock, whose hours are left, how long a need has waited. What must not:
reading a store, and any figure of a report. Invariants: a voided record counts nowhere; the result
does not hang on the order of the records; a list never hides what is in doubt: it names it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sync.collections.declare import ENDED
from sync.collections.need import SOLVED
from sync.collections.visit import REACHED
from sync.collections.zone import LEVELS
from sync.effects import day_of

HOUR_MS = 3_600_000


class Row(NamedTuple):
    """A record as it is shown: its id, the home it counts for, its values, is anything open."""

    id: str
    home: str
    values: Mapping[str, Any]
    disputed: bool = False

    def get(self, name: str) -> Any:
        """A shown value, None where there is none."""
        return self.values.get(name)


# ---- zones ---------------------------------------------------------------------------------------


class InZone(NamedTuple):
    """A household in a zone: the strictest that holds on the day."""

    home: str
    level: str
    zone: str


def in_zones(households: Iterable[Row], zones: Iterable[Row], on: str) -> list[InZone]:
    """The households that are in a closed, controlled or watched zone on a date."""
    ranks = {choice.value: rank for rank, choice in enumerate(LEVELS)}
    holding = [
        zone
        for zone in zones
        if zone.get("level") != "lifted"
        and str(zone.get("starts_on") or "") <= on <= str(zone.get("ends_on") or "9999")
    ]
    holding.sort(key=lambda zone: (ranks.get(zone.get("level"), -1), zone.id), reverse=True)
    out = []
    for home in households:
        found = next((zone for zone in holding if _within(home, zone)), None)
        if found is not None:
            out.append(InZone(home.id, str(found.get("level")), found.id))
    return out


def _within(home: Row, zone: Row) -> bool:
    area = str(home.get("area") or "")
    if not area.startswith(str(zone.get("area") or "?")):
        return False
    buildings = zone.get("buildings") or []
    where = (str(home.get("building") or ""), str(home.get("address") or ""))
    return not buildings or any(b == where[0] or b in where[1] for b in buildings)


# ---- doors ---------------------------------------------------------------------------------------

Door = Literal["done", "refused", "moved", "shut", "missing"]
_WORTH: dict[str, int] = {"done": 4, "moved": 3, "refused": 2, "shut": 1, "missing": 0}


class Doors(NamedTuple):
    """What became of every household due: by home, and how many ask for a return visit."""

    states: dict[str, Door]

    def of(self, state: Door) -> list[str]:
        """The homes in one state, in order."""
        return sorted(home for home, found in self.states.items() if found == state)

    @property
    def left(self) -> list[str]:
        """Homes still to be gone to: nobody knocked, or nobody opened."""
        return sorted(self.of("missing") + self.of("shut"))


def doors(households: Iterable[Row], visits: Iterable[Row], from_day: str, until_day: str) -> Doors:
    """Each household with the best outcome of its visits in a round's days.

    A visit whose outcome two workers tell differently counts only as a shut door until settled.
    """
    states: dict[str, Door] = {home.id: "missing" for home in households}
    for visit in visits:
        day = day_of(int(visit.get("at_ms") or 0))
        if visit.home not in states or not from_day <= day <= until_day:
            continue
        outcome = visit.get("outcome")
        state: Door = "shut"
        if not visit.disputed:
            state = "done" if outcome in REACHED else "shut"
            if outcome in ("refused", "moved"):
                state = outcome
        if _WORTH[state] > _WORTH[states[visit.home]]:
            states[visit.home] = state
    return Doors(states)


# ---- calls ---------------------------------------------------------------------------------------


class Dealt(NamedTuple):
    """One call to make: whom, by whom, of which list."""

    home: str
    caller: str
    call_list: str


def deal(lists: Iterable[Row], on: str) -> list[Dealt]:
    """Deal the households of all running lists among their callers: one caller for each a day.

    A household on several lists is called once, by a caller of one of them, as its first list by id
    asks. Who that is follows from the household, the day and the callers alone, so that tablets
    which hold the same lists deal alike without meeting.
    """
    wanted: dict[str, list[Row]] = defaultdict(list)
    for one in lists:
        if one.get("status") not in ENDED and str(one.get("starts_on") or "") <= on:
            for home in one.get("households") or []:
                wanted[home].append(one)
    out = []
    for home, on_lists in sorted(wanted.items()):
        callers = sorted({c for one in on_lists for c in one.get("callers") or []})
        if callers:
            best = max(
                callers, key=lambda c: hashlib.sha256(f"{on}\0{home}\0{c}".encode()).digest()
            )
            first = min(one.id for one in on_lists if best in (one.get("callers") or []))
            out.append(Dealt(home, best, first))
    return out


# ---- the day's table -----------------------------------------------------------------------------

CARE_OF_SERVICE = {
    "meal": "meal",
    "cleaning": "cleaning",
    "medicine": "medicine",
    "company": "company",
}
"""Services of a visit that are care given in the day's table."""


class Daily(NamedTuple):
    """One household's line of a day. ``missing``: nobody reported; ``sources`` are the records."""

    home: str
    temperature_c: float | None
    health: str | None
    shortages: tuple[str, ...]
    care: tuple[str, ...]
    reporters: tuple[str, ...]
    sources: tuple[str, ...]
    disputed: bool

    @property
    def missing(self) -> bool:
        """Nobody reported on this household."""
        return not self.sources


def daily(
    households: Iterable[Row],
    visits: Iterable[Row],
    calls: Iterable[Row],
    forms: Iterable[Row],
    on: str,
) -> list[Daily]:
    """The table of a day, filled from visits and calls and from what only the form has.

    A household that nobody reported on stands in it as missing, at its beginning.
    """
    found: dict[str, list[tuple[str, Row]]] = {home.id: [] for home in households}
    kinds = (("visit", visits), ("call", calls), ("form", forms))
    for kind, rows in kinds:
        for row in rows:
            if row.home in found and _day(kind, row) == on:
                found[row.home].append((kind, row))
    lines = [_line(home, sorted(rows, key=lambda x: x[1].id)) for home, rows in found.items()]
    return sorted(lines, key=lambda line: (not line.missing, line.home))


def _day(kind: str, row: Row) -> str:
    if kind == "form":
        return str(row.get("on"))
    reached = row.get("outcome") not in (None, "no_answer", "wrong_number", "not_opened")
    at_ms = row.get("at_ms")
    return day_of(at_ms) if reached and isinstance(at_ms, int) else ""


def _line(home: str, rows: Sequence[tuple[str, Row]]) -> Daily:
    heat = [row.get("temperature_c") for _, row in rows if row.get("temperature_c") is not None]
    health = [row.get("health") for kind, row in rows if kind == "form" and row.get("health")]
    short = {s for _, row in rows for s in row.get("shortages") or []}
    care = {c for _, row in rows for c in row.get("care_given") or []}
    care |= {
        CARE_OF_SERVICE[s]
        for _, row in rows
        for s in row.get("services") or []
        if s in CARE_OF_SERVICE
    }
    who: set[str] = set()
    for _, row in rows:
        who |= {*(row.get("workers") or []), *(row.get("reporter") or [])}
        who |= {row.get("caller")} - {None}
    return Daily(
        home,
        max(heat, default=None),
        health[-1] if health else None,
        tuple(sorted(short)),
        tuple(sorted(care)),
        tuple(sorted(who)),
        tuple(row.id for _, row in rows),
        any(row.disputed for _, row in rows),
    )


# ---- counted against each other ------------------------------------------------------------------

GOODS_OF_PARCEL = {
    "rice_kg": "rice",
    "vegetables_kg": "vegetables",
    "water_bottles": "water",
    "masks": "mask",
    "disinfectant_bottles": "disinfectant",
    "medicine_packs": "medicine",
    "care_parcels": "parcel",
}
_IN = frozenset({"received", "moved_in", "counted_more"})
OFF_THE_SHELF = frozenset({"packed", "on_the_way", "handed_over", "missing"})


def stock(movements: Iterable[Row], parcels: Iterable[Row]) -> dict[tuple[str, str], int]:
    """(Stock point, goods) → what must be on the shelf: movements, less what parcels took.

    A parcel packed from a point is off its shelf without being written down a second time; called
    off or brought back it is on it again. Less than nothing says that something was not counted.
    """
    levels: dict[tuple[str, str], int] = defaultdict(int)
    for move in movements:
        amount = int(move.get("quantity") or 0)
        sign = 1 if move.get("direction") in _IN else -1
        levels[move.home, str(move.get("goods"))] += sign * amount
    for parcel in parcels:
        point = parcel.get("stock_point")
        if point and parcel.get("status") in OFF_THE_SHELF:
            for name, goods in GOODS_OF_PARCEL.items():
                if parcel.get(name):
                    levels[point, goods] -= int(parcel.get(name))
    return dict(levels)


def hours(served: Iterable[Row]) -> dict[str, int]:
    """Volunteer → minutes that can be redeemed: confirmed, less redeemed and passed on.

    What was redeemed counts at once, what was given only when it is confirmed: nobody spends what
    is in doubt.
    """
    left: dict[str, int] = defaultdict(int)
    for row in served:
        minutes, status = int(row.get("minutes") or 0), row.get("status")
        if row.get("direction") == "given":
            left[row.home] += minutes if status == "confirmed" else 0
        elif status != "not_counted":
            left[row.home] -= minutes
            if row.get("direction") == "passed_on" and row.get("passed_to"):
                left[row.get("passed_to")] += minutes
    return dict(left)


def without(households: Iterable[Row], records: Iterable[Row], **wanted: Any) -> list[str]:
    """Homes of which no record has what is ``wanted``: a letter handed over, a helper named.

    A value wanted is one value, or a set of values of which one must be shown.
    """

    def fits(row: Row) -> bool:
        return all(
            row.get(n) in (v if isinstance(v, set | frozenset) else {v}) for n, v in wanted.items()
        )

    have = {row.home for row in records if fits(row)}
    return sorted(home.id for home in households if home.id not in have)


# ---- the clock of a need -------------------------------------------------------------------------


class Clock(NamedTuple):
    """How long a need waited: ``state`` of same-day clearing, hours, past its deadline or not."""

    state: Literal["same_day", "later", "open_today", "open_overnight"]
    hours: float
    overdue: bool
    acts: str


def clock(need: Row, now_ms: int) -> Clock:
    """Same-day clearing of one need as it stands now, and the level that must act.

    A need past its deadline is for the level above the one that has it.
    """
    found = int(need.get("found_at_ms") or now_ms)
    solved = need.get("status") in SOLVED
    end = now_ms
    if solved:
        marks = [need.get(f"{stage}_at_ms") for stage in ("solved", "confirmed", "closed")]
        end = min([int(mark) for mark in marks if mark] or [now_ms])
    same = day_of(found) == day_of(end)
    overdue = not solved and str(need.get("deadline") or "9999") < day_of(now_ms)
    levels = ("community", "street", "district", "city")
    level = need.get("level") if need.get("level") in levels else levels[0]
    acts = levels[min(levels.index(level) + int(overdue), len(levels) - 1)]
    if solved:
        return Clock("same_day" if same else "later", (end - found) / HOUR_MS, False, acts)
    state: Literal["open_today", "open_overnight"] = "open_today" if same else "open_overnight"
    return Clock(state, (end - found) / HOUR_MS, overdue, acts)
