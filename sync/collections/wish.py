# SPDX-License-Identifier: Apache-2.0
"""Wish: a small wish of a child or an old person (微心愿), and who grants it.

What lives here: the declaration of one collection. What must not: needs that a duty stands behind
(``need``). Invariant: a wish that one of two takes back as not granted is still open.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

STAGES = choices(
    ("granted", "已实现", "Granted"),
    ("withdrawn", "已撤回", "Taken back"),
    ("promised", "已认领", "Promised"),
    ("told", "待认领", "Told"),
    ("reopened", "重新征集", "Asked for again"),
)
KINDS = choices(
    ("book", "书籍文具", "Books and pens"),
    ("clothes", "衣物", "Clothes"),
    ("toy", "玩具", "Toys"),
    ("device", "学习设备", "A device for lessons"),
    ("outing", "外出游玩", "An outing"),
    ("meeting", "见亲人", "To meet someone"),
    ("repair", "修理", "A repair"),
    ("other", "其他", "Other"),
)
_ONE = "Two who promise the same must hear of each other: a wish is granted once."

WISH = Collection(
    name="wish",
    label=Label(zh="微心愿", en="Wish"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "kind": fields.pick(
            "ask", "类别", "Kind", "It decides who is asked.", KINDS, required=True
        ),
        "text": fields.line(
            "ask", "心愿", "Wish", "It is their own words: nobody's rule picks them.", required=True
        ),
        "status": fields.status("Whatever leaves a wish to be granted is shown.", STAGES),
        "told_on": fields.day(
            "lowest", "征集日期", "Told on", "They have waited since the first telling."
        ),
        "giver": fields.line("ask", "认领人", "Granted by", _ONE, chars=declare.NAME_CHARS),
        "giver_phone": fields.phone("认领人电话", "Giver's phone", _ONE),
        "volunteer": fields.link("ask", "志愿者", "Volunteer", _ONE, "volunteer"),
        "granted_on": fields.day("ask", "实现日期", "Granted on", "It was granted on one day."),
        "photos": fields.PHOTOS,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "told", "told_on": "@today"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("granted",),
            firsts={"granted_on": "@today"},
        ),
    ),
)
