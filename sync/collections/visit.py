# SPDX-License-Identifier: Apache-2.0
"""Visit: one service record, at the door or by telephone, the door that stayed shut included.

What lives here: the declaration of one collection. What must not: problems found (``need``), which
have a life of their own. Invariant: times of visits are never checked against a plausible range,
since a tablet whose clock is decades off works like any other.
"""

from __future__ import annotations

from sync.behaviour import Fill, Opens
from sync.change import ID_CHARS_MAX
from sync.collections import declare
from sync.collections.declare import choices, order_of
from sync.schema import Collection, Field, Label

MODES = choices(
    ("door", "上门", "At the door"),
    ("phone", "电话", "By telephone"),
    ("urgent", "应急", "Urgent call"),
)
OUTCOMES = choices(
    ("met", "见到本人", "Met"),
    ("by_other", "由他人告知", "Told by another"),
    ("not_opened", "敲门未应", "Door not opened"),
    ("no_answer", "电话未接", "No answer"),
    ("refused", "拒绝", "Refused"),
    ("moved", "已搬离", "Moved away"),
)
REACHED = frozenset({"met", "by_other"})
"""Outcomes that count as done; the others ask for a return visit."""
FOLLOW_UPS = choices(
    ("none", "无需", "None"),
    ("week", "一周内", "Within a week"),
    ("tomorrow", "明天", "Tomorrow"),
    ("today", "今天", "Today"),
)
MOODS = choices(
    ("good", "良好", "Good"),
    ("fair", "一般", "Fair"),
    ("low", "低落", "Low"),
    ("alarming", "异常", "Alarming"),
)
SERVICES = choices(
    ("blood_pressure", "量血压", "Blood pressure"),
    ("meal", "送餐", "Meal"),
    ("cleaning", "打扫", "Cleaning"),
    ("company", "陪聊", "Company"),
    ("errand", "代购", "Errand"),
    ("medicine", "送药", "Medicine brought"),
    ("safety_check", "安全检查", "Safety check"),
    ("advice", "政策宣传", "Advice on rights"),
)
_MEASURED = "A reading taken once: two different ones mean a slip that someone must look at."
_TOGETHER = "Teammates who came together each add what they did."

VISIT = Collection(
    name="visit",
    label=Label(zh="走访", en="Visit"),
    fields={
        "household": declare.HOUSEHOLD,
        "workers": Field(
            policy="union",
            why=_TOGETHER,
            label=Label(zh="走访人", en="Workers"),
            chars_max=ID_CHARS_MAX,
        ),
        "persons": Field(
            policy="union",
            why=_TOGETHER,
            label=Label(zh="见到的人", en="People met"),
            refers_to="person",
            chars_max=ID_CHARS_MAX,
        ),
        "at_ms": Field(
            policy="ask",
            why="Pay and coverage are counted by it; corrected by hand, never by a rule.",
            kind="time",
            label=Label(zh="时间", en="Time"),
            unit="ms",
            required=True,
        ),
        "mode": Field(
            policy="ask",
            why="A call is not a visit: the count depends on it.",
            kind="choice",
            label=Label(zh="方式", en="Mode"),
            choices=MODES,
            required=True,
        ),
        "outcome": Field(
            policy="ask",
            why="Whether someone was seen is the point of the visit.",
            kind="choice",
            label=Label(zh="结果", en="Outcome"),
            choices=OUTCOMES,
            required=True,
        ),
        "minutes": Field(
            policy="ask",
            why=_MEASURED,
            kind="integer",
            label=Label(zh="时长", en="Duration"),
            unit="min",
            minimum=0,
            maximum=1_440,
        ),
        "temperature_c": Field(
            policy="ask",
            why=_MEASURED,
            kind="number",
            label=Label(zh="体温", en="Temperature"),
            unit="°C",
            minimum=30,
            maximum=45,
        ),
        "blood_pressure": Field(
            policy="ask",
            why=_MEASURED,
            label=Label(zh="血压", en="Blood pressure"),
            unit="mmHg",
            chars_max=7,
            pattern=r"[0-9]{2,3}/[0-9]{2,3}",
        ),
        "mood": Field(
            policy="highest",
            why="The more worrying impression is followed up.",
            kind="choice",
            label=Label(zh="精神状态", en="Mood"),
            choices=MOODS,
            order=order_of(MOODS),
        ),
        "services": Field(
            policy="union",
            why=_TOGETHER,
            kind="choice",
            label=Label(zh="服务", en="Services"),
            choices=SERVICES,
        ),
        "shortages": Field(
            policy="union",
            why="A shortage one of two saw is a shortage.",
            kind="choice",
            label=Label(zh="短缺", en="Shortages"),
            choices=declare.SHORTAGES,
        ),
        "gps": Field(
            policy="latest",
            why="Every reading is a little off; the last is as good as the one before.",
            label=Label(zh="定位", en="Position"),
            unit="°",
            chars_max=26,
            pattern=declare.GPS_PATTERN,
        ),
        "follow_up": Field(
            policy="highest",
            why="The earliest return visit that anyone thought necessary is kept.",
            kind="choice",
            label=Label(zh="回访", en="Follow-up"),
            choices=FOLLOW_UPS,
            order=order_of(FOLLOW_UPS),
        ),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A visit is now, and by whoever writes it.",
            firsts={"at_ms": "@now"},
            adds={"workers": "@worker"},
        ),
        Fill(
            why="A door that stayed shut is knocked at again: nobody is left out.",
            field="outcome",
            values=("not_opened", "no_answer"),
            firsts={"follow_up": "tomorrow"},
        ),
    ),
    opens=(
        Opens(
            why="What is lacking must be brought: one shortage of a kind in a household at a time.",
            field="shortages",
            collection="shortage",
            key=("=household", "@each"),
            sets={
                "household": "=household",
                "status": "found",
                "found_at_ms": "@now",
            },
            adds={"goods": "@each"},
            again={"status": "reopened"},
        ),
    ),
)
