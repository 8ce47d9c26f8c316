# SPDX-License-Identifier: Apache-2.0
"""Feeding one parser wrong bytes, and saying what it did.

What lives here: the loop, its bounds of time and memory, what counts as a fault. What must not:
parsers and samples (``targets``). Invariants: a case is named by target, seed and number, and can
be made again from them alone; a fault keeps its bytes.
"""

from __future__ import annotations

import math
import random
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType, TracebackType

SECONDS_PER_CASE_MAX = 5.0
"""Of the processor: no outside bytes may hold a parser longer, however much else a machine does."""
MEMORY_BYTES_MAX = 64 * 1024 * 1024
"""What one case may ask for above what the process had when its target began."""
FAULTS_KEPT_MAX = 5


class Hang(BaseException):
    """Raised by the timer: no parser may catch it by catching Exception."""


@dataclass(frozen=True)
class Target:
    """A parser of outside bytes.

    ``samples`` are right; ``mutate`` makes wrong ones of them; ``parse`` reads and calls ``passed``
    once it is past its first check; ``errors`` are the roots of the trees it may raise.
    """

    name: str
    samples: tuple[bytes, ...]
    mutate: Callable[[random.Random, bytes], bytes]
    parse: Callable[[bytes, Callable[[], None]], object]
    errors: tuple[type[Exception], ...]


@dataclass
class Told:
    """What became of the cases of one target."""

    target: str
    cases: int = 0
    accepted: int = 0
    passed: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[int, str, str]] = field(default_factory=list)
    fault_count: int = 0


def case_bytes(target: Target, seed: int, number: int) -> bytes:
    """The bytes of one case, from its name alone."""
    rng = random.Random(f"{target.name}/{seed}/{number}")
    return target.mutate(rng, rng.choice(target.samples))


@contextmanager
def _memory_bound() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:
        now_bytes = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now_bytes + MEMORY_BYTES_MAX, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _rang(number: int, frame: FrameType | None) -> None:
    raise Hang


def run(target: Target, seed: int, cases: int, first: int = 0, until: float = math.inf) -> Told:
    """Feed ``cases`` cases, none after the clock ``until`` (``time.monotonic``).

    Must run in the main thread, since a timer bounds each.
    """
    told = Told(target.name)

    def passed() -> None:
        told.passed += 1

    before = signal.signal(signal.SIGPROF, _rang)
    try:
        with _memory_bound():
            for number in range(first, first + cases):
                if time.monotonic() >= until:
                    break
                _one(target, seed, number, told, passed)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return told


class _Judge:
    """Swallows whatever one case raises, and says which kind it was."""

    def __init__(self, target: Target, told: Told, number: int, data: bytes) -> None:
        self.target, self.told, self.number, self.data = target, told, number, data

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_CASE_MAX)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        signal.setitimer(signal.ITIMER_PROF, 0)
        told = self.told
        if error is None:
            told.accepted += 1
        elif isinstance(error, self.target.errors):
            name = type(error).__name__
            told.refused[name] = told.refused.get(name, 0) + 1
        elif isinstance(error, KeyboardInterrupt):
            return False
        else:
            told.fault_count += 1
            if len(told.faults) < FAULTS_KEPT_MAX:
                where = "".join(traceback.format_exception(error)[-3:])
                what = f"{type(error).__name__}: {where[-900:]}"
                told.faults.append((self.number, what, self.data.hex()))
        return True


def _one(target: Target, seed: int, number: int, told: Told, passed: Callable[[], None]) -> None:
    data = case_bytes(target, seed, number)
    told.cases += 1
    with _Judge(target, told, number, data):
        target.parse(data, passed)
