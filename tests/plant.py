# SPDX-License-Identifier: Apache-2.0
"""Planted bugs: each is put into a copy of the tree, and the tests named must see it.

    python -m tests.plant [WORD …] [--markdown]

What lives here: the bugs, as texts replaced in one file each, and the run. What must not: tests. A
bug that no test sees (a survivor) or that cannot be planted any more fails the run. The tree itself
is never touched. With WORDs only bugs whose description holds one of them are run.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from tests.plants_tablets import PLANTS_TABLETS

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
"""Copies of the tree, each with one bug at a time."""
RUN_SECONDS_MAX = 100
FAILED = 1
"""What pytest ends with where tests ran and some failed; anything else is no catch."""


class Plant(NamedTuple):
    """One bug: what is wrong, where, the text replaced, and the tests that must fail."""

    bug: str
    file: str
    old: str
    new: str
    tests: str


class Outcome(NamedTuple):
    """What became of one bug: the first test that saw it, or why none did."""

    plant: Plant
    caught_by: str
    trouble: str
    seconds: float


PLANTS = (
    Plant(
        "sibling dropped on equal counters",
        "sync/clock.py",
        "return tip[REPLICA_BYTES : REPLICA_BYTES + COUNTER_BYTES] > counter",
        "return tip[REPLICA_BYTES : REPLICA_BYTES + COUNTER_BYTES] >= counter",
        "tests/sync/test_clock.py tests/sync/test_record.py",
    ),
    Plant(
        "cover test off by one",
        "sync/clock.py",
        "any(chains.before(d, t) for t in tips if t[16:24] >= d[16:24])",
        "any(counter_of(t) + 1 >= counter_of(d) for t in tips)",
        "tests/sync/test_clock.py",
    ),
    Plant(
        "tag ignored",
        "sync/clock.py",
        "        if d == tip:\n            return True\n        counter",
        "        if d[:24] == tip[:24]:\n            return True\n        counter",
        "tests/sync/test_clock.py tests/sync/test_record.py",
    ),
    Plant(
        "branches of a known fork judged by counters",
        "sync/clock.py",
        "if d[:REPLICA_BYTES] not in self.forks:",
        "if True:",
        "tests/sync/test_clock.py tests/sync/test_record.py",
    ),
    Plant(
        "stamp not bumped within one millisecond",
        "sync/clock.py",
        "else Stamp(self.ms, self.n + 1)",
        "else Stamp(self.ms, self.n)",
        "tests/sync/test_clock.py",
    ),
    Plant(
        "vector accepted in any order",
        "sync/clock.py",
        "if d <= last:",
        "if d == last:",
        "tests/sync/test_clock.py tests/sync/test_change.py",
    ),
    Plant(
        "fork not spotted when a second branch arrives",
        "sync/record.py",
        "spot_forks(state, [entry.dot, *named], forks)",
        "spot_forks(state, named, forks)",
        "tests/sync/test_record.py tests/sync/test_batch.py",
    ),
    Plant(
        "fork not spotted when two states meet",
        "sync/record.py",
        "    spot_forks(a, list(b.preds), forks)\n    spot_forks(b, list(a.preds), forks)\n",
        "",
        "tests/sync/test_record.py",
    ),
    Plant(
        "an edit does not count among the edits that a void must have seen",
        "sync/record.py",
        "        state.edits.take_in((d,), chains)\n",
        "        pass\n",
        "tests/sync/test_record.py",
    ),
    Plant(
        "a later write overwrites what it had not seen",
        "sync/record.py",
        "**_uncovered(state.registers.get(name, {}), seen, chains),\n",
        "",
        "tests/sync/test_record.py",
    ),
    Plant(
        "union removal drops unseen adds",
        "sync/record.py",
        "state.elements[key] = _uncovered(state.elements.get(key, {}), seen, chains)",
        "state.elements[key] = {}",
        "tests/sync/test_record.py",
    ),
    Plant(
        "count counted twice where two states share it",
        "sync/record.py",
        "out.counts = _everything(a.counts, b.counts)",
        "out.counts = {n: {d: v * (1 + (d in a.counts.get(n, {}) and d in b.counts.get(n, {})))"
        " for d, v in m.items()} for n, m in _everything(a.counts, b.counts).items()}",
        "tests/sync/test_record.py",
    ),
    Plant(
        "append lost beside a concurrent append",
        "sync/record.py",
        "state.appends.setdefault(field, {})[d] = value",
        "state.appends[field] = {d: value}",
        "tests/sync/test_record.py",
    ),
    Plant(
        "void covers edits it had not seen",
        "sync/record.py",
        "any(void.seen.covers_all(self.edits, chains) for void in self.voids.values())",
        "bool(self.voids)",
        "tests/sync/test_record.py",
    ),
    Plant(
        "change applied before what its writer had seen",
        "sync/record.py",
        "return all(state.vector.covers(packed[i : i + 28], chains)",
        "return True or all(state.vector.covers(packed[i : i + 28], chains)",
        "tests/sync/test_record.py tests/sync/test_batch.py",
    ),
    Plant(
        "quick path forgets a sibling",
        "sync/batch.py",
        "if packed != change.vector or causal[4] or causal[5]",
        "if causal[5]",
        "tests/sync/test_batch.py",
    ),
    Plant(
        "quick path takes a fork for a line",
        "sync/batch.py",
        "            if d[16:24] <= packed[at + 16 : at + 24]:\n                return False\n",
        "",
        "tests/sync/test_batch.py",
    ),
    Plant(
        "quick path lets the record's stamp fall back",
        "sync/batch.py",
        "if stamp > (causal[1], causal[2]):",
        "if True:",
        "tests/sync/test_batch.py",
    ),
    Plant(
        "a first write loses its place within a millisecond",
        "sync/packing.py",
        "[[0, 0, n, worker, True]]",
        "[[0, 0, 0, worker, True]]",
        "tests/sync/test_packing.py",
    ),
    Plant(
        "losing values not kept when a state is packed",
        "sync/packing.py",
        "        _losers(state, body, by_kind, position),\n",
        "        [],\n",
        "tests/sync/test_packing.py",
    ),
    Plant(
        "a record of voids alone comes back alive",
        "sync/packing.py",
        ' and not (len(causal) == 7 and causal[-1] == b"")',
        "",
        "tests/sync/test_packing.py",
    ),
    Plant(
        "lowest shown where highest is declared",
        "sync/policy.py",
        "return max(siblings, key=lambda s: (_rank(s.value, declared.order), s.stamp, s.dot))",
        "return min(siblings, key=lambda s: (_rank(s.value, declared.order), s.stamp, s.dot))",
        "tests/sync/test_policy.py",
    ),
    Plant(
        "equal values taken for a conflict",
        "sync/policy.py",
        "len(siblings) > 1 and len({same_key(s.value) for s in siblings}) > 1",
        "len(siblings) > 1",
        "tests/sync/test_policy.py",
    ),
    Plant(
        "signature of a segment not checked",
        "sync/feed.py",
        "    verify(segment.replica, head_message(segment.replica, segment.last, head),"
        " segment.signature)\n",
        "",
        "tests/sync/test_feed.py",
    ),
    Plant(
        "signature of a page not checked",
        "sync/session.py",
        "    verify(handed.server, message, handed.signature)\n",
        "",
        "tests/sync/test_session.py",
    ),
    Plant(
        "a state handed on need not stand in its page",
        "sync/session.py",
        "if handed.digests[place * 32 : place * 32 + 32] != state_digest(raw) or place < 0:",
        "if place < 0:",
        "tests/sync/test_session.py",
    ),
    Plant(
        "a copy of a feed not noticed",
        "sync/session.py",
        "if point.counter > counter:",
        "if point.counter > counter + 1:",
        "tests/sync/test_session.py",
    ),
    Plant(
        "a bomb is unpacked",
        "sync/compression.py",
        "if declared > bytes_max:",
        "if False:",
        "tests/sync/test_compression.py",
    ),
    Plant(
        "the version of a message is not looked at",
        "sync/messages.py",
        "if len(data) <= at or data[at] != PROTOCOL:",
        "if len(data) <= at:",
        "tests/sync/test_messages.py",
    ),
    Plant(
        "signatures of feeds not checked by the server",
        "server/district.py",
        '        verify(public, b"segment", message, signature)\n',
        "",
        "tests/server/test_promises.py",
    ),
    Plant(
        "receipt before the commit",
        "server/district.py",
        "        with self._writing() as tx:\n            device = device_row(tx, device_id)\n",
        '        with __import__("contextlib").suppress(OSError), self._writing() as tx:\n'
        "            device = device_row(tx, device_id)\n",
        "tests/server/test_promises.py",
    ),
    Plant(
        "the server's counter moves on outside the transaction",
        "server/district.py",
        "                run, ids = self.own.build(tx, worker, writes, reason)\n",
        "                run, ids = self.own.build(tx, worker, writes, reason)\n"
        "                self.own.commit(run)\n",
        "tests/server/test_promises.py",
    ),
    Plant(
        "the tablet's counter moves on outside the transaction",
        "client_sdk/store/base.py",
        '        self.run(\n            "INSERT OR REPLACE INTO chain (id,',
        '        self.run("COMMIT", ())\n        self.run("BEGIN IMMEDIATE", ())\n'
        '        self.run(\n            "INSERT OR REPLACE INTO chain (id,',
        "tests/client_sdk/test_writing.py",
    ),
    Plant(
        "own-prefix rule left out",
        "client_sdk/writing.py",
        "                succeed(store)\n",
        "                pass\n",
        "tests/client_sdk/test_writing.py",
    ),
    Plant(
        "cursor steps over a commit",
        "server/pull.py",
        "upto = cursor.upto if cursor.after else self.now_seq",
        "upto = self.now_seq",
        "tests/client_sdk/test_paging.py",
    ),
    Plant(
        "more is lost",
        "server/pull.py",
        "more = bool(after) or seq < self.now_seq",
        "more = False",
        "tests/client_sdk/test_paging.py",
    ),
    Plant(
        "ticket usable twice (crypto)",
        "crypto/ticket.py",
        "    if used:\n        raise TicketUsed()\n",
        "",
        "tests/crypto/test_ticket.py",
    ),
    Plant(
        "ticket usable twice (server)",
        "server/enrolment.py",
        "row.state in (DONE, SPENT))\n        if row.asked is None:",
        "False)\n        if row.asked is None or row.state == DONE:",
        "tests/server/test_enrolment.py",
    ),
    *(Plant(*one) for one in PLANTS_TABLETS),
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


def run_tests(tree: Path, tests: str) -> tuple[int, str]:
    """Run tests in a copy until one fails: pytest's code, and the first failure or its last
    line."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "--tb=no", "-rf"]
    try:
        done = subprocess.run(
            [*command, "-m", "not slow", *tests.split()],
            cwd=tree,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, f"not done after {RUN_SECONDS_MAX} s"
    failed = re.search(r"^FAILED (\S+?)(\[| - |$)", done.stdout, re.MULTILINE)
    lines = (done.stdout + done.stderr).strip().splitlines() or [""]
    return done.returncode, failed.group(1) if failed else lines[-1]


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


def run_all(plants: Sequence[Plant]) -> list[Outcome]:
    """Run every bug, some at a time, each copy of the tree with one bug at once."""
    with tempfile.TemporaryDirectory(prefix="plant-") as folder:
        trees: Queue[Path] = Queue()
        for n in range(WORKERS):
            trees.put(copy_tree(Path(folder) / str(n)))
        tests = sorted({name for one in plants for name in one.tests.split()})
        tree = trees.get()
        code, found = run_tests(tree, " ".join(tests))
        trees.put(tree)
        if code:
            raise SystemExit(f"without any bug the tests fail already: {found}")

        def one_of(one: Plant) -> Outcome:
            tree = trees.get()
            try:
                return plant(tree, one)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(one_of, plants))


def main() -> int:
    """Plant the bugs and print a table; 1 if any was not caught."""
    p = argparse.ArgumentParser(prog="python -m tests.plant", description=__doc__)
    p.add_argument("words", nargs="*")
    p.add_argument("--markdown", action="store_true")
    asked = p.parse_args()
    plants = [x for x in PLANTS if not asked.words or any(w in x.bug for w in asked.words)]
    start = time.monotonic()
    outcomes = run_all(plants)
    if asked.markdown:
        print("| planted bug | in | caught by |\n|---|---|---|")
    for o in outcomes:
        name = o.caught_by.split("::")[-1]
        if asked.markdown:
            print(f"| {o.plant.bug} | `{o.plant.file}` | {f'`{name}`' if name else o.trouble} |")
        else:
            print(f"{o.plant.bug:55} {name or o.trouble} ({o.seconds:.1f} s)")
    missed = [o for o in outcomes if o.trouble]
    print(f"\n{len(outcomes)} planted, {len(missed)} not caught, {time.monotonic() - start:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
