# SPDX-License-Identifier: Apache-2.0
"""Photos, sound and signatures: kept as ciphertext files, sent in pieces after all text.

What lives here: the files, what of them is sent. What must not: the attachment record, which is
written like any other. Invariants: a file is named by the SHA-256 of what it holds and lies
durably on the disk before the record that names it is written; its key stands in that record alone.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from client_sdk.errors import AttachmentRefused, NotFound
from client_sdk.pace import BLOB_BYTES_MIN, next_piece
from client_sdk.store.base import Store
from client_sdk.transport import Transport
from crypto.blob import BLOB_BYTES_MAX, check_blob_name, decrypt_blob, encrypt_blob
from crypto.errors import BlobRefused
from sync.carry.files import write_durably

BLOB_FOLDER = "blobs"
_NAME = re.compile(r"[0-9a-f]{64}")


class Encrypted(NamedTuple):
    """A blob that lies on the disk: its name and key in hex, its plain size in bytes."""

    name: str
    key: str
    size: int


class Blobs:
    """The blobs of one open tablet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.folder = store.directory / BLOB_FOLDER

    def keep(self, plain: bytes) -> Encrypted:
        """Encrypt a blob (at most 8 MiB) and keep it. Raises AttachmentRefused."""
        if len(plain) > BLOB_BYTES_MAX or not plain:
            raise AttachmentRefused(f"{len(plain)} bytes, at most {BLOB_BYTES_MAX}")
        name, key, ciphertext = encrypt_blob(plain)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        write_durably(self.folder / name.hex(), ciphertext)
        return Encrypted(name.hex(), key.hex(), len(plain))

    def note(self, name: str, record: str) -> None:
        """A record names this blob: it is to be sent."""
        size = (self.folder / name).stat().st_size
        self._store.run(
            "INSERT OR IGNORE INTO blobs (name, bytes, sent, done, record) VALUES (?, ?, 0, 0, ?)",
            (name, size, record),
        )

    def open(self, name: str, key: str, transport: Transport | None) -> bytes:
        """The plain bytes of a blob; one that is not here is fetched and kept.

        Raises NotFound, AttachmentRefused where it is not what its name says, Unreachable.
        """
        path = self.folder / _file_name(name)
        fetched = False
        try:
            ciphertext = path.read_bytes()
        except FileNotFoundError:
            if transport is None:
                raise NotFound("blob") from None
            ciphertext = transport.get_blob(name)
            fetched = True
        try:
            plain = decrypt_blob(bytes.fromhex(name), bytes.fromhex(key), ciphertext)
        except (BlobRefused, ValueError) as error:
            raise AttachmentRefused(str(error)) from error
        if fetched:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            write_durably(path, ciphertext)
        return plain

    def unsent(self) -> list[tuple[str, int, int]]:
        """Blobs to be sent: (name, bytes, bytes sent), the most advanced first."""
        sql = "SELECT name, bytes, sent FROM blobs WHERE done = 0 ORDER BY sent DESC, name"
        return [(name, size, sent) for name, size, sent in self._store.rows(sql)]

    def send(self, transport: Transport, piece_bytes: int = BLOB_BYTES_MIN) -> int:
        """Send what is unsent, each from where the server stands; returns how many are complete.

        ``piece_bytes`` is the first piece; the next ones are as large as the line is quick.
        Raises Unreachable, ServerRefused; what was sent until then stays sent.
        """
        done = 0
        for name, size, _ in self.unsent():
            path = self.folder / _file_name(name)
            at = min(transport.blob_bytes(name), size)
            with path.open("rb") as file:
                while at < size:
                    file.seek(at)
                    begun = time.monotonic()
                    at = transport.put_blob(name, at, size, file.read(piece_bytes))
                    piece_bytes = next_piece(piece_bytes, time.monotonic() - begun)
                    self._mark(name, at, size)
            self._mark(name, at, size)
            done += 1
        return done

    def _mark(self, name: str, at: int, size: int) -> None:
        with self._store.transaction():
            self._store.run(
                "UPDATE blobs SET sent = ?, done = ? WHERE name = ?", (at, at >= size, name)
            )

    def check(self, name: str) -> bool:
        """Is the file of a blob whole?"""
        try:
            check_blob_name(bytes.fromhex(name), (self.folder / _file_name(name)).read_bytes())
        except (OSError, BlobRefused):
            return False
        return True


def _file_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise AttachmentRefused("name")
    return name


def remove_all(directory: Path) -> None:
    """Remove all blobs of a tablet that is wiped."""
    folder = directory / BLOB_FOLDER
    for path in folder.iterdir() if folder.is_dir() else ():
        os.unlink(path)
