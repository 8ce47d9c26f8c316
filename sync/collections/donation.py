# SPDX-License-Identifier: Apache-2.0
"""Donation: what someone gives, pledged, arrived, given on, and to whom.

What lives here: the declaration of one collection. What must not: the shelf it lies on
(``stock_movement``). Invariant: amounts that arrive or go on in parts add up; money is whole fen.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.collections.shortage import GOODS
from sync.schema import Collection, Label

STAGES = choices(
    ("closed", "已公示办结", "Published and closed"),
    ("done", "已全部转交", "All given on"),
    ("withdrawn", "已撤回", "Withdrawn"),
    ("arrived", "已到位", "Arrived"),
    ("pledged", "已认捐", "Pledged"),
    ("questioned", "待核实", "To be looked into"),
)
DONORS = choices(
    ("company", "企业", "Company"),
    ("charity", "慈善组织", "Charity"),
    ("person", "个人", "Person"),
    ("office", "机关单位", "Public office"),
    ("nameless", "匿名", "Nameless"),
)
_GIFT = "A gift is accounted for to its giver: two answers must become one."
_PARTS = "It comes and goes in parts through several hands: they add up."

DONATION = Collection(
    name="donation",
    label=Label(zh="捐赠", en="Donation"),
    fields={
        "area": fields.AREA,
        "donor": fields.line("ask", "捐赠人", "Donor", _GIFT, required=True, searched=True),
        "donor_kind": fields.pick("ask", "捐赠人类型", "Kind of donor", _GIFT, DONORS),
        "donor_phone": fields.phone("捐赠人电话", "Donor's phone", _GIFT),
        "purpose": fields.line("ask", "指定用途", "Meant for", _GIFT),
        "status": fields.status("Whatever is left to hand on or to look into is shown.", STAGES),
        "goods": fields.pick("ask", "物资", "Goods", _GIFT, GOODS),
        "unit": fields.line("ask", "单位", "Unit", _GIFT, chars=20),
        "pledged": fields.number("ask", "认捐数量", "Pledged", _GIFT, 10_000_000),
        "arrived": fields.number("sum", "到位数量", "Arrived", _PARTS, 10_000_000),
        "given_on": fields.number("sum", "转交数量", "Given on", _PARTS, 10_000_000),
        "pledged_fen": fields.money("ask", "认捐金额", "Money pledged", _GIFT),
        "arrived_fen": fields.money("sum", "到账金额", "Money arrived", _PARTS),
        "given_on_fen": fields.money("sum", "拨付金额", "Money given on", _PARTS),
        "pledged_on": fields.day("ask", "认捐日期", "Pledged on", _GIFT),
        "given_to": fields.link(
            "union", "受赠户", "Given to", "All who got of it are named.", "household"
        ),
        "given_to_institutions": fields.link(
            "union", "受赠机构", "Given to institutions", "All who got of it.", "institution"
        ),
        "receipt": fields.link(
            "ask", "捐赠票据", "Receipt", "One receipt is in force.", "attachment"
        ),
        "thanks": fields.words("致谢", "Thanks", "Words of thanks stand beside each other."),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "pledged", "pledged_on": "@today"},
        ),
    ),
)
