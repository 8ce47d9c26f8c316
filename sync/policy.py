# SPDX-License-Identifier: Apache-2.0
"""Policies: how the siblings of a field become one shown value.

What lives here: choosing, and saying which fields are in conflict. What must not: merging.
Invariant: the choice depends on the set of siblings only, not on the order they came in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from sync.clock import Chains, Dot, Stamp
from sync.record import RecordState
from sync.schema import REGISTERS, Field, Schema
from sync.sealing import likeness


class Sibling(NamedTuple):
    """A value nobody has yet overwritten with knowledge of it."""

    dot: Dot
    value: Any
    stamp: Stamp
    worker: str


class FieldShown(NamedTuple):
    """One field as it is shown: its value, all siblings (highest stamp last), and its policy."""

    value: Any
    siblings: tuple[Sibling, ...]
    conflict: bool
    policy: str


class Shown(NamedTuple):
    """One record as it is shown."""

    voided: bool
    fields: dict[str, FieldShown]


_canonical = msgspec.json.Encoder(order="deterministic")


def exact_key(value: Any) -> bytes:
    """Bytes that are equal for values as they are stored: two sealed ones are never one."""
    return _canonical.encode(value)


def same_key(value: Any) -> bytes:
    """Bytes that are equal for equal values: 1 and True differ, key order does not matter.

    Of sealed values those are equal that bear one mark of one key, whatever their ciphertexts.
    """
    return _canonical.encode(likeness(value))


def _rank(value: Any, order: tuple[str, ...]) -> tuple[int, float, str]:
    if order:
        # A label the declaration does not know stands below all it knows, then by its text.
        return (1, order.index(value), "") if value in order else (0, 0, str(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (0, 0, str(value))
    return (1, value, "")


def siblings_of(state: RecordState, field: str) -> tuple[Sibling, ...]:
    """The siblings of a register field in order of (stamp, replica)."""
    found = [
        Sibling(d, value, state.writes[d].stamp, state.writes[d].worker)
        for d, value in state.registers.get(field, {}).items()
    ]
    return tuple(sorted(found, key=lambda s: (s.stamp, s.dot)))


def choose(siblings: tuple[Sibling, ...], declared: Field) -> Sibling:
    """The sibling that is shown; ``siblings`` are in order and not empty.

    An extreme is one of the values there are: a field that was cleared is not the lowest of them.
    """
    if declared.policy not in ("highest", "lowest"):
        return siblings[-1]
    valued = [s for s in siblings if s.value is not None] or list(siblings)
    pick = max if declared.policy == "highest" else min
    best = pick(_rank(s.value, declared.order) for s in valued)
    return [s for s in valued if _rank(s.value, declared.order) == best][-1]


def in_conflict(siblings: tuple[Sibling, ...]) -> bool:
    """More than one different value: equal values in two siblings are no conflict."""
    return len(siblings) > 1 and len({same_key(s.value) for s in siblings}) > 1


def union_value(state: RecordState, field: str) -> list[str | int]:
    """The elements with a live add, sorted (numbers before texts)."""
    live = [element for (name, element), dots in state.elements.items() if name == field and dots]
    return sorted(live, key=lambda e: (isinstance(e, str), e))


def append_value(state: RecordState, field: str) -> list[Any]:
    """Every entry, in order of (stamp, replica)."""
    by_dot = state.appends.get(field, {})
    order = sorted(by_dot, key=lambda d: (state.writes[d].stamp, d))
    return [value for d in order for value in by_dot[d]]


def kinds(state: RecordState) -> dict[str, str]:
    """Field -> the kind that holds its shown value where operations of several kinds stand.

    ``register``, ``union``, ``sum`` or ``append``; a register comes first, then as listed. A field
    that two declarations disagree about loses nothing: what is not shown stays in the state.
    """
    out: dict[str, str] = {}
    for name in state.appends:
        out[name] = "append"
    for name in state.counts:
        out[name] = "sum"
    for (name, _), dots in state.elements.items():
        if dots:
            out[name] = "union"
    for name in state.registers:
        out[name] = "register"
    return out


def shown_fields(state: RecordState, schema: Schema, collection: str) -> dict[str, FieldShown]:
    """Every field of a record as it is shown."""
    out: dict[str, FieldShown] = {}
    for name, kind in kinds(state).items():
        declared = schema.field(collection, name)
        if kind == "register":
            siblings = siblings_of(state, name)
            policy = declared.policy if declared.policy in REGISTERS else "ask"
            chosen = choose(siblings, declared)
            out[name] = FieldShown(chosen.value, siblings, in_conflict(siblings), policy)
        elif kind == "union":
            out[name] = FieldShown(union_value(state, name), (), False, "union")
        elif kind == "sum":
            out[name] = FieldShown(sum(state.counts[name].values()), (), False, "sum")
        else:
            out[name] = FieldShown(append_value(state, name), (), False, "append")
    return out


def show(state: RecordState, schema: Schema, collection: str, forks: set[bytes]) -> Shown:
    """The record as it is shown, with its conflicts."""
    voided = state.voided(Chains(forks, state.preds))
    return Shown(voided, shown_fields(state, schema, collection))


SETTLED_BY_RULE = frozenset({"latest", "highest", "lowest"})
"""Policies under which a conflict is recorded and counts as settled by the rule."""
