# SPDX-License-Identifier: Apache-2.0
"""A unit of work done once more where the database kept nothing of it.

What must not live here: errors after which something may have been kept. Invariant: work is
repeated only where the store says that nothing of it is there, and only as often as named.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from server.errors import StoreContended, StoreUnreachable

T = TypeVar("T")
TRIES_MAX = 2
"""A deadlock is over at the second try, and a line that broke is a new one; where it is not, the
tablet is told and comes back by itself, instead of holding up the others here."""


def again(work: Callable[[], T]) -> T:
    """What the work gives. Raises what its last try raises."""
    for _ in range(TRIES_MAX - 1):
        with suppress(StoreContended, StoreUnreachable):
            return work()
    return work()
