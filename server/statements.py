# SPDX-License-Identifier: Apache-2.0
"""Signed statements that go to a tablet with a reply.

What lives here: which statements a tablet is told at this contact. What must not: their forms
(``crypto.statement``). Invariant: only a tablet that speaks the second version is told any; what it
misses comes with a later contact.
"""

from __future__ import annotations

from typing import NamedTuple

from crypto.identity import DeviceKey
from crypto.statement import DAY_MS, issue_lease
from server.store.base import Transaction
from sync.messages import PROTOCOL, Request, Statement

LEASE = "lease"


class Terms(NamedTuple):
    """What a district grants: for how long a store opens without contact, and lives after that."""

    open_ms: int = 0
    erase_ms: int = 0

    @classmethod
    def of_days(cls, lease_days: int, erase_days: int) -> Terms:
        """The terms by the settings."""
        return cls(lease_days * DAY_MS, erase_days * DAY_MS)


def statements_for(
    tx: Transaction, key: DeviceKey, device: str, request: Request, terms: Terms, now_ms: int
) -> list[Statement]:
    """What this tablet is told now."""
    if request.protocol == PROTOCOL:
        return []
    out: list[Statement] = []
    leased = bool(tx.rows("SELECT leased FROM devices WHERE id = ?", [device])[0][0])
    if terms.open_ms or leased:
        lease = issue_lease(key, request.replica, now_ms, terms.open_ms, terms.erase_ms)
        out.append((LEASE, lease))
    if bool(terms.open_ms) != leased:
        tx.run("UPDATE devices SET leased = ? WHERE id = ?", [int(bool(terms.open_ms)), device])
    return out
