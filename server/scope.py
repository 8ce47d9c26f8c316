# SPDX-License-Identifier: Apache-2.0
"""Scopes: which homes a tablet may read, which it holds, which it gains and loses.

What lives here: the set of homes of a team, and the tablet's word about what it holds. What must
not: the states themselves (``pull.py``). Invariants
- Only the tablet's word says what it holds completely: what was offered counts when the tablet's
  next sum says so, never before.
- A home is in scope by assignment to the team or by an area that contains it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from server.feeds import Run
from server.store.base import Transaction
from sync.clock import counter_of
from sync.session import HELD_MASK, held_part, held_sum

CONFIRMED, ENTERING, LEAVING = 0, 1, 2


class Device(NamedTuple):
    """What the exchange needs of a tablet's row."""

    id: str
    team: str
    state: str
    scope_version: int
    held: int
    offered: int | None


def device_row(tx: Transaction, device: str) -> Device | None:
    """The tablet's row, None if there is none."""
    found = tx.rows(
        "SELECT id, team, state, scope_version, held, offered FROM devices WHERE id = ?", [device]
    )
    return Device(*found[0]) if found else None


def scope_version(tx: Transaction, team: str) -> int:
    """A number that rises with every change of a team's scope; 0 for a team that has none."""
    found = tx.rows("SELECT scope_version FROM teams WHERE id = ?", [team])
    return int(found[0][0]) if found else 0


def homes_in_scope(tx: Transaction, team: str) -> set[str]:
    """All homes a team may read."""
    homes = {r[0] for r in tx.rows("SELECT home FROM assigned WHERE team = ?", [team])}
    for (area,) in tx.rows("SELECT area FROM team_areas WHERE team = ?", [team]):
        if area == "":
            homes |= {r[0] for r in tx.rows("SELECT id FROM homes")}
        else:
            # A prefix as a range, so that the index answers it.
            end = area[:-1] + chr(ord(area[-1]) + 1)
            found = tx.rows("SELECT id FROM homes WHERE area >= ? AND area < ?", [area, end])
            homes |= {r[0] for r in found}
    return homes


def outside(tx: Transaction, team: str, homes: set[str]) -> set[str]:
    """Those of ``homes`` that the team's scope does not have."""
    if not homes:
        return set()
    listed = list(homes)
    # A team's assignments lie together; the same homes by themselves lie all over the store.
    found = tx.rows_in("SELECT home FROM assigned WHERE team = ? AND home IN (?*)", listed, [team])
    left = homes - {home for (home,) in found}
    if not left:
        return left
    areas = [r[0] for r in tx.rows("SELECT area FROM team_areas WHERE team = ?", [team])]
    if areas:
        known = tx.rows_in("SELECT id, area FROM homes WHERE id IN (?*)", list(left))
        left -= {home for home, area in known if any(area.startswith(a) for a in areas)}
    return left


def reassigned_rows(
    runs: Sequence[Run],
    fresh: Mapping[bytes, int],
    homes: set[str],
    home_of: Mapping[str, str],
    team: str,
    now_ms: int,
) -> list[tuple[bytes, str, str, str, int, str, str, str]]:
    """Rows that mark the new changes of these runs on homes that their writer's team does not hold.

    ``fresh``: head of a run → the counter behind which it is new; what was here stays unmarked.
    ``home_of``: the home of each record that is none itself; an edit of a visit need not name it.
    """
    rows = []
    for run in runs:
        new_from = fresh.get(run.head, run.last) + 1
        for entry in run.entries:
            home, change = home_of.get(entry.record, entry.record), entry.change
            if counter_of(entry.dot) < new_from:
                continue
            if "household" in change.names:
                home = str(change.values[change.names.index("household")])
            if home in homes:
                whose = (change.worker, team, change.collection)
                rows.append((entry.dot, "reassigned", entry.record, home, now_ms, *whose))
    return rows


def homes_of_records(
    tx: Transaction, runs: Sequence[Run], homes: Collection[str]
) -> dict[str, str]:
    """The homes, among these, of the records that runs write on."""
    records = {entry.record for run in runs for entry in run.entries}
    found = tx.rows_in(
        "SELECT r.id, h.id FROM records r JOIN homes h ON h.n = r.home WHERE r.id IN (?*)",
        sorted(records - set(homes)),
    )
    return {str(record): str(home) for record, home in found if home in homes}


def mark(tx: Transaction, rows: Iterable[Sequence[object]]) -> None:
    """Keep marks; one that is there stays."""
    tx.run_many(
        "INSERT INTO marks (dot, kind, record, home, at_ms, worker, team, collection)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        rows,
    )


def makers(
    runs: Sequence[Run], teams: dict[bytes, str], new_homes: Collection[str], sender: str
) -> set[tuple[str, str]]:
    """Each new home with the teams that registered it; the sender's if only a state tells."""
    if not new_homes:
        return set()
    made = {
        (entry.record, teams[run.replica])
        for run in runs
        for entry in run.entries
        if entry.record in new_homes and not entry.change.vector
    }
    told = {home for home, _ in made}
    only_states = {(home, sender) for home in new_homes if home not in told}
    return {(home, team) for home, team in made | only_states if team}


def revoked_among(tx: Transaction, device_of: Mapping[bytes, str]) -> frozenset[bytes]:
    """Those of these replicas whose tablets were revoked, whoever brings their feeds."""
    if not device_of:
        return frozenset()
    sql = "SELECT id FROM devices WHERE state = 'revoked' AND id IN (?*)"
    revoked = {row[0] for row in tx.rows_in(sql, list(set(device_of.values())))}
    return frozenset(replica for replica, device in device_of.items() if device in revoked)


def add_home(tx: Transaction, team: str, home: str, now_ms: int) -> None:
    """A household that a team's worker registered is the team's."""
    tx.run(
        "INSERT INTO assigned (team, home, since_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [team, home, now_ms],
    )
    bump_scope(tx, team)


def taken_away(tx: Transaction, pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these (home, team) whose team was told to give the home up: it registered the home,
    but what it wrote came only afterwards, by another way."""
    last: dict[tuple[str, str], str] = {}
    for home, team, done in tx.rows_in(
        "SELECT target, team, done FROM assignments WHERE target IN (?*) ORDER BY n",
        sorted({home for home, _ in pairs}),
    ):
        last[home, team] = done
    return {pair for pair in pairs if last.get(pair) == "unassign"}


def bump_scope(tx: Transaction, team: str) -> None:
    """Tell that a team's scope changed."""
    tx.run("UPDATE teams SET scope_version = scope_version + 1 WHERE id = ?", [team])


def bump_scopes_of_areas(tx: Transaction, areas: set[str]) -> None:
    """Tell teams that hold areas that a home appeared in, or moved between, these areas."""
    for team, area in tx.rows("SELECT team, area FROM team_areas"):
        if any(a.startswith(area) for a in areas):
            bump_scope(tx, team)


def _given_back(tx: Transaction, device: str, state: int, now_ms: int) -> None:
    """The tablet no longer holds homes of this state: since when and until when it did is kept."""
    tx.run(
        "INSERT INTO held_before SELECT device, home, since_ms, ? FROM held"
        " WHERE device = ? AND state = ? AND since_ms > 0 ON CONFLICT DO NOTHING",
        [now_ms, device, state],
    )
    tx.run("DELETE FROM held WHERE device = ? AND state = ?", [device, state])


def settle_word(tx: Transaction, device: Device, said: int, now_ms: int) -> bool:
    """Take the tablet's sum: True if it matches what is known, False if the list must be asked
    for."""
    if device.offered is not None and said == device.offered:
        _given_back(tx, device.id, LEAVING, now_ms)
        tx.run("UPDATE held SET state = 0 WHERE device = ? AND state = ?", [device.id, ENTERING])
        tx.run("UPDATE devices SET held = ?, offered = NULL WHERE id = ?", [said, device.id])
        return True
    if said == device.held:
        if device.offered is not None:
            tx.run("DELETE FROM held WHERE device = ? AND state = ?", [device.id, ENTERING])
            tx.run("UPDATE held SET state = 0 WHERE device = ? AND state = ?", [device.id, LEAVING])
            # What was offered did not arrive: the scope is to be compared again.
            tx.run(
                "UPDATE devices SET offered = NULL, scope_version = -1 WHERE id = ?", [device.id]
            )
        return True
    return False


def take_list(tx: Transaction, device: Device, homes: list[str], now_ms: int) -> int:
    """Take the tablet's own list of what it holds; its sum."""
    since = dict(tx.rows("SELECT home, since_ms FROM held WHERE device = ?", [device.id]))
    tx.run_many(
        "INSERT INTO held_before VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(device.id, h, at, now_ms) for h, at in since.items() if at and h not in set(homes)],
    )
    tx.run("DELETE FROM held WHERE device = ?", [device.id])
    rows = [(device.id, home, since.get(home) or now_ms) for home in set(homes)]
    tx.run_many("INSERT INTO held (device, home, state, since_ms) VALUES (?, ?, 0, ?)", rows)
    said = held_sum(set(homes))
    tx.run(
        "UPDATE devices SET held = ?, offered = NULL, scope_version = -1 WHERE id = ?",
        [said, device.id],
    )
    return said


def held_homes(tx: Transaction, device: str) -> set[str]:
    """The homes the tablet holds completely, by its word."""
    return {r[0] for r in tx.rows("SELECT home FROM held WHERE device = ? AND state = 0", [device])}


def offer(
    tx: Transaction,
    device: Device,
    held: int,
    entered: list[str],
    left: list[str],
    version: int,
    now_ms: int,
) -> None:
    """Remember what this reply gives and takes; it counts when the tablet's next sum says so."""
    total = held
    for home in entered:
        total += held_part(home)
    for home in left:
        total -= held_part(home)
    rows = [(device.id, home, now_ms) for home in entered]
    tx.run_many("INSERT INTO held (device, home, state, since_ms) VALUES (?, ?, 1, ?)", rows)
    tx.run_many(
        "UPDATE held SET state = 2 WHERE device = ? AND home = ?", [(device.id, h) for h in left]
    )
    tx.run(
        "UPDATE devices SET offered = ?, scope_version = ? WHERE id = ?",
        [total & HELD_MASK, version, device.id],
    )
