# SPDX-License-Identifier: Apache-2.0
"""Volunteer: who gives time (时间银行), with what skills, and when.

What lives here: the declaration of one collection. What must not: the hours, which are counted
from ``service_hours`` so that no account is kept twice.
"""

from __future__ import annotations

from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

SKILLS = choices(
    ("driving", "驾驶", "Driving"),
    ("nursing", "护理", "Nursing"),
    ("counselling", "心理疏导", "Counselling"),
    ("tutoring", "课业辅导", "Tutoring"),
    ("repair", "维修", "Repairs"),
    ("haircut", "理发", "Haircuts"),
    ("law", "法律", "Law"),
    ("sign_language", "手语", "Sign language"),
    ("carrying", "搬运", "Carrying"),
)
TIMES = choices(
    ("weekday", "工作日", "Weekdays"),
    ("evening", "晚上", "Evenings"),
    ("weekend", "周末", "Weekends"),
    ("any_time", "随时", "Any time"),
)
STANDING = choices(
    ("active", "在册", "Active"),
    ("resting", "暂停", "Resting"),
    ("left", "已退出", "Left"),
    ("barred", "不得派活", "Not to be sent"),
)
_ACCOUNT = "Hours are credited to this account: two answers must become one."

VOLUNTEER = Collection(
    name="volunteer",
    label=Label(zh="志愿者", en="Volunteer"),
    fields={
        "area": fields.AREA,
        "name": fields.line(
            "ask",
            "姓名",
            "Name",
            _ACCOUNT,
            chars=declare.NAME_CHARS,
            required=True,
            searched=True,
        ),
        "phone": fields.phone("电话", "Phone", "A wrong number leaves a call unanswered."),
        "registered_number": fields.line(
            "ask", "志愿者编号", "Registered number", _ACCOUNT, chars=40
        ),
        "birth_year": fields.number(
            "ask",
            "出生年",
            "Year of birth",
            "Minors are not sent alone.",
            declare.YEAR_MAX,
            minimum=declare.YEAR_MIN,
        ),
        "skills": fields.pick("union", "特长", "Skills", "Each one learned of adds.", SKILLS),
        "times": fields.pick(
            "union", "可服务时间", "Times", "Times told to different people are all true.", TIMES
        ),
        "standing": fields.pick(
            "highest", "状态", "Standing", "Who one office barred is not sent by another.", STANDING
        ),
        "visits_to": fields.link(
            "union", "结对户", "Visits to", "Each pairing that was made is kept.", "household"
        ),
        "notes": declare.NOTES,
    },
)
