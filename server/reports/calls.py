# SPDX-License-Identifier: Apache-2.0
"""Phone work (电联): what is due, what was heard."""

from __future__ import annotations

from server.reports.define import Dimension, Report, Share, Source, both, count, listed
from sync.collections.call_list import GROUPS
from sync.collections.declare import ENDED

_JOIN = (
    "(SELECT c.n AS n, c.area AS area, c.status AS status, c.outcome AS outcome, c.at_ms AS at_ms,"
    " c.due_on AS due_on, c.call_back_on AS call_back_on, coalesce(g.grp, '') AS grp"
    ' FROM facts_call c LEFT JOIN (SELECT r.id AS id, l."group" AS grp FROM facts_call_list l'
    " JOIN records r ON r.n = l.n) g ON g.id = c.call_list) f"
)
_LEFT = f"coalesce(f.status, '') NOT IN ({listed(ENDED)})"
_MADE = "f.status = 'done' AND f.at_ms >= :start_ms AND f.at_ms < :end_ms"

CALLS = Report(
    name="calls",
    label=both("电联名单", "Call lists"),
    words=both(
        "期内打出的名单电联，以及截止日前应打而未打的，按人群。",
        "Calls of the lists made in the days, and those due by the last day and not made, by"
        " group.",
    ),
    dimension=Dimension(name="group", label=both("人群", "Group"), sql="f.grp", choices=GROUPS),
    sources={
        "made": Source(_JOIN, _MADE),
        "left": Source(_JOIN, f"{_LEFT} AND coalesce(f.due_on, '') <= :until"),
    },
    figures=(
        count("made", "made", "已通话", "Made", "期内已通话的电联。", "Calls made in the days."),
        count(
            "fine",
            "made",
            "平安",
            "All is well",
            "结果为平安。",
            "All is well.",
            "f.outcome = 'fine'",
        ),
        count(
            "needs",
            "made",
            "有需求",
            "Needs something",
            "结果为有需求。",
            "Something is needed.",
            "f.outcome = 'needs_something'",
        ),
        count(
            "alarming",
            "made",
            "情况异常",
            "Alarming",
            "结果为情况异常。",
            "Alarming.",
            "f.outcome = 'alarming'",
        ),
        count(
            "no_answer",
            "made",
            "未接通",
            "Not reached",
            "未接或号码不对。",
            "No answer, or a wrong number.",
            "f.outcome IN ('no_answer', 'wrong_number')",
        ),
        count(
            "left",
            "left",
            "应打未打",
            "Due, not made",
            "应打日期不晚于截止日而未打的。",
            "Due by the last day and not made.",
        ),
        count(
            "call_back",
            "left",
            "待回拨",
            "To be called back",
            "状态为需回拨的。",
            "Those to be called back.",
            "f.status = 'call_back'",
        ),
        count(
            "late",
            "left",
            "逾期",
            "Late",
            "应打或回拨日期早于截止日的。",
            "Due, or promised to be called back, before the last day.",
            "f.due_on < :until OR f.call_back_on < :until",
        ),
    ),
    shares=(
        Share(
            name="fine_share",
            part="fine",
            whole="made",
            label=both("平安占比", "Well, share"),
            words=both("平安占已通话。", "All is well of all calls made."),
        ),
    ),
)
