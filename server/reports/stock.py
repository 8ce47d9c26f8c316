# SPDX-License-Identifier: Apache-2.0
"""Stock: what lies on the shelves, of areas by goods and of each point.

What lives here: the reckoning of ``sync.fieldwork.stock`` as SQL over the facts, and two reports of
it. What must not: handing over (``supplies``). Invariant: both reckon alike (a test compares them):
movements, less what parcels took off the shelf without a slip of their own.
"""

from __future__ import annotations

from server.reports.define import Dimension, Figure, Report, Source, both, count, listed
from sync.collections.shortage import GOODS
from sync.collections.stock_movement import ADDING
from sync.fieldwork import GOODS_OF_PARCEL, OFF_THE_SHELF

_ADDS = f"x.direction IN ({listed(ADDING)})"
_SLIPS = (
    "SELECT x.n AS n, x.area AS area, x.own AS point, x.goods AS goods,"
    f" CASE WHEN {_ADDS} THEN coalesce(x.quantity, 0) ELSE 0 END AS came,"
    f" CASE WHEN {_ADDS} THEN 0 ELSE coalesce(x.quantity, 0) END AS went, 0 AS packed"
    ' FROM facts_stock_movement x WHERE x."on" <= :until'
)


def _of_parcels(column: str, goods: str) -> str:
    return (
        f"SELECT p.n, h.area, h.n, '{goods}', 0, 0, p.{column}"
        " FROM facts_parcel p JOIN facts_home h ON h.id = p.stock_point"
        f" WHERE p.{column} <> 0 AND p.status IN ({listed(OFF_THE_SHELF)})"
        " AND coalesce(p.handed_over_at_ms, 0) < :end_ms"
    )


_SHELF = " UNION ALL ".join([_SLIPS, *(_of_parcels(*pair) for pair in GOODS_OF_PARCEL.items())])
_BALANCE = "f.came - f.went - f.packed"
_HOW = both(
    "入库、调入、盘盈，减出库、调出、损耗、盘亏，再减已备货、配送中、已送达或未收到的配送；"
    "为负说明有入库没有登记。",
    "What was received, moved in or counted more, less what was handed out, moved out, spoilt or"
    " counted less, less parcels packed, on the way, handed over or not received; below zero"
    " something that came in was not written down.",
)


def _quantity(name: str, zh: str, en: str, words_zh: str, words_en: str, amount: str) -> Figure:
    return Figure(
        name=name,
        source="shelf",
        where=f"({amount}) <> 0",
        amount=amount,
        unit="件",
        label=both(zh, en),
        words=both(words_zh, words_en),
    )


STOCK = Report(
    name="stock",
    label=both("物资库存", "Stock"),
    words=both(
        "各区域内物资点截止日的库存，由出入库流水与配送相加得出；可按社区分列。",
        "What lies in the stock points of each area at the end of the last day, added up from all"
        " movements and parcels; by community where asked.",
    ),
    level="community",
    dimension=Dimension(name="goods", label=both("物资", "Goods"), sql="f.goods", choices=GOODS),
    sources={"shelf": Source(f"({_SHELF}) f")},
    figures=(
        _quantity(
            "received",
            "累计入库",
            "Received",
            "入库、调入与盘盈的数量。",
            "Received, moved in and counted more.",
            "f.came",
        ),
        _quantity(
            "given",
            "累计出库",
            "Given out",
            "出库、调出、损耗与盘亏的数量。",
            "Handed out, moved out, spoilt and counted less.",
            "f.went",
        ),
        _quantity(
            "packed",
            "配送取用",
            "Taken by parcels",
            "已备货、配送中、已送达或未收到的配送从物资点取走的数量；取消或退回的不计。",
            "Taken from the points by parcels that are packed, on the way, handed over or not"
            " received; not by those called off or brought back.",
            "f.packed",
        ),
        _quantity("balance", "库存", "In stock", _HOW.zh, _HOW.en, _BALANCE),
    ),
)


def _of(goods: str, zh: str, en: str) -> Figure:
    return Figure(
        name=goods,
        source="shelf",
        where=f"f.goods = '{goods}'",
        amount=_BALANCE,
        unit="件",
        label=both(zh, en),
        words=both(f"{zh}的库存：{_HOW.zh}", f"{en} in stock. {_HOW.en}"),
    )


STOCK_POINTS = Report(
    name="stock-points",
    label=both("物资点库存", "Stock by point"),
    words=both(
        "每个物资点截止日各种物资的库存，一点一行；没有流水的物资点也列出。",
        "What lies in each stock point at the end of the last day, a row for each point, those"
        " without any movement included.",
    ),
    level="community",
    dimension=Dimension(name="point", label=both("物资点", "Stock point"), sql="f.called"),
    sources={
        "point": Source(
            "(SELECT n, area, coalesce(name, '') AS called, closed FROM facts_stock_point) f"
        ),
        "shelf": Source(
            "(SELECT y.n, y.area, y.goods, y.came, y.went, y.packed, coalesce(s.name, '') AS called"
            f" FROM ({_SHELF}) y LEFT JOIN facts_stock_point s ON s.own = y.point) f"
        ),
    },
    figures=(
        count(
            "points",
            "point",
            "物资点数",
            "Points",
            "在用的物资点；已停用的不计。",
            "Stock points in use, not those given up.",
            "coalesce(f.closed, 0) = 0",
        ),
        *(_of(one.value, one.label.zh, one.label.en) for one in GOODS),
    ),
)
