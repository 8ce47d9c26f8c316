# SPDX-License-Identifier: Apache-2.0
"""Many seeded runs on all cores; one number makes one run again.

    python -m tests.simulation --runs 100 [--first N] [--json FILE]
    python -m tests.simulation --seed 4 --shrink

What lives here: the command. What must not: steps and judging.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.simulation.plan import FAULTS, STEPS, Step, draw
from tests.simulation.running import Stage, kind_of, play, run_seed, shrink
from tests.simulation.spreading import run_many

SECONDS_FOREVER = 10**9
RUNS_OF_EVERY_KIND = 50
"""Among so many runs, each kind of fault fires in some."""


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first number")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seconds", type=int, default=SECONDS_FOREVER, help="begin no more after")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--seed", type=int, help="one run, in full")
    parser.add_argument("--shrink", action="store_true", help="its shortest history that fails")
    parser.add_argument("--json", type=Path, help="write the figures here")
    chosen = parser.parse_args(argv)
    if chosen.seed is not None:
        return one(chosen.seed, chosen.steps, chosen.shrink)
    return many(chosen)


def one(seed: int, steps: int, shorter: bool) -> int:
    """One run; its complaints, and its steps where it was shrunk."""
    stage = Stage()
    try:
        run = run_seed(stage, seed, steps)
        print(f"seed {seed}: {dict(run.fired)}")
        found: list[Step] = draw(seed, steps)
        if shorter and run.complaints:
            kind = kind_of(run)
            found = shrink(found, lambda fewer: kind_of(play(stage, seed, fewer)) == kind)
            run = play(stage, seed, found)
            for step in found:
                print(json.dumps(step))
        for complaint in run.complaints:
            print(complaint)
        return 1 if run.complaints else 0
    finally:
        stage.close()


def many(chosen: argparse.Namespace) -> int:
    """A range of numbers."""
    started = time.perf_counter()
    fired: Counter[str] = Counter()
    did: Counter[str] = Counter()
    begun = counted = failed = 0
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("simulation", total=chosen.runs)
        spread = chosen.steps, chosen.seconds, chosen.workers
        for run in run_many(chosen.first, chosen.runs, *spread):
            progress.advance(bar)
            begun += 1
            fired += run.fired
            did += run.did
            counted += run.counts
            if run.complaints:
                failed += 1
                print(f"seed {run.seed}: {run.complaints[0]}")
    seconds = time.perf_counter() - started
    silent = sorted(set(FAULTS) - set(fired))
    for kind in FAULTS:
        print(f"  {kind:15} {fired[kind]:9,}")
    rate = counted / seconds / (chosen.workers or 1)
    print(f"simulation: {counted} runs counted, {failed} failed, {rate:.2f} runs/s per core")
    if silent:
        print(f"never fired: {', '.join(silent)}")
    if chosen.json:
        figures = {"runs": counted, "failed": failed, "first": chosen.first, "begun": begun}
        figures |= {"fired": dict(fired), "did": dict(did)}
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps(figures))
    return 1 if failed or (silent and counted >= RUNS_OF_EVERY_KIND) else 0


if __name__ == "__main__":
    multiprocessing.freeze_support()
    sys.exit(main())
