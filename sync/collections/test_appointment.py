# SPDX-License-Identifier: Apache-2.0
"""Test appointment: a test or a dose at the door for someone who cannot come (上门核酸, 接种).

What lives here: the declaration of one collection. What must not: results of laboratories.
Invariants: a person is pricked once: two words about "done" show that it is still to be looked at;
who said no on one tablet is asked again before anything is done.
"""

from __future__ import annotations

from sync.behaviour import Fill, Step
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

KINDS = choices(("test", "核酸采样", "Test"), ("vaccination", "疫苗接种", "Vaccination"))
STAGES = choices(
    ("done", "已完成", "Done"),
    ("cancelled", "已取消", "Called off"),
    ("booked", "已预约", "Booked"),
    ("to_book", "待预约", "To be booked"),
    ("not_home", "未在家", "Not at home"),
    ("unfit", "暂不适宜", "Not fit today"),
    ("said_no", "本人拒绝", "Said no"),
)
HINDRANCES = choices(
    ("bedridden", "卧床", "Bedridden"),
    ("wheelchair", "坐轮椅", "In a wheelchair"),
    ("dementia", "认知障碍", "Dementia"),
    ("no_lift", "无电梯", "No lift"),
    ("no_carer", "无人陪同", "Nobody to come along"),
    ("zone", "封控管控", "In a closed zone"),
)
_DOSE = "A wrong dose harms; no rule chooses between two."

TEST_APPOINTMENT = Collection(
    name="test_appointment",
    label=Label(zh="上门核酸接种", en="Test or dose at the door"),
    keep_days=365,
    kept_from="done_at_ms",
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "kind": fields.pick("ask", "项目", "Kind", _DOSE, KINDS, required=True),
        "status": fields.status(
            "Whatever asks for another look is shown: a refusal beats a booking.", STAGES
        ),
        "hindrances": fields.pick(
            "union", "不便原因", "Why they cannot come", "Each hindrance seen counts.", HINDRANCES
        ),
        "booked_for_ms": fields.moment(
            "ask", "预约时间", "Booked for", "Someone waits at home: two times must become one."
        ),
        "nurse": fields.line(
            "ask", "医护人员", "Nurse", "One comes to the door.", chars=declare.NAME_CHARS
        ),
        "escort": fields.worker("union", "陪同人", "Escorts", "All who come along are named."),
        "done_at_ms": fields.moment("ask", "完成时间", "Done at", _DOSE),
        "dose": fields.number("ask", "第几剂", "Which dose", _DOSE, 10, minimum=1),
        "vaccine": fields.line("ask", "疫苗", "Vaccine", _DOSE, chars=60),
        "batch": fields.line("ask", "批号", "Batch", _DOSE, chars=40),
        "reason_no": fields.line(
            "latest", "拒绝原因", "Why not", "What they said last is what to talk about."
        ),
        "again_on": fields.day(
            "highest", "下次日期", "Again on", "The later day is the safe one between two doses."
        ),
        "consent": fields.SIGNATURE,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "to_book"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("done",),
            firsts={"done_at_ms": "@now"},
        ),
        Fill(
            why="Whoever was out is tried again tomorrow.",
            field="status",
            values=("not_home",),
            sets={"again_on": "@today+1"},
        ),
        Fill(
            why="Whoever said no is asked again in a week.",
            field="status",
            values=("said_no",),
            sets={"again_on": "@today+7"},
        ),
        Fill(
            why="Whoever was unfit is looked at again in a month.",
            field="status",
            values=("unfit",),
            sets={"again_on": "@today+30"},
        ),
    ),
    steps=(Step(why="An appointment has a time.", values=("booked",), needs=("booked_for_ms",)),),
)
