# SPDX-License-Identifier: Apache-2.0
"""What differs between two texts, in pieces that a page can mark.

What lives here: the pieces. What must not: how they look.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import NamedTuple

CHARS_MAX = 4_000
"""Beyond this nothing is compared: the work grows with the square, and nobody reads it."""
ALIKE_MIN = 0.3
"""Texts that have less in common are not marked piece by piece: it would only confuse."""


class Piece(NamedTuple):
    """A piece of text: ``same``, ``new`` or ``gone``."""

    kind: str
    text: str


def marked(before: str | None, after: str) -> list[Piece]:
    """The text ``after`` with what is new in it, and what of ``before`` is gone."""
    if before is None or before == after:
        return [Piece("same", after)]
    if max(len(before), len(after)) > CHARS_MAX:
        return [Piece("new", after)]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.ratio() < ALIKE_MIN:
        return [Piece("new", after)]
    pieces = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(Piece("same", after[c:d]))
            continue
        if b > a:
            pieces.append(Piece("gone", before[a:b]))
        if d > c:
            pieces.append(Piece("new", after[c:d]))
    return pieces
