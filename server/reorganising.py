# SPDX-License-Identifier: Apache-2.0
"""Households whose area changed: where they were, who is to hear of it, who held them.

What lives here: the plan of a reorganisation, its changes, and what follows from a changed area on
every server that hears of it. What must not: the exchange (``relaying.py``), single households
(``moves.py``). Invariants
- A reorganisation is ordinary changes of ``area`` (Law 4): each travels, merges and is verified as
  any other, and who edits the same field meanwhile is a sibling.
- A household that left an area is told once more to the server of that area: it would never learn
  of it otherwise, and its tablets would hold the household for ever.
- A plan writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from server.errors import ImportRefused
from server.feeds import Run
from server.field_readers import moved_out, taken_from
from server.journal import note
from server.moves import HOMES_AT_ONCE
from server.own import Write
from server.people import AREA_DIGITS_MAX
from server.scope import bump_scope, bump_scopes_of_areas
from server.store.base import Transaction
from server.unsent import Unsent, unsent_of_keys
from sync.messages import decode_state
from sync.schema import Schema
from sync.session import SignedStates

AREA = "area"
REASON = "reorganised"


class Below(NamedTuple):
    """A server below: households of the plan that leave its area, or come into it."""

    name: str
    area: str
    leaving: int
    entering: int
    last_contact_ms: int | None


class Working(NamedTuple):
    """A tablet that wrote last on records of these households, or holds some by its own word."""

    name: str
    homes: int
    unsent: Unsent


class Plan(NamedTuple):
    """What would happen: households, their records and bytes (causal data and values, as each
    tablet that gains them fetches them), the servers and tablets that are touched, teams here that
    hold the old area and would hold the new one."""

    homes: int
    records: int
    bytes: int
    servers: list[Below]
    tablets: list[Working]
    teams: list[str]


def check_codes(old: str, new: str) -> None:
    """Are these two areas that a community can move between? Raises ImportRefused."""
    for code in (old, new):
        if not (code.isascii() and code.isdigit() and len(code) <= AREA_DIGITS_MAX):
            raise ImportRefused("area code")
    if old.startswith(new) or new.startswith(old):
        raise ImportRefused("one area contains the other")


def plan(tx: Transaction, old: str, new: str, now_ms: int) -> Plan:
    """What moving all of area ``old`` to ``new`` would do. Raises ImportRefused."""
    check_codes(old, new)
    homes = homes_of(tx, old)
    records, size = 0, 0
    touched: dict[bytes, set[str]] = {}
    for home, replica, length in tx.rows_in(
        "SELECT h.id, p.replica, length(r.causal) + length(CAST(r.body AS TEXT)) FROM homes h"
        " JOIN records r ON r.home = h.n LEFT JOIN replicas p ON p.n = r.origin"
        " WHERE h.id IN (?*)",
        homes,
    ):
        records, size = records + 1, size + int(length)
        if replica is not None:
            touched.setdefault(bytes(replica), set()).add(str(home))
    servers = []
    for name, area, contact in tx.rows(
        "SELECT name, area, last_contact_ms FROM devices WHERE role = 'server'"
        " AND state = 'active' ORDER BY area, name"
    ):
        loses, gains = old.startswith(area), new.startswith(area)
        if loses != gains:
            count = len(homes)
            servers.append(Below(name, area, count * loses, count * gains, contact))
    teams = [str(t) for t, area in _team_areas(tx) if area.startswith(old)]
    tablets = _working(tx, touched, homes, now_ms)
    return Plan(len(homes), records, size, servers, tablets, sorted(set(teams)))


def homes_of(tx: Transaction, area: str) -> list[str]:
    """The households of an area, by its prefix."""
    end = area[:-1] + chr(ord(area[-1]) + 1)
    found = tx.rows("SELECT id FROM homes WHERE area >= ? AND area < ? ORDER BY id", [area, end])
    return [str(row[0]) for row in found]


def _team_areas(tx: Transaction) -> list[tuple[str, str]]:
    found = tx.rows("SELECT team, area FROM team_areas ORDER BY team, area")
    return [(str(team), str(area)) for team, area in found]


def _working(
    tx: Transaction, touched: dict[bytes, set[str]], homes: Sequence[str], now_ms: int
) -> list[Working]:
    """Tablets that hold these households by their word, here, and writers of their records."""
    own = {
        bytes(replica): str(device)
        for replica, device in tx.rows(
            "SELECT k.replica, k.device FROM device_keys k JOIN devices d ON d.id = k.device"
            " WHERE d.role = 'tablet' AND d.state = 'active'"
        )
    }
    found: dict[str, set[str]] = {}
    keys: dict[str, list[bytes]] = {}
    for replica, device in own.items():
        keys.setdefault(device, []).append(replica)
    for device, home in tx.rows_in("SELECT device, home FROM held WHERE home IN (?*)", list(homes)):
        found.setdefault(str(device), set()).add(str(home))
    names = dict(tx.rows("SELECT id, name FROM devices"))
    for replica, device, name in tx.rows(
        "SELECT replica, device, name FROM known_keys WHERE role = 'tablet'"
    ):
        own[bytes(replica)] = str(device)
        keys.setdefault(str(device), []).append(bytes(replica))
        names.setdefault(str(device), name)
    for replica, some in touched.items():
        if replica in own:
            found.setdefault(own[replica], set()).update(some)
    out = []
    for device in sorted(found, key=lambda d: (str(names.get(d, d)), d)):
        row = tx.rows("SELECT last_contact_ms FROM devices WHERE id = ?", [device])
        contact = row[0][0] if row else None
        unsent = unsent_of_keys(tx, keys.get(device, []), contact, now_ms)
        out.append(Working(str(names.get(device, device)), len(found[device]), unsent))
    return out


def writes_for(
    tx: Transaction, schema: Schema, homes: Sequence[str], old: str, new: str
) -> list[Write]:
    """The changes that give these households the new area; those that left meanwhile are left
    out."""
    out: list[Write] = []
    for home, collection, area in tx.rows_in(
        "SELECT h.id, k.collection, h.area FROM homes h JOIN records r ON r.id = h.id"
        " JOIN kinds k ON k.kind = r.kind WHERE h.id IN (?*)",
        list(homes),
    ):
        declared = schema.collections.get(collection)
        if declared is not None and AREA in declared.fields and str(area).startswith(old):
            out.append((str(collection), str(home), {AREA: new + str(area)[len(old) :]}, []))
    return out


def rename(tx: Transaction, old: str, new: str, by: str, now_ms: int, homes: int) -> int:
    """Give the new area its name, and teams here that hold the old one the new one too; how many
    teams. The old one stays theirs: what is entered late under the old code is not nobody's."""
    known = {str(row[0]) for row in tx.rows("SELECT code FROM areas")}
    for code, level, name in tx.rows("SELECT code, level, name FROM areas ORDER BY code"):
        moved = new + str(code)[len(old) :]
        if str(code).startswith(old) and moved not in known:
            tx.run("INSERT INTO areas VALUES (?, ?, ?)", [moved, level, name])
    teams = set()
    for team, area in _team_areas(tx):
        if area.startswith(old):
            moved = new + area[len(old) :]
            tx.run(
                "INSERT INTO team_areas VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [team, moved, now_ms],
            )
            tx.run(
                "INSERT INTO assignments (at_ms, by, team, what, target, done)"
                " VALUES (?, ?, ?, 'area', ?, 'assign')",
                [now_ms, by, team, moved],
            )
            bump_scope(tx, team)
            teams.add(team)
    note(tx, now_ms, by, REASON, f"{old} {new}", str(homes))
    return len(teams)


def parts(homes: Sequence[str]) -> Iterable[Sequence[str]]:
    """Households of one transaction each: who syncs meanwhile waits for one part, not for all."""
    return (homes[at : at + HOMES_AT_ONCE] for at in range(0, len(homes), HOMES_AT_ONCE))


# ---- what follows from a changed area ------------------------------------------------------------


def areas_before(
    tx: Transaction, runs: Iterable[Run], states: Iterable[SignedStates] = ()
) -> dict[str, str]:
    """The areas, before a batch is merged, of households whose area it may change."""
    named = {
        entry.record
        for run in runs
        for entry in run.entries
        # What has seen nothing makes the household, and moves none.
        if entry.change.vector and AREA in entry.change.names
    }
    for page in states:
        for _, raw in page.states:
            state = decode_state(raw)
            if AREA in state.names:
                named.add(state.record)
    return _areas(tx, named) if named else {}


def _areas(tx: Transaction, homes: Iterable[str]) -> dict[str, str]:
    found = tx.rows_in("SELECT id, area FROM homes WHERE id IN (?*)", sorted(homes))
    return {str(home): str(area) for home, area in found}


def settle_areas(tx: Transaction, before: dict[str, str], now_ms: int) -> None:
    """After the batch: teams that hold areas hear of it, the server that had the household too, and
    what left this server's own area is no team's here any more."""
    if not before:
        return
    now = _areas(tx, before)
    moved = {home: (was, now[home]) for home, was in before.items() if was and now[home] != was}
    if not moved:
        return
    seq = tx.next_seq()
    tx.run_many(
        "INSERT INTO left_areas (home, area, seq) VALUES (?, ?, ?)"
        " ON CONFLICT (home, area) DO UPDATE SET seq = excluded.seq",
        [(home, was, seq) for home, (was, _) in sorted(moved.items())],
    )
    bump_scopes_of_areas(tx, {area for both in moved.values() for area in both} | {""})
    moved_out(tx, moved.values(), now_ms)
    own = tx.rows("SELECT area FROM links WHERE kind = 'upstream'")
    mine = str(own[0][0]) if own else ""
    gone = [home for home, (_, area) in moved.items() if not area.startswith(mine)]
    teams: dict[str, list[str]] = {}
    for home, team in tx.rows_in("SELECT home, team FROM assigned WHERE home IN (?*)", gone):
        teams.setdefault(str(team), []).append(str(home))
    for team, homes in sorted(teams.items()):
        tx.run_many(
            "DELETE FROM assigned WHERE team = ? AND home = ?", [(team, home) for home in homes]
        )
        tx.run_many(
            "INSERT INTO assignments (at_ms, by, team, what, target, done)"
            " VALUES (?, '', ?, 'home', ?, 'unassign')",
            [(now_ms, team, home) for home in homes],
        )
        note(tx, now_ms, "", REASON, team, str(len(homes)))
        bump_scope(tx, team)
        taken_from(tx, team, now_ms)


def left_since(tx: Transaction, area: str, seq: int) -> list[str]:
    """Households that left an area after a commit and are not back in it."""
    if not area:
        return []
    end = area[:-1] + chr(ord(area[-1]) + 1)
    found = tx.rows(
        "SELECT DISTINCT l.home FROM left_areas l JOIN homes h ON h.id = l.home"
        " WHERE l.seq > ? AND l.area >= ? AND l.area < ? AND NOT (h.area >= ? AND h.area < ?)"
        " ORDER BY l.home",
        [seq, area, end, area, end],
    )
    return [str(row[0]) for row in found]
