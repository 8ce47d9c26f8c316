# SPDX-License-Identifier: Apache-2.0
"""Inspection: who looked over whose work, when and at what (督导, 对口).

What lives here: the declaration of one collection. What must not: what was found (``finding``).
Invariant: all who inspected stand by it; the office inspected is one.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

TOPICS = choices(
    ("visits", "走访落实", "Visits made"),
    ("coverage", "有无遗漏", "Nobody left out"),
    ("clearing", "日清日结", "Same-day clearing"),
    ("supplies", "物资保障", "Supplies"),
    ("relief", "救助发放", "Relief paid"),
    ("children", "儿童保障", "Children"),
    ("institutions", "养老机构", "Institutions"),
    ("records", "台账资料", "Records"),
)
STAGES = choices(
    ("closed", "已销号", "Closed"),
    ("reported", "已反馈", "Reported"),
    ("planned", "已安排", "Planned"),
    ("under_way", "进行中", "Under way"),
    ("reopened", "回头看", "Looked at again"),
)
GRADES = choices(
    ("good", "好", "Good"),
    ("fair", "一般", "Fair"),
    ("poor", "差", "Poor"),
)
_ONE = "Who is looked over by whom must be certain."

INSPECTION = Collection(
    name="inspection",
    label=Label(zh="督导", en="Inspection"),
    fields={
        "area": fields.AREA,
        "office": fields.line("ask", "被督导单位", "Office inspected", _ONE, required=True),
        "by_office": fields.line("ask", "督导单位", "Inspected by", _ONE),
        "inspectors": fields.worker("union", "督导人", "Inspectors", "All who came are named."),
        "on": fields.day("ask", "日期", "Day", "Deadlines start from this day.", required=True),
        "topics": fields.pick(
            "union", "督导内容", "Topics", "What anyone looked at was inspected.", TOPICS
        ),
        "institution": fields.link("ask", "机构", "Institution", _ONE, "institution"),
        "households_seen": fields.link(
            "union", "抽查户", "Households seen", "All doors knocked at are kept.", "household"
        ),
        "grade": fields.pick(
            "highest", "总体评价", "Grade", "The poorer grade brings someone back.", GRADES
        ),
        "status": fields.status("Whatever leaves more to look at is shown.", STAGES),
        "summary": fields.words("督导情况", "What was seen", "Each inspector's words are kept."),
        "photos": fields.PHOTOS,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="An inspection is today, and by whoever writes it.",
            firsts={"on": "@today", "status": "under_way"},
            adds={"inspectors": "@worker"},
        ),
    ),
)
