# SPDX-License-Identifier: Apache-2.0
"""The records of a run: their fields, what a step writes into them, what is shown of them.

What lives here: between steps, real parts and the judge's plain values. What must not: who does
what, and when (``world``). Invariant: every value is written once and names its step.
"""

from __future__ import annotations

from typing import Any

from fixtures.judge import ADD, APPEND, COUNT, REMOVE, SET, Shown, Write
from sync.schema import plain_schema
from tests.simulation.parts import SimTablet
from tests.simulation.plan import Step

SCHEMA = plain_schema(
    {
        "household": {
            "ask": "ask",
            "latest": "latest",
            "note": "ask",
            "tags": "union",
            "visits": "sum",
            "log": "append",
        }
    }
)
OLD_SCHEMA = plain_schema({"household": {"ask": "ask", "latest": "latest", "visits": "sum"}})
"""What last year's programs know."""
REGISTERS = ("ask", "latest", "note")


def written(step: Step) -> tuple[tuple[str, ...], Any]:
    """Fields and value of a write; a value names its step."""
    op = step["op"]
    if op == SET:
        return tuple(step["fields"]), f"w{step['number']}"
    if op in (ADD, REMOVE):
        return ("tags",), tuple(step["elements"])
    if op == COUNT:
        return ("visits",), step["amount"]
    if op == APPEND:
        return ("log",), f"w{step['number']}"
    return (), f"w{step['number']}"


def put(node: SimTablet, write: Write, step: Step) -> None:
    """Make the write on the tablet."""
    tablet, record = node.tablet, write.record
    if write.op == SET:
        tablet.set_fields(record, dict.fromkeys(write.fields, write.value), collection="household")
    elif write.op == ADD:
        tablet.add(record, "tags", *write.value, collection="household")
    elif write.op == REMOVE:
        tablet.remove(record, "tags", *write.value, collection="household")
    elif write.op == COUNT:
        tablet.count(record, "visits", write.value, collection="household")
    elif write.op == APPEND:
        tablet.append(record, "log", write.value, collection="household")
    else:
        tablet.void(record, write.value, collection="household")


def shown_of(fields: Any, voided: bool) -> Shown:
    """What is shown, as plain values."""
    shown = Shown(voided=voided)
    for name, found in fields.items():
        if name in REGISTERS:
            shown.registers[name] = frozenset(s.value for s in found.siblings)
        elif name == "tags":
            shown.elements[name] = frozenset(found.value or ())
        elif name == "visits":
            shown.counts[name] = found.value or 0
        elif name == "log":
            shown.appends[name] = tuple(found.value or ())
    return shown


def plain(shown: Shown) -> Any:
    """What two replicas are compared by: empty and absent are one."""
    return (
        {k: v for k, v in shown.registers.items() if v},
        {k: v for k, v in shown.elements.items() if v},
        {k: v for k, v in shown.counts.items() if v},
        {k: v for k, v in shown.appends.items() if v},
        shown.voided,
    )


def plain_all(shows: dict[str, Shown]) -> dict[str, Any]:
    """All records, to be compared."""
    return {record: plain(shown) for record, shown in shows.items()}
