# SPDX-License-Identifier: Apache-2.0
"""All targets over all cores, each in a process of its own.

What lives here: the list of targets, the pool, what counts as good. What must not: parsers, tables.
Invariant: a target's bound of memory and its alarm are nobody else's.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from functools import partial

from rich.console import Console
from rich.progress import Progress

from tests.fuzz import targets_other, targets_sync
from tests.fuzz.running import Target, Told, run

SEED = 20261122
PASSED_LEAST = 0.3
"""Cases past the first check: below it, a target only tries its own front door."""


def all_targets() -> list[Target]:
    """Every parser."""
    return [*targets_sync.targets(), *targets_other.targets()]


def run_by_name(name: str, seed: int, cases: int) -> Told:
    """In a process of its own: its bound of memory and its alarm are nobody else's."""
    target = next(t for t in all_targets() if t.name == name)
    return run(target, seed, cases)


def run_all(names: Sequence[str], seed: int, cases: int, console: Console) -> list[Told]:
    """All targets named, on all cores."""
    told: list[Told] = []
    context = multiprocessing.get_context("forkserver")
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("fuzz", total=len(names))
        # A fresh process for each target: what one leaks or caches is not counted against another.
        with context.Pool(os.cpu_count(), maxtasksperchild=1) as pool:
            for one in pool.imap_unordered(
                partial(run_by_name, seed=seed, cases=cases), names, chunksize=1
            ):
                told.append(one)
                progress.advance(bar)
    return sorted(told, key=lambda one: names.index(one.target))


def good(told: Told) -> bool:
    """No fault, and enough cases past the first check."""
    return not told.fault_count and told.passed >= PASSED_LEAST * told.cases
