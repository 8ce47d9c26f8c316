# SPDX-License-Identifier: Apache-2.0
"""What a decision will send to whom, before it is made.

What lives here: finding the tablets that hold the household and the writers whose value loses. What
must not: sending. Invariant: told are exactly those that ``conflicts.keep_conflicts`` will tell.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from server.audit_show import Conflict
from server.web.scoped import Scoped
from sync.policy import same_key


class Effects(NamedTuple):
    """``tablets`` get the value at their next sync; ``told`` (worker, tablet) that theirs lost."""

    tablets: tuple[str, ...]
    told: tuple[tuple[str, str], ...]


def effects_of(scoped: Scoped, conflict: Conflict, value: Any) -> Effects:
    """What settling a conflict by a value comes to."""
    untold = scoped.untold(conflict.n)
    told = {
        (side.worker_name, side.tablet): None
        for side in conflict.sides
        if side.device and side.dot in untold and same_key(side.value) != same_key(value)
    }
    return Effects(tuple(scoped.tablets_holding(conflict.home)), tuple(told))
