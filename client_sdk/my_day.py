# SPDX-License-Identifier: Apache-2.0
"""What one worker did on one day: visits, needs found and solved, hours.

What lives here: counting over the households that were touched that day. What must not: drawing.
Invariant: nothing is counted twice, since every figure is counted from records, never from edits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from client_sdk.agenda import DAY_MS, refresh, start_of
from client_sdk.store.base import Store
from client_sdk.store.records import from_json, in_parts
from sync.collections.need import SOLVED
from sync.collections.visit import REACHED

_COUNTED = ("visit", "need", "call")


class Doing(NamedTuple):
    """One line of a day: when, which household, what (``visit``, ``found``, ``solved``, ``call``).

    ``detail`` is the visit's or call's outcome, or the need's kind; ``name`` the household's.
    """

    at_ms: int
    home: str
    name: str
    what: str
    detail: str
    record: str


class MyDay(NamedTuple):
    """A day's figures: ``minutes`` are those noted at the visits, ``doings`` the day in order."""

    start_ms: int
    visits: int
    reached: int
    shut: int
    calls: int
    needs_found: int
    needs_solved: int
    minutes: int
    first_ms: int
    last_ms: int
    doings: tuple[Doing, ...]


def my_day(store: Store, worker: str, at_ms: int, now_ms: int) -> MyDay:
    """What ``worker`` did on the calendar day of ``at_ms``."""
    refresh(store, now_ms)
    start_ms = start_of(at_ms)
    sql = "SELECT home, name FROM agenda WHERE touched_ms >= ?"
    names = dict(store.rows(sql, (start_ms,)))
    doings: list[Doing] = []
    minutes = 0
    marks = ",".join("?" * len(_COUNTED))
    for holes, part in in_parts(names):
        sql = (
            f"SELECT home, collection, id, body FROM records WHERE home IN ({holes})"
            f" AND collection IN ({marks}) AND voided = 0"
        )
        for home, collection, record, raw in store.run(sql, (*part, *_COUNTED)):
            body = from_json(raw)
            for at, what, detail in _did(collection, body, worker):
                if start_ms <= at < start_ms + DAY_MS:
                    doings.append(Doing(at, home, names[home], what, detail, record))
                    minutes += _minutes(body) if what == "visit" else 0
    doings.sort()
    visits = [d for d in doings if d.what == "visit"]
    reached = sum(1 for d in visits if d.detail in REACHED)
    return MyDay(
        start_ms,
        len(visits),
        reached,
        len(visits) - reached,
        sum(1 for d in doings if d.what == "call"),
        sum(1 for d in doings if d.what == "found"),
        sum(1 for d in doings if d.what == "solved"),
        minutes,
        doings[0].at_ms if doings else 0,
        doings[-1].at_ms if doings else 0,
        tuple(doings),
    )


def _did(collection: str, body: dict[str, Any], worker: str) -> list[tuple[int, str, str]]:
    """What a record says that ``worker`` did: (when, what, detail)."""
    out: list[tuple[int, str, str]] = []
    if collection == "visit" and worker in (body.get("workers") or ()):
        out.append((_moment(body, "at_ms"), "visit", str(body.get("outcome") or "")))
    if collection == "call" and body.get("caller") == worker:
        out.append((_moment(body, "at_ms"), "call", str(body.get("outcome") or "")))
    if collection == "need":
        kind = str(body.get("kind") or "")
        if body.get("reporter") == worker:
            out.append((_moment(body, "found_at_ms"), "found", kind))
        if body.get("status") in SOLVED and worker in (body.get("owner"), body.get("reporter")):
            out.append((_moment(body, "solved_at_ms"), "solved", kind))
    return out


def _moment(body: dict[str, Any], field: str) -> int:
    value = body.get(field)
    return value if isinstance(value, int) else 0


def _minutes(body: dict[str, Any]) -> int:
    value = body.get("minutes")
    return value if isinstance(value, int) else 0
