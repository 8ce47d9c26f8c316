# SPDX-License-Identifier: Apache-2.0
"""Passes and journeys (通行证, 送医): needed, granted, accompanied, done."""

from __future__ import annotations

from server.reports.define import Dimension, Report, Share, Source, both, count
from sync.collections.journey import KINDS

_GRANTED = "f.status IN ('permitted', 'under_way', 'arrived', 'done')"
_WAITING = "f.status IN ('asked', 'reopened')"
_ACCOMPANIED = "EXISTS (SELECT 1 FROM facts_set s WHERE s.n = f.n AND s.field = 'escorts')"

JOURNEYS = Report(
    name="journeys",
    label=both("通行送医", "Passes and journeys"),
    words=both(
        "需要出行的、已批准的、有人陪同的和已完成的，按事由；除期内完成外，均为现在的状态。",
        "What journeys are needed, permitted, accompanied and done, by reason; but for those done"
        " in the days, all as it is now.",
    ),
    dimension=Dimension(name="kind", label=both("事由", "Reason"), sql="f.kind", choices=KINDS),
    sources={"journey": Source("facts_journey f", "coalesce(f.status, '') <> 'cancelled'")},
    figures=(
        count(
            "needed",
            "journey",
            "需要",
            "Needed",
            "登记的全部出行，已取消的不计。",
            "All journeys asked for, but for those called off.",
        ),
        count(
            "granted",
            "journey",
            "已批准",
            "Granted",
            "已批准、途中、已送达或已返回的。",
            "Permitted, under way, arrived or back home.",
            _GRANTED,
        ),
        count(
            "accompanied",
            "journey",
            "有人陪同",
            "Accompanied",
            "已批准且写明陪同人的。",
            "Granted, and someone is named who comes along.",
            f"{_GRANTED} AND {_ACCOMPANIED}",
        ),
        count(
            "done",
            "journey",
            "期内完成",
            "Done in the days",
            "返回时间在期内的。",
            "Back home in the days.",
            "f.status = 'done' AND f.back_at_ms >= :start_ms AND f.back_at_ms < :end_ms",
        ),
        count(
            "done_all",
            "journey",
            "累计完成",
            "Done in all",
            "已返回的。",
            "Back home.",
            "f.status = 'done'",
        ),
        count(
            "under_way",
            "journey",
            "途中",
            "Under way",
            "途中或已送达而未返回的。",
            "Under way, or arrived and not back.",
            "f.status IN ('under_way', 'arrived')",
        ),
        count(
            "waiting",
            "journey",
            "待批准",
            "Waiting",
            "待批准或仍需出行的。",
            "Asked for, or still needed.",
            _WAITING,
        ),
        count(
            "waiting_urgent",
            "journey",
            "其中紧急",
            "of them urgent",
            "待批准的中，紧急或危及生命的。",
            "Of those waiting, urgent or a life at risk.",
            f"{_WAITING} AND f.urgency IN ('urgent', 'life')",
        ),
        count(
            "late",
            "journey",
            "过时未批",
            "Time has passed",
            "待批准，而出发时间在截止日结束之前的。",
            "Waiting, and should have left before the end of the last day.",
            f"{_WAITING} AND f.leaves_at_ms < :end_ms",
        ),
        count(
            "denied",
            "journey",
            "未批准",
            "Denied",
            "没有批准的。",
            "Not permitted.",
            "f.status = 'denied'",
        ),
        count(
            "expired",
            "journey",
            "通行证过期",
            "Pass run out",
            "已批准而未出行，通行证在截止日前已过期的。",
            "Permitted and not gone, with a pass that ran out before the last day.",
            "f.status = 'permitted' AND f.pass_until < :until",
        ),
    ),
    shares=(
        Share(
            name="granted_share",
            part="granted",
            whole="needed",
            label=both("批准率", "Granted, share"),
            words=both("已批准占需要。", "Granted of all that are needed."),
        ),
        Share(
            name="accompanied_share",
            part="accompanied",
            whole="granted",
            label=both("陪同率", "Accompanied, share"),
            words=both("有人陪同占已批准。", "Accompanied of those granted."),
        ),
    ),
)
