# SPDX-License-Identifier: Apache-2.0
"""One process at a time writes the record: a lock on the data folder.

What lives here: taking and holding it. What must not: what is done under it. Invariant: the lock is
the kernel's (flock), so that a killed process leaves none behind.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.errors import ServerRunning

LOCK_NAME = "lock"
PAUSE_S = 0.05


@contextmanager
def store_lock(folder: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of a data folder. Raises ServerRunning where another process has it."""
    handle = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(handle, wait_s)
        yield
    finally:
        os.close(handle)


def _take(handle: int, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise ServerRunning() from None
            time.sleep(PAUSE_S)
