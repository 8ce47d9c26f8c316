# SPDX-License-Identifier: Apache-2.0
"""Stock movement: what came onto or left one shelf on one slip.

What lives here: the declaration of one collection. What must not: a running total, which is the
sum over the slips. Invariant: amounts of several tablets on one slip add up; a count of the shelf
that finds less is a slip of its own.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.collections.shortage import GOODS
from sync.schema import Collection, Label

DIRECTIONS = choices(
    ("received", "入库", "Received"),
    ("handed_out", "出库", "Handed out"),
    ("moved_out", "调出", "Moved to another point"),
    ("moved_in", "调入", "Moved from another point"),
    ("spoilt", "损耗", "Spoilt"),
    ("counted_more", "盘盈", "Counted more"),
    ("counted_less", "盘亏", "Counted less"),
)
ADDING = frozenset({"received", "moved_in", "counted_more"})
"""Directions that put things on the shelf; the others take them off."""
_SLIP = "The shelf is reckoned by it: two answers must become one."

STOCK_MOVEMENT = Collection(
    name="stock_movement",
    label=Label(zh="出入库", en="Stock movement"),
    fields={
        "household": fields.home("stock_point", "物资点", "Stock point"),
        "direction": fields.pick("ask", "出入", "Direction", _SLIP, DIRECTIONS, required=True),
        "goods": fields.pick("ask", "物资", "Goods", _SLIP, GOODS, required=True),
        "quantity": fields.number(
            "sum",
            "数量",
            "Quantity",
            "Each tablet adds what passed through its hands; all of it moved.",
            100_000,
        ),
        "unit": fields.line("ask", "单位", "Unit", _SLIP, chars=20),
        "on": fields.day("ask", "日期", "Day", _SLIP, required=True),
        "parcels": fields.link(
            "union", "对应配送", "For parcels", "One slip may fill several.", "parcel"
        ),
        "donation": fields.link(
            "ask", "来自捐赠", "From donation", "A gift is counted in once.", "donation"
        ),
        "other_point": fields.link("ask", "对方物资点", "Other point", _SLIP, "stock_point"),
        "best_before": fields.day(
            "lowest", "保质期至", "Best before", "The earlier date is the safe one."
        ),
        "workers": fields.WORKERS,
        "photos": fields.PHOTOS,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="Goods move when it is written down.",
            firsts={"on": "@today"},
            adds={"workers": "@worker"},
        ),
    ),
)
