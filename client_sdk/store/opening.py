# SPDX-License-Identifier: Apache-2.0
"""Opening the SQLCipher file: key, settings, lock, shape.

What lives here: how a connection comes to be, and copying a closed store. What must not: queries.
Invariants: the raw key goes in first and skips SQLCipher's own stretching; ``synchronous=FULL``, so
that what was committed survives a power cut; one program at a time has a store open, else two
writers would spend the same counter.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlcipher3

from client_sdk.errors import (
    StoreBusy,
    StoreDamaged,
    StoreExists,
    StoreKeyWrong,
    StoreMissing,
    StoreTooNew,
)
from client_sdk.migrations import VERSION, migrate
from crypto.secret import SecretBytes
from sync.carry.files import open_own

STORE_FILE = "store.db"
LOCK_FILE = "store.lock"
PAGE_BYTES = 8192
"""One page of the file: a record with its causal data fits, and few pages hold a household."""
CACHE_KIB = 6144
"""Pages held in memory: 600 households whole, or the search texts of 10,000 and what one search
shows. The tablet's memory is small."""

if sys.platform == "win32":
    import msvcrt

    def _take(lock: int) -> None:
        """Lock the first byte, until the file is closed. Raises BlockingIOError."""
        try:
            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, "locked") from error

else:
    import fcntl

    def _take(lock: int) -> None:
        """Lock the file, until it is closed. Raises BlockingIOError."""
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


Connection = Any
"""A ``sqlcipher3`` connection; the package has no types."""


def connect(directory: Path, key: SecretBytes, *, create: bool) -> tuple[Connection, int]:
    """Open the store in ``directory``: the connection and the file descriptor of its lock.

    Raises StoreMissing, StoreExists, StoreBusy, StoreKeyWrong, StoreDamaged, StoreTooNew.
    """
    path = directory / STORE_FILE
    if create and path.exists():
        raise StoreExists()
    if not create and not path.exists():
        raise StoreMissing()
    if not create and path.stat().st_size == 0:
        raise StoreDamaged("the file is empty")
    if create:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = _lock(directory)
    try:
        connection = _open(path, key)
        try:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if not found and not create:
                # A file that lost its tables opens as a new one does.
                raise StoreDamaged("no tables")
            if found > VERSION:
                raise StoreTooNew(str(found))
            if found < VERSION:
                migrate(connection)
        except BaseException:
            connection.close()
            raise
    except BaseException:
        os.close(lock)
        raise
    return connection, lock


@contextmanager
def hold(directory: Path) -> Iterator[None]:
    """Let no program open the store meanwhile. Raises StoreBusy, StoreMissing without a folder."""
    if not directory.is_dir():
        raise StoreMissing()
    lock = _lock(directory)
    try:
        yield
    finally:
        os.close(lock)


def _lock(directory: Path) -> int:
    lock = open_own(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT)
    try:
        _take(lock)
    except BlockingIOError:
        os.close(lock)
        raise StoreBusy() from None
    return lock


def _open(path: Path, key: SecretBytes) -> Connection:
    new = not path.exists()
    if new:
        os.close(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    # One thread at a time, but not always the same: an app's pages and its sync take turns.
    connection = sqlcipher3.connect(
        str(path), isolation_level=None, cached_statements=256, check_same_thread=False
    )
    try:
        connection.execute(f'PRAGMA key = "{key.reveal().decode("ascii")}"')
        connection.execute(f"PRAGMA cipher_page_size = {PAGE_BYTES}")
        # Decision 0006: wiping every freed block costs five times the work and protects little.
        connection.execute("PRAGMA cipher_memory_security = OFF")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlcipher3.DatabaseError as error:
        connection.close()
        # The text of the error is SQLite's own and names no content.
        raise StoreKeyWrong(str(error)) from None
    return connection


def copy_store(
    source: Path, target: Path, *, before_copy: Callable[[], None] | None = None
) -> None:
    """Copy a closed store, keys and counters included, over whatever is at ``target``.

    For backups that are put back, and for histories that set a store back or clone it. Raises
    StoreMissing if there is none, StoreBusy while a program has it open.
    """
    if not (source / STORE_FILE).exists():
        raise StoreMissing()
    lock = _lock(source)
    try:
        if before_copy is not None:
            before_copy()
        if target.exists():
            shutil.rmtree(target)
        # The lock is this process's own, and Windows lets nobody read what is locked.
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(LOCK_FILE))
    finally:
        os.close(lock)
