# SPDX-License-Identifier: Apache-2.0
"""Everything that is held about one person: what, who wrote it, who read it, where it is.

What lives here: collecting it. What must not: words and pages (``rights_document.py``), deciding
who may ask. Invariants
- It is what the store holds at one moment, history included; nothing is left out for its length.
- Sealed values are opened only for an account that may read their class.
- A household's own record is in it: the person lives there; other members' records are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from server.audit import Names
from server.erasing_plan import related_to
from server.history import ChangeReader, read_history, stored_record
from server.store.base import Transaction
from sync.consenting import lacks
from sync.policy import shown_fields
from sync.schema import Schema

HIDDEN = frozenset({"blob_key"})
"""Fields that open something else: the key of a photo is not about the person."""
Opened = Callable[[str, str, Any], Any]
"""``opened(collection, record, state)``: the state with the sealed values that may be read."""


class Written(msgspec.Struct, frozen=True):
    """One change: when, by whom, on which tablet or server, which fields, with what values."""

    at_ms: int
    received_at_ms: int | None
    worker: str
    worker_name: str
    device: str
    values: dict[str, Any]
    reason: str


class Held(msgspec.Struct, frozen=True):
    """One record: its values as they are shown, and every change of it."""

    record: str
    collection: str
    voided: bool
    values: dict[str, Any]
    changes: list[Written]


class Read(msgspec.Struct, frozen=True):
    """One line of the access log about the person's household or records."""

    at_ms: int
    who: str
    who_name: str
    fields: str
    purpose: str
    device: str


class Place(msgspec.Struct, frozen=True):
    """A tablet or server that holds or held it: since and until when."""

    name: str
    kind: str
    since_ms: int | None
    until_ms: int | None


class Everything(msgspec.Struct, frozen=True):
    """All that is held about one person."""

    person: str
    name: str
    home: str
    area: str
    at_ms: int
    records: list[Held]
    readings: list[Read]
    places: list[Place]
    consents: list[dict[str, Any]]
    holds: list[str]


def everything(
    tx: Transaction,
    schema: Schema,
    person: str,
    now_ms: int,
    opened: Opened = lambda collection, record, state: state,
    away: set[str] | None = None,
) -> Everything:
    """All that is held about a person; without what lies in archives that are not here, where
    ``away`` is given: they are added to it. Raises NotFound, ArchiveMissing."""
    related = related_to(tx, schema, person)
    names, reader = Names(tx), ChangeReader(tx, away)
    records = [_held(tx, schema, one, names, reader, opened) for one in related.records]
    own = next(r for r in records if r.record == person)
    consents = [
        {"record": r.record, **r.values, "lacks": lacks(r.values, own.values.get("birth_year"))}
        for r in records
        if r.collection == "consent"
    ]
    holds = tx.rows_in(
        "SELECT reason FROM holds WHERE released_at_ms IS NULL AND target IN (?*)",
        [related.home, *related.records],
    )
    return Everything(
        person,
        str(own.values.get("name") or own.values.get("head_name") or ""),
        related.home,
        related.area,
        now_ms,
        records,
        _readings(tx, [related.home, *related.records], names),
        _places(tx, related.home),
        consents,
        [str(row[0]) for row in holds],
    )


def _held(
    tx: Transaction,
    schema: Schema,
    record: str,
    names: Names,
    reader: ChangeReader,
    opened: Opened,
) -> Held:
    stored, history = stored_record(tx, record), read_history(tx, record, reader)
    values: dict[str, Any] = {}
    if stored is not None:
        state = opened(stored.collection, record, stored.state)
        shown = shown_fields(state, schema, stored.collection)
        values = {name: one.value for name, one in shown.items() if name not in HIDDEN}
    changes = []
    for moment in history.moments:
        change = moment.entry.change
        written: dict[str, Any] = dict(zip(change.names, change.values, strict=True))
        written |= {field: [op, value] for op, field, value in change.others if field}
        changes.append(
            Written(
                change.stamp_ms,
                moment.found.received_at_ms,
                change.worker,
                names.worker(change.worker),
                names.tablet(moment.dot[:16]),
                {name: value for name, value in written.items() if name not in HIDDEN},
                change.reason(),
            )
        )
    return Held(record, history.collection, bool(stored and stored.voided), values, changes)


def _readings(tx: Transaction, targets: list[str], names: Names) -> list[Read]:
    """Who read it: lines about the household or these records, and copies of everything."""
    found = tx.rows_in(
        "SELECT n, at_ms, account, fields, purpose, device FROM access_log WHERE home IN (?*)",
        [*dict.fromkeys(targets), "*"],
    )
    return [
        Read(int(at), str(who), names.worker(str(who)), str(fields), str(why), str(device))
        for _, at, who, fields, why, device in sorted(found)
    ]


def _places(tx: Transaction, home: str) -> list[Place]:
    rows = tx.rows(
        "SELECT d.name, h.since_ms, NULL FROM held h JOIN devices d ON d.id = h.device"
        " WHERE h.home = ?",
        [home],
    ) + tx.rows(
        "SELECT d.name, h.since_ms, h.until_ms FROM held_before h JOIN devices d ON d.id = h.device"
        " WHERE h.home = ?",
        [home],
    )
    out = [Place(str(n), "tablet", s or None, u) for n, s, u in rows]
    out += [Place(str(name), "server", None, None) for (name,) in tx.rows("SELECT name FROM links")]
    return out
