# SPDX-License-Identifier: Apache-2.0
"""Walks over one trace, on all cores, until enough distinct states were judged.

What lives here: the trace's folder, the pool. What must not: drawing, judging. Invariant: walk n
judges every place of the trace whose number is n modulo the number of walks, with draws of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

from client_sdk.tablet import Tablet
from crypto.unlock import store_key
from fixtures.conformance_parts import STORE_KEY
from tests.crash_states.exploring import Found, Traced, Walk
from tests.crash_states.tracing import record
from tests.crash_states.workload import SCHEMA, TABLETS

STRIDE = 8
"""Walks of one round: each judges an eighth of the places."""
DRAWS = 12


def explore(
    seed: int,
    states: int,
    seconds: float,
    least: int = 0,
    *,
    weak: bool = False,
    workers: int | None = None,
) -> Found:
    """Trace once, then walk until there are so many distinct states or the time is over.

    ``least`` states are walked to however long it takes: a slow machine is to find as much.
    """
    home = Path(tempfile.mkdtemp(prefix="crash-states-"))
    try:
        ops = record(home / "w", weak=weak)
        traced = Traced(home / "w", ops, replicas_of(home / "w"))
        return _walk_all(traced, seed, states, seconds, least, workers or os.cpu_count() or 1)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def replicas_of(folder: Path) -> dict[str, bytes]:
    """Who each tablet was when the trace began."""
    out = {}
    for name in TABLETS:
        copy = folder.with_name(f"{name}.copy")
        shutil.copytree(folder / "before" / name, copy)
        with Tablet.open_with(
            copy, store_key(STORE_KEY), worker=f"{name}-worker", schema=SCHEMA
        ) as tablet:
            out[name] = tablet.replica
    return out


def _walk_all(
    traced: Traced, seed: int, states: int, seconds: float, least: int, width: int
) -> Found:
    until, share = time.monotonic() + seconds, -(-least // width)
    total, number = Found(), 0
    with multiprocessing.get_context("forkserver").Pool(width) as pool:
        while len(total.hashes) < least or (
            len(total.hashes) < states and time.monotonic() < until
        ):
            part = range(number, number + width)
            number += width
            for found in pool.imap_unordered(partial(_walk, traced, seed, until, share), part):
                total.add(found)
        pool.close()
        pool.join()
    return total


def _walk(traced: Traced, seed: int, until: float, share: int, number: int) -> Found:
    walk = Walk(traced, seed * 1_000_003 + number, DRAWS)
    return walk.run(
        lambda place: place % STRIDE == number % STRIDE,
        lambda: time.monotonic() < until or len(walk.found.hashes) < share,
    )
