# SPDX-License-Identifier: Apache-2.0
"""Teams, workers, areas, and which team holds which households.

What lives here: the office's tables beside the record. What must not: the record, devices, HTTP.
Invariants
- Every change that alters what a team may read raises its ``scope_version`` in the same
  transaction, and writes a line of ``assignments``.
- A team holds households one by one (``assigned``), or all of an area by its prefix
  (``team_areas``).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from server.errors import AssignedByArea, ImportRefused, NameTaken, NotFound
from server.field_readers import taken_from
from server.journal import note
from server.scope import bump_scope
from server.store.base import Transaction

ID_CHARS_MAX = 32
NAME_CHARS_MAX = 80
AREA_DIGITS_MAX = 18
TEAM_WORKERS_MAX = 64
"""Workers of one team: their tablets' certificates name them all."""


class Team(NamedTuple):
    """A team as an officer sees it."""

    id: str
    name: str
    workers: int
    devices: int
    homes: int
    areas: tuple[str, ...]


class Worker(NamedTuple):
    """A worker; ``role`` is ``worker``, ``officer`` or ``auditor``."""

    id: str
    name: str
    team: str
    role: str


ROLES = ("worker", "officer", "auditor")


def _check_id(text: str) -> None:
    if not 1 <= len(text) <= ID_CHARS_MAX or not text.isprintable() or text != text.strip():
        raise ImportRefused(f"an id has 1 to {ID_CHARS_MAX} characters")


def _check_name(text: str) -> None:
    if not 1 <= len(text) <= NAME_CHARS_MAX or not text.isprintable():
        raise ImportRefused(f"a name has 1 to {NAME_CHARS_MAX} characters")


def add_team(tx: Transaction, team: str, name: str, by: str, now_ms: int) -> None:
    """Add a team; the same one again changes nothing. Raises NameTaken, ImportRefused."""
    _check_id(team)
    _check_name(name)
    found = tx.rows("SELECT name FROM teams WHERE id = ?", [team])
    if found and found[0][0] != name:
        raise NameTaken("team")
    if not found:
        tx.run("INSERT INTO teams VALUES (?, ?, 1)", [team, name])
        note(tx, now_ms, by, "team-added", team, "")


def teams(tx: Transaction) -> list[Team]:
    """All teams."""
    areas: dict[str, list[str]] = {}
    for team, area in tx.rows("SELECT team, area FROM team_areas ORDER BY area"):
        areas.setdefault(team, []).append(area)
    workers = _counted(tx, "SELECT team, count(*) FROM workers WHERE team <> '' GROUP BY team")
    devices = _counted(
        tx, "SELECT team, count(*) FROM devices WHERE state = 'active' GROUP BY team"
    )
    homes = _counted(tx, "SELECT team, count(*) FROM assigned GROUP BY team")
    return [
        Team(
            team,
            name,
            workers.get(team, 0),
            devices.get(team, 0),
            homes.get(team, 0),
            tuple(areas.get(team, ())),
        )
        for team, name in tx.rows("SELECT id, name FROM teams ORDER BY id")
    ]


def _counted(tx: Transaction, sql: str) -> dict[str, int]:
    return {str(team): int(count) for team, count in tx.rows(sql)}


def add_worker(
    tx: Transaction, worker: str, name: str, team: str, role: str, by: str, now_ms: int
) -> None:
    """Add a worker, or change name, team or role.

    Raises NotFound for an unknown team, ImportRefused for an id, name or role that does not fit or
    a team that is full.
    """
    _check_id(worker)
    _check_name(name)
    if role not in ROLES:
        raise ImportRefused("role")
    if team and not tx.rows("SELECT 1 FROM teams WHERE id = ?", [team]):
        raise NotFound("team")
    others = tx.rows("SELECT count(*) FROM workers WHERE team = ? AND id <> ?", [team, worker])
    if team and int(others[0][0]) >= TEAM_WORKERS_MAX:
        raise ImportRefused(f"a team has at most {TEAM_WORKERS_MAX} workers")
    tx.run(
        "INSERT INTO workers VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " name = excluded.name, team = excluded.team, role = excluded.role",
        [worker, name, team or None, role],
    )
    note(tx, now_ms, by, "worker-set", worker, team)


def workers(tx: Transaction, team: str = "") -> list[Worker]:
    """All workers, or those of a team."""
    found = tx.rows("SELECT id, name, coalesce(team, ''), role FROM workers ORDER BY team, id")
    return [Worker(*row) for row in found if not team or row[2] == team]


# ---- areas ---------------------------------------------------------------------------------------


class Area(NamedTuple):
    """An area by its code, such as 440103 (district) 荔湾区."""

    code: str
    level: str
    name: str


def read_areas(path: Path) -> list[Area]:
    """Read ``code,level,name`` lines. Raises ImportRefused naming the line."""
    found: list[Area] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"code", "level", "name"} <= set(reader.fieldnames or ()):
                raise ImportRefused("columns: code, level, name")
            for number, row in enumerate(reader, 2):
                area = Area(row["code"] or "", row["level"] or "", row["name"] or "")
                if not _is_code(area.code) or not 1 <= len(area.name) <= NAME_CHARS_MAX:
                    raise ImportRefused(f"line {number}")
                found.append(area)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImportRefused(type(error).__name__) from None
    return found


def _is_code(code: str) -> bool:
    return code.isascii() and code.isdigit() and len(code) <= AREA_DIGITS_MAX


def store_areas(tx: Transaction, areas: Iterable[Area], by: str, now_ms: int) -> int:
    """Store areas, new names over old; how many there are afterwards."""
    tx.run_many(
        "INSERT INTO areas VALUES (?, ?, ?) ON CONFLICT (code) DO UPDATE SET"
        " level = excluded.level, name = excluded.name",
        areas,
    )
    count = int(tx.rows("SELECT count(*) FROM areas")[0][0])
    note(tx, now_ms, by, "areas-imported", "", str(count))
    return count


def areas_below(tx: Transaction, code: str) -> list[Area]:
    """The areas one level below a code; the topmost ones for an empty code."""
    found = tx.rows(
        "SELECT code, level, name FROM areas WHERE substr(code, 1, ?) = ? AND code <> ?"
        " ORDER BY length(code), code",
        [len(code), code, code],
    )
    shortest = len(found[0][0]) if found else 0
    return [Area(*row) for row in found if len(row[0]) == shortest]


# ---- assignments ---------------------------------------------------------------------------------


def _team_there(tx: Transaction, team: str) -> None:
    if not tx.rows("SELECT 1 FROM teams WHERE id = ?", [team]):
        raise NotFound("team")


def _record(
    tx: Transaction, team: str, what: str, targets: Sequence[str], done: str, by: str, now_ms: int
) -> None:
    tx.run_many(
        "INSERT INTO assignments (at_ms, by, team, what, target, done) VALUES (?, ?, ?, ?, ?, ?)",
        [(now_ms, by, team, what, target, done) for target in targets],
    )
    # One line for all of them: the list itself stands above, and its digest vouches for it.
    listed = sha256("\0".join(sorted(targets)).encode()).hexdigest()
    note(tx, now_ms, by, f"{what}-{done}", team, f"{len(targets)} {listed}")
    bump_scope(tx, team)


def check_homes(tx: Transaction, team: str, homes: Sequence[str]) -> None:
    """Are the team and all these households there? Raises NotFound."""
    _team_there(tx, team)
    known = {row[0] for row in tx.rows_in("SELECT id FROM homes WHERE id IN (?*)", list(homes))}
    if set(homes) - known:
        raise NotFound(f"{len(set(homes) - known)} of {len(set(homes))} households")


def check_taken(
    tx: Transaction, team: str, homes: Sequence[str], areas: Sequence[str] = ()
) -> None:
    """Can these households be taken from the team, once these areas were?

    Raises NotFound, AssignedByArea where an area that stays contains one.
    """
    _team_there(tx, team)
    held = [row[0] for row in tx.rows("SELECT area FROM team_areas WHERE team = ?", [team])]
    staying = [area for area in held if area not in areas]
    if staying:
        for _, area in tx.rows_in("SELECT id, area FROM homes WHERE id IN (?*)", list(homes)):
            if any(area.startswith(one) for one in staying):
                raise AssignedByArea(area)


def assign_homes(tx: Transaction, team: str, homes: Sequence[str], by: str, now_ms: int) -> int:
    """Give households to a team; how many it did not have before. Raises NotFound."""
    check_homes(tx, team, homes)
    known = set(homes)
    had = {row[0] for row in tx.rows("SELECT home FROM assigned WHERE team = ?", [team])}
    new = sorted(known - had)
    tx.run_many("INSERT INTO assigned VALUES (?, ?, ?)", [(team, home, now_ms) for home in new])
    if new:
        _record(tx, team, "home", new, "assign", by, now_ms)
    return len(new)


def unassign_homes(tx: Transaction, team: str, homes: Sequence[str], by: str, now_ms: int) -> int:
    """Take households from a team; how many it had.

    Raises NotFound, AssignedByArea where an area of the team contains one.
    """
    check_taken(tx, team, homes)
    had = {row[0] for row in tx.rows("SELECT home FROM assigned WHERE team = ?", [team])}
    gone = sorted(had & set(homes))
    tx.run_many("DELETE FROM assigned WHERE team = ? AND home = ?", [(team, home) for home in gone])
    if gone:
        _record(tx, team, "home", gone, "unassign", by, now_ms)
        taken_from(tx, team, now_ms)
    return len(gone)


def assign_area(tx: Transaction, team: str, area: str, by: str, now_ms: int) -> int:
    """Give a team all households of an area, those to come included; how many there are now.

    Raises NotFound, ImportRefused for what is no code.
    """
    _team_there(tx, team)
    if not _is_code(area):
        raise ImportRefused("area code")
    tx.run("INSERT INTO team_areas VALUES (?, ?, ?) ON CONFLICT DO NOTHING", [team, area, now_ms])
    _record(tx, team, "area", [area], "assign", by, now_ms)
    return homes_in_area(tx, area)


def unassign_area(tx: Transaction, team: str, area: str, by: str, now_ms: int) -> int:
    """Take an area from a team; 1 if it had it. Raises NotFound."""
    _team_there(tx, team)
    gone = tx.run("DELETE FROM team_areas WHERE team = ? AND area = ?", [team, area])
    if gone:
        _record(tx, team, "area", [area], "unassign", by, now_ms)
        taken_from(tx, team, now_ms)
    return gone


def homes_in_area(tx: Transaction, area: str) -> int:
    """How many households an area contains."""
    found = tx.rows("SELECT count(*) FROM homes WHERE substr(area, 1, ?) = ?", [len(area), area])
    return int(found[0][0])
