# SPDX-License-Identifier: Apache-2.0
"""Volunteers (时间银行): who there is, hours given and redeemed, people served."""

from __future__ import annotations

from server.reports.define import Figure, Report, Source, both, count

_IN_DAYS = 'f."on" >= :since AND f."on" <= :until'


def _minutes(name: str, zh: str, en: str, words_zh: str, words_en: str, where: str) -> Figure:
    return Figure(
        name=name,
        source="hours",
        amount="coalesce(f.minutes, 0)",
        unit="min",
        where=where,
        label=both(zh, en),
        words=both(words_zh, words_en),
    )


VOLUNTEERS = Report(
    name="volunteers",
    label=both("志愿服务", "Volunteers"),
    words=both(
        "在册志愿者，期内的服务时长（分钟）与活动。有异议和不计入的时长不算。",
        "Volunteers on the list, service hours (in minutes) and activities in the days. Hours that"
        " are disputed or not counted do not count.",
    ),
    sources={
        "volunteer": Source("facts_volunteer f", "f.standing = 'active' OR f.standing IS NULL"),
        "hours": Source("facts_service_hours f", _IN_DAYS),
        "activity": Source(
            "facts_activity f",
            "f.status <> 'cancelled' AND f.starts_at_ms >= :start_ms AND f.starts_at_ms < :end_ms",
        ),
    },
    figures=(
        count(
            "volunteers",
            "volunteer",
            "在册志愿者",
            "Volunteers",
            "状态为在册（未填的算在册）。",
            "Active, or of no standing said.",
        ),
        _minutes(
            "given",
            "服务时长",
            "Given",
            "已确认的服务时长。",
            "Hours given and confirmed.",
            "f.direction = 'given' AND f.status = 'confirmed'",
        ),
        _minutes(
            "told",
            "待确认时长",
            "To be confirmed",
            "已登记、待确认的服务时长。",
            "Hours given, written down and to be confirmed.",
            "f.direction = 'given' AND f.status = 'told'",
        ),
        _minutes(
            "redeemed",
            "兑换时长",
            "Redeemed",
            "已确认的兑换时长。",
            "Hours redeemed and confirmed.",
            "f.direction = 'redeemed' AND f.status = 'confirmed'",
        ),
        count(
            "activities",
            "activity",
            "活动",
            "Activities",
            "期内开始、没有取消的活动。",
            "Activities that began in the days and were not called off.",
        ),
        Figure(
            name="served",
            source="activity",
            amount="coalesce(f.people_served, 0)",
            unit="人次",
            label=both("服务人次", "People served"),
            words=both("这些活动的服务人次之和。", "Sum of the people these activities served."),
        ),
    ),
)
