# SPDX-License-Identifier: Apache-2.0
"""Street person: someone met without a household, as far as they are known.

What lives here: the declaration of one collection. What must not: a single meeting
(``street_meeting``). Invariants: the record has no address and is its own home; nobody has to give
a name; whoever one says is still outside is looked for.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.collections.person import SEXES
from sync.schema import Collection, Label

STAGES = choices(
    ("closed", "已办结", "Closed"),
    ("done", "已安置", "Has a roof"),
    ("sent_home", "已护送返乡", "Taken home"),
    ("in_shelter", "在站救助", "In the shelter"),
    ("in_hospital", "送医", "In hospital"),
    ("in_touch", "持续关注", "In touch"),
    ("met", "初次发现", "Met"),
    ("lost", "去向不明", "Lost sight of"),
    ("back", "重新流浪", "Back on the street"),
)
SIGNS = choices(
    ("child", "未成年", "A child"),
    ("old", "年老", "Old"),
    ("disabled", "残疾", "Disabled"),
    ("ill", "患病", "Ill"),
    ("mental_illness", "疑似精神障碍", "Seems mentally ill"),
    ("lost_way", "走失", "Lost the way"),
    ("begging", "乞讨", "Begging"),
    ("controlled", "疑似受人控制", "Seems under someone's control"),
)
_WHO = "It says who the person is, so that a family can be found: never by a rule."

STREET_PERSON = Collection(
    name="street_person",
    label=Label(zh="街面人员", en="Street person"),
    fields={
        "area": fields.AREA,
        "called": fields.line(
            "ask", "称呼", "Called", _WHO, chars=declare.NAME_CHARS, searched=True
        ),
        "sex": fields.pick("ask", "性别", "Sex", _WHO, SEXES),
        "birth_year": fields.number(
            "ask",
            "出生年",
            "Year of birth",
            _WHO,
            declare.YEAR_MAX,
            minimum=declare.YEAR_MIN,
        ),
        "from_where": fields.line("ask", "来自", "From where", _WHO),
        "looks": fields.words(
            "外貌特征", "Looks", "Each one's words help to know the person again."
        ),
        "whereabouts": fields.line(
            "latest", "常在地点", "Whereabouts", "Where they were seen last is where to go."
        ),
        "gps": fields.line(
            "latest",
            "定位",
            "Position",
            "Where they were seen last is where to go.",
            chars=26,
            pattern=declare.GPS_PATTERN,
        ),
        "signs": fields.pick("union", "特征", "Signs", "A sign that anyone saw counts.", SIGNS),
        "status": fields.status("Whoever may be outside is looked for.", STAGES),
        "family_phone": fields.phone("家人电话", "Family's phone", _WHO),
        "moved_to": fields.link(
            "ask", "已入住户", "Now in household", "It gives them an address.", "household"
        ),
        "photos": fields.PHOTOS,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "met"},
        ),
    ),
)
