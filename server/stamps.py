# SPDX-License-Identifier: Apache-2.0
"""The highest stamp of everything that was merged: the server's own next stamp lies past it.

What must not live here: clocks. Invariant: it only rises.
"""

from __future__ import annotations

from server.store.base import Transaction
from sync.clock import Stamp


def last_stamp(tx: Transaction) -> Stamp:
    """The highest stamp of everything that was merged."""
    found = tx.rows("SELECT key, value FROM meta WHERE key IN ('stamp_ms', 'stamp_n')")
    known = {key: int(value) for key, value in found}
    return Stamp(known.get("stamp_ms", 0), known.get("stamp_n", 0))


def keep_stamp(tx: Transaction, stamp: Stamp) -> None:
    """Remember a stamp if it is the highest yet."""
    if stamp > last_stamp(tx):
        for key, value in (("stamp_ms", stamp.ms), ("stamp_n", stamp.n)):
            tx.run(
                "INSERT INTO meta (key, value) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [key, value],
            )
