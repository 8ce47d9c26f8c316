# SPDX-License-Identifier: Apache-2.0
"""Mutation testing of sync and crypto: a machine makes bugs, the quick tests must see them.

    python -m tests.mutation [WORD …] [--again] [--rest] [--show] [--survivors] [--by FILE …]
                             [--seconds N] [--workers N]

What lives here: the command, the verdicts that are kept between runs, and the file it writes,
``tests/mutation.json``. What must not: reasons, which are in ``reasons.py``. Invariants
- Every figure is counted from verdicts; none is typed.
- A verdict holds as long as the text of the function does; what survived is judged anew, as
  there may be a test for it now.
- The file is written by a run of all modules alone; a run of some shows its table. It says how
  many were judged: they come in an order that makes any part of them a fair sample.

With WORDs only modules whose path holds one of them are judged. It can be broken off at any time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Container, Sequence
from typing import Any

from tests.mutation.forking import ENDLESS, KILLED, SURVIVED, UNREACHED
from tests.mutation.judging import COMPILED
from tests.mutation.making import BUILD, TREE, Mutant, make_all
from tests.mutation.reasons import reason_of
from tests.plant import ROOT, WORKERS
from tests.reliability import commit

FILE = ROOT / "tests" / "mutation.json"
KEPT, TOLD, LOG = (BUILD / name for name in ("verdicts.json", "told.jsonl", "judging.log"))
SHARE_MIN = 0.90
"""Of all mutants that must be killed: what is asked for. Most of the rest change nothing that
anybody could see, and the file says which."""
TESTS = (
    "tests/sync",
    "tests/crypto",
    "tests/fixtures/test_golden.py",
    "tests/fixtures/test_golden_erasure.py",
)
LOOPS = tuple(f"sync/{name}.py" for name in ("batch", "change", "feed", "loops", "session"))
"""The loops that are compiled and what calls them: some of it runs beside the compiled ones only,
and those in Python are held against them."""
NICE = 10
NOTHING_RAN = 5
"""What pytest ends with where no test ran by its own loop."""
Json = dict[str, Any]
Verdicts = dict[str, tuple[str, str]]
"""Mutant → the digest of its function and what became of it."""


def known(mutants: Sequence[Mutant]) -> Verdicts:
    """The verdicts that still hold, also of a run that was broken off."""
    digests = {one.name: one.digest for one in mutants}
    verdicts: Verdicts = {}
    if KEPT.exists():
        for name, (digest, what) in json.loads(KEPT.read_text(encoding="utf-8")).items():
            if digests.get(name) == digest:
                verdicts[name] = (digest, what)
    if TOLD.exists():
        for line in TOLD.read_text(encoding="utf-8").splitlines():
            name, what = json.loads(line)
            if what == UNREACHED and name in verdicts:
                # By some of the tests alone: it was reached by others.
                continue
            verdicts[name] = (digests.get(name, ""), what)
    KEPT.write_text(json.dumps(verdicts, indent=0, ensure_ascii=False), encoding="utf-8")
    TOLD.unlink(missing_ok=True)
    return verdicts


def in_any_order(mutants: Sequence[Mutant], again: Container[str]) -> list[Mutant]:
    """The order they are judged in, the same every time: broken off anywhere, what was judged is a
    fair sample of all modules. Those that survived before come ``again``, and first."""
    return sorted(
        mutants, key=lambda x: (x.name not in again, hashlib.sha256(x.name.encode()).digest())
    )


def judge(
    mutants: Sequence[Mutant], tests: Sequence[str], workers: int, seconds: float, loops: str = ""
) -> None:
    """Judge these in the copy by these tests, in this order; verdicts are told one by one.

    ``loops`` is the folder of the compiled loops, where they are to run and not those in Python.
    """
    asked = BUILD / "asked.json"
    names = [one.name for one in mutants]
    asked.write_text(json.dumps({"names": names, "workers": workers, "seconds": seconds}))
    command = [sys.executable, "-B", "-m", "tests.mutation.judging", str(asked), str(TOLD), *tests]
    with LOG.open("w") as log:
        done = subprocess.run(
            ["nice", "-n", str(max(0, NICE - os.nice(0))), *command],
            check=False,
            cwd=TREE,
            env={**os.environ, COMPILED: loops},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    if done.returncode not in (0, NOTHING_RAN):
        raise SystemExit(LOG.read_text()[-3000:])


def figures(mutants: Sequence[Mutant], verdicts: Verdicts) -> Json:
    """What the file says: the counts of every module, and its survivors with their reasons."""
    grouped: dict[str, list[Mutant]] = defaultdict(list)
    for one in mutants:
        grouped[one.module].append(one)
    modules: Json = {}
    for module, its in sorted(grouped.items()):
        ends = {one: verdicts[one.name][1] for one in its if one.name in verdicts}
        counts = Counter(ends.values())
        modules[module] = {
            "mutants": len(its),
            "judged": len(ends),
            "killed": counts[KILLED] + counts[ENDLESS],
            "endless": counts[ENDLESS],
            "survived": [
                {
                    "in": one.function,
                    "was": one.was,
                    "is": one.now,
                    "why": reason_of(one, end == UNREACHED),
                }
                for one, end in ends.items()
                if end in (SURVIVED, UNREACHED)
            ],
        }
    sums = {
        key: sum(one[key] for one in modules.values()) for key in ("mutants", "judged", "killed")
    }
    return sums | {
        "share_killed": round(sums["killed"] / max(1, sums["judged"]), 4),
        "survived_why": dict(
            Counter(it["why"] for one in modules.values() for it in one["survived"]).most_common()
        ),
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "modules": modules,
    }


def show(told: Json, survivors: bool) -> None:
    """The table, and the survivors where they are asked for."""
    for module, one in told["modules"].items():
        left = one["judged"] - one["killed"]
        share = f"{one['killed'] / one['judged']:6.1%}" if one["judged"] else "     -"
        print(f"{module:32} {one['judged']:5} of {one['mutants']:5}, {left:4} survive, {share}")
        for it in one["survived"] if survivors else ():
            print(f"    {it['in']}: {it['was']}\n        → {it['is']}   ({it['why']})")
    print(
        f"{told['killed']} of {told['judged']} killed, {told['share_killed']:.1%};"
        f" {told['mutants']} mutants in all"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 1 where fewer are killed than asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--again", action="store_true", help="judge the killed ones anew too")
    parser.add_argument(
        "--by", nargs="+", metavar="FILE", help="only what survived, by these new tests alone"
    )
    parser.add_argument("--rest", action="store_true", help="only what was never judged")
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin none after these")
    parser.add_argument("--workers", type=int, default=WORKERS, help="processes at a time")
    parser.add_argument("--show", action="store_true", help="judge nothing: write what is known")
    parser.add_argument("--survivors", action="store_true", help="show them")
    chosen = parser.parse_args(argv)
    everything = make_all()
    mutants = [
        one for one in everything if not chosen.words or any(w in one.module for w in chosen.words)
    ]
    verdicts = known(everything)
    asked = [
        one
        for one in mutants
        if (chosen.again or verdicts.get(one.name, ("", ""))[1] not in (KILLED, ENDLESS))
        and (one.name in verdicts or not chosen.by)
        and not (one.name in verdicts and chosen.rest)
    ]
    tests = chosen.by or TESTS
    if asked and not chosen.show:
        print(f"{len(asked)} mutants by {' '.join(tests)}", flush=True)
        until = time.monotonic() + chosen.seconds
        judge(in_any_order(asked, verdicts), tests, chosen.workers, chosen.seconds)
        verdicts |= known(everything)
        beside = [one for one in asked if one.module in LOOPS]
        beside = [one for one in beside if verdicts.get(one.name, ("", ""))[1] == SURVIVED]
        left = until - time.monotonic()
        if left > 0 and beside and list((ROOT / "sync").glob("_kernel.*.so")):
            judge(beside, tests, chosen.workers, left, str(ROOT / "sync"))
            verdicts |= known(everything)
    told = figures(mutants, verdicts)
    show(told, chosen.survivors)
    if not chosen.words:
        FILE.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if told["share_killed"] >= SHARE_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
