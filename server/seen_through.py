# SPDX-License-Identifier: Apache-2.0
"""Quarantine makes no hole: what others wrote having seen a quarantined change waits for nothing.

What lives here: vectors cut to what is merged, for merging alone. What must not: quarantine itself
(``set_aside.py``), merging. Invariants
- The change stays stored as it was received; only the vector it is merged with is another.
- Its own writer's later changes on the record wait until it is released; everybody else's go on.
- After a release, who had seen the quarantined change has seen the one that released it.
Ingest and verification both call ``seen_through``, so that a replay comes to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from server.set_aside import thaw
from server.store.base import Transaction
from sync.change import Entry
from sync.clock import Dot, dots_of

MISFIT = "collection"
"""A change of another collection than its record's: it is part of this record for nobody."""


class Aside(NamedTuple):
    """A change in quarantine: why, whether it was released, and by which change on its record."""

    entry: Entry
    reason: str
    released: bool
    by: Dot | None


def aside_of(tx: Transaction, records: Iterable[str]) -> dict[Dot, Aside]:
    """The changes in quarantine on these records, released ones included; where there are none at
    all ``records`` is not walked."""
    if not tx.rows("SELECT 1 FROM quarantine LIMIT 1"):
        return {}
    found = tx.rows_in(
        "SELECT q.dot, q.entry, q.reason, q.released_by, r.by_dot FROM quarantine q"
        " LEFT JOIN releases r ON r.dot = q.dot WHERE q.record IN (?*)",
        list(set(records)),
    )
    return {
        bytes(d): Aside(
            thaw(bytes(entry)), reason, by is not None, bytes(by_dot) if by_dot else None
        )
        for d, entry, reason, by, by_dot in found
    }


def seen_through(entry: Entry, aside: Mapping[Dot, Aside]) -> Entry:
    """The change with a vector that names nothing in quarantine; itself where it has to wait."""
    named = dots_of(entry.change.vector)
    if not aside or not any(d in aside for d in named):
        return entry
    kept: set[Dot] = {d for d in named if d not in aside}
    for d in named:
        at: Dot | None = d
        while at is not None and at in aside:
            found = aside[at]
            own = entry.dot[:16] == at[:16] and found.reason != MISFIT
            if own and found.by is None:
                return entry
            if found.by is not None and found.reason != MISFIT:
                _take(kept, found.by)
            before = [x for x in dots_of(found.entry.change.vector) if x[:16] == d[:16]]
            at = max(before) if before else None
        if at is not None:
            _take(kept, at)
    change = msgspec.structs.replace(entry.change, vector=b"".join(sorted(kept)))
    return msgspec.structs.replace(entry, change=change)


def _take(kept: set[Dot], d: Dot) -> None:
    """Take a dot in; of one replica the highest stays, since both are on one line."""
    same = {x for x in kept if x[:16] == d[:16]}
    if all(x[16:24] < d[16:24] for x in same):
        kept -= same
        kept.add(d)
