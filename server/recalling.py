# SPDX-License-Identifier: Apache-2.0
"""What the list of a record's dots was cut of, from the feeds.

What lives here: one change's own dots before it, by its name. What must not: merging, writing.
Invariants
- It is asked of replicas whose feed is known to have forked, and of no other: an ordinary upload
  opens nothing here.
- What it tells is what the change was merged with: what is in quarantine is seen through.
"""

from __future__ import annotations

from server.archive_errors import ArchiveMissing
from server.history import ChangeReader
from server.seen_through import Aside, aside_of, seen_through
from server.store.base import Transaction
from sync.change import own_tips
from sync.clock import Dot, counter_of


class Recalling:
    """The feeds of one transaction, asked for what stood before a change on its record."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._reader = ChangeReader(tx)
        self._aside: dict[str, dict[Dot, Aside]] = {}

    def __call__(self, d: Dot) -> tuple[Dot, ...] | None:
        """The writer's own dots before this change on its record; None where it is in no feed, or
        in an archive that is not here and before the feed parted: there one line is the truth.

        Raises LookupError where it lies in such an archive behind that point.
        """
        try:
            found = self._reader.find(d)
        except ArchiveMissing as error:
            if self._is_before_the_fork(d):
                return None
            raise LookupError("archive") from error
        if found is None:
            return None
        record = found.entry.record
        if record not in self._aside:
            self._aside[record] = aside_of(self._tx, [record])
        return own_tips(seen_through(found.entry, self._aside[record]))

    def _is_before_the_fork(self, d: Dot) -> bool:
        """Are the feed's runs one line up to this change? The rows of archived runs tell it too."""
        replica, counter = d[:16], counter_of(d)
        twice = self._tx.rows(
            "SELECT 1 FROM segments a JOIN segments b ON b.replica = a.replica AND b.n > a.n"
            " AND b.first <= a.last AND b.last >= a.first JOIN replicas r ON r.n = a.replica"
            " WHERE r.replica = ? AND a.first <= ? AND b.first <= ? LIMIT 1",
            [replica, counter, counter],
        )
        return not twice
