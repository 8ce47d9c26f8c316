# SPDX-License-Identifier: Apache-2.0
"""Forms from declarations: which widget a field gets, and what a submitted form says.

What lives here: the way from a field to a widget and from a form's texts to values. What must not:
checks (``sync.validation``) and any collection's own form. Invariants: fields come in the order of
their declaration, which is that of the talk at the door; what a form cannot hold (a record of
another office, a list, a sealed value that is not for this tablet) is left out, never shown dead.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from client_sdk.app.desk import CHINA, UNITS, Form, moment
from client_sdk.tablet import Tablet
from client_sdk.views import Record
from sync import labels
from sync.collections.declare import GPS_PATTERN, PHONE_PATTERN
from sync.joining import FIELDS_OF_JOINING
from sync.schema import REGISTERS, Collection, Field
from sync.sealing import is_sealed
from sync.validation import Problem

LOCAL = "%Y-%m-%dT%H:%M"
LONG_CHARS = 150
"""From here on a text gets several lines."""
OF_HOME = ("person", "need", "shortage", "visit", "call", "assessment")
"""References that are chosen from the household's own records."""
UNASKED = FIELDS_OF_JOINING | {"household"}
"""What the page itself knows, and what only an office does."""
LATER = frozenset(
    {
        "answers",
        "assessments",
        "confirmed_by",
        "died_on",
        "giver",
        "household.meals_given",
        "household.parcels_given",
        "household.rice_given_kg",
        "giver_phone",
        "granted_on",
        "level",
        "paid_fen",
        "receiver",
        "referred_to",
        "reopened_count",
        "seen_by_levels",
        "source",
        "to_level",
    }
)
"""What is known later, or by an office: a door's form does not begin with it. With the name of
its collection before it, where the same field of another one is asked at the door."""
FIRST_STATUS = {
    "need": "open",
    "parcel": "handed_over",
    "call": "done",
    "referral": "sent",
    "guardian_notice": "signed",
    "wish": "told",
    "shortage": "found",
}
"""Where a record that is made at a door stands, as a rule."""


class Option(NamedTuple):
    """One choice."""

    value: str
    label: str
    chosen: bool


class Widget(NamedTuple):
    """One field of a form.

    ``kind`` is ``radio``, ``check``, ``text``, ``area``, ``number``, ``date``, ``moment`` or
    ``gps``; ``mode`` is the keyboard; ``later`` is folded away where a record is new.
    """

    name: str
    label: str
    kind: str
    value: str
    options: tuple[Option, ...]
    required: bool
    unit: str
    mode: str
    chars_max: int
    problem: str
    later: bool


class Maker:
    """Makes the widgets of one form.

    ``given`` are the texts to be shown, by field; ``creating`` leaves out what is filled in by
    itself.
    """

    def __init__(self, tablet: Tablet, home: str, lang: str, *, creating: bool) -> None:
        self._tablet = tablet
        self._home = home
        self._lang = lang
        self._creating = creating
        self._kept: dict[str, list[Option]] = {}

    def widgets(
        self,
        declared: Collection,
        given: Mapping[str, list[str]],
        problems: Mapping[str, str],
    ) -> list[Widget]:
        """All widgets of a collection's form."""
        out = []
        for name, field in declared.fields.items():
            widget = self.widget(declared, name, given.get(name, []), problems.get(name, ""))
            if widget is not None and not self._is_filled(declared, name, field):
                out.append(widget)
        return out

    def widget(
        self, declared: Collection, name: str, given: list[str], problem: str = ""
    ) -> Widget | None:
        """The widget of one field, or None where a form has none for it."""
        field = declared.field(name)
        kind, mode = _kind(field)
        if not kind or name in UNASKED or (field.refers_to and field.refers_to not in OF_HOME):
            return None
        if field.sealed and not self._is_open(declared, name, given):
            return None
        options: tuple[Option, ...] = ()
        if kind in ("radio", "check"):
            options = tuple(self._options(field, given))
            if not options:
                return None
        return Widget(
            name,
            labels.heading(declared, name, self._lang) + self._when(declared, field),
            kind,
            given[-1] if given else "",
            options,
            field.required and self._creating,
            _unit(field, self._lang),
            mode,
            field.chars_max if field.kind == "text" else 0,
            problem,
            self._creating
            and not LATER.isdisjoint((name, f"{declared.name}.{name}"))
            and not problem,
        )

    def _when(self, declared: Collection, field: Field) -> str:
        """When a field is asked at all: the guardian's name only where a guardian signs."""
        if not field.asked_when:
            return ""
        asked, *values = field.asked_when
        words = [labels.shown(declared.field(asked), one, self._lang) for one in values]
        inside = f"{labels.heading(declared, asked, self._lang)}: {' / '.join(words)}"
        return f" ({inside})" if self._lang == "en" else f"（{inside.replace(': ', '：')}）"

    def _is_open(self, declared: Collection, name: str, given: list[str]) -> bool:
        """May a sealed field be written here, and is what it holds read?"""
        return self._tablet.may_write(declared.name, name) and not any(map(is_sealed, given))

    def _is_filled(self, declared: Collection, name: str, field: Field) -> bool:
        """Is it known without asking: who writes, and when?"""
        if field.names or name in WORKER_FIELDS:
            return True
        return self._creating and field.kind == "time"

    def _options(self, field: Field, given: list[str]) -> list[Option]:
        if field.kind == "boolean":
            words = {"yes": ("是", "Yes"), "no": ("否", "No")}
            return [Option(v, t[self._lang == "en"], v in given) for v, t in words.items()]
        if field.refers_to:
            found = self._records(field.refers_to)
            if self._creating and field.refers_to == "person" and len(found) == 1:
                # Who lives alone is who is meant.
                given = [found[0].value]
            return [o._replace(chosen=o.value in given) for o in self._records(field.refers_to)]
        return [
            Option(c.value, c.label.text(self._lang), c.value in given)
            for c in (field.choices or ())
        ]

    def _records(self, collection: str) -> list[Option]:
        if collection not in self._kept:
            found = self._tablet.listed(self._home, collection)[collection] if self._home else []
            declared = self._tablet.schema.collections[collection]
            self._kept[collection] = [
                Option(hit.id, self._called(declared, hit.values), False) for hit in found[-12:]
            ]
        return self._kept[collection]

    def _called(self, declared: Collection, values: Mapping[str, Any]) -> str:
        if values.get("name"):
            return str(values["name"])
        parts = [
            labels.shown(declared.field(name), values.get(name), self._lang)
            for name in ("kind", "goods", "grade", "outcome", "on")
            if values.get(name)
        ]
        at_ms = values.get("at_ms") or values.get("found_at_ms")
        if isinstance(at_ms, int):
            parts.append(_local(at_ms)[5:10])
        return " ".join(parts) or declared.label.text(self._lang)


WORKER_FIELDS = frozenset(
    {"workers", "assessors", "reporter", "caller", "owner", "delivered_by", "carrier"}
)


_KINDS = {
    "boolean": ("radio", ""),
    "date": ("date", ""),
    "time": ("moment", ""),
    "integer": ("number", "numeric"),
    "number": ("number", "decimal"),
}


def _kind(field: Field) -> tuple[str, str]:
    """The widget and the keyboard of a field; nothing where a form has none for it."""
    if field.kind == "choice" or field.refers_to:
        return ("check" if field.policy == "union" else "radio"), ""
    if field.unit == "fen":
        return "number", "decimal"
    if field.kind in _KINDS:
        return _KINDS[field.kind]
    if field.kind != "text" or field.policy == "union":
        return "", ""
    if field.pattern == GPS_PATTERN:
        return "gps", "decimal"
    if field.chars_max >= LONG_CHARS:
        return "area", ""
    return "text", "tel" if field.pattern == PHONE_PATTERN else ""


def _unit(field: Field, lang: str) -> str:
    if field.kind == "time" or field.pattern == GPS_PATTERN:
        return ""
    return UNITS.get(field.unit, (field.unit, field.unit))[lang == "en"]


# -- from a form to values --------------------------------------------------------------------


def read_value(declared: Field, name: str, form: Form) -> Any:
    """What a form says of one field; None where it says nothing, a list for a set."""
    if declared.policy == "union":
        return list(dict.fromkeys(form.all(name)))
    text = form.one(name)
    if not text:
        return None
    if declared.kind == "time":
        return _moment(text)
    if declared.kind in ("integer", "number", "date") or declared.pattern:
        # Chinese keyboards give full-width digits.
        text = unicodedata.normalize("NFKC", text)
    if declared.kind == "choice" or declared.refers_to:
        return text
    if declared.kind == "text":
        return text.replace("\r\n", "\n")
    return labels.value_of(declared, text)


def read_new(declared: Collection, form: Form, now_ms: int) -> dict[str, Any]:
    """The fields of a new record, as ``create_record`` takes them."""
    out: dict[str, Any] = {}
    for name, field in declared.fields.items():
        value = read_value(field, name, form) if name not in UNASKED else None
        if value in (None, []):
            if field.kind == "time" and field.required:
                out[name] = now_ms
            continue
        out[name] = [value] if field.policy == "append" else value
    return out


class Changes(NamedTuple):
    """What an edited form asks for: fields set, elements added and removed, amounts, entries."""

    sets: dict[str, Any]
    adds: dict[str, list[str]]
    removes: dict[str, list[str]]
    counts: dict[str, int]
    appends: dict[str, str]


def read_changes(declared: Collection, record: Record, form: Form) -> Changes:
    """What a form that was filled with a record's values changes of it."""
    out = Changes({}, {}, {}, {}, {})
    for name in form.all("asked"):
        field = declared.field(name)
        value, before = read_value(field, name, form), record[name]
        if is_sealed(before):
            # What was not read is not replaced by a form that could not show it.
            continue
        if field.policy in REGISTERS:
            if value != before and not (value is None and before in (None, "")):
                out.sets[name] = value
        elif field.policy == "union":
            old = [str(x) for x in before or []]
            if added := [v for v in value if v not in old]:
                out.adds[name] = added
            if removed := [v for v in old if v not in value]:
                out.removes[name] = removed
        elif value is not None:
            if field.policy == "sum":
                out.counts[name] = value
            else:
                out.appends[name] = value
    return out


def texts_of(declared: Collection, record: Record) -> dict[str, list[str]]:
    """A record's values as the texts of its form; amounts and entries begin empty."""
    out: dict[str, list[str]] = {}
    for name, field in declared.fields.items():
        value = record[name]
        if value is None or field.policy in ("sum", "append"):
            continue
        if is_sealed(value):
            out[name] = [value]
            continue
        if isinstance(value, list):
            out[name] = [str(one) for one in value]
        elif isinstance(value, bool):
            out[name] = ["yes" if value else "no"]
        elif field.kind == "time":
            out[name] = [_local(value)]
        else:
            plain = field.kind == "choice" or field.refers_to
            out[name] = [str(value) if plain else labels.shown(field, value, "zh")]
    return out


def told(problems: list[Problem], lang: str) -> dict[str, str]:
    """Field -> what is wrong with it."""
    return {p.field: p.message("en" if lang == "en" else "zh") for p in problems}


def _moment(text: str) -> int | str:
    try:
        return int(datetime.strptime(text[:16], LOCAL).replace(tzinfo=CHINA).timestamp()) * 1000
    except (ValueError, OverflowError):
        return text


def _local(at_ms: int) -> str:
    return moment(at_ms).replace(" ", "T") if len(moment(at_ms)) == len("2026-06-09 12:00") else ""
