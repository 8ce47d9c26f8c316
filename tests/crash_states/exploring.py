# SPDX-License-Identifier: Apache-2.0
"""Every prefix of a trace, and what may be left of it.

What lives here: walking the trace, drawing states, counting those that differ. What must not:
tracing, judging, processes. Invariants: a state is counted once, by the hash of its files; it is
judged again where more was promised meanwhile.
"""

from __future__ import annotations

import gc
import hashlib
import random
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType

from fixtures.disk import fast_folder
from server.keys import ServerKeys
from tests.crash_states.disk import Disk, Files
from tests.crash_states.judging import (
    Promises,
    judge_server,
    judge_tablet,
    keys_of,
    laid_out,
)
from tests.crash_states.tracing import Op
from tests.crash_states.workload import TABLETS
from tests.simulation.quick import quick

SERVER = "server"
COMPLAINTS_KEPT_MAX = 20
DIGESTS_KEPT_MAX = 64


@dataclass
class Found:
    """What one walk found. ``hashes`` are of all states judged."""

    hashes: set[bytes] = field(default_factory=set)
    judged: int = 0
    wrong: int = 0
    complaints: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Put two walks together."""
        self.hashes |= other.hashes
        self.judged += other.judged
        self.wrong += other.wrong
        self.complaints = (self.complaints + other.complaints)[:COMPLAINTS_KEPT_MAX]


class Traced:
    """A trace, and what is needed to judge what is left of it."""

    def __init__(self, folder: Path, ops: Sequence[Op], replicas: dict[str, bytes]) -> None:
        self.folder = folder
        self.ops = list(ops)
        self.replicas = replicas

    def before(self, name: str) -> Files:
        """The files of one store when the trace began."""
        root = self.folder / "before"
        found = (p for p in (root / name).rglob("*") if p.is_file())
        return {str(p.relative_to(root)): p.read_bytes() for p in found}


class Walk:
    """One walk over the trace, drawing at those places that ``mine`` chooses."""

    def __init__(self, traced: Traced, seed: int, draws: int) -> None:
        self.traced = traced
        self.seed = seed
        self.draws = draws
        self.keys: ServerKeys = keys_of(traced.folder)
        self.promises = Promises()
        self.found = Found()
        self.disks = {name: Disk(traced.before(name)) for name in (SERVER, *TABLETS)}
        self._judged: set[tuple[bytes, str]] = set()
        self._digests: dict[int, tuple[bytes, bytes]] = {}
        self._room = Path(tempfile.mkdtemp(prefix="crash-", dir=fast_folder()))

    def run(self, mine: Callable[[int], bool], go_on: Callable[[], bool]) -> Found:
        """Walk from the beginning; judge where ``mine`` says so, until ``go_on`` says no."""
        gc.freeze()
        for place, op in enumerate(self.traced.ops):
            name = op.path.partition("/")[0]
            if op.kind == "mark":
                self.promises.hear(op.data)
                touched = list(self.disks)
            elif name in self.disks:
                self.disks[name].apply(op)
                touched = [name]
            else:
                continue
            if mine(place):
                with quick():
                    for one in touched:
                        self._judge_all(place, one)
            if not go_on():
                break
        return self.found

    def _judge_all(self, place: int, name: str) -> None:
        disk = self.disks[name]
        self._judge(place, name, disk.whole())
        self._judge(place, name, disk.least())
        for n in range(self.draws):
            self._judge(place, name, disk.draw(random.Random(f"{self.seed}/{place}/{name}/{n}")))

    def _judge(self, place: int, name: str, files: Files) -> None:
        total = hashlib.blake2b(name.encode(), digest_size=16)
        for path in sorted(files):
            total.update(self._digest(files[path]))
            total.update(path.encode())
        state = total.digest()
        promised = (state, repr((self.promises.saved, self.promises.held)))
        if promised in self._judged:
            return
        self._judged.add(promised)
        self.found.hashes.add(state)
        self.found.judged += 1
        wrong: list[str] = []
        with Noting(wrong), laid_out(files, name, self._room) as folder:
            wrong += self._judge_of(name)(folder)
        if wrong:
            self.found.wrong += 1
            if len(self.found.complaints) < COMPLAINTS_KEPT_MAX:
                self.found.complaints.append(f"after step {place}, {name}: {wrong[0]}")

    def _digest(self, data: bytes) -> bytes:
        # What lies there without anything pending is the same object state after state.
        known = self._digests.get(id(data))
        if known is None or known[0] is not data:
            if len(self._digests) >= DIGESTS_KEPT_MAX:
                self._digests.clear()
            known = self._digests[id(data)] = (data, hashlib.sha256(data).digest())
        return known[1]

    def _judge_of(self, name: str) -> Callable[[Path], list[str]]:
        if name == SERVER:
            return partial(
                judge_server,
                keys=self.keys,
                replicas=self.traced.replicas,
                promises=self.promises,
            )
        return partial(
            judge_tablet,
            name=name,
            replica=self.traced.replicas[name],
            promises=self.promises,
            box=self.keys.box,
        )


class Noting:
    """Whatever a judge stumbles over is a complaint."""

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
        if isinstance(error, Exception):
            self._complaints.append("".join(traceback.format_exception(error)[-3:]))
            return True
        return False
