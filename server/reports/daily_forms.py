# SPDX-License-Identifier: Apache-2.0
"""Daily forms (每日一报): who has to report, who did, who stands out as missing."""

from __future__ import annotations

from server.reports.define import Report, Share, Source, both, count

_POOR = (
    "EXISTS (SELECT 1 FROM facts_set s WHERE s.n = f.n AND s.field = 'categories'"
    " AND s.value = 'extreme_poverty')"
)
_ONE = (
    "EXISTS (SELECT 1 FROM facts_person p JOIN facts_set s ON s.n = p.n WHERE p.home = f.home"
    " AND s.field = 'categories' AND s.value = 'extreme_poverty')"
)
_USUAL = (
    '(SELECT home, max("on") AS last_on, max(CASE WHEN "on" = :until THEN 1 ELSE 0 END) AS filed,'
    " max(CASE WHEN \"on\" = :until AND health IN ('unwell', 'ill', 'in_hospital') THEN 1 ELSE 0"
    ' END) AS ill FROM facts_daily_form WHERE "on" >= :week AND "on" <= :until GROUP BY home)'
)

DAILY_FORMS = Report(
    name="daily-forms",
    label=both("每日一报", "Daily forms"),
    words=both(
        "截止日当天应报、已报、缺报的户。应报：户或其成员类别含特困，或此前七日内报过的户。",
        "Households that had to report on the last day, that did, and that are missing. Due: the"
        " household or one of its people has extreme poverty support, or it reported within the"
        " seven days before.",
    ),
    sources={
        "due": Source(
            f"facts_household f LEFT JOIN {_USUAL} d ON d.home = f.home",
            f"f.own = f.home AND (d.home IS NOT NULL OR {_POOR} OR {_ONE})",
        )
    },
    figures=(
        count("due", "due", "应报", "Due", "当天应报的户。", "Households due on the day."),
        count(
            "filed",
            "due",
            "已报",
            "Filed",
            "当天有每日一报的户。",
            "Households with a form for the day.",
            "d.filed = 1",
        ),
        count(
            "missing",
            "due",
            "缺报",
            "Missing",
            "当天没有每日一报的户。",
            "Households without a form for the day.",
            "coalesce(d.filed, 0) = 0",
        ),
        count(
            "unwell",
            "due",
            "身体不适",
            "Unwell",
            "当天报告不适、生病或住院的户。",
            "Households that told of someone unwell, ill or in hospital.",
            "d.ill = 1",
        ),
        count(
            "silent",
            "due",
            "七日未报",
            "Silent for a week",
            "连同当天已有八天没有报过的应报户。",
            "Due, and without any form on the day and the seven days before.",
            "d.home IS NULL",
        ),
    ),
    shares=(
        Share(
            name="filed_share",
            part="filed",
            whole="due",
            label=both("报送率", "Filed, share"),
            words=both("已报占应报。", "Filed of all that are due."),
        ),
    ),
)
