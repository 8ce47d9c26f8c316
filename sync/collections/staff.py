# SPDX-License-Identifier: Apache-2.0
"""Staff: one who works in an institution, and whether they may come in today.

What lives here: the declaration of one collection. What must not: workers of Doorstep, whom the
server keeps. Invariant: it travels with the institution; of two words about health the more
careful is shown.
"""

from __future__ import annotations

from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

ROLES = choices(
    ("carer", "护理员", "Carer"),
    ("nurse", "护士", "Nurse"),
    ("doctor", "医生", "Doctor"),
    ("cook", "厨师", "Cook"),
    ("cleaner", "保洁", "Cleaner"),
    ("guard", "门卫", "Guard"),
    ("office", "行政", "Office"),
)
DUTY = choices(
    ("on_duty", "在岗", "On duty"),
    ("living_in", "驻院", "Living in"),
    ("off_duty", "轮休", "Off duty"),
    ("isolated", "隔离", "Isolated"),
    ("gone", "离职", "Gone"),
)

STAFF = Collection(
    name="staff",
    label=Label(zh="机构工作人员", en="Staff"),
    fields={
        "household": fields.home("institution", "所在机构", "Institution"),
        "name": fields.line(
            "ask",
            "姓名",
            "Name",
            "Who goes in and out must be certain.",
            chars=declare.NAME_CHARS,
            required=True,
            searched=True,
        ),
        "roles": fields.pick(
            "union", "岗位", "Work", "In a small house one does several things.", ROLES
        ),
        "phone": fields.phone("电话", "Phone", "A wrong number is found out too late."),
        "duty": fields.pick(
            "highest",
            "在岗情况",
            "Duty",
            "The more careful word keeps an illness out until it is settled.",
            DUTY,
        ),
        "tested_on": fields.day(
            "latest", "最近核酸", "Last tested", "The newest entry is the last test."
        ),
        "doses": fields.number(
            "lowest", "疫苗剂次", "Doses", "The smaller count leads to one more look.", 10
        ),
        "certificate": fields.link(
            "ask", "资格证", "Certificate", "One paper is in force.", "attachment"
        ),
        "notes": declare.NOTES,
    },
)
