# SPDX-License-Identifier: Apache-2.0
"""Letter: one notice handed out at one door (《一封信》), by whom and to whom.

What lives here: the declaration of one collection. What must not: how many doors are still to get
it, which is counted against the households of the area. Invariant: a letter that one says was not
taken is brought again.
"""

from __future__ import annotations

from sync.behaviour import Fill, Step
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

STAGES = choices(
    ("signed", "已签收", "Signed for"),
    ("handed_over", "已发放", "Handed over"),
    ("to_hand_over", "待发放", "To be handed over"),
    ("put_in_box", "投入信箱", "Put into the box"),
    ("not_taken", "未收", "Not taken"),
)
WAYS = choices(
    ("paper", "纸质", "On paper"),
    ("read_aloud", "口头宣读", "Read aloud"),
    ("message", "短信微信", "By message"),
    ("large_print", "大字版", "Large print"),
    ("sign_language", "手语", "Sign language"),
)
_WHICH = "Doors are counted by letter: two answers must become one."

LETTER = Collection(
    name="letter",
    label=Label(zh="一封信", en="Letter"),
    keep_days=1095,
    kept_from="handed_at_ms",
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "title": fields.line("ask", "信件名称", "Title", _WHICH, required=True),
        "edition": fields.line("ask", "批次", "Edition", _WHICH, chars=40),
        "status": fields.status("A door that may not have it is gone to again.", STAGES),
        "ways": fields.pick("union", "方式", "Ways", "Told in two ways it was told in both.", WAYS),
        "copies": fields.number(
            "sum", "份数", "Copies", "Copies left by several people add up.", 100
        ),
        "handed_at_ms": fields.moment(
            "lowest", "发放时间", "Handed over at", "They know it since the first time."
        ),
        "handed_by": fields.worker("union", "发放人", "Handed over by", "All who came are named."),
        "receiver": fields.line(
            "ask",
            "签收人",
            "Received by",
            "It must be known who has it.",
            chars=declare.NAME_CHARS,
        ),
        "signature": fields.SIGNATURE,
        "questions": fields.words(
            "群众疑问", "Questions asked", "Every question deserves an answer."
        ),
    },
    one_per=("household", "title", "edition"),
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "to_hand_over"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("handed_over", "signed", "put_in_box"),
            firsts={"handed_at_ms": "@now"},
            adds={"handed_by": "@worker"},
        ),
    ),
    steps=(
        Step(
            why="Signed for is what bears a signature or a name.",
            values=("signed",),
            needs=("signature", "receiver"),
        ),
    ),
)
