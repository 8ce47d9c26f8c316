# SPDX-License-Identifier: Apache-2.0
"""What a power cut may leave, at every step of writing and syncing.

    python -m tests.crash_states --states 100000 [--seconds N] [--seed N] [--weak] [--json FILE]

What lives here: the command. What must not: tracing, drawing, judging. ``--weak`` traces stores
that do not wait for the disk: then something must be found, or the harness finds nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.crash_states.spreading import explore


def main(argv: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash_states")
    parser.add_argument("--states", type=int, default=100_000, help="distinct ones, at most about")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--weak", action="store_true", help="stores that do not wait for the disk")
    parser.add_argument("--json", type=Path, help="write the figures here")
    chosen = parser.parse_args(argv)
    started = time.perf_counter()
    bounds = chosen.seed, chosen.states, chosen.seconds
    found = explore(*bounds, weak=chosen.weak, workers=chosen.workers)
    for complaint in found.complaints:
        print(complaint)
    seconds = time.perf_counter() - started
    print(
        f"crash states: {len(found.hashes):,} distinct, {found.judged:,} judged,"
        f" {found.wrong:,} wrong, {seconds:.0f} s, seed {chosen.seed}"
    )
    if chosen.json:
        figures = {"states": len(found.hashes), "wrong": found.wrong, "seed": chosen.seed}
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps(figures))
    if chosen.weak:
        return 0 if found.wrong else 1
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
