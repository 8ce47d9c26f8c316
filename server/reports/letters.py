# SPDX-License-Identifier: Apache-2.0
"""Letters handed out (《一封信》), counted against the list of households."""

from __future__ import annotations

from server.reports.define import Dimension, Report, Share, Source, both, count
from sync.collections.letter import STAGES

TITLES_MAX = 5
"""Letters shown: those handed out last. Each is counted against every household."""
_RANK = " ".join(f"WHEN '{choice.value}' THEN {rank}" for rank, choice in enumerate(STAGES))
_TITLES = (
    "(SELECT title FROM facts_letter WHERE title IS NOT NULL GROUP BY title"
    f" ORDER BY max(coalesce(handed_at_ms, 0)) DESC, title LIMIT {TITLES_MAX})"
)
_HANDED = (
    f"(SELECT title, home, min(CASE status {_RANK} ELSE 9 END) AS best FROM facts_letter"
    " GROUP BY title, home)"
)

LETTERS = Report(
    name="letters",
    label=both("信件发放", "Letters handed out"),
    words=both(
        "每封信对照在册的户：发到了哪些户，还缺哪些户；"
        f"最近发放的 {TITLES_MAX} 封。每户取最好的状态。",
        "Each letter against the households on the list: who has it and who has not; the"
        f" {TITLES_MAX} letters handed out last. A household counts by its best state.",
    ),
    dimension=Dimension(name="title", label=both("信件", "Letter"), sql="f.title"),
    overlapping=True,
    sources={
        "household": Source(
            "(SELECT h.n AS n, h.area AS area, t.title AS title, l.best AS best"
            f" FROM facts_household h CROSS JOIN {_TITLES} t LEFT JOIN {_HANDED} l"
            " ON l.title = t.title AND l.home = h.home WHERE h.own = h.home) f"
        )
    },
    figures=(
        count("due", "household", "应发户", "Due", "在册的户。", "All households on the list."),
        count(
            "signed",
            "household",
            "已签收",
            "Signed for",
            "已签收的户。",
            "Households that signed.",
            "f.best = 0",
        ),
        count(
            "handed",
            "household",
            "已发放未签",
            "Handed over, not signed",
            "已发放、没有签收的户。",
            "Handed over without a signature.",
            "f.best = 1",
        ),
        count(
            "box",
            "household",
            "投入信箱",
            "Put into the box",
            "只投入信箱的户。",
            "Only put into the letter box.",
            "f.best = 3",
        ),
        count(
            "not_taken",
            "household",
            "待发或未收",
            "Waiting or not taken",
            "登记为待发放或未收的户。",
            "Written down as to be handed over, or not taken.",
            "f.best = 2 OR f.best = 4 OR f.best = 9",
        ),
        count(
            "missing",
            "household",
            "无记录",
            "No record",
            "没有此信任何记录的户。",
            "Households without any record of the letter.",
            "f.best IS NULL",
        ),
    ),
    shares=(
        Share(
            name="signed_share",
            part="signed",
            whole="due",
            label=both("签收率", "Signed, share"),
            words=both("已签收占应发户。", "Signed for of all that are due."),
        ),
    ),
)
