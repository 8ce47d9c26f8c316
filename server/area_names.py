# SPDX-License-Identifier: Apache-2.0
"""What areas are called: the names that were imported, in place of the codes that records hold.

What lives here: all names in one lookup, kept a while, and the words for one code. What must not:
who may see which area. Invariants
- A code that nothing is known of stands as it is; nothing is ever guessed.
- A page reads the names at most once, however many rows it has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from server.store.base import Transaction
from server.words import fill

LEVELS = (2, 4, 6, 9, 12, 15, 18)
"""Digits of a province, a city, a district, a street, a community, a grid and what lies in it."""
STREET, COMMUNITY, GRID = 9, 12, 15
KEPT_S = 10.0
"""How long names that were read are good: a new import shows on the pages that much later."""


class AreaNames:
    """Names by code."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    def __repr__(self) -> str:
        return f"AreaNames({len(self._known)})"

    def words(self, code: str, lang: str) -> str:
        """An area as people call it, in what it lies in: street, community and grid.

        A grid without a name goes by its number; of what is unknown the code stands.
        """
        deepest = [n for n in LEVELS if n <= len(code)]
        # A district and what is above it are known by their own name; the grid needs all three.
        shown = deepest[-(3 if len(code) >= GRID else 2 if len(code) >= STREET else 1) :]
        names = [self._known[code[:n]] for n in shown if code[:n] in self._known]
        if not names:
            return code
        if code not in self._known:
            named = len(code) == GRID and code[:COMMUNITY] in self._known
            number = code[COMMUNITY:]
            names.append(fill("网格{n} ‖ grid {n}", lang, n=number) if named else code)
        return " ".join(names)

    def beside(self, code: str, lang: str) -> str:
        """The same with the code beside it, where two are compared."""
        words = self.words(code, lang)
        if code in words:
            return words
        return f"{words}（{code}）" if lang == "zh" else f"{words} ({code})"


UNNAMED = AreaNames({})
"""For whom codes are good enough."""


def read_area_names(tx: Transaction) -> AreaNames:
    """All there are: as they were imported, and grids as their own records call them."""
    grids = []
    if "facts_grid" in tx.relations():  # Not before the facts were gathered for the first time.
        grids = tx.rows("SELECT area, min(name) FROM facts_grid WHERE name <> '' GROUP BY area")
    areas = tx.rows("SELECT code, name FROM areas")
    return AreaNames({str(code): str(name) for code, name in [*grids, *areas]})


class RememberedAreas:
    """The names, read anew once they are older than KEPT_S."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: AreaNames | None = None
        self._read_at = 0.0

    def of(self, tx: Transaction) -> AreaNames:
        """The names as they are, or were a moment ago."""
        now = self._clock()
        if self._held is None or now - self._read_at > KEPT_S:
            self._held, self._read_at = read_area_names(tx), now
        return self._held
