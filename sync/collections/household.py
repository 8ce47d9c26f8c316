# SPDX-License-Identifier: Apache-2.0
"""Household: who lives behind a door, what they need, how to reach them.

What lives here: the declaration of one collection. What must not: the people (``person``) and what
was found at the door on a day (``visit``, ``need``, ``assessment``).
"""

from __future__ import annotations

from sync.change import ID_CHARS_MAX
from sync.collections import declare
from sync.collections.declare import choices
from sync.joining import SEEN_CHARS_MAX
from sync.schema import Collection, Field, Label

RISKS = choices(
    ("falls", "跌倒", "Falls"),
    ("wandering", "走失", "Wandering off"),
    ("fire", "用火", "Open fire"),
    ("wiring", "用电", "Unsafe wiring"),
    ("gas_leak", "燃气隐患", "Gas hazard"),
    ("low_mood", "情绪低落", "Low mood"),
    ("no_guardian", "无监护", "Without guardian"),
    ("irregular_medication", "服药不规律", "Irregular medication"),
    ("arrears", "欠费", "Bills unpaid"),
    ("violence", "家庭暴力", "Domestic violence"),
)
CARE_NEEDS = choices(
    ("meals", "送餐", "Meals"),
    ("bathing", "助浴", "Bathing"),
    ("cleaning", "打扫", "Cleaning"),
    ("errands", "代购", "Errands"),
    ("medicine_pickup", "代取药", "Fetching medicine"),
    ("clinic", "陪同就医", "Company to the clinic"),
    ("wheelchair", "轮椅", "Wheelchair"),
    ("company", "陪聊", "Company"),
    ("tutoring", "课业辅导", "Tutoring"),
    ("nursing", "上门护理", "Nursing at home"),
)
HOUSING = choices(
    ("bungalow", "平房", "Single-storey"),
    ("no_lift", "楼房无电梯", "Block without lift"),
    ("lift", "楼房有电梯", "Block with lift"),
    ("public_rental", "公租房", "Public rental"),
    ("unsafe", "危房待改造", "Unsafe and to be rebuilt"),
)
INCOME = choices(
    ("pension", "养老金", "Pension"),
    ("dibao", "低保金", "Minimum living allowance"),
    ("children", "子女供养", "Children"),
    ("wages", "工资", "Wages"),
    ("odd_jobs", "零工", "Odd jobs"),
    ("farming", "务农", "Farming"),
    ("compensation", "抚恤", "Compensation"),
    ("none", "无收入", "None"),
)
GAS = choices(
    ("piped", "管道气", "Piped"),
    ("bottled", "瓶装气", "Bottled"),
    ("electric", "电", "Electric"),
    ("none", "无", "None"),
)
WATER = choices(("mains", "自来水", "Mains"), ("well", "井水", "Well"))
OWNERSHIP = choices(
    ("owned", "自有", "Owned"),
    ("rented", "租住", "Rented"),
    ("lent", "借住", "Lent"),
)
DIALECTS = choices(
    ("cantonese", "粤语", "Cantonese"),
    ("mandarin", "普通话", "Mandarin"),
    ("hakka", "客家话", "Hakka"),
    ("teochew", "潮汕话", "Teochew"),
    ("sign", "手语", "Sign language"),
)
INSURANCE = choices(
    ("resident", "居民医保", "Residents'"),
    ("employee", "职工医保", "Employees'"),
    ("none", "无", "None"),
)
_REACH = (
    "A wrong way to reach people in danger is not found out until it is needed: a person decides."
)
_MONEY = "Money is granted by it: two answers are a question, never a rule."
_PLAIN = "A plain fact of the flat, seen by whoever was there last; both values stay in the audit."
_TAGS = "Each worker adds what was seen; what one adds outlives another's removal made unknowing."
_GIVEN = "Things handed over by several people add up, whatever the order."

_PLACE = {
    "area": Field(
        policy="ask",
        why="It decides which teams and districts read the household.",
        label=Label(zh="网格", en="Area"),
        required=True,
        chars_max=15,
        pattern=declare.AREA_PATTERN,
    ),
    "address": Field(
        policy="ask",
        why=_REACH,
        label=Label(zh="地址", en="Address"),
        required=True,
        chars_max=declare.LINE_CHARS,
        searched=True,
    ),
    "building": Field(
        policy="latest", why=_PLAIN, label=Label(zh="楼栋", en="Building"), chars_max=40
    ),
    "floor": Field(
        policy="latest",
        why=_PLAIN,
        kind="integer",
        label=Label(zh="楼层", en="Floor"),
        minimum=-5,
        maximum=130,
    ),
    "room": Field(policy="latest", why=_PLAIN, label=Label(zh="房号", en="Room"), chars_max=20),
    "gps": Field(
        policy="latest",
        why="Every reading is a little off; the last is as good as the one before.",
        label=Label(zh="定位", en="Position"),
        unit="°",
        chars_max=26,
        pattern=declare.GPS_PATTERN,
    ),
    "access": Field(
        policy="latest",
        why="How to get in is told anew at each visit; the last word is the useful one.",
        label=Label(zh="进门提示", en="Way in"),
        chars_max=declare.LINE_CHARS,
    ),
    "housing": Field(
        policy="latest",
        why=_PLAIN,
        kind="choice",
        label=Label(zh="住房", en="Housing"),
        choices=HOUSING,
    ),
    "ownership": Field(
        policy="latest",
        why=_PLAIN,
        kind="choice",
        label=Label(zh="房屋权属", en="Ownership"),
        choices=OWNERSHIP,
    ),
    "gas": Field(
        policy="latest", why=_PLAIN, kind="choice", label=Label(zh="用气", en="Gas"), choices=GAS
    ),
    "water": Field(
        policy="latest",
        why=_PLAIN,
        kind="choice",
        label=Label(zh="用水", en="Water"),
        choices=WATER,
    ),
}
_PEOPLE = {
    "head_name": Field(
        policy="ask",
        why="The name the household is filed and paid under.",
        label=Label(zh="户主", en="Head of household"),
        required=True,
        chars_max=declare.NAME_CHARS,
        searched=True,
    ),
    "people_count": Field(
        policy="ask",
        why="Rations and allowances are counted by head.",
        kind="integer",
        label=Label(zh="常住人数", en="People living here"),
        minimum=0,
        maximum=40,
    ),
    "phone": Field(
        policy="ask",
        why=_REACH,
        label=Label(zh="电话", en="Phone"),
        chars_max=20,
        pattern=declare.PHONE_PATTERN,
        searched=True,
    ),
    "phone2": Field(
        policy="ask",
        why=_REACH,
        label=Label(zh="备用电话", en="Second phone"),
        chars_max=20,
        pattern=declare.PHONE_PATTERN,
        searched=True,
    ),
    "emergency_contact": Field(
        policy="ask",
        why=_REACH,
        label=Label(zh="紧急联系人", en="Emergency contact"),
        chars_max=declare.NAME_CHARS,
    ),
    "emergency_phone": Field(
        policy="ask",
        why=_REACH,
        label=Label(zh="紧急联系电话", en="Emergency phone"),
        chars_max=20,
        pattern=declare.PHONE_PATTERN,
    ),
    "dialect": Field(
        policy="latest",
        why="A convenience for whoever calls next.",
        kind="choice",
        label=Label(zh="语言", en="Language"),
        choices=DIALECTS,
    ),
    "helper": Field(
        policy="ask",
        why="One named helper answers for the household: two names are none.",
        label=Label(zh="帮扶人", en="Named helper"),
        chars_max=declare.NAME_CHARS,
    ),
}
_NEEDS = {
    "categories": Field(
        policy="union",
        why=_TAGS,
        kind="choice",
        label=Label(zh="类别", en="Categories"),
        choices=declare.CATEGORIES,
    ),
    "risk_flags": Field(
        policy="union",
        why=_TAGS,
        kind="choice",
        label=Label(zh="风险", en="Risks"),
        choices=RISKS,
    ),
    "care_needs": Field(
        policy="union",
        why=_TAGS,
        kind="choice",
        label=Label(zh="照料需求", en="Care needs"),
        choices=CARE_NEEDS,
    ),
    "care_level": declare.CARE_LEVEL,
    "medication": Field(
        policy="ask",
        why="A wrong medicine harms; no rule chooses between two.",
        label=Label(zh="用药", en="Medication"),
        chars_max=200,
    ),
    "insurance": Field(
        policy="ask",
        why=_MONEY,
        kind="choice",
        label=Label(zh="医保", en="Health insurance"),
        choices=INSURANCE,
    ),
    "income_sources": Field(
        policy="union",
        why="A household lives on several things at once; each worker learns of another.",
        kind="choice",
        label=Label(zh="收入来源", en="Sources of income"),
        choices=INCOME,
    ),
    "monthly_income_fen": Field(
        policy="ask",
        why=_MONEY,
        kind="integer",
        label=Label(zh="月收入", en="Monthly income"),
        unit="fen",
        minimum=0,
        maximum=declare.FEN_MAX,
    ),
    "next_visit": Field(
        policy="latest",
        why="An appointment: the newest one stands.",
        kind="date",
        label=Label(zh="下次走访", en="Next visit"),
    ),
}
_COUNTS = {
    "rice_given_kg": Field(
        policy="sum",
        why=_GIVEN,
        kind="integer",
        label=Label(zh="已送大米", en="Rice given"),
        unit="kg",
        minimum=-1_000,
        maximum=1_000,
    ),
    "meals_given": Field(
        policy="sum",
        why=_GIVEN,
        kind="integer",
        label=Label(zh="已送餐数", en="Meals given"),
        minimum=-1_000,
        maximum=1_000,
    ),
    "parcels_given": Field(
        policy="sum",
        why=_GIVEN,
        kind="integer",
        label=Label(zh="已送爱心包", en="Parcels given"),
        minimum=-1_000,
        maximum=1_000,
    ),
}
HOUSEHOLD = Collection(
    name="household",
    label=Label(zh="户", en="Household"),
    fields={
        **_PLACE,
        **_PEOPLE,
        **_NEEDS,
        **_COUNTS,
        "notes": declare.NOTES,
        "joined_into": Field(
            policy="ask",
            why="Two officers who join a household into different ones must settle which.",
            label=Label(zh="并入", en="Joined into"),
            refers_to="household",
            chars_max=ID_CHARS_MAX,
        ),
        "joined_seen": Field(
            policy="latest",
            why="What the joiner had seen tells later edits from those that the join settled.",
            label=Label(zh="并入时所见", en="Seen when joined"),
            chars_max=SEEN_CHARS_MAX,
            pattern=r"[0-9a-f]*",
        ),
        "known_apart": Field(
            policy="union",
            why="Whoever made sure that two families share one flat has made sure.",
            label=Label(zh="已核实为不同户", en="Known to be another household"),
            refers_to="household",
            chars_max=ID_CHARS_MAX,
        ),
    },
)
