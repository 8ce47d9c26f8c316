# SPDX-License-Identifier: Apache-2.0
"""One number becomes one run: who does what, and what goes wrong meanwhile.

What lives here: drawing steps. What must not: carrying them out. Invariant: every step carries all
it needs, so that a shorter list of the same steps is still a run.
"""

from __future__ import annotations

import random
from typing import Any

Step = dict[str, Any]

TABLETS = 6
SERVERS = ("d1", "d2", "city")
HOMES = {"t0": "d1", "t1": "d1", "t2": "d2", "t3": "d2", "t4": "d1", "t5": "d1"}
"""Two districts under a city, and whose tablet each is."""
RECORDS = 6
STEPS = 220
FIELDS = ("ask", "latest", "note")
LINE_FAULTS = ("lost", "answer lost", "doubled", "late", "cut", "flipped")
STORE_FAULTS = ("crash", "full", "io")
WORLD_FAULTS = ("clone", "restore", "restore server", "move", "clock")
AGE_FAULTS = ("upgrade", "first client", "erase")
FAULTS = LINE_FAULTS + STORE_FAULTS + WORLD_FAULTS + AGE_FAULTS
OLD_AT_FIRST = ("t1", "t3", "t5", "d2")
"""Tablets and a server whose programs know fewer fields until they are upgraded."""
FIRST_HOME = "d1"
"""Whose client of the first version it is."""
ERASABLE = "household/h5"
"""Nothing else is erased: what is not expected any more is not checked either."""
START_MS = 1_780_000_000_000
YEAR_MS = 365 * 86_400_000


def tablets() -> list[str]:
    """The names of the tablets of a run."""
    return [f"t{n}" for n in range(TABLETS)]


def records() -> list[str]:
    """The households of a run."""
    return [f"household/h{n}" for n in range(RECORDS)]


def _write(rng: random.Random, number: int) -> Step:
    kind = rng.choices(("set", "add", "remove", "count", "append", "void"), (60, 10, 7, 9, 9, 5))[0]
    step: Step = {
        "do": "write",
        "by": rng.choice(tablets()),
        "record": rng.choice(records()),
        "op": kind,
        "number": number,
    }
    if kind == "set":
        step["fields"] = sorted(rng.sample(FIELDS, rng.choice((1, 1, 1, 2))))
    elif kind in ("add", "remove"):
        step["elements"] = sorted(rng.sample("abcd", rng.choice((1, 2))))
    elif kind == "count":
        step["amount"] = rng.randint(-9, 99)
    if rng.random() < 0.12:
        step["fault"] = rng.choice(STORE_FAULTS)
        step["at"] = rng.randrange(14)
    return step


def _exchange(rng: random.Random) -> Step:
    names = tablets()
    if rng.random() < 0.22:
        first, second = rng.sample(names, 2)
        step: Step = {"do": "meet", "from": first, "to": second}
    else:
        step = {"do": "sync", "by": rng.choice(names), "way": rng.choice(("", "", "push", "pull"))}
    chance = rng.random()
    if chance < 0.2 and step["do"] == "sync":
        step["line"] = rng.choice(LINE_FAULTS)
        step["round"] = rng.choice((0, 0, 0, 1))
        step["bit"] = rng.randrange(1 << 30)
    elif chance < 0.32:
        step["fault"] = rng.choice(STORE_FAULTS)
        step["where"] = rng.choice(("tablet", "server")) if step["do"] == "sync" else "tablet"
        step["at"] = rng.randrange(40)
    return step


def _link(rng: random.Random) -> Step:
    step: Step = {"do": "link", "of": rng.choice(SERVERS[:-1]), "way": rng.choice(("", "", "push"))}
    chance = rng.random()
    if chance < 0.25:
        step["line"] = rng.choice(("lost", "answer lost", "doubled"))
        step["round"] = rng.choice((0, 0, 1))
    elif chance < 0.45:
        step["fault"] = rng.choice(STORE_FAULTS)
        step["where"] = rng.choice(("below", "above"))
        step["at"] = rng.randrange(40)
    return step


def _office(rng: random.Random, number: int) -> Step:
    return {
        "do": "office",
        "at": rng.choice(SERVERS),
        "record": rng.choice(records()),
        "fields": [rng.choice(FIELDS)],
        "number": number,
    }


def _world(rng: random.Random, number: int) -> Step:
    kind = rng.choices(
        (
            "backup",
            "restore",
            "clone",
            "backup server",
            "restore server",
            "move",
            "clock",
            "restart",
            "upgrade",
            "first",
            "erase",
        ),
        (8, 5, 4, 3, 2, 8, 8, 6, 5, 4, 2),
    )[0]
    step: Step = {"do": kind, "of": rng.choice(tablets())}
    if kind == "clone":
        step["to"] = rng.choice([name for name in tablets() if name != step["of"]])
    elif kind == "move":
        step["record"] = rng.choice(records())
        step["to"] = rng.choice(tablets())
    elif kind == "upgrade":
        step["of"] = rng.choice(OLD_AT_FIRST)
    elif kind == "first":
        step = {"do": kind, "number": number}
    elif kind == "erase":
        step = {"do": kind, "at": rng.choice(SERVERS)}
    elif kind.endswith("server"):
        step["of"] = rng.choice(SERVERS)
    elif kind == "clock":
        jump = rng.choice((1_000, -1_000, 86_400_000, -86_400_000, 30 * YEAR_MS, -30 * YEAR_MS))
        step["ms"] = jump
    return step


def draw(seed: int, steps: int = STEPS) -> list[Step]:
    """The steps of the run with this number."""
    rng = random.Random(f"doorstep simulation {seed}")
    # A calm run hides what only calm shows, so how wild a run is differs too.
    wild = rng.choice((0.04, 0.12, 0.2))
    out: list[Step] = []
    for number in range(steps):
        chance = rng.random()
        if chance < wild:
            out.append(_world(rng, number))
        elif chance < wild + 0.04:
            out.append(_office(rng, number))
        elif chance < wild + 0.12:
            out.append(_link(rng))
        elif chance < 0.65:
            out.append(_write(rng, number))
        else:
            out.append(_exchange(rng))
    return out
