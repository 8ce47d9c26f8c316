# SPDX-License-Identifier: Apache-2.0
"""Reading: records as they are shown, conflicts in scope, what is unsent.

What lives here: from the store to the views. What must not: writing of any kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from client_sdk.devices import name_of
from client_sdk.errors import NotFound
from client_sdk.joined import joins_of
from client_sdk.sealed import Sealed
from client_sdk.store.base import Store
from client_sdk.store.records import Row, entry_at, from_json, row_of, rows_where
from client_sdk.views import Field, Hit, Record, Sibling, Unsent, Writer
from sync.change import decode_change
from sync.clock import TAG_BYTES, Chains, Dot, VersionVector, dot, replica_of
from sync.joining import JOINED_SEEN, combined
from sync.packing import decode_causal, unpack_state
from sync.policy import SETTLED_BY_RULE, FieldShown, shown_fields
from sync.record import RecordState
from sync.schema import Schema
from sync.sealing import is_sealed


class Reader:
    """Reads one open store."""

    def __init__(self, store: Store, schema: Schema) -> None:
        self._store = store
        self._schema = schema
        self._sealed = Sealed(store, schema)

    def record(self, record: str) -> Record:
        """One record with all that is known of its values. Raises NotFound."""
        row = row_of(self._store, record)
        if row is None:
            raise NotFound()
        return self.shown(row)

    def opened(self, record: str, field: str, value: Any) -> Any:
        """A sealed value that some change wrote on a record, wherever it was said, opened; as it is
        where no change that is known here wrote it, or no key opens it."""
        row = row_of(self._store, record) if is_sealed(value) else None
        if row is None:
            return value
        state = unpack_state(decode_causal(row.causal), row.body)
        own = "SELECT replica, counter FROM feed WHERE record = ?"
        dots = [dot(bytes(r), n, bytes(TAG_BYTES)) for r, n in self._store.rows(own, (record,))]
        for d in [*state.preds, *dots]:
            plain = self._sealed.open([record], field, d, value)
            if not is_sealed(plain):
                return plain
        return value

    def shown(self, row: Row) -> Record:
        """A stored record as it is shown; a household with what was joined into it."""
        state = unpack_state(decode_causal(row.causal), row.body)
        written_on = [row.id]
        if row.collection == "household":
            written_on += joins_of(self._store).aliases(row.id)
            state = self._with_joined(row.id, state)
        state = self._sealed.open_state(row.collection, written_on, state)
        fields = {
            name: self._field(state, name, shown)
            for name, shown in shown_fields(state, self._schema, row.collection).items()
        }
        reason = max(
            ((state.writes[d].stamp, v.reason) for d, v in state.voids.items()), default=None
        )
        reason_text = reason[1] if reason and row.voided else ""
        return Record(row.id, row.collection, row.home, row.voided, reason_text, fields)

    def _with_joined(self, home: str, state: RecordState) -> RecordState:
        rows = [row_of(self._store, alias) for alias in joins_of(self._store).aliases(home)]
        others = [
            (unpack_state(decode_causal(row.causal), row.body), row.body.get(JOINED_SEEN))
            for row in rows
            if row is not None
        ]
        return combined(state, others, self._store.forks) if others else state

    def _field(self, state: RecordState, name: str, shown: FieldShown) -> Field:
        if shown.siblings:
            siblings = self._siblings(state, name, shown)
        else:
            siblings = self._contributions(state, name, shown.policy)
        is_open = shown.conflict and shown.policy not in SETTLED_BY_RULE
        return Field(name, shown.value, shown.policy, shown.conflict, is_open, siblings)

    def _siblings(self, state: RecordState, name: str, shown: FieldShown) -> tuple[Sibling, ...]:
        out = []
        several = len(shown.siblings) > 1
        for sibling in shown.siblings:
            by = self._writer(state, sibling.dot, exact=several)
            seen: tuple[Writer, ...] = ()
            unseen: tuple[Writer, ...] = ()
            known = False
            if several:
                seen, unseen, known = self._seen(state, name, sibling.dot)
            out.append(
                Sibling(sibling.value, by, sibling.value == shown.value, seen, unseen, known)
            )
        return tuple(out)

    def _seen(
        self, state: RecordState, name: str, d: Dot
    ) -> tuple[tuple[Writer, ...], tuple[Writer, ...], bool]:
        """Which other live writes of the record the writer of ``d`` had seen, and which not."""
        entry = entry_at(self._store, d)
        if entry is None:
            others = [x for x in state.registers.get(name, {}) if x != d]
            return (), tuple(self._writer(state, x) for x in others), False
        vector = VersionVector(entry.change.vector)
        chains = Chains(self._store.forks, state.preds)
        order = sorted(
            (x for x in state.writes if x != d), key=lambda x: (state.writes[x].stamp, x)
        )
        seen = [x for x in order if vector.covers(x, chains)]
        unseen = [x for x in order if x not in seen]
        return (
            tuple(self._writer(state, x) for x in seen),
            tuple(self._writer(state, x) for x in unseen),
            True,
        )

    def _contributions(self, state: RecordState, name: str, policy: str) -> tuple[Sibling, ...]:
        found: list[tuple[Dot, Any]] = []
        if policy == "union":
            found = [(d, e) for (f, e), dots in state.elements.items() if f == name for d in dots]
        elif policy == "sum":
            found = list(state.counts.get(name, {}).items())
        elif policy == "append":
            found = [(d, v) for d, values in state.appends.get(name, {}).items() for v in values]
        found.sort(key=lambda x: (state.writes[x[0]].stamp, x[0]))
        return tuple(Sibling(value, self._writer(state, d), True) for d, value in found)

    def _writer(self, state: RecordState, d: Dot, *, exact: bool = False) -> Writer:
        write = state.writes[d]
        clock_ms = None
        if exact:
            entry = entry_at(self._store, d)
            clock_ms = entry.change.stamp_ms + entry.change.clock_ms if entry else None
        replica = replica_of(d)
        return Writer(
            write.worker,
            self.worker_name(write.worker),
            replica.hex(),
            name_of(self._store, replica),
            write.stamp.ms,
            clock_ms,
        )

    def worker_name(self, worker: str) -> str:
        """What people call a worker; the id where no name is known."""
        names = dict(self._store.get("workers", []))
        return str(names.get(worker) or worker)

    def households(self, collection: str = "household") -> list[Hit]:
        """All households held but those joined into another, in order of their address and id."""
        sql = "SELECT id, body, voided, conflicts FROM records WHERE collection = ?"
        away = joins_of(self._store).survivor
        found = [_hit(*row) for row in self._store.rows(sql, (collection,)) if row[0] not in away]
        return sorted(found, key=lambda h: (str(h.values.get("address") or ""), h.id))

    def hits(self, records: Iterable[str]) -> list[Hit]:
        """Households as list entries, in the order given, those joined away as their survivor."""
        joined = joins_of(self._store)
        wanted = list(dict.fromkeys(joined.of(record) for record in records))
        sql = (
            "SELECT r.id, r.body, r.voided, r.conflicts FROM json_each(?) j"
            " CROSS JOIN records r ON r.id = j.value"
        )
        found = self._store.run_ids(sql, wanted)
        return [_hit(*row) for row in found]

    def of_household(self, home: str, collection: str | None = None) -> list[Record]:
        """All records of a household, the household itself first, or those of one collection.

        What belongs to a household that was joined into it belongs to it too.
        """
        joined = joins_of(self._store)
        home = joined.of(home)
        homes = [home, *joined.aliases(home)]
        marks = ", ".join("?" * len(homes))
        also = f"SELECT record FROM record_homes WHERE home IN ({marks})"
        where = f"(home IN ({marks}) OR id IN ({also}))"
        values = [*homes, *homes]
        if collection is not None:
            where += " AND collection = ?"
            values.append(collection)
        rows = rows_where(self._store, where + " ORDER BY id", values)
        own = [row for row in rows if row.id not in homes[1:]]
        return [self.shown(row) for row in sorted(own, key=lambda r: (r.id != home, r.id))]

    def conflicts(self, *, open_only: bool = False, limit: int | None = None) -> list[Record]:
        """The records that hold a field with more than one different value."""
        out: list[Record] = []
        for row in rows_where(self._store, "conflicts > 0 ORDER BY id"):
            if limit is not None and len(out) >= limit:
                break
            shown = self.shown(row)
            if not open_only or any(field.open for field in shown.fields.values()):
                out.append(shown)
        return out

    def unsent(self) -> list[Unsent]:
        """Own changes that no receipt covers, oldest first."""
        sql = "SELECT record, raw, counter FROM feed WHERE own = 1 AND receipted = 0"
        out = []
        for record, raw, counter in self._store.rows(sql):
            if raw is not None:
                change = decode_change(raw)
                fields = (*change.names, *(f for _, f, _ in change.others if f))
                out.append(
                    Unsent(
                        record, change.collection, fields, change.worker, change.stamp_ms, counter
                    )
                )
        return sorted(out, key=lambda u: (u.at_ms, u.counter))


def _hit(record: str, body: str, voided: int, conflicts: int) -> Hit:
    return Hit(record, from_json(body), bool(voided), conflicts)
