# SPDX-License-Identifier: Apache-2.0
"""Where the key of the store and of its backups is kept: beside the store, or elsewhere.

What lives here: reading it from a file, the environment, a systemd credential, or a program that
speaks to a key service (a KMS, an HSM); and moving it out of its file. What must not: what the key
opens. Invariants
- ``store.key.from`` says where the key is; without it, it is in ``store.key``.
- The file goes only after the key was read back from its new place, and is the same.
- A key that a program gives comes by its standard output, and goes to it by its standard input:
  never as an argument, which others could read.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from crypto.secret import SecretBytes
from server.errors import KeyFileWrong
from server.key_files import KEY_BYTES, read_file, read_key, sync_folder, write_file

FILE, FROM, SEALED = "store.key", "store.key.from", "store.key.sealed"
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

    def line(self) -> bytes:
        """What stands in ``store.key.from``."""
        return (shlex.join((self.kind, *self.words)) + "\n").encode()


def read_store_key(folder: Path) -> SecretBytes:
    """The raw SQLCipher key. Raises KeyFileWrong, naming the place and nothing of the key."""
    if not (folder / FROM).exists():
        return SecretBytes(read_key(folder / FILE))
    place = Place.of(read_file(folder / FROM).decode("utf-8", "replace"))
    return _read_from(place, folder / SEALED)


def _read_from(place: Place, sealed: Path) -> SecretBytes:
    if place.kind == ENVIRONMENT:
        text = os.environ.get(place.words[0], "").encode()
    elif place.kind == CREDENTIAL:
        given = os.environ.get("CREDENTIALS_DIRECTORY", "")
        path = Path(given) / Path(place.words[0]).name
        text = path.read_bytes()[:OUTPUT_BYTES_MAX] if given and path.is_file() else b""
    else:
        text = _ask(place.words, read_file(sealed))
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

    ``seal`` is the command that a key service seals with, where ``place`` is one that opens: it
    gets the key, in hexadecimal, and its answer is kept in ``store.key.sealed``. What stands in
    the environment or a credential must be there already. Raises KeyFileWrong, and nothing moved.
    """
    key = read_store_key(folder)
    fresh = folder / (SEALED + ".try")
    if place.kind == COMMAND:
        write_file(fresh, _ask(seal, key.reveal().hex().encode() + b"\n"))
    try:
        if _read_from(place, fresh).reveal() != key.reveal():
            raise KeyFileWrong(f"{place.kind} {place.words[0]}: another key")
        if place.kind == COMMAND:
            fresh.replace(folder / SEALED)
    finally:
        fresh.unlink(missing_ok=True)
    write_file(folder / FROM, place.line())
    _wipe(folder / FILE)


def _wipe(path: Path) -> None:
    """Overwrite and remove; what a disk remapped or a snapshot holds is not reached by that."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    sync_folder(path.parent)
