# SPDX-License-Identifier: Apache-2.0
"""What a record's fields may hold, checked against the declaration before it is written.

What lives here: one pure function over a collection and the values someone wants to write, with
the words a worker is told. What must not: merging (a value that breaks a limit merges all the same
once it is released) and any opinion about clocks: a time is any 64-bit number, since a tablet whose
clock is decades off works like any other.

Invariant: a problem names the field and the limit, never the value, which may be personal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import Any

import msgspec

from sync.behaviour import Step
from sync.change import TEXT_CHARS_MAX
from sync.labels import heading, shown
from sync.schema import NAME_CHARS_MAX, REGISTERS, Collection, Field
from sync.sealing import is_sealed

INT_BITS = 64
FLOAT_MAX = 1.7e308
"""As in ``sync.change.Finite``; neither infinity nor what is not a number is at most this."""
DEPTH_MAX = 3
"""Lists and objects within one value, as deep as a change may carry (``sync.change.Value``)."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""Control characters but tab and line feed, and halves of characters: no keyboard writes them."""

_WORDS: dict[str, tuple[str, str]] = {
    "value/required": ("请填写“{label}”。", "Please fill in “{label}”."),
    "value/kind-text": ("“{label}”应为文字。", "“{label}” must be text."),
    "value/kind-integer": ("“{label}”应为整数。", "“{label}” must be a whole number."),
    "value/kind-number": ("“{label}”应为数字。", "“{label}” must be a number."),
    "value/kind-boolean": ("“{label}”应选是或否。", "“{label}” must be yes or no."),
    "value/kind-date": (
        "“{label}”应为日期，如 2026-06-09。",
        "“{label}” must be a date such as 2026-06-09.",
    ),
    "value/kind-time": ("“{label}”应为时间。", "“{label}” must be a time."),
    "value/kind-list": ("“{label}”应为列表。", "“{label}” must be a list."),
    "value/kind-object": ("“{label}”的内容格式不对。", "“{label}” has the wrong form."),
    "value/choice": (
        "“{label}”请从列表中选择。",
        "Please choose “{label}” from the list.",
    ),
    "value/too-long": (
        "“{label}”最多 {limit} 个字。",
        "“{label}” holds at most {limit} characters.",
    ),
    "value/too-many": ("“{label}”最多 {limit} 项。", "“{label}” holds at most {limit} items."),
    "value/too-small": (
        "“{label}”不能小于 {limit}{unit}。",
        "“{label}” must be at least {limit}{unit}.",
    ),
    "value/too-large": (
        "“{label}”不能大于 {limit}{unit}。",
        "“{label}” must be at most {limit}{unit}.",
    ),
    "value/pattern": (
        "“{label}”的写法不对，请检查。",
        "“{label}” is not written as it should be; please check.",
    ),
    "value/characters": (
        "“{label}”含有无法保存的字符，请重新输入。",
        "“{label}” holds characters that cannot be stored; please type it again.",
    ),
    "value/too-deep": ("“{label}”的内容层次过多。", "“{label}” is nested too deeply."),
    "value/not-plain": ("“{label}”的内容无法保存。", "“{label}” cannot be stored."),
    "value/step-needs": (
        "“{label}”改为“{value}”之前，请先填写{needs}。",
        "Before “{label}” becomes “{value}”, please fill in {needs}.",
    ),
    "value/step-order": (
        "“{label}”还不能改为“{value}”：之前应为{after}。",
        "“{label}” cannot become “{value}” yet: it comes after {after}.",
    ),
    "value/not-sealed": (
        "“{label}”未封存，不能并入。",
        "“{label}” is not sealed and cannot be merged.",
    ),
    "value/no-key": (
        "本平板没有“{label}”的封存密钥：无权填写，或须先同步一次。",
        "This tablet has no key for “{label}”: it may not be written here, or sync first.",
    ),
    "value/undeclared": (
        "本程序没有“{label}”这一栏，请更新程序。",
        "This program knows no field “{label}”; please update it.",
    ),
}
CODES = frozenset(_WORDS)
_UNITS_ZH = {"yuan": "元", "min": "分钟", "h": "小时", "d": "天", "bytes": "字节", "kg": "公斤"}


class Problem(msgspec.Struct, frozen=True):
    """One field that may not be written as given: a stable ``code``, a sentence for the worker."""

    field: str
    code: str
    zh: str
    en: str

    def message(self, lang: str = "zh") -> str:
        """The sentence in ``zh`` or ``en``."""
        return self.en if lang == "en" else self.zh


class _Refused(Exception):
    """Within this module: the code of the first limit a value breaks, and that limit."""

    def __init__(self, code: str, limit: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.limit = limit


def problems(
    collection: Collection,
    values: dict[str, Any],
    creating: bool,
    *,
    undeclared_allowed: bool = False,
) -> list[Problem]:
    """Name every field of ``values`` that breaks its declaration, in the order of the form.

    ``values`` maps field to the value set, the list of elements (``union``), the amount (``sum``)
    or the entry or list of entries (``append``). ``creating`` also asks for the required fields
    that are missing. A register may be cleared with None unless it is required. Where
    ``undeclared_allowed``, a field that only a newer program knows must merely be plain data.
    """
    found = []
    for name, field in collection.fields.items():
        try:
            if name in values:
                _check(field, values[name])
            elif creating and field.required:
                raise _Refused("value/required")
        except _Refused as refused:
            found.append(_problem(name, field, refused))
    for name in sorted(values.keys() - collection.fields.keys()):
        field = collection.field(name)
        try:
            if not undeclared_allowed:
                raise _Refused("value/undeclared")
            _check_plain(values[name])
        except _Refused as refused:
            found.append(_problem(name, field, refused))
    return found


def _problem(name: str, field: Field, refused: _Refused) -> Problem:
    zh, en = _WORDS[refused.code]
    label = field.label
    bound, unit_en = refused.limit, field.unit
    if unit_en == "fen":
        # Stored in fen, but nobody at a door counts in them.
        bound, unit_en = None if bound is None else bound / 100, "yuan"
    limit = "" if bound is None else f"{bound:,.15g}"
    return Problem(
        field=name,
        code=refused.code,
        zh=zh.format(
            label=label.text("zh") if label else name,
            limit=limit,
            unit=_UNITS_ZH.get(unit_en, unit_en),
        ),
        en=en.format(
            label=label.text("en") if label else name,
            limit=limit,
            unit=f" {unit_en}" if unit_en else "",
        ),
    )


def not_sealed(collection: Collection, field: str) -> Problem:
    """A value of a sealed field that came in the clear."""
    return _problem(field, collection.field(field), _Refused("value/not-sealed"))


def no_key(collection: Collection, field: str) -> Problem:
    """A sealed field that is to be written where nobody may read it."""
    return _problem(field, collection.field(field), _Refused("value/no-key"))


def step_problem(collection: Collection, step: Step, value: str, code: str) -> Problem:
    """A step that was taken without what must come first, in words."""
    said = {}
    for at, lang in enumerate(("zh", "en")):
        join = {"zh": "或", "en": " or "}[lang]
        field = collection.field(step.field)
        words = {
            "label": heading(collection, step.field, lang),
            "value": shown(field, value, lang),
            "needs": join.join(f"“{heading(collection, n, lang)}”" for n in step.needs),
            "after": join.join(f"“{shown(field, one, lang)}”" for one in step.after),
        }
        said[lang] = _WORDS[code][at].format(**words)
    return Problem(field=step.field, code=code, zh=said["zh"], en=said["en"])


def _check(field: Field, value: Any) -> None:
    if field.sealed and is_sealed(value):
        # What was given out unopened is not sealed a second time.
        raise _Refused("value/no-key")
    if field.policy in REGISTERS:
        if value is None or value == "" or (isinstance(value, str) and not value.strip()):
            if field.required:
                raise _Refused("value/required")
            if value is None:
                return
        _check_one(field, value)
        return
    for item in _items(field, value):
        if item is None:
            raise _Refused("value/not-plain")
        _check_one(field, item)


def _items(field: Field, value: Any) -> Iterator[Any]:
    """The elements or entries written at once; ``items_max`` bounds them."""
    if field.policy == "sum":
        yield value
        return
    many = value if isinstance(value, list) else [value]
    if len(many) > field.items_max:
        raise _Refused("value/too-many", field.items_max)
    if field.policy == "union" and not all(_is_int(x) or isinstance(x, str) for x in many):
        raise _Refused("value/not-plain")
    yield from many


def _check_one(field: Field, value: Any) -> None:
    """Raise _Refused for the first limit that one value breaks."""
    _check_plain(value)
    if field.kind in ("integer", "number", "time"):
        _check_number(field, value)
    elif field.kind == "boolean":
        if not isinstance(value, bool):
            raise _Refused("value/kind-boolean")
    elif field.kind == "any":
        return
    elif field.kind == "list":
        if not isinstance(value, list):
            raise _Refused("value/kind-list")
        if len(value) > field.items_max:
            raise _Refused("value/too-many", field.items_max)
        if any(isinstance(x, str) and len(x) > field.chars_max for x in value):
            raise _Refused("value/too-long", field.chars_max)
    elif field.kind == "object":
        if not isinstance(value, dict):
            raise _Refused("value/kind-object")
        if len(value) > field.items_max:
            raise _Refused("value/too-many", field.items_max)
    else:
        _check_text(field, value)


def _check_number(field: Field, value: Any) -> None:
    if not (_is_int(value) or (field.kind == "number" and isinstance(value, float))):
        raise _Refused(f"value/kind-{field.kind}")
    if field.minimum is not None and value < field.minimum:
        raise _Refused("value/too-small", field.minimum)
    if field.maximum is not None and value > field.maximum:
        raise _Refused("value/too-large", field.maximum)


def _check_text(field: Field, value: Any) -> None:
    if field.kind == "choice":
        allowed = {c.value for c in field.choices} | set(field.order)
        if not isinstance(value, str) or value not in allowed:
            raise _Refused("value/choice")
        return
    if not isinstance(value, str):
        raise _Refused("value/kind-date" if field.kind == "date" else "value/kind-text")
    if field.kind == "date" and not _is_date(value):
        raise _Refused("value/kind-date")
    if len(value) > field.chars_max:
        raise _Refused("value/too-long", field.chars_max)
    if field.pattern and value and not _compiled(field.pattern).fullmatch(value):
        raise _Refused("value/pattern")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _check_plain(value: Any) -> None:
    """None, bool, 64-bit int, finite float, writable text, and lists and objects of them."""
    todo: list[tuple[Any, int]] = [(value, 0)]
    while todo:
        at, depth = todo.pop()
        if isinstance(at, str):
            if len(at) > TEXT_CHARS_MAX:
                raise _Refused("value/too-long", TEXT_CHARS_MAX)
            if UNWRITABLE.search(at):
                raise _Refused("value/characters")
        elif isinstance(at, (list, dict)):
            if depth >= DEPTH_MAX:
                raise _Refused("value/too-deep")
            if isinstance(at, dict):
                if not all(isinstance(k, str) and 1 <= len(k) <= NAME_CHARS_MAX for k in at):
                    raise _Refused("value/not-plain")
                todo += [(key, depth + 1) for key in at]
                todo += [(inner, depth + 1) for inner in at.values()]
            else:
                todo += [(inner, depth + 1) for inner in at]
        elif isinstance(at, int):
            if not -(2 ** (INT_BITS - 1)) <= at < 2 ** (INT_BITS - 1):
                raise _Refused("value/not-plain")
        elif at is not None and not (isinstance(at, float) and abs(at) <= FLOAT_MAX):
            raise _Refused("value/not-plain")
