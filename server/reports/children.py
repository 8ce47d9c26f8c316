# SPDX-License-Identifier: Apache-2.0
"""Children in difficulty (困境儿童): regular checks, guardians' notices, wishes."""

from __future__ import annotations

from server.reports.define import Report, Share, Source, both, count
from sync.collections.child_check import SAFETY

_RANK = " ".join(f"WHEN '{choice.value}' THEN {rank}" for rank, choice in enumerate(SAFETY))
_CHECKED = (
    "(SELECT home, max(at_ms) AS last_ms, max(CASE WHEN at_ms >= :start_ms THEN 1 ELSE 0 END)"
    f" AS lately, max(CASE WHEN at_ms >= :before_ms THEN CASE safety {_RANK} END END) AS worst,"
    " max(next_check) AS next_check FROM facts_child_check WHERE at_ms < :end_ms GROUP BY home)"
)
_DUE = "(k.last_ms IS NULL OR k.last_ms < :before_ms OR k.next_check < :until)"

CHILDREN = Report(
    name="children",
    label=both("困境儿童", "Children in difficulty"),
    words=both(
        "困境与留守儿童的走访是否按时（规定天数内一次，默认 30 天），监护告知与微心愿。",
        "Whether children in difficulty or left behind were looked after in time (once in the"
        " given number of days, 30 if not given), guardians' notices, and wishes.",
    ),
    sources={
        "child": Source(
            f"facts_person f LEFT JOIN {_CHECKED} k ON k.home = f.home",
            "EXISTS (SELECT 1 FROM facts_set s WHERE s.n = f.n AND s.field = 'categories'"
            " AND s.value IN ('child_in_difficulty', 'left_behind'))"
            " AND (f.birth_year IS NULL OR f.birth_year > :year - 18)"
            " AND coalesce(f.died_on, '') = ''",
        ),
        "notice": Source("facts_guardian_notice f"),
        "wish": Source("facts_wish f"),
    },
    figures=(
        count(
            "children",
            "child",
            "儿童",
            "Children",
            "类别含困境儿童或留守、截止年内未满 18 岁（出生年不详的也计）的人员。",
            "People tagged as child in difficulty or left behind who are younger than 18 in that"
            " year, or whose year of birth is not known.",
        ),
        count(
            "checked",
            "child",
            "期内已走访",
            "Checked in the days",
            "其户在期内有儿童走访。",
            "Their household had a child check in the days.",
            "k.lately = 1",
        ),
        count(
            "due",
            "child",
            "应走访",
            "Check due",
            "规定天数内没有儿童走访，或约定的下次走访早于截止日。",
            "No child check within that many days, or the next one was to be before the last day.",
            _DUE,
        ),
        count(
            "never",
            "child",
            "从未走访",
            "Never checked",
            "没有任何儿童走访。",
            "Without any child check.",
            "k.last_ms IS NULL",
        ),
        count(
            "at_risk",
            "child",
            "有风险",
            "At risk",
            "规定天数内的走访中，最差的判断为有风险或有危险。",
            "The worst that was seen within that many days is at risk or in danger.",
            "k.worst >= 2",
        ),
        count(
            "no_guardian",
            "child",
            "无监护人",
            "No guardian named",
            "没有填写监护人。",
            "No guardian is written down.",
            "coalesce(f.guardian, '') = ''",
        ),
        count(
            "unsigned",
            "notice",
            "告知书未签",
            "Notices not signed",
            "监护责任告知书尚未签收。",
            "Guardian notices that are not signed for.",
            "coalesce(f.status, '') <> 'signed'",
        ),
        count(
            "guardian_away",
            "notice",
            "监护人不在位",
            "Guardian unable",
            "监护人外出、患病、被隔离、无力或无人监护，且没有临时监护人。",
            "The guardian is away, ill, isolated, unable or there is none, and nobody stands in.",
            "f.guardian_state IN ('away', 'ill', 'isolated', 'unable', 'absent')"
            " AND coalesce(f.stand_in, '') = ''",
        ),
        count(
            "wishes",
            "wish",
            "微心愿",
            "Wishes",
            "全部微心愿。",
            "All wishes.",
        ),
        count(
            "granted",
            "wish",
            "已实现",
            "Granted",
            "已实现的微心愿。",
            "Wishes granted.",
            "f.status = 'granted'",
        ),
    ),
    shares=(
        Share(
            name="due_share",
            part="due",
            whole="children",
            label=both("应访占比", "Due, share"),
            words=both("应走访占儿童。", "Check due of all children."),
        ),
    ),
)
