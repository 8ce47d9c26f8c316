# SPDX-License-Identifier: Apache-2.0
"""What a reassignment would do, before it is done: tablets, bytes, unsent work at stake.

What lives here: the plan of giving households to a team or taking them. What must not: doing it
(``people.py``). Invariant: a plan writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from server.scope import homes_in_scope, outside
from server.store.base import Transaction
from server.unsent import Unsent, unsent_of

HOMES_AT_ONCE = 1_000
"""Households of one transaction: a tablet that syncs meanwhile waits for no more than these."""


class Touched(NamedTuple):
    """A tablet of the team: the households of the plan it holds, and its work that is not here."""

    device: str
    name: str
    homes: int
    unsent: Unsent


class Plan(NamedTuple):
    """What would happen.

    ``homes`` enter or leave the team's scope; ``records`` and ``bytes`` (causal data and values,
    not compressed) are what each of the team's tablets fetches, or purges.
    """

    homes: int
    records: int
    bytes: int
    tablets: list[Touched]


def plan(
    tx: Transaction,
    team: str,
    homes: Sequence[str],
    areas: Sequence[str],
    taking: bool,
    now_ms: int,
) -> Plan:
    """The plan of giving these households and areas to a team, or of taking them from it."""
    named = set(homes)
    for area in areas:
        found = tx.rows("SELECT id FROM homes WHERE substr(area, 1, ?) = ?", [len(area), area])
        named |= {row[0] for row in found}
    moving = named & homes_in_scope(tx, team) if taking else outside(tx, team, named)
    listed = sorted(moving)
    records, size = 0, 0
    for count, total in tx.rows_in(
        "SELECT count(*), coalesce(sum(length(r.causal) + length(CAST(r.body AS TEXT))), 0)"
        " FROM homes h JOIN records r ON r.home = h.n WHERE h.id IN (?*)",
        listed,
    ):
        records, size = records + int(count), size + int(total)
    tablets = []
    for device, name in tx.rows(
        "SELECT id, name FROM devices WHERE team = ? AND state = 'active' ORDER BY name, id", [team]
    ):
        held = {r[0] for r in tx.rows("SELECT home FROM held WHERE device = ?", [device])}
        tablets.append(Touched(device, name, len(held & moving), unsent_of(tx, device, now_ms)))
    return Plan(len(listed), records, size, tablets)


def parts(homes: Sequence[str]) -> Iterator[Sequence[str]]:
    """Households in parts of one transaction each."""
    for start in range(0, len(homes), HOMES_AT_ONCE):
        yield homes[start : start + HOMES_AT_ONCE]
