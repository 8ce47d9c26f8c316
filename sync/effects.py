# SPDX-License-Identifier: Apache-2.0
"""Carrying out what collections declare: what else is written with a writing, and what is missing.

What lives here: pure functions from a writing and what is shown to further writings. What must not:
any collection's own behaviour (``collections/``), storage, clocks. Invariants
- The same writing on the same state gives the same further writings on every tablet.
- What the writer gave is never replaced, and nothing is written twice that is there already.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from sync.behaviour import CREATED, Fill, Opens
from sync.change import ADD, COUNT, Value
from sync.collections.declare import ENDED
from sync.schema import Collection, Schema
from sync.validation import Problem, step_problem

KEY_PREFIX = b"doorstep/keyed/1\0"
DEPTH_MAX = 3
"""Writings that bring writings: a parcel, its shortages, what these open. More is a circle."""
UTC_OFFSET_HOURS = 8
"""A working day is a day in China, which has one time and no summer time."""
_ID_LETTERS = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
)
"""From base64's order of digits to that of record ids (sync/README.md)."""
_pack = msgspec.msgpack.Encoder().encode


class Moment(NamedTuple):
    """When something is written and by whom: wall milliseconds, the worker's id."""

    now_ms: int
    worker: str

    @property
    def today(self) -> str:
        """The date in China."""
        return day_of(self.now_ms)


class Writing(NamedTuple):
    """One change to come: fields set and other operations on a record (None: a new one)."""

    collection: str
    record: str | None
    sets: dict[str, Value]
    others: list[tuple[str, str, Value]]


class Shown(NamedTuple):
    """A record as it is held."""

    collection: str
    values: Mapping[str, Any]


Look = Callable[[str], Shown | None]
"""A record by its id, as it is shown; None where it is not held."""


def day_of(at_ms: int) -> str:
    """The date in China of a moment; the first or last day there is for one beyond them."""
    try:
        found = datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(hours=UTC_OFFSET_HOURS)
    except (OverflowError, ValueError, OSError):
        return "0001-01-01" if at_ms < 0 else "9999-12-31"
    return f"{found:%Y-%m-%d}".rjust(10, "0")


def days_after(day: str, days: int) -> str:
    """The date ``days`` later."""
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except OverflowError:
        return day


def keyed_id(collection: str, key: Sequence[Any]) -> str:
    """The id of the one record of a collection that has this key: 22 characters."""
    digest = hashlib.sha256(KEY_PREFIX + _pack([collection, *key])).digest()[:16]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=").translate(_ID_LETTERS)


def born(declared: Collection, fields: Mapping[str, Value], moment: Moment) -> dict[str, Value]:
    """The fields of a new record with what its making fills in."""
    out = dict(fields)
    for fill in declared.fills:
        if fill.field == CREATED:
            for name, given in {**fill.sets, **fill.firsts, **fill.adds, **fill.counts}.items():
                if out.get(name) in (None, "", []):
                    value = value_of(given, out, moment)
                    out[name] = [value] if name in fill.adds else value
    return out


def record_of(declared: Collection, fields: Mapping[str, Any]) -> str | None:
    """The id of the record where there is one per key; None where each is a record of its own."""
    if not declared.one_per:
        return None
    return keyed_id(declared.name, [fields.get(name) or "" for name in declared.one_per])


def value_of(
    given: Any, shown: Mapping[str, Any], moment: Moment, record: str = "", each: Any = None
) -> Any:
    """A declared value, as it is at this writing."""
    if not isinstance(given, str) or given[:1] not in ("@", "="):
        return given
    if given.startswith("="):
        return shown.get(given[1:])
    word, _, ahead = given.partition("+")
    if word == "@today":
        return days_after(moment.today, int(ahead or 0))
    return {
        "@now": moment.now_ms,
        "@worker": moment.worker,
        "@record": record,
        "@each": each,
    }[word]


def filled(schema: Schema, writing: Writing, before: Mapping[str, Any], moment: Moment) -> Writing:
    """The writing with what its fields bring along on the same record."""
    declared = schema.collections.get(writing.collection)
    if declared is None:
        return writing
    sets, others = dict(writing.sets), list(writing.others)
    touched = {*sets, *(field for _, field, _ in others)}
    after = {**before, **sets}
    for fill in declared.fills:
        if fill.field == CREATED or not any(_written(writing, fill)):
            continue
        if before.get(fill.field) == after.get(fill.field) and fill.field in sets:
            # Said again, it did not happen again.
            continue
        for name, given in {**fill.sets, **fill.firsts}.items():
            empty = before.get(name) in (None, "")
            if name not in touched and (empty or name in fill.sets):
                value = value_of(given, after, moment, writing.record or "")
                if value is not None or not empty:
                    sets[name] = value
        for name, given in fill.adds.items():
            value = value_of(given, after, moment, writing.record or "")
            if name not in touched and value and value not in (before.get(name) or []):
                others.append((ADD, name, [value]))
        others += [(COUNT, n, amount) for n, amount in fill.counts.items() if n not in touched]
        touched |= {*sets, *(field for _, field, _ in others)}
    return Writing(writing.collection, writing.record, sets, others)


def _written(writing: Writing, what: Fill | Opens) -> Iterator[Any]:
    """The values of ``what.field`` that a writing brings and that count."""
    found: list[Any] = []
    if what.field in writing.sets:
        found = [writing.sets[what.field]]
    for op, field, value in writing.others:
        if op == ADD and field == what.field and isinstance(value, list):
            found += value
    for value in found:
        if value in what.values if what.values else value not in (None, "", False):
            yield value


def brought(
    schema: Schema, writing: Writing, record: str, look: Look, moment: Moment
) -> list[Writing]:
    """What a writing that was made on ``record`` brings on other records, already filled."""
    declared = schema.collections.get(writing.collection)
    if declared is None:
        return []
    held = look(record)
    shown = held.values if held else dict(writing.sets)
    out: list[Writing] = []
    for opening in declared.opens:
        for each in _written(writing, opening):
            found = _opened(schema, opening, (record, shown, each), look, moment)
            if found is not None:
                out.append(found)
    for follows in declared.follows:
        if writing.sets.get(follows.field) not in follows.values:
            continue
        linked = shown.get(follows.link) or []
        many: list[Any] = linked if isinstance(linked, list) else [linked]
        for other in many:
            there = look(str(other))
            if there is None:
                continue
            sets = {n: value_of(g, shown, moment, record) for n, g in follows.sets.items()}
            new = {n: v for n, v in sets.items() if v is not None and there.values.get(n) != v}
            if new:
                plain = Writing(there.collection, other, new, [])
                out.append(filled(schema, plain, there.values, moment))
    return out


def _opened(
    schema: Schema,
    opening: Opens,
    source: tuple[str, Mapping[str, Any], Any],
    look: Look,
    moment: Moment,
) -> Writing | None:
    record, shown, each = source

    def value(given: Any) -> Any:
        return value_of(given, shown, moment, record, each)

    target = keyed_id(opening.collection, [value(part) or "" for part in opening.key])
    there = look(target)
    sets: dict[str, Value] = {}
    if there is None:
        sets = {name: found for name, g in opening.sets.items() if (found := value(g)) is not None}
    elif there.values.get("status") in ENDED:
        sets = {name: value(given) for name, given in opening.again.items()}
    else:
        sets = _graver(schema.collections.get(opening.collection), opening, there.values, value)
    others: list[tuple[str, str, Value]] = []
    for name, given in opening.adds.items():
        element = value(given)
        if element and (there is None or element not in (there.values.get(name) or [])):
            others.append((ADD, name, [element]))
    if not sets and not others:
        return None
    writing = Writing(opening.collection, target, sets, others)
    return filled(schema, writing, there.values, moment) if there else writing


def _graver(
    declared: Collection | None,
    opening: Opens,
    shown: Mapping[str, Any],
    value: Callable[[Any], Any],
) -> dict[str, Value]:
    """What an opening says more gravely than what stands: life at risk where it was only urgent."""
    out: dict[str, Value] = {}
    for name, given in opening.sets.items():
        order = declared.field(name).order if declared else ()
        found, stands = value(given), shown.get(name)
        known = name != "status" and found in order and stands in order
        if known and order.index(found) > order.index(stands):
            out[name] = found
    return out


def missing_steps(schema: Schema, writing: Writing, before: Mapping[str, Any]) -> list[Problem]:
    """The steps that a writing takes without what must come first."""
    declared = schema.collections.get(writing.collection)
    if declared is None:
        return []
    after = {**before, **writing.sets}
    for op, field, value in writing.others:
        if op != COUNT and value:
            after[field] = value
    out = []
    for step in declared.steps:
        value = writing.sets.get(step.field)
        if value not in step.values or before.get(step.field) == value:
            continue
        come_from = before.get(step.field)
        if step.after and come_from is not None and come_from not in step.after:
            out.append(step_problem(declared, step, str(value), "value/step-order"))
        elif step.needs and not any(after.get(name) not in (None, "", []) for name in step.needs):
            out.append(step_problem(declared, step, str(value), "value/step-needs"))
    return out
