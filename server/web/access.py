# SPDX-License-Identifier: Apache-2.0
"""The access log: who saw what of which household, when and for what.

What lives here: its lines, written and read. What must not: deciding who may see. Invariants
- Lines are only ever added.
- What one person saw again of one record within REPEAT_MS, for the same purpose, is one line.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from server.log_access import Reading, note_readings
from server.service import Service
from server.store.base import Store, Transaction
from server.web.scoped import Read, Scoped

REPEAT_MS = 10 * 60_000
KNOWN_MAX = 50_000
"""Lines remembered so as not to be written again."""
PURPOSE_CHARS_MAX = 200


class Line(NamedTuple):
    """One line of the access log."""

    n: int
    at_ms: int
    account: str
    area: str
    home: str
    record: str
    fields: str
    purpose: str
    device: str


class Seen:
    """What was written to the log lately, so that it is not written again at every click."""

    def __init__(self) -> None:
        self._lately: OrderedDict[tuple[str, str, Read], int] = OrderedDict()

    async def keep(
        self, service: Service, account: str, purpose: str, scopes: Sequence[Scoped], now_ms: int
    ) -> None:
        """Write what was read before it is shown."""
        purpose = purpose[:PURPOSE_CHARS_MAX]
        new = []
        for scoped in scopes:
            for read in scoped.reads:
                key = (account, purpose, read)
                if now_ms - self._lately.get(key, -REPEAT_MS) >= REPEAT_MS:
                    new.append(key)
        if not new:
            return

        def write(store: Store) -> None:
            with store.write() as tx:
                note_readings(
                    tx,
                    now_ms,
                    [Reading(who, r.area, r.home, r.record, r.fields, why) for who, why, r in new],
                )

        await service.run(lambda: write(service.district.store))
        for key in new:
            self._lately[key] = now_ms
        while len(self._lately) > KNOWN_MAX:
            self._lately.popitem(last=False)


def read_log(
    tx: Transaction,
    area: str,
    account: str = "",
    home: str = "",
    before: int | None = None,
    limit: int = 100,
) -> list[Line]:
    """Lines of an area, newest first, before a number."""
    where: list[str] = ["substr(area, 1, ?) = ?"]
    values: list[object] = [len(area), area]
    parts: list[tuple[str, object]] = [("account = ?", account), ("home = ?", home)]
    sql = (
        "SELECT n, at_ms, account, area, home, record, fields, purpose, device FROM access_log"
        " WHERE "
    )
    for part, value in parts:
        if value:
            where.append(part)
            values.append(str(value))
    if before is not None:
        where.append("n < ?")
        values.append(before)
    found = tx.rows(sql + " AND ".join(where) + " ORDER BY n DESC LIMIT ?", [*values, limit])
    return [Line(*row) for row in found]
