# SPDX-License-Identifier: Apache-2.0
"""Temperature reading: one line of an institution's temperature ledger (体温台账).

What lives here: the declaration of one collection. What must not: averages, which are asked of the
record. Invariants: it travels with the institution; a fever that one read is never hidden.
"""

from __future__ import annotations

from sync.behaviour import Fill
from sync.collections import declare, fields
from sync.collections.declare import choices
from sync.schema import Collection, Label

WHOM = choices(
    ("resident", "在院人员", "Resident"),
    ("staff", "工作人员", "Staff"),
    ("visitor", "访客", "Visitor"),
)
SYMPTOMS = choices(
    ("cough", "咳嗽", "Cough"),
    ("sore_throat", "咽痛", "Sore throat"),
    ("tired", "乏力", "Tired"),
    ("breathless", "气促", "Short of breath"),
)
_WHOM = "A reading must not silently move to another person."

TEMPERATURE_READING = Collection(
    name="temperature_reading",
    label=Label(zh="体温登记", en="Temperature reading"),
    keep_days=180,
    kept_from="at_ms",
    fields={
        "household": fields.home("institution", "所在机构", "Institution"),
        "whom": fields.pick("ask", "人员类别", "Who it is", _WHOM, WHOM, required=True),
        "resident": fields.link("ask", "在院人员", "Resident", _WHOM, "resident_stay"),
        "staff": fields.link("ask", "工作人员", "Member of staff", _WHOM, "staff"),
        "visitor": fields.line("ask", "访客", "Visitor", _WHOM, chars=declare.NAME_CHARS),
        "at_ms": fields.moment(
            "ask", "时间", "Time", "The course of a fever is read from it.", required=True
        ),
        "temperature_c": fields.warmth(
            "highest",
            "体温",
            "Temperature",
            "Of two readings the higher one asks for a doctor.",
            required=True,
        ),
        "symptoms": fields.pick(
            "union", "症状", "Symptoms", "A symptom that anyone saw was there.", SYMPTOMS
        ),
        "measured_by": fields.line(
            "union",
            "测量人",
            "Measured by",
            "All who measured are named.",
            chars=declare.NAME_CHARS,
        ),
        "notes": declare.NOTES,
    },
    fills=(
        Fill(
            why="A reading is now, and by whoever writes it.",
            firsts={"at_ms": "@now"},
            adds={"measured_by": "@worker"},
        ),
    ),
)
