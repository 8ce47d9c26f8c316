# SPDX-License-Identifier: Apache-2.0
"""Finding: one thing an inspection found wrong, to be put right by a day.

What lives here: the declaration of one collection. What must not: the inspection as a whole.
Invariant: it travels with its inspection; put right here and found wrong again there is wrong.
"""

from __future__ import annotations

from sync.behaviour import Fill, Step
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

STAGES = choices(
    ("closed", "已销号", "Closed"),
    ("checked", "已复核", "Checked"),
    ("put_right", "已整改", "Put right"),
    ("being_put_right", "整改中", "Being put right"),
    ("told", "已通知", "Told"),
    ("found", "已发现", "Found"),
    ("reopened", "整改不到位", "Not put right"),
)
WEIGHTS = choices(
    ("minor", "轻微", "Minor"),
    ("middling", "一般", "Middling"),
    ("serious", "严重", "Serious"),
)

FINDING = Collection(
    name="finding",
    label=Label(zh="督导问题", en="Finding"),
    fields={
        "household": fields.home("inspection", "所属督导", "Inspection"),
        "about": fields.link(
            "ask", "涉及户", "About household", "It must be certain which door.", "household"
        ),
        "text": fields.line(
            "ask",
            "问题",
            "What is wrong",
            "It is put right as written: two wordings must become one.",
            chars=400,
            required=True,
        ),
        "weight": fields.pick(
            "highest", "程度", "Weight", "The graver judgement is acted on.", WEIGHTS
        ),
        "status": fields.status("Whatever leaves more to put right is shown.", STAGES),
        "put_right_by": fields.day(
            "lowest", "整改期限", "Put right by", "The earlier day was set first."
        ),
        "owner": fields.line(
            "ask",
            "整改责任人",
            "Who puts it right",
            "One answers for it: two names are none.",
            chars=declare.NAME_CHARS,
        ),
        "measures": fields.words("整改措施", "What was done", "Every step is kept."),
        "put_right_on": fields.day(
            "highest", "整改完成日期", "Put right on", "It was right only after the last work."
        ),
        "checked_by": fields.worker(
            "union", "复核人", "Checked by", "All who checked stand by it."
        ),
        "photos": fields.PHOTOS,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "found"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("put_right",),
            sets={"put_right_on": "@today"},
        ),
        Fill(
            why="Whoever marks it answers for it.",
            field="status",
            values=("checked", "closed"),
            adds={"checked_by": "@worker"},
        ),
    ),
    steps=(
        Step(
            why="Put right is shown by words or a picture.",
            values=("put_right",),
            needs=("measures", "photos"),
        ),
        Step(
            why="Only what was put right can be checked.", values=("checked",), after=("put_right",)
        ),
    ),
)
