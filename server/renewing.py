# SPDX-License-Identifier: Apache-2.0
"""Making a new box key when it is time, while the server serves.

What lives here: waiting, looking, the line in the journal. What must not: keys (``boxes.py``).
Invariant: two that renew at once make two keys, both of which open.
"""

from __future__ import annotations

import asyncio

from server.boxes import Boxes
from server.journal import note
from server.logs import log
from server.service import Service
from server.store.base import Transaction

LOOK_SECONDS = 3_600.0
"""A day of delay would not matter; an hour costs nothing."""


def renew_box(tx: Transaction, boxes: Boxes, by: str, now_ms: int) -> int:
    """Make a new box key and say so in the journal; since when it is in use."""
    at_ms = boxes.renew(now_ms)
    note(tx, now_ms, by, "box-renewed", str(at_ms), "")
    return at_ms


class Renewing:
    """Looks every hour. ``run`` ends when it is cancelled."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._service.run(self.look)
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Renew where it is time; in the store's thread."""
        district = self._service.district
        if district.boxes.is_due(district.clock()):
            with district.store.write() as tx:
                renew_box(tx, district.boxes, "", district.clock())
            log("box-renewed")
