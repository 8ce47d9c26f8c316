# SPDX-License-Identifier: Apache-2.0
"""Backing up while serving, and putting a backup back.

What lives here: files. What must not: what happens after a restore at the next start, which is the
same as at every start: a new incarnation; and a store behind its counter writes under a new key.
Invariants
- A backup counts only after it was opened with the key and checked.
- A restore never deletes: the store that was there is set aside under another name.
- What must be good once only is not good again: nonces and open tickets of the backup are void.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import sqlcipher3

from crypto.log import TreeHead
from server.archives import ArchiveFiles
from server.enrolment import DONE, SPENT
from server.errors import BackupWrong, StoreDamaged
from server.forms import known_schema
from server.journal import note
from server.key_files import sync_folder
from server.keys import ServerKeys
from server.lock import store_lock
from server.log_tree import begin_epoch, root_at, stand_of
from server.moving import META, copy_tables, move, rows_in, tables_of
from server.settings import Settings
from server.store.base import Store
from server.store.shared import shared_store
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import SIDES, connect

PART = ".part"
"""What a backup is called until it was checked."""


class Checked(NamedTuple):
    """What a backup holds: records, its commit sequence, its bytes; the archives it rests on."""

    records: int
    seq: int
    bytes: int
    archives: tuple[str, ...] = ()


def check_backup(path: Path, keys: ServerKeys) -> Checked:
    """Open a backup with this server's present key or one before, and check every page.

    Raises BackupWrong.
    """
    connection = _opened(path, keys)
    try:
        if connection.execute("PRAGMA cipher_integrity_check").fetchall():
            raise BackupWrong("a page was altered")
        if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise BackupWrong("damaged")
        seq = connection.execute("SELECT value FROM meta WHERE key = 'seq'").fetchone()
        records = connection.execute("SELECT count(*) FROM records").fetchone()[0]
        named = "SELECT 1 FROM sqlite_master WHERE name = 'archives'"
        rested = "SELECT name FROM archives ORDER BY name"
        # Backups of older programs have no such table.
        found = (
            connection.execute(rested).fetchall() if connection.execute(named).fetchone() else []
        )
    except sqlcipher3.Error:
        raise BackupWrong("damaged") from None
    finally:
        connection.close()
    archives = tuple(str(row[0]) for row in found)
    return Checked(int(records), int(seq[0]) if seq else 0, path.stat().st_size, archives)


def _opened(path: Path, keys: ServerKeys) -> sqlcipher3.Connection:
    if not path.is_file():
        raise BackupWrong("no such file")
    for key in keys.store.all():
        with suppress(StoreDamaged):
            return connect(path, key.reveal().hex())
    raise BackupWrong("does not open with this key or one before")


def _take_out(source: Path, fresh: Path, keys: ServerKeys) -> None:
    """A copy of a backup, for the owner alone and by the present key, whatever its own is."""
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL, 0o600))
    with closing(_opened(source, keys)) as held, closing(connect(fresh, keys.store_hex)) as copy:
        held.backup(copy)


def back_up(
    store: Store,
    keys: ServerKeys,
    target: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Checked:
    """Write a consistent copy, encrypted by the same key, and check it; the server may go on.

    A store in PostgreSQL is read in one transaction and written as an embedded one: what comes of
    it is the same kind of file. Raises BackupWrong where the target exists or the copy does not
    hold; OSError; what ``progress`` raises ends it, and nothing is left behind.
    """
    if target.exists():
        raise BackupWrong("the target exists")
    fresh = target.with_name(target.name + PART)
    _remove(fresh)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL, 0o600))
    try:
        if isinstance(store, SqliteStore):
            store.backup(str(fresh), progress)
        else:
            _copy_out(store, fresh, keys, progress)
        checked = check_backup(fresh, keys)
    except BaseException:
        _remove(fresh)
        raise
    _remove(fresh, SIDES[1:])
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.rename(target)
    sync_folder(target.parent.absolute())
    return checked


def _remove(path: Path, sides: tuple[str, ...] = SIDES) -> None:
    for side in sides:
        path.with_name(path.name + side).unlink(missing_ok=True)


def _copy_out(
    store: Store, path: Path, keys: ServerKeys, progress: Callable[[int, int], None] | None
) -> None:
    with (
        closing(SqliteStore(path, keys.store_hex)) as copy,
        store.read() as here,
        copy.write() as there,
    ):
        tables = tables_of(here, there)
        done, total = 0, rows_in(here, tables)

        def told(rows: int) -> None:
            nonlocal done
            done += rows
            if progress is not None:
                progress(done, total)

        copy_tables(here, there, tables, told)
        counted = [name for name in tables if name != META]
        if rows_in(here, counted) != rows_in(there, counted):
            raise BackupWrong("rows are missing")


def restore(settings: Settings, keys: ServerKeys, source: Path, now_ms: int) -> Checked:
    """Put a backup in the place of the store, which is set aside as ``district.db.<ms>``.

    Into PostgreSQL it goes only where the schema of the district holds nothing yet. Raises
    BackupWrong, ServerRunning, AlreadyInitialised.
    """
    checked = check_backup(source, keys)
    if settings.store_dsn:
        _into_database(settings, keys, source, now_ms)
        return checked
    path = settings.store_path
    with store_lock(settings.data):
        fresh = path.with_name(path.name + ".new")
        _take_out(source, fresh, keys)
        _void_what_was_good_once(fresh, keys)
        _own_up(fresh, path, keys, now_ms)
        for side in SIDES:
            old = path.with_name(path.name + side)
            if old.exists():
                old.rename(path.with_name(f"{path.name}.{now_ms}{side}"))
        fresh.rename(path)
        sync_folder(path.parent)
    return checked


def _into_database(settings: Settings, keys: ServerKeys, source: Path, now_ms: int) -> None:
    schema = known_schema(settings)
    with store_lock(settings.data), tempfile.TemporaryDirectory(dir=settings.data) as folder:
        fresh = Path(folder) / source.name
        _take_out(source, fresh, keys)
        _void_what_was_good_once(fresh, keys)
        _own_up(fresh, fresh, keys, now_ms)
        with (
            closing(SqliteStore(fresh, keys.store_hex)) as here,
            closing(shared_store(settings.store_dsn, settings.store_district)) as there,
        ):
            here.archives = there.archives = ArchiveFiles(settings.archive_folders)
            move(here, there, schema, keys.sign.public)


def _own_up(fresh: Path, replaced: Path, keys: ServerKeys, now_ms: int) -> None:
    """The log of the backup begins a new epoch, with a leaf that names the log it replaces: those
    who remember the later one are told so, instead of finding it out."""
    lost = _log_of(replaced, keys) or _log_of(fresh, keys)
    if lost is None:
        return
    store = SqliteStore(fresh, keys.store_hex)
    try:
        with store.write() as tx:
            epoch = begin_epoch(tx, lost, now_ms)
            note(tx, now_ms, "", "restore", str(epoch), f"{lost.epoch} {lost.size}")
    finally:
        store.close()


def _log_of(path: Path, keys: ServerKeys) -> TreeHead | None:
    """What the log of a store is, None where it does not open or has none."""
    if not path.is_file():
        return None
    try:
        store = SqliteStore(path, keys.store_hex)
    except (StoreDamaged, sqlcipher3.Error):
        return None
    try:
        with store.read() as tx:
            stand = stand_of(tx)
            root = root_at(tx, stand.size)
    except sqlcipher3.Error:
        return None
    finally:
        store.close()
    return TreeHead(keys.sign.replica, stand.epoch, stand.size, root, 0)


def _void_what_was_good_once(path: Path, keys: ServerKeys) -> None:
    store = SqliteStore(path, keys.store_hex)
    try:
        with store.write() as tx:
            tx.run("UPDATE devices SET nonce = NULL")
            tx.run("UPDATE tickets SET state = ? WHERE state <> ?", [SPENT, DONE])
    finally:
        store.close()
    with path.open("rb") as file:
        os.fsync(file.fileno())
