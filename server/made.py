# SPDX-License-Identifier: Apache-2.0
"""One batch and what follows from it: whose the new homes are, which work was on homes that are
another team's now, which homes moved to another area.

What lives here: that. What must not: merging.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from server.feeds import Run
from server.ingest import Outcome, Sender
from server.reorganising import areas_before, settle_areas
from server.scope import (
    Device,
    add_home,
    bump_scopes_of_areas,
    device_row,
    homes_of_records,
    makers,
    mark,
    outside,
    reassigned_rows,
    taken_away,
)
from server.store.base import Transaction
from sync.session import SignedStates

if TYPE_CHECKING:
    from server.district import District


def take_in(
    district: District,
    tx: Transaction,
    forks: set[bytes],
    device: Device,
    batch: tuple[Sequence[Run], Sequence[SignedStates]],
    sender: Sender,
    now_ms: int,
) -> Outcome:
    """Take in runs and states through the one write path, and settle homes by their writers: who
    signed a feed, not the tablet that carried it."""
    runs, states = batch
    before = areas_before(tx, runs, states)
    out = district.ingest(tx, forks, now_ms).take(runs, states, sender)
    teams = {run.replica: _team_of(district, tx, run.replica, device) for run in runs}
    settle_homes(tx, runs, out, teams, device.team, now_ms)
    settle_areas(tx, before, now_ms)
    district.erasing.again(tx, runs, states, now_ms, device.id)
    return out


def _team_of(district: District, tx: Transaction, replica: bytes, sender: Device) -> str:
    """The team of the tablet that writes as this replica; empty for a server."""
    found = district.devices.get(replica)
    if found is None or found[0] == sender.id:
        return sender.team if found else ""
    device = device_row(tx, found[0])
    return device.team if device else ""


def settle_homes(
    tx: Transaction,
    runs: Sequence[Run],
    out: Outcome,
    teams: dict[bytes, str],
    sender_team: str,
    now_ms: int,
) -> None:
    """Give new homes to the writer's team; mark work on homes that are another team's now.

    ``teams``: replica to team, of every writer in ``runs``; empty for a server.
    """
    makes = makers(runs, teams, out.new_homes, sender_team)
    for home, team in makes - (taken_away(tx, makes) if makes else set()):
        add_home(tx, team, home, now_ms)
    if out.new_homes:
        bump_scopes_of_areas(tx, set(out.new_homes.values()) | {""})
    for team in set(teams.values()) - {""}:
        beyond = outside(tx, team, out.homes)
        if beyond:
            of_team = [run for run in runs if teams[run.replica] == team]
            home_of = homes_of_records(tx, of_team, beyond)
            mark(tx, reassigned_rows(of_team, out.fresh, beyond, home_of, team, now_ms))
