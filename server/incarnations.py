# SPDX-License-Identifier: Apache-2.0
"""Incarnations: what makes a cursor of this server mean one thing only.

What must not live here: states. Invariants
- A server takes a new incarnation at every start and keeps the last sequence of the earlier ones,
  so a cursor from a future that a restore took away is noticed.
- Processes that share a database share the newest incarnation: whoever starts ends the one before
  under the writers' lock, and the others go over to the new one before they give out a cursor.
"""

from __future__ import annotations

from server.store.base import Transaction

LINEAGE_MAX = 256
"""Earlier incarnations told to a tablet; one that stands on an older one compares digests."""


class Lineage:
    """The incarnations of one server, newest first."""

    def __init__(self, incarnation: bytes, earlier: list[tuple[bytes, int]]) -> None:
        self.incarnation = incarnation
        self.earlier = earlier

    @classmethod
    def start(cls, tx: Transaction, incarnation: bytes, now_ms: int) -> Lineage:
        """Take a new incarnation; what was the present one keeps the sequence it came to."""
        last = cls._seq(tx)
        tx.run("UPDATE incarnations SET last_seq = ? WHERE last_seq = -1", [last])
        number = int(tx.rows("SELECT coalesce(max(n), 0) FROM incarnations")[0][0]) + 1
        tx.run(
            "INSERT INTO incarnations (incarnation, started_at_ms, last_seq, n)"
            " VALUES (?, ?, -1, ?)",
            [incarnation, now_ms, number],
        )
        return cls.load(tx)

    @classmethod
    def load(cls, tx: Transaction) -> Lineage:
        """The newest incarnation, whichever process took it, and the earlier ones."""
        present = tx.rows("SELECT incarnation FROM incarnations ORDER BY n DESC LIMIT 1")
        found = tx.rows(
            "SELECT incarnation, last_seq FROM incarnations WHERE last_seq >= 0"
            " ORDER BY n DESC LIMIT ?",
            [LINEAGE_MAX],
        )
        return cls(bytes(present[0][0]), [(bytes(r[0]), int(r[1])) for r in found])

    @staticmethod
    def _seq(tx: Transaction) -> int:
        found = tx.rows("SELECT value FROM meta WHERE key = 'seq'")
        return int(found[0][0]) if found else 0

    def last_seq(self, tx: Transaction) -> int:
        """The highest sequence that is committed, or is being committed by this transaction."""
        return self._seq(tx)

    def places(self, incarnation: bytes, seq: int) -> bool:
        """Can this server say what a cursor means?"""
        if incarnation == self.incarnation:
            return True
        return any(inc == incarnation and seq <= last for inc, last in self.earlier)

    def told(self, incarnation: bytes) -> list[tuple[bytes, int]]:
        """The earlier incarnations, for a tablet that does not stand on the present one."""
        return [] if incarnation == self.incarnation else self.earlier
