# SPDX-License-Identifier: Apache-2.0
"""The files of an embedded store: opening one, and putting a copy under another key in its place.

What lives here: pragmas, paths, pages. What must not: tables. Invariants
- An SQLite older than 3.51.3 is refused: its write-ahead log can corrupt a file.
- A store's file never lies twice under one name: beside a file of that name SQLite makes a log and
  an index, and whoever still has the former file open would write into, or remove, those of the
  new one. So a copy has a name of its own, and the store's name becomes a link to it, which SQLite
  follows before it names anything.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import sqlcipher3

from server.errors import StoreDamaged, StoreTooOld
from server.key_files import sync_folder

SQLITE_VERSION_MIN = (3, 51, 3)
PAGE_BYTES = 8192
CACHE_KIB = 64 * 1024
"""Page cache of the writer: the working set of a district's day."""
READER_CACHE_KIB = 32 * 1024
"""Page cache of each reader: lists and searches go through a few tables again and again."""
SIDES = ("", "-wal", "-shm")
STEP_PAGES = 256
"""Of a copy: 2 MiB, some 20 ms for which uploads wait; then they have as long for themselves."""
PAUSE_S_MIN = 0.002
STEPS_A_SYNC = 32
COPY_CACHE_KIB = 4 * 1024


def connect(path: Path | str, key_hex: str) -> sqlcipher3.Connection:
    """Open an encrypted file with a raw key (64 hex digits), with every pragma of the design.

    Raises StoreTooOld for a library with the known corruption bug, StoreDamaged where the key or
    the file is wrong.
    """
    version = tuple(int(part) for part in sqlcipher3.sqlite_version.split("."))
    if version < SQLITE_VERSION_MIN:
        raise StoreTooOld(sqlcipher3.sqlite_version)
    connection = sqlcipher3.connect(
        str(path), isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute(f"PRAGMA key = \"x'{key_hex}'\"")
    connection.execute(f"PRAGMA cipher_page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA cipher_hmac_algorithm = HMAC_SHA256")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlcipher3.DatabaseError as error:
        connection.close()
        raise StoreDamaged(str(error)) from error
    for pragma in (
        "synchronous = FULL",
        "temp_store = MEMORY",
        "secure_delete = ON",
        "foreign_keys = ON",
        f"cache_size = -{CACHE_KIB}",
        "wal_autocheckpoint = 4000",
        "busy_timeout = 10000",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def only_read(connection: sqlcipher3.Connection) -> None:
    """Let a connection change nothing, and make it one of several."""
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")


def files_of(path: Path) -> list[Path]:
    """The files of a store that are there: itself, its log, the index of that."""
    real = Path(os.path.realpath(path))
    found = (real.with_name(real.name + side) for side in SIDES)
    return [file for file in found if file.is_file()]


def copy_under(
    source: sqlcipher3.Connection,
    held: threading.RLock,
    target: Path,
    key_hex: str,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Copy a store that is written to into a new file under another key.

    ``held`` is the lock of ``source``, held once by the caller; it is given away between steps.
    What ``source`` commits meanwhile SQLite writes to the copy too; what other connections commit
    makes it begin again. At the end the copy is as durable as a commit, says what ``source`` said
    when this ended, and the lock has not been given away since. Raises what ``progress`` raises.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
    with target.open("rb") as file, closing(connect(target, key_hex)) as copy:
        # A copy that was cut off is thrown away: it needs neither log nor single commits.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        copy.execute(f"PRAGMA cache_size = -{COPY_CACHE_KIB}")
        begun = time.monotonic()
        steps = 0

        def told(_status: int, left: int, total: int) -> None:
            nonlocal begun, steps
            steps += 1
            if progress is not None:
                progress(total - left, total)
            if not left:
                return
            took_s = time.monotonic() - begun
            held.release()
            try:
                if steps % STEPS_A_SYNC == 0:
                    # Little by little: at the end, while uploads wait, hardly anything is left.
                    os.fsync(file.fileno())
                time.sleep(max(took_s, PAUSE_S_MIN))
            finally:
                held.acquire()
            begun = time.monotonic()

        source.backup(copy, pages=STEP_PAGES, progress=told)
        os.fsync(file.fileno())


def point_to(path: Path, target: Path) -> None:
    """Let a store's name lead to another file in its folder, from one moment to the next."""
    fresh = path.with_name(path.name + ".link")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.name)
    fresh.replace(path)
    sync_folder(path.parent)
