# SPDX-License-Identifier: Apache-2.0
"""Resident stay: one person's time in an institution, from coming to leaving.

What lives here: the declaration of one collection. What must not: the person (``person``), who may
still belong to a household. Invariant: it travels with the institution; whoever one says is still
there is looked after there.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

STAGES = choices(
    ("left", "已离院", "Left"),
    ("booked", "待入住", "To come"),
    ("on_leave", "请假外出", "On leave"),
    ("in_hospital", "住院", "In hospital"),
    ("living_in", "在院", "Lives there"),
    ("missing", "去向不明", "Whereabouts unknown"),
)
_BED = "A bed and its payment hang on it: two answers must become one."

RESIDENT_STAY = Collection(
    name="resident_stay",
    label=Label(zh="在院人员", en="Resident"),
    fields={
        "household": fields.home("institution", "所在机构", "Institution"),
        "person": declare.PERSON,
        "name": fields.line(
            "ask",
            "姓名",
            "Name",
            "It says who the person is: support follows it.",
            chars=declare.NAME_CHARS,
            required=True,
            searched=True,
        ),
        "room": fields.line("ask", "房间床位", "Room and bed", _BED, chars=20),
        "status": fields.status("Whoever may still be there, or missing, is looked for.", STAGES),
        "came_on": fields.day("ask", "入院日期", "Came on", _BED),
        "left_on": fields.day("ask", "离院日期", "Left on", _BED),
        "care_level": declare.CARE_LEVEL,
        "medication": fields.line(
            "ask",
            "用药",
            "Medication",
            "A wrong medicine harms; no rule chooses between two.",
            chars=200,
        ),
        "contact": fields.line(
            "ask",
            "家属",
            "Family",
            "Who is called in the night must be certain.",
            chars=declare.NAME_CHARS,
        ),
        "contact_phone": fields.phone(
            "家属电话", "Family's phone", "A wrong number is found out too late."
        ),
        "fee_fen": fields.money("ask", "月费", "Monthly fee", "Money is never settled by a rule."),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "living_in", "came_on": "@today"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("left",),
            firsts={"left_on": "@today"},
        ),
    ),
)
