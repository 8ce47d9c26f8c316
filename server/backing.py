# SPDX-License-Identifier: Apache-2.0
"""The backup that a serving process makes by itself.

What lives here: when, where to, what is kept of older ones. What must not: making and checking a
backup (``backups.py``). Invariants
- One process of a district makes it; the store remembers when, so that all know.
- An older backup goes only after a newer one was opened and checked, and only by the name it was
  given here.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from server.backups import PART, back_up
from server.custody_places import last_backup, note_backup
from server.errors import BackupWrong
from server.journal import note
from server.keys import ServerKeys
from server.logs import log
from server.service import Service
from server.settings import Settings
from server.store.base import Transaction

HOUR_MS = 3_600_000


class Backing:
    """The job; ``settings.backup_dir`` names the folder."""

    name = "backup"

    def __init__(self, settings: Settings, keys: ServerKeys) -> None:
        self._settings = settings
        self._keys = keys
        self._folder = Path(settings.backup_dir)
        self._named = re.compile(re.escape(settings.store_district) + r"-\d{13,}\.db")

    def is_due(self, tx: Transaction, now_ms: int) -> bool:
        """Was there a record and no backup for so many hours?"""
        if not tx.rows("SELECT 1 FROM records LIMIT 1"):
            return False
        return now_ms - last_backup(tx)[1] >= self._settings.backup_hours * HOUR_MS

    def work(self, service: Service) -> None:
        """Make it, check it, say so, and let the oldest go. Raises BackupWrong, OSError."""
        district = service.district
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        begun_ms = district.clock()
        # Another process of the district may have put in a new key.
        self._keys.store.look()
        target = self._folder / f"{self._settings.store_district}-{begun_ms}.db"

        def told(done: int, total: int) -> None:
            if service.stopping:
                raise BackupWrong("the server stops")

        with closing(district.store.another()) as aside:
            checked = back_up(aside, self._keys, target, told)
        with district.store.write() as tx:
            note(tx, begun_ms, "", "backup", "", "")
            note_backup(tx, checked.seq, begun_ms)
        for old in self._made()[: -self._settings.backups_kept]:
            old.unlink()
        log("backup", records=checked.records, bytes=checked.bytes)

    def _made(self) -> list[Path]:
        """What this job made, the oldest first."""
        found = [p for p in self._folder.iterdir() if self._named.fullmatch(p.name)]
        return sorted(found, key=lambda p: int(p.stem.rpartition("-")[2]))

    def _sweep(self) -> None:
        """What a process that was killed left half written."""
        for part in self._folder.glob("*" + PART):
            if self._named.fullmatch(part.name.removesuffix(PART)):
                part.unlink()
