# SPDX-License-Identifier: Apache-2.0
"""Activity: one thing volunteers do together on a day, and for whom.

What lives here: the declaration of one collection. What must not: each one's hours
(``service_hours``). Invariant: those who came and those who were served add up.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

KINDS = choices(
    ("visit", "走访慰问", "Visiting"),
    ("delivery", "物资配送", "Deliveries"),
    ("cleaning", "打扫", "Cleaning"),
    ("haircut", "理发", "Haircuts"),
    ("tutoring", "课业辅导", "Tutoring"),
    ("counselling", "心理疏导", "Counselling"),
    ("testing", "核酸秩序", "Order at testing"),
    ("training", "培训", "Training"),
    ("other", "其他", "Other"),
)
STAGES = choices(
    ("done", "已结束", "Done"),
    ("cancelled", "已取消", "Called off"),
    ("planned", "报名中", "Open to join"),
    ("under_way", "进行中", "Under way"),
)
_ONE = "People come to one place at one time: two answers must become one."

ACTIVITY = Collection(
    name="activity",
    label=Label(zh="志愿活动", en="Activity"),
    fields={
        "area": fields.AREA,
        "name": fields.line("ask", "活动名", "Name", _ONE, required=True, searched=True),
        "kind": fields.pick("ask", "类别", "Kind", "Credit depends on it.", KINDS, required=True),
        "starts_at_ms": fields.moment("ask", "开始时间", "Starts at", _ONE, required=True),
        "ends_at_ms": fields.moment("ask", "结束时间", "Ends at", _ONE),
        "place": fields.line("ask", "地点", "Place", _ONE),
        "status": fields.status("As long as one says it goes on, people are looked after.", STAGES),
        "organisers": fields.worker("union", "组织人", "Organisers", "All who lead are named."),
        "volunteers": fields.link(
            "union", "参加志愿者", "Volunteers", "Each who signed up is expected.", "volunteer"
        ),
        "households": fields.link(
            "union", "服务户", "Households served", "Each door is listed once.", "household"
        ),
        "people_served": fields.number(
            "sum", "服务人次", "People served", "Each table counts its own: they add up.", 100_000
        ),
        "places_max": fields.number(
            "lowest", "名额", "Places", "The smaller number is the safe one.", 10_000
        ),
        "photos": fields.PHOTOS,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "planned"},
            adds={"organisers": "@worker"},
        ),
    ),
)
