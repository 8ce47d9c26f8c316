# SPDX-License-Identifier: Apache-2.0
"""What this tablet tells its district of itself: version, room used and left.

What lives here: measuring and telling it when it changed. What must not: the form
(``sync.machine``). Invariant: it is told again until an answer came to a request that said it.
"""

from __future__ import annotations

import os
import shutil
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from client_sdk.store.base import Store
from sync.machine import TABLET, encode_machine, machine_of
from sync.messages import Request, Statement

_TOLD = "machine-told"


@cache
def _version() -> str:
    try:
        return version("doorstep")
    except PackageNotFoundError:
        # Run from a folder that was never installed.
        return ""


def used_bytes(folder: Path) -> int:
    """Bytes of all files in a tablet's folder."""
    total = 0
    for entry in os.scandir(folder):
        try:
            if entry.is_dir(follow_symlinks=False):
                total += used_bytes(Path(entry.path))
            else:
                total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            # The write-ahead log and sent photos go while they are counted.
            continue
    return total


def said(store: Store) -> list[Statement]:
    """What a request says of this tablet; nothing where the district knows it."""
    folder = store.directory
    machine = machine_of(_version(), used_bytes(folder), shutil.disk_usage(folder).free)
    data = encode_machine(machine)
    return [] if data == store.get(_TOLD, b"") else [(TABLET, data)]


def mark_told(store: Store, request: Request) -> None:
    """The district answered this request; inside the transaction of its reply."""
    for kind, data in request.statements:
        if kind == TABLET:
            store.put(_TOLD, data)
