# SPDX-License-Identifier: Apache-2.0
"""Sealed outboxes that arrive over the network from tablets nobody can unlock any more.

What lives here: how many are opened, and when one is given up. What must not: opening and taking in
(``recovery.py``), HTTP. Invariants
- Nobody has to prove who sends: what is inside is sealed to this server and signed by its author,
  and goes the way of every upload; of a revoked tablet into quarantine.
- Whoever sends rubbish costs little: few files a minute, and a file is left at a few refusals.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from server.district import District
from server.errors import BodyTooLarge, ServerBusy
from server.recovery import Recovered, recover
from sync.carry.stick import OUTBOX_BYTES_MAX

OUTBOXES_PER_MINUTE = 60
"""Files opened a minute, from all senders together: an outbox has a few, a district loses a tablet
a month."""
REFUSALS_MAX = 20
"""Refused changes after which the rest of a file is left: a real one has none."""


class Turns:
    """How many files may still be opened: some at once, then one a second."""

    def __init__(
        self, per_minute: int = OUTBOXES_PER_MINUTE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._left = self._most
        self._at = clock()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Use one turn up. Raises ServerBusy where none is left."""
        with self._lock:
            now = self._clock()
            self._left = min(self._most, self._left + (now - self._at) * self._most / 60)
            self._at = now
            if self._left < 1:
                raise ServerBusy("sealed outboxes: try again in a minute", 60)
            self._left -= 1


def take_outbox(district: District, turns: Turns, data: bytes) -> Recovered:
    """Take in one file of a sealed outbox that somebody sent.

    Raises ServerBusy, BodyTooLarge, SealRefused where it is not sealed to this server.
    """
    if len(data) > OUTBOX_BYTES_MAX:
        raise BodyTooLarge(f"at most {OUTBOX_BYTES_MAX} bytes")
    turns.take()
    return recover(district, data, refusals_max=REFUSALS_MAX)
