# SPDX-License-Identifier: Apache-2.0
"""A list that was counted once and is shown page by page.

What lives here: which part a page shows. What must not: counting (``remembered``), what is listed.
Invariant: what is gone since it was counted is not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from server.web.remembered import Counted

ROWS = 50
T = TypeVar("T")


def part_of(
    held: Counted | None,
    name: Callable[[T], str],
    still: Callable[[list[T], int], list[T]],
    after: str,
) -> dict[str, Any]:
    """What a page shows of it: whether and when it was counted, ``found``, at most ROWS of those
    behind the one named ``after``, and the name ``after`` which the next page goes on.

    ``still`` gives those of a list that are there still, at most so many.
    """
    left: list[T] = held.result if held else []
    names = [name(one) for one in left]
    found = still(left[names.index(after) + 1 :] if after in names else left, ROWS + 1)
    return {
        "ready": held is not None,
        "counted_ms": held.at_ms if held else None,
        "found": found[:ROWS],
        "after": name(found[ROWS - 1]) if len(found) > ROWS else "",
    }
