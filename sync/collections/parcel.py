# SPDX-License-Identifier: Apache-2.0
"""Parcel: things packed for a household, on their way, handed over with a signature or photo.

What lives here: the declaration of one collection. What must not: the stock it is taken from
(``stock_movement``). Invariant: amounts put in by several hands add up; a parcel counts as handed
over only when nobody says otherwise.
"""

from __future__ import annotations

from sync.behaviour import Fill, Follows, Step
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.collections.shortage import GOODS
from sync.schema import Collection, Field, Label

STAGES = choices(
    ("handed_over", "已送达", "Handed over"),
    ("brought_back", "已退回", "Brought back"),
    ("cancelled", "已取消", "Called off"),
    ("on_the_way", "配送中", "On the way"),
    ("packed", "已备货", "Packed"),
    ("asked", "待备货", "Asked for"),
    ("missing", "未收到", "Not received"),
)
PLACES = choices(
    ("hand", "交到本人", "Into their hands"),
    ("family", "交给家人", "To family"),
    ("neighbour", "交给邻居", "To a neighbour"),
    ("door", "放在门口", "Left at the door"),
)


def _packed(zh: str, en: str, maximum: int, unit: str = "") -> Field:
    why = "Put in by several hands it adds up, whatever the order."
    return fields.number("sum", zh, en, why, maximum, unit=unit)


PARCEL = Collection(
    name="parcel",
    label=Label(zh="物资配送", en="Parcel"),
    fields={
        "household": declare.HOUSEHOLD,
        "shortages": fields.link(
            "union", "对应短缺", "For shortages", "One parcel may answer several.", "shortage"
        ),
        "stock_point": fields.link(
            "ask",
            "出库点",
            "From stock point",
            "It is taken off one shelf only.",
            "stock_point",
        ),
        "goods": fields.pick(
            "union", "物资", "Goods", "What anyone put in is in.", GOODS, required=True
        ),
        "rice_kg": _packed("大米重量", "Rice", 200, "kg"),
        "vegetables_kg": _packed("蔬菜重量", "Vegetables", 200, "kg"),
        "water_bottles": _packed("饮用水瓶数", "Bottles of water", 500),
        "masks": _packed("口罩数", "Masks", 5_000),
        "disinfectant_bottles": _packed("消毒液瓶数", "Bottles of disinfectant", 200),
        "medicine_packs": _packed("药品盒数", "Packs of medicine", 500),
        "care_parcels": _packed("爱心包数", "Care parcels", 200),
        "status": fields.status(
            "What anyone says has not arrived is looked for until it has.", STAGES
        ),
        "carrier": fields.worker("ask", "配送人", "Carrier", "One carries it: two names are none."),
        "handed_over_at_ms": fields.moment(
            "ask", "送达时间", "Handed over at", "Two times mean that one of them was not it."
        ),
        "handed_to": fields.pick(
            "ask", "交接方式", "Handed to", "It must be known who has it.", PLACES
        ),
        "receiver": fields.line(
            "ask",
            "签收人",
            "Received by",
            "It must be known who has it.",
            chars=declare.NAME_CHARS,
        ),
        "signature": fields.SIGNATURE,
        "photos": fields.PHOTOS,
        "paid_fen": fields.money(
            "ask", "自付金额", "Paid by the household", "Money is never settled by a rule."
        ),
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
            values=("on_the_way", "handed_over"),
            firsts={"carrier": "@worker"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("handed_over",),
            firsts={"handed_over_at_ms": "@now"},
        ),
    ),
    follows=(
        Follows(
            why="The shortages it answers go the same way.",
            field="status",
            values=("packed", "on_the_way", "handed_over"),
            link="shortages",
            sets={"status": "=status"},
        ),
        Follows(
            why="What did not arrive is lacking as before.",
            field="status",
            values=("missing", "brought_back", "cancelled"),
            link="shortages",
            sets={"status": "reopened"},
        ),
    ),
    steps=(
        Step(
            why="That it arrived is shown by a signature or a photo.",
            values=("handed_over",),
            needs=("signature", "photos"),
        ),
    ),
)
