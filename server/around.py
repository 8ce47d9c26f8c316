# SPDX-License-Identifier: Apache-2.0
"""What other processes over the same database changed, taken over before anything is decided.

What lives here: noticing, and bringing a district's memory up to it. What must not: what is kept in
memory, which is the district's. Invariants
- The look is taken inside the transaction that decides, after it holds the writers' lock: nothing
  can change between.
- Where another database answers than before (a standby was promoted, a copy was put back), it is as
  at a start: a new incarnation, so that cursors into what was lost are noticed; and where it holds
  less of the own feed than this process wrote, a new key, so that no dot is given twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from server.incarnations import Lineage
from server.own import OwnFeed
from server.store.base import Seen, Transaction

if TYPE_CHECKING:
    from server.district import District


class Around:
    """How far a district's memory goes. ``seen`` is set back where a transaction is undone."""

    def __init__(self, district: District, seen: Seen, random: Callable[[int], bytes]) -> None:
        self.seen = seen
        self._district = district
        self._random = random

    def refresh(self) -> None:
        """Read again what another process changed; cheap where none did."""
        district = self._district
        if district.store.seen() == self.seen:
            return
        with district.store.read() as tx:
            seen = tx.seen()
            district.load(tx)
            # In another life of the database the next transaction that writes begins anew.
            if seen.life == self.seen.life:
                self._go_on(tx)
                self.seen = seen

    def look(self, tx: Transaction) -> None:
        """Take over what was committed before this writing transaction."""
        seen = tx.seen()
        if seen != self.seen:
            self._district.load(tx)
            if seen.life == self.seen.life:
                self._go_on(tx)
            else:
                self._begin_anew(tx)
            self.seen = seen
        self._district.own.catch_up(tx)

    def _own(self, tx: Transaction) -> OwnFeed:
        return OwnFeed.load(tx, self._district.key, self._district.clock, self._random)

    def _go_on(self, tx: Transaction) -> None:
        district = self._district
        district.lineage = Lineage.load(tx)
        own = self._own(tx)
        if own.key.replica != district.own.key.replica:
            district.own = own

    def _begin_anew(self, tx: Transaction) -> None:
        district = self._district
        district.lineage = Lineage.start(tx, self._random(8), district.clock())
        mine, there = district.own, self._own(tx)
        district.own = there
        if mine.key.replica != there.key.replica or mine.counter > there.counter:
            district.succeed(tx)
