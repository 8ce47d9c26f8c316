# SPDX-License-Identifier: Apache-2.0
"""Zone: an area that is closed, controlled or watched for some days.

What lives here: the declaration of one collection. What must not: lists of the people in a zone,
which are asked of the record each time. Invariant: of two opinions the stricter zone is shown.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

LEVELS = choices(
    ("lifted", "已解除", "Lifted"),
    ("watched", "防范区", "Watched"),
    ("controlled", "管控区", "Controlled"),
    ("closed", "封控区", "Closed"),
)
SUPPORTS = choices(
    ("food", "送菜送粮", "Food brought"),
    ("medicine", "送药", "Medicine brought"),
    ("clinic", "送医通道", "Way to the clinic"),
    ("testing", "上门核酸", "Testing at the door"),
    ("hotline", "热线电话", "Hotline"),
)
_DATES = "Rights and deliveries hang on the day: two dates must become one."

ZONE = Collection(
    name="zone",
    label=Label(zh="封控管控防范区", en="Zone"),
    fields={
        "area": fields.AREA,
        "name": fields.line(
            "ask",
            "名称",
            "Name",
            "The name stands on the notice at the gate.",
            required=True,
            searched=True,
        ),
        "level": fields.pick(
            "highest",
            "管控级别",
            "Level",
            "The stricter one protects until someone who has seen it lowers it.",
            LEVELS,
            required=True,
        ),
        "starts_on": fields.day("ask", "开始日期", "From", _DATES, required=True),
        "ends_on": fields.day("ask", "结束日期", "Until", _DATES),
        "buildings": fields.line(
            "union",
            "楼栋",
            "Buildings",
            "A building that anyone named is in; leaving one out forgets its people.",
            chars=40,
        ),
        "contact": fields.line(
            "ask", "联系人", "Contact", "One person answers the gate.", chars=declare.NAME_CHARS
        ),
        "phone": fields.phone("值守电话", "Phone", "A wrong number is found out too late."),
        "supports": fields.pick(
            "union", "保障", "Support", "Each office adds what it provides.", SUPPORTS
        ),
        "notice": fields.link(
            "ask", "公告", "Notice", "Only one notice is in force.", "attachment"
        ),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(why="A zone holds from the day it is declared.", firsts={"starts_on": "@today"}),
        Fill(
            why="It is over on the day it is lifted.",
            field="level",
            values=("lifted",),
            firsts={"ends_on": "@today"},
        ),
    ),
)
