# SPDX-License-Identifier: Apache-2.0
"""A store's connection and the file it stands in, which may become another under another key.

What lives here: going over to that file, in the one process that writes and in all others. What
must not: making keys, keeping them. Invariants
- The store goes over in one moment, under the writers' lock of the file before: what was committed
  there is in the file after, and nobody commits there any more.
- A store beside another (``another``) follows it; one of another process is told to begin again.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import sqlcipher3

from server.rekey_errors import StoreReplaced
from server.store.sqlite_file import connect, copy_under, only_read, point_to

COPIES_MAX = 5
"""Copies begun anew because another process wrote in the last moment of each: office commands."""


def inode_of(path: Path) -> int:
    """What the system calls the file that a name leads to; 0 where there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


class InFile(ABC):
    """What ``SqliteStore`` has of its file."""

    path: Path
    _db: sqlcipher3.Connection
    _key_hex: str
    _inode: int
    _lock: threading.RLock
    _beside: InFile | None
    _version = 0

    @abstractmethod
    def learn_names(self) -> None:
        """Read the numbers of collections and replicas."""

    def _follow(self) -> None:
        """Go on in the file that the store beside has gone over to."""
        if self._beside is not None and self._beside._key_hex != self._key_hex:
            self._db.close()
            self._key_hex = self._beside._key_hex
            self._db = connect(self.path, self._key_hex)
            self._version = 0
            only_read(self._db)

    def _check_name(self) -> None:
        """Raises StoreReplaced where the store's name leads to another file than this one."""
        if inode_of(self.path) != self._inode:
            raise StoreReplaced()

    def take_key(
        self,
        target: Path,
        key_hex: str,
        commit: Callable[[], None],
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Go on in ``target``, a new file in the store's folder, encrypted by another key.

        All may write and read meanwhile. ``commit`` is called in the moment before the store's
        name leads to the new file; until then a failure leaves the store as it was. The file
        before keeps its content and is the caller's to remove. Raises what ``commit`` and
        ``progress`` raise; StoreReplaced where other processes wrote in between again and again.
        """
        with self._lock:
            for _ in range(COPIES_MAX):
                target.unlink(missing_ok=True)
                seen = self._stand()
                copy_under(self._db, self._lock, target, key_hex, progress)
                if self._go_over(target, key_hex, commit, seen):
                    return
            raise StoreReplaced("other processes write")

    def _stand(self) -> int:
        """A number that moves when another connection committed."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def _go_over(self, target: Path, key_hex: str, commit: Callable[[], None], seen: int) -> bool:
        old = self._db
        old.execute("BEGIN IMMEDIATE")
        try:
            if self._stand() != seen:
                return False
            fresh = connect(target, key_hex)
            try:
                commit()
                point_to(self.path, target)
            except BaseException:
                fresh.close()
                raise
            self._db, self._inode = fresh, inode_of(target)
            # Last: stores beside compare it.
            self._key_hex = key_hex
            self.learn_names()
            return True
        finally:
            old.execute("ROLLBACK")
            if old is not self._db:
                old.close()
