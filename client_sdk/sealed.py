# SPDX-License-Identifier: Apache-2.0
"""Sealed fields on this tablet: sealed where they are written, opened where they are read.

What lives here: from a draft's values to sealed ones, and from a state's back. What must not: which
keys there are (``field_keys.py``). Invariants
- What is stored, sent, carried and merged of a sealed field is sealed; only what a reader is shown
  and the search texts of this encrypted store are not.
- A value that does not open here stays as it is: people are told that it is sealed.
- What is written is sealed with the key that the ring names for writing, and with no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from client_sdk.errors import EntryRefused
from client_sdk.field_keys import ring_of, secrets_of
from client_sdk.store.base import Store
from crypto.errors import SealRefused
from crypto.field import FieldKey, Place
from sync.change import Value
from sync.clock import Dot, counter_of, replica_of
from sync.errors import ChangeInvalid
from sync.record import RecordState
from sync.schema import Schema
from sync.sealing import encode_value, is_sealed, key_named, opened_value, sealed_bytes, sealed_text
from sync.validation import no_key


class Sealed:
    """Seals and opens for one open store."""

    def __init__(self, store: Store, schema: Schema) -> None:
        self._store = store
        self._fields = {
            name: {f: one.reader_class for f, one in c.fields.items() if one.sealed}
            for name, c in schema.collections.items()
        }
        self._schema = schema
        self._from: tuple[object, object] = (None, None)
        self._keys: dict[bytes, FieldKey] = {}
        self._writes: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"Sealed({len(self._keys)} keys)"

    def may_write(self, collection: str, field: str) -> bool:
        """May this tablet write a field: is it not sealed, or has it the key that seals it?"""
        readers = self._fields.get(collection, {}).get(field)
        if readers is None:
            return True
        self._look()
        return self._writes.get(readers, b"") in self._keys

    def may_read(self, collection: str, field: str, value: Any) -> bool:
        """Can people read this value here, as it was given out?"""
        return not (is_sealed(value) and field in self._fields.get(collection, {}))

    def seal(
        self,
        collection: str,
        record: str,
        sets: Mapping[str, Value],
        writer: tuple[bytes, int],
    ) -> dict[str, Value]:
        """What a change writes, its sealed fields sealed for ``writer``, replica and counter.

        None, which is no value, stays. Raises EntryRefused where the key is lacking, ChangeInvalid
        for a value that is too long.
        """
        sealed = self._fields.get(collection)
        if not sealed or not sealed.keys() & sets.keys():
            return dict(sets)
        self._look()
        out = dict(sets)
        lacking = []
        for name in sealed.keys() & sets.keys():
            if out[name] is None:
                continue
            key = self._keys.get(self._writes.get(sealed[name], b""))
            if key is None:
                lacking.append(no_key(self._schema.collections[collection], name))
                continue
            place = Place(record, name, *writer)
            try:
                out[name] = sealed_text(key.seal(place, encode_value(out[name])))
            except SealRefused:
                raise ChangeInvalid(f"{name}: too long to be sealed") from None
        if lacking:
            raise EntryRefused(lacking)
        return out

    def open(self, records: Sequence[str], field: str, d: Dot, value: Any) -> Any:
        """A value of a field that the change ``d`` set, opened; as it is where it does not open.

        ``records`` are those it may have been written on: a household and those joined into it.
        """
        if not is_sealed(value):
            return value
        self._look()
        try:
            sealed = sealed_bytes(value)
            key = self._keys.get(key_named(value))
        except ChangeInvalid:
            return value
        if key is None:
            return value
        for record in records:
            try:
                plain = key.open(Place(record, field, replica_of(d), counter_of(d)), sealed)
                return opened_value(plain)
            except (SealRefused, ChangeInvalid):
                continue
        return value

    def open_state(
        self, collection: str, records: Sequence[str], state: RecordState
    ) -> RecordState:
        """The same state with the values of sealed fields opened that open here; it is changed."""
        for name in self._fields.get(collection, {}):
            by_dot = state.registers.get(name)
            if by_dot:
                state.registers[name] = {
                    d: self.open(records, name, d, value) for d, value in by_dot.items()
                }
        return state

    def _look(self) -> None:
        """Read the keys again where they changed."""
        now = (secrets_of(self._store), self._store.get("field_ring"))
        if now[0] is self._from[0] and now[1] is self._from[1]:
            return
        ring = ring_of(self._store)
        held = {key.id: key for key in map(FieldKey, now[0])}
        self._keys = held
        self._writes = ring.writes() if ring is not None else {}
        self._from = now
