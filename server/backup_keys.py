# SPDX-License-Identifier: Apache-2.0
"""What was erased goes from backups too: their keys are forgotten within thirty days, by itself.

What lives here: the daily job, and how far backups are dead. What must not: keys
(``store_keyring.py``), encrypting anew (``rekeying.py``). Invariants
- Within ``DEAD_AFTER_MS`` of an erasure no backup from before it opens for anybody who has only
  this server's key folder: the store got a new key after it, and those before are forgotten.
- The newest backups stay good: between the new key and forgetting lie weeks of them.
- A server on which nothing was erased renews and forgets nothing by itself.
"""

from __future__ import annotations

from server.journal import note
from server.keys import ServerKeys
from server.logs import log
from server.rekeying import renew_store_key
from server.service import Service
from server.settings import Settings
from server.store.base import Transaction

DAY_MS = 86_400_000
NEW_KEY_AFTER_MS = 10 * DAY_MS
"""After the first erasure that no new key followed: those of these days share one."""
DEAD_AFTER_MS = 29 * DAY_MS
"""Then the keys before are forgotten: a day is left for a server that was off at night."""
DEAD = "backups_dead_before_ms"


def dead_before_ms(tx: Transaction) -> int:
    """Backups made before this moment open for nobody any more; 0 where all do."""
    found = tx.rows("SELECT value FROM meta WHERE key = ?", [DEAD])
    return int(found[0][0]) if found else 0


def note_forgotten(tx: Transaction, name: str, until_ms: int, by: str, now_ms: int) -> None:
    """A key that was in use until then is forgotten: say so, and that its backups are dead."""
    note(tx, now_ms, by, "store-key-forgotten", name, str(until_ms))
    tx.run(
        "INSERT INTO meta (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [DEAD, max(until_ms, dead_before_ms(tx))],
    )


class Forgetting:
    """The job: a new key after an erasure, and in time no key of what was before."""

    name = "backup-keys"

    def __init__(self, settings: Settings, keys: ServerKeys) -> None:
        self._settings = settings
        self._keys = keys

    def is_due(self, tx: Transaction, now_ms: int) -> bool:
        """Is a new key due, or one to be forgotten?"""
        erased_ms = _oldest(tx)
        if erased_ms is None or now_ms - erased_ms < NEW_KEY_AFTER_MS:
            return False
        return self._followed(erased_ms) is None or now_ms - erased_ms >= DEAD_AFTER_MS

    def _followed(self, erased_ms: int) -> int | None:
        """Until when the first key that was replaced after a moment had been in use."""
        return min(
            (one.until_ms for one in self._keys.store.earlier() if one.until_ms > erased_ms),
            default=None,
        )

    def work(self, service: Service) -> None:
        """The one that is due. Raises KeyFileWrong, OSError, StoreDamaged, ServerRunning."""
        district, ring = service.district, self._keys.store
        ring.look()
        with district.store.read() as tx:
            erased_ms = _oldest(tx)
        if erased_ms is None:
            return
        followed_ms = self._followed(erased_ms)
        if followed_ms is None:
            path, now_ms = self._settings.store_path, district.clock()
            renewed = renew_store_key(district.store, ring, path, "", now_ms)
            log("store-key-renewed", before=renewed.before, after=renewed.after)
        elif district.clock() - erased_ms >= DEAD_AFTER_MS:
            gone = ring.forget(followed_ms + 1)
            with district.store.write() as tx:
                for one in gone:
                    note_forgotten(tx, one.name, one.until_ms, "", district.clock())
            log("store-keys-forgotten", count=len(gone))


def _oldest(tx: Transaction) -> int | None:
    """The first erasure that backups which still open are from before of."""
    found = tx.rows("SELECT min(at_ms) FROM erasures WHERE at_ms >= ?", [dead_before_ms(tx)])
    return None if found[0][0] is None else int(found[0][0])
