# SPDX-License-Identifier: Apache-2.0
"""Questionnaires as XLSForm, the field's standard: any collection out, any form in.

What lives here: from a collection to a workbook and back. What must not: where declarations are
kept (``forms.py``). Invariants
- What is exported and imported again is the same form; what XLSForm has no word for stands in
  columns that begin with ``doorstep``, which other programs ignore.
- A question whose type, condition or constraint has no place here is named with its row, never
  dropped unsaid.
"""

from __future__ import annotations

import io
import math
import re
import zlib
from contextlib import suppress
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

import msgspec
from openpyxl import Workbook
from pyxform.errors import PyXFormError
from pyxform.xls2json_backends import get_xlsform
from pyxform.xls2xform import convert

from server.errors import ImportRefused
from sync.collections.declare import GPS_PATTERN
from sync.schema import REGISTERS, Choice, Collection, Field, Label, SchemaInvalid, check_collection

FORM_BYTES_MAX = 10_000_000
"""A workbook of 120 questions with a city's choices is a hundredth of it."""
FORM_UNPACKED_BYTES_MAX = 10_000_000
"""Zeros pack a thousandfold, and a workbook is unpacked in memory."""
BROKEN = (
    PyXFormError,
    BadZipFile,
    OSError,
    EOFError,
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zlib.error,
)
"""By these the libraries tell of a workbook that is none: each part of it has a reader of its
own."""
ZH, EN = "label::Chinese (zh)", "label::English (en)"
YES_NO = "doorstep_yes_no"
_TYPES = {
    "integer": "integer",
    "number": "decimal",
    "date": "date",
    "time": "dateTime",
    "boolean": f"select_one {YES_NO}",
}
_KINDS = {
    "text": "text", "string": "text", "barcode": "text", "geopoint": "text",
    "integer": "integer", "int": "integer", "decimal": "number", "date": "date",
    "dateTime": "time", "datetime": "time",
}  # fmt: skip
_FILES = frozenset({"image", "photo", "audio", "video", "file"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_AT_LEAST, _AT_MOST = re.compile(r"\. ?>= ?(-?[0-9.]+)"), re.compile(r"\. ?<= ?(-?[0-9.]+)")
_LENGTH = re.compile(r"string-length\(\.\) ?<= ?([0-9]+)")
_PATTERN = re.compile(r"regex\(\., ?'(.*)'\)$")
_WHEN = re.compile(r"\$\{(\w+)\} ?= ?'(\w+)'|selected\(\$\{(\w+)\}, ?'(\w+)'\)")
_KEPT = (
    *("policy", "why", "unit", "refers_to", "names", "kind", "items_max", "searched", "order"),
    *("sealed", "readers"),
)
"""What of a field stands in columns of our own."""


class Imported(NamedTuple):
    """A form as a collection, and what of it has no place here, each in words with its row."""

    collection: Collection
    unmapped: tuple[str, ...]


# ---- out -----------------------------------------------------------------------------------------


def exported(collection: Collection) -> bytes:
    """A collection as an XLSForm workbook."""
    book = Workbook()
    book.remove(book.worksheets[0])
    survey, choices = book.create_sheet("survey"), book.create_sheet("choices")
    settings = book.create_sheet("settings")
    heads = ["type", "name", ZH, EN, "required", "constraint", "relevant"]
    survey.append([*heads, *(f"doorstep_{name}" for name in _KEPT)])
    choices.append(["list_name", "name", ZH, EN])
    for value, zh, en in (("yes", "是", "Yes"), ("no", "否", "No")):
        choices.append([YES_NO, value, zh, en])
    for name, field in collection.fields.items():
        survey.append(_question(name, field))
        for choice in field.choices:
            label = choice.label
            choices.append([f"{name}_list", choice.value, label.zh, label.en or label.zh])
    settings.append(["form_title", "form_id", "default_language", "doorstep_label_en"])
    label = collection.label
    settings.append([label.zh, collection.name, "Chinese (zh)", label.en])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _question(name: str, field: Field) -> list[Any]:
    if field.kind == "choice" and field.choices:
        several = "multiple" if field.policy == "union" else "one"
        kind = f"select_{several} {name}_list"
    else:
        kind = _TYPES.get(field.kind, "text")
    label = field.label or Label(zh=name, en=name)
    kept = [msgspec.to_builtins(getattr(field, key)) for key in _KEPT]
    return [
        kind,
        name,
        label.zh,
        label.en or label.zh,
        "yes" if field.required else "",
        _constraint(field),
        _relevant(field),
        *(" ".join(v) if isinstance(v, list | tuple) else v for v in kept),
    ]


def _constraint(field: Field) -> str:
    parts = []
    if field.kind in ("integer", "number"):
        parts += [f". >= {field.minimum:.15g}"] if field.minimum is not None else []
        parts += [f". <= {field.maximum:.15g}"] if field.maximum is not None else []
    elif field.kind == "text":
        parts.append(f"string-length(.) <= {field.chars_max}")
        parts += [f"regex(., '{field.pattern}')"] if field.pattern else []
    return " and ".join(parts)


def _relevant(field: Field) -> str:
    other, *values = field.asked_when or ("",)
    return " or ".join(f"selected(${{{other}}}, '{value}')" for value in values)


# ---- in ------------------------------------------------------------------------------------------


def imported(data: bytes, name: str = "") -> Imported:
    """Read an XLSForm workbook as a collection, called ``name`` or by its form_id.

    Raises ImportRefused for what is no XLSForm, or has no question that can be taken.
    """
    if len(data) > FORM_BYTES_MAX:
        raise ImportRefused(f"at most {FORM_BYTES_MAX} bytes")
    try:
        with ZipFile(io.BytesIO(data)) as book:
            if sum(part.file_size for part in book.infolist()) > FORM_UNPACKED_BYTES_MAX:
                raise ImportRefused(f"at most {FORM_UNPACKED_BYTES_MAX} bytes unpacked")
        sheets = get_xlsform(io.BytesIO(data), file_type=".xlsx")
        unmapped = _complaints(data)
    except BROKEN as error:
        raise ImportRefused(str(error)[:400]) from None
    settings = (sheets.settings or [{}])[0]
    lists: dict[str, list[Choice]] = {}
    for row in sheets.choices or []:
        choice = Choice(value=str(row.get("name") or ""), label=_label(row, str(row.get("name"))))
        lists.setdefault(str(row.get("list_name") or row.get("list name")), []).append(choice)
    fields: dict[str, Field] = {}
    for at, row in enumerate(sheets.survey or [], 2):
        _read(row, at, lists, fields, unmapped)
    called = name or str(settings.get("form_id") or settings.get("id_string") or "")
    title = str(settings.get("form_title") or settings.get("title") or called)
    label = Label(zh=title, en=str(settings.get("doorstep_label_en") or ""))
    if not fields or not _NAME.fullmatch(called):
        raise ImportRefused("it has no name of a-z, 0-9, _ or no question that can be taken")
    try:
        collection = check_collection(Collection(name=called, label=label, fields=fields))
    except SchemaInvalid as error:
        raise ImportRefused(str(error)) from None
    return Imported(collection, tuple(unmapped))


def _complaints(data: bytes) -> list[str]:
    """What pyxform finds wrong with a form; the questions that are sound are taken all the same."""
    try:
        convert(io.BytesIO(data), warnings=[], file_type=".xlsx")
    except PyXFormError as error:
        return [str(error)[:400]]
    return []


def _label(row: dict[str, Any], otherwise: str) -> Label:
    """Both languages, whatever the form calls them; one where it has one."""
    said: dict[str, str] = {}
    for key, value in row.items():
        if str(key).startswith("label") and value:
            said["zh" if re.search("zh|chin|中文|汉", str(key), re.I) else "en"] = str(value)
    zh, en = said.get("zh") or said.get("en") or otherwise, said.get("en", "")
    return Label(zh=zh, en=en)


def _read(
    row: dict[str, Any],
    at: int,
    lists: dict[str, list[Choice]],
    fields: dict[str, Field],
    unmapped: list[str],
) -> None:
    kind, _, list_name = str(row.get("type") or "").strip().partition(" ")
    name = str(row.get("name") or "").strip()
    if (
        not kind
        or kind in ("begin_group", "end_group")
        or (kind in ("begin", "end") and list_name == "group")
    ):
        # A group only puts questions together; they stand in the same order here.
        return
    known = kind in _KINDS or kind in _FILES or kind in ("select_one", "select_multiple")
    if not known or not _NAME.fullmatch(name) or name in fields:
        unmapped.append(f"{at}: {kind} {name}".strip())
        return
    given: dict[str, Any] = {"label": _label(row, name), "kind": _KINDS.get(kind, "text")}
    given |= {"policy": "ask", "why": "Two answers to one question are a question."}
    if kind.startswith("select"):
        given |= _selecting(kind, list_name, lists)
    if kind in _FILES:
        given |= {"policy": "union", "refers_to": "attachment"}
    if kind == "geopoint":
        given["pattern"] = GPS_PATTERN
    given["required"] = str(row.get("required") or "").casefold() in ("yes", "true", "true()")
    given |= _kept(row)
    unmapped += [f"{at}: {what}" for what in _conditions(row, given)]
    if given["policy"] not in REGISTERS:
        given["required"] = given["required"] and given["policy"] == "union"
    fields[name] = Field(**given)


def _selecting(kind: str, list_name: str, lists: dict[str, list[Choice]]) -> dict[str, Any]:
    values = tuple(lists.get(list_name.partition(" ")[0], []))
    if list_name == YES_NO:
        return {"kind": "boolean"}
    policy = "union" if kind == "select_multiple" else "ask"
    return {"kind": "choice", "policy": policy, "choices": values}


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    """What our own columns say of a field."""
    out: dict[str, Any] = {}
    for key in _KEPT:
        value = row.get(f"doorstep_{key}")
        if value not in (None, ""):
            out[key] = value
    if "items_max" in out:
        out["items_max"] = _count(out["items_max"])
    for name in ("searched", "sealed"):
        if name in out:
            out[name] = str(out[name]).casefold() in ("true", "1", "yes")
    if "order" in out:
        out["order"] = tuple(str(out["order"]).split())
    return out


def _count(text: object) -> int:
    """A count as a sheet has it: a cell of numbers holds 40 as 40.0. Raises ImportRefused."""
    return int(_number(text))


def _number(text: object) -> float:
    """Raises ImportRefused for what is no number, or none that ends."""
    with suppress(ValueError):
        if math.isfinite(found := float(str(text))):
            return found
    raise ImportRefused(f"no number: {str(text)[:40]}")


def _conditions(row: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """Take constraint and relevance in; what is more than we can say."""
    left = []
    text = str(row.get("constraint") or "")
    rest = text
    if found := _PATTERN.search(rest):
        given["pattern"], rest = found[1], rest[: found.start()]
    for key, form in (("minimum", _AT_LEAST), ("maximum", _AT_MOST), ("chars_max", _LENGTH)):
        if found := form.search(rest):
            given[key] = _count(found[1]) if key == "chars_max" else _number(found[1])
            rest = rest.replace(found[0], "")
    if re.sub(r"\band\b|\s", "", rest):
        left.append(f"constraint {text}")
    relevant = str(row.get("relevant") or "")
    parts = [_WHEN.fullmatch(part.strip()) for part in relevant.split(" or ")] if relevant else []
    others = {part[1] or part[3] for part in parts if part}
    if relevant and (None in parts or len(others) != 1):
        left.append(f"relevant {relevant}")
    elif relevant:
        given["asked_when"] = (others.pop(), *(p[2] or p[4] for p in parts if p))
    return left
