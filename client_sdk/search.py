# SPDX-License-Identifier: Apache-2.0
"""Finding a household by any part of a name, an address, a phone, or by pinyin initials.

What lives here: the search texts, one for each home, brought up to date before they are asked, and
the question. What must not: showing. Invariants: a home whose text is out of date stands in
``search_stale``, by the transaction that changed one of its records or took it to another home; a
search brings it up to date first. Of a sealed field only what this tablet may read is searched.
"""

from __future__ import annotations

import os
import unicodedata
from functools import lru_cache
from itertools import product
from typing import Any

from client_sdk.sealed import Sealed
from client_sdk.store.base import Store
from client_sdk.store.records import drop_stale_texts, from_json, in_parts
from sync.packing import decode_causal, unpack_state
from sync.schema import Schema
from sync.sealing import is_sealed

HITS_MAX = 200
"""Households one search gives: nobody reads more on a tablet."""
READINGS_MAX = 8
"""Readings of one text by initials: two characters with several sounds each, not all
combinations."""
WORDS_MAX = 6
"""Words of one question; all must be found in one household."""


@lru_cache(maxsize=4096)
def _initials_of(char: str) -> tuple[str, ...]:
    """The first letters of a character's readings; the character itself where it has none."""
    # The phrases are left out: they take 25 MB, and a name is read character by character.
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    from pypinyin import Style, pinyin

    found = pinyin(char, style=Style.FIRST_LETTER, heteronym=True, errors="default")
    letters = tuple(dict.fromkeys(x[0] for x in found[0] if x)) if found else ()
    return letters or (char,)


def initials(text: str) -> list[str]:
    """The pinyin initials of a text, one string for each reading (at most READINGS_MAX)."""
    han = [c for c in text if "\u4e00" <= c <= "\u9fff"]
    if not han:
        return []
    readings = [_initials_of(c) for c in han]
    out: list[str] = []
    for combination in product(*readings):
        out.append("".join(combination))
        if len(out) >= READINGS_MAX:
            break
    return out


def folded(text: str) -> str:
    """Text as it is compared: full-width forms as plain ones, small letters, no spaces or
    hyphens."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return plain.replace(" ", "").replace("-", "").replace("\n", "")


def refresh(store: Store, schema: Schema) -> int:
    """Bring the search texts of changed homes up to date; returns how many there were."""
    stale = [home for (home,) in store.rows("SELECT home FROM search_stale")]
    if not stale:
        return 0
    searched = {name: fields for name, c in schema.collections.items() if (fields := c.searched())}
    sealed = Sealed(store, schema)
    parts: dict[str, list[str]] = {}
    names = ",".join("?" * len(searched))
    for marks, part in in_parts(stale):
        sql = (
            "SELECT id, collection, home, body, causal FROM records"
            f" WHERE home IN ({marks}) AND collection IN ({names})"
        )
        for record, collection, home, text, causal in store.rows(sql, [*part, *searched]):
            fields, body = searched[collection], from_json(text)
            if any(is_sealed(body.get(name)) for name in fields):
                body = _opened(sealed, record, collection, causal, body)
            parts.setdefault(home, []).extend(_texts(body, fields))
    rows = ((home, "\n".join(dict.fromkeys(texts))) for home, texts in sorted(parts.items()))
    with store.transaction():
        drop_stale_texts(store)
        store.run_many("INSERT INTO search (home, text) VALUES (?, ?)", rows)
        store.run("DELETE FROM search_stale")
    return len(stale)


def _opened(
    sealed: Sealed, record: str, collection: str, causal: bytes, body: dict[str, Any]
) -> dict[str, Any]:
    """Shown values, those of sealed fields opened where this tablet may read them, else none."""
    state = unpack_state(decode_causal(causal), body)
    out = dict(body)
    for name, by_dot in state.registers.items():
        if not is_sealed(body.get(name)):
            continue
        shown = next((d for d, value in by_dot.items() if value == body[name]), None)
        plain = sealed.open([record], name, shown, body[name]) if shown else None
        out[name] = None if is_sealed(plain) else plain
    return out


def _texts(body: dict[str, Any], fields: list[str]) -> list[str]:
    out: list[str] = []
    for name in fields:
        value = body.get(name)
        if isinstance(value, str) and value:
            out.append(folded(value))
            out += initials(value)
    return out


def search(store: Store, schema: Schema, question: str) -> list[str]:
    """The households in which every word of the question is found; at most HITS_MAX.

    A word may stand in the household's own texts or in those of any record that belongs to it.
    """
    words = [folded(w) for w in question.split()[:WORDS_MAX]]
    words = [w for w in words if w]
    if not words:
        return []
    refresh(store, schema)
    # The table is in the order of homes: none is read after the last hit. Decision 0004. No word
    # has the end of a line in it, which parts one text from the next.
    each = " AND ".join(["instr(text, ?)"] * len(words))
    sql = f"SELECT home FROM search WHERE {each} ORDER BY home LIMIT {HITS_MAX}"
    return [home for (home,) in store.rows(sql, words)]
