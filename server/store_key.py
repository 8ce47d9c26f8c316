# SPDX-License-Identifier: Apache-2.0
"""Where the key of the store and of its backups is kept: beside the store, or elsewhere.

What lives here: reading it from a file, or by a key in the environment, a systemd credential, or of
a program that speaks to a key service (a KMS, an HSM); and moving it out of its file. What must
not: what the key opens, new keys (``store_keyring.py``). Invariants
- ``store.key.from`` says where the key is; without it, it is in ``store.key``. It is one file, so
  that whatever changes in it changes at once.
- What is elsewhere is the store's key itself, or another under which the store's is wrapped there:
  either may be changed without the other.
- The file goes only after the key was read back from its new place, and is the same.
- A key that a program gives comes by its standard output, and goes to it by its standard input:
  never as an argument, which others could read.
"""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from crypto.errors import SealRefused
from crypto.secret import SecretBytes
from crypto.wrapping import unwrap_key, wrap_key
from server.errors import KeyFileWrong
from server.key_files import KEY_BYTES, read_file, read_key, sync_folder, write_file

FILE, FROM = "store.key", "store.key.from"
SEALED = "store.key.sealed"
"""Where versions before kept what a key service sealed; it stands in ``store.key.from`` now."""
ENVIRONMENT, CREDENTIAL, COMMAND = "environment", "credential", "command"
KINDS = (ENVIRONMENT, CREDENTIAL, COMMAND)
COMMAND_SECONDS_MAX = 60
"""A key service answers in a second; an HSM that is busy within a minute."""
OUTPUT_BYTES_MAX = 64 * 1024


class Place(NamedTuple):
    """Where a key is: the kind, and a name, or the words of a command."""

    kind: str
    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Place:
        """What a line of ``store.key.from`` says. Raises KeyFileWrong."""
        try:
            kind, *words = shlex.split(text)
        except ValueError:
            raise KeyFileWrong(f"{FROM}: not readable") from None
        if kind not in KINDS or not words or (kind != COMMAND and len(words) != 1):
            raise KeyFileWrong(f"{FROM}: {', '.join(KINDS)}")
        return cls(kind, tuple(words))


class Kept(NamedTuple):
    """What ``store.key.from`` says: the place; the store's key, wrapped under the one that the
    place gives (empty: that is the store's itself); what a key service is given to open."""

    place: Place
    wrapped: bytes = b""
    sealed: bytes = b""

    def text(self) -> bytes:
        """As it stands in the file."""
        lines = [shlex.join((self.place.kind, *self.place.words))]
        lines += [f"wrapped {self.wrapped.hex()}"] if self.wrapped else []
        lines += [f"sealed {self.sealed.hex()}"] if self.sealed else []
        return ("\n".join(lines) + "\n").encode()

    def key(self) -> SecretBytes:
        """The store's key. Raises KeyFileWrong."""
        given = _given(self)
        if not self.wrapped:
            return given
        try:
            return unwrap_key(given, self.wrapped)
        except SealRefused:
            raise KeyFileWrong(f"{self.place.kind} {self.place.words[0]}: another key") from None

    def wrapping(self, key: SecretBytes) -> Kept:
        """The same place, with another key of the store. Raises KeyFileWrong."""
        return self._replace(wrapped=wrap_key(_given(self), key))


def read_kept(path: Path) -> Kept:
    """What such a file says. Raises KeyFileWrong."""
    first, *more = read_file(path).decode("utf-8", "replace").splitlines() or [""]
    place, found = Place.of(first), {}
    try:
        for line in more:
            name, _, digits = line.partition(" ")
            found[name] = bytes.fromhex(digits)
    except ValueError:
        raise KeyFileWrong(f"{path.name}: not readable") from None
    if found.keys() - {"wrapped", "sealed"}:
        raise KeyFileWrong(f"{path.name}: not readable")
    kept = Kept(place, **found)
    if place.kind == COMMAND and not kept.sealed:
        kept = kept._replace(sealed=read_file(path.with_name(SEALED)))
    return kept


def read_store_key(folder: Path) -> SecretBytes:
    """The raw SQLCipher key. Raises KeyFileWrong, naming the place and nothing of the key."""
    if not (folder / FROM).exists():
        return SecretBytes(read_key(folder / FILE))
    return read_kept(folder / FROM).key()


def _given(kept: Kept) -> SecretBytes:
    """The key that a place gives."""
    place = kept.place
    if place.kind == ENVIRONMENT:
        text = os.environ.get(place.words[0], "").encode()
    elif place.kind == CREDENTIAL:
        given = os.environ.get("CREDENTIALS_DIRECTORY", "")
        path = Path(given) / Path(place.words[0]).name
        text = path.read_bytes()[:OUTPUT_BYTES_MAX] if given and path.is_file() else b""
    else:
        text = _ask(place.words, kept.sealed)
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyFileWrong(f"{place.kind} {place.words[0]}: gave no key")
    return SecretBytes(key)


def _ask(words: tuple[str, ...], given: bytes) -> bytes:
    """What a program answers to what it is given. Raises KeyFileWrong."""
    try:
        done = subprocess.run(
            words, input=given, capture_output=True, timeout=COMMAND_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KeyFileWrong(f"{COMMAND} {words[0]}: {type(error).__name__}") from None
    if done.returncode or len(done.stdout) > OUTPUT_BYTES_MAX:
        raise KeyFileWrong(f"{COMMAND} {words[0]}: ended with {done.returncode}")
    return done.stdout


def move_out(folder: Path, place: Place, seal: tuple[str, ...] = ()) -> None:
    """Keep the key at ``place`` from now on, and no longer in its file.

    In the environment or a credential stands the key itself, or another of 32 bytes: the store's
    is then wrapped under that. A key service gets one made for it: ``seal`` is the command that it
    seals with, where ``place`` is one that opens; it is given the key, in hexadecimal. Raises
    KeyFileWrong, and nothing moved.
    """
    key, kept = read_store_key(folder), Kept(place)
    if place.kind == COMMAND:
        made = SecretBytes(secrets.token_bytes(KEY_BYTES))
        kept = Kept(place, b"", _ask(seal, made.reveal().hex().encode() + b"\n"))
        if _given(kept) != made:
            raise KeyFileWrong(f"{place.kind} {place.words[0]}: another key")
    if _given(kept) != key:
        kept = kept.wrapping(key)
    if kept.key() != key:
        raise KeyFileWrong(f"{place.kind} {place.words[0]}: another key")
    write_file(folder / FROM, kept.text())
    for name in (FILE, SEALED):
        wipe(folder / name)


def wipe(path: Path) -> None:
    """Overwrite and remove; what a disk remapped or a snapshot holds is not reached by that."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    sync_folder(path.parent)
