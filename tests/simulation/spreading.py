# SPDX-License-Identifier: Apache-2.0
"""Runs over all cores.

What lives here: the pool and its stages. What must not: runs themselves. Invariant: a process keeps
one prepared district for all its runs; whoever began the pool removes them all, however it ends.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from fixtures.disk import fast_folder
from tests.simulation.running import Run, Stage, run_seed

_stages: list[Stage] = []


def _prepare(folder: Path) -> None:
    _stages.append(Stage(folder))


def _run(numbers: tuple[int, int]) -> Run:
    return run_seed(_stages[0], *numbers)


def run_many(
    first: int, runs: int, steps: int, seconds: float, workers: int | None = None, least: int = 0
) -> Iterator[Run]:
    """Runs with these numbers, as they end; beyond the first ``least`` none is begun after
    ``seconds``."""
    begun = time.monotonic()
    numbers = iter(range(first, first + runs))
    width = workers or os.cpu_count() or 1
    folder = Path(tempfile.mkdtemp(prefix="simulations-", dir=fast_folder()))
    context = multiprocessing.get_context("forkserver")
    try:
        with context.Pool(width, _prepare, (folder,)) as pool:
            # Handed out in small parts, so that the time is kept to within a few runs.
            handed = 0
            while handed < least or time.monotonic() - begun < seconds:
                part = [(n, steps) for n in islice(numbers, width * 4)]
                if not part:
                    break
                handed += len(part)
                yield from pool.imap_unordered(_run, part)
            pool.close()
            pool.join()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
