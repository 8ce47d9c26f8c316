# SPDX-License-Identifier: Apache-2.0
"""Call list: whom to telephone, about what, dealt out among callers (电联).

What lives here: the declaration of one collection. What must not: the calls themselves (``call``).
Invariant: taking a household off one list leaves it on every other; whoever is on several lists
is called by one caller a day, which the dealing sees to.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

GROUPS = choices(
    ("living_alone", "独居老人", "Elderly living alone"),
    ("children", "困境儿童", "Children in difficulty"),
    ("disabled", "残疾人", "Disabled people"),
    ("low_income", "低保低收入", "Low income"),
    ("pregnant", "孕产妇", "Pregnant women"),
    ("dialysis", "透析化疗", "Dialysis and chemotherapy"),
    ("mental_illness", "精神障碍", "Mental illness"),
    ("zone", "封控管控区", "Closed and controlled zones"),
    ("other", "其他", "Other"),
)
STAGES = choices(
    ("closed", "已结束", "Closed"),
    ("planned", "未开始", "Not begun"),
    ("calling", "拨打中", "Calling"),
    ("reopened", "补打中", "Taken up again"),
)
_SAME = "All callers ask the same: two scripts must become one."

CALL_LIST = Collection(
    name="call_list",
    label=Label(zh="电联名单", en="Call list"),
    fields={
        "area": fields.AREA,
        "name": fields.line(
            "ask", "名单名", "Name", "Callers find the list by it.", required=True, searched=True
        ),
        "group": fields.pick("ask", "人群", "Group", _SAME, GROUPS, required=True),
        "script": fields.line("ask", "话术", "Script", _SAME, chars=declare.NOTE_CHARS),
        "status": fields.status("Whatever leaves more calls to make is shown.", STAGES),
        "starts_on": fields.day(
            "ask", "开始日期", "From", "Calls count from this day: two dates must become one."
        ),
        "calls_every_days": fields.number(
            "lowest",
            "几天一次",
            "Days between calls",
            "The closer watch is kept until it is settled.",
            90,
            minimum=1,
            unit="d",
        ),
        "callers": fields.worker("union", "拨打人", "Callers", "Each one who was called up dials."),
        "households": fields.link(
            "union",
            "名单户",
            "Households",
            "A household that anyone put on the list is called.",
            "household",
        ),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "calling", "starts_on": "@today"},
        ),
    ),
)
