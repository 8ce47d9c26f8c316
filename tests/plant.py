# SPDX-License-Identifier: Apache-2.0
"""Planted bugs: each is put into a copy of the tree, and the tests named must see it.

    python -m tests.plant [WORD …] [--rest] [--markdown]

What lives here: the run. What must not: tests, or the bugs, which are in ``planted_*.py`` and
``plants_*.py``. Invariants
- A bug that no test sees (a survivor) or that cannot be planted any more fails the run.
- A test that fails without any bug sees none: first each is run in a tree that nothing was put
  into, and the bugs that those name which fail there have no verdict; the others are planted.
- The tree itself is never touched.

With WORDs only bugs whose description holds one of them are run; with ``--rest`` those that no run
of this tree has caught yet. What became of each is kept in ``build/planted.json`` as it comes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple, TypeVar

from fixtures.judge import KINDS
from tests.planted import Plant
from tests.planted_engine import ENGINE
from tests.planted_parts import PARTS
from tests.plants_archives import PLANTS_ARCHIVES
from tests.plants_console import PLANTS_CONSOLE
from tests.plants_drills import PLANTS_DRILLS
from tests.plants_fieldwork import PLANTS_FIELDWORK
from tests.plants_keys import PLANTS_KEYS
from tests.plants_log import PLANTS_LOG
from tests.plants_mending import PLANTS_MENDING
from tests.plants_network import PLANTS_NETWORK
from tests.plants_rights import PLANTS_RIGHTS
from tests.plants_sealed import PLANTS_SEALED
from tests.plants_tablets import PLANTS_TABLETS
from tests.plants_tiers import PLANTS_TIERS
from tests.reliability import commit

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "planted.json"
Json = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")
WORKERS = 2
"""Copies of the tree, each with one bug at a time."""
RUN_SECONDS_MAX = 600
"""The slowest test files and the network take two minutes where nothing else runs: a bug may go
round for ever, a busy machine must not look like one."""
LINES_TOLD = 3
"""Of what a run said that ended without a verdict."""
FAILED = 1
"""What pytest ends with where tests ran and some failed; anything else is no catch."""
PROGRAM = "-m fixtures."
"""How tests begin that are a program of the tree, which ends with FAILED and names what it saw;
``-m slow`` is a word for pytest."""


class Outcome(NamedTuple):
    """What became of one bug: the first test that saw it, or why none did."""

    plant: Plant
    caught_by: str
    trouble: str
    seconds: float


PLANTS = (
    *ENGINE,
    *PARTS,
    *PLANTS_LOG,
    *PLANTS_RIGHTS,
    *PLANTS_NETWORK,
    *PLANTS_SEALED,
    *PLANTS_ARCHIVES,
    *PLANTS_MENDING,
    *PLANTS_KEYS,
    *PLANTS_DRILLS,
    *(Plant(*one) for one in (*PLANTS_CONSOLE, *PLANTS_TABLETS, *PLANTS_TIERS, *PLANTS_FIELDWORK)),
)


def copy_tree(target: Path) -> Path:
    """Copy what git knows and what is new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def command_of(tests: str) -> list[str]:
    """The words after the interpreter's name that run these tests until one fails."""
    if tests.startswith(PROGRAM):
        return tests.split()
    # Of two -m the last one holds.
    return ["-m", "pytest", "-x", "-q", "--tb=no", "-rf", "-m", "not slow", *tests.split()]


def run_tests(tree: Path, tests: str) -> tuple[int, str]:
    """Run tests in a copy until one fails: pytest's code, and the first failure or its last
    words."""
    running = subprocess.Popen(
        [sys.executable, "-B", *command_of(tests)],
        cwd=tree,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Of its own, so that the servers it started can be ended with it.
        start_new_session=True,
    )
    try:
        out, errors = running.communicate(timeout=RUN_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        return -1, f"{tests}: not done after {RUN_SECONDS_MAX} s"
    pattern = (
        f"^({'|'.join(KINDS)}): " if tests.startswith(PROGRAM) else r"^FAILED (\S+?)(\[| - |$)"
    )
    failed = re.search(pattern, out, re.MULTILINE)
    if failed:
        return running.returncode, failed.group(1)
    last = " / ".join((errors + out).strip().splitlines()[-LINES_TOLD:])
    if running.returncode and tests.startswith(PROGRAM):
        # It broke off, or complained of something else than what clients saw.
        return -1, f"{tests}: no word of its judge: {last}"
    return running.returncode, f"{tests}: {last}"


def plant(tree: Path, one: Plant) -> Outcome:
    """Put one bug into a copy, run its tests, take it out again."""
    start = time.monotonic()
    path = tree / one.file
    text = path.read_text(encoding="utf-8")
    if text.count(one.old) != 1:
        return Outcome(one, "", f"its place is there {text.count(one.old)} times", 0.0)
    path.write_text(text.replace(one.old, one.new), encoding="utf-8")
    try:
        code, found = run_tests(tree, one.tests)
    finally:
        path.write_text(text, encoding="utf-8")
    took = time.monotonic() - start
    if code == FAILED:
        return Outcome(one, found, "", took)
    return Outcome(one, "", "SURVIVED" if code == 0 else f"no verdict: {found}", took)


def alone(tests: str) -> set[str]:
    """The runs, of one file or program each, that these tests consist of."""
    if tests.startswith(PROGRAM):
        return {tests}
    slow = "-m slow " if tests.startswith("-m slow ") else ""
    return {slow + name for name in tests.removeprefix(slow).split()}


def run_all(plants: Sequence[Plant]) -> Iterator[Outcome]:
    """Run every bug, some at a time, each copy of the tree with one bug at once; in order."""
    with tempfile.TemporaryDirectory(prefix="plant-") as folder:
        trees: Queue[Path] = Queue()
        for n in range(WORKERS):
            trees.put(copy_tree(Path(folder) / str(n)))

        def in_a_tree(do: Callable[[Path, T], R], these: Iterable[T]) -> Iterator[R]:
            def one_of(one: T) -> R:
                tree = trees.get()
                try:
                    return do(tree, one)
                finally:
                    trees.put(tree)

            with ThreadPoolExecutor(WORKERS) as pool:
                yield from pool.map(one_of, these)

        runs = sorted(set().union(*(alone(one.tests) for one in plants)))
        ended = zip(runs, in_a_tree(run_tests, runs), strict=True)
        broken = {tests: found for tests, (code, found) in ended if code}

        def verdict(tree: Path, one: Plant) -> Outcome:
            found = [broken[tests] for tests in sorted(alone(one.tests)) if tests in broken]
            if found:
                return Outcome(one, "", f"no verdict: fails without any bug: {found[0]}", 0.0)
            return plant(tree, one)

        yield from in_a_tree(verdict, plants)


def kept() -> dict[str, Json]:
    """What became of each bug when it was last run; of those that stand as they stood then."""
    found: dict[str, Json] = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    return {x.bug: found[x.bug] for x in PLANTS if found.get(x.bug, {}).get("plant") == list(x)}


def keep(outcome: Outcome, at: str) -> None:
    """Keep what became of one bug, and on which commit."""
    one = {"plant": list(outcome.plant), "caught_by": outcome.caught_by, "commit": at}
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(kept() | {outcome.plant.bug: one}, ensure_ascii=False, indent=1))


def figures() -> Json:
    """All bugs by what became of them; a bug that was never run is not counted."""
    found = list(kept().values())
    return {
        "caught": sum(bool(one["caught_by"]) for one in found),
        "survived": sum(not one["caught_by"] for one in found),
        "on": dict(Counter(one["commit"] for one in found)),
    }


def main() -> int:
    """Plant the bugs and print a table; 1 if any was not caught."""
    p = argparse.ArgumentParser(prog="python -m tests.plant", description=__doc__)
    p.add_argument("words", nargs="*")
    p.add_argument("--rest", action="store_true", help="only those that were not caught yet")
    p.add_argument("--markdown", action="store_true")
    p.add_argument("--json", type=Path, help="write the figures here")
    asked = p.parse_args()
    plants = [x for x in PLANTS if not asked.words or any(w in x.bug for w in asked.words)]
    if asked.rest:
        caught = {bug for bug, one in kept().items() if one["caught_by"]}
        plants = [x for x in plants if x.bug not in caught]
    start, at = time.monotonic(), commit()
    outcomes = []
    if asked.markdown:
        print("| planted bug | in | caught by |\n|---|---|---|")
    for o in run_all(plants):
        outcomes.append(o)
        keep(o, at)
        name = o.caught_by.split("::")[-1]
        if asked.markdown:
            print(
                f"| {o.plant.bug} | `{o.plant.file}` | {f'`{name}`' if name else o.trouble} |",
                flush=True,
            )
        else:
            print(f"{o.plant.bug:55} {name or o.trouble} ({o.seconds:.1f} s)", flush=True)
    missed = [o for o in outcomes if o.trouble]
    if asked.json:
        asked.json.write_text(json.dumps(figures()))
    print(f"\n{len(outcomes)} planted, {len(missed)} not caught, {time.monotonic() - start:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
