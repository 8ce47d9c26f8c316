# SPDX-License-Identifier: Apache-2.0
"""Looking at what tablets and servers show, and holding each reader to what it was shown before.

What lives here: reading, and what is remembered of it. What must not: steps, and what must be in
the end (``world``). Invariant: what is as it was to the byte is not read again, since it shows the
same; in the end everything is.
"""

from __future__ import annotations

from typing import Any

import msgspec

from client_sdk.store.records import Row, row_of, rows_where
from fixtures.judge import Shown
from sync.packing import decode_causal, unpack_state
from sync.policy import shown_fields
from tests.simulation.parts import SimServer, SimTablet
from tests.simulation.plan import records
from tests.simulation.values import SCHEMA, shown_of
from tests.simulation.years import Years


class Looking(Years):
    """The eyes of a ``World``."""

    def __init__(self) -> None:
        super().__init__()
        self._looked: dict[tuple[str, str], tuple[Any, Shown]] = {}
        self._served: dict[tuple[str, str], tuple[Any, Shown]] = {}

    def forget_looks(self) -> None:
        """Read everything anew from now on."""
        self._looked.clear()
        self._served.clear()

    def look(self, node: SimTablet, record: str) -> Shown | None:
        """What a tablet shows of a record; None where it does not hold it."""
        row = row_of(node.tablet._store, record)
        return self.look_at(node, row) if row else None

    def look_at_all(self, node: SimTablet) -> dict[str, Shown]:
        """What a tablet shows of all it holds."""
        rows = rows_where(node.tablet._store, "1 ORDER BY id")
        return {row.id: self.look_at(node, row) for row in rows}

    def look_at(self, node: SimTablet, row: Row) -> Shown:
        """What a tablet shows of a stored record."""
        # What was looked at before in this life, and is as it was to the byte, shows the same.
        key = (node.lives(row.id), row, frozenset(node.tablet._store.forks))
        before = self._looked.get((node.name, row.id))
        if before is not None and before[0] == key:
            return before[1]
        found = node.tablet.read(row.id)
        shown = shown_of(found.fields, found.voided)
        if self.is_gone(row.id):
            return shown
        try:
            self.complaints += self.model.read(node.name, node.lives(row.id), row.id, shown)
        except KeyError as error:
            self.complaints.append(f"{node.name} shows {row.id} with {error}, which nobody wrote")
        self._looked[node.name, row.id] = key, shown
        return shown

    def note_purges(self, node: SimTablet) -> None:
        """Count what a tablet no longer holds: its next life of that record begins."""
        held = set(node.tablet.records())
        for record in records():
            if record not in held:
                node.purged[record] += 1

    def server_shows(self, server: SimServer) -> dict[str, Shown]:
        """What a server shows of all it holds."""
        out = {}
        with server.district.store.read() as tx:
            for record, kind, voided, causal, body in tx.rows(
                "SELECT id, kind, voided, causal, body FROM records ORDER BY id"
            ):
                key = (bytes(causal), body, voided)
                before = self._served.get((server.name, record))
                if before is None or before[0] != key:
                    state = unpack_state(decode_causal(key[0]), msgspec.json.decode(body))
                    fields = shown_fields(state, SCHEMA, tx.collection_of(kind))
                    before = self._served[server.name, record] = (
                        key,
                        shown_of(fields, bool(voided)),
                    )
                out[record] = before[1]
        return out
