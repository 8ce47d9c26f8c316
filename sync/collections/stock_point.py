# SPDX-License-Identifier: Apache-2.0
"""Stock point: a shelf of supplies and who keeps it.

What lives here: the declaration of one collection. What must not: what is on the shelf, which is
counted from the movements (``stock_movement``) so that nothing is kept twice.
"""

from __future__ import annotations

from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.collections.shortage import GOODS
from sync.schema import Collection, Label

KINDS = choices(
    ("community", "社区点", "Community"),
    ("street", "街道仓", "Street store"),
    ("district", "区仓", "District store"),
    ("charity", "慈善点", "Charity"),
    ("shop", "合作商店", "Shop"),
)

STOCK_POINT = Collection(
    name="stock_point",
    label=Label(zh="物资点", en="Stock point"),
    fields={
        "area": fields.AREA,
        "name": fields.line(
            "ask", "名称", "Name", "Carriers ask for it by name.", required=True, searched=True
        ),
        "kind": fields.pick(
            "ask", "类型", "Kind", "It decides who fills it up.", KINDS, required=True
        ),
        "address": fields.line(
            "ask", "地址", "Address", "A carrier sent to a wrong place comes too late."
        ),
        "keeper": fields.line(
            "ask",
            "负责人",
            "Keeper",
            "One answers for the shelf: two names are none.",
            chars=declare.NAME_CHARS,
        ),
        "phone": fields.phone("电话", "Phone", "A wrong number is found out too late."),
        "goods": fields.pick(
            "union", "物资种类", "Goods kept", "What anyone brought in is there.", GOODS
        ),
        "open_hours": fields.line(
            "latest", "开放时间", "Open", "Told anew each time; the last word is the useful one."
        ),
        "closed": fields.yes_no(
            "ask", "已停用", "Given up", "A shelf is given up by decision, never by a rule."
        ),
        "notes": declare.NOTES,
    },
)
