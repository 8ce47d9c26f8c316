# SPDX-License-Identifier: Apache-2.0
"""After a batch: whose the new homes are, and which work was on homes that are another team's now.

What lives here: that. What must not: merging, and whose a writer is, which the caller says.
"""

from __future__ import annotations

from collections.abc import Sequence

from server.feeds import Run
from server.ingest import Outcome
from server.scope import (
    add_home,
    bump_scopes_of_areas,
    makers,
    mark,
    outside,
    reassigned_rows,
    taken_away,
)
from server.store.base import Transaction


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
            mark(tx, reassigned_rows(of_team, out.fresh, beyond, team, now_ms))
