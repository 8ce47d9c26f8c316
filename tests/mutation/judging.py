# SPDX-License-Identifier: Apache-2.0
"""Runs inside the copy: one pytest session that collects once and forks for every mutant.

    python -m tests.mutation.judging ASKED.json TOLD.jsonl TEST …

What lives here: which tests reach a function, and the judgement of each mutant by them. What
must not: the mutants themselves. Invariants
- A test that fails without a mutant judges none.
- A mutant is killed where a test fails, or where it does not end.
- The loops are those in Python, whose mutants the compiled ones would hide; only what survived
  beside them is judged with the compiled ones too, by a run that is told to (``COMPILED``).
- What runs only while modules are imported is judged by processes that import them anew.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypedDict

import pytest
from _pytest.outcomes import Skipped
from _pytest.runner import CallInfo, runtestprotocol

from tests.mutation.choosing import Choice, Noted, read_noted
from tests.mutation.forking import SURVIVED, UNREACHED, Pool, Say, limit
from tests.mutation.switch import MUTANT, NOTE, function_of, reached, switch_on

COMPILED = "DOORSTEP_MUTATION_COMPILED"
"""The folder of the compiled loops, where they are to run."""
EXAMPLES_MAX = 12
"""Of each property: enough that a wrong line shows, and a hundred thousand runs end in an hour."""
IMPORT_SECONDS = 5.0
"""Of tests that see what is done at import, generously: a limit of processor time hangs on it."""
IMPORT_TESTS = ("collections", "schema")
"""The tests that see how the collections are declared."""


class Asked(TypedDict):
    """What is to be judged, by how many at a time, and how long."""

    names: list[str]
    workers: int
    seconds: float


def passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    """Run one test as pytest does, but write no report of a failure and clear nothing up behind
    it: that takes longer than most tests, and the process ends there."""
    item._initrequest()
    hooks = item.ihook
    calls = (
        ("setup", lambda: hooks.pytest_runtest_setup(item=item)),
        ("call", lambda: hooks.pytest_runtest_call(item=item)),
        ("teardown", lambda: hooks.pytest_runtest_teardown(item=item, nextitem=following)),
    )
    for when, call in calls:
        ran = CallInfo.from_call(call, when=when, reraise=(KeyboardInterrupt,))
        if ran.excinfo is not None and not isinstance(ran.excinfo.value, Skipped):
            return False
        hooks.pytest_runtest_makereport(item=item, call=ran)
    return True


def warm() -> None:
    """Let Hypothesis load what it loads at the first property, once for all processes."""
    from hypothesis import given
    from hypothesis import strategies as st

    given(st.lists(st.integers() | st.text() | st.binary()))(lambda _: None)()


class Fewer:
    """A pytest plugin: fewer examples of each property."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Fewer examples, and no search for the smallest: that one fails is enough."""
        # Imported before pytest begins, it would draw a warning, which is an error here.
        from hypothesis import Phase, settings

        for item in items:
            test = getattr(item, "obj", None)
            test = getattr(test, "__func__", test)
            own = getattr(test, "_hypothesis_internal_use_settings", None)
            if test is not None and getattr(test, "is_hypothesis_test", False):
                own = own or settings.default
                test._hypothesis_internal_use_settings = settings(
                    own,
                    max_examples=min(own.max_examples, EXAMPLES_MAX),
                    phases=(Phase.explicit, Phase.generate),
                )


class Judge(Fewer):
    """A pytest plugin in place of its loop."""

    def __init__(self, asked: Asked, told: Path, kept: Kept, until: float) -> None:
        self.asked, self.told, self.kept, self.until = asked, told, kept, until
        self.items: dict[str, pytest.Item] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Every test without a mutant, or every mutant with the tests that reach it."""
        if session.testsfailed:
            raise pytest.UsageError("the tests were not collected")
        self.items = {item.nodeid: item for item in session.items}
        if os.environ.get(NOTE):
            self.note(session.items)
        else:
            self.judge_all(self.kept.choice())
        return True

    def note(self, items: Sequence[pytest.Item]) -> None:
        """Note what every test reaches and how long it takes, where its file is not known yet."""
        noted, stale = self.kept.noted(), self.kept.stale()
        noted["imported"] = sorted(reached)
        for file in stale:
            noted["files"][file] = (file_digest(file), {})
        asked = [item for item in items if item.nodeid.partition("::")[0] in stale]
        for n, item in enumerate(asked):
            reached.clear()
            start = time.process_time()
            following = asked[n + 1] if n + 1 < len(asked) else None
            if any(report.failed for report in runtestprotocol(item, False, following)):
                print(f"fails without a mutant: {item.nodeid}", flush=True)
                continue
            seconds = round(time.process_time() - start, 6)
            tests = noted["files"][item.nodeid.partition("::")[0]][1]
            tests[item.nodeid] = (seconds, sorted(reached))
        self.kept.path.write_text(json.dumps(noted))

    def judge_all(self, choice: Choice) -> None:
        """Judge all mutants that tests reach while they run, some at a time."""
        from sync import kernel

        if bool(os.environ.get(COMPILED)) != kernel.COMPILED:
            raise pytest.UsageError("these are not the loops that were asked for")
        # What is here now is never looked through again, so that it stays one copy in memory.
        warm()
        gc.collect()
        gc.freeze()
        pool = Pool(self.told, self.asked["workers"], self.until)
        for name in self.asked["names"]:
            function = function_of(name)
            if not choice.is_reached(function):
                continue
            tests, seconds = choice.tests_of(function)

            def end(killer: int, function: str = function, tests: list[str] = tests) -> None:
                if killer >= 0:
                    choice.killed_by(function, tests[killer])

            if not pool.start(name, partial(self.child, name, tests, seconds), end):
                break
        pool.wait()

    def child(self, name: str, tests: Sequence[str], seconds: float, say: Say) -> bool:
        """Is the mutant seen by none of these tests? Says which one sees it."""
        limit(seconds)
        switch_on(name)
        items = [self.items[test] for test in tests]
        for n, item in enumerate(items):
            following = items[n + 1] if n + 1 < len(items) else None
            if not passes(item, following):
                say(n)
                return False
        return True


def file_digest(path: str) -> str:
    """The digest of a file of tests."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


class Kept:
    """What is kept of the tests of these files, as long as what they test stays as it is."""

    def __init__(self, folder: Path, tests: Sequence[str]) -> None:
        self.files = [str(path) for path in all_files(tests)]
        out = hashlib.sha256(os.environ.get(COMPILED, "").encode())
        sources = [path for part in ("sync", "crypto") for path in Path(part).rglob("*.py")]
        for path in sorted({*sources, *Path("fixtures").glob("golden*.py")}):
            out.update(path.read_bytes())
        self.path = folder / f"reached-{out.hexdigest()[:16]}.json"

    def noted(self) -> Noted:
        """All that is known."""
        return read_noted(self.path)

    def stale(self) -> set[str]:
        """The files that nothing is known of as they are now."""
        known = {file: digest for file, (digest, _) in self.noted()["files"].items()}
        return {file for file in self.files if known.get(file) != file_digest(file)}

    def choice(self) -> Choice:
        """Which of these tests judge a mutant."""
        return Choice.of(self.noted(), self.files)


def judge_imports(asked: Asked, choice: Choice, pool: Pool, tests: Sequence[Path]) -> None:
    """Judge what runs while modules are imported, in processes that have imported none: what no
    test reaches otherwise, and what survived the tests that did, since much of what they look at
    was made by then."""
    told = pool.verdicts()

    def survives(name: str, files: Sequence[str], say: Say) -> bool:
        limit(IMPORT_SECONDS)
        os.environ[MUTANT] = name
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        args = ["-x", "-q", "--tb=no", "--assert=plain", "-p", "no:xdist", "-m", "not slow", *files]
        return pytest.main(args, plugins=[Fewer()]) == pytest.ExitCode.OK

    for name in asked["names"]:
        function = function_of(name)
        files = import_tests(function, tests) if function in choice.imported else []
        if choice.is_reached(function) and (told.get(name) != SURVIVED or not files):
            continue
        if not files:
            pool.tell(name, UNREACHED)
        elif not pool.start(name, partial(survives, name, files), lambda _: None):
            break
    pool.wait()


def import_tests(function: str, tests: Sequence[Path]) -> list[str]:
    """The files that see what a function does while they are imported: those of its module, and of
    how the collections are declared."""
    module = function.split(".x", maxsplit=1)[0]
    names = {module.rpartition(".")[2]} | ({*IMPORT_TESTS} if module.startswith("sync.") else set())
    return [str(file) for file in tests if file.stem.removeprefix("test_") in names]


def all_files(tests: Sequence[str]) -> list[Path]:
    """The files of tests in these folders, or that are these."""
    paths = [Path(test) for test in tests]
    return [f for p in paths for f in (sorted(p.rglob("test_*.py")) if p.is_dir() else [p])]


def choose_loops(folder: str) -> None:
    """Those compiled in this folder, or those in Python: an installation of the tree itself, which
    has compiled ones, would be found from the copy too."""
    if folder:
        import sync

        sync.__path__.append(folder)
    else:
        sys.modules["sync._kernel"] = None


def main(argv: Sequence[str]) -> int:
    """Judge what is asked for; pytest's code where the tests cannot be run."""
    path, told, *tests = argv
    choose_loops(os.environ.get(COMPILED, ""))
    kept = Kept(Path(told).parent, tests)
    if kept.stale() and not os.environ.get(NOTE):
        # In a process of its own: what the tests leave in memory would hide mutants.
        command = [sys.executable, "-B", "-m", "tests.mutation.judging", *argv]
        subprocess.run(command, env={**os.environ, NOTE: "1"}, check=True)
    asked: Asked = json.loads(Path(path).read_text(encoding="utf-8"))
    until = time.monotonic() + asked["seconds"]
    judge = Judge(asked, Path(told), kept, until)
    arguments = ["-q", "--assert=plain", "-p", "no:xdist", "-m", "not slow", *tests]
    if os.environ.get(NOTE):
        return int(pytest.main(arguments, plugins=[judge]))
    go_on = os.pipe()
    pid = os.fork()
    if not pid:
        # Forked before any module of the tests is there, and let go when the others are judged.
        os.close(go_on[1])
        if os.read(go_on[0], 1):
            pool = Pool(Path(told), asked["workers"], until)
            judge_imports(asked, kept.choice(), pool, [Path(file) for file in kept.files])
        os._exit(0)
    code = int(pytest.main(arguments, plugins=[judge]))
    os.write(go_on[1], b"1")
    return code or os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
