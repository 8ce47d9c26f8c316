# SPDX-License-Identifier: Apache-2.0
"""Guardian notice: the duty of a child's guardian, told and signed for (困境儿童监护).

What lives here: the declaration of one collection. What must not: the regular looks after the child
(``child_check``). Invariant: who steps in when the guardian is isolated is one known person.
"""

from __future__ import annotations

from sync.behaviour import Fill, Opens, Step
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

STAGES = choices(
    ("signed", "已签收", "Signed for"),
    ("delivered", "已送达", "Delivered"),
    ("to_deliver", "待送达", "To be delivered"),
    ("unsigned", "拒签", "Signature refused"),
)
RELATIONS = choices(
    ("parent", "父母", "Parent"),
    ("grandparent", "祖父母", "Grandparent"),
    ("relative", "其他亲属", "Other relative"),
    ("foster", "寄养家庭", "Foster family"),
    ("institution", "福利机构", "Institution"),
    ("community", "居委会", "Community"),
)
STATES = choices(
    ("present", "在家监护", "Looks after the child"),
    ("away", "外出", "Away"),
    ("ill", "患病", "Ill"),
    ("isolated", "被隔离", "Isolated"),
    ("unable", "无力监护", "Unable"),
    ("absent", "无人监护", "Nobody looks after the child"),
)
_ONE = "Who answers for a child must be one person, known for certain."

GUARDIAN_NOTICE = Collection(
    name="guardian_notice",
    label=Label(zh="监护责任告知书", en="Guardian notice"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": declare.PERSON,
        "guardian": fields.line(
            "ask", "监护人", "Guardian", _ONE, chars=declare.NAME_CHARS, required=True
        ),
        "relation": fields.pick("ask", "与儿童关系", "Relation to the child", _ONE, RELATIONS),
        "guardian_phone": fields.phone("监护人电话", "Guardian's phone", _ONE),
        "guardian_state": fields.pick(
            "highest",
            "监护人情况",
            "How the guardian is",
            "The child less looked after is the one to go to.",
            STATES,
        ),
        "stand_in": fields.line("ask", "临时监护人", "Stand-in", _ONE, chars=declare.NAME_CHARS),
        "stand_in_phone": fields.phone("临时监护人电话", "Stand-in's phone", _ONE),
        "stand_in_from": fields.day("ask", "临时监护起", "Stand-in from", _ONE),
        "stand_in_until": fields.day("ask", "临时监护止", "Stand-in until", _ONE),
        "status": fields.status(
            "As long as one says it is not signed, it is brought again.", STAGES
        ),
        "delivered_at_ms": fields.moment(
            "lowest", "送达时间", "Delivered at", "The duty is known from the first delivery on."
        ),
        "delivered_by": fields.worker(
            "union", "送达人", "Delivered by", "All who were there are witnesses."
        ),
        "signature": fields.SIGNATURE,
        "photos": fields.PHOTOS,
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A record begins at the first stage unless its writer says otherwise.",
            firsts={"status": "to_deliver"},
        ),
        Fill(
            why="The moment it was first so: nobody types it.",
            field="status",
            values=("delivered", "signed"),
            firsts={"delivered_at_ms": "@now"},
            adds={"delivered_by": "@worker"},
        ),
    ),
    opens=(
        Opens(
            why="A child whose guardian cannot be there needs another today.",
            field="guardian_state",
            values=("isolated", "unable", "absent"),
            collection="need",
            key=("=household", "=person", "guardian"),
            sets={
                "household": "=household",
                "person": "=person",
                "kind": "guardian",
                "status": "open",
                "level": "community",
                "urgency": "urgent",
                "source": "visit",
                "found_at_ms": "@now",
                "deadline": "@today",
            },
            again={"status": "reopened", "urgency": "urgent", "deadline": "@today"},
        ),
    ),
    steps=(
        Step(
            why="Signed is what bears a signature or its picture.",
            values=("signed",),
            needs=("signature", "photos"),
        ),
    ),
)
