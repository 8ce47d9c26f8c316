# SPDX-License-Identifier: Apache-2.0
"""Supervision (督导): inspections, findings, what was put right by when."""

from __future__ import annotations

from server.reports.define import Dimension, Report, Share, Source, both, count
from sync.collections.finding import WEIGHTS

_RIGHT = "f.status IN ('put_right', 'checked', 'closed')"
_OPEN = f"NOT coalesce({_RIGHT}, 1 = 0)"

SUPERVISION = Report(
    name="supervision",
    label=both("督导整改", "Supervision"),
    words=both(
        "截止日前督导发现的全部问题及其整改，按程度；督导次数为期内的。",
        "All findings of inspections up to the last day and what became of them, by weight;"
        " inspections are those of the days.",
    ),
    dimension=Dimension(
        name="weight", label=both("程度", "Weight"), sql="f.weight", choices=WEIGHTS
    ),
    sources={
        "finding": Source(
            "(SELECT x.n AS n, x.area AS area, x.status AS status, x.weight AS weight,"
            " x.put_right_by AS put_right_by, x.put_right_on AS put_right_on"
            " FROM facts_finding x JOIN facts_inspection i ON i.own = x.own"
            ' WHERE i."on" <= :until) f'
        ),
        "inspection": Source(
            "(SELECT n, area, grade, NULL AS weight FROM facts_inspection"
            ' WHERE "on" >= :since AND "on" <= :until) f'
        ),
    },
    figures=(
        count(
            "inspections",
            "inspection",
            "督导次数",
            "Inspections",
            "日期在期内的督导。",
            "Inspections in the days.",
        ),
        count(
            "poor",
            "inspection",
            "评价差",
            "Graded poor",
            "总体评价为差的。",
            "Of them graded poor.",
            "f.grade = 'poor'",
        ),
        count(
            "findings",
            "finding",
            "发现问题",
            "Findings",
            "督导发现的全部问题。",
            "All findings of these inspections.",
        ),
        count(
            "put_right",
            "finding",
            "已整改",
            "Put right",
            "已整改、已复核或已销号。",
            "Put right, checked or closed.",
            _RIGHT,
        ),
        count(
            "in_time",
            "finding",
            "按期整改",
            "Put right in time",
            "已整改且完成日期不晚于期限（没有完成日期或期限的不计）。",
            "Put right on or before the day set; not those without either day.",
            f"{_RIGHT} AND f.put_right_on <= f.put_right_by",
        ),
        count("left", "finding", "未整改", "Not put right", "其余的问题。", "All others.", _OPEN),
        count(
            "overdue",
            "finding",
            "超期未整改",
            "Overdue",
            "未整改且期限早于截止日。",
            "Not put right, and the day set lies before the last day.",
            f"{_OPEN} AND f.put_right_by < :until",
        ),
    ),
    shares=(
        Share(
            name="put_right_share",
            part="put_right",
            whole="findings",
            label=both("整改率", "Put right, share"),
            words=both("已整改占发现问题。", "Put right of all findings."),
        ),
    ),
)
