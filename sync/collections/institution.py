# SPDX-License-Identifier: Apache-2.0
"""Institution: a home for the old, for children or for the disabled (敬老院, 福利院).

What lives here: the declaration of one collection. What must not: who lives (``resident_stay``) and
works there (``staff``), nor readings (``temperature_reading``); they travel with it. Invariant: of
two words about who may enter, the stricter is shown.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.collections.shortage import GOODS
from sync.schema import Collection, Label

KINDS = choices(
    ("old_age", "敬老院", "Home for the old"),
    ("children", "儿童福利院", "Children's home"),
    ("disabled", "残疾人托养", "Home for the disabled"),
    ("rescue", "救助站", "Rescue station"),
    ("day_centre", "日间照料中心", "Day centre"),
)
ENTRY = choices(
    ("open", "正常开放", "Open"),
    ("booked", "预约进入", "By appointment"),
    ("restricted", "限制进入", "Restricted"),
    ("closed_off", "封闭管理", "Closed off"),
)
VISITS = choices(
    ("allowed", "可探视", "Allowed"),
    ("booked", "预约探视", "By appointment"),
    ("by_window", "隔窗探视", "Through a window"),
    ("suspended", "暂停探视", "Suspended"),
)
_PLAIN = "A plain fact told by whoever was there last; both values stay in the audit."
_BEDS = "Places are dealt out by it: a person says which count holds."

INSTITUTION = Collection(
    name="institution",
    label=Label(zh="机构", en="Institution"),
    fields={
        "area": fields.AREA,
        "name": fields.line(
            "ask", "名称", "Name", "It is licensed under one name.", required=True, searched=True
        ),
        "kind": fields.pick(
            "ask", "类型", "Kind", "Which rules hold depends on it.", KINDS, required=True
        ),
        "address": fields.line(
            "ask", "地址", "Address", "An ambulance sent to a wrong place comes too late."
        ),
        "director": fields.line(
            "ask", "负责人", "Director", "One answers for it.", chars=declare.NAME_CHARS
        ),
        "phone": fields.phone("电话", "Phone", "A wrong number is found out too late."),
        "entry": fields.pick(
            "highest",
            "出入管理",
            "Entry",
            "The stricter rule protects until someone who has seen it loosens it.",
            ENTRY,
        ),
        "visits": fields.pick(
            "highest", "探视", "Family visits", "The stricter rule protects until settled.", VISITS
        ),
        "suspended_from": fields.day(
            "lowest", "暂停起", "Suspended from", "The earlier day is the safe one."
        ),
        "suspended_until": fields.day(
            "highest", "暂停止", "Suspended until", "The later day is the safe one."
        ),
        "beds": fields.number("ask", "床位数", "Beds", _BEDS, 10_000),
        "isolation_rooms": fields.number("ask", "隔离房间", "Isolation rooms", _BEDS, 1_000),
        "shortages": fields.pick(
            "union", "短缺物资", "Shortages", "What anyone saw lacking is lacking.", GOODS
        ),
        "supply_days": fields.number(
            "lowest",
            "物资可用天数",
            "Days of supplies",
            "The smaller stock decides when more is sent.",
            365,
            unit="d",
        ),
        "doctor": fields.line("latest", "签约医生", "Doctor", _PLAIN, chars=declare.NAME_CHARS),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="Families are told since when.",
            field="visits",
            values=("suspended",),
            firsts={"suspended_from": "@today"},
        ),
    ),
)
