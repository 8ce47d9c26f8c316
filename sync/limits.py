# SPDX-License-Identifier: Apache-2.0
"""Does a change that arrived keep the limits of its fields? Asked of every change a tablet sends.

What lives here: one compiled type per collection, through which a whole change passes in about a
microsecond, and the exact answer for the few that do not pass. What must not: what becomes of them,
and any rule between several fields. Invariants
- What only a newer program knows is no breach: a collection, field, label or operation that is not
  declared here passes, as plain as decoding left it.
- A breach names field and limit, never the value.
"""

from __future__ import annotations

import datetime
from types import GenericAlias
from typing import Annotated, Any

import msgspec

from sync.change import ADD, APPEND, COUNT, Change
from sync.schema import NAME_CHARS_MAX, REGISTERS, Collection, Field, Schema
from sync.sealing import SEALED_PATTERN, SEALED_TEXT_CHARS_MAX, SEALED_TEXT_CHARS_MIN
from sync.validation import UNWRITABLE, Problem, not_sealed, problems

_WRITES = frozenset({ADD, APPEND, COUNT})
"""Operations that bring values; what is taken away need not fit any more."""
_SEALED = Annotated[
    str,
    msgspec.Meta(
        min_length=SEALED_TEXT_CHARS_MIN,
        max_length=SEALED_TEXT_CHARS_MAX,
        pattern=f"\\A{SEALED_PATTERN}\\Z",
    ),
]
"""A sealed value: what is in it nobody reads here, only that it is none in the clear."""
_PLAIN_TEXT = UNWRITABLE.pattern.replace("[", "[^", 1).replace("\\ud800-\\udfff", "")


class Limits:
    """The limits of one schema, compiled at the first change of each collection."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._types: dict[str, type[msgspec.Struct] | None] = {}

    def __repr__(self) -> str:
        return f"Limits({len(self._schema.collections)} collections)"

    def broken(self, change: Change) -> list[Problem]:
        """The fields of a change that break their limits; empty for nearly every change."""
        name = change.collection
        if name not in self._types:
            declared = self._schema.collections.get(name)
            self._types[name] = None if declared is None else _compiled(declared)
        wanted = self._types[name]
        if wanted is None:
            return []
        values = dict(zip(change.names, change.values, strict=True))
        for op, field, value in change.others:
            if op in _WRITES:
                values[field] = value
        try:
            msgspec.convert(values, wanted)
        except msgspec.ValidationError:
            return _exactly(self._schema.collections[name], change)
        return []


def _exactly(collection: Collection, change: Change) -> list[Problem]:
    """Each field that breaks a limit, by the rules of a form but for labels of newer programs."""
    written: list[tuple[str, Any]] = list(zip(change.names, change.values, strict=True))
    for op, field, value in change.others:
        if op in _WRITES:
            # Where another declaration merges the field otherwise, each value by itself must fit.
            alone = collection.field(field).policy in REGISTERS
            many = value if alone and isinstance(value, list) else [value]
            written += [(field, one) for one in many]
    return [
        problem
        for field, value in written
        for problem in _problems(collection, field, value)
        if problem.code != "value/choice" or not _labels(value)
    ]


def _problems(collection: Collection, field: str, value: Any) -> list[Problem]:
    if not collection.field(field).sealed:
        return problems(collection, {field: value}, False, undeclared_allowed=True)
    if value is None:
        return []
    try:
        msgspec.convert(value, _SEALED)
    except msgspec.ValidationError:
        return [not_sealed(collection, field)]
    return []


def _labels(value: Any) -> bool:
    """Could this be a choice, or several, that a newer declaration has?"""
    many = value if isinstance(value, list) else [value]
    return all(isinstance(x, str) and 0 < len(x) <= NAME_CHARS_MAX for x in many)


def _compiled(collection: Collection) -> type[msgspec.Struct]:
    """A struct with a field for each declared one, whose names in a change may be any text."""
    fields: list[tuple[str, Any, Any]] = []
    renamed: dict[str, str] = {}
    for at, (name, field) in enumerate(collection.fields.items()):
        fields.append((f"f{at}", _type_of(field), msgspec.UNSET))
        renamed[f"f{at}"] = name
    return msgspec.defstruct("Limits_", fields, rename=renamed)


def _type_of(field: Field) -> Any:
    """The type of what one change writes on a field: a value, or for sets and entries several."""
    one = _SEALED if field.sealed else _one(field)
    if field.policy in REGISTERS:
        return one if field.required and not field.sealed else one | None
    if field.policy == "sum":
        return one
    return Annotated[GenericAlias(list, (one,)), msgspec.Meta(max_length=field.items_max)]


def _one(field: Field) -> Any:
    low, high = field.minimum, field.maximum
    match field.kind:
        case "integer" | "time":
            return Annotated[int, msgspec.Meta(ge=_whole(low), le=_whole(high))]
        case "number":
            return Annotated[float, msgspec.Meta(ge=low, le=high)]
        case "boolean" | "date" | "any":
            return {"boolean": bool, "date": datetime.date, "any": Any}[field.kind]
        case "list":
            # What stands in a list is looked at exactly: lists are rare.
            return Annotated[list[Any], msgspec.Meta(max_length=0)]
        case "object":
            return Annotated[dict[str, Any], msgspec.Meta(max_length=0)]
        case "choice":
            return Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS_MAX)]
    return Annotated[str, msgspec.Meta(max_length=field.chars_max, pattern=_pattern(field))]


def _pattern(field: Field) -> str:
    """What a text must look like as a whole; one that must be filled in is not blank."""
    form = f"(?=(?:{field.pattern})\\Z)" if field.pattern else ""
    if field.pattern and not field.required:
        form = f"(?=(?:{field.pattern})?\\Z)"
    blank = "(?=\\s*\\S)" if field.required else ""
    return f"\\A{blank}{form}{_PLAIN_TEXT}*\\Z"


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)
