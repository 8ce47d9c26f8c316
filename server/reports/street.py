# SPDX-License-Identifier: Apache-2.0
"""Street outreach (街面救助): patrols, people met without a household, what was offered."""

from __future__ import annotations

from server.reports.define import Dimension, Figure, Report, Share, Source, both, count
from sync.collections.street_meeting import OFFERS

_DAYS = "x.at_ms >= :start_ms AND x.at_ms < :end_ms"
_OUTSIDE = "f.status IN ('met', 'in_touch', 'lost', 'back')"


def _has(field: str) -> str:
    return f"EXISTS (SELECT 1 FROM facts_set s WHERE s.n = f.n AND s.field = '{field}')"


def _portions(name: str, source: str, column: str, zh: str, en: str) -> Figure:
    return Figure(
        name=name,
        source=source,
        amount=f"coalesce(f.{column}, 0)",
        unit="份",
        label=both(zh, en),
        words=both(
            f"期内{zh}的数量，各人发放的相加。", f"{en} in the days, of all hands added up."
        ),
    )


STREET = Report(
    name="street",
    label=both("街面救助", "Street outreach"),
    words=both(
        "期内的巡查和遇到的街面人员、提供的帮助；人员状态为现在的。",
        "Patrols in the days, people met in the street and what was offered to them; their state"
        " is that of now.",
    ),
    sources={
        "patrol": Source(
            "facts_patrol f",
            "f.starts_at_ms >= :start_ms AND f.starts_at_ms < :end_ms"
            " AND coalesce(f.status, '') <> 'cancelled'",
        ),
        "meeting": Source("facts_street_meeting f", "f.at_ms >= :start_ms AND f.at_ms < :end_ms"),
        "person": Source(
            "(SELECT p.n, p.area, p.status, coalesce(m.meetings, 0) AS meetings"
            " FROM facts_street_person p LEFT JOIN (SELECT x.home AS home, count(*) AS meetings"
            f" FROM facts_street_meeting x WHERE {_DAYS} GROUP BY x.home) m ON m.home = p.home) f"
        ),
    },
    figures=(
        count(
            "patrols",
            "patrol",
            "巡查",
            "Patrols",
            "开始时间在期内的巡查，已取消的不计。",
            "Patrols that began in the days, but for those called off.",
        ),
        _portions("water", "patrol", "water_given", "巡查发放饮水", "Water given on patrols"),
        _portions("meals", "patrol", "meals_given", "巡查发放食品", "Meals given on patrols"),
        _portions("quilts", "patrol", "quilts_given", "巡查发放棉被", "Quilts given on patrols"),
        count(
            "meetings",
            "meeting",
            "救助记录",
            "Meetings",
            "期内与街面人员的每次接触。",
            "Each talk with a person in the street in the days.",
        ),
        count(
            "offered",
            "meeting",
            "提供帮助",
            "Help offered",
            "其中提供了帮助的。",
            "Of them those at which help was offered.",
            _has("offered"),
        ),
        count(
            "taken",
            "meeting",
            "接受帮助",
            "Help taken",
            "其中接受了帮助的。",
            "Of them those at which help was taken.",
            _has("taken"),
        ),
        count(
            "in_danger",
            "meeting",
            "有生命危险",
            "In danger of life",
            "其中身体状况为有生命危险的。",
            "Of them those at which a life was in danger.",
            "f.health = 'in_danger'",
        ),
        count(
            "met",
            "person",
            "接触人数",
            "People met",
            "期内至少接触一次的人员，每人只计一次。",
            "People met at least once in the days, each once.",
            "f.meetings > 0",
        ),
        count(
            "people",
            "person",
            "在册人员",
            "People on the list",
            "登记的全部街面人员。",
            "All street people on the list.",
        ),
        count(
            "outside",
            "person",
            "仍在街面",
            "Still outside",
            "初次发现、持续关注、去向不明或重新流浪的（现在）。",
            "Met, in touch, lost sight of or back on the street, now.",
            _OUTSIDE,
        ),
        count(
            "sheltered",
            "person",
            "已安置",
            "Under a roof",
            "在站救助、送医、护送返乡或已安置的（现在）。",
            "In the shelter, in hospital, taken home or with a roof, now.",
            "f.status IN ('in_shelter', 'in_hospital', 'sent_home', 'done')",
        ),
        count(
            "unmet",
            "person",
            "期内未接触",
            "Outside and not met",
            "仍在街面而期内没有接触的。",
            "Still outside, and not met in the days.",
            f"{_OUTSIDE} AND f.meetings = 0",
        ),
    ),
    shares=(
        Share(
            name="taken_share",
            part="taken",
            whole="offered",
            label=both("接受率", "Taken, share"),
            words=both("接受帮助占提供帮助。", "Help taken of help offered."),
        ),
    ),
)


def _each(field: str) -> Source:
    return Source(
        f"facts_street_meeting f JOIN facts_set s ON s.n = f.n AND s.field = '{field}'",
        "f.at_ms >= :start_ms AND f.at_ms < :end_ms",
    )


STREET_OFFERS = Report(
    name="street-offers",
    label=both("街面救助帮助", "What was offered in the street"),
    words=both(
        "期内提供和接受的各种帮助；一次接触有几种就出现在几行，合计中只计一次。",
        "What kinds of help were offered and taken in the days; a meeting with several stands in"
        " several rows, and once in the total.",
    ),
    dimension=Dimension(name="offer", label=both("帮助", "Help"), sql="s.value", choices=OFFERS),
    overlapping=True,
    sources={"offered": _each("offered"), "taken": _each("taken")},
    figures=(
        count(
            "offered",
            "offered",
            "提供",
            "Offered",
            "提供此项帮助的接触。",
            "Meetings at which it was offered.",
        ),
        count(
            "taken",
            "taken",
            "接受",
            "Taken",
            "接受此项帮助的接触。",
            "Meetings at which it was taken.",
        ),
    ),
)
