# SPDX-License-Identifier: Apache-2.0
"""Writing with what it brings along: fills, steps, records opened, records that follow.

What lives here: carrying out on one store what ``sync.effects`` says. What must not: any rule.
Invariant: a writing and all that it brings are one transaction, also offline; what a step refuses
wrote nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from client_sdk.errors import EntryRefused
from client_sdk.joined import beside
from client_sdk.store.base import Clock, Store
from client_sdk.store.records import row_of
from client_sdk.writing import Writer
from sync.change import Entry, Value
from sync.effects import (
    DEPTH_MAX,
    Moment,
    Shown,
    Writing,
    born,
    brought,
    filled,
    missing_steps,
    record_of,
)
from sync.schema import Schema


class Effecting:
    """Writes for one open store."""

    def __init__(self, store: Store, schema: Schema, writer: Writer, clock: Clock) -> None:
        self._store = store
        self._schema = schema
        self._writer = writer
        self._clock = clock

    def look(self, record: str) -> Shown | None:
        """A record as it is held; None where it is not, or is void."""
        row = row_of(self._store, record)
        return None if row is None or row.voided else Shown(row.collection, row.body)

    def born(
        self, collection: str, fields: Mapping[str, Value], worker: str
    ) -> tuple[str | None, dict[str, Value], bool]:
        """A new record's id if one follows from its key, its fields filled in, is it here?

        Of one that is here already only what was given is written.
        """
        declared = self._schema.collections.get(collection)
        if declared is None or not (declared.fills or declared.one_per):
            return None, dict(fields), False
        made = born(declared, fields, self._moment(worker))
        record = record_of(declared, made)
        here = record is not None and row_of(self._store, record) is not None
        return record, dict(fields) if here else made, here

    def write(self, writing: Writing, worker: str) -> Entry:
        """Write a change and what it brings. Raises EntryRefused for a step not to be taken yet."""
        declared = self._schema.collections.get(writing.collection)
        # What was settled here is settled on the household that was joined into this one too.
        also = beside(self._store, writing)
        if declared is None or not (
            also or declared.fills or declared.opens or declared.follows or declared.steps
        ):
            return self._writer.write(writing, worker)
        held = row_of(self._store, writing.record) if writing.record else None
        before: dict[str, Any] = held.body if held else {}
        missing = missing_steps(self._schema, writing, before)
        if missing:
            raise EntryRefused(missing)
        moment = self._moment(worker)
        first = filled(self._schema, writing, before, moment)

        def following(entry: Entry, made: Writing, depth: int) -> list[Writing]:
            if depth >= DEPTH_MAX:
                return []
            more = also if depth == 0 else []
            return [*more, *brought(self._schema, made, entry.record, self.look, moment)]

        return self._writer.write_with(first, worker, following)

    def _moment(self, worker: str) -> Moment:
        return Moment(self._clock(), worker)
