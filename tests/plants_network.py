# SPDX-License-Identifier: Apache-2.0
"""Builds that are broken in earnest: real servers and tablets that all agree on what is wrong.

Each is run as a network of processes, whose history only the judge by explicit causes can find
fault with. What must not live here: the run, which is ``plant.py``.
"""

from __future__ import annotations

from tests.planted import Plant

NETWORK = "-m fixtures.network --small --seed 5"

PLANTS_NETWORK = (
    Plant(
        "network: an edit overwrites what its writer had not seen",
        "sync/record.py",
        "    return {d: v for d, v in by_dot.items() if not seen.covers(d, chains)}\n",
        "    return {}\n",
        NETWORK,
    ),
    Plant(
        "network: an edit overwrites nothing",
        "sync/record.py",
        "    return {d: v for d, v in by_dot.items() if not seen.covers(d, chains)}\n",
        "    return dict(by_dot)\n",
        NETWORK,
    ),
    Plant(
        "network: a removal has no effect",
        "sync/record.py",
        "state.elements[key] = _uncovered(state.elements.get(key, {}), seen, chains)",
        "state.elements[key] = dict(state.elements.get(key, {}))",
        NETWORK,
    ),
    Plant(
        "network: a join keeps only what both have",
        "sync/record.py",
        "    out = {d: v for d, v in a.items() if d in b or not seen_b.covers(d, chains)}\n",
        "    out = {d: v for d, v in a.items() if d in b}\n",
        NETWORK,
    ),
    Plant(
        "network: of two states the one that comes is taken",
        "sync/batch.py",
        "            slot.full = join_states(state, other, chains)\n",
        "            slot.full = other\n",
        NETWORK,
    ),
    Plant(
        "network: an entry that is appended is there twice",
        "sync/record.py",
        "state.appends.setdefault(field, {})[d] = value",
        "state.appends.setdefault(field, {})[d] = [*value, *value]",
        NETWORK,
    ),
    Plant(
        "network: a void counts though edits came that it had not seen",
        "sync/record.py",
        "any(void.seen.covers_all(self.edits, chains) for void in self.voids.values())",
        "bool(self.voids)",
        NETWORK,
    ),
)
