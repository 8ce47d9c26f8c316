# SPDX-License-Identifier: Apache-2.0
"""Totals: everything in the record, by area; the figures that were published are of this kind."""

from __future__ import annotations

from server.reports.common import HOUSEHOLDS, SOLVED_SQL
from server.reports.define import Report, Share, Source, both, count

TOTALS = Report(
    name="totals",
    label=both("台账总数", "Totals"),
    words=both(
        "记录中现有的全部数据，不限日期。作废的不计；并入他户的户按并入后的一户计。",
        "All that the record holds, whatever the day. What was voided counts nowhere; a household"
        " joined into another counts as that one.",
    ),
    whole_record=True,
    sources={
        "household": HOUSEHOLDS,
        "visited": Source(
            "facts_household f JOIN (SELECT DISTINCT home FROM facts_visit) v ON v.home = f.home",
            "f.own = f.home",
        ),
        "person": Source("facts_person f"),
        "visit": Source("facts_visit f"),
        "need": Source("facts_need f"),
        "conflict": Source(
            "(SELECT DISTINCT r.n AS n, h.area AS area FROM conflicts c"
            " JOIN records r ON r.id = c.record JOIN facts_home h ON h.n = r.home"
            " WHERE c.state = 'open' AND c.settled_at_ms IS NULL) f"
        ),
    },
    figures=(
        count(
            "households", "household", "户数", "Households", "在册的户。", "Households on the list."
        ),
        count("people", "person", "人数", "People", "在册的人员。", "People on the list."),
        count(
            "visits",
            "visit",
            "服务记录",
            "Service records",
            "走访与电话各计一条，敲门未应的也计。",
            "Each visit or telephone call, the door that stayed shut included.",
        ),
        count(
            "visited",
            "visited",
            "走访到的户",
            "Households visited",
            "至少有一条服务记录的户。",
            "Households with at least one service record.",
        ),
        count("needs", "need", "问题", "Problems", "发现的全部问题。", "All problems found."),
        count(
            "solved",
            "need",
            "已解决",
            "Solved",
            "状态为已解决、本人已确认或已办结；重新打开的不计。",
            "Solved, confirmed by the person or closed; not those reopened.",
            SOLVED_SQL,
        ),
        count(
            "open",
            "need",
            "未解决",
            "Unsolved",
            "其余的问题，含已转办和重新打开的。",
            "All other problems, those referred or reopened included.",
            f"NOT coalesce({SOLVED_SQL}, 1 = 0)",
        ),
        count(
            "conflicts",
            "conflict",
            "待定记录",
            "Records in conflict",
            "有冲突等待人工决定的记录。",
            "Records with a conflict that waits for a person.",
        ),
    ),
    shares=(
        Share(
            name="coverage",
            part="visited",
            whole="households",
            label=both("覆盖率", "Coverage"),
            words=both("走访到的户占户数。", "Households visited of all households."),
        ),
        Share(
            name="solved_share",
            part="solved",
            whole="needs",
            label=both("解决率", "Solved, share"),
            words=both("已解决占问题。", "Solved of all problems."),
        ),
    ),
)
