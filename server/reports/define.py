# SPDX-License-Identifier: Apache-2.0
"""What a report is: figures, with definitions in words and the SQL both to count and to list.

What lives here: the parts of a declaration. What must not: any one report, and running them.
Invariants
- A figure is never written twice: the query that counts and the query that lists the records
  behind it are made of the same source and condition.
- Every name and definition stands in Chinese and English.
- SQL is portable; ``:name`` stands for a parameter (``params.bound``); in every source the facts
  that are counted are called ``f`` and have ``n`` (a record's number) and ``area``.
"""

from __future__ import annotations

import msgspec

from server.reports.params import Level
from sync.schema import Choice, Label


class Source(msgspec.Struct, frozen=True):
    """Rows to count: ``SELECT … FROM tables WHERE where``."""

    tables: str
    where: str = "1 = 1"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number: rows of a source that fulfil ``where``, or the sum of ``amount`` over them.

    ``unit`` is empty for a count; ``fen``, ``min``, ``kg`` … for sums.
    """

    name: str
    source: str
    label: Label
    words: Label
    where: str = ""
    amount: str = ""
    unit: str = ""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One figure as a part of another, in per cent; nothing where there is nothing to share."""

    name: str
    part: str
    whole: str
    label: Label
    words: Label


class Dimension(msgspec.Struct, frozen=True, kw_only=True):
    """What rows are divided by beside the area. ``choices`` name its values; ``sql`` is over
    ``f``, or by source where the sources differ."""

    name: str
    label: Label
    sql: str
    choices: tuple[Choice, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One report. ``overlapping``: one record may stand in several rows, the total has it once."""

    name: str
    label: Label
    words: Label
    sources: dict[str, Source]
    figures: tuple[Figure, ...]
    shares: tuple[Share, ...] = ()
    dimension: Dimension | None = None
    level: Level = "street"
    overlapping: bool = False
    whole_record: bool = False

    @property
    def columns(self) -> list[Figure | Share]:
        """Figures, then shares: what every format shows, in this order."""
        return [*self.figures, *self.shares]

    def figure(self, name: str) -> Figure | None:
        """A figure by its name."""
        return next((one for one in self.figures if one.name == name), None)


def both(zh: str, en: str) -> Label:
    """A text in both languages."""
    return Label(zh=zh, en=en)


def listed(values: frozenset[str]) -> str:
    """Declared choices as a list for SQL."""
    return ", ".join(f"'{value}'" for value in sorted(values))


def count(  # the short way to write what most figures are
    name: str, source: str, zh: str, en: str, words_zh: str, words_en: str, where: str = ""
) -> Figure:
    """A figure that counts."""
    return Figure(
        name=name,
        source=source,
        label=both(zh, en),
        words=both(words_zh, words_en),
        where=where,
    )
