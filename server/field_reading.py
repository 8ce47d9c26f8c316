# SPDX-License-Identifier: Apache-2.0
"""Sealed values as an officer is shown them: opened for who may read the class, else as they are.

What lives here: the right of one account, and opening what stands in a conflict or a history. What
must not: keys (``field_keys.py``), the access log: what was opened stands in ``opened`` and is
written there by whoever asked. Invariants
- Lists and exports open nothing: only what is asked for by itself, a record or a conflict, is.
- What does not open, because it was altered or is another server's, stays as it is.
"""

from __future__ import annotations

from typing import Any

from crypto.errors import SealRefused
from server.audit_errors import FieldSealed
from server.audit_show import Conflict
from server.field_keys import FieldKeys
from server.field_readers import officer_classes
from server.store.base import Transaction
from sync.clock import Dot
from sync.record import RecordState
from sync.schema import Schema
from sync.sealing import is_sealed


class FieldReader:
    """What one account may read of sealed fields, within one transaction.

    ``opened`` are (record, field) of what was opened so far.
    """

    def __init__(self, tx: Transaction, schema: Schema, keys: FieldKeys, account: str) -> None:
        self._tx = tx
        self._schema = schema
        self._keys = keys
        self._classes = officer_classes(tx, account)
        self.opened: dict[tuple[str, str], None] = {}

    def may(self, collection: str, field: str) -> bool:
        """May this account read a field?"""
        readers = self._schema.field(collection, field).reader_class
        return not readers or readers in self._classes

    def value(self, collection: str, record: str, field: str, d: Dot, value: Any) -> Any:
        """A value that the change ``d`` set, opened where it may be and does."""
        if not is_sealed(value) or not self.may(collection, field):
            return value
        try:
            found = self._keys.open(self._tx, record, field, d, value)
        except SealRefused:
            return value
        self.opened[record, field] = None
        return found

    def state(self, collection: str, record: str, state: RecordState) -> RecordState:
        """The same state, its sealed fields opened where they may be; it is changed."""
        for name, by_dot in state.registers.items():
            for d, value in by_dot.items():
                by_dot[d] = self.value(collection, record, name, d, value)
        return state

    def conflict(self, found: Conflict) -> Conflict:
        """The same conflict, all values of a sealed field opened where they may be."""

        def opened(d: Dot, value: Any) -> Any:
            return self.value(found.collection, found.record, found.field, d, value)

        plain = {side.value: opened(side.dot, side.value) for side in found.sides if _open(side)}
        for one in found.decisions:
            if is_sealed(one.value):
                plain[one.value] = opened(one.dot, one.value)
        shown = plain.get(found.shown, found.shown) if is_sealed(found.shown) else found.shown
        if is_sealed(shown) and found.shown_dots:
            shown = opened(found.shown_dots[-1], shown)

        def said(value: Any) -> Any:
            return plain.get(value, value) if is_sealed(value) else value

        return found._replace(
            sides=tuple(side._replace(value=said(side.value)) for side in found.sides),
            base=tuple(m._replace(value=opened(m.dot, m.value)) for m in found.base),
            shown=shown,
            decisions=tuple(d._replace(value=said(d.value)) for d in found.decisions),
        )

    def must(self, collection: str, record: str, field: str, d: Dot, value: Any) -> Any:
        """A value that is decided by, opened. Raises FieldSealed."""
        if not self.may(collection, field):
            raise FieldSealed(f"{collection}.{field}")
        if not self._schema.field(collection, field).sealed:
            return value
        return unsealed(self._tx, self._keys, record, field, d, value)


def _open(side: Any) -> bool:
    return is_sealed(side.value)


def unsealed(tx: Transaction, keys: FieldKeys, record: str, field: str, d: Dot, value: Any) -> Any:
    """A value to be written anew by the server itself, which nobody is shown. Raises FieldSealed
    where it does not open."""
    try:
        return keys.open(tx, record, field, d, value)
    except SealRefused as error:
        raise FieldSealed(f"{field}: {error.detail}") from None
