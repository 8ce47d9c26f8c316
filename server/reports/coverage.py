# SPDX-License-Identifier: Apache-2.0
"""Coverage: not one household left out. By grid, and by the hour."""

from __future__ import annotations

from server.reports.common import COVERED, REACHED_SQL, VISITS
from server.reports.define import Dimension, Figure, Report, Share, Source, both, count

COVERAGE = Report(
    name="coverage",
    label=both("覆盖情况", "Coverage"),
    words=both(
        "所报日期内每一户的走访结果，每户只计一次，取最好的结果：应访＝已见到＋拒绝＋搬离＋未应＋未走访。",
        "What came of the visits to each household in the days; each counts once, by the best that"
        " came of it: due = reached + refused + moved + not opened + missing.",
    ),
    level="grid",
    sources={
        "household": COVERED,
        "grid": Source("facts_grid f"),
    },
    figures=(
        count("due", "household", "应访户", "Due", "在册的户。", "All households on the list."),
        count(
            "done",
            "household",
            "已见到",
            "Reached",
            "至少一次见到人或由他人告知。",
            "Someone was met or told by another at least once.",
            "b.best = 4",
        ),
        count(
            "refused",
            "household",
            "拒绝",
            "Refused",
            "没有见到，至少一次被拒绝。",
            "Never reached, and refused at least once.",
            "b.best = 3",
        ),
        count(
            "moved",
            "household",
            "搬离",
            "Moved",
            "没有见到也没有被拒绝，得知已搬离。",
            "Neither reached nor refused: known to have moved.",
            "b.best = 2",
        ),
        count(
            "not_opened",
            "household",
            "敲门未应",
            "Not opened",
            "去过或打过电话，都没有回应，须回访。",
            "Gone to or called without any answer: to be gone to again.",
            "b.best = 1",
        ),
        count(
            "missing",
            "household",
            "未走访",
            "Missing",
            "期内没有任何服务记录的户。",
            "Households without any service record in the days.",
            "b.best IS NULL",
        ),
        Figure(
            name="expected",
            source="grid",
            amount="f.households_expected",
            unit="户",
            label=both("网格登记应访户", "Expected by the grids"),
            words=both(
                "网格档案中登记的应访户数之和；多于在册的，说明还有户没有登记。",
                "Sum of the households that the grids' own records expect; more than are on the"
                " list means that some are not registered yet.",
            ),
        ),
    ),
    shares=(
        Share(
            name="coverage",
            part="done",
            whole="due",
            label=both("见到率", "Reached, share"),
            words=both("已见到占应访户。", "Reached of all that are due."),
        ),
        Share(
            name="missing_share",
            part="missing",
            whole="due",
            label=both("遗漏率", "Missing, share"),
            words=both("未走访占应访户。", "Missing of all that are due."),
        ),
    ),
)

_HOUR = Dimension(
    name="hour",
    label=both("时段（点）", "Hour"),
    sql="(f.at_ms + :offset_ms) / 3600000 % 24",
)
COVERAGE_HOURS = Report(
    name="coverage-hours",
    label=both("分时走访", "Coverage by hour"),
    words=both(
        "所报日期内每小时的走访，以及每户第一次被见到的时段（北京时间）。",
        "Visits by the hour in the days, and the hour at which each household was first reached"
        " (Beijing time).",
    ),
    dimension=_HOUR,
    sources={
        "visit": VISITS,
        "first": Source(
            "(SELECT h.n AS n, h.area AS area, v.at_ms AS at_ms FROM facts_household h"
            " JOIN (SELECT home, min(at_ms) AS at_ms FROM facts_visit"
            f" WHERE {REACHED_SQL} AND at_ms >= :start_ms AND at_ms < :end_ms GROUP BY home) v"
            " ON v.home = h.home WHERE h.own = h.home) f"
        ),
    },
    figures=(
        count(
            "visits",
            "visit",
            "服务记录",
            "Service records",
            "该时段的走访与电话。",
            "Visits and telephone calls in the hour.",
        ),
        count(
            "reached",
            "visit",
            "见到",
            "Reached",
            "该时段见到人或由他人告知的服务记录。",
            "Service records at which someone was met or told by another.",
            f"f.{REACHED_SQL}",
        ),
        count(
            "not_opened",
            "visit",
            "未应",
            "Not opened",
            "敲门未应或电话未接。",
            "Door not opened or telephone not answered.",
            "f.outcome IN ('not_opened', 'no_answer')",
        ),
        count(
            "first",
            "first",
            "首次见到的户",
            "Households first reached",
            "期内第一次在该时段见到的户，每户只计一次。",
            "Households reached in this hour for the first time in the days, each once.",
        ),
    ),
)
