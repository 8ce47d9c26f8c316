# SPDX-License-Identifier: Apache-2.0
"""The sealed outbox: every change once more, sealed to the district, beside the store.

What lives here: files of sealed changes, their writing, compaction and the counter kept a second
time. What must not: opening them, which only the district can.

Invariants: a change lies durably here before its transaction commits; a file goes only when
receipts
cover all of it; nothing else, no lockout, wipe or damage, touches it. A file is one sealed stream
(``crypto.seal``), begun at the first change after an opening; its items are encoded segments of one
change. The counter file is written after the commit, so it is never ahead of the store unless the
store was set back.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from client_sdk.store.base import Chain, Entropy, Store
from client_sdk.store.feeds import has_head
from crypto.identity import DeviceKey
from crypto.seal import SealedWriter
from sync.carry.files import open_own, sync_data, sync_folder, write_all, write_at
from sync.change import Entry
from sync.compression import REPLY_LEVEL
from sync.feed import Block, Segment, build_segment, head_message
from sync.sealing import OUTBOX_INFO

OUTBOX_FOLDER = "outbox"
CARRIED_FOLDER = "carried"
COUNTER_FILE = "counter"
SUFFIX = ".sealed"
FILE_BYTES_MAX = 4 * 1024 * 1024
"""After this a new file begins, so that receipts can set the old one free."""
_COUNTER_BYTES = 16 + 8 + 32


def sealed_files(directory: Path) -> list[Path]:
    """The files of the sealed outbox of a tablet, oldest first; the tablet need not be opened."""
    return _sealed_in(directory / OUTBOX_FOLDER)


def carried_files(directory: Path) -> list[Path]:
    """The sealed outboxes that a tablet carries for others."""
    return _sealed_in(directory / CARRIED_FOLDER)


def _sealed_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*" + SUFFIX)) if folder.is_dir() else []


class Outbox:
    """The outbox of one open tablet."""

    def __init__(self, directory: Path, box_public: bytes, entropy: Entropy = os.urandom) -> None:
        self.folder = directory / OUTBOX_FOLDER
        self._box_public = box_public
        self._entropy = entropy
        self._file: int | None = None
        self._writer: SealedWriter | None = None
        self._size = 0
        self._kept = ("", 0)
        self.name = ""

    def files(self) -> list[Path]:
        """The files of sealed changes, oldest first."""
        return sealed_files(self.folder.parent)

    def add(self, store: Store, key: DeviceKey, entry: Entry, before: bytes, head: bytes) -> None:
        """Seal one change and wait until it lies on the disk; inside its transaction, before
        commit.

        Raises OSError where the disk refuses; the transaction then undoes the change.
        """
        box_public = store.get("district")[1]
        if self._writer is None or self._size > FILE_BYTES_MAX or box_public != self._box_public:
            # The district may use a new key since the last change.
            self._box_public = box_public
            self._begin()
        file = self._file
        writer = self._writer
        if file is None or writer is None:
            raise OSError("outbox is closed")
        frame = writer.seal_next(segment_of(key, entry, before, head, self._seed(store, entry)))
        write_all(file, frame)
        sync_data(file)
        self._size += len(frame)
        store.run(
            "INSERT OR REPLACE INTO outbox_files (name, replica, last) VALUES (?, ?, ?)",
            (self.name, key.replica, int.from_bytes(entry.dot[16:24], "big")),
        )

    def _seed(self, store: Store, entry: Entry) -> Block:
        found = store.one(
            "SELECT first, seed FROM blocks WHERE replica = ? AND first <= ? "
            "ORDER BY first DESC LIMIT 1",
            (entry.dot[:16], int.from_bytes(entry.dot[16:24], "big")),
        )
        if found is None:
            raise OSError("no block of salts")
        return Block(found[0], found[1])

    def _begin(self) -> None:
        self.close()
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700)
            sync_folder(self.folder.parent)
        self._writer = SealedWriter(self._box_public, OUTBOX_INFO, self._entropy)
        known = [int(f.stem.split("-")[0]) for f in self.files() if f.stem[:8].isdigit()]
        # The random end keeps files of two copies of one store apart when they lie side by side.
        self.name = f"{max(known, default=0) + 1:08d}-{self._entropy(4).hex()}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._file = open_own(self.folder / self.name, flags)
        write_all(self._file, self._writer.header)
        sync_folder(self.folder)
        self._size = len(self._writer.header)

    def begin(self) -> None:
        """A transaction begins: ``undo`` goes back to here."""
        self._kept = (self.name, self._size)

    def undo(self) -> None:
        """The transaction did not come to its end: take back what was added in it.

        Otherwise a change that nobody was told is saved would stand in the outbox under the counter
        that the next one gets; and a torn frame would cost those after it.
        """
        name, size = self._kept
        begun = self.name if self._file is not None and self.name != name else ""
        # The stream counts its frames: a new one begins with the next change.
        self.close()
        with contextlib.suppress(OSError):
            if begun:
                (self.folder / begun).unlink(missing_ok=True)
            if name and (self.folder / name).exists():
                os.truncate(self.folder / name, size)

    def compact(self, store: Store) -> int:
        """Remove files all of whose changes have receipts; returns how many. Outside
        transactions."""
        gone = 0
        for name, replica, last in store.rows("SELECT name, replica, last FROM outbox_files"):
            sql = "SELECT 1 FROM feed WHERE replica = ? AND own = 1 AND receipted = 0"
            if store.one(sql + " AND counter <= ?", (replica, last)) is not None:
                continue
            if self.name == name:
                self.close()
            (self.folder / name).unlink(missing_ok=True)
            with store.noting():
                store.run("DELETE FROM outbox_files WHERE name = ?", (name,))
            gone += 1
        return gone

    def close(self) -> None:
        """End the present file; the next change begins another."""
        if self._file is not None:
            os.close(self._file)
        self._file = self._writer = None
        self.name = ""


def segment_of(key: DeviceKey, entry: Entry, before: bytes, head: bytes, block: Block) -> bytes:
    """One change as a signed segment, encoded: what an item of the outbox holds."""
    counter = int.from_bytes(entry.dot[16:24], "big")
    signature = key.sign(b"segment", head_message(key.replica, counter, head))
    segment: Segment = build_segment(
        key.replica, counter, before, [block], [entry.raw], signature, REPLY_LEVEL
    )
    return msgspec.msgpack.encode(segment)


def counter_of(path: Path) -> tuple[bytes, int, bytes] | None:
    """Replica, counter and head that the file outside the store names; None where it does not."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) != _COUNTER_BYTES:
        return None
    return data[:16], int.from_bytes(data[16:24], "big"), data[24:]


class OutsideCounter:
    """The own counter and head, kept a second time in a file of its own."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / COUNTER_FILE
        self._file: int | None = None

    def write(self, chain: Chain) -> None:
        """Keep where the chain stands; after the commit."""
        # A full disk must not make a save that is durable look as if it were none: a counter that
        # stays behind is only less likely to notice that the store was set back.
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = open_own(self._path, os.O_RDWR | os.O_CREAT)
            write_at(self._file, chain.replica + chain.counter.to_bytes(8, "big") + chain.head, 0)

    def is_ahead(self, store: Store) -> bool:
        """Did this tablet once write more than the store knows? Then the store was set back."""
        found = counter_of(self._path)
        if found is None:
            return False
        replica, counter, head = found
        if store.key_of(replica) is None:
            # A key this store never had: it was set back to before it went on under that key.
            return True
        return not has_head(store, replica, counter, head)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
