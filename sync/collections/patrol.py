# SPDX-License-Identifier: Apache-2.0
"""Patrol: one round through the streets to find people without a roof (街面救助).

What lives here: the declaration of one collection. What must not: the people met
(``street_person``, ``street_meeting``). Invariant: a place that anyone walked was walked.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

STAGES = choices(
    ("done", "已结束", "Done"),
    ("cancelled", "已取消", "Called off"),
    ("planned", "已安排", "Planned"),
    ("under_way", "进行中", "Under way"),
)
PLACES = choices(
    ("bridge", "桥底", "Under bridges"),
    ("station", "车站", "Stations"),
    ("park", "公园", "Parks"),
    ("underpass", "地下通道", "Underpasses"),
    ("arcade", "骑楼", "Arcades"),
    ("bank", "银行网点", "Bank lobbies"),
    ("market", "市场", "Markets"),
    ("building_site", "工地", "Building sites"),
)
WEATHER = choices(
    ("mild", "正常", "Mild"),
    ("rain", "雨", "Rain"),
    ("heat", "高温", "Heat"),
    ("cold", "寒冷", "Cold"),
    ("storm", "台风暴雨", "Storm"),
)

PATROL = Collection(
    name="patrol",
    label=Label(zh="街面巡查", en="Patrol"),
    fields={
        "area": fields.AREA,
        "starts_at_ms": fields.moment(
            "ask", "开始时间", "Starts at", "Nights without a patrol are counted.", required=True
        ),
        "ends_at_ms": fields.moment(
            "highest", "结束时间", "Ends at", "It lasted until the last one went home."
        ),
        "walkers": fields.worker("union", "巡查人", "Walkers", "All who walked are named."),
        "status": fields.status("As long as one says it goes on, they are waited for.", STAGES),
        "places": fields.pick(
            "union", "巡查点位", "Places", "A place that anyone walked was walked.", PLACES
        ),
        "route": fields.line(
            "append", "路线", "Way", "Each one's way is told beside the others.", chars=400
        ),
        "weather": fields.pick(
            "highest", "天气", "Weather", "The harder weather calls for more help.", WEATHER
        ),
        "water_given": fields.number(
            "sum", "发放饮水", "Water given", "Given by several hands it adds up.", 1_000
        ),
        "meals_given": fields.number(
            "sum", "发放食品", "Meals given", "Given by several hands it adds up.", 1_000
        ),
        "quilts_given": fields.number(
            "sum", "发放棉被", "Quilts given", "Given by several hands it adds up.", 1_000
        ),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A patrol begins when it is written down.",
            firsts={"starts_at_ms": "@now", "status": "under_way"},
            adds={"walkers": "@worker"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("done",),
            firsts={"ends_at_ms": "@now"},
        ),
    ),
)
