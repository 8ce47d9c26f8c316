# SPDX-License-Identifier: Apache-2.0
"""Need: a problem found, from the door to its end.

What lives here: the declaration of one collection and its life cycle. What must not: who is told
and when. Invariant: the stages are ordered so that of two that do not know of each other the one
with more left to do is shown: a need reopened here while it is closed there stays open.
"""

from __future__ import annotations

from sync.behaviour import Fill, Step
from sync.change import ID_CHARS_MAX
from sync.collections import declare, fields
from sync.collections.declare import choices, order_of
from sync.schema import Collection, Field, Label

KINDS = choices(
    ("rice", "缺米", "No rice"),
    ("vegetables", "缺菜", "No vegetables"),
    ("gas", "缺气", "No gas"),
    ("medicine", "缺药", "No medicine"),
    ("wheelchair", "轮椅", "Wheelchair"),
    ("meals", "送餐", "Meals"),
    ("clinic", "就医陪同", "Company to the clinic"),
    ("papers", "证件办理", "Papers"),
    ("repair", "房屋修缮", "Repair"),
    ("relief", "临时救助", "Emergency relief"),
    ("guardian", "监护缺失", "Without guardian"),
    ("care", "照料", "Care"),
    ("other", "其他", "Other"),
)
URGENCIES = choices(
    ("normal", "一般", "Normal"),
    ("soon", "较急", "Soon"),
    ("urgent", "紧急", "Urgent"),
    ("life", "危及生命", "Life at risk"),
)
STAGES = choices(
    ("closed", "已办结", "Closed"),
    ("confirmed", "本人已确认", "Confirmed by the person"),
    ("solved", "已解决", "Solved"),
    ("referred", "已转办", "Referred"),
    ("in_hand", "办理中", "In hand"),
    ("accepted", "已受理", "Accepted"),
    ("open", "待受理", "Open"),
    ("reopened", "重新打开", "Reopened"),
)
SOLVED = frozenset({"closed", "confirmed", "solved"})
"""Stages that count as solved in every report."""
SOURCES = choices(
    ("visit", "走访发现", "Visit"),
    ("call", "电联发现", "Call"),
    ("hotline", "热线来电", "Hotline"),
    ("assessment", "照料评估", "Care assessment"),
    ("inspection", "督导发现", "Inspection"),
    ("own_word", "本人提出", "They asked"),
    ("office", "上级交办", "Handed down"),
)
_FIRST = "Marked twice unknowing, the first time is when the household could count on it."
LEVELS = choices(
    ("community", "社区", "Community"),
    ("street", "街道", "Street"),
    ("district", "区", "District"),
    ("city", "市", "City"),
)

NEED = Collection(
    name="need",
    label=Label(zh="需求", en="Need"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "kind": Field(
            policy="ask",
            why="It decides who is sent.",
            kind="choice",
            label=Label(zh="事项", en="Kind"),
            choices=KINDS,
            required=True,
        ),
        "urgency": Field(
            policy="highest",
            why="Of two judgements the more urgent is acted on.",
            kind="choice",
            label=Label(zh="紧急程度", en="Urgency"),
            choices=URGENCIES,
            order=order_of(URGENCIES),
        ),
        "status": Field(
            policy="highest",
            why="Whatever leaves more to do is shown: reopened beats closed.",
            kind="choice",
            label=Label(zh="状态", en="Status"),
            choices=STAGES,
            order=order_of(STAGES),
            required=True,
        ),
        "level": Field(
            policy="highest",
            why="Once handed up it stays in sight there until someone hands it back knowingly.",
            kind="choice",
            label=Label(zh="办理层级", en="Level"),
            choices=LEVELS,
            order=order_of(LEVELS),
        ),
        "reporter": Field(
            policy="ask",
            why="Whoever reported it is told the outcome.",
            label=Label(zh="发现人", en="Reporter"),
            chars_max=ID_CHARS_MAX,
        ),
        "visit": Field(
            policy="ask",
            why="It ties the need to the visit that found it.",
            label=Label(zh="发现于走访", en="Found at visit"),
            refers_to="visit",
            chars_max=ID_CHARS_MAX,
        ),
        "found_at_ms": Field(
            policy="lowest",
            why="The clock of same-day clearing starts with the first who found it.",
            kind="time",
            label=Label(zh="发现时间", en="Found at"),
            unit="ms",
        ),
        "deadline": Field(
            policy="ask",
            why="A promise to the household: two dates must become one.",
            kind="date",
            label=Label(zh="期限", en="Deadline"),
        ),
        "owner": Field(
            policy="ask",
            why="One person answers for it: two owners are none.",
            label=Label(zh="承办人", en="Owner"),
            chars_max=ID_CHARS_MAX,
        ),
        "source": fields.pick(
            "ask", "发现方式", "How it was found", "Reports count each way apart.", SOURCES
        ),
        "assessments": fields.link(
            "union",
            "对应评估",
            "For assessments",
            "Each assessment that called for it stands behind it.",
            "assessment",
        ),
        "accepted_at_ms": fields.moment("lowest", "受理时间", "Accepted at", _FIRST),
        "solved_at_ms": fields.moment("lowest", "解决时间", "Solved at", _FIRST),
        "confirmed_at_ms": fields.moment("lowest", "确认时间", "Confirmed at", _FIRST),
        "confirmed_by": fields.line(
            "ask",
            "确认人",
            "Confirmed by",
            "It is closed on someone's word: it must be known whose.",
            chars=declare.NAME_CHARS,
        ),
        "closed_at_ms": fields.moment("lowest", "办结时间", "Closed at", _FIRST),
        "reopened_count": fields.number(
            "sum",
            "重开次数",
            "Times reopened",
            "Each time it came back is one more.",
            10,
        ),
        "seen_by_levels": fields.pick(
            "union", "已阅层级", "Seen by levels", "Each level that saw it has seen it.", LEVELS
        ),
        "referred_to": fields.line(
            "ask", "转往单位", "Referred to", "Sent to two places it is done by none."
        ),
        "answers": fields.words(
            "各级答复", "Answers of the levels", "Each level's answer is kept beside the others."
        ),
        "handled_at_ms": Field(
            policy="latest",
            why="When it was last worked on.",
            kind="time",
            label=Label(zh="办理时间", en="Handled at"),
            unit="ms",
        ),
        "remark": Field(
            policy="append",
            why="Every step's words are kept beside each other.",
            label=Label(zh="办理说明", en="Remarks"),
            chars_max=declare.NOTE_CHARS,
        ),
    },
    fills=(
        Fill(
            why="The clock of same-day clearing starts when it is found.",
            firsts={
                "found_at_ms": "@now",
                "reporter": "@worker",
                "status": "open",
                "level": "community",
            },
        ),
        Fill(
            why="Life at risk or urgent is for today.",
            field="urgency",
            values=("life", "urgent"),
            firsts={"deadline": "@today"},
        ),
        Fill(
            why="Soon is by tomorrow.",
            field="urgency",
            values=("soon",),
            firsts={"deadline": "@today+1"},
        ),
        Fill(
            why="All else within three days.",
            field="urgency",
            values=("normal",),
            firsts={"deadline": "@today+3"},
        ),
        Fill(
            why="Whoever marks it answers for it.",
            field="status",
            values=("accepted",),
            firsts={"accepted_at_ms": "@now", "owner": "@worker"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("solved",),
            firsts={"solved_at_ms": "@now"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("confirmed",),
            firsts={"confirmed_at_ms": "@now"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("closed",),
            firsts={"closed_at_ms": "@now"},
        ),
        Fill(
            why="What came back is not solved any more, and it is counted.",
            field="status",
            values=("reopened",),
            sets={"solved_at_ms": None, "confirmed_at_ms": None, "closed_at_ms": None},
            counts={"reopened_count": 1},
        ),
        Fill(why="When it was last worked on.", field="status", sets={"handled_at_ms": "@now"}),
    ),
    steps=(
        Step(why="It is closed on someone's word.", values=("confirmed",), needs=("confirmed_by",)),
        Step(why="Whoever it went to must be known.", values=("referred",), needs=("referred_to",)),
    ),
)
