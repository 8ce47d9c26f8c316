# SPDX-License-Identifier: Apache-2.0
"""Problems by stage: where each of those that were found stands now."""

from __future__ import annotations

from server.reports.define import Report, Source, both, count, listed
from sync.collections.need import STAGES as NEED_STAGES

_WORDS = {
    "closed": ("已办结。", "Closed: nothing is left to do."),
    "confirmed": ("解决后本人已确认。", "Solved, and confirmed by the person."),
    "solved": ("已解决，本人还没有确认。", "Solved, not yet confirmed by the person."),
    "referred": ("已转给别的单位办理。", "Handed to another office."),
    "in_hand": ("正在办理。", "Being worked on."),
    "accepted": ("已受理，还没有动手。", "Taken on, not begun."),
    "open": ("已发现，还没有人受理。", "Found, and taken on by nobody yet."),
    "reopened": ("办过又重新打开。", "Worked on before, and opened again."),
}

STAGES = Report(
    name="stages",
    label=both("问题阶段", "Problems by stage"),
    words=both(
        "截止日结束前发现的全部问题，现在各在哪一步；每个问题只在一步。",
        "All problems found by the end of the last day, by the stage in which each is now; each"
        " stands in one.",
    ),
    sources={"need": Source("facts_need f", "coalesce(f.found_at_ms, 0) < :end_ms")},
    figures=(
        count("found", "need", "全部", "All", "发现的全部问题。", "All problems found."),
        *(
            count(
                stage.value,
                "need",
                stage.label.zh,
                stage.label.en,
                *_WORDS[stage.value],
                f"f.status = '{stage.value}'",
            )
            for stage in reversed(NEED_STAGES)
        ),
        count(
            "no_stage",
            "need",
            "未注明",
            "Not said",
            "没有写明办到哪一步的，或所写不在各步之中。",
            "Those that say no stage, or none of these.",
            f"coalesce(f.status, '') NOT IN ({listed(frozenset(_WORDS))})",
        ),
    ),
)
