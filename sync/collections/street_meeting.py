# SPDX-License-Identifier: Apache-2.0
"""Street meeting: one talk with a person on the street: what was offered, what was taken.

What lives here: the declaration of one collection. What must not: who the person is
(``street_person``), with whom it travels. Invariant: help that anyone gave was given.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

OFFERS = choices(
    ("food", "食品", "Food"),
    ("water", "饮水", "Water"),
    ("clothes", "衣物", "Clothes"),
    ("quilt", "棉被", "Quilt"),
    ("medicine", "药品", "Medicine"),
    ("shelter", "入站", "A place in the shelter"),
    ("hospital", "送医", "The hospital"),
    ("ticket", "返乡车票", "A ticket home"),
    ("family_search", "寻亲", "Search for family"),
    ("work", "就业帮扶", "Help to find work"),
)
HEALTH = choices(
    ("well", "良好", "Well"),
    ("weak", "虚弱", "Weak"),
    ("ill", "生病", "Ill"),
    ("in_danger", "有生命危险", "In danger of life"),
)

STREET_MEETING = Collection(
    name="street_meeting",
    label=Label(zh="街面救助记录", en="Street meeting"),
    fields={
        "household": fields.home("street_person", "救助对象", "Person met"),
        "patrol": fields.link("ask", "所属巡查", "Patrol", "It is counted once.", "patrol"),
        "at_ms": fields.moment("ask", "时间", "Time", "Help is counted by the day.", required=True),
        "place": fields.line("ask", "地点", "Place", "Whoever goes back must find them."),
        "gps": fields.line(
            "latest",
            "定位",
            "Position",
            "Every reading is a little off; the last is as good as the one before.",
            chars=26,
            pattern=declare.GPS_PATTERN,
        ),
        "workers": fields.WORKERS,
        "health": fields.pick(
            "highest", "身体状况", "Health", "The graver impression is acted on.", HEALTH
        ),
        "offered": fields.pick("union", "提供帮助", "Offered", "All offers were made.", OFFERS),
        "taken": fields.pick("union", "接受帮助", "Taken", "Help given was given.", OFFERS),
        "meals_given": fields.number(
            "sum", "发放食品", "Meals given", "Given by several hands it adds up.", 100
        ),
        "again_on": fields.day(
            "lowest", "下次探访", "Again on", "The earlier look is the safe one."
        ),
        "photos": fields.PHOTOS,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A meeting is now, and by whoever writes it.",
            firsts={"at_ms": "@now"},
            adds={"workers": "@worker"},
        ),
    ),
)
