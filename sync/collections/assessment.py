# SPDX-License-Identifier: Apache-2.0
"""Assessment: how well a household is cared for (照料服务评估), with the reasons.

What lives here: the declaration of one collection. What must not: the need that a poor grade opens.
Invariant: where two assessments of one form differ, the one that asks for more care is shown.
"""

from __future__ import annotations

from sync.behaviour import Fill, Opens
from sync.change import ID_CHARS_MAX
from sync.collections import declare
from sync.collections.declare import choices, order_of
from sync.collections.household import CARE_NEEDS
from sync.schema import Collection, Field, Label

GRADES = choices(
    ("good", "好", "Good"),
    ("fair", "一般", "Fair"),
    ("poor", "差", "Poor"),
)
REASONS = choices(
    ("old_caring_for_disabled", "老养残", "Old person caring for a disabled one"),
    ("several_disabled", "一户多残", "Several disabled in one household"),
    ("alone", "独居无人照料", "Alone and uncared for"),
    ("carer_ill", "照料人患病", "Carer is ill"),
    ("carer_away", "照料人外出", "Carer is away"),
    ("bedridden", "长期卧床", "Bedridden"),
    ("dementia", "认知障碍", "Dementia"),
    ("child_uncared", "儿童无人监护", "Child without guardian"),
    ("no_meals", "三餐无保障", "Meals not secured"),
    ("unsafe_home", "居住环境不安全", "Home not safe"),
)

ASSESSMENT = Collection(
    name="assessment",
    label=Label(zh="照料评估", en="Care assessment"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "at_ms": Field(
            policy="ask",
            why="The grade holds from this moment.",
            kind="time",
            label=Label(zh="评估时间", en="Assessed at"),
            unit="ms",
            required=True,
        ),
        "assessors": Field(
            policy="union",
            why="All who took part stand by it.",
            label=Label(zh="评估人", en="Assessors"),
            chars_max=ID_CHARS_MAX,
        ),
        "grade": Field(
            policy="highest",
            why="The poorer grade brings help; it is lowered only by someone who has seen it.",
            kind="choice",
            label=Label(zh="照料状况", en="Grade"),
            choices=GRADES,
            order=order_of(GRADES),
            required=True,
        ),
        "reasons": Field(
            policy="union",
            why="Each assessor adds what was seen.",
            kind="choice",
            label=Label(zh="理由", en="Reasons"),
            choices=REASONS,
        ),
        "disabled_count": Field(
            policy="highest",
            why="Nobody in the flat may be overlooked.",
            kind="integer",
            label=Label(zh="残疾人数", en="Disabled people"),
            minimum=0,
            maximum=40,
        ),
        "self_care_score": Field(
            policy="lowest",
            why="Of two scores (Barthel, 100 is independent) the one asking for more care counts.",
            kind="integer",
            label=Label(zh="自理评分", en="Self-care score"),
            minimum=0,
            maximum=100,
        ),
        "care_level": declare.CARE_LEVEL,
        "carer": Field(
            policy="ask",
            why="Who comes when something happens must be one known person.",
            label=Label(zh="照料人", en="Carer"),
            chars_max=declare.NAME_CHARS,
        ),
        "services_wanted": Field(
            policy="union",
            why="Wishes told to different people are all wishes.",
            kind="choice",
            label=Label(zh="所需服务", en="Services wanted"),
            choices=CARE_NEEDS,
        ),
        "care_hours_weekly": Field(
            policy="ask",
            why="It is paid for: two answers are a question.",
            kind="integer",
            label=Label(zh="每周照料时数", en="Care hours a week"),
            unit="h",
            minimum=0,
            maximum=168,
        ),
        "next_review": Field(
            policy="latest",
            why="An appointment: the newest one stands.",
            kind="date",
            label=Label(zh="复评日期", en="Next review"),
        ),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="An assessment holds from when it was made.",
            firsts={"at_ms": "@now"},
            adds={"assessors": "@worker"},
        ),
    ),
    opens=(
        Opens(
            why="A grade of poor must bring help; two who graded alike opened one need.",
            field="grade",
            values=("poor",),
            collection="need",
            key=("=household", "=person", "care"),
            sets={
                "household": "=household",
                "person": "=person",
                "kind": "care",
                "status": "open",
                "level": "community",
                "urgency": "urgent",
                "source": "assessment",
                "found_at_ms": "@now",
                "deadline": "@today",
            },
            adds={"assessments": "@record"},
            again={"status": "reopened", "urgency": "urgent", "deadline": "@today"},
        ),
    ),
)
