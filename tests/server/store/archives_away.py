# SPDX-License-Identifier: Apache-2.0
"""Archives that are taken off the machine, and come back."""

from pathlib import Path

from server.archives import ArchiveFiles


def put_away(files: ArchiveFiles, to: Path) -> None:
    """Take the archives off the machine."""
    files.close()
    for at, folder in enumerate(files.folders):
        folder.rename(to / f"away{at}")


def put_back(files: ArchiveFiles, to: Path) -> None:
    for at, folder in enumerate(files.folders):
        (to / f"away{at}").rename(folder)
