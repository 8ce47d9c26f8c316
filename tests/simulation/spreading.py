# SPDX-License-Identifier: Apache-2.0
"""Runs over all cores.

What lives here: the pool and its stages. What must not: runs themselves. Invariant: a process keeps
one prepared district for all its runs and removes it at its end.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import time
from collections.abc import Iterator

from tests.simulation.running import Run, Stage, run_seed

_stages: list[Stage] = []


def _stage() -> Stage:
    if not _stages:
        _stages.append(Stage())
        atexit.register(_stages[0].close)
    return _stages[0]


def _run(numbers: tuple[int, int]) -> Run:
    return run_seed(_stage(), *numbers)


def run_many(first: int, runs: int, steps: int, seconds: float) -> Iterator[Run]:
    """Runs with these numbers, as they end; none is begun after ``seconds``."""
    begun = time.monotonic()
    numbers = iter(range(first, first + runs))
    width = os.cpu_count() or 1
    with multiprocessing.get_context("forkserver").Pool(width) as pool:
        # Handed out in small parts, so that the time is kept to within a few runs.
        while time.monotonic() - begun < seconds:
            part = [(n, steps) for n, _ in zip(numbers, range(width * 4), strict=False)]
            if not part:
                break
            yield from pool.imap_unordered(_run, part)
        pool.close()
        pool.join()
