# SPDX-License-Identifier: Apache-2.0
"""The figures of reliability, measured in full and written into one file.

    python -m tests.reliability [PART …] [--share 0.1]

What lives here: running the parts one after the other and writing down what they counted, into
``tests/reliability.json`` and the table of the README. What must not: any check. Invariants
- Every figure is read from what a part wrote itself; none is typed.
- A part that did not run keeps its figures, with the commit and day of its own run.
- ``--share`` runs fewer; the figures then say so by their counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "tests" / "reliability.json"
README = ROOT / "README.md"
SEED = 20261122
BEGIN, END = "<!-- reliability: written by make reliability -->", "<!-- end of reliability -->"
Json = dict[str, Any]


class Part(NamedTuple):
    """One tool: its command with the count in place of ``{n}``, and the figures of what it
    wrote."""

    command: str
    full: int
    figures: Callable[[Json], Json]


PARTS: dict[str, Part] = {
    "simulation": Part(
        "tests.simulation --runs {n}",
        2_000,
        lambda f: {
            "simulation_runs": f["runs"],
            "simulation_failed": f["failed"],
            "simulation_faults": f["fired"],
        },
    ),
    "crash": Part(
        f"tests.crash_states --states {{n}} --seconds 14400 --seed {SEED}",
        100_000,
        lambda f: {"crash_states": f["states"], "inconsistent": f["wrong"]},
    ),
    "kill": Part(
        f"fixtures.kill --runs {{n}} --seed {SEED}",
        500,
        lambda f: {"kills": f["kills"], "lost": f["lost"], "acknowledged": f["acknowledged"]},
    ),
    "fuzz": Part(
        f"tests.fuzz --cases {{n}} --seed {SEED}",
        50_000,
        lambda f: {
            "fuzz_cases": f["cases"],
            "fuzz_parsers": len(f["targets"]),
            "fuzz_faults": f["faults"],
            "fuzz_past_first_check_least": min(
                round(t["passed"] / t["cases"], 2) for t in f["targets"]
            ),
        },
    ),
    "plant": Part(
        "tests.plant",
        1,
        lambda f: {
            "planted_bugs_caught": f["caught"],
            "planted_bugs_survived": f["survived"],
        },
    ),
}
WORDS = (
    ("simulation_runs", "seeded runs of the whole system with faults, counted"),
    ("simulation_failed", "of them failed"),
    ("crash_states", "different states that a power cut may leave, opened and judged"),
    ("inconsistent", "of them inconsistent, or without something acknowledged"),
    ("kills", "servers and tablets killed by SIGKILL"),
    ("lost", "acknowledged writes lost"),
    ("fuzz_cases", "wrong inputs given to parsers"),
    ("fuzz_faults", "crashes, hangs, or errors in no tree"),
    ("planted_bugs_caught", "planted bugs caught"),
    ("planted_bugs_survived", "planted bugs that no test saw"),
)


def commit() -> str:
    """The commit that is measured; ``-dirty`` behind it where the tree differs from it."""
    return subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def run(name: str, share: float, folder: Path) -> Json:
    """Run one part; its figures, with when and on what they were measured."""
    part, out, started = PARTS[name], folder / f"{name}.json", time.monotonic()
    count = max(1, round(part.full * share))
    command = [*part.command.format(n=count).split(), "--json", str(out)]
    print(f"== {name}: python -m {' '.join(command[:-2])}", flush=True)
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False)
    if not out.exists():
        raise SystemExit(f"{name}: ended with {done.returncode} and wrote no figures")
    return {
        "figures": part.figures(json.loads(out.read_text())),
        "passed": done.returncode == 0,
        "seed": int(os.environ.get("DOORSTEP_SEED") or SEED) if name != "simulation" else 0,
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "seconds": round(time.monotonic() - started),
    }


def flat(parts: Json) -> Json:
    """All figures side by side, and below them the runs that they are of."""
    out: Json = {}
    for name in PARTS:
        out |= parts.get(name, {}).get("figures", {})
    runs = {n: {k: v for k, v in p.items() if k != "figures"} for n, p in parts.items()}
    return out | {"runs": runs}


def known() -> Json:
    """The parts as the file has them."""
    if not FILE.exists():
        return {}
    found = json.loads(FILE.read_text())
    parts = {}
    for name, one in found["runs"].items():
        # A part's figures are those that its own table names.
        keys = FIGURES[name] & found.keys()
        parts[name] = one | {"figures": {key: found[key] for key in sorted(keys)}}
    return parts


FIGURES: dict[str, set[str]] = {
    "simulation": {"simulation_runs", "simulation_failed", "simulation_faults"},
    "crash": {"crash_states", "inconsistent"},
    "kill": {"kills", "lost", "acknowledged"},
    "fuzz": {"fuzz_cases", "fuzz_parsers", "fuzz_faults", "fuzz_past_first_check_least"},
    "plant": {"planted_bugs_caught", "planted_bugs_survived"},
}


def table(figures: Json) -> str:
    """The table for the README."""
    days = sorted({one["date"] for one in figures["runs"].values()})
    lines = ["| measured | |", "|---:|---|"]
    lines += [f"| {figures[key]:,} | {words} |" for key, words in WORDS if key in figures]
    commits = ", ".join(sorted({one["commit"] for one in figures["runs"].values()}))
    lines += ["", f"Measured {' and '.join(days)} on {commits}: `tests/reliability.json`."]
    return "\n".join(lines)


def write(parts: Json) -> None:
    """Write the file and the table."""
    figures = flat(parts)
    FILE.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{table(figures)}\n{END}{after}", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the parts that are named, or all; 1 where one of them found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--share", type=float, default=1.0, help="of the full counts")
    chosen = parser.parse_args(argv)
    parts = known()
    bad = []
    with tempfile.TemporaryDirectory(prefix="doorstep-reliability-") as folder:
        for name in chosen.parts or PARTS:
            parts[name] = run(name, chosen.share, Path(folder))
            bad += [] if parts[name]["passed"] else [name]
            write(parts)
    if bad:
        print(f"found something: {', '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
