# SPDX-License-Identifier: Apache-2.0
"""References that lead nowhere any more: kept, shown, and listed for whoever repairs them.

What lives here: finding them among records as they are shown. What must not: repairing, which is
somebody's decision. Invariant: a reference through a join is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from sync.joining import FIELDS_OF_JOINING, Joins
from sync.schema import Schema

Wrong = Literal["missing", "voided", "moved", "dissolved", "circle"]
"""Not here; void; a person who is in another household now; a team that is no more;
households joined in a circle."""
Linked = tuple[str, str, bool, Mapping[str, Any]]
"""Collection, home, is it void, shown values."""


class Broken(NamedTuple):
    """One reference that needs repair: of which record and field, to what, and what is wrong."""

    record: str
    collection: str
    home: str
    field: str
    to: str
    wrong: Wrong


def broken_links(
    schema: Schema,
    records: Mapping[str, Linked],
    joined: Joins,
    offices: Mapping[str, set[str]] | None = None,
) -> list[Broken]:
    """Every reference of records that are not void which is broken, in order of home and record.

    ``offices`` holds the ids of the teams there are, where they are known.
    """
    found = [*circles(records, joined), *broken_among(schema, records, records, joined, offices)]
    return sorted(found, key=place)


def place(one: Broken) -> tuple[str, str, str, str]:
    """Where a broken reference stands in a list: by home and record."""
    return one.home, one.record, one.field, one.to


def broken_among(
    schema: Schema,
    some: Mapping[str, Linked],
    there: Mapping[str, Linked],
    joined: Joins,
    offices: Mapping[str, set[str]] | None = None,
) -> Iterator[Broken]:
    """The broken references of some records but for joins; ``there`` holds what they lead to."""
    for record, (collection, home, voided, values) in some.items():
        declared = schema.collections.get(collection)
        if declared is None or voided:
            continue
        for name, field in declared.fields.items():
            if name not in values or name in FIELDS_OF_JOINING or name == "known_apart":
                continue
            known = (offices or {}).get(field.names)
            for to in targets(values[name]):
                wrong: Wrong | None = None
                if field.refers_to:
                    wrong = _wrong(there, joined, home, to)
                elif known is not None and to not in known:
                    wrong = "dissolved"
                if wrong:
                    yield Broken(record, collection, home, name, to, wrong)


def circles(records: Mapping[str, Linked], joined: Joins) -> Iterator[Broken]:
    """Households joined in a circle, one line each; ``records`` holds them."""
    for circle in joined.circles:
        for record in circle:
            to = str(records[record][3].get("joined_into") or "")
            yield Broken(record, "household", record, "joined_into", to, "circle")


def targets(value: Any) -> Iterable[str]:
    """What the value of a reference leads to."""
    many = value if isinstance(value, list) else [value]
    return [to for to in many if isinstance(to, str) and to]


def _wrong(records: Mapping[str, Linked], joined: Joins, home: str, to: str) -> Wrong | None:
    there = records.get(to)
    if there is None:
        return "missing"
    if there[2]:
        return "voided"
    if there[0] == "person" and joined.of(there[1]) != joined.of(home) and home != to:
        return "moved"
    return None
