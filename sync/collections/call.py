# SPDX-License-Identifier: Apache-2.0
"""Call: one telephone call of a list, made or still to be made, with its outcome.

What lives here: the declaration of one collection. What must not: visits at the door (``visit``)
and the needs that come up (``need``). Invariant: whoever one marked to be called back is called.
"""

from __future__ import annotations

from sync.behaviour import Fill, Opens
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

STAGES = choices(
    ("done", "已通话", "Done"),
    ("cancelled", "不再拨打", "Called off"),
    ("dealt", "待拨打", "To be called"),
    ("call_back", "需回拨", "To be called back"),
)
OUTCOMES = choices(
    ("fine", "平安", "All is well"),
    ("needs_something", "有需求", "Needs something"),
    ("told_by_other", "他人告知", "Told by another"),
    ("no_answer", "未接", "No answer"),
    ("wrong_number", "号码不对", "Wrong number"),
    ("refused", "不愿通话", "Refused"),
    ("alarming", "情况异常", "Alarming"),
)
_HEARD = "Two callers heard two different things: both are looked at, and someone calls again."
_SCORE = "Of two impressions the more worrying one is followed up."
MOODS = choices(
    ("calm", "平稳", "Calm"),
    ("worried", "焦虑", "Worried"),
    ("low", "低落", "Low"),
    ("desperate", "绝望", "Desperate"),
)

CALL = Collection(
    name="call",
    label=Label(zh="电联", en="Call"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "call_list": fields.link(
            "ask", "名单", "List", "A call is counted on one list only.", "call_list"
        ),
        "caller": fields.worker(
            "ask",
            "拨打人",
            "Caller",
            "One caller per person and day: two names would ring twice.",
        ),
        "due_on": fields.day(
            "lowest", "应打日期", "Due on", "The earlier day is the one someone waits for."
        ),
        "status": fields.status("Whatever leaves someone still to be called is shown.", STAGES),
        "at_ms": fields.moment("ask", "通话时间", "Called at", _HEARD),
        "outcome": fields.pick("ask", "结果", "Outcome", _HEARD, OUTCOMES),
        "mood": fields.pick("highest", "情绪", "Mood", _SCORE, MOODS),
        "attempts": fields.number(
            "sum", "拨打次数", "Attempts", "Each attempt was made: they add up.", 100
        ),
        "call_back_on": fields.day(
            "lowest", "回拨日期", "Call back on", "The earliest promise is kept."
        ),
        "shortages": fields.pick(
            "union",
            "短缺",
            "Shortages",
            "A shortage that one of two heard of is a shortage.",
            declare.SHORTAGES,
        ),
        "notes": declare.NOTES,
    },
    one_per=("household", "person", "due_on"),
    fills=(
        Fill(
            why="A call that is not dealt for a day is for today.",
            firsts={"due_on": "@today", "status": "dealt"},
        ),
        Fill(
            why="It was made when its outcome was written.",
            field="outcome",
            firsts={"at_ms": "@now"},
            counts={"attempts": 1},
        ),
        Fill(
            why="Whoever was spoken to has been called.",
            field="outcome",
            values=("fine", "needs_something", "told_by_other", "alarming", "refused"),
            sets={"status": "done"},
        ),
        Fill(
            why="Who did not answer is called again the same day.",
            field="outcome",
            values=("no_answer", "wrong_number"),
            sets={"status": "call_back", "call_back_on": "@today"},
        ),
    ),
    opens=(
        Opens(
            why="What is lacking must be brought: one shortage of a kind in a household at a time.",
            field="shortages",
            collection="shortage",
            key=("=household", "@each"),
            sets={
                "household": "=household",
                "status": "found",
                "found_at_ms": "@now",
            },
            adds={"goods": "@each"},
            again={"status": "reopened"},
        ),
        Opens(
            why="What sounded alarming goes to who can act, at once.",
            field="outcome",
            values=("alarming",),
            collection="need",
            key=("=household", "=person", "alarming"),
            sets={
                "household": "=household",
                "person": "=person",
                "kind": "other",
                "status": "open",
                "level": "community",
                "urgency": "urgent",
                "source": "call",
                "found_at_ms": "@now",
                "deadline": "@today",
            },
            again={"status": "reopened", "urgency": "urgent", "deadline": "@today"},
        ),
    ),
)
