# SPDX-License-Identifier: Apache-2.0
"""The list of conflicts: filters, pages, true counts; and who is who in it.

What lives here: reading the rows that ``conflicts.py`` kept. What must not: one conflict in full
(``audit_show.py``), deciding (``resolving.py``), words. Invariants
- Every conflict there ever was can be found here, whoever or whatever settled it.
- Pages go by key, never by offset: what comes in meanwhile shifts nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from server.area_names import UNNAMED, AreaNames
from server.errors import NotFound
from server.store.base import Transaction

PAGE_ROWS_MAX = 500
"""Rows of one page."""

STATES = ("open", "rule", "door", "office", "state", "undone", "settled", "all")
"""Open; settled by a rule, at the door, at the office, by a signed state; undone; any settled;
all."""

_siblings = msgspec.json.Decoder(list[dict[str, Any]]).decode


class Filter(NamedTuple):
    """What to list; an empty part filters nothing.

    ``area`` is a prefix of the home's code, ``worker`` an id or a name, ``team`` that of a tablet
    that wrote one of the values. ``before_ms``/``since_ms`` bound when it was opened (server's
    clock). ``assignee`` is the account that is to settle it, ``due`` a day (YYYY-MM-DD) by which.
    """

    state: str = "all"
    area: str = ""
    team: str = ""
    worker: str = ""
    collection: str = ""
    field: str = ""
    policy: str = ""
    record: str = ""
    before_ms: int | None = None
    since_ms: int | None = None
    assignee: str = ""
    due: str = ""


EVERYTHING = Filter()


class Line(NamedTuple):
    """One conflict in the list. ``values`` and ``workers`` are those of the live siblings."""

    n: int
    record: str
    home: str
    area: str
    collection: str
    field: str
    policy: str
    state: str
    opened_at_ms: int
    values: tuple[Any, ...]
    workers: tuple[str, ...]
    settled_at_ms: int | None
    settled_worker: str


class Page(NamedTuple):
    """Lines, newest first; ``total`` counts all that the filter meets; ``after`` goes on."""

    lines: list[Line]
    total: int
    after: int | None


_STATE_SQL = (
    "CASE WHEN c.undone = 1 THEN 'undone' WHEN c.state = 'settled' THEN c.settled_where"
    " ELSE c.state END"
)
_FROM = " FROM conflicts c LEFT JOIN homes h ON h.id = c.home"
_TEAM = (
    "EXISTS (SELECT 1 FROM conflict_sides s JOIN device_keys k ON k.replica = s.replica"
    " JOIN devices d ON d.id = k.device WHERE s.conflict = c.n AND d.team = ?)"
)
_WORKER = (
    "EXISTS (SELECT 1 FROM conflict_sides s WHERE s.conflict = c.n AND (s.worker = ?"
    " OR s.worker IN (SELECT id FROM workers WHERE name = ?)))"
)
_CARE = "EXISTS (SELECT 1 FROM conflict_care k WHERE k.conflict = c.n AND k.{})"


def _where(wanted: Filter, *, with_state: bool) -> tuple[str, list[Any]]:
    parts: list[str] = []
    values: list[Any] = []

    def add(sql: str, *given: Any) -> None:
        parts.append(sql)
        values.extend(given)

    if wanted.state not in STATES:
        raise NotFound("state")
    if with_state and wanted.state == "settled":
        add(f"{_STATE_SQL} <> 'open'")
    elif with_state and wanted.state != "all":
        add(f"{_STATE_SQL} = ?", wanted.state)
    if wanted.area:
        # The conflicts are walked in their order and the area looked up, never all homes of an
        # area: there are few conflicts beside the homes. The expression keeps the index out of it.
        end = wanted.area[:-1] + chr(ord(wanted.area[-1]) + 1)
        add("h.area || '' >= ? AND h.area || '' < ?", wanted.area, end)
    if wanted.team:
        add(_TEAM, wanted.team)
    if wanted.worker:
        add(_WORKER, wanted.worker, wanted.worker)
    for column in ("collection", "field", "policy", "record"):
        if getattr(wanted, column):
            add(f"c.{column} = ?", getattr(wanted, column))
    if wanted.before_ms is not None:
        add("c.opened_at_ms <= ?", wanted.before_ms)
    if wanted.since_ms is not None:
        add("c.opened_at_ms >= ?", wanted.since_ms)
    if wanted.assignee:
        add(_CARE.format("assignee = ?"), wanted.assignee)
    if wanted.due:
        add(_CARE.format("due <> '' AND k.due <= ?"), wanted.due)
    return (" WHERE " + " AND ".join(parts) if parts else ""), values


def list_conflicts(
    tx: Transaction,
    wanted: Filter,
    limit: int = 50,
    after: int | None = None,
    *,
    total: bool = True,
) -> Page:
    """One page of conflicts, newest first; ``total`` False leaves the count out, as 0.

    Raises NotFound for an unknown state.
    """
    limit = max(1, min(limit, PAGE_ROWS_MAX))
    where, values = _where(wanted, with_state=True)
    count = int(tx.rows(f"SELECT count(*){_FROM}{where}", values)[0][0]) if total else 0
    if after is not None:
        where += (" AND" if where else " WHERE") + " c.n < ?"
        values = [*values, after]
    found = tx.rows(
        "SELECT c.n, c.record, c.home, coalesce(h.area, ''), c.collection, c.field, c.policy,"
        f" {_STATE_SQL}, c.opened_at_ms, c.siblings, c.settled_at_ms, c.settled_worker"
        f"{_FROM}{where} ORDER BY c.n DESC LIMIT ?",
        [*values, limit + 1],
    )
    lines = [_line(row) for row in found[:limit]]
    return Page(lines, count, lines[-1].n if len(found) > limit else None)


def _line(row: tuple[Any, ...]) -> Line:
    live = [side for side in _siblings(row[9]) if side["live"]]
    n, record, home, area, collection, field, policy, state, opened_at_ms = row[:9]
    return Line(
        n,
        record,
        home,
        area,
        collection,
        field,
        policy,
        state,
        opened_at_ms,
        tuple(side["value"] for side in live),
        tuple(dict.fromkeys(side["worker"] for side in live)),
        row[10],
        row[11] or "",
    )


def count_conflicts(tx: Transaction, wanted: Filter = EVERYTHING) -> dict[str, int]:
    """State → how many, for all states, whatever state the filter names."""
    where, values = _where(wanted, with_state=False)
    found = tx.rows(f"SELECT {_STATE_SQL}, count(*){_FROM}{where} GROUP BY 1", values)
    counted = {str(state): int(count) for state, count in found}
    return {state: counted.get(state, 0) for state in STATES[:6]}


def count_by_policy(tx: Transaction, wanted: Filter = EVERYTHING) -> dict[str, dict[str, int]]:
    """Policy → state → how many."""
    where, values = _where(wanted, with_state=False)
    out: dict[str, dict[str, int]] = {}
    sql = f"SELECT c.policy, {_STATE_SQL}, count(*){_FROM}{where} GROUP BY 1, 2 ORDER BY 1, 2"
    for policy, state, count in tx.rows(sql, values):
        out.setdefault(str(policy), {})[str(state)] = int(count)
    return out


class Names:
    """Names of workers, tablets and areas, looked up once each."""

    def __init__(self, tx: Transaction, areas: AreaNames = UNNAMED) -> None:
        self.areas = areas
        people = "SELECT id, name FROM accounts UNION ALL SELECT id, name FROM workers"
        self._workers = {str(i): str(name) for i, name in tx.rows(people)}
        self._devices = {
            bytes(replica): (str(device), str(name or device), str(team or ""))
            for replica, device, name, team in tx.rows(
                "SELECT k.replica, k.device, d.name, d.team FROM device_keys k"
                " LEFT JOIN devices d ON d.id = k.device"
            )
        }

    def worker(self, worker: str) -> str:
        """A worker's name; the id where no name is known."""
        return self._workers.get(worker, worker)

    def device(self, replica: bytes) -> str:
        """The id of the tablet a replica belongs to, "" for a server."""
        return self._devices.get(replica, ("", "", ""))[0]

    def tablet(self, replica: bytes) -> str:
        """The name of the tablet a replica belongs to, "" for a server."""
        return self._devices.get(replica, ("", "", ""))[1]

    def team(self, replica: bytes) -> str:
        """The team of the tablet a replica belongs to, "" for a server."""
        return self._devices.get(replica, ("", "", ""))[2]
