# SPDX-License-Identifier: Apache-2.0
"""A record's history as a picture in the terminal: newest first, one line a change.

What lives here: laying branches out in columns. What must not: finding the history, colours.
Invariant: a line leads from each change down to every change its writer had seen last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.history import Moment
from sync.clock import Dot

SIGNS = {"merged": "●", "waiting": "○", "quarantined": "✕"}


def draw(moments: Sequence[Moment], words: Callable[[Moment], str]) -> list[str]:
    """The lines of the picture; ``words`` says what stands beside each change."""
    lanes: list[Dot | None] = []
    lines: list[str] = []
    for moment in reversed(moments):
        if moment.dot in lanes:
            at = lanes.index(moment.dot)
        else:
            at = _free(lanes)
            lanes[at] = moment.dot
        meeting = [i for i, d in enumerate(lanes) if d == moment.dot and i != at]
        if meeting:
            lines.append(_row(lanes, dict.fromkeys(meeting, "╯") | {at: "├"}, at, meeting))
            for i in meeting:
                lanes[i] = None
        lines.append(_row(lanes, {at: SIGNS[moment.fate]}) + "  " + words(moment))
        lanes[at] = moment.parents[0] if moment.parents else None
        opened = []
        for parent in moment.parents[1:]:
            i = _free(lanes, at + 1)
            lanes[i] = parent
            opened.append(i)
        if opened:
            lines.append(_row(lanes, dict.fromkeys(opened, "╮") | {at: "├"}, at, opened))
        while lanes and lanes[-1] is None:
            lanes.pop()
    return lines


def _free(lanes: list[Dot | None], start: int = 0) -> int:
    for i in range(start, len(lanes)):
        if lanes[i] is None:
            return i
    while len(lanes) < start:
        lanes.append(None)
    lanes.append(None)
    return len(lanes) - 1


def _row(
    lanes: Sequence[Dot | None], signs: dict[int, str], at: int = 0, to: Sequence[int] = ()
) -> str:
    """One line; between ``at`` and the furthest of ``to`` runs a horizontal stroke."""
    end = max(to, default=at)
    cells = []
    for i, d in enumerate(lanes):
        sign = signs.get(i, "│" if d is not None else " ")
        across = bool(to) and min(at, *to) <= i < max(at, end)
        if across and i not in signs:
            sign = "┼" if d is not None else "─"
        cells.append(sign + ("─" if across else " "))
    return "".join(cells).rstrip()
