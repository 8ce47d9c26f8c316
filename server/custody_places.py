# SPDX-License-Identifier: Apache-2.0
"""Which places there are beyond this store: the last verified backup, the upstream.

What lives here: reading and noting both. What must not: what they hold (``custody.py``,
``reach.py``). Invariant: a backup counts after it was opened and checked, and holds what was
committed before it began.
"""

from __future__ import annotations

from server.store.base import Transaction
from server.uplinks import UPSTREAM

ABOVE, CITY, PROVINCE, BACKUP = "above", "city", "province", "backup"
"""Kinds of places beyond the district."""
BACKED_UP_SEQ, BACKED_UP_AT_MS = "backed_up_seq", "backed_up_at_ms"
WORDS = {
    "above": "上级 ‖ server above",
    "city": "市级 ‖ city",
    "province": "省级 ‖ province",
    "backup": "备份 ‖ backup",
    "above-backup": "上级的备份 ‖ backup of the server above",
    "city-backup": "市级的备份 ‖ backup of the city",
    "province-backup": "省级的备份 ‖ backup of the province",
}
"""What people call each kind of place, that of a backup with whose it is."""
_CITY_DIGITS, _PROVINCE_DIGITS = 6, 4


def note_backup(tx: Transaction, seq: int, at_ms: int) -> None:
    """A verified backup holds all that was committed up to ``seq``."""
    tx.run_many(
        "INSERT INTO meta (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [(BACKED_UP_SEQ, seq), (BACKED_UP_AT_MS, at_ms)],
    )


def last_backup(tx: Transaction) -> tuple[int, int]:
    """The sequence up to which the last verified backup reaches, and when it was made; (0, 0) for
    none."""
    names = [BACKED_UP_SEQ, BACKED_UP_AT_MS]
    found = dict(tx.rows("SELECT key, value FROM meta WHERE key IN (?, ?)", names))
    return int(found.get(BACKED_UP_SEQ, 0)), int(found.get(BACKED_UP_AT_MS, 0))


def upstream_kind(tx: Transaction) -> tuple[str, bytes] | None:
    """What the upstream is to those below, by this server's area, and its replica."""
    found = tx.rows("SELECT server, area FROM links WHERE kind = ?", [UPSTREAM])
    if not found:
        return None
    digits = len(str(found[0][1]))
    kind = {_CITY_DIGITS: CITY, _PROVINCE_DIGITS: PROVINCE}.get(digits, ABOVE)
    return kind, bytes(found[0][0])
