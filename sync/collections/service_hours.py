# SPDX-License-Identifier: Apache-2.0
"""Service hours: time a volunteer gave, or took back as help, on one occasion (时间银行).

What lives here: the declaration of one collection. What must not: the balance, which is the sum
over these entries. Invariant: it travels with its volunteer; an entry is counted when confirmed.
"""

from __future__ import annotations

from sync.behaviour import Fill, Step
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

DIRECTIONS = choices(
    ("given", "服务", "Given"),
    ("redeemed", "兑换", "Redeemed"),
    ("passed_on", "转赠", "Passed on"),
)
STAGES = choices(
    ("confirmed", "已确认", "Confirmed"),
    ("not_counted", "不计入", "Not counted"),
    ("told", "待确认", "Told"),
    ("reopened", "有异议", "Disputed"),
)
_CREDIT = "Time is paid back by it: two answers are a question, never a rule."

SERVICE_HOURS = Collection(
    name="service_hours",
    label=Label(zh="服务时长", en="Service hours"),
    fields={
        "household": fields.home("volunteer", "志愿者", "Volunteer"),
        "activity": fields.link("ask", "活动", "Activity", _CREDIT, "activity"),
        "direction": fields.pick(
            "ask", "收支", "Given or taken", _CREDIT, DIRECTIONS, required=True
        ),
        "on": fields.day("ask", "日期", "Day", _CREDIT, required=True),
        "minutes": fields.number(
            "ask", "时长", "Duration", _CREDIT, 1_440, unit="min", required=True
        ),
        "served": fields.link(
            "union", "服务对象", "People served", "Everyone who was helped is named.", "person"
        ),
        "passed_to": fields.link("ask", "转赠给", "Passed on to", _CREDIT, "volunteer"),
        "status": fields.status("Credit that anyone disputes waits until it is settled.", STAGES),
        "confirmed_by": fields.worker(
            "union", "确认人", "Confirmed by", "All who confirm are named."
        ),
        "signature": fields.SIGNATURE,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"on": "@today", "status": "told"},
        ),
        Fill(
            why="Whoever marks it answers for it.",
            field="status",
            values=("confirmed",),
            adds={"confirmed_by": "@worker"},
        ),
    ),
    steps=(
        Step(
            why="Hours passed on go to somebody.",
            field="direction",
            values=("passed_on",),
            needs=("passed_to",),
        ),
    ),
)
