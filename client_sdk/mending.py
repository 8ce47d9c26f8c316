# SPDX-License-Identifier: Apache-2.0
"""Mending a tablet whose store is damaged, from the district and the sealed outbox.

What lives here: the order of the steps. What must not: looking (``examining.py``), the exchange.
Invariants
- The sealed outbox goes to the district first: until it answered, nothing here is touched.
- The damaged store is set aside whole; it goes only when the district took every change of the
  outbox and the first download came to its end.
- The new store has the keys of the old one, and goes on under a new key that the last of them
  signs: what the old one wrote and nobody has seen is never counted again (Law 5).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import sqlcipher3

from client_sdk.beside import HandedOver, keep_beside, read_beside, upload_outbox
from client_sdk.blobs import BLOB_FOLDER
from client_sdk.devices import learn, succeed
from client_sdk.errors import NotEnrolled, StoreDamaged, StoreSound
from client_sdk.examining import ASIDE, damage
from client_sdk.outbox import COUNTER_FILE, OutsideCounter, counter_of
from client_sdk.safekeeping import Kept, Safe, gather
from client_sdk.store.base import Chain, Store
from client_sdk.store.opening import PAGE_BYTES, STORE_FILE, hold
from crypto.secret import SecretBytes
from sync.carry.files import sync_folder
from sync.clock import Stamp

SIDES = ("", "-wal", "-shm")
_SAVED = ("drafts", "reading_log")
"""What stands in the store alone: half-entered forms, and what was opened on this tablet."""


class Set(NamedTuple):
    """A new store stands: what the district took of the outbox, rows of the old store that could
    still be read, and where that store was set aside (None where it was gone)."""

    handed: HandedOver
    saved: int
    aside: Path | None


def set_right(
    directory: Path,
    store_key: SecretBytes,
    *,
    address: str = "",
    upload: Callable[[Path, str], HandedOver] = upload_outbox,
) -> Set:
    """Hand the outbox over, set the damaged store aside, and make a new one in its place.

    Raises StoreSound where nothing is damaged, StoreBusy, StoreDamaged where it is not known any
    more who this tablet was, Unreachable; then nothing was changed.
    """
    path = directory / STORE_FILE
    with hold(directory):
        if path.is_file() and not damage(path, store_key):
            if not any(directory.glob(ASIDE + "*")):
                raise StoreSound()
            # The line broke after the new store was made: what is left is to hand the outbox over.
            return Set(upload(directory, address), 0, None)
        kept = _who(directory, path, store_key)
        _know_district(directory, kept)
        handed = upload(directory, address)
        rows = _readable(path, store_key)
        aside = _set_aside(directory)
    store = Store(directory, store_key, create=True, entropy=os.urandom)
    try:
        with store.transaction():
            _settle(store, kept, rows)
        OutsideCounter(directory).write(store.chain)
    finally:
        store.close()
    return Set(handed, sum(map(len, rows.values())), aside)


def forget_aside(directory: Path) -> None:
    """The district has all: what was set aside is encrypted noise that nobody needs any more."""
    for folder in directory.glob(ASIDE + "*"):
        shutil.rmtree(folder)
    sync_folder(directory)


def _who(directory: Path, path: Path, store_key: SecretBytes) -> Kept:
    try:
        return Safe(directory, store_key).read()
    except StoreDamaged:
        # A store from before that file was: its own words, where those pages can be read.
        with contextlib.suppress(sqlcipher3.DatabaseError, OSError):
            connection = _connect(path, store_key)
            try:
                found = gather(lambda sql: list(connection.execute(sql)))
            finally:
                connection.close()
            if found is not None:
                return found
        raise


def _know_district(directory: Path, kept: Kept) -> None:
    """Where the district answers, where that file is gone too."""
    try:
        read_beside(directory)
    except NotEnrolled:
        named = ("addresses", "pin")
        told = {k: msgspec.msgpack.decode(kept.meta[k]) for k in named if k in kept.meta}
        keep_beside(directory, told.get("addresses", []), told.get("pin", b""))


def _connect(path: Path, store_key: SecretBytes) -> Any:
    connection = sqlcipher3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
    connection.execute(f'PRAGMA key = "{store_key.reveal().decode("ascii")}"')
    connection.execute(f"PRAGMA cipher_page_size = {PAGE_BYTES}")
    return connection


def _readable(path: Path, store_key: SecretBytes) -> dict[str, list[tuple[Any, ...]]]:
    """The rows that can still be read of what stands nowhere else."""
    out: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _SAVED}
    with contextlib.suppress(sqlcipher3.DatabaseError, OSError):
        connection = _connect(path, store_key)
        try:
            for table in _SAVED:
                with contextlib.suppress(sqlcipher3.DatabaseError):
                    out[table].extend(connection.execute(f"SELECT * FROM {table}"))
        finally:
            connection.close()
    return out


def _set_aside(directory: Path) -> Path | None:
    found = [p for p in (directory / (STORE_FILE + side) for side in SIDES) if p.exists()]
    if not found:
        return None
    aside = directory / f"{ASIDE}{time.time_ns() // 1_000_000}"
    aside.mkdir(mode=0o700)
    # The store itself last: until it is gone, whoever opens it finds it damaged.
    for path in reversed(found):
        path.rename(aside / path.name)
    sync_folder(aside)
    sync_folder(directory)
    return aside


def _settle(store: Store, kept: Kept, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    for key, packed in kept.meta.items():
        store.put(key, msgspec.msgpack.decode(packed))
    for key_row in kept.keys:
        store.run("INSERT INTO replicas (replica, private, statement) VALUES (?, ?, ?)", key_row)
    replica, counter, head = counter_of(store.directory / COUNTER_FILE) or kept.chain
    if all(row[0] != replica for row in kept.keys):
        replica, counter, head = kept.chain
    store.set_chain(Chain(replica, counter, head, Stamp(0, 0)))
    store.forget_key()
    certificate = store.get("certificate")
    if certificate is not None:
        learn(store, [certificate])
    succeed(store)
    lines = rows.get("reading_log", [])
    for table, found in rows.items():
        for row in found:
            store.run(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    # Numbers of lines are never given twice, also of those that nobody can read any more.
    past = max([kept.readings, int(time.time()), *(int(line[0]) for line in lines)])
    store.run("DELETE FROM sqlite_sequence WHERE name = 'reading_log'")
    store.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('reading_log', ?)", (past,))
    folder = store.directory / BLOB_FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        store.run(
            "INSERT INTO blobs (name, bytes, sent, done, record) VALUES (?, ?, 0, 0, '')",
            (path.name, path.stat().st_size),
        )
