# SPDX-License-Identifier: Apache-2.0
"""Consent: what a person, or the guardian of a child, agreed to, refused or took back.

What lives here: the declaration of one collection. What must not: what follows from a withdrawal,
which an officer carries out. Invariants: a consent is a change like any other, with who wrote it
and when; its signature is an attachment that the change names; for a child below fourteen a
guardian signs (PIPL, article 31), which is checked where it is written (``sync.consenting``).
"""

from __future__ import annotations

from sync.change import ID_CHARS_MAX
from sync.collections import declare
from sync.collections.declare import choices
from sync.schema import Collection, Field, Label

PURPOSES = choices(
    ("visits", "走访与帮扶记录", "Visits and support"),
    ("sensitive", "敏感个人信息", "Sensitive personal data"),
    ("photos", "拍照与录音", "Photos and sound"),
    ("sharing", "转介其他单位", "Passing on to other offices"),
)
ANSWERS = choices(
    ("given", "同意", "Given"), ("refused", "不同意", "Refused"), ("withdrawn", "撤回", "Withdrawn")
)
SIGNERS = choices(("self", "本人", "The person"), ("guardian", "监护人", "The guardian"))
_ONCE = "Two answers to one question mean that somebody must ask again."

CONSENT = Collection(
    name="consent",
    label=Label(zh="同意书", en="Consent"),
    fields={
        "household": declare.HOUSEHOLD,
        "person": Field(
            policy="ask",
            why="What one person agreed to binds nobody else.",
            label=Label(zh="本人", en="Person"),
            refers_to="person",
            required=True,
            chars_max=ID_CHARS_MAX,
        ),
        "purpose": Field(
            policy="ask",
            why=_ONCE,
            kind="choice",
            label=Label(zh="用途", en="Purpose"),
            choices=PURPOSES,
            required=True,
        ),
        "answer": Field(
            policy="ask",
            why="A withdrawal must never be overruled by a rule.",
            kind="choice",
            label=Label(zh="意见", en="Answer"),
            choices=ANSWERS,
            required=True,
        ),
        "on": Field(
            policy="ask",
            why=_ONCE,
            kind="date",
            label=Label(zh="日期", en="On"),
            required=True,
        ),
        "signed_by": Field(
            policy="ask",
            why=_ONCE,
            kind="choice",
            label=Label(zh="签字人", en="Signed by"),
            choices=SIGNERS,
            required=True,
        ),
        "guardian": Field(
            policy="ask",
            why="Who answers for a child must be one person, known for certain.",
            label=Label(zh="监护人姓名", en="Guardian's name"),
            chars_max=declare.NAME_CHARS,
            asked_when=("signed_by", "guardian"),
        ),
        "guardian_relation": Field(
            policy="ask",
            why="Who answers for a child must be one person, known for certain.",
            label=Label(zh="监护人与本人关系", en="Guardian's relation"),
            chars_max=declare.NAME_CHARS,
            asked_when=("signed_by", "guardian"),
        ),
        "signature": Field(
            policy="ask",
            why=_ONCE,
            label=Label(zh="签名（附件）", en="Signature (attachment)"),
            refers_to="attachment",
            chars_max=ID_CHARS_MAX,
        ),
        "words": Field(
            policy="ask",
            why=_ONCE,
            label=Label(zh="告知书版本", en="Version of the notice shown"),
            chars_max=declare.LINE_CHARS,
        ),
    },
)
