# SPDX-License-Identifier: Apache-2.0
"""The keys of the store and of its backups: the present one, the next while it is put in, earlier.

What lives here: making, keeping and forgetting them. What must not: where the present one is kept
(``store_key.py``), encrypting the store anew (``rotating.py``). Invariants
- The next key lies beside the present one until the store opens with it; whoever finds both tries
  both. So there is no moment at which a kill leaves a store without its key.
- Each earlier key is wrapped under the one after it: the present key opens them all, and each is
  gone for good once its line is. A backup made under it then opens for nobody.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from crypto.errors import SealRefused
from crypto.secret import SecretBytes
from crypto.wrapping import KEY_BYTES, key_name, unwrap_key, wrap_key
from server.errors import KeyFileWrong
from server.key_files import read_file, read_key, sync_folder, write_file
from server.store_key import FILE, FROM, read_kept, read_store_key

NEXT = ".next"
BEFORE = "store.key.before"
KEYS_MAX = 500
"""Earlier keys that are kept: ten years of one a week. A line has 100 bytes."""


class Retired(NamedTuple):
    """A key that was the store's, and until when."""

    key: SecretBytes
    until_ms: int

    @property
    def name(self) -> str:
        """What it is called in lists."""
        return key_name(self.key)


class StoreKeyring:
    """The keys of one key folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._present = read_store_key(folder)

    def __repr__(self) -> str:
        return "StoreKeyring(…)"

    @property
    def present(self) -> SecretBytes:
        """The key that the store is written with."""
        return self._present

    @property
    def name(self) -> str:
        """What the present key is called."""
        return key_name(self._present)

    def look(self) -> None:
        """Read the present key again: another process of the district may have put a new one in.

        Raises KeyFileWrong.
        """
        self._present = read_store_key(self._folder)

    def _place(self) -> Path:
        """The file by which the present key is found."""
        kept = self._folder / FROM
        return kept if kept.exists() else self._folder / FILE

    def _next_place(self) -> Path:
        place = self._place()
        return place.with_name(place.name + NEXT)

    def next(self) -> SecretBytes | None:
        """The key that is being put in, where one is. Raises KeyFileWrong."""
        path = self._next_place()
        if not path.exists():
            return None
        return SecretBytes(read_key(path)) if path.name == FILE + NEXT else read_kept(path).key()

    def make_next(self) -> SecretBytes:
        """Make the next key and write it durably. Raises KeyFileWrong where its place is away."""
        key = SecretBytes(secrets.token_bytes(KEY_BYTES))
        path = self._next_place()
        if path.name == FILE + NEXT:
            write_file(path, key.reveal().hex().encode() + b"\n")
        else:
            write_file(path, read_kept(self._place()).wrapping(key).text())
        return key

    def retire(self, now_ms: int) -> None:
        """Keep the present key under the next one: what was encrypted by it opens on."""
        following = self.next()
        if following is None:
            raise KeyFileWrong(f"{FILE}{NEXT}: not there")
        line = f"{now_ms} {wrap_key(following, self._present).hex()}"
        self._write([*self._lines(), line][-KEYS_MAX:])

    def promote(self) -> None:
        """The next key is the present one from now on."""
        following, place = self.next(), self._place()
        if following is None:
            raise KeyFileWrong(f"{FILE}{NEXT}: not there")
        with place.open("r+b") as old:
            self._next_place().replace(place)
            sync_folder(self._folder)
            # What the old file said is overwritten where it lay; the name is the new one's.
            old.write(bytes(os.fstat(old.fileno()).st_size))
            old.flush()
            os.fsync(old.fileno())
        self._present = following

    def drop_next(self) -> None:
        """Forget a next key that was never put in."""
        self._next_place().unlink(missing_ok=True)

    # ---- earlier keys ----------------------------------------------------------------------------

    def _lines(self) -> list[str]:
        path = self._folder / BEFORE
        return read_file(path).decode("ascii", "replace").splitlines() if path.exists() else []

    def _write(self, lines: list[str]) -> None:
        write_file(self._folder / BEFORE, "".join(f"{line}\n" for line in lines).encode("ascii"))

    def earlier(self) -> list[Retired]:
        """The keys before, the newest first. Raises KeyFileWrong."""
        out, under = [], self._present
        for line in reversed(self._lines()):
            at, _, wrapped = line.partition(" ")
            try:
                found = Retired(unwrap_key(under, bytes.fromhex(wrapped)), int(at))
            except ValueError:
                raise KeyFileWrong(f"{BEFORE}: not readable") from None
            except SealRefused:
                # The line of a key that was never put in: a rotation that was killed before.
                continue
            out.append(found)
            under = found.key
        return out

    def all(self) -> list[SecretBytes]:
        """Every key that a file may be encrypted by, the likeliest first. Raises KeyFileWrong."""
        following = self.next()
        found = [] if following is None else [following]
        return [self._present, *found, *(one.key for one in self.earlier())]

    def forget(self, before_ms: int) -> list[Retired]:
        """Forget keys that were no longer in use at ``before_ms``; those that are gone now.

        What a copy of the key folder has is not reached by that. Raises KeyFileWrong.
        """
        known = self.earlier()
        gone = [one for one in known if one.until_ms < before_ms]
        if gone:
            lines, under = [], self._present
            for one in known[: len(known) - len(gone)]:
                lines.append(f"{one.until_ms} {wrap_key(under, one.key).hex()}")
                under = one.key
            self._write(lines[::-1])
        return gone
