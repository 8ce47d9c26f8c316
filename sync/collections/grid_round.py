# SPDX-License-Identifier: Apache-2.0
"""Round: one sweep over all doors of a grid (扫楼), from the first day to the last.

What lives here: the declaration of one collection. What must not: what happened at a door
(``visit``), from which the coverage is counted, nor the ways through the buildings (``route``).
Invariant: a round that anyone took up again is not finished.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

STAGES = choices(
    ("closed", "已结束", "Closed"),
    ("checked", "已核对", "Checked"),
    ("walked", "已走完", "Walked"),
    ("planned", "已安排", "Planned"),
    ("walking", "进行中", "Under way"),
    ("reopened", "补访中", "Taken up again"),
)
PURPOSES = choices(
    ("care", "走访关爱", "Care visits"),
    ("census", "摸底登记", "Census"),
    ("testing", "核酸动员", "Testing drive"),
    ("vaccination", "接种动员", "Vaccination drive"),
    ("notice", "发放通知", "Handing out notices"),
    ("storm", "防灾排查", "Storm and flood check"),
)
_DATES = "Coverage is counted between these days: two dates must become one."

GRID_ROUND = Collection(
    name="grid_round",
    label=Label(zh="扫楼轮次", en="Round of a grid"),
    fields={
        "area": fields.AREA,
        "grid": fields.link("ask", "网格", "Grid", "A round counts for one grid only.", "grid"),
        "name": fields.line("ask", "轮次", "Name", "Reports name the round.", required=True),
        "purposes": fields.pick(
            "union", "目的", "Purposes", "One sweep serves whatever anyone adds to it.", PURPOSES
        ),
        "status": fields.status("Whatever leaves more doors to knock at is shown.", STAGES),
        "starts_on": fields.day("ask", "开始日期", "From", _DATES, required=True),
        "ends_on": fields.day("ask", "结束日期", "Until", _DATES),
        "households_due": fields.number(
            "highest",
            "应访户数",
            "Households due",
            "The larger count leaves nobody out.",
            5_000,
        ),
        "teams": fields.team("union", "参加小组", "Teams", "Each team that was called up walks."),
        "households_new": fields.link(
            "union",
            "新发现户",
            "New households",
            "A household that anyone found is there.",
            "household",
        ),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "walking", "starts_on": "@today"},
        ),
        Fill(
            why="It ends on the day it is closed.",
            field="status",
            values=("closed",),
            firsts={"ends_on": "@today"},
        ),
    ),
)
