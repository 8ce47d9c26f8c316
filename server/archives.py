# SPDX-License-Identifier: Apache-2.0
"""Archives: files beside the store that hold the bodies of old runs, as they were received.

What lives here: writing, reading and checking these files, and overwriting what was erased. What
must not: which runs go there (``compacting.py``), feeds. Invariants
- Each archive has a key of its own, which stands in the store alone: it opens for whoever opens
  the store, or a backup that rests on it, whatever becomes of the store's key.
- It is in its folder under its name only after it was written whole, closed, opened again, and
  every page and every run in it was checked.
- Nothing in an archive ever changes but what an erasure names, and no archive is ever deleted here.
- The same file lies in several folders; any of them will do for reading.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import sqlcipher3
from msgspec.msgpack import encode

from server.archive_errors import ArchiveMissing
from server.errors import BackupWrong
from server.feeds import segment_of, without
from server.key_files import sync_folder
from server.store.base import Transaction
from sync.clock import Dot, counter_of
from sync.compression import REPLY_LEVEL, pack

PAGE_BYTES = 8192
"""Of the format of archives: not to change with the store's."""
PART = ".part"
OPEN_MAX = 8
"""Archives kept open for reading: a history goes back and forth between a few."""
_NAMED = re.compile(r"[a-z][a-z0-9_]{0,39}-archive-\d{13,}\.db")
_TABLE = (
    "CREATE TABLE runs (n INTEGER PRIMARY KEY, replica BLOB NOT NULL, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL)"
)


class Stored(NamedTuple):
    """A run on its way into an archive: its number in the store, its writer, its first and last
    counter, kind and body."""

    n: int
    replica: bytes
    first: int
    last: int
    kind: str
    body: bytes


def archive_name(district: str, at_ms: int) -> str:
    """The name of an archive that is begun now."""
    return f"{district}-archive-{at_ms}.db"


def archives_of(tx: Transaction) -> dict[str, bytes]:
    """The archives that this store rests on, each with its key."""
    found = tx.rows("SELECT name, key FROM archives ORDER BY name")
    return {str(name): bytes(key) for name, key in found}


class ArchiveFiles:
    """The archives of one store. ``folders``: where they lie; the first that has a file is read."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(dict.fromkeys(folder.absolute() for folder in folders))
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, sqlcipher3.Connection] = OrderedDict()

    def __repr__(self) -> str:
        return f"ArchiveFiles({len(self.folders)} folders)"

    # ---- reading ---------------------------------------------------------------------------------

    def places(self, file: str) -> list[Path]:
        """Where an archive lies."""
        found = [folder / file for folder in self.folders] if _NAMED.fullmatch(file) else []
        return [path for path in found if path.is_file()]

    def here(self, file: str) -> bool:
        """Does an archive lie in one of the folders?"""
        return bool(self.places(file))

    def runs(self, file: str, key: bytes) -> Iterator[tuple[str, bytes]]:
        """Kind and body of each of its runs, as they stand in the file. Raises ArchiveMissing."""
        places = self.places(file)
        if not places:
            raise ArchiveMissing(file)
        try:
            with closing(_connect(places[0], key, "ro")) as connection:
                for kind, body in connection.execute("SELECT kind, body FROM runs ORDER BY n"):
                    yield str(kind), bytes(body)
        except sqlcipher3.DatabaseError:
            raise ArchiveMissing(file) from None

    def read(self, file: str, key: bytes, n: int) -> tuple[str, bytes]:
        """Kind and body of a run. Raises ArchiveMissing."""
        with self._lock:
            try:
                row = (
                    self._connection(file, key)
                    .execute("SELECT kind, body FROM runs WHERE n = ?", [n])
                    .fetchone()
                )
            except sqlcipher3.DatabaseError:
                row = None
        if row is None:
            raise ArchiveMissing(file)
        return str(row[0]), bytes(row[1])

    def _connection(self, file: str, key: bytes) -> sqlcipher3.Connection:
        found = self._opened.pop(file, None)
        if found is None:
            places = self.places(file)
            if not places:
                raise ArchiveMissing(file)
            found = _connect(places[0], key, "ro")
        self._opened[file] = found
        while len(self._opened) > OPEN_MAX:
            self._opened.popitem(last=False)[1].close()
        return found

    def close(self) -> None:
        """Close what is open for reading; reading opens it again."""
        with self._lock:
            while self._opened:
                self._opened.popitem()[1].close()

    # ---- writing ---------------------------------------------------------------------------------

    def write(self, file: str, key: bytes, runs: Sequence[Stored]) -> int:
        """Write an archive into every folder and check each; its bytes.

        What stands in the first folder is read back and compared run by run. Raises BackupWrong
        where it does not hold, OSError, sqlcipher3.Error; then it lies nowhere. ``key``: 32 bytes.
        """
        made: list[Path] = []
        try:
            for folder in self.folders:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                part = folder / (file + PART)
                part.unlink(missing_ok=True)
                made.append(part)
                if len(made) == 1:
                    os.close(os.open(part, os.O_CREAT | os.O_EXCL, 0o600))
                    _fill(part, key, runs)
                else:
                    shutil.copyfile(made[0], part)
                    part.chmod(0o600)
                with part.open("rb") as done:
                    os.fsync(done.fileno())
                _check(part, key, runs)
        except BaseException:
            for part in made:
                part.unlink(missing_ok=True)
                part.with_name(part.name + "-journal").unlink(missing_ok=True)
            raise
        size = made[0].stat().st_size
        for part in made:
            part.rename(part.with_name(file))
            sync_folder(part.parent)
        return size

    def sweep(self) -> None:
        """What a process that was killed left half written."""
        for folder in self.folders:
            for part in [*folder.glob(f"*{PART}"), *folder.glob(f"*{PART}-journal")]:
                if _NAMED.fullmatch(part.name.partition(PART)[0]):
                    part.unlink()

    # ---- erasing ---------------------------------------------------------------------------------

    def blank(self, gone: set[Dot], keys: dict[str, bytes]) -> set[str]:
        """Take the content of these changes out of these archives, in every folder; for good.

        Returns which of them are rid of it: one that is not here, or cannot be written, is not.
        """
        wanted: dict[bytes, set[Dot]] = {}
        for d in gone:
            wanted.setdefault(d[:16], set()).add(d)
        done: set[str] = set()
        for file, key in sorted(keys.items()):
            places = self.places(file)
            with suppress(sqlcipher3.Error):
                for path in places:
                    _blank_file(path, key, wanted)
                done |= {file} if places else set()
        return done


def _fill(path: Path, key: bytes, runs: Sequence[Stored]) -> None:
    connection = _connect(path, key, "rw")
    try:
        connection.execute("BEGIN")
        connection.execute(_TABLE)
        connection.execute("CREATE INDEX runs_by_replica ON runs (replica, last)")
        connection.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", runs)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _check(path: Path, key: bytes, runs: Sequence[Stored]) -> None:
    connection = _connect(path, key, "ro")
    try:
        if connection.execute("PRAGMA cipher_integrity_check").fetchall():
            raise BackupWrong(f"{path.name}: a page was altered")
        found = connection.execute("SELECT n, replica, first, last, kind, body FROM runs")
        told = {int(row[0]): Stored(*row) for row in found}
    finally:
        connection.close()
    if any(told.pop(run.n, None) != run for run in runs) or told:
        raise BackupWrong(f"{path.name}: differs from the store")


def _connect(path: Path, key: bytes, mode: str) -> sqlcipher3.Connection:
    """Open a file. Raises sqlcipher3.DatabaseError where key or file are wrong."""
    connection = sqlcipher3.connect(
        f"file:{path}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    for pragma in (
        f"cipher_page_size = {PAGE_BYTES}",
        "cipher_hmac_algorithm = HMAC_SHA256",
        "synchronous = FULL",
        "temp_store = MEMORY",
        "secure_delete = ON",
        "busy_timeout = 10000",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _blank_file(path: Path, key: bytes, wanted: dict[bytes, set[Dot]]) -> None:
    with closing(_connect(path, key, "rw")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for replica, some in sorted(wanted.items()):
            _blank_runs(connection, replica, some)
        connection.execute("COMMIT")


def _blank_runs(connection: sqlcipher3.Connection, replica: bytes, dots: set[Dot]) -> None:
    counters = sorted(counter_of(d) for d in dots)
    rows = connection.execute(
        "SELECT n, first, last, kind, body FROM runs WHERE replica = ? AND last >= ?"
        " AND first <= ?",
        [replica, counters[0], counters[-1]],
    ).fetchall()
    for n, first, last, kind, body in rows:
        if not any(first <= counter <= last for counter in counters):
            continue
        source, taken = without(segment_of(str(kind), bytes(body)), dots)
        if taken:
            connection.execute(
                "UPDATE runs SET kind = 'partial', body = ? WHERE n = ?",
                [pack(encode(source), REPLY_LEVEL), n],
            )
