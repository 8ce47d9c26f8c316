# SPDX-License-Identifier: Apache-2.0
"""Supplies: what was handed over and what households still lack; the shelves are ``stock``'s."""

from __future__ import annotations

from server.reports.common import HOUSEHOLDS
from server.reports.define import Figure, Report, Source, both, count, listed
from sync.collections.declare import ENDED


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
