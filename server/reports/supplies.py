# SPDX-License-Identifier: Apache-2.0
"""Supplies: what lies at each point, what was handed over, what households still lack."""

from __future__ import annotations

from server.reports.common import HOUSEHOLDS
from server.reports.define import Dimension, Figure, Report, Source, both, count, listed
from sync.collections.declare import ENDED
from sync.collections.shortage import GOODS
from sync.collections.stock_movement import ADDING

_ADDS = f"f.direction IN ({listed(ADDING)})"
_GOODS = Dimension(name="goods", label=both("物资", "Goods"), sql="f.goods", choices=GOODS)


def _quantity(name: str, zh: str, en: str, words_zh: str, words_en: str, amount: str) -> Figure:
    return Figure(
        name=name,
        source="movement",
        amount=amount,
        unit="件",
        label=both(zh, en),
        words=both(words_zh, words_en),
    )


STOCK = Report(
    name="stock",
    label=both("物资库存", "Stock"),
    words=both(
        "各物资点所在区域截止日的库存，由出入库流水相加得出；级别取 community 即每个社区点一行。",
        "What lies in the stock points of each area at the end of the last day, added up from all"
        " movements; level community gives each community's point a row.",
    ),
    level="community",
    dimension=_GOODS,
    sources={"movement": Source("facts_stock_movement f", 'f."on" <= :until')},
    figures=(
        _quantity(
            "received",
            "累计入库",
            "Received",
            "入库、调入与盘盈的数量。",
            "Received, moved in and counted more.",
            f"CASE WHEN {_ADDS} THEN coalesce(f.quantity, 0) ELSE 0 END",
        ),
        _quantity(
            "given",
            "累计出库",
            "Given out",
            "出库、调出、损耗与盘亏的数量。",
            "Handed out, moved out, spoilt and counted less.",
            f"CASE WHEN {_ADDS} THEN 0 ELSE coalesce(f.quantity, 0) END",
        ),
        _quantity(
            "balance",
            "库存",
            "In stock",
            "累计入库减累计出库；为负说明有入库没有登记。",
            "Received less given out; below zero something that came in was not written down.",
            f"CASE WHEN {_ADDS} THEN 1 ELSE -1 END * coalesce(f.quantity, 0)",
        ),
    ),
)


def _packed(name: str, column: str, zh: str, en: str, unit: str) -> Figure:
    return Figure(
        name=name,
        source="parcel",
        where="f.status = 'handed_over'",
        amount=f"coalesce(f.{column}, 0)",
        unit=unit,
        label=both(zh, en),
        words=both(f"期内送达的{zh}。", f"{en}, handed over in the days."),
    )


PARCELS = Report(
    name="parcels",
    label=both("物资配送", "Shortages and parcels"),
    words=both(
        "期内送达的物资、截止时在途的配送和仍然短缺的户。",
        "What was handed over in the days, what was on the way at their end, and who still lacks"
        " something.",
    ),
    sources={
        "parcel": Source(
            "facts_parcel f", "f.handed_over_at_ms >= :start_ms AND f.handed_over_at_ms < :end_ms"
        ),
        "waiting": Source("facts_parcel f", "f.status IN ('asked', 'packed', 'on_the_way')"),
        "missing": Source("facts_parcel f", "f.status = 'missing'"),
        "shortage": Source(
            "facts_shortage f",
            f"coalesce(f.status, '') NOT IN ({listed(ENDED)})"
            " AND coalesce(f.found_at_ms, 0) < :end_ms",
        ),
        "household": HOUSEHOLDS,
    },
    figures=(
        count(
            "handed_over",
            "parcel",
            "送达",
            "Handed over",
            "期内送达的配送。",
            "Parcels handed over in the days.",
            "f.status = 'handed_over'",
        ),
        _packed("rice_kg", "rice_kg", "大米", "Rice", "kg"),
        _packed("vegetables_kg", "vegetables_kg", "蔬菜", "Vegetables", "kg"),
        _packed("water", "water_bottles", "饮用水", "Bottles of water", "瓶"),
        _packed("masks", "masks", "口罩", "Masks", "个"),
        _packed("medicine", "medicine_packs", "药品", "Packs of medicine", "盒"),
        _packed("care_parcels", "care_parcels", "爱心包", "Care parcels", "个"),
        count(
            "waiting",
            "waiting",
            "待送",
            "To be brought",
            "待备货、已备货或配送中的配送（现在）。",
            "Parcels asked for, packed or on the way now.",
        ),
        count(
            "missing",
            "missing",
            "未收到",
            "Not received",
            "有人报告没有收到的配送（现在）。",
            "Parcels that someone says did not arrive, now.",
        ),
        count(
            "lacking",
            "shortage",
            "仍然短缺",
            "Shortages open",
            "截止时尚未送达的短缺。",
            "Shortages found by the end of the days and not ended.",
        ),
        count(
            "lacking_urgent",
            "shortage",
            "其中紧急",
            "of them urgent",
            "紧急、危及生命，或最迟日期已过。",
            "Urgent, a life at risk, or needed before now.",
            "f.urgency IN ('urgent', 'life') OR f.need_by < :until",
        ),
        count(
            "households", "household", "户数", "Households", "在册的户。", "Households on the list."
        ),
    ),
)
