# SPDX-License-Identifier: Apache-2.0
"""A process of its own for every mutant, some at a time.

What lives here: forking, the limits of each process, and the verdict that its end is. What must
not: mutants, tests. Invariants
- Processor time is counted, so that a busy machine kills no mutant.
- A verdict is written as soon as there is one: whatever is broken off loses none.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

CPU_SECONDS_MIN, CPU_TIMES = 2, 6
WALL_SECONDS_MAX = 300
"""For what waits without working; the processor's time ends the others."""
MEMORY_BYTES_MAX = 4 << 30
SLOT_BYTES = 4
NOBODY = -1
KILLED, SURVIVED, ENDLESS, UNREACHED = "killed", "survived", "endless", "unreached"
Say = Callable[[int], None]
"""Says by its number which test killed."""


def limit(seconds: float) -> None:
    """Of one mutant's process, whose tests take so long without it."""
    cpu = CPU_SECONDS_MIN + int(seconds * CPU_TIMES)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    signal.alarm(WALL_SECONDS_MAX)


def outcome(status: int) -> str:
    """What a process's end says: its own words are 0 and 1, and a signal is a limit; nothing where
    it waited too long, since that may be the machine."""
    if os.WIFSIGNALED(status):
        return "" if os.WTERMSIG(status) == signal.SIGALRM else ENDLESS
    return SURVIVED if os.WEXITSTATUS(status) == 0 else KILLED


class Pool:
    """So many processes at a time; each verdict is told at once, as a line of ``told``."""

    def __init__(self, told: Path, workers: int, until: float = math.inf) -> None:
        self.told, self.until = told, until
        self._killers = mmap.mmap(-1, SLOT_BYTES * workers)
        self._free = list(range(workers))
        self._running: dict[int, tuple[str, int, Callable[[int], None]]] = {}

    def tell(self, name: str, what: str) -> None:
        """Write one verdict."""
        with self.told.open("a", encoding="utf-8") as file:
            file.write(json.dumps([name, what], ensure_ascii=False) + "\n")

    def verdicts(self) -> dict[str, str]:
        """All that was told so far, the last of each."""
        lines = self.told.read_text(encoding="utf-8").splitlines() if self.told.exists() else []
        return dict(json.loads(line) for line in lines)

    def start(self, name: str, survives: Callable[[Say], bool], end: Callable[[int], None]) -> bool:
        """Judge one as soon as there is room; False, and nothing begun, where the time is over.

        ``survives`` runs in a process of its own; ``end`` is told which test killed, or NOBODY.
        """
        while not self._free:
            self._ended()
        if time.monotonic() >= self.until:
            return False
        slot = self._free.pop()
        self._write(slot, NOBODY)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                code = 0 if survives(lambda n: self._write(slot, n)) else 1
            finally:
                os._exit(code)
        self._running[pid] = (name, slot, end)
        return True

    def _write(self, slot: int, number: int) -> None:
        packed = number.to_bytes(SLOT_BYTES, "big", signed=True)
        self._killers[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES] = packed

    def _ended(self) -> None:
        pid, status = os.wait()
        name, slot, end = self._running.pop(pid)
        if what := outcome(status):
            self.tell(name, what)
        at = slot * SLOT_BYTES
        end(int.from_bytes(self._killers[at : at + SLOT_BYTES], "big", signed=True))
        self._free.append(slot)

    def wait(self) -> None:
        """Until the last has ended."""
        while self._running:
            self._ended()
