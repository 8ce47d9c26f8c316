# SPDX-License-Identifier: Apache-2.0
"""Route: the way of one team through a building, floor by floor, in one round.

What lives here: the declaration of one collection. What must not: the doors' answers (``visit``).
Invariant: it travels with its round; a floor that one person left out is still to be walked.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

STAGES = choices(
    ("done", "已完成", "Done"),
    ("planned", "未开始", "Not begun"),
    ("walking", "进行中", "Under way"),
    ("to_return", "需补访", "To return"),
)
_WALK = "Who takes the stairs must be sure that nobody else does, and that somebody does."

ROUTE = Collection(
    name="route",
    label=Label(zh="走访路线", en="Route"),
    fields={
        "household": fields.home("grid_round", "所属轮次", "Round"),
        "building": fields.line("ask", "楼栋", "Building", _WALK, chars=40, required=True),
        "entrance": fields.line(
            "latest", "单元", "Entrance", "A plain fact, seen by whoever was there last.", chars=20
        ),
        "floor_from": fields.number("lowest", "起始楼层", "From floor", _WALK, 130, minimum=-5),
        "floor_to": fields.number("highest", "终止楼层", "To floor", _WALK, 130, minimum=-5),
        "position": fields.number(
            "latest", "顺序", "Position", "The newest order of the day is the useful one.", 999
        ),
        "team": fields.team("ask", "小组", "Team", _WALK),
        "walkers": fields.worker("union", "走访人", "Walkers", "All who walked are named."),
        "status": fields.status("Whatever leaves more doors to knock at is shown.", STAGES),
        "doors_left": fields.link(
            "union",
            "需补访户",
            "Doors to return to",
            "A door that one found shut is tried again.",
            "household",
        ),
        "return_on": fields.day(
            "lowest", "补访日期", "Return on", "The earlier return is the one promised."
        ),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "planned"},
        ),
        Fill(
            why="Doors that stayed shut are gone to tomorrow.",
            field="status",
            values=("to_return",),
            firsts={"return_on": "@today+1"},
        ),
        Fill(
            why="Whoever marks it answers for it.",
            field="status",
            values=("walking", "done"),
            adds={"walkers": "@worker"},
        ),
    ),
)
