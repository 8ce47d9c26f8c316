# SPDX-License-Identifier: Apache-2.0
"""Encrypting the store by a new key while it is served.

What lives here: the steps, in an order in which each may be the last; tidying up after a kill. What
must not: keys (``store_keyring.py``), pages (``store/sqlite_rekey.py``). Invariants
- The next key is on the disk before anything is encrypted by it, the present one is kept under it
  before the store's name leads to the new file, and becomes an earlier one only after that.
- The former file is removed only after every page of the new one was read back.
- In PostgreSQL the store's key encrypts its backups alone: the next one has the new key.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import sqlcipher3

from server.errors import ServerError, ServerRunning, StoreDamaged
from server.journal import note
from server.key_files import sync_folder
from server.rekey_errors import RenewalRoom
from server.service import Service
from server.settings import Settings
from server.store.base import Store
from server.store.checking import check_pages
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import SIDES, connect, files_of
from server.store_keyring import StoreKeyring

_ONE_AT_A_TIME = threading.Lock()
"""Of an office command and the job that forgets: two at once would take each other's next key."""
_NAMED = re.compile(r"district-\d+\.db")
FORMER = "district-0.db"
"""What the very first file is called while it waits for the check of its successor."""


class Renewed(NamedTuple):
    """The names of the key before and of the one that is in use now."""

    before: str
    after: str


def renew_store_key(
    store: Store,
    ring: StoreKeyring,
    path: Path,
    by: str,
    now_ms: int,
    progress: Callable[[int, int], None] | None = None,
) -> Renewed:
    """Give the store at ``path`` a new key; it may be written to and read meanwhile.

    What ``progress`` raises ends it before anything has changed. Raises KeyFileWrong, OSError,
    RenewalRoom, StoreReplaced, ServerRunning where one is under way; StoreDamaged where the new
    file does not hold: then the former one is kept, under the name that the error tells.
    """
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise ServerRunning("a new key is being put in")
    try:
        return _renew(store, ring, path, by, now_ms, progress)
    finally:
        _ONE_AT_A_TIME.release()


def _renew(
    store: Store,
    ring: StoreKeyring,
    path: Path,
    by: str,
    now_ms: int,
    progress: Callable[[int, int], None] | None,
) -> Renewed:
    if isinstance(store, SqliteStore):
        # The next key may be the one that the store has by now: it must not be written over.
        _finish(path, ring)
        _need_room(path)
    before, following = ring.name, ring.make_next()
    if isinstance(store, SqliteStore):
        former = Path(os.path.realpath(path))
        if former == path.absolute().parent.resolve() / path.name:
            # The first one bears the store's own name, which will lead elsewhere.
            kept = path.with_name(FORMER)
            kept.unlink(missing_ok=True)
            kept.hardlink_to(path)
            former = kept
        target = _new_name(path, now_ms)
        try:
            store.take_key(target, following.reveal().hex(), lambda: ring.retire(now_ms), progress)
        except BaseException as error:
            sweep(path)
            # An uploads' rush may have taken the room that there was at the beginning.
            if isinstance(error, sqlcipher3.Error):
                raise RenewalRoom(str(error)) from None
            raise
        ring.promote()
        _check(target, former, following.reveal().hex(), now_ms)
        sweep(path)
    else:
        ring.retire(now_ms)
        ring.promote()
    with store.write() as tx:
        note(tx, now_ms, by, "store-key-renewed", before, ring.name)
    return Renewed(before, ring.name)


def _need_room(path: Path) -> None:
    """Raises RenewalRoom where a second copy of the store does not fit on its disk."""
    size = sum(file.stat().st_size for file in files_of(path))
    found = os.statvfs(path.parent)
    free = found.f_bavail * found.f_frsize
    if free < size + size // 10:
        raise RenewalRoom(f"{size} bytes beside {free} free")


def _new_name(path: Path, now_ms: int) -> Path:
    """A name beside the store that no file has: a clock that went back must not name the store."""
    while (found := path.with_name(f"district-{now_ms}.db")).exists():
        now_ms += 1
    return found


class Renewing:
    """The same in a process that serves: in a thread of its own, asked after from time to time."""

    def __init__(self, service: Service, ring: StoreKeyring) -> None:
        self._service = service
        self._ring = ring
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="renewing")
        self._running: Future[Renewed] | None = None
        self._done = (0, 0)

    def begin(self, by: str) -> None:
        """Begin. Raises ServerRunning where one is under way."""
        if self._running is not None and not self._running.done():
            raise ServerRunning("a new key is being put in")
        self._done = (0, 0)
        self._running = self._thread.submit(self._work, by)

    def _work(self, by: str) -> Renewed:
        district, settings = self._service.district, self._service.settings

        def told(done: int, total: int) -> None:
            if self._service.stopping:
                raise ServerError("the server stops")
            self._done = (done, total)

        return renew_store_key(
            district.store, self._ring, settings.store_path, by, district.clock(), told
        )

    def stand(self) -> tuple[int, int, str, str]:
        """Pages done and in all, and at the end the names of both keys, else empty.

        Raises what ended it.
        """
        running = self._running
        names = running.result() if running is not None and running.done() else Renewed("", "")
        return (*self._done, *names)

    def end(self) -> None:
        """Wait for it; a process that stops lets it end at its next step."""
        self._thread.shutdown(wait=True)


def _check(target: Path, former: Path, key_hex: str, now_ms: int) -> None:
    wrong = check_pages(target, key_hex)
    if wrong:
        kept = former.with_name(f"district.db.{now_ms}")
        former.rename(kept)
        raise StoreDamaged(f"{wrong[0]}; {kept.name}")


def settle(settings: Settings, ring: StoreKeyring) -> None:
    """Finish or undo what a kill cut off, by whoever alone has the store. Raises KeyFileWrong.

    The store says how far it had come: it opens by the next key, or by the present one.
    """
    if settings.store_dsn:
        if ring.next() is not None:
            ring.drop_next()
        return
    _finish(settings.store_path, ring)
    sweep(settings.store_path)


def _finish(path: Path, ring: StoreKeyring) -> None:
    """Let the key that the store opens by be the present one."""
    following = ring.next()
    if following is not None:
        if _opens(path, ring.present.reveal().hex()):
            ring.drop_next()
        elif _opens(path, following.reveal().hex()):
            ring.promote()


def open_file(path: Path, ring: StoreKeyring) -> SqliteStore:
    """Open the embedded store, also in the moment in which it is given another key.

    Raises what opening raises; StoreDamaged for a file that is empty: it would open as a new one.
    """
    if path.is_file() and path.stat().st_size == 0:
        raise StoreDamaged("the file is empty")
    try:
        return SqliteStore(path, ring.present.reveal().hex(), made=True)
    except StoreDamaged:
        before = ring.name
        ring.look()
        following = ring.next()
        if following is not None:
            with suppress(StoreDamaged):
                return SqliteStore(path, following.reveal().hex(), made=True)
        if ring.name == before:
            raise
        return SqliteStore(path, ring.present.reveal().hex(), made=True)


def _opens(path: Path, key_hex: str) -> bool:
    try:
        connect(path, key_hex).close()
    except StoreDamaged:
        return False
    return True


def sweep(path: Path) -> None:
    """Remove files that were the store or were to be, and what lies beside them.

    A file that any link in the folder leads to stays: it is the store, or one that was set aside.
    """
    folder = path.parent
    led_to = {os.path.realpath(p) for p in folder.iterdir() if p.is_symlink()}
    found = [p for p in folder.iterdir() if _NAMED.fullmatch(p.name) and not p.is_symlink()]
    for file in found:
        if os.path.realpath(file) not in led_to:
            for side in SIDES:
                file.with_name(file.name + side).unlink(missing_ok=True)
    if path.is_symlink():
        for side in SIDES[1:]:
            path.with_name(path.name + side).unlink(missing_ok=True)
    if found:
        sync_folder(folder)
