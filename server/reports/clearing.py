# SPDX-License-Identifier: Apache-2.0
"""Same-day clearing (日清日结): found, solved and open overnight; and open needs by age."""

from __future__ import annotations

from server.reports.common import NEEDS_OPEN, SOLVED_MS, SOLVED_SQL
from server.reports.define import Dimension, Report, Share, Source, both, count
from sync.collections.need import URGENCIES

SAME_DAY = (
    f"coalesce({SOLVED_SQL} AND (f.found_at_ms + :offset_ms) / 86400000"
    f" = ({SOLVED_MS} + :offset_ms) / 86400000, 1 = 0)"
)
_URGENCY = Dimension(
    name="urgency", label=both("紧急程度", "Urgency"), sql="f.urgency", choices=URGENCIES
)

CLEARING = Report(
    name="clearing",
    label=both("日清日结", "Same-day clearing"),
    words=both(
        "期内发现的问题是否当日解决；按记录现在的样子计算，重新打开的算未解决。",
        "Whether problems found in the days were solved on the day they were found, by the record"
        " as it is now: one that was reopened is unsolved.",
    ),
    dimension=_URGENCY,
    sources={
        "found": Source("facts_need f", "f.found_at_ms >= :start_ms AND f.found_at_ms < :end_ms"),
        "open": NEEDS_OPEN,
    },
    figures=(
        count(
            "found",
            "found",
            "发现",
            "Found",
            "发现时间在期内的问题。",
            "Problems found in the days.",
        ),
        count(
            "same_day",
            "found",
            "当日解决",
            "Solved the same day",
            "发现当日（北京时间）解决的。",
            "Solved on the day they were found (Beijing time).",
            SAME_DAY,
        ),
        count(
            "overnight",
            "found",
            "过夜",
            "Open overnight",
            "发现当日没有解决的，不论后来是否解决。",
            "Not solved on the day they were found, whether or not solved later.",
            f"NOT {SAME_DAY}",
        ),
        count(
            "still_open",
            "found",
            "仍未解决",
            "Still unsolved",
            "期内发现、至今未解决的。",
            "Found in the days and unsolved now.",
            f"NOT coalesce({SOLVED_SQL}, 1 = 0)",
        ),
        count(
            "carried",
            "open",
            "累计未解决",
            "Unsolved in all",
            "截止时未解决的全部问题，不论何时发现。",
            "All problems unsolved at the end of the days, whenever found.",
        ),
    ),
    shares=(
        Share(
            name="same_day_share",
            part="same_day",
            whole="found",
            label=both("日清率", "Cleared the same day"),
            words=both("当日解决占发现。", "Solved the same day of all found."),
        ),
    ),
)

_AGE = ":end_ms - f.found_at_ms"
OPEN_NEEDS = Report(
    name="open-needs",
    label=both("未解决问题", "Unsolved problems by age"),
    words=both(
        "截止日结束时未解决的问题，按已过去的时间分；按记录现在的样子计算。",
        "Problems unsolved at the end of the last day, by how long ago they were found, by the"
        " record as it is now.",
    ),
    dimension=_URGENCY,
    sources={"open": NEEDS_OPEN},
    figures=(
        count("open", "open", "未解决", "Unsolved", "全部未解决的问题。", "All that are unsolved."),
        count(
            "day_1",
            "open",
            "一日内",
            "Within a day",
            "发现不满 24 小时。",
            "Found less than 24 hours before.",
            f"{_AGE} < 86400000",
        ),
        count(
            "day_3",
            "open",
            "一至三日",
            "One to three days",
            "发现 1 至 3 日。",
            "Found one to three days before.",
            f"{_AGE} >= 86400000 AND {_AGE} < 259200000",
        ),
        count(
            "day_7",
            "open",
            "三至七日",
            "Three to seven days",
            "发现 3 至 7 日。",
            "Found three to seven days before.",
            f"{_AGE} >= 259200000 AND {_AGE} < 604800000",
        ),
        count(
            "older",
            "open",
            "七日以上",
            "Seven days and more",
            "发现 7 日或更久。",
            "Found seven days before or earlier.",
            f"{_AGE} >= 604800000",
        ),
        count(
            "unknown",
            "open",
            "发现时间不详",
            "Age unknown",
            "没有填写发现时间。",
            "Without a time at which it was found.",
            "f.found_at_ms IS NULL",
        ),
        count(
            "overdue",
            "open",
            "超期",
            "Overdue",
            "期限早于截止日。",
            "The deadline lies before the last day.",
            "f.deadline < :until",
        ),
        count(
            "unowned",
            "open",
            "无承办人",
            "Without an owner",
            "没有承办人。",
            "Nobody is named to answer for it.",
            "coalesce(f.owner, '') = ''",
        ),
    ),
)
