# SPDX-License-Identifier: Apache-2.0
"""Bringing in what an office already has: households, persons and others from CSV or JSON.

What lives here: reading rows, checking them against the declarations, and turning them into
changes. What must not: a second write path: the changes go through the one there is. Invariants
- All rows are checked before the first is written; a file that does not fit is not taken at all.
- Importing the same file again changes nothing: only what differs from the record is written.
- A problem names line, field and limit, never the value.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from crypto.errors import SealRefused
from server.errors import ImportRefused
from server.field_keys import FieldKeys
from server.history import stored_record
from server.own import Write
from server.store.base import Transaction
from sync.change import ADD, APPEND, COUNT, ID_CHARS_MAX, Value
from sync.decoding import MALFORMED
from sync.effects import Moment, Writing, born, missing_steps, record_of
from sync.labels import field_of, value_of
from sync.schema import Collection, Schema
from sync.sealing import is_sealed
from sync.validation import problems

ID_HEADINGS = frozenset({"id", "编号", "number", "no.", "no"})
FILE_BYTES_MAX = 200 * 1024 * 1024
"""One file: 100,000 households."""
PROBLEMS_SHOWN_MAX = 20
ROWS_PER_WRITE = 250
"""Rows of one transaction: small enough that a running server goes on with its tablets, and that
what they bring (up to seven records a row) goes into the same run of changes."""


class Row(NamedTuple):
    """One row: where it stood, the office's own id or "", its values by field."""

    line: int
    id: str
    values: dict[str, Any]


def read_rows(path: Path, collection: Collection) -> list[Row]:
    """Read ``.csv`` (headings in either language or field names), ``.json`` (a list of objects) or
    ``.jsonl``.

    Raises ImportRefused for what cannot be read, an unknown column, an id twice or too long.
    """
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ImportRefused(f"at most {FILE_BYTES_MAX} bytes")
        if path.suffix.lower() == ".csv":
            rows = list(_csv_rows(path, collection))
        else:
            rows = list(_json_rows(path))
    except (*MALFORMED, OSError, csv.Error) as error:
        raise ImportRefused(type(error).__name__) from None
    seen: set[str] = set()
    for row in rows:
        if len(row.id) > ID_CHARS_MAX or (row.id and row.id in seen):
            raise ImportRefused(f"line {row.line}: id twice or too long")
        seen.add(row.id)
    return rows


def _csv_rows(path: Path, collection: Collection) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        names: list[str] = []
        for place, heading in enumerate(next(reader, []), 1):
            if heading.strip().casefold() in ID_HEADINGS:
                names.append("")
                continue
            field = field_of(collection, heading)
            if field is None:
                raise ImportRefused(f"column {place} is no field of {collection.name}")
            names.append(field)
        for line, cells in enumerate(reader, 2):
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(names):
                raise ImportRefused(f"line {line}: more cells than headings")
            identity, values = "", {}
            for name, cell in zip(names, cells, strict=False):
                if not name:
                    identity = cell.strip()
                else:
                    value = value_of(collection.field(name), cell)
                    if value not in (None, []):
                        values[name] = value
            yield Row(line, identity, values)


def _json_rows(path: Path) -> Iterator[Row]:
    data = path.read_bytes()
    if path.suffix.lower() == ".jsonl":
        objects: list[Any] = [msgspec.json.decode(line) for line in data.splitlines() if line]
    else:
        objects = msgspec.json.decode(data)
    if not isinstance(objects, list):
        raise ImportRefused("a list of objects is needed")
    for line, found in enumerate(objects, 1):
        if not isinstance(found, dict):
            raise ImportRefused(f"line {line}: not an object")
        values = {name: value for name, value in found.items() if value is not None}
        yield Row(line, str(values.pop("id", "")), values)


def begun(
    tx: Transaction, rows: list[Row], collection: Collection, moment: Moment
) -> tuple[list[Row], set[str]]:
    """The rows with the ids that follow from their keys, and those that make a record with what its
    making fills in; and the ids that the record has.

    Raises ImportRefused where two rows mean one record.
    """
    made = [born(collection, row.values, moment) for row in rows]
    ids = [
        row.id or record_of(collection, values) or ""
        for row, values in zip(rows, made, strict=True)
    ]
    known = set(tx.causal_of([one for one in ids if one]))
    out: list[Row] = []
    seen: set[str] = set()
    for row, identity, values in zip(rows, ids, made, strict=True):
        if identity and identity in seen:
            raise ImportRefused(f"line {row.line}: the same record as another line")
        seen.add(identity)
        out.append(Row(row.line, identity, row.values if identity in known else values))
    return out, known


def check_rows(rows: list[Row], collection: Collection, known: set[str], lang: str) -> None:
    """Raise ImportRefused with the lines of all rows that may not be written (the first twenty).

    ``known`` are ids that the record has: those rows need not be complete.
    """
    found: list[str] = []
    for row in rows:
        creating = not row.id or row.id not in known
        for problem in problems(collection, row.values, creating):
            found.append(f"{row.line}: {problem.message(lang)}")
    _refuse(found)


def check_steps(tx: Transaction, rows: list[Row], schema: Schema, name: str, lang: str) -> None:
    """Raise ImportRefused with the lines of all rows that take a step before it may be taken."""
    collection = schema.collections[name]
    if not collection.steps:
        return
    found: list[str] = []
    for row, body, write in _changes(tx, rows, collection):
        for problem in missing_steps(schema, Writing(*write), body):
            found.append(f"{row.line}: {problem.message(lang)}")
    _refuse(found)


def _refuse(found: list[str]) -> None:
    if found:
        more = len(found) - PROBLEMS_SHOWN_MAX
        shown = found[:PROBLEMS_SHOWN_MAX] + ([f"… +{more}"] if more > 0 else [])
        raise ImportRefused("\n" + "\n".join(shown))


def plan(
    tx: Transaction, rows: list[Row], collection: Collection, keys: FieldKeys | None = None
) -> list[Write]:
    """The changes that bring the record to what the rows say; rows that say nothing new are left
    out. With ``keys`` that is seen of sealed values too, which nobody is shown."""
    return [
        write
        for _, body, write in _changes(tx, rows, collection, keys)
        if write[2] or write[3] or not body
    ]


def _opened(tx: Transaction, record: str, body: dict[str, Any], keys: FieldKeys) -> None:
    """Open the sealed ones of a record's shown values, as far as they open here."""
    if not any(map(is_sealed, body.values())):
        return
    stored = stored_record(tx, record)
    for name, by_dot in stored.state.registers.items() if stored else ():
        for d, value in by_dot.items():
            if is_sealed(value) and body.get(name) == value:
                with suppress(SealRefused):
                    body[name] = keys.open(tx, record, name, d, value)


def _changes(
    tx: Transaction, rows: list[Row], collection: Collection, keys: FieldKeys | None = None
) -> Iterator[tuple[Row, dict[str, Any], Write]]:
    """Each row with what is held of its record, and what brings the record to it."""
    held = tx.bodies_of([row.id for row in rows if row.id])
    for row in rows:
        body: dict[str, Any] = msgspec.json.decode(held[row.id]) if row.id in held else {}
        if keys is not None and body:
            _opened(tx, row.id, body, keys)
        sets: dict[str, Value] = {}
        others: list[tuple[str, str, Value]] = []
        for name, value in row.values.items():
            _one(collection, name, value, body, sets, others)
        yield row, body, (collection.name, row.id or None, sets, others)


def _one(
    collection: Collection,
    name: str,
    value: Any,
    body: dict[str, Any],
    sets: dict[str, Value],
    others: list[tuple[str, str, Value]],
) -> None:
    policy, old = collection.field(name).policy, body.get(name)
    if policy == "union":
        missing = [one for one in value if one not in (old or [])]
        if missing:
            others.append((ADD, name, missing))
    elif policy == "sum":
        if value != (old or 0):
            others.append((COUNT, name, value - (old or 0)))
    elif policy == "append":
        entries = value if isinstance(value, list) else [value]
        missing = [one for one in entries if one not in (old or [])]
        if missing:
            others.append((APPEND, name, missing))
    elif value != old:
        sets[name] = value


def in_parts(writes: list[Write], told: Callable[[int], None]) -> Iterator[list[Write]]:
    """The writes in parts of one transaction each; ``told`` hears of each part after it was
    used."""
    for start in range(0, len(writes), ROWS_PER_WRITE):
        part = writes[start : start + ROWS_PER_WRITE]
        yield part
        told(len(part))
