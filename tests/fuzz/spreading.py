# SPDX-License-Identifier: Apache-2.0
"""All targets over all cores, each in a process of its own.

What lives here: the list of targets, the pool, what counts as good. What must not: parsers, tables.
Invariant: a target's bound of memory and its alarm are nobody else's.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection

from rich.console import Console
from rich.progress import Progress

from tests.fuzz import targets_carried, targets_files, targets_other, targets_said, targets_sync
from tests.fuzz.running import Target, Told, run

SEED = 20261122
PASSED_LEAST = 0.3
"""Cases past the first check: below it, a target only tries its own front door."""


def all_targets() -> list[Target]:
    """Every parser."""
    parts = (targets_sync, targets_other, targets_said, targets_carried, targets_files)
    return [target for part in parts for target in part.targets()]


@dataclass(frozen=True)
class Plan:
    """Up to which number the cases of each parser go, which are done already, and until when."""

    seed: int
    cases: int
    done: Mapping[str, int] = field(default_factory=dict)
    until: float = math.inf
    workers: int | None = None


def _child(name: str, plan: Plan, answer: Connection) -> None:
    target = next(t for t in all_targets() if t.name == name)
    first = plan.done.get(name, 0)
    answer.send(run(target, plan.seed, max(0, plan.cases - first), first, plan.until))


def run_by_name(name: str, plan: Plan) -> Told:
    """In a process of its own: if a library ends it, that is a fault like any other."""
    if time.monotonic() >= plan.until:
        # A process costs a second of imports: none is begun for nothing.
        return Told(name)
    context = multiprocessing.get_context("forkserver")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(name, plan, theirs))
    process.start()
    theirs.close()
    try:
        told: Told = mine.recv()
    except EOFError:
        told = Told(name, fault_count=1)
        process.join()
        told.faults.append((-1, f"the process ended with {process.exitcode}", ""))
    process.join()
    return told


def run_all(names: Sequence[str], plan: Plan, console: Console) -> list[Told]:
    """All targets named, on all cores."""
    told: list[Told] = []
    with (
        Progress(console=console, transient=True) as progress,
        ThreadPoolExecutor(plan.workers or os.cpu_count()) as pool,
    ):
        bar = progress.add_task("fuzz", total=len(names))
        for one in pool.map(partial(run_by_name, plan=plan), names):
            told.append(one)
            progress.advance(bar)
    return told


def good(told: Told) -> bool:
    """No fault, and enough cases past the first check."""
    return not told.fault_count and told.passed >= PASSED_LEAST * told.cases
