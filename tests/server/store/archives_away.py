# SPDX-License-Identifier: Apache-2.0
"""Archives that are taken off the machine, and come back."""

from pathlib import Path

from msgspec.msgpack import encode

from server.archives import ArchiveFiles, archive_name
from server.feeds import ARCHIVED, Archived, marks_of, segment_of
from server.store.base import Transaction


def put_away(files: ArchiveFiles, to: Path) -> None:
    """Take the archives off the machine."""
    files.close()
    for at, folder in enumerate(files.folders):
        folder.rename(to / f"away{at}")


def put_back(files: ArchiveFiles, to: Path) -> None:
    for at, folder in enumerate(files.folders):
        (to / f"away{at}").rename(folder)


def lose_runs(tx: Transaction) -> str:
    """Let every run lie in an archive that is nowhere to be found; its name."""
    name = archive_name("district", 1_780_000_000_000)
    tx.run("INSERT INTO archives VALUES (?, ?, ?, ?)", [name, 1, 1, bytes(32)])
    for n, kind, body in tx.rows("SELECT n, kind, body FROM segments"):
        row = Archived(name, int(n), 1, marks_of(segment_of(str(kind), bytes(body))))
        tx.run("UPDATE segments SET kind = ?, body = ? WHERE n = ?", [ARCHIVED, encode(row), n])
    return name
