# SPDX-License-Identifier: Apache-2.0
"""What becomes of conflicts while a record is merged: opened, changed, settled.

What lives here: comparing the conflicts of a record before and after one step. What must not:
merging, storage.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from sync.change import Entry
from sync.policy import Sibling, in_conflict, siblings_of
from sync.record import RecordState


class Happening(NamedTuple):
    """A conflict opened, changed or was settled.

    ``siblings`` are those in conflict: after the change where it opened or changed, before it where
    it was settled. ``by`` is the change that did it, None where a joined state did.
    """

    kind: Literal["opened", "changed", "settled"]
    field: str
    siblings: tuple[Sibling, ...]
    by: Entry | None


Conflicts = dict[str, tuple[Sibling, ...]]


def conflicts_of(state: RecordState) -> Conflicts:
    """Field -> its siblings, for the fields that hold more than one different value."""
    found = {}
    for field, by_dot in state.registers.items():
        if len(by_dot) > 1:
            siblings = siblings_of(state, field)
            if in_conflict(siblings):
                found[field] = siblings
    return found


def happenings(before: Conflicts, after: Conflicts, by: Entry | None) -> list[Happening]:
    """What one step did; ``by`` is the change that did it, None for a joined state."""
    out = []
    for field, siblings in after.items():
        if field not in before:
            out.append(Happening("opened", field, siblings, by))
        elif {s.dot for s in siblings} != {s.dot for s in before[field]}:
            out.append(Happening("changed", field, siblings, by))
    for field, siblings in before.items():
        if field not in after:
            out.append(Happening("settled", field, siblings, by))
    return out
