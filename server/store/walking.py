# SPDX-License-Identifier: Apache-2.0
"""Going through many records a part at a time, in the order they came.

What lives here: the walk. What must not: what is looked for. Invariants
- Of the record only one part is in memory, however large it is.
- Each record that the transaction sees is given once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from server.store.base import Transaction

PART_RECORDS = 2_000
"""Records of one part: some megabytes, and some hundredths of a second until others have a turn."""


def walk(
    tx: Transaction, sql: str, parameters: Sequence[Any] = ()
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a query on ``records r``, in parts; it selects ``r.n`` first and ends in a
    condition."""
    after = 0
    while True:
        part = tx.rows(
            f"{sql} AND r.n > ? ORDER BY r.n LIMIT ?", [*parameters, after, PART_RECORDS]
        )
        if part:
            yield part
        if len(part) < PART_RECORDS:
            return
        after = int(part[-1][0])
