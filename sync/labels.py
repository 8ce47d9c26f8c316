# SPDX-License-Identifier: Apache-2.0
"""From what is stored to what people read, and back.

What lives here: the words for fields and values in a language, and the reading of an office's
words (a column's heading, a cell) into names and values. What must not: any word itself; they stand
in the declarations. Invariant: what ``shown`` writes of declared choices, ``value_of`` reads back.
"""

from __future__ import annotations

import re
from typing import Any

from sync.schema import Collection, Field
from sync.sealing import is_sealed

SEPARATORS = re.compile(r"[、,，;；|\n]+")
"""What offices put between several values in one cell; no label of a choice holds one of these."""
_LOOSE = re.compile(r"[/\s]+")
"""Also found between values, but within labels too: tried only where the whole is no label."""


SEALED_WORDS = ("（已封存，您无权查看）", "(sealed, not for you)")
"""What stands for a sealed value where nobody may read it."""
_YUAN = re.compile(r"([+-]?[0-9]{1,15})(?:\.([0-9]{1,2}))?元?")


def heading(collection: Collection, field: str, lang: str) -> str:
    """What a field is called in ``zh`` or ``en``; its name where nothing is declared."""
    label = collection.field(field).label
    return label.text(lang) if label else field


def field_of(collection: Collection, words: str) -> str | None:
    """The field that a heading names: by name, or by its Chinese or English label; None if none.

    Case and surrounding spaces do not count.
    """
    wanted = words.strip().lstrip("\ufeff").casefold()
    for name, field in collection.fields.items():
        label = field.label
        known = {name, label.zh, label.en} if label else {name}
        if wanted in {word.casefold() for word in known if word}:
            return name
    return None


def shown(field: Field, value: Any, lang: str) -> str:
    """A value as people read it: labels for choices, several with commas, nothing for None."""
    if value is None:
        return ""
    if is_sealed(value) and (field.sealed or field.label is None):
        return SEALED_WORDS[lang == "en"]
    if isinstance(value, (list, tuple)):
        return ("、" if lang == "zh" else ", ").join(shown(field, one, lang) for one in value)
    if isinstance(value, bool):
        return {"zh": ("否", "是"), "en": ("no", "yes")}["zh" if lang == "zh" else "en"][value]
    for choice in field.choices:
        if choice.value == value:
            return choice.label.text(lang)
    if field.unit == "fen" and isinstance(value, int):
        return yuan(value)
    return str(value)


def yuan(fen: int) -> str:
    """An amount of money as people write it: 120050 fen are ``1200.50``."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def value_of(field: Field, words: str) -> Any:
    """Read one cell of text as a value of ``field``: choices by value or label, numbers by kind.

    Money is read in yuan and stored in fen. An empty cell is None, or an empty list for a
    ``union``, which always gives a list. Text that is not what the kind asks for is returned as it
    stands: the check of values says what is wrong.
    """
    text = words.strip()
    if field.policy == "union":
        parts = [part.strip() for part in SEPARATORS.split(text)]
        return [value for part in parts if part for value in _several(field, part)]
    return _one(field, text) if text else None


def _several(field: Field, part: str) -> list[Any]:
    if field.kind == "choice" and _choice(field, part) is None:
        known = [_choice(field, piece) for piece in _LOOSE.split(part)]
        if None not in known:
            return known
    return [_one(field, part)]


def _one(field: Field, text: str) -> Any:
    if field.kind == "choice":
        known = _choice(field, text)
        return text if known is None else known
    plain = text.replace(",", "")
    if field.unit == "fen":
        money = _YUAN.fullmatch(plain)
        return text if money is None else int(money[1] + (money[2] or "").ljust(2, "0"))
    if field.kind in ("integer", "time") and re.fullmatch(r"[+-]?[0-9]{1,19}", plain):
        return int(plain)
    if field.kind == "number" and re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]+)?", plain):
        return float(plain)
    if field.kind == "boolean":
        return {
            "是": True,
            "yes": True,
            "true": True,
            "否": False,
            "no": False,
            "false": False,
        }.get(text.casefold(), text)
    return text


def _choice(field: Field, text: str) -> str | None:
    wanted = text.casefold()
    for choice in field.choices:
        if wanted in {choice.value.casefold(), choice.label.zh, choice.label.en.casefold()}:
            return choice.value
    return None


_POLICY_WORDS = {
    "latest": ("以最后一次为准", "the last one counts"),
    "ask": ("不同时由人裁定", "a person decides"),
    "highest": ("取最高", "the highest counts"),
    "lowest": ("取最低", "the lowest counts"),
    "union": ("全部保留（可多选）", "all are kept (several)"),
    "sum": ("累加", "they add up"),
    "append": ("逐条保留", "each is kept"),
}
_KIND_WORDS = {
    "text": ("文字", "text"),
    "integer": ("整数", "whole number"),
    "number": ("数字", "number"),
    "boolean": ("是/否", "yes/no"),
    "date": ("日期 2026-06-09", "date 2026-06-09"),
    "time": ("时间（毫秒）", "time (ms)"),
    "choice": ("选项", "choice"),
    "list": ("列表", "list"),
    "object": ("组合", "object"),
    "any": ("不限", "anything"),
}


def asked(field: Field, lang: str) -> str:
    """What to fill in, in words: the choices, or the kind with its limits and unit."""
    at = 1 if lang == "en" else 0
    if field.choices:
        return (" / ").join(choice.label.text(lang) for choice in field.choices)
    words = _KIND_WORDS[field.kind][at]
    if field.unit == "fen":
        return ("金额（元）", "money (yuan)")[at]
    if field.kind in ("integer", "number") and field.minimum is not None:
        words += f" {field.minimum:,.15g}–{field.maximum:,.15g}" if field.maximum else ""
    return f"{words} {field.unit}".strip() if field.kind != "time" else words


def form_lines(collection: Collection, lang: str) -> list[tuple[str, str, str, str, str]]:
    """A form as it is shown: label (marked where it must be filled in), name, what, rule, why."""
    at = 1 if lang == "en" else 0
    return [
        (
            heading(collection, name, lang) + (" *" if field.required else ""),
            name,
            asked(field, lang),
            _POLICY_WORDS[field.policy][at],
            field.why,
        )
        for name, field in collection.fields.items()
    ]
