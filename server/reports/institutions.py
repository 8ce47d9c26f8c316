# SPDX-License-Identifier: Apache-2.0
"""Institutions (敬老院, 福利院): who lives and works there, who may enter, temperatures."""

from __future__ import annotations

from server.reports.define import Dimension, Figure, Report, Share, Source, both, count
from sync.collections.institution import KINDS

FEVER_TENTHS = 373
"""37.3 °C: from here the ledgers of the city call it a fever."""
SUPPLY_DAYS_MIN = 3
"""Fewer days of supplies than this are short: a lorry to a closed house takes two."""

_AT = "JOIN facts_institution i ON i.own = x.own"
_MEASURED = (
    "(SELECT DISTINCT r.n AS n FROM facts_temperature_reading t JOIN records r ON r.id = t.resident"
    " WHERE t.at_ms >= :last_ms AND t.at_ms < :end_ms)"
)
"""The residents of whom a reading names them on the last day."""


def _sum(name: str, zh: str, en: str, column: str) -> Figure:
    return Figure(
        name=name,
        source="institution",
        amount=f"coalesce(f.{column}, 0)",
        unit="床",
        label=both(zh, en),
        words=both("各机构登记的床位之和。", "Beds that the institutions have, added up."),
    )


_HOUSES = (
    count(
        "institutions",
        "institution",
        "机构",
        "Institutions",
        "在册的机构。",
        "Institutions on the list.",
    ),
    count(
        "closed_off",
        "institution",
        "封闭管理",
        "Closed off",
        "出入管理为封闭的机构（现在）。",
        "Institutions that nobody enters or leaves, now.",
        "f.entry = 'closed_off'",
    ),
    count(
        "restricted",
        "institution",
        "限制进入",
        "Entry restricted",
        "限制进入或须预约的机构（现在）。",
        "Institutions with entry restricted or by appointment, now.",
        "f.entry IN ('restricted', 'booked')",
    ),
    count(
        "suspended",
        "institution",
        "暂停探视",
        "Visits suspended",
        "截止日暂停探视的机构；起止日期没有填的，视为仍在暂停。",
        "Institutions whose family visits are suspended on the last day; where a day is not given,"
        " still so.",
        "f.visits = 'suspended' AND (f.suspended_from IS NULL OR f.suspended_from <= :until)"
        " AND (f.suspended_until IS NULL OR f.suspended_until >= :until)",
    ),
    count(
        "short",
        "institution",
        "物资不足",
        "Short of supplies",
        f"物资可用不足 {SUPPLY_DAYS_MIN} 天的机构（现在）。",
        f"Institutions with supplies for less than {SUPPLY_DAYS_MIN} days, now.",
        f"f.supply_days < {SUPPLY_DAYS_MIN}",
    ),
    _sum("beds", "床位", "Beds", "beds"),
)
_PEOPLE = (
    count(
        "living_in",
        "resident",
        "在院",
        "Residents there",
        "状态为在院的人员（现在）。",
        "Residents who live there now.",
        "f.status = 'living_in'",
    ),
    count(
        "away",
        "resident",
        "外出住院",
        "On leave or in hospital",
        "请假外出或住院的人员（现在）。",
        "Residents on leave or in hospital now.",
        "f.status IN ('on_leave', 'in_hospital')",
    ),
    count(
        "missing",
        "resident",
        "去向不明",
        "Whereabouts unknown",
        "去向不明的人员（现在）。",
        "Residents of whom nobody knows where they are, now.",
        "f.status = 'missing'",
    ),
    count(
        "came",
        "resident",
        "期内入院",
        "Came in the days",
        "入院日期在期内的人员。",
        "Residents who came in the days.",
        "f.came_on >= :since AND f.came_on <= :until",
    ),
    count(
        "left",
        "resident",
        "期内离院",
        "Left in the days",
        "离院日期在期内的人员。",
        "Residents who left in the days.",
        "f.left_on >= :since AND f.left_on <= :until",
    ),
    count(
        "on_duty",
        "staff",
        "在岗人员",
        "Staff on duty",
        "在岗或驻院的工作人员（现在）。",
        "Staff on duty or living in, now.",
        "f.duty IN ('on_duty', 'living_in')",
    ),
    count(
        "isolated",
        "staff",
        "隔离人员",
        "Staff isolated",
        "隔离的工作人员（现在）。",
        "Staff who are isolated now.",
        "f.duty = 'isolated'",
    ),
)
_LEDGER = (
    count(
        "readings",
        "reading",
        "体温登记",
        "Temperature readings",
        "期内登记的体温。",
        "Temperatures taken in the days.",
    ),
    count(
        "fevers",
        "reading",
        "发热",
        "Fevers",
        "期内不低于 37.3 °C 的体温登记。",
        "Readings of 37.3 °C or more in the days.",
        f"f.temperature_c >= {FEVER_TENTHS}",
    ),
    count(
        "visitors",
        "reading",
        "其中访客",
        "of them visitors",
        "期内为访客测量的体温登记。",
        "Readings in the days that were taken of visitors.",
        "f.whom = 'visitor'",
    ),
    count(
        "measured",
        "resident",
        "当日已测",
        "Measured on the last day",
        "在院且截止日有体温登记的人员。",
        "Residents who live there and of whom a temperature stands in the ledger of the last day.",
        "f.status = 'living_in' AND f.measured = 1",
    ),
    count(
        "unmeasured",
        "resident",
        "当日未测",
        "Not measured on the last day",
        "在院而截止日没有体温登记的人员。",
        "Residents who live there and of whom none does.",
        "f.status = 'living_in' AND f.measured = 0",
    ),
)

INSTITUTIONS = Report(
    name="institutions",
    label=both("机构", "Institutions"),
    words=both(
        "养老、儿童福利等机构：在院人员、出入与探视、期内的体温台账，按机构类型。",
        "Homes for the old, for children and others: who lives there, entry and family visits, and"
        " the temperature ledger of the days, by kind of institution.",
    ),
    dimension=Dimension(name="kind", label=both("类型", "Kind"), sql="f.kind", choices=KINDS),
    sources={
        "institution": Source("facts_institution f"),
        "resident": Source(
            "(SELECT x.n, x.area, x.status, x.came_on, x.left_on, i.kind,"
            " CASE WHEN m.n IS NULL THEN 0 ELSE 1 END AS measured"
            f" FROM facts_resident_stay x {_AT} LEFT JOIN {_MEASURED} m ON m.n = x.n) f"
        ),
        "staff": Source(f"(SELECT x.n, x.area, x.duty, i.kind FROM facts_staff x {_AT}) f"),
        "reading": Source(
            "(SELECT x.n, x.area, x.whom, x.temperature_c, i.kind"
            f" FROM facts_temperature_reading x {_AT}"
            " WHERE x.at_ms >= :start_ms AND x.at_ms < :end_ms) f"
        ),
    },
    figures=(*_HOUSES, *_PEOPLE, *_LEDGER),
    shares=(
        Share(
            name="measured_share",
            part="measured",
            whole="living_in",
            label=both("测温率", "Measured, share"),
            words=both("当日已测占在院。", "Measured on the last day of all who live there."),
        ),
    ),
)
