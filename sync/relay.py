# SPDX-License-Identifier: Apache-2.0
"""What two servers compare of the feeds they hold: the ends of all of them, as one sum.

What lives here: that sum, and what each end adds to it. What must not: stores, and what is sent.
Invariant: who holds the same branches of the same feeds has the same sum, in whatever order they
came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sync.clock import COUNTER_BYTES
from sync.messages import Known
from sync.session import HELD_MASK


def point_part(replica: bytes, counter: int, head: bytes) -> int:
    """What one end of a feed adds to ``points_sum``."""
    place = replica + counter.to_bytes(COUNTER_BYTES, "big") + head
    found = hashlib.sha256(b"doorstep/point/1\0" + place).digest()
    return int.from_bytes(found[:8], "big")


def points_sum(points: Iterable[Known]) -> int:
    """63 bits over the ends of feeds, by adding."""
    return sum(point_part(p.replica, p.counter, p.mark) for p in points) & HELD_MASK
