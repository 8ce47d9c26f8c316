# SPDX-License-Identifier: Apache-2.0
"""Finding what differs between two large scopes: digests over ranges, narrowed down step by step.

What lives here: ranges of homes, their digests, what one side tells and the other asks next. What
must not: stores, states. Invariants
- A range is a beginning of the hash of a home's id, in hexadecimal: both sides cut at the same
  places without telling where, and homes spread evenly whatever their ids look like.
- A range's digest is the sum of its homes' digests: who holds the same has the same sums.
- Of a home that differs each side names its records by their digests; what both name never travels.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sync.errors import MessageMalformed
from sync.messages import STATEMENT_BYTES_MAX, Statement
from sync.session import DIGEST_MASK, held_part

DIGITS = 16
"""Digits of a home's place: all of its hash that is looked at."""
SHORT_HOMES = 8
"""A range of so few homes is told home by home."""
WIDE_HOMES = 128
"""A range of more homes is cut by two digits at once, into 256: one round trip less."""

HAVE = "have"
"""The kind of statement by which a side names the records it holds of the homes to be mended."""
HAVE_STATEMENTS_MAX = 2
"""Of the statements of a message: 16 KB that name 2,730 records."""
RECORD_BYTES = 6
RECORDS_IN_ONE = STATEMENT_BYTES_MAX // RECORD_BYTES
RECORDS_NAMED_MAX = HAVE_STATEMENTS_MAX * RECORDS_IN_ONE
"""Records named in one message; what is not named travels although the other side holds it."""

WHOLE = ""
"""The range of everything."""


class Told(NamedTuple):
    """What a side says of the ranges it was asked for: digests of parts, and of single homes."""

    ranges: list[tuple[str, int]]
    homes: list[tuple[str, int]]


class Next(NamedTuple):
    """What is to be asked next, and the homes that are known to differ."""

    ask: list[str]
    differ: list[str]


class Scope:
    """The homes of one side by their places. ``digests``: home → digest over its records."""

    def __init__(self, digests: Mapping[str, int]) -> None:
        placed = sorted((place_of(home), home, digest) for home, digest in digests.items())
        self._placed = placed
        self._places = [place for place, _, _ in placed]
        self._digests = digests

    def _members(self, name: str) -> list[tuple[str, str, int]]:
        # "g" stands behind every digit.
        low = bisect_left(self._places, name)
        return self._placed[low : bisect_left(self._places, name + "g")]

    def tell(self, asked: Iterable[str]) -> Told:
        """The parts of these ranges; short ranges home by home. Empty parts are left out."""
        told = Told([], [])
        for name in asked:
            members = self._members(name)
            if len(members) <= SHORT_HOMES or len(name) >= DIGITS - 1:
                told.homes.extend((home, digest) for _, home, digest in members)
                continue
            told.ranges.extend(self._parts(name, members).items())
        return told

    @staticmethod
    def _parts(name: str, members: Sequence[tuple[str, str, int]]) -> dict[str, int]:
        width = len(name) + (2 if len(members) > WIDE_HOMES else 1)
        parts: dict[str, int] = {}
        for place, _, digest in members:
            part = place[:width]
            parts[part] = (parts.get(part, 0) + digest) & DIGEST_MASK
        return parts

    def compare(self, asked: Iterable[str], told: Told) -> Next:
        """What the other side told of the ranges asked, beside what is held here.

        Every home of these ranges that differs is among ``differ`` or below one of ``ask``.
        """
        ask: list[str] = []
        differ = [home for home, digest in told.homes if self._digests.get(home) != digest]
        theirs = {home for home, _ in told.homes}
        parts = dict(told.ranges)
        for part, digest in parts.items():
            if sum(d for _, _, d in self._members(part)) & DIGEST_MASK != digest:
                ask.append(part)
        for name in asked:
            # What the other side has nothing of, it leaves out.
            for place, home, digest in self._members(name):
                named = any(place[:n] in parts for n in range(len(name) + 1, len(name) + 3))
                if not named and home not in theirs and digest:
                    differ.append(home)
        return Next(sorted(ask), sorted(differ))


def name_records(digests: Sequence[int]) -> list[Statement]:
    """The statements that name records by their digests: 6 bytes each, at most RECORDS_NAMED_MAX;
    of none, one that is empty."""
    named = digests[:RECORDS_NAMED_MAX]
    return [
        (HAVE, b"".join(d.to_bytes(RECORD_BYTES, "big") for d in named[at : at + RECORDS_IN_ONE]))
        for at in range(0, max(1, len(named)), RECORDS_IN_ONE)
    ]


def named_records(statements: Iterable[Statement]) -> set[int] | None:
    """The digests that a message names; None where it names nothing, not even that there is none.

    Raises MessageMalformed for a digest that is cut off.
    """
    parts = [data for kind, data in statements if kind == HAVE]
    if any(len(data) % RECORD_BYTES for data in parts):
        raise MessageMalformed("records named by digests that are cut off")
    found = {
        int.from_bytes(data[at : at + RECORD_BYTES], "big")
        for data in parts
        for at in range(0, len(data), RECORD_BYTES)
    }
    return found if parts else None


def place_of(home: str) -> str:
    """Where a home stands: 16 hexadecimal digits of the hash that ``held`` sums up."""
    return f"{held_part(home):016x}"
