# SPDX-License-Identifier: Apache-2.0
"""Relief (救助申请) by the step it has reached, and referrals (转办)."""

from __future__ import annotations

from server.reports.define import Dimension, Figure, Report, Source, both, count, listed
from sync.collections.declare import ENDED
from sync.collections.referral import STAGES as REFERRED
from sync.collections.relief_application import STEPS

_RUNNING = f"f.status NOT IN ({listed(ENDED)}) AND f.status NOT IN ('decided', 'published')"


def _money(name: str, column: str, zh: str, en: str, words_zh: str, words_en: str) -> Figure:
    return Figure(
        name=name,
        source="application",
        amount=f"coalesce(f.{column}, 0)",
        unit="fen",
        label=both(zh, en),
        words=both(words_zh, words_en),
    )


RELIEF = Report(
    name="relief",
    label=both("救助申请", "Relief applications"),
    words=both(
        "申请日期不晚于截止日的救助申请，按现在所处的步骤。",
        "Applications made up to the last day, by the step each has reached now.",
    ),
    dimension=Dimension(name="step", label=both("步骤", "Step"), sql="f.status", choices=STEPS),
    sources={
        "application": Source("facts_relief_application f", "coalesce(f.applied_on, '') <= :until")
    },
    figures=(
        count(
            "applications",
            "application",
            "申请",
            "Applications",
            "全部申请。",
            "All applications.",
        ),
        count(
            "new",
            "application",
            "期内新申请",
            "New in the days",
            "申请日期在期内的。",
            "Applied for in the days.",
            "f.applied_on >= :since",
        ),
        count(
            "granted",
            "application",
            "批准",
            "Granted",
            "审定为同意或部分同意的。",
            "Granted, or granted in part.",
            "f.decision IN ('granted', 'granted_in_part')",
        ),
        count(
            "refused",
            "application",
            "不予批准",
            "Refused",
            "审定为不予批准的。",
            "Refused.",
            "f.decision = 'refused'",
        ),
        count(
            "late",
            "application",
            "超期未审",
            "Overdue",
            "未审定，办理期限早于截止日。",
            "Not decided, and to be decided before the last day.",
            f"{_RUNNING} AND f.decide_by < :until",
        ),
        _money(
            "asked_fen",
            "amount_asked_fen",
            "申请金额",
            "Asked for",
            "申请金额之和。",
            "Sum of the amounts asked for.",
        ),
        _money(
            "granted_fen",
            "amount_granted_fen",
            "批准金额",
            "Granted, amount",
            "批准金额之和。",
            "Sum of the amounts granted.",
        ),
        _money(
            "paid_fen",
            "paid_fen",
            "已发放",
            "Paid",
            "已发放金额之和。",
            "Sum of what was paid.",
        ),
    ),
)

REFERRALS = Report(
    name="referrals",
    label=both("转办转介", "Referrals"),
    words=both(
        "送出时间不晚于截止日的转办转介，按状态。",
        "Referrals sent by the end of the last day, by their stage.",
    ),
    dimension=Dimension(
        name="stage", label=both("状态", "Stage"), sql="f.status", choices=REFERRED
    ),
    sources={"referral": Source("facts_referral f", "coalesce(f.sent_at_ms, 0) < :end_ms")},
    figures=(
        count("referrals", "referral", "转办", "Referrals", "全部转办转介。", "All referrals."),
        count(
            "late",
            "referral",
            "逾期未答复",
            "Overdue",
            "未办结，答复期限早于截止日。",
            "Not ended, and to be answered before the last day.",
            f"coalesce(f.status, '') NOT IN ({listed(ENDED)}) AND f.answer_by < :until",
        ),
    ),
)
