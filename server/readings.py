# SPDX-License-Identifier: Apache-2.0
"""What workers read on tablets, as it comes in with their exchanges.

What lives here: taking signed lines into the access log, and the word on how far it is held. What
must not: judging them (``log_access.py``). Invariants
- A line of a tablet is a line of the same log as one of the console, and a leaf like it; it names
  the tablet. Lines held already are not taken twice.
- What was lost on a tablet for want of room is counted and told.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from typing import TYPE_CHECKING

from crypto.erasure import (
    READINGS,
    READINGS_HELD,
    Readings,
    check_readings,
    issue_readings_held,
    readings_by,
)
from crypto.errors import CryptoError
from crypto.identity import DeviceKey
from server.erasing_places import ask_behind
from server.log_access import Reading, note_readings
from server.scope import Device
from server.store.base import Transaction
from server.trust import Trust
from sync.messages import PROTOCOL, Request, Statement

if TYPE_CHECKING:
    from server.district import District

OPENED, LISTED = "tablet-opened", "tablet-listed"
"""The purpose of these lines: the household was opened on a tablet; a list was shown there, whose
kind and number of households follow."""
NOWHERE = "-"
"""The household in a tablet's line that tells of a list."""


def hear_tablet(
    district: District, tx: Transaction, device: Device, request: Request, now_ms: int
) -> list[Statement]:
    """What a tablet says of erasures and of readings, and what it is answered of the latter."""
    district.erasing.hear(tx, request.statements)
    offset_ms = request.clock_ms - now_ms
    return take_readings(tx, district.trust, district.key, request.statements, offset_ms)


def tell_tablet(
    district: District, tx: Transaction, device: Device, request: Request
) -> list[Statement]:
    """What a tablet is to be told of erasures, with those that its own batch gave reason to."""
    if request.protocol == PROTOCOL or device.state == "revoked":
        return []
    known = district.lineage.places(request.incarnation, request.seq)
    ask_behind(tx, device.id, request.seq if known else 0)
    return district.erasing.told(tx, device.id)


def take_readings(
    tx: Transaction,
    trust: Trust,
    key: DeviceKey,
    statements: Iterable[Statement],
    offset_ms: int,
) -> list[Statement]:
    """Take in what tablets tell of; the signed word on how far each one's log is held.

    ``offset_ms`` is the carrier's clock less this server's: lines are set by this server's clock.
    """
    out: list[Statement] = []
    for kind, data in statements:
        if kind != READINGS:
            continue
        try:
            known = trust.keys.get(readings_by(data))
            if known is None:
                continue
            said = check_readings(data, known.public)
        except CryptoError:
            continue
        last = _take(tx, known.device, said, offset_ms)
        out = [(READINGS_HELD, issue_readings_held(key, said.replica, last))]
    return out


def _take(tx: Transaction, device: str, said: Readings, offset_ms: int) -> int:
    found = tx.rows("SELECT last FROM readings_held WHERE device = ?", [device])
    held = int(found[0][0]) if found else 0
    new = [line for n, line in enumerate(said.lines, said.first) if n > held]
    homes = sorted({line.home for line in new})
    areas = {
        str(home): str(area)
        for home, area in tx.rows_in("SELECT id, area FROM homes WHERE id IN (?*)", homes)
    }
    team = _team_area(tx, device) if NOWHERE in homes else ""
    for line in new:
        reading = Reading(
            line.worker, areas.get(line.home, ""), line.home, line.home, line.fields, OPENED, device
        )
        if line.home == NOWHERE:
            what, _, rest = line.fields.partition(" ")
            count, _, fields = rest.partition(" ")
            why = f"{LISTED} {what} {count}"
            reading = Reading(line.worker, team, "", "", fields, why, device)
        note_readings(tx, line.at_ms - offset_ms, [reading])
    last = max(held, said.first + len(said.lines) - 1)
    tx.run(
        "INSERT INTO readings_held VALUES (?, ?, ?) ON CONFLICT (device)"
        " DO UPDATE SET last = excluded.last, lost = excluded.lost",
        [device, last, said.lost],
    )
    return last


def _team_area(tx: Transaction, device: str) -> str:
    """The area that all areas of a tablet's team lie in; what a list showed lies there."""
    found = tx.rows(
        "SELECT a.area FROM team_areas a JOIN devices d ON d.team = a.team WHERE d.id = ?"
        " UNION SELECT h.area FROM assigned s JOIN devices d ON d.team = s.team"
        " JOIN homes h ON h.id = s.home WHERE d.id = ?",
        [device, device],
    )
    areas = [str(row[0]) for row in found]
    digits = takewhile(lambda same: len(set(same)) == 1, zip(*areas, strict=False))
    return "".join(same[0] for same in digits)
