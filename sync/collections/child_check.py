# SPDX-License-Identifier: Apache-2.0
"""Child check: one regular look after a child in difficulty.

What lives here: the declaration of one collection. What must not: the guardian's duty
(``guardian_notice``) and wishes (``wish``). Invariants: a danger that one saw is never hidden: how
grave it is stands in ``safety``, by which help is sent, and what it is in ``concern``, sealed.
"""

from __future__ import annotations

from sync.behaviour import Fill, Opens
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

SAFETY = choices(
    ("safe", "安全", "Safe"),
    ("some_worry", "有隐患", "Some worry"),
    ("at_risk", "有风险", "At risk"),
    ("in_danger", "有危险", "In danger"),
)
SCHOOLING = choices(
    ("attends", "正常上学", "Attends"),
    ("online", "在家网课", "Lessons at home"),
    ("no_device", "无网课设备", "No device for lessons"),
    ("absent", "缺课", "Misses lessons"),
    ("left_school", "辍学", "Left school"),
)
MODES = choices(("door", "上门", "At the door"), ("phone", "电话", "By telephone"))
_LOOK = "Two answers mean that someone must look again."

CHILD_CHECK = Collection(
    name="child_check",
    label=Label(zh="儿童走访", en="Child check"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "at_ms": fields.moment(
            "ask", "时间", "Time", "The rhythm of checks is counted by it.", required=True
        ),
        "mode": fields.pick("ask", "方式", "Mode", "A call is not a visit.", MODES, required=True),
        "workers": fields.WORKERS,
        "child_seen": fields.yes_no("ask", "见到孩子", "Child seen", _LOOK),
        "guardian_seen": fields.yes_no("ask", "见到监护人", "Guardian seen", _LOOK),
        "safety": fields.pick(
            "highest",
            "安全状况",
            "Safety",
            "The greater danger is acted on.",
            SAFETY,
            required=True,
        ),
        "concern": declare.sealed(
            "child",
            "异常迹象",
            "Signs of harm",
            "Two accounts of one look are both read before either is believed.",
            chars=1_000,
        ),
        "schooling": fields.pick(
            "highest", "学习", "Schooling", "The worse is acted on.", SCHOOLING
        ),
        "meals_daily": fields.number(
            "lowest", "每日正餐数", "Meals a day", "Of two answers the hungrier child is fed.", 5
        ),
        "next_check": fields.day(
            "lowest", "下次走访", "Next check", "The earlier look is the safe one."
        ),
        "photos": fields.PHOTOS,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A check is now, and by whoever writes it.",
            firsts={"at_ms": "@now"},
            adds={"workers": "@worker"},
        ),
    ),
    opens=(
        Opens(
            why="A child at risk is somebody's task within the hour.",
            field="safety",
            values=("at_risk", "in_danger"),
            collection="need",
            key=("=household", "=person", "guardian"),
            sets={
                "household": "=household",
                "person": "=person",
                "kind": "guardian",
                "status": "open",
                "level": "community",
                "urgency": "life",
                "source": "visit",
                "found_at_ms": "@now",
                "deadline": "@today",
            },
            again={"status": "reopened", "urgency": "life", "deadline": "@today"},
        ),
    ),
)
