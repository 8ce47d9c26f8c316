# SPDX-License-Identifier: Apache-2.0
"""Key files: written durably, read only where nobody else may read them.

What must not live here: which files there are (``keys.py``, ``boxes.py``). Invariant: a file that
others may read is refused, not quietly used.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from server.errors import KeyFileWrong

KEY_BYTES = 32
FILE_BYTES_MAX = 64 * 1024


def write_file(path: Path, data: bytes) -> None:
    """Write a 0600 file durably: new file, fsync, rename, fsync of the folder."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_file(path: Path) -> bytes:
    """A key file's bytes. Raises KeyFileWrong, naming the file."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise KeyFileWrong(f"{path.name}: others may read it")
            return file.read(FILE_BYTES_MAX)
    except OSError as error:
        raise KeyFileWrong(f"{path.name}: {error.strerror}") from error


def read_key(path: Path) -> bytes:
    """A key of 32 bytes, written in hexadecimal. Raises KeyFileWrong."""
    try:
        key = bytes.fromhex(read_file(path).decode("ascii").strip())
    except ValueError:
        raise KeyFileWrong(f"{path.name}: not a key") from None
    if len(key) != KEY_BYTES:
        raise KeyFileWrong(f"{path.name}: not a key")
    return key
