# SPDX-License-Identifier: Apache-2.0
"""Several writings with all that they bring, as one batch: one writing a record.

What lives here: carrying out ``sync.effects`` for someone who writes many records at once and signs
them as one run. What must not: rules, storage. Invariants
- What comes out is what the same writings bring when they are made one after another on a tablet.
- The writings that were given come first and in their order; no record stands twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sync.change import ADD, APPEND, COUNT, REMOVE, VOID, Value
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
from sync.schema import REGISTERS, Collection, Schema
from sync.validation import Problem

Operation = tuple[str, str, Value]


class Held(NamedTuple):
    """A record as it is held: what it shows, and is it void?"""

    collection: str
    values: Mapping[str, Any]
    voided: bool = False


Hold = Callable[[str], Held | None]
"""A record by its id; None where there is none of this id."""


class Together:
    """One batch. ``new_id`` names a new record that something else must refer to."""

    def __init__(
        self, schema: Schema, hold: Hold, moment: Moment, new_id: Callable[[], str]
    ) -> None:
        self.schema = schema
        self.problems: list[Problem] = []
        self._hold = hold
        self._moment = moment
        self._new_id = new_id
        self._shown: dict[str, Held | None] = {}
        self._places: dict[str, int] = {}
        self._out: list[Writing] = []

    def add(self, writing: Writing) -> None:
        """Take a writing; the steps it may not take yet go to ``problems``."""
        declared = self.schema.collections.get(writing.collection)
        if declared is None or any(op == VOID for op, _, _ in writing.others):
            self._put(writing)
            return
        writing = self._begun(declared, writing)
        held = self._held(writing.record) if writing.record else None
        before = held.values if held else {}
        self.problems += missing_steps(self.schema, writing, before)
        self._put(filled(self.schema, writing, before, self._moment))

    def all(self) -> list[Writing]:
        """All that was taken, then all that it brings."""
        todo = [(place, 0) for place in range(len(self._out))]
        given = list(self._out)
        while todo:
            place, depth = todo.pop(0)
            writing = given[place]
            if depth >= DEPTH_MAX or not writing.record:
                continue
            for more in brought(self.schema, writing, writing.record, self._look, self._moment):
                self._put(more)
                given.append(more)
                todo.append((len(given) - 1, depth + 1))
        return self._out

    # ---- one writing -----------------------------------------------------------------------------

    def _begun(self, declared: Collection, writing: Writing) -> Writing:
        """A new record with what its making fills in, under the id that its key gives."""
        if writing.record and self._held(writing.record):
            return writing
        others = {field: value for op, field, value in writing.others if op != REMOVE}
        made = born(declared, {**writing.sets, **others}, self._moment)
        record = writing.record or record_of(declared, made)
        if record and self._held(record):
            return writing._replace(record=record)
        if record is None and (declared.opens or declared.follows):
            record = self._new_id()
        sets, operations = dict(writing.sets), list(writing.others)
        for name in made.keys() - writing.sets.keys() - others.keys():
            operation = _operation(declared, name, made[name])
            if operation is None:
                sets[name] = made[name]
            else:
                operations.append(operation)
        return Writing(writing.collection, record, sets, operations)

    def _held(self, record: str) -> Held | None:
        if record not in self._shown:
            self._shown[record] = self._hold(record)
        return self._shown[record]

    def _look(self, record: str) -> Shown | None:
        held = self._held(record)
        return None if held is None or held.voided else Shown(held.collection, held.values)

    def _put(self, writing: Writing) -> None:
        """Into the writing of its record, where there is one; and show what it comes to."""
        record = writing.record
        if record is None:
            self._out.append(writing)
            return
        held = self._held(record)
        values = _after(held.values if held else {}, writing)
        self._shown[record] = Held(writing.collection, values)
        place = self._places.get(record)
        if place is None:
            self._places[record] = len(self._out)
            self._out.append(writing)
            return
        first = self._out[place]
        self._out[place] = Writing(
            first.collection,
            record,
            {**first.sets, **writing.sets},
            _merged(first.others, writing.others),
        )


def together(
    schema: Schema,
    writings: Sequence[Writing],
    hold: Hold,
    moment: Moment,
    new_id: Callable[[], str],
) -> tuple[list[Writing], list[Problem]]:
    """The writings with all that they bring, and the steps that may not be taken yet."""
    batch = Together(schema, hold, moment, new_id)
    for writing in writings:
        batch.add(writing)
    return batch.all(), batch.problems


def _operation(declared: Collection, name: str, value: Value) -> Operation | None:
    """How a value goes into a field that merges by operations; None where it is set."""
    policy = declared.field(name).policy
    if policy in REGISTERS:
        return None
    many: list[Any] = value if isinstance(value, list) else [value]
    if policy == "union":
        return ADD, name, many
    return (COUNT, name, value) if policy == "sum" else (APPEND, name, many)


def _merged(first: Sequence[Operation], more: Sequence[Operation]) -> list[Operation]:
    """Operations of two writings as those of one, which has each kind once a field."""
    out = {(op, field): value for op, field, value in first}
    for op, field, value in more:
        here = out.get((op, field))
        if here is None or op not in (ADD, REMOVE, APPEND, COUNT):
            out.setdefault((op, field), value)
        elif op == COUNT and isinstance(here, int | float) and isinstance(value, int | float):
            out[op, field] = here + value
        elif isinstance(here, list) and isinstance(value, list):
            out[op, field] = [*here, *value]
    return [(op, field, value) for (op, field), value in out.items()]


def _after(shown: Mapping[str, Any], writing: Writing) -> dict[str, Any]:
    """What a record shows after a writing of someone who has seen all of it."""
    out = {**shown, **writing.sets}
    for op, field, value in writing.others:
        many = value if isinstance(value, list) else [value]
        if op == COUNT and isinstance(value, int | float):
            out[field] = (out.get(field) or 0) + value
        elif op == APPEND:
            out[field] = [*(out.get(field) or []), *many]
        elif op == ADD:
            here = out.get(field) or []
            out[field] = [*here, *(one for one in many if one not in here)]
        elif op == REMOVE:
            out[field] = [one for one in out.get(field) or [] if one not in many]
    return out
