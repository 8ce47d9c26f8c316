# SPDX-License-Identifier: Apache-2.0
"""Shortage: what a household has run out of (缺米 缺菜 缺气 缺药), until it is brought.

What lives here: the declaration of one collection. What must not: the parcel (``parcel``) and the
store it comes from (``stock_point``). Invariant: brought here and still lacking there is lacking.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.collections.need import URGENCIES
from sync.schema import Collection, Label

GOODS = choices(
    ("rice", "大米", "Rice"),
    ("oil", "食用油", "Oil"),
    ("vegetables", "蔬菜", "Vegetables"),
    ("meat", "肉蛋", "Meat and eggs"),
    ("water", "饮用水", "Drinking water"),
    ("gas", "燃气", "Gas"),
    ("medicine", "药品", "Medicine"),
    ("mask", "口罩", "Masks"),
    ("disinfectant", "消毒液", "Disinfectant"),
    ("nappies", "纸尿裤", "Nappies"),
    ("milk_powder", "奶粉", "Milk powder"),
    ("quilt", "棉被", "Quilts"),
    ("parcel", "爱心包", "Care parcels"),
    ("other", "其他", "Other"),
)
STAGES = choices(
    ("closed", "已办结", "Closed"),
    ("handed_over", "已送达", "Handed over"),
    ("cancelled", "已取消", "Called off"),
    ("on_the_way", "配送中", "On the way"),
    ("packed", "已备货", "Packed"),
    ("found", "待处理", "Found"),
    ("reopened", "仍然缺", "Still lacking"),
)

SHORTAGE = Collection(
    name="shortage",
    label=Label(zh="物资短缺", en="Shortage"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "goods": fields.pick(
            "union",
            "所缺物资",
            "Goods",
            "What anyone saw lacking is lacking.",
            GOODS,
            required=True,
        ),
        "urgency": fields.pick(
            "highest",
            "紧急程度",
            "Urgency",
            "Of two judgements the more urgent is acted on.",
            URGENCIES,
        ),
        "status": fields.status("Whatever leaves something to bring is shown.", STAGES),
        "found_at_ms": fields.moment(
            "lowest", "发现时间", "Found at", "The household has waited since the first word."
        ),
        "need_by": fields.day(
            "lowest", "最迟日期", "Needed by", "The earlier day is the one that hurts."
        ),
        "days_left": fields.number(
            "lowest",
            "还能维持天数",
            "Days left",
            "The smaller guess is the safe one.",
            365,
            unit="d",
        ),
        "prescription": fields.line(
            "ask",
            "药名剂量",
            "Medicine and dose",
            "A wrong medicine harms; no rule chooses between two.",
            chars=200,
        ),
        "need": fields.link("ask", "对应需求", "Need", "It is answered once, by one desk.", "need"),
        "visit": fields.link(
            "ask", "发现于走访", "Found at visit", "It ties the lack to who saw it.", "visit"
        ),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "found", "found_at_ms": "@now"},
        ),
    ),
)
