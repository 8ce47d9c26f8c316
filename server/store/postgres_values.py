# SPDX-License-Identifier: Apache-2.0
"""Values that PostgreSQL cannot hold as they are, and how they are held nevertheless.

What lives here: an escape for text and for JSON, and how columns are read. What must not: queries.
Whatever a tablet may write must be stored (Law 2), but PostgreSQL refuses U+0000 in text and in
jsonb, and jsonb keeps numbers as decimals: 1e22 would come back as a whole number and -0.0 as 0.0.
Invariants
- U+001A marks what was altered: ``U+001A 0`` stands for U+0000, ``U+001A 1`` for U+001A, and in
  JSON a text ``U+001A f…`` for a number with that spelling. Everything else is stored as it is.
- What is read is what was written, to the type and the last bit.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import psycopg
from psycopg.adapt import Buffer
from psycopg.types.numeric import NumericBinaryLoader
from psycopg.types.string import StrDumperUnknown, TextBinaryLoader

MARK = "\x1a"
_FLOAT = MARK + "f"
_MARK_JSON = "\\u001a"
# Where this finds nothing, the JSON is stored as it is. It may find text that only looks like such
# a number: that costs time, nothing else.
_SUSPECT = re.compile(r"\\u0000|\\u001a|\de[+\d]|-0\.0")

_load = msgspec.json.Decoder().decode
_dump = msgspec.json.Encoder().encode


def escaped(text: str) -> str:
    """Text as PostgreSQL can hold it."""
    if MARK in text or "\0" in text:
        return text.replace(MARK, MARK + "1").replace("\0", MARK + "0")
    return text


def restored(text: str) -> str:
    """Text as it was before ``escaped``."""
    if MARK in text:
        return text.replace(MARK + "0", "\0").replace(MARK + "1", MARK)
    return text


def _map(value: Any, change: Any) -> Any:
    if isinstance(value, dict):
        return {change(name): _map(one, change) for name, one in value.items()}
    if isinstance(value, list):
        return [_map(one, change) for one in value]
    return change(value)


def _marked(value: Any) -> Any:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, float):
        spelling = repr(value)
        if "e+" in spelling or spelling == "-0.0":
            return _FLOAT + spelling
    return value


def _unmarked(value: Any) -> Any:
    if isinstance(value, str):
        return float(value[2:]) if value.startswith(_FLOAT) else restored(value)
    return value


def json_escaped(text: str) -> str:
    """JSON as jsonb holds it without loss."""
    if _SUSPECT.search(text):
        return _dump(_map(_load(text), _marked)).decode()
    return text


def json_restored(text: str) -> str:
    """JSON as it was before ``json_escaped``, but for the order of names."""
    if _MARK_JSON in text:
        return _dump(_map(_load(text), _unmarked)).decode()
    return text


class _TextDumper(StrDumperUnknown):
    def dump(self, obj: str) -> Buffer | None:
        return super().dump(escaped(obj))


class _TextLoader(TextBinaryLoader):
    def load(self, data: Buffer) -> bytes | str:
        return restored(bytes(data).decode())


class _JsonLoader(psycopg.adapt.Loader):
    """jsonb as JSON text: whoever reads it decodes what it needs."""

    format = psycopg.pq.Format.BINARY

    def load(self, data: Buffer) -> str:
        return json_restored(bytes(data)[1:].decode())


class _WholeLoader(NumericBinaryLoader):
    """Sums of whole numbers are numeric in PostgreSQL; they are whole numbers here."""

    def load(self, data: Buffer) -> Any:
        return int(super().load(data))


# COPY takes its own way with text: whoever copies calls ``escaped`` and ``json_escaped``.
def register(connection: psycopg.Connection[Any]) -> None:
    """Read and write values on this connection as the embedded store does."""
    adapters = connection.adapters
    adapters.register_dumper(str, _TextDumper)
    adapters.register_loader("text", _TextLoader)
    adapters.register_loader("jsonb", _JsonLoader)
    adapters.register_loader("numeric", _WholeLoader)
