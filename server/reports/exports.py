# SPDX-License-Identifier: Apache-2.0
"""Plain copies of the record: a database, an SQL file, CSV, or JSON lines; a table a collection.

What lives here: writing files. What must not: reading them. Invariants
- Files are 0600 and never overwritten: what leaves the encrypted store is the officer's to guard.
- A cell that a spreadsheet would run as a formula begins with an apostrophe.
- The caller writes the journal's line before the first byte leaves.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import msgspec
import sqlcipher3

from server.reports.cells import safe
from server.store.base import Transaction
from server.views import quoted
from sync.labels import heading
from sync.schema import Collection, Schema


def new_file(path: Path) -> TextIO:
    """A new 0600 text file. Raises FileExistsError."""
    return io.TextIOWrapper(new_bytes(path), encoding="utf-8", newline="")


def new_bytes(path: Path) -> BinaryIO:
    """A new 0600 file. Raises FileExistsError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def export(
    tx: Transaction, schema: Schema, kind: str, target: Path, lang: str
) -> Iterator[tuple[str, int]]:
    """Write all collections: ``sqlite`` and ``sql`` into one file, else into a new folder.

    Yields (collection, rows) after each. Raises OSError, FileExistsError.
    """
    if kind == "sql":
        with new_file(target) as file:
            file.write("BEGIN;\n")
            for collection in schema.collections.values():
                yield collection.name, _sql(tx, collection, file)
            file.write("COMMIT;\n")
        return
    if kind == "sqlite":
        new_bytes(target).close()
        plain = sqlcipher3.connect(str(target))
        try:
            for collection in schema.collections.values():
                yield collection.name, _database(tx, collection, plain)
            plain.commit()
        finally:
            plain.close()
        return
    target.mkdir(mode=0o700, parents=True)
    for collection in schema.collections.values():
        suffix = "csv" if kind == "csv" else "jsonl"
        with new_file(target / f"{collection.name}.{suffix}") as file:
            count = (
                _csv(tx, collection, file, lang) if kind == "csv" else _json(tx, collection, file)
            )
        yield collection.name, count


def _rows(tx: Transaction, collection: Collection) -> tuple[list[str], list[tuple[Any, ...]]]:
    names = ["id", "home", "voided", *(f for f in collection.fields if f not in _FIXED)]
    columns = ", ".join(quoted(name) for name in names)
    return names, tx.rows(f"SELECT {columns} FROM {quoted(collection.name)} ORDER BY id")


_FIXED = frozenset({"id", "home", "voided"})


def _sql(tx: Transaction, collection: Collection, file: TextIO) -> int:
    names, rows = _rows(tx, collection)
    table = quoted(collection.name)
    file.write(f"CREATE TABLE {table} ({', '.join(quoted(name) for name in names)});\n")
    for row in rows:
        file.write(f"INSERT INTO {table} VALUES ({', '.join(_literal(cell) for cell in row)});\n")
    return len(rows)


def _database(tx: Transaction, collection: Collection, plain: sqlcipher3.Connection) -> int:
    names, rows = _rows(tx, collection)
    columns = ", ".join(quoted(name) + (" PRIMARY KEY" if name == "id" else "") for name in names)
    plain.execute(f"CREATE TABLE {quoted(collection.name)} ({columns}) WITHOUT ROWID")
    marks = ", ".join("?" for _ in names)
    plain.executemany(f"INSERT INTO {quoted(collection.name)} VALUES ({marks})", rows)
    return len(rows)


def _literal(cell: Any) -> str:
    if cell is None:
        return "NULL"
    if isinstance(cell, (int, float)):
        return repr(cell)
    return "'" + str(cell).replace("'", "''") + "'"


def _csv(tx: Transaction, collection: Collection, file: TextIO, lang: str) -> int:
    names, rows = _rows(tx, collection)
    file.write("\ufeff")
    writer = csv.writer(file)
    writer.writerow([n if n in _FIXED else heading(collection, n, lang) for n in names])
    writer.writerows([[safe(cell) for cell in row] for row in rows])
    return len(rows)


def _json(tx: Transaction, collection: Collection, file: TextIO) -> int:
    found = tx.rows(
        "SELECT r.id, h.id, r.voided, r.body FROM records r JOIN homes h ON h.n = r.home"
        " WHERE r.kind = (SELECT kind FROM kinds WHERE collection = ?) ORDER BY r.id",
        [collection.name],
    )
    for record, home, voided, body in found:
        values = msgspec.json.decode(body)
        line = {"id": record, "home": home, "voided": bool(voided)} | values
        file.write(msgspec.json.encode(line).decode() + "\n")
    return len(found)
