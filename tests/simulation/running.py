# SPDX-License-Identifier: Apache-2.0
"""Runs, many of them; and the shortest history of one that fails.

What lives here: one run from its number, what a run must have had to count, shrinking. What must
not: steps and judging. Invariant: a run is made from its number and a list of steps alone.
"""

from __future__ import annotations

import gc
import re
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from fixtures.conformance_parts import Cast, Template
from fixtures.disk import fast_folder
from tests.simulation.parts import Crash
from tests.simulation.plan import HOMES, SERVERS, STEPS, Step, draw
from tests.simulation.quick import quick
from tests.simulation.world import World

STEPS_LEAST = 200
FAULTS_LEAST = 10
_NAMES = re.compile(r"\b(?:[td][0-9]|city|first)\b|household/\S+|\[.*?\]|\{.*?\}|[0-9]+")
KIND_CHARACTERS = 80


@dataclass
class Run:
    """What became of one run."""

    seed: int
    steps: int
    fired: Counter[str] = field(default_factory=Counter)
    did: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Was it long and wild enough to say anything?"""
        return self.steps >= STEPS_LEAST and self.fired.total() >= FAULTS_LEAST


class Stage:
    """The prepared district that every run of one process begins from."""

    def __init__(self, folder: Path | None = None) -> None:
        made = tempfile.mkdtemp(prefix="simulation-", dir=folder or fast_folder())
        self.folder = Path(made)
        self.template = Template(
            self.folder / "template", Cast(SERVERS, tuple(sorted(HOMES.items()))), http=False
        )
        # What is there by now stays to the end: no collection need look at it again.
        gc.freeze()

    def close(self) -> None:
        """Remove all of it."""
        self.template.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def play(stage: Stage, seed: int, steps: Sequence[Step]) -> Run:
    """Carry out these steps, heal, judge."""
    run = Run(seed, len(steps))
    with quick():
        world = World(stage.template, stage.folder)
        with Noting(world.complaints):
            for step in steps:
                world.step(step)
                if world.complaints:
                    break
            else:
                world.heal()
                world.judge()
        with Noting(world.complaints):
            world.close()
    run.complaints, run.fired, run.did = world.complaints, world.fired, world.did
    return run


class Noting:
    """Whatever escapes is a complaint, not the end of all runs."""

    def __init__(self, complaints: list[str]) -> None:
        self._complaints = complaints

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, Exception | Crash):
            text = "".join(traceback.format_exception(error)[-3:])
            self._complaints.append(f"{type(error).__name__}: {text}")
            return True
        return False


def run_seed(stage: Stage, seed: int, steps: int = STEPS) -> Run:
    """The run with this number."""
    return play(stage, seed, draw(seed, steps))


def kind_of(run: Run) -> str:
    """What kind of complaint came first, without names and numbers; empty for none.

    A shorter history of another kind is another bug: shrinking would drift from one to the next.
    """
    return _NAMES.sub("", run.complaints[0])[-KIND_CHARACTERS:] if run.complaints else ""


def shrink(
    steps: list[Step], fails: Callable[[list[Step]], bool], tries_max: int = 400
) -> list[Step]:
    """Fewer of the steps that still fail: ever smaller parts are left out (Zeller's ddmin)."""
    parts, tries = 2, 0
    while len(steps) >= 2 and tries < tries_max:
        size = max(1, len(steps) // parts)
        for start in range(0, len(steps), size):
            tries += 1
            fewer = steps[:start] + steps[start + size :]
            if fewer and fails(fewer):
                steps, parts = fewer, max(parts - 1, 2)
                break
            if tries >= tries_max:
                break
        else:
            if size == 1:
                return steps
            parts = min(len(steps), parts * 2)
    return steps
