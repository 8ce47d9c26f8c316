# SPDX-License-Identifier: Apache-2.0
"""The simple report: by area, how many households, visits, needs and conflicts there are.

What lives here: counting. What must not: drawing. Invariant: every number can be counted again with
``doorstep sql`` from the views; voided records count nowhere.
"""

from __future__ import annotations

from typing import NamedTuple

from server.store.base import Transaction
from sync.collections.need import SOLVED

STREET_DIGITS = 9


class Line(NamedTuple):
    """The figures of one area; ``visited`` are households with at least one visit."""

    area: str
    name: str
    households: int
    visited: int
    visits: int
    needs: int
    needs_open: int
    conflicts_open: int

    @property
    def coverage(self) -> float:
        """Part of the households that were visited, 0 to 1."""
        return self.visited / self.households if self.households else 0.0


def summary(tx: Transaction, under: str = "", digits: int = STREET_DIGITS) -> list[Line]:
    """One line for each area of ``digits`` digits below ``under``, in order, then their total."""
    area_of = {
        str(home): str(area)[:digits]
        for home, area in tx.rows("SELECT id, area FROM homes")
        if str(area).startswith(under)
    }
    counts: dict[str, list[int]] = {}

    def add(home: str, column: int, number: int = 1) -> None:
        area = area_of.get(home)
        if area is not None:
            counts.setdefault(area, [0] * 6)[column] += number

    for (home,) in tx.rows("SELECT id FROM household WHERE voided = 0"):
        add(str(home), 0)
    for home, number in tx.rows("SELECT home, count(*) FROM visit WHERE voided = 0 GROUP BY home"):
        add(str(home), 1)
        add(str(home), 2, int(number))
    for home, status, number in tx.rows(
        "SELECT home, status, count(*) FROM need WHERE voided = 0 GROUP BY home, status"
    ):
        add(str(home), 3, int(number))
        if status not in SOLVED:
            add(str(home), 4, int(number))
    for home, number in tx.rows(
        "SELECT home, count(*) FROM conflicts WHERE state = 'open' GROUP BY home"
    ):
        add(str(home), 5, int(number))
    names = dict(tx.rows_in("SELECT code, name FROM areas WHERE code IN (?*)", list(counts)))
    lines = [Line(a, names.get(a, ""), *_six(counts[a])) for a in sorted(counts)]
    total = [sum(column) for column in zip(*(line[2:] for line in lines), strict=True)]
    return [*lines, Line("", "", *_six(total or [0] * 6))]


def _six(numbers: list[int]) -> tuple[int, int, int, int, int, int]:
    a, b, c, d, e, f = numbers
    return a, b, c, d, e, f
