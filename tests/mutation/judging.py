# SPDX-License-Identifier: Apache-2.0
"""Runs inside the copy: one pytest session that collects once and forks for every mutant.

    python -m tests.mutation.judging ASKED.json TOLD.jsonl TEST …

What lives here: which tests reach a function, and the judgement of each mutant by them. What
must not: the mutants themselves. Invariants
- A test that fails without a mutant judges none.
- A mutant is killed where a test fails, or where it does not end: processor time is counted, so
  that a busy machine kills none.
- What runs only while modules are imported has a process of its own for each of its mutants.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.outcomes import Skipped
from _pytest.runner import CallInfo, runtestprotocol

from tests.mutation.switch import MUTANT, NOTE, function_of, reached, switch_on

WORKERS = 2
EXAMPLES_MAX = 12
"""Of each property: enough that a wrong line shows, and a hundred thousand runs end in an hour."""
TESTS_SECONDS_MAX = 2.0
"""Of one mutant's tests, as they took without it: the quickest first, those behind are left."""
CPU_SECONDS_MIN, CPU_TIMES = 2, 6
WALL_SECONDS_MAX = 300
"""For what waits without working; the processor's time ends the others."""
MEMORY_BYTES_MAX = 4 << 30
KILLED, SURVIVED, ENDLESS, UNREACHED = "killed", "survived", "endless", "unreached"


def limit(seconds: float) -> None:
    """Of one mutant's process."""
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


class Judge:
    """A pytest plugin in place of its loop."""

    def __init__(self, asked: list[dict[str, str]], told: Path, kept: Path) -> None:
        self.asked, self.told, self.kept = asked, told, kept
        self.reached: dict[str, list[str]] = {}
        self.seconds: dict[str, float] = {}
        self.imported: list[str] = []
        self.items: dict[str, pytest.Item] = {}

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

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Every test without a mutant, or every mutant with the tests that reach it."""
        if session.testsfailed:
            raise pytest.UsageError("the tests were not collected")
        self.items = {item.nodeid: item for item in session.items}
        if os.environ.get(NOTE):
            self.note(session.items)
        else:
            self.reached, self.seconds, self.imported = json.loads(self.kept.read_text())
            self.judge_all()
        return True

    def note(self, items: Sequence[pytest.Item]) -> None:
        """Note what every test reaches and how long it takes."""
        imported = sorted(reached)
        for n, item in enumerate(items):
            reached.clear()
            start = time.process_time()
            following = items[n + 1] if n + 1 < len(items) else None
            if any(report.failed for report in runtestprotocol(item, False, following)):
                print(f"fails without a mutant: {item.nodeid}", flush=True)
                continue
            self.seconds[item.nodeid] = time.process_time() - start
            self.reached[item.nodeid] = sorted(reached)
        self.kept.write_text(json.dumps([self.reached, self.seconds, imported]))

    def tests_of(self) -> dict[str, list[str]]:
        """Function → the tests of its module, and those that reach it: these first, the quickest
        first. What a test keeps for the next hides that the next goes the same way, so that the
        tests of the module are all asked."""
        reach: dict[str, set[str]] = defaultdict(set)
        of_module: dict[str, list[str]] = defaultdict(list)
        for test in sorted(self.reached, key=lambda t: (self.seconds[t], t)):
            of_module[Path(test.partition("::")[0]).stem].append(test)
            for function in self.reached[test]:
                reach[function].add(test)
        out = {}
        for function, tests in reach.items():
            own = of_module[f"test_{function.split('.x', maxsplit=1)[0].rpartition('.')[2]}"]
            mine = [test for test in own if test in tests]
            others = sorted(tests - set(own), key=lambda t: (self.seconds[t], t))
            out[function] = [*mine, *(test for test in own if test not in tests), *others]
        return out

    def judge_all(self) -> None:
        """Judge all mutants, some at a time; each verdict is written at once."""
        tests_of, running = self.tests_of(), {}
        # What is here now is never looked through again, so that it stays one copy in memory.
        warm()
        gc.collect()
        gc.freeze()

        def told(name: str, what: str) -> None:
            with self.told.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, what], ensure_ascii=False) + "\n")

        def ended() -> None:
            pid, status = os.wait()
            if what := outcome(status):
                told(running.pop(pid), what)
            else:
                running.pop(pid)

        # Those that take a process of their own come last: each costs as much as fifty others.
        for one in sorted(self.asked, key=lambda x: function_of(x["name"]) not in tests_of):
            function = function_of(one["name"])
            tests, seconds = [], 0.0
            for test in tests_of.get(function, ()):
                seconds += self.seconds[test]
                if tests and seconds > TESTS_SECONDS_MAX:
                    break
                tests.append(test)
            if not tests and (function not in self.imported or not self.import_tests()):
                told(one["name"], UNREACHED)
                continue
            while len(running) >= WORKERS:
                ended()
            pid = os.fork()
            if not pid:
                self.child(one["name"], tests, seconds)
            running[pid] = one["name"]
        while running:
            ended()

    def child(self, name: str, tests: Sequence[str], seconds: float) -> None:
        """Judge one mutant and end with 1 at the first test that fails."""
        code = 1
        try:
            limit(seconds or 30.0)
            if not tests:
                self.afresh(name)
            switch_on(name)
            items = [self.items[test] for test in tests]
            for n, item in enumerate(items):
                following = items[n + 1] if n + 1 < len(items) else None
                if not passes(item, following):
                    break
            else:
                code = 0
        finally:
            os._exit(code)

    def import_tests(self) -> list[str]:
        """The files among those asked for that see what is done while modules are imported."""
        files = sorted({test.partition("::")[0] for test in self.items})
        return [f for f in files if Path(f).stem.removeprefix("test_") in IMPORT_TESTS]

    def afresh(self, name: str) -> None:
        """Judge in a new process what is done while modules are imported."""
        args = ["-x", "-q", "--tb=no", "-m", "not slow", *self.import_tests()]
        os.environ[MUTANT] = name
        os.execv(sys.executable, [sys.executable, "-B", "-m", "pytest", *args])


IMPORT_TESTS = ("collections", "schema")
"""The tests that see how the collections are declared."""


def tree_digest(tests: Sequence[str]) -> str:
    """The digest of all that decides what a test reaches."""
    out = hashlib.sha256(repr(sorted(tests)).encode())
    for folder in ("sync", "crypto", "tests/sync", "tests/crypto", "fixtures", *tests):
        for path in sorted([*Path(folder).rglob("*.py"), Path(folder)]):
            if path.is_file():
                out.update(path.read_bytes())
    return out.hexdigest()[:16]


def main(argv: Sequence[str]) -> int:
    """Judge what is asked for; pytest's code where the tests cannot be run."""
    asked, told, *tests = argv
    kept = Path(told).with_name(f"reached-{tree_digest(tests)}.json")
    if not kept.exists() and not os.environ.get(NOTE):
        # In a process of its own: what the tests leave in memory would hide mutants.
        command = [sys.executable, "-B", "-m", "tests.mutation.judging", *argv]
        subprocess.run(command, env={**os.environ, NOTE: "1"}, check=True)
    judge = Judge(json.loads(Path(asked).read_text(encoding="utf-8")), Path(told), kept)
    arguments = ["-q", "--assert=plain", "-p", "no:xdist", "-m", "not slow", *tests]
    return int(pytest.main(arguments, plugins=[judge]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
