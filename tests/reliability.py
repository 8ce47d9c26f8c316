# SPDX-License-Identifier: Apache-2.0
"""The figures of reliability, measured in full and written into one file.

    python -m tests.reliability [PART …] [--minutes M] [--anew]

What lives here: running the parts piece by piece until their counts are full, and writing down what
each piece counted, into ``tests/reliability.json`` and the table of the README. What must not: any
check. Invariants
- Every figure is read from what a part wrote itself; none is typed. Sums are made of the runs below
  them and of nothing else.
- A piece adds to what is there, with seeds that no piece before it had. Pieces of one commit and
  day are one run; those of another commit stand beside it.
- What a piece found is written down as well; ``--anew`` forgets a part's runs and begins again.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "tests" / "reliability.json"
README = ROOT / "README.md"
SEED = 20261122
BEGIN, END = "<!-- reliability: written by make reliability -->", "<!-- end of reliability -->"
PIECE_SECONDS = 300.0
"""What is lost at most when somebody ends it in between."""
FUZZ_CASES = 50_000
KILLS_PER_RUN = 1.25
INNER = ("next", "parsers")
"""Sums that stand with the runs only."""
Json = dict[str, Any]


class Part(NamedTuple):
    """One tool. ``key`` is the figure that shall reach ``full``; ``command`` makes its command from
    the part's sums so far, how much is left and the seconds it has; ``figures`` reads what it wrote
    and ``seeds`` which ones it used; ``spreads``: it can be told over how many processes."""

    key: str
    full: int
    command: Callable[[Json, int, float, Path], str]
    figures: Callable[[Json], Json]
    seeds: Callable[[Json], tuple[int, int]]
    spreads: bool = True


def _fuzz(sums: Json, left: int, seconds: float, folder: Path) -> str:
    done = folder / "done.json"
    done.write_text(json.dumps({n: p["cases"] for n, p in sums.get("parsers", {}).items()}))
    return f"tests.fuzz --cases {FUZZ_CASES} --seed {SEED} --done {done} --seconds {seconds:.0f}"


PARTS: dict[str, Part] = {
    "simulation": Part(
        "simulation_runs",
        2_000,
        lambda sums, left, seconds, _: (
            f"tests.simulation --runs {left} --first {sums.get('next', 0)} --seconds {seconds:.0f}"
        ),
        lambda f: {
            "simulation_runs": f["runs"],
            "simulation_failed": f["failed"],
            "simulation_steps": f["did"],
            "simulation_faults": f["fired"],
        },
        lambda f: (f["first"], f["first"] + f["begun"] - 1),
    ),
    "crash": Part(
        "crash_states",
        100_000,
        lambda sums, left, seconds, _: (
            f"tests.crash_states --states {left} --seconds {seconds:.0f}"
            f" --seed {sums.get('next', SEED)}"
        ),
        lambda f: {"crash_states": f["states"], "inconsistent": f["wrong"]},
        lambda f: (f["seed"], f["seed"]),
    ),
    "kill": Part(
        "kills",
        500,
        lambda sums, left, seconds, _: (
            f"fixtures.kill --runs {-int(-left // KILLS_PER_RUN)} --seconds {seconds:.0f}"
            f" --seed {sums.get('next', SEED)}"
        ),
        lambda f: {"kills": f["kills"], "lost": f["lost"], "acknowledged": f["acknowledged"]},
        lambda f: (f["seed"], f["seed"]),
        spreads=False,
    ),
    "fuzz": Part(
        "fuzz_cases_least",
        FUZZ_CASES,
        _fuzz,
        lambda f: {
            "fuzz_cases": f["cases"],
            "fuzz_faults": f["faults"],
            # Also those that no time was left for: a part is full when all of them are.
            "parsers": {
                t["target"]: {"cases": t["cases"], "passed": t["passed"]} for t in f["targets"]
            },
        },
        lambda f: (f["seed"], f["seed"]),
    ),
    "plant": Part(
        "planted_bugs_caught",
        1,
        lambda *_: "tests.plant --rest",
        lambda f: {
            "planted_bugs_caught": f["caught"],
            "planted_bugs_survived": f["survived"],
            "planted_bugs_on": f["on"],
        },
        lambda f: (SEED, SEED),
        spreads=False,
    ),
}
WORDS = (
    ("simulation_runs", "simulation", "seeded runs of the whole system with faults, counted"),
    ("simulation_failed", "simulation", "of them failed"),
    ("crash_states", "crash", "different states that a power cut may leave, opened and judged"),
    ("inconsistent", "crash", "of them inconsistent, or without something acknowledged"),
    ("kills", "kill", "servers and tablets killed by SIGKILL"),
    ("lost", "kill", "acknowledged writes lost"),
    ("fuzz_cases", "fuzz", "wrong inputs given to parsers"),
    ("fuzz_faults", "fuzz", "crashes, hangs, or errors in no tree"),
    ("planted_bugs_caught", "plant", "planted bugs caught"),
    ("planted_bugs_survived", "plant", "planted bugs that no test saw"),
)


def commit() -> str:
    """The commit that is measured; ``-dirty`` behind it where the tree differs from it in more than
    what is written here."""
    written = [f":!{path.relative_to(ROOT)}" for path in (FILE, README)]
    differs = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *written)
    return _git("rev-parse", "--short=12", "HEAD") + ("-dirty" if differs else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


# ---- adding up -----------------------------------------------------------------------------------


def add(a: Json, b: Json) -> Json:
    """Two sets of figures, number by number."""
    out = dict(a)
    for key, value in b.items():
        if isinstance(value, dict):
            out[key] = add(out.get(key, {}), value)
        else:
            out[key] = out.get(key, 0) + value
    return out


def sums_of(runs: Sequence[Json]) -> Json:
    """All runs of one part together, what follows from them, and the next seed."""
    out: Json = {}
    for one in runs:
        out = add(out, one["figures"])
    if parsers := out.get("parsers"):
        out["fuzz_parsers"] = len(parsers)
        out["fuzz_cases_least"] = min(p["cases"] for p in parsers.values())
        out["fuzz_past_first_check_least"] = min(
            round(p["passed"] / max(1, p["cases"]), 2) for p in parsers.values()
        )
    if runs:
        out["next"] = 1 + max(last for one in runs for _, last in one["seeds"])
    return out


def flat(runs: Json) -> Json:
    """All sums side by side, and below them the runs that they are of."""
    out: Json = {}
    for name in PARTS:
        out |= {k: v for k, v in sums_of(runs.get(name, [])).items() if k not in INNER}
    return out | {"runs": runs}


def joined(runs: list[Json], one: Json) -> list[Json]:
    """The runs with one more piece: within the last run where commit and day are the same."""
    last = runs[-1] if runs else None
    if last is None or any(last[key] != one[key] for key in ("commit", "date", "passed")):
        return [*runs, one]
    seeds = [list(pair) for pair in last["seeds"]]
    first, upto = one["seeds"][0]
    if first <= seeds[-1][1] + 1:
        seeds[-1][1] = max(seeds[-1][1], upto)
    else:
        seeds.append([first, upto])
    more = {
        "figures": add(last["figures"], one["figures"]),
        "seeds": seeds,
        "seconds": last["seconds"] + one["seconds"],
    }
    return [*runs[:-1], last | more]


def taken(mine: Json, theirs: Json) -> Json:
    """The runs of both: where both have one of a commit and day from the same seed on, the one that
    went on longer."""

    def begun(run: Json) -> tuple[str, str, int]:
        return run["commit"], run["date"], run["seeds"][0][0]

    out: Json = {name: list(runs) for name, runs in mine.items()}
    for name, runs in theirs.items():
        here = out.setdefault(name, [])
        for one in runs:
            same = [n for n, r in enumerate(here) if begun(r) == begun(one)]
            if not same:
                here.append(one)
            elif here[same[0]]["seeds"][-1] < one["seeds"][-1]:
                here[same[0]] = one
    return out


# ---- the file ------------------------------------------------------------------------------------


def known() -> Json:
    """The runs of every part, as the file has them."""
    runs: Json = json.loads(FILE.read_text())["runs"] if FILE.exists() else {}
    return runs


@contextmanager
def file_alone() -> Iterator[None]:
    """Parts may run side by side; one at a time writes."""
    with FILE.with_name("conftest.py").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def table(figures: Json) -> str:
    """The table for the README."""
    lines = ["| measured | | on |", "|---:|---|---|"]
    for key, part, words in WORDS:
        if key in figures:
            on = ", ".join(f"{run['date']} `{run['commit']}`" for run in figures["runs"][part])
            lines.append(f"| {figures[key]:,} | {words} | {on} |")
    lines += ["", "Seeds, faults and parsers one by one: `tests/reliability.json`."]
    return "\n".join(lines)


def write(runs: Json) -> None:
    """Write the file and the table."""
    figures = flat(runs)
    FILE.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{table(figures)}\n{END}{after}", encoding="utf-8")


# ---- running -------------------------------------------------------------------------------------


def piece(name: str, sums: Json, left: int, seconds: float, workers: int) -> Json:
    """Run one piece of a part: what it counted, when, with which seeds and on what."""
    part, on, started = PARTS[name], commit(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="doorstep-reliability-") as folder:
        out = Path(folder) / "figures.json"
        words = part.command(sums, left, seconds, Path(folder)).split()
        words += ["--workers", str(workers)] if part.spreads else []
        print(f"== {name}: python -m {' '.join(words)}", flush=True)
        command = [sys.executable, "-m", *words, "--json", str(out)]
        done = subprocess.run(command, cwd=ROOT, check=False)
        if not out.exists():
            raise SystemExit(f"{name}: ended with {done.returncode} and wrote no figures")
        wrote = json.loads(out.read_text())
    return {
        "figures": part.figures(wrote),
        "passed": done.returncode == 0,
        "seeds": [list(part.seeds(wrote))],
        "date": time.strftime("%Y-%m-%d"),
        "commit": on,
        "seconds": round(time.monotonic() - started),
    }


def fill(name: str, minutes: float, workers: int) -> bool:
    """Piece after piece until the part is full or the time over; False where it found anything."""
    part, until = PARTS[name], time.monotonic() + minutes * 60
    while (seconds := until - time.monotonic()) > 1:
        sums = sums_of(known().get(name, []))
        left = part.full - sums.get(part.key, 0)
        if left <= 0:
            break
        one = piece(name, sums, left, min(seconds, PIECE_SECONDS), workers)
        with file_alone():
            runs = known()
            write(runs | {name: joined(runs.get(name, []), one)})
        if not one["passed"]:
            return False
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Fill the parts that are named, or all; 1 where one of them found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--minutes", type=float, default=24 * 60.0, help="for each part")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes of a part")
    parser.add_argument("--take", type=Path, help="add what another tree's file counted, and end")
    parser.add_argument("--anew", action="store_true", help="forget what these parts counted")
    chosen = parser.parse_args(argv)
    names = chosen.parts or list(PARTS)
    if chosen.take:
        with file_alone():
            write(taken(known(), json.loads(chosen.take.read_text())["runs"]))
        return 0
    if chosen.anew:
        with file_alone():
            write({name: runs for name, runs in known().items() if name not in names})
    bad = [name for name in names if not fill(name, chosen.minutes, chosen.workers)]
    if bad:
        print(f"found something: {', '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
