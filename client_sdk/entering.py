# SPDX-License-Identifier: Apache-2.0
"""From what an app asks for to a draft: the right operation on each field, values that may stand.

What lives here: checks of an entry against its declaration, and the drafts of every operation. What
must not: writing. Invariant: what is refused here changed nothing, and the refusal names each
field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from client_sdk.errors import EntryRefused, OperationMisplaced
from sync.change import ADD, APPEND, COUNT, REASON, REMOVE, VOID, Value, check_writable
from sync.effects import Writing
from sync.schema import REGISTERS, Schema
from sync.validation import problems

_POLICIES = {ADD: "union", REMOVE: "union", COUNT: "sum", APPEND: "append"}


class Entering:
    """Makes drafts for one schema. ``checked``: values must fit their declarations."""

    def __init__(self, schema: Schema, *, checked: bool = True) -> None:
        self._schema = schema
        self._checked = checked

    def sets(
        self, collection: str, record: str | None, fields: Mapping[str, Value], reason: str = ""
    ) -> Writing:
        """Fields of one record set. Raises EntryRefused, OperationMisplaced, ChangeInvalid."""
        for name in fields:
            policy = self._schema.policy(collection, name)
            if self._checked and policy not in REGISTERS:
                raise OperationMisplaced(f"{collection}.{name}: {policy}")
        self._check(collection, fields, creating=False)
        others: list[tuple[str, str, Value]] = [(REASON, "", reason)] if reason else []
        return Writing(collection, record, dict(fields), others)

    def creates(
        self,
        collection: str,
        record: str | None,
        fields: Mapping[str, Value],
        *,
        here: bool = False,
    ) -> Writing:
        """A new record, or one that is ``here`` though its writer did not know: register fields are
        set, sets are added to, sums counted, entries appended."""
        self._check(collection, fields, creating=not here)
        sets: dict[str, Value] = {}
        others: list[tuple[str, str, Value]] = []
        for name, value in fields.items():
            policy = self._schema.policy(collection, name)
            if policy in REGISTERS:
                sets[name] = value
            elif policy == "union":
                others += [(ADD, name, _as_list(value))] if _as_list(value) else []
            elif policy == "sum":
                others.append((COUNT, name, value))
            else:
                others += [(APPEND, name, _as_list(value))] if _as_list(value) else []
        return Writing(collection, record, sets, others)

    def operates(self, collection: str, record: str, op: str, field: str, value: Value) -> Writing:
        """``add``, ``remove``, ``count`` or ``append`` on one field."""
        if self._checked and self._schema.policy(collection, field) != _POLICIES[op]:
            raise OperationMisplaced(f"{collection}.{field}: {op}")
        if op != REMOVE:
            # What does not fit the declaration any more can still be taken away.
            self._check(collection, {field: value}, creating=False)
        return Writing(collection, record, {}, [(op, field, value)])

    def voids(self, collection: str, record: str, reason: str) -> Writing:
        """The record as a whole is void."""
        return Writing(collection, record, {}, [(VOID, "", reason)])

    def _check(self, collection: str, fields: Mapping[str, Any], *, creating: bool) -> None:
        check_writable(tuple(fields), list(fields.values()))
        declared = self._schema.collections.get(collection)
        if not self._checked:
            return
        if declared is None:
            raise OperationMisplaced(f"collection {collection[:48]}")
        found = problems(declared, dict(fields), creating)
        if found:
            raise EntryRefused(found)


def _as_list(value: Value) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    return [] if value is None else [value]


def values_of(values: Sequence[str | int]) -> list[str | int]:
    """Elements of a set, each once, in the order given."""
    return list(dict.fromkeys(values))


def entries_of(entries: Sequence[Value]) -> Value:
    """Entries to append, as a value."""
    out: list[Any] = list(entries)
    return out
