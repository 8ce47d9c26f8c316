# SPDX-License-Identifier: Apache-2.0
"""Grid: 300 to 500 households with a team that answers for them.

What lives here: the declaration of one collection. What must not: who may read which household,
which the server's assignments decide. Invariant: a grid has one leader; deputies add up.
"""

from __future__ import annotations

from sync.collections import declare, fields
from sync.schema import Collection, Label

_ONE = "One answers for the grid: two names are none."

GRID = Collection(
    name="grid",
    label=Label(zh="网格", en="Grid"),
    fields={
        "area": fields.AREA,
        "name": fields.line(
            "ask", "网格名", "Name", "People ask for it by name.", required=True, searched=True
        ),
        "leader": fields.worker("ask", "网格长", "Leader", _ONE),
        "leader_phone": fields.phone(
            "网格长电话", "Leader's phone", "A wrong number is found out too late."
        ),
        "deputies": fields.worker(
            "union", "副网格长", "Deputies", "Each one that was named stands in."
        ),
        "members": fields.worker(
            "union", "网格员", "Members", "Two who join on the same day are both in the team."
        ),
        "team": fields.team("ask", "小组", "Team", "Exactly one team goes to these doors."),
        "households_expected": fields.number(
            "highest",
            "应访户数",
            "Households expected",
            "The larger count leaves nobody out.",
            5_000,
        ),
        "buildings": fields.line(
            "union", "楼栋", "Buildings", "A building that anyone found is walked.", chars=40
        ),
        "boundary": fields.line(
            "ask",
            "四至范围",
            "Boundary",
            "Between two lines a household belongs to nobody: a person settles it.",
            chars=400,
        ),
        "notes": declare.NOTES,
    },
)
