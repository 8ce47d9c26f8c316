# SPDX-License-Identifier: Apache-2.0
"""Which tests judge a mutant, and in which order.

What lives here: what is known of every test (what it reaches, how long it takes, what it killed),
and the choice. What must not: running anything. Invariants
- A test that killed another mutant of the same function is asked first: most mutants of a function
  fall to few tests.
- The order decides how long a verdict takes, and never which tests may be asked.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

TESTS_SECONDS_MAX = 1.0
"""Of one mutant's tests, as they took without it: the quickest first, those behind are left."""
KILLERS_MAX = 8
"""Tests that killed most of a function's mutants, asked before the others."""


class Noted(TypedDict):
    """What is known of tests: of each file the digest it had then, and of each of its tests the
    seconds it takes and the functions it reaches; and what is reached while they are imported."""

    files: dict[str, tuple[str, dict[str, tuple[float, list[str]]]]]
    imported: list[str]


def read_noted(path: Path) -> Noted:
    """What was noted so far."""
    if not path.exists():
        return {"files": {}, "imported": []}
    found: Noted = json.loads(path.read_text(encoding="utf-8"))
    return found


class Choice:
    """What every test reaches, and the tests of a mutant."""

    def __init__(
        self,
        reached: Mapping[str, Sequence[str]],
        seconds: Mapping[str, float],
        imported: Sequence[str],
    ) -> None:
        self.seconds, self.imported = seconds, frozenset(imported)
        self._tests = self._by_function(reached)
        self._killers: dict[str, Counter[str]] = defaultdict(Counter)

    @classmethod
    def of(cls, noted: Noted, files: Iterable[str]) -> Choice:
        """What was noted of the tests of these files."""
        tests = {test: one for file in files for test, one in noted["files"][file][1].items()}
        reached = {test: functions for test, (_, functions) in tests.items()}
        return cls(reached, {t: seconds for t, (seconds, _) in tests.items()}, noted["imported"])

    def _by_function(self, reached: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Function → the tests of its module, and those that reach it: these first, the quickest
        first. What a test keeps for the next hides that the next goes the same way, so that the
        tests of the module are all asked."""
        reach: dict[str, set[str]] = defaultdict(set)
        of_module: dict[str, list[str]] = defaultdict(list)
        for test in sorted(reached, key=lambda t: (self.seconds[t], t)):
            of_module[Path(test.partition("::")[0]).stem].append(test)
            for function in reached[test]:
                reach[function].add(test)
        out = {}
        for function, tests in reach.items():
            own = of_module[f"test_{function.split('.x', maxsplit=1)[0].rpartition('.')[2]}"]
            mine = [test for test in own if test in tests]
            others = sorted(tests - set(own), key=lambda t: (self.seconds[t], t))
            out[function] = [*mine, *(test for test in own if test not in tests), *others]
        return out

    def is_reached(self, function: str) -> bool:
        """Does any test reach it while it runs?"""
        return function in self._tests

    def killed_by(self, function: str, test: str) -> None:
        """A mutant of the function fell to this test."""
        self._killers[function][test] += 1

    def tests_of(self, function: str) -> tuple[list[str], float]:
        """The tests to ask, in order, and the seconds they take."""
        first = [test for test, _ in self._killers[function].most_common(KILLERS_MAX)]
        known = set(first)
        rest = (test for test in self._tests.get(function, ()) if test not in known)
        tests, seconds = [], 0.0
        for test in (*first, *rest):
            if tests and seconds + self.seconds[test] > TESTS_SECONDS_MAX:
                break
            tests.append(test)
            seconds += self.seconds[test]
        return tests, seconds
