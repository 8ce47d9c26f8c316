# SPDX-License-Identifier: Apache-2.0
"""Journey: a way out of a zone or to the clinic, with its pass and company (通行证, 送医).

What lives here: the declaration of one collection. What must not: the zone itself (``zone``).
Invariants: a journey that one says is still needed is arranged; of two words about how ill someone
is, the graver is acted on.
"""

from __future__ import annotations

from sync.behaviour import Fill, Step
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.collections.need import URGENCIES
from sync.schema import Collection, Label

KINDS = choices(
    ("dialysis", "透析", "Dialysis"),
    ("chemotherapy", "化疗", "Chemotherapy"),
    ("birth", "分娩产检", "Birth or antenatal care"),
    ("emergency", "急诊", "Emergency"),
    ("medicine", "配药", "Fetching medicine"),
    ("check_up", "复诊", "Check-up"),
    ("funeral", "奔丧", "Funeral"),
    ("work", "保供上岗", "Essential work"),
    ("other", "其他", "Other"),
)
STAGES = choices(
    ("done", "已返回", "Back home"),
    ("cancelled", "已取消", "Called off"),
    ("arrived", "已送达", "Arrived"),
    ("under_way", "途中", "Under way"),
    ("permitted", "已批准", "Permitted"),
    ("asked", "待批准", "Asked for"),
    ("denied", "未批准", "Denied"),
    ("reopened", "仍需出行", "Still needed"),
)
_PASS = "A guard at the gate reads it: two answers must become one."

JOURNEY = Collection(
    name="journey",
    label=Label(zh="通行送医", en="Journey"),
    keep_days=365,
    kept_from="back_at_ms",
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "kind": fields.pick("ask", "事由", "Reason", _PASS, KINDS, required=True),
        "urgency": fields.pick(
            "highest", "紧急程度", "Urgency", "The graver judgement is acted on.", URGENCIES
        ),
        "status": fields.status("Whatever leaves someone waiting or under way is shown.", STAGES),
        "zone": fields.link("ask", "所在管控区", "Out of zone", _PASS, "zone"),
        "from_place": fields.line("ask", "出发地", "From", _PASS),
        "to_place": fields.line("ask", "目的地", "To", _PASS),
        "leaves_at_ms": fields.moment(
            "ask", "出发时间", "Leaves at", "A car and a bed wait: two times must become one."
        ),
        "back_at_ms": fields.moment("ask", "返回时间", "Back at", _PASS),
        "repeats": fields.line(
            "ask", "周期", "Repeats", "A missed dialysis kills: a person settles the days."
        ),
        "pass_number": fields.line("ask", "通行证号", "Pass number", _PASS, chars=40),
        "pass_from": fields.day("ask", "有效期起", "Valid from", _PASS),
        "pass_until": fields.day("ask", "有效期止", "Valid until", _PASS),
        "granted_by": fields.worker("ask", "批准人", "Granted by", _PASS),
        "escorts": fields.worker("union", "陪同人", "Escorts", "All who come along are named."),
        "vehicle": fields.line("latest", "车辆", "Vehicle", "The car named last comes.", chars=40),
        "driver_phone": fields.phone("司机电话", "Driver's phone", "A wrong number loses an hour."),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "asked"},
        ),
        Fill(
            why="Whoever marks it answers for it.",
            field="status",
            values=("permitted",),
            firsts={"granted_by": "@worker"},
        ),
        Fill(
            why="Whoever marks it answers for it.",
            field="status",
            values=("under_way",),
            adds={"escorts": "@worker"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("done",),
            firsts={"back_at_ms": "@now"},
        ),
    ),
    steps=(
        Step(
            why="The guard at the gate asks for the pass.",
            values=("permitted",),
            needs=("pass_number", "pass_until"),
        ),
    ),
)
