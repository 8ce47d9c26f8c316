# SPDX-License-Identifier: Apache-2.0
"""What a reply tells beside states: points of the sender's chain, and what became of its edits.

What must not live here: states (``pull.py``). Invariant: both only read what ingest has written,
but for the mark that a notice was told.
"""

from __future__ import annotations

from server.feeds import leaves_of
from server.incarnations import Lineage
from server.store.base import Transaction
from sync.messages import Known, Request

NOTICES_PER_REPLY_MAX = 200


def known_of(tx: Transaction, replica: bytes) -> list[Known]:
    """What is known of a chain: the ends of its branches, and dots heard of beyond them."""
    known = [Known(replica, counter, head) for counter, head in leaves_of(tx, replica)]
    heard = tx.rows(
        "SELECT counter, tag FROM heard WHERE replica = ? ORDER BY counter DESC LIMIT 32",
        [replica],
    )
    return known[:32] + [Known(replica, int(c), bytes(tag)) for c, tag in heard]


def notices_for(
    tx: Transaction, lineage: Lineage, device: str, request: Request, now_ms: int
) -> list[bytes]:
    """What the tablet was not told, and what it was told in an answer that never arrived: the
    cursor it shows is older than the notice then. It keeps each once."""
    placed = lineage.places(request.incarnation, request.seq)
    found = tx.rows(
        "SELECT n.n, n.body FROM notices n JOIN device_keys k ON k.replica = n.replica"
        " WHERE k.device = ? AND (n.told_at_ms IS NULL OR n.seq > ?)"
        " ORDER BY n.told_at_ms IS NOT NULL, n.n LIMIT ?",
        [device, request.seq if placed else 0, NOTICES_PER_REPLY_MAX],
    )
    tx.run_many(
        "UPDATE notices SET told_at_ms = ? WHERE n = ?", [(now_ms, row[0]) for row in found]
    )
    return [bytes(row[1]) for row in found]
