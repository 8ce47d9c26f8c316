# SPDX-License-Identifier: Apache-2.0
"""Helper assignment: the one named helper of a household or person (一对一帮扶).

What lives here: the declaration of one collection. What must not: what a team may read, which the
server's assignments decide. Invariant: two names for one household are no helper at all until
somebody says which.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

STAGES = choices(
    ("closed", "已结束", "Ended"),
    ("named", "已指定", "Named"),
    ("met", "已对接", "Has met them"),
    ("replace", "需更换", "To be replaced"),
)
ROLES = choices(
    ("official", "干部", "Official"),
    ("party_member", "党员", "Party member"),
    ("social_worker", "社工", "Social worker"),
    ("volunteer", "志愿者", "Volunteer"),
    ("neighbour", "邻居", "Neighbour"),
    ("relative", "亲属", "Relative"),
)
DUTIES = choices(
    ("visit", "走访", "Visiting"),
    ("call", "电话问候", "Telephoning"),
    ("errand", "代办代购", "Errands"),
    ("clinic", "陪同就医", "Company to the clinic"),
    ("meals", "送餐", "Meals"),
    ("papers", "代办手续", "Papers"),
)
_ONE = "One answers for the household: two names are none."

HELPER_ASSIGNMENT = Collection(
    name="helper_assignment",
    label=Label(zh="一对一帮扶", en="Helper assignment"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "helper": fields.line(
            "ask",
            "帮扶人",
            "Named helper",
            _ONE,
            chars=declare.NAME_CHARS,
            required=True,
            searched=True,
        ),
        "helper_worker": fields.worker("ask", "帮扶人编号", "Helper's worker id", _ONE),
        "helper_phone": fields.phone("帮扶人电话", "Helper's phone", _ONE),
        "volunteer": fields.link("ask", "志愿者", "Volunteer", _ONE, "volunteer"),
        "role": fields.pick("ask", "身份", "Role", _ONE, ROLES),
        "duties": fields.pick(
            "union", "帮扶内容", "Duties", "Each duty taken on is a promise.", DUTIES
        ),
        "status": fields.status("A helper that one wants replaced is looked at.", STAGES),
        "from_on": fields.day(
            "lowest", "开始日期", "From", "The household was promised the earlier day."
        ),
        "until_on": fields.day(
            "highest", "结束日期", "Until", "Nobody is left alone before the later day."
        ),
        "visits_every_days": fields.number(
            "lowest",
            "几天一访",
            "Days between visits",
            "The closer watch is kept until it is settled.",
            90,
            minimum=1,
            unit="d",
        ),
        "notes": declare.NOTES,
    },
    one_per=("household", "person"),
    fills=(
        Fill(
            why="The household was promised the day it was named.",
            firsts={"from_on": "@today", "status": "named"},
        ),
        Fill(
            why="The last day is the day it ended.",
            field="status",
            values=("closed",),
            firsts={"until_on": "@today"},
        ),
    ),
)
