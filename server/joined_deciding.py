# SPDX-License-Identifier: Apache-2.0
"""Decisions by name, for callers elsewhere; and those on conflicts that joins of households made.

What lives here: settling and undoing across joined households. What must not: finding them
(``joined_audit.py``), deciding on one record (``resolving.py``). Invariant: as in ``resolving``:
ordinary changes, upon the records as the officer saw them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from server.audit_errors import (
    ConflictOpen,
    ConflictSettled,
    DecisionIncomplete,
    FieldSealed,
    RecordChanged,
    ValueRefused,
)
from server.district import District
from server.effecting import Office
from server.errors import NotFound
from server.history import stored_record
from server.joined_audit import JoinedConflict, joined_conflict
from server.joined_conflicts import settling
from server.own import Write
from server.resolving import check_words, release, resolve, undo
from server.store.base import Transaction
from server.voiding import void
from sync.change import Value
from sync.policy import siblings_of
from sync.schema import Schema
from sync.validation import problems


class DecidedJoined(NamedTuple):
    """What a decision came to: the household, the field, the value it set on all of it."""

    record: str
    field: str
    value: Any


def resolve_joined(
    district: District,
    name: str,
    *,
    officer: str,
    reason: str,
    seen: str,
    choice: str | None = None,
    value: Value = None,
) -> DecidedJoined:
    """Settle one by the value whose dot begins with ``choice`` (hex), or by ``value``.

    ``seen`` is ``JoinedConflict.seen`` as the officer looked at it. Raises ConflictUnknown,
    ConflictSettled, RecordChanged, DecisionIncomplete, FieldSealed, ValueRefused.
    """
    check_words(officer, reason)

    def made(tx: Transaction, found: JoinedConflict) -> Write:
        if found.settled is not None:
            raise ConflictSettled(name)
        if choice is None:
            _check_value(district.schema, found.field, value)
            return "household", found.home, {found.field: value}, []
        try:
            return settling(tx, district.schema, found.home, found.field, choice)
        except NotFound:
            raise DecisionIncomplete("choice") from None

    return _write(district, name, seen, (officer, reason), made)


def undo_joined(
    district: District, name: str, *, officer: str, reason: str, seen: str
) -> DecidedJoined:
    """Take a decision back: what was shown while the conflict stood is set on all of the household.

    Raises ConflictUnknown, ConflictOpen where nothing was decided, RecordChanged where the field
    was edited since or a record is not as the officer saw it.
    """
    check_words(officer, reason)

    def made(tx: Transaction, found: JoinedConflict) -> Write:
        if found.settled is None or found.undone is not None:
            raise ConflictOpen(name)
        held = stored_record(tx, found.home)
        live = {s.dot for s in siblings_of(held.state, found.field)} if held else set()
        if live != {found.settled.dot}:
            raise RecordChanged(found.field)
        return "household", found.home, {found.field: found.shown}, []

    return _write(district, name, seen, (officer, reason), made)


def _write(
    district: District, name: str, seen: str, said: tuple[str, str], made: Any
) -> DecidedJoined:
    """Write what was decided upon all of the household as it was looked at."""
    with district.store.read() as tx:
        write: Write = made(tx, _as_seen(tx, district.schema, name, seen))

    def before(tx: Transaction) -> None:
        _as_seen(tx, district.schema, name, seen)

    Office(district).write_many(said[0], [write], said[1], before=before)
    _, home, sets, _ = write
    field = next(iter(sets))
    return DecidedJoined(str(home), field, sets[field])


def _as_seen(tx: Transaction, schema: Schema, name: str, seen: str) -> JoinedConflict:
    found = joined_conflict(tx, schema, name)
    if schema.field("household", found.field).sealed:
        raise FieldSealed(f"household.{found.field}")
    if seen and found.seen != seen:
        raise RecordChanged(name)
    return found


def _check_value(schema: Schema, field: str, value: Value) -> None:
    declared = schema.collections.get("household")
    found = problems(declared, {field: value}, False, undeclared_allowed=True) if declared else []
    if found:
        raise ValueRefused(f"{field}: {found[0].code}")


DECISIONS = {
    "resolve": resolve,
    "undo": undo,
    "void": void,
    "release": release,
    "resolve_joined": resolve_joined,
    "undo_joined": undo_joined,
}


def decide(district: District, what: str, arguments: dict[str, Any]) -> list[Any]:
    """A decision by name, with plain arguments: for callers elsewhere.

    Raises what they raise, DecisionIncomplete for anything else.
    """
    decision: Any = DECISIONS.get(what)
    if decision is None:
        raise DecisionIncomplete("no such decision")
    return list(decision(district, **arguments))
