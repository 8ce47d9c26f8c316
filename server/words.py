# SPDX-License-Identifier: Apache-2.0
"""The catalogue of what the server's command line says, in Chinese and English.

What lives here: finding a sentence by its key, and splitting texts that stand in both languages.
What must not: decisions. Invariants: every key has both languages; a missing key is a KeyError, not
a silent blank. Help texts stand beside their commands as ``中文 ‖ English``, one source for both.
"""

from __future__ import annotations

from typing import Literal

Lang = Literal["zh", "en"]
BOTH = "‖"


def pick(text: str, lang: str) -> str:
    """The part of ``中文 ‖ English`` in a language; a text without the mark as it stands."""
    zh, mark, en = text.partition(BOTH)
    return (en if mark and lang == "en" else zh).strip()


def fill(text: str, lang: str, **values: object) -> str:
    """``pick``, with ``{names}`` filled in."""
    return pick(text, lang).format(**values)
