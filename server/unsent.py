# SPDX-License-Identifier: Apache-2.0
"""What a tablet has written that is not here: as far as it is known, and as far as it is likely.

What lives here: counting. What must not: showing. Invariant: known and likely are told apart; a
likelihood is the tablet's own pace before its last contact, carried on.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from server.set_aside import thaw
from server.store.base import Transaction
from sync.clock import counter_of, dots_of

DAY_MS = 86_400_000
PACE_DAYS = 28
"""Days before the last contact whose changes give the pace: four weeks of work."""
ABSENT_DAYS_MAX = 60
"""Days that a pace is carried on for: after that nobody has gone on working unseen."""


class Gap(NamedTuple):
    """A feed of which less is held than is known to exist."""

    replica: bytes
    held: int
    exists: int


class Unsent(NamedTuple):
    """What of a tablet's work is not here.

    ``gaps`` are known to be missing: ``missing`` changes. ``likely`` is how many more its pace
    (changes a day) would have made since its last contact.
    """

    last_contact_ms: int | None
    gaps: list[Gap]
    missing: int
    per_day: float
    likely: int


def unsent_of(tx: Transaction, device: str, now_ms: int) -> Unsent:
    """What of a tablet's work is not here at ``now_ms``."""
    row = tx.rows("SELECT last_contact_ms FROM devices WHERE id = ?", [device])
    sql = "SELECT replica FROM device_keys WHERE device = ? ORDER BY since_ms"
    keys = [bytes(found[0]) for found in tx.rows(sql, [device])]
    return unsent_of_keys(tx, keys, row[0][0] if row else None, now_ms)


def unsent_of_keys(tx: Transaction, keys: list[bytes], contact: int | None, now_ms: int) -> Unsent:
    """What of one tablet's work is not here; ``keys`` are those it wrote under.

    ``contact`` is its last one here; of a tablet of another server, None: what came last counts.
    """
    gaps: list[Gap] = []
    named = _named_by_waiting(tx)
    written = dict(
        tx.rows_in("SELECT replica, written FROM device_keys WHERE replica IN (?*)", keys)
    )
    told = {bytes(replica): int(count) for replica, count in written.items()}
    for replica in keys:
        gap = _gap(tx, replica, max(told.get(replica, 0), named.get(replica, 0)))
        if gap.exists > gap.held:
            gaps.append(gap)
    missing = sum(gap.exists - gap.held for gap in gaps)
    if contact is None:
        contact = _last_heard(tx, keys)
    per_day = _pace(tx, keys, contact) if contact is not None else 0.0
    away = max(0, now_ms - contact) / DAY_MS if contact is not None else 0.0
    likely = math.ceil(per_day * min(away, ABSENT_DAYS_MAX))
    return Unsent(contact, gaps, missing, per_day, likely)


def _named_by_waiting(tx: Transaction) -> dict[bytes, int]:
    """Replica → the highest counter that a change which waits had seen of it."""
    named: dict[bytes, int] = {}
    for (entry,) in tx.rows("SELECT entry FROM waiting"):
        for d in dots_of(thaw(bytes(entry)).change.vector):
            named[d[:16]] = max(named.get(d[:16], 0), counter_of(d))
    return named


def _gap(tx: Transaction, replica: bytes, written: int) -> Gap:
    leaves = tx.rows(
        "SELECT coalesce(max(counter), 0) FROM leaves WHERE replica = ?", [tx.number_of(replica)]
    )
    heard = tx.rows("SELECT coalesce(max(counter), 0) FROM heard WHERE replica = ?", [replica])
    return Gap(replica, int(leaves[0][0]), max(written, int(heard[0][0])))


def _last_heard(tx: Transaction, keys: list[bytes]) -> int | None:
    numbers = [tx.number_of(replica) for replica in keys]
    found = tx.rows_in("SELECT max(received_at_ms) FROM segments WHERE replica IN (?*)", numbers)
    return max((int(row[0]) for row in found if row[0] is not None), default=None)


def _pace(tx: Transaction, keys: list[bytes], contact_ms: int) -> float:
    """Changes a day in the weeks before the last contact, or since the first of them."""
    total, first = 0, contact_ms
    for replica in keys:
        found = tx.rows(
            "SELECT sum(last - first + 1), min(received_at_ms) FROM segments"
            " WHERE replica = ? AND received_at_ms > ? AND received_at_ms <= ?",
            [tx.number_of(replica), contact_ms - PACE_DAYS * DAY_MS, contact_ms],
        )
        total += int(found[0][0] or 0)
        first = min(first, int(found[0][1] or contact_ms))
    return total / max(1.0, math.ceil((contact_ms - first) / DAY_MS))
