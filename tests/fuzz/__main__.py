# SPDX-License-Identifier: Apache-2.0
"""Wrong bytes for every parser that sees outside bytes.

    python -m tests.fuzz --cases 50000 [--seed N] [--only WORD] [--json FILE] [--case N]

What lives here: the command and its table. What must not: parsers. Ends with 1
where a parser crashed, hung, took too much memory, or raised what is in no error tree.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.running import Told, case_bytes
from tests.fuzz.spreading import SEED, Plan, all_targets, good, run_all


def show(told: list[Told], seed: int, console: Console) -> None:
    """The table, then every fault with how to make it again."""
    table = Table("target", "cases", "past first check", "accepted", "refused as", "faults")
    for one in told:
        refused = ", ".join(f"{n} {name}" for name, n in sorted(one.refused.items()))
        share = f"{one.passed / one.cases:.0%}" if one.cases else "-"
        row = (one.target, f"{one.cases:,}", share, f"{one.accepted:,}", refused)
        table.add_row(*row, str(one.fault_count))
    console.print(table)
    for one in told:
        for number, what, data in one.faults:
            console.print(f"{one.target}: --only '{one.target}' --seed {seed} --case {number}")
            console.print(f"  {data[:160]} ({len(data) // 2} bytes)\n  {what}", markup=False)


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--cases", type=int, default=2_000, help="per parser")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="", help="targets whose name holds this")
    parser.add_argument("--case", type=int, help="one case, unguarded: shows its traceback")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--done", type=Path, help="JSON: cases each parser has had already")
    parser.add_argument("--seconds", type=float, default=math.inf, help="no case after these")
    parser.add_argument("--json", type=Path, help="write the figures here")
    chosen = parser.parse_args(argv)
    targets = [t for t in all_targets() if chosen.only in t.name]
    if chosen.case is not None:
        for target in targets:
            data = case_bytes(target, chosen.seed, chosen.case)
            print(target.name, data[:200])
            target.parse(data, lambda: None)
        return 0
    console = Console()
    done = json.loads(chosen.done.read_text()) if chosen.done else {}
    until = time.monotonic() + chosen.seconds
    plan = Plan(chosen.seed, chosen.cases, done, until, chosen.workers)
    names = [t.name for t in targets if done.get(t.name, 0) < chosen.cases]
    told = run_all(names, plan, console)
    show(told, chosen.seed, console)
    total = sum(one.cases for one in told)
    faults = sum(one.fault_count for one in told)
    print(f"fuzz: {total:,} cases, {len(told)} parsers, {faults} faults, seed {chosen.seed}")
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        figures = {"seed": chosen.seed, "cases": total, "faults": faults}
        chosen.json.write_text(json.dumps({**figures, "targets": [asdict(one) for one in told]}))
    return 0 if all(map(good, told)) else 1


if __name__ == "__main__":
    sys.exit(main())
