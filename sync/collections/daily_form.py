# SPDX-License-Identifier: Apache-2.0
"""Daily form: how one person fares on one day (每日一报), filled from visits and calls.

What lives here: the declaration of one collection. What must not: a second typing of what a visit
already says; the form refers to it. Invariant: a worrying answer is never hidden by a good one.
"""

from __future__ import annotations

from sync.behaviour import Fill, Opens
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

HEALTH = choices(
    ("well", "良好", "Well"),
    ("as_usual", "老样子", "As usual"),
    ("unwell", "不适", "Unwell"),
    ("ill", "生病", "Ill"),
    ("in_hospital", "住院", "In hospital"),
)
SYMPTOMS = choices(
    ("fever", "发热", "Fever"),
    ("cough", "咳嗽", "Cough"),
    ("breathless", "气促", "Short of breath"),
    ("diarrhoea", "腹泻", "Diarrhoea"),
    ("fall", "跌倒", "Fall"),
    ("pain", "疼痛", "Pain"),
    ("confused", "神志不清", "Confused"),
)
CARE = choices(
    ("meal", "送餐", "Meal"),
    ("bathing", "助浴", "Bathing"),
    ("cleaning", "打扫", "Cleaning"),
    ("medicine", "喂药送药", "Medicine given"),
    ("company", "陪伴", "Company"),
    ("clinic", "陪同就医", "Company to the clinic"),
)
SUPPLY_DAYS = "The smaller stock decides when the next parcel goes out."

DAILY_FORM = Collection(
    name="daily_form",
    label=Label(zh="每日一报", en="Daily form"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "on": fields.day(
            "ask",
            "日期",
            "Day",
            "Missing days are counted by it: a form belongs to one day.",
            required=True,
        ),
        "reporter": fields.worker("union", "填报人", "Reporters", "All who asked are named."),
        "visits": fields.link(
            "union", "来自走访", "From visits", "The form rests on all of them.", "visit"
        ),
        "calls": fields.link(
            "union", "来自电联", "From calls", "The form rests on all of them.", "call"
        ),
        "health": fields.pick(
            "highest", "身体状况", "Health", "The worse of two impressions is acted on.", HEALTH
        ),
        "temperature_c": fields.warmth(
            "highest", "体温", "Temperature", "The higher reading of a day is the one to watch."
        ),
        "symptoms": fields.pick(
            "union", "症状", "Symptoms", "A symptom that anyone saw was there.", SYMPTOMS
        ),
        "food_days": fields.number(
            "lowest", "食物可用天数", "Days of food left", SUPPLY_DAYS, 90, unit="d"
        ),
        "medicine_days": fields.number(
            "lowest", "药品可用天数", "Days of medicine left", SUPPLY_DAYS, 365, unit="d"
        ),
        "shortages": fields.pick(
            "union", "短缺", "Shortages", "A shortage that anyone saw is one.", declare.SHORTAGES
        ),
        "care_given": fields.pick(
            "union", "当日照料", "Care given", "Each carer adds what was done.", CARE
        ),
        "meals_given": fields.number(
            "sum", "送餐数", "Meals given", "Meals brought by several people add up.", 20
        ),
        "carer_present": fields.yes_no(
            "ask", "照料人在岗", "Carer present", "Two answers mean that someone must look."
        ),
        "notes": declare.NOTES,
    },
    one_per=("household", "person", "on"),
    fills=(
        Fill(
            why="A report is of the day it is written on.",
            firsts={"on": "@today"},
            adds={"reporter": "@worker"},
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
