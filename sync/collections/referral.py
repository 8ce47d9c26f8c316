# SPDX-License-Identifier: Apache-2.0
"""Referral: a need handed to another department, community or charity (转办转介), and its answer.

What lives here: the declaration of one collection. What must not: the need itself (``need``).
Invariant: a referral that one side sent back is nobody's until someone takes it.
"""

from __future__ import annotations

from sync.behaviour import Fill, Follows, Step
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.collections.need import LEVELS, URGENCIES
from sync.schema import Collection, Label

TO_KINDS = choices(
    ("health", "卫健", "Health"),
    ("disabled_federation", "残联", "Disabled persons' federation"),
    ("medical_insurance", "医保", "Medical insurance"),
    ("police", "公安", "Police"),
    ("education", "教育", "Education"),
    ("housing", "住建", "Housing"),
    ("women_federation", "妇联", "Women's federation"),
    ("community", "其他社区", "Another community"),
    ("charity", "慈善组织", "Charity"),
    ("other", "其他", "Other"),
)
STAGES = choices(
    ("closed", "已办结", "Closed"),
    ("confirmed", "本人已确认", "Confirmed by the person"),
    ("withdrawn", "已撤回", "Withdrawn"),
    ("answered", "已答复", "Answered"),
    ("received", "已签收", "Received"),
    ("sent", "已转出", "Sent"),
    ("sent_back", "被退回", "Sent back"),
    ("reopened", "重新转办", "Referred again"),
)
_ONE = "One place answers for it: sent to two it is done by none."

REFERRAL = Collection(
    name="referral",
    label=Label(zh="转办转介", en="Referral"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "need": fields.link("ask", "对应需求", "Need", "One referral answers one need.", "need"),
        "to_kind": fields.pick("ask", "转往部门", "Referred to", _ONE, TO_KINDS, required=True),
        "to_name": fields.line("ask", "接收单位", "Receiving office", _ONE),
        "to_level": fields.pick(
            "highest",
            "接收层级",
            "Level of the office",
            "Once handed up it stays in sight there until someone hands it back knowingly.",
            LEVELS,
        ),
        "to_phone": fields.phone("接收单位电话", "Its phone", "A wrong number loses a day."),
        "urgency": fields.pick(
            "highest", "紧急程度", "Urgency", "The more urgent judgement is acted on.", URGENCIES
        ),
        "status": fields.status(
            "Whatever leaves more to do is shown: sent back beats done.", STAGES
        ),
        "sent_at_ms": fields.moment(
            "lowest", "转出时间", "Sent at", "The household has waited since the first sending."
        ),
        "received_at_ms": fields.moment(
            "lowest", "签收时间", "Received at", "From the first receipt the office answers for it."
        ),
        "receiver": fields.line("ask", "签收人", "Received by", _ONE, chars=declare.NAME_CHARS),
        "answer_by": fields.day(
            "lowest", "答复期限", "Answer by", "The earlier date was promised first."
        ),
        "answers": fields.words("答复", "Answers", "Each answer is kept; none replaces another."),
        "documents": fields.link(
            "union", "附件", "Files", "All that was handed over is kept.", "attachment"
        ),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "sent", "sent_at_ms": "@now"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("received",),
            firsts={"received_at_ms": "@now"},
        ),
    ),
    follows=(
        Follows(
            why="The need is with the other office now.",
            field="status",
            values=("sent",),
            link="need",
            sets={"status": "referred", "referred_to": "=to_name"},
        ),
        Follows(
            why="A need that came back is open here again.",
            field="status",
            values=("sent_back",),
            link="need",
            sets={"status": "reopened"},
        ),
    ),
    steps=(
        Step(why="A receipt names who took it.", values=("received",), needs=("receiver",)),
        Step(why="An answer is in words.", values=("answered",), needs=("answers",)),
    ),
)
