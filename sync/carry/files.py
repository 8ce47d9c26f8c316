# SPDX-License-Identifier: Apache-2.0
"""Files that outlive a power cut, on POSIX and on Windows.

What lives here: opening for oneself alone, writing all of it, forcing it to the disk, replacing a
file. What must not: names and formats. Invariants: whatever returned lies on the disk; a file that
is replaced is there whole, the old or the new. What differs on Windows: bytes are opened as such
(it would turn line ends otherwise), no call writes at a place without moving there, and folders
cannot be forced; there the journal of NTFS keeps the order of names.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":
    OWN = os.O_BINARY | os.O_NOINHERIT
    """Flags of every opening: bytes as they are, not handed to programs that are started."""

    sync_data = os.fsync

    def write_at(file: int, data: bytes, offset: int) -> None:
        """Write at a place of a file."""
        os.lseek(file, offset, os.SEEK_SET)
        write_all(file, data)

    def sync_folder(folder: Path) -> None:
        """Force the names in a folder to the disk: nothing to be called for it here."""

else:
    OWN = os.O_CLOEXEC
    """Flags of every opening: not handed to programs that are started."""

    sync_data = os.fdatasync

    def write_at(file: int, data: bytes, offset: int) -> None:
        """Write at a place of a file."""
        os.pwrite(file, data, offset)

    def sync_folder(folder: Path) -> None:
        """Force the names in a folder to the disk."""
        found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(found)
        finally:
            os.close(found)


def open_own(path: Path, flags: int) -> int:
    """Open a file for its owner alone; a new one is readable by nobody else."""
    return os.open(path, flags | OWN, 0o600)


def write_all(file: int, data: bytes) -> None:
    """Write all of it: a disk that fills up takes a part, and says so only at the next call."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file: new content on the disk, then the name, then the folder. Raises OSError."""
    new = path.with_name(path.name + ".new")
    found = open_own(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(found, data)
        os.fsync(found)
    finally:
        os.close(found)
    os.replace(new, path)
    sync_folder(path.parent)


def write_over(path: Path) -> None:
    """Overwrite a small file and remove it; flash memory may keep what it will."""
    found = open_own(path, os.O_WRONLY)
    try:
        write_at(found, bytes(os.fstat(found).st_size), 0)
        os.fsync(found)
    finally:
        os.close(found)
    path.unlink()
