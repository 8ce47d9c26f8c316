# SPDX-License-Identifier: Apache-2.0
"""Templates of the console, and what every one of them may use.

What lives here: the Jinja environment, words and shapes for templates, the static files. What must
not: finding anything out. Invariants
- Everything is escaped, and characters that turn or hide text are shown by their code.
- Every text stands in both languages, ``中文 ‖ English``, where it is used.
- Static files come from memory by their exact name; nothing else is ever read from disk.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from server.accounts import ROLE_WORDS
from server.area_names import AreaNames
from server.audit_words import (
    FATE_WORDS,
    POLICY_WORDS,
    STATE_WORDS,
    day,
    field_words,
    moment,
    offset_words,
    span,
    value_words,
)
from server.custody_places import WORDS as PLACE_WORDS
from server.words import fill, pick
from sync.schema import Schema

FOLDER = Path(__file__).parent
_TURNING = re.compile("[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def visible(text: str) -> str:
    """Text in which characters that turn, join or hide others stand as their code."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(c) for c in text)


def _visible(char: str) -> str:
    if char in "\n\t":
        return char
    if _TURNING.match(char) or unicodedata.category(char) in ("Cc", "Cs", "Co"):
        return f"⟨U+{ord(char):04X}⟩"
    return char


def _finalize(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value


STATIC: dict[str, bytes] = {
    path.name: path.read_bytes()
    for path in sorted((FOLDER / "static").iterdir())
    if path.suffix in KINDS
}
VERSION = hashlib.sha256(b"\0".join(STATIC.values())).hexdigest()[:12]
"""Changes whenever a static file does; browsers keep each version for good."""


def size(count_bytes: int) -> str:
    """Bytes as people read them."""
    if count_bytes < 1024**3:
        return f"{count_bytes / 1024**2:,.0f} MB"
    return f"{count_bytes / 1024**3:,.1f} GB"


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {
        "version": VERSION,
        "STATE_WORDS": STATE_WORDS,
        "POLICY_WORDS": POLICY_WORDS,
        "FATE_WORDS": FATE_WORDS,
        "PLACE_WORDS": PLACE_WORDS,
        "size": size,
        "ROLE_WORDS": ROLE_WORDS,
    }
    return made


ENVIRONMENT = _environment()


def iso(ms: int | None) -> str:
    """A moment for ``<time datetime>``."""
    if ms is None:
        return ""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""


def speaking(lang: str, schema: Schema, areas: AreaNames) -> dict[str, Any]:
    """What templates say and how values and areas look in a language."""

    def say(text: str, **values: object) -> str:
        return fill(text, lang, **values) if values else pick(text, lang)

    def collection(name: str) -> str:
        declared = schema.collections.get(name)
        return declared.label.text(lang) if declared else name

    return {
        "t": say,
        "lang": lang,
        "sep": "、" if lang == "zh" else ", ",
        "colon": "：" if lang == "zh" else ": ",
        "stop": "。" if lang == "zh" else ". ",
        "moment": lambda ms: moment(ms, lang),
        "day": lambda ms: day(ms, lang),
        "span": lambda ms: span(ms, lang),
        "offset": lambda ms: offset_words(ms, lang),
        "iso": iso,
        "value": lambda kind, field, value: value_words(schema, kind, field, value, lang, areas),
        "place": lambda code: areas.words(code, lang),
        "field": lambda kind, field: field_words(schema, kind, field, lang),
        "collection": collection,
        "word": lambda table, key: pick(table.get(key, key), lang),
        "number": partial("{:,}".format),
    }


FIRST = (
    "layout.html",
    "parts.html",
    "sign_in.html",
    "conflicts.html",
    "conflicts_part.html",
    "conflicts_rows.html",
    "conflicts_tabs.html",
)
"""What whoever comes first opens."""


def template_names() -> list[str]:
    """All templates."""
    return ENVIRONMENT.list_templates()


def make_ready(names: Sequence[str]) -> None:
    """Compile these templates."""
    for name in names:
        ENVIRONMENT.get_template(name)


def render(template: str, values: dict[str, Any]) -> bytes:
    """A page."""
    return ENVIRONMENT.get_template(template).render(values).encode()
