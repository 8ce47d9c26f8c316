# SPDX-License-Identifier: Apache-2.0
"""A record's history as a picture: who wrote upon what, where it parted, where it met again.

What lives here: laying changes out in lanes, as plain shapes for a template to draw. What must not:
finding the history. Invariants: newest at the top; a line leads from each change down to every
change its writer had seen last.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from server.audit import Names
from server.audit_show import Conflict
from server.audit_words import field_words, moment, value_words
from server.history import History, Moment
from server.words import pick
from sync.clock import Dot
from sync.schema import Schema

ROW_PX, LANE_PX, LEFT_PX, TOP_PX = 30, 18, 14, 18
TEXT_PX = 540
"""Room for the words of one change: with the lanes, half the width of an office screen."""
WIDE_PX, NARROW_PX = 13, 8
"""Characters of Chinese and of other scripts, as wide as they are drawn, the latter at the most."""
LANES_MAX = 12
FATES = {"waiting": "等待前序 ‖ waiting", "quarantined": "隔离中 ‖ in quarantine"}


class Node(NamedTuple):
    """One change in the picture. ``kind`` is ``merged``, ``side`` (a value in conflict), ``base``,
    ``waiting`` or ``quarantined``; ``n`` is its place in causal order, from 1."""

    x: int
    y: int
    kind: str
    n: int
    who: str
    when: str
    what: str
    office: bool


class Line(NamedTuple):
    """A line between two changes, as the ``d`` of an SVG path."""

    path: str


class Picture(NamedTuple):
    """Shapes in pixels. ``more`` changes are older than what is drawn."""

    nodes: list[Node]
    lines: list[Line]
    width: int
    height: int
    text_x: int
    more: int


def picture(
    history: History,
    names: Names,
    schema: Schema,
    lang: str,
    conflict: Conflict | None = None,
    rows_max: int = 400,
) -> Picture:
    """Lay a history out, its newest ``rows_max`` changes."""
    moments = list(history.moments)
    drawn = moments[-rows_max:]
    places: dict[Dot, tuple[int, int]] = {}
    lanes: list[Dot | None] = []
    for row, one in enumerate(reversed(drawn)):
        at = lanes.index(one.dot) if one.dot in lanes else _free(lanes, one.dot)
        lanes = [None if d == one.dot else d for d in lanes]
        places[one.dot] = (min(at, LANES_MAX), row)
        for number, parent in enumerate(one.parents):
            if parent in lanes:
                continue
            if number == 0 and lanes[at] is None:
                lanes[at] = parent
            else:
                _free(lanes, parent)
    width = max((x for x, _ in places.values()), default=0)
    marks = _marks(conflict)
    nodes = [
        _node(one, n, places[one.dot], marks, (names, schema, lang, conflict))
        for n, one in enumerate(moments, 1)
        if one.dot in places
    ]
    lines = [
        Line(_path(places[one.dot], places.get(parent), len(drawn)))
        for one in drawn
        for parent in one.parents
    ]
    nodes.reverse()
    height = TOP_PX * 2 + ROW_PX * max(0, len(drawn) - 1)
    text_x = LEFT_PX * 2 + LANE_PX * width + 6
    return Picture(nodes, lines, text_x + TEXT_PX, height, text_x, len(moments) - len(drawn))


def _free(lanes: list[Dot | None], d: Dot) -> int:
    for i, held in enumerate(lanes):
        if held is None:
            lanes[i] = d
            return i
    lanes.append(d)
    return len(lanes) - 1


def _marks(conflict: Conflict | None) -> dict[Dot, str]:
    if conflict is None:
        return {}
    marks = {m.dot: "base" for m in conflict.base}
    return marks | {side.dot: "side" for side in conflict.sides}


def _at(place: tuple[int, int]) -> tuple[int, int]:
    return LEFT_PX + LANE_PX * place[0], TOP_PX + ROW_PX * place[1]


def _path(child: tuple[int, int], parent: tuple[int, int] | None, rows: int) -> str:
    x, y = _at(child)
    if parent is None:
        # The other end is older than what is drawn.
        return f"M{x} {y}V{TOP_PX + ROW_PX * (rows - 1) + TOP_PX}"
    px, py = _at(parent)
    if px == x:
        return f"M{x} {y}V{py}"
    bend = ROW_PX // 2
    if px > x:
        return f"M{x} {y}C{x} {y + bend} {px} {y} {px} {y + ROW_PX}V{py}"
    return f"M{x} {y}V{py - ROW_PX}C{x} {py} {px} {py - bend} {px} {py}"


def _node(
    one: Moment,
    n: int,
    place: tuple[int, int],
    marks: dict[Dot, str],
    setting: tuple[Names, Schema, str, Conflict | None],
) -> Node:
    names, schema, lang, conflict = setting
    change = one.entry.change
    x, y = _at(place)
    kind = marks.get(one.dot, "merged") if one.fate == "merged" else one.fate
    if conflict is not None and conflict.field in change.names:
        value = change.values[change.names.index(conflict.field)]
        field = field_words(schema, change.collection, conflict.field, lang)
        shown = value_words(schema, change.collection, conflict.field, value, lang, names.areas)
        what = f"{field}: {shown}"
    else:
        what = _what(one, schema, lang)
    if one.fate in FATES:
        what = f"{pick(FATES[one.fate], lang)} · {what}"
    when = moment(change.stamp_ms + change.clock_ms, lang)
    tablet = names.tablet(one.dot[:16])
    who = names.worker(change.worker) + (f" · {tablet}" if tablet else "")
    room = TEXT_PX - _px(f"{n} {who} {when} ")
    return Node(x, y, kind, n, who, when, _cut(what, room), not tablet)


def _what(one: Moment, schema: Schema, lang: str) -> str:
    change = one.entry.change
    fields = [*change.names, *(field for _, field, _ in change.others if field)]
    words = [field_words(schema, change.collection, f, lang) for f in dict.fromkeys(fields)]
    if change.void:
        words.append(pick("作废 ‖ void", lang))
    return ("、" if lang == "zh" else ", ").join(words)


def _px(text: str) -> int:
    """About how wide a text is drawn."""
    return sum(WIDE_PX if unicodedata.east_asian_width(c) in "WF" else NARROW_PX for c in text)


def _cut(text: str, room: int) -> str:
    """As much of a text as there is room for, with a sign where something was left out."""
    if _px(text) <= room:
        return text
    end, room = 0, room - WIDE_PX
    while end < len(text) and (room := room - _px(text[end])) >= 0:
        end += 1
    return text[:end] + "…"
