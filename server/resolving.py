# SPDX-License-Identifier: Apache-2.0
"""An officer's decisions: resolve a conflict, undo a decision, release from quarantine.

What lives here: what is checked before, and what the audit keeps of it. What must not: words,
drawing. Invariants
- Every decision is an ordinary change through ``District.write_many`` (Law 4); what the audit keeps
  of it is stored in the same transaction.
- It is written upon the record as the officer saw it; if that changed meanwhile, it is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec

from server.audit_errors import (
    ConflictOpen,
    ConflictSettled,
    DecisionIncomplete,
    FieldSealed,
    NotInQuarantine,
    RecordChanged,
    ReleaseOverwrites,
    ValueRefused,
)
from server.audit_show import Row, row_of, seen_digest, shown_sibling
from server.conflicts import Stands, tell_decided_again
from server.district import District
from server.effecting import Office
from server.field_reading import FieldReader, unsealed
from server.history import Stored, known_forks, stored_record
from server.set_aside import thaw
from server.store.base import Transaction
from sync.change import REASON, VOID, Entry, Value
from sync.clock import Chains, Dot, VersionVector
from sync.policy import siblings_of
from sync.schema import Schema
from sync.validation import problems

OFFICER_CHARS_MAX = 32
"""As the worker of any change."""
REASON_CHARS_MAX = 2_000
"""A reason: a paragraph that a worker reads on a tablet."""

_json = msgspec.json.Encoder().encode


class Decided(NamedTuple):
    """What a decision came to: the change that it is, the value it set, and the digest of the
    record as it left it (``Conflict.seen`` of who looks at it next)."""

    conflict: int
    record: str
    field: str
    dot: str
    value: Any
    seen: str


class Released(NamedTuple):
    """What a release came to: the record, the new change, and fields that were left out."""

    record: str
    dot: str
    left: tuple[str, ...]


def check_words(officer: str, reason: str) -> None:
    """Raises DecisionIncomplete where a decision names nobody, or gives no reason."""
    if not officer.strip() or len(officer) > OFFICER_CHARS_MAX:
        raise DecisionIncomplete("officer")
    if not reason.strip() or len(reason) > REASON_CHARS_MAX:
        raise DecisionIncomplete("reason")


def held_as_seen(tx: Transaction, record: str, seen: str) -> Stored:
    """A record; "" takes it as it is held. Raises RecordChanged where it is not as it was seen."""
    stored = stored_record(tx, record)
    if stored is None or (seen and seen_digest(stored.vector) != seen):
        raise RecordChanged(record)
    return stored


def _check_value(schema: Schema, row: Row, value: Any) -> None:
    declared = schema.collections.get(row.collection)
    if declared is None:
        return
    found = problems(declared, {row.field: value}, False, undeclared_allowed=True)
    if found:
        raise ValueRefused(f"{row.field}: {found[0].code}")


def resolve(
    district: District,
    conflict: int,
    *,
    officer: str,
    reason: str,
    seen: str,
    choice: str | None = None,
    value: Value = None,
) -> Decided:
    """Settle a conflict: by the sibling whose dot begins with ``choice`` (hex), or by ``value``.

    ``seen`` is ``Conflict.seen`` as the officer looked at it; "" takes the record as it is held.
    Raises ConflictUnknown, ConflictSettled, RecordChanged, DecisionIncomplete, ValueRefused.
    """
    check_words(officer, reason)
    with district.store.read() as tx:
        row = row_of(tx, conflict)
        reader = FieldReader(tx, district.schema, district.fields, officer)
        if not reader.may(row.collection, row.field):
            raise FieldSealed(f"{row.collection}.{row.field}")
        chosen = value if choice is None else _chosen(reader, row, choice)
    if choice is None:
        _check_value(district.schema, row, value)
    decided: list[Entry] = []
    left: list[str] = []

    def before(tx: Transaction) -> None:
        current = row_of(tx, conflict)
        if current.state == "settled" and not current.undone:
            raise ConflictSettled(str(conflict))
        held_as_seen(tx, row.record, seen)

    def after(tx: Transaction, entries: list[Entry]) -> None:
        decided.extend(entries)
        left.append(seen_digest(held_as_seen(tx, row.record, "").vector))
        what = ("resolve", conflict, entries[0].dot, officer, reason, _written(entries[0]))
        now_ms = district.clock()
        _keep(tx, what, now_ms)
        if row_of(tx, conflict).undone:
            tx.run("UPDATE conflicts SET undone = 0 WHERE n = ?", [conflict])
            by = Stands(_written(entries[0]), officer, entries[0].dot[:16], reason)
            tell_decided_again(tx, district.schema, conflict, by, now_ms)

    Office(district).write_many(
        officer,
        [(row.collection, row.record, {row.field: chosen}, [])],
        reason,
        before=before,
        after=after,
    )
    first = decided[0]
    return Decided(conflict, row.record, row.field, first.dot.hex(), _written(first), left[0])


def _chosen(reader: FieldReader, row: Row, choice: str) -> Any:
    found = [side for side in row.siblings if choice and side["dot"].startswith(choice.lower())]
    if len(found) != 1:
        raise DecisionIncomplete("choice")
    d, value = bytes.fromhex(found[0]["dot"]), found[0]["value"]
    return reader.must(row.collection, row.record, row.field, d, value)


def _written(entry: Entry) -> Any:
    """What a decision wrote, as it is stored: of a sealed field nothing stands in the clear."""
    return entry.change.values[0]


def undo(district: District, conflict: int, *, officer: str, reason: str, seen: str) -> Decided:
    """Take a decision back, by a change that sets what was shown while the conflict stood.

    The audit keeps both. Raises ConflictUnknown, ConflictOpen where nothing was decided,
    RecordChanged where the field was edited since or the record is not as the officer saw it.
    """
    check_words(officer, reason)
    with district.store.read() as tx:
        row = row_of(tx, conflict)
        shown = shown_sibling(district.schema, row)
        reader = FieldReader(tx, district.schema, district.fields, officer)
        where = (row.collection, row.record, row.field)
        before_it = reader.must(*where, shown.dot, shown.value) if shown is not None else None
    if row.state != "settled" or row.undone or shown is None:
        raise ConflictOpen(str(conflict))
    decided: list[Entry] = []
    left: list[str] = []

    def before(tx: Transaction) -> None:
        current = row_of(tx, conflict)
        if current.undone:
            raise ConflictOpen(str(conflict))
        stored = held_as_seen(tx, row.record, seen)
        live = {s.dot for s in siblings_of(stored.state, row.field)}
        if live != {_last_decision(tx, current)}:
            raise RecordChanged(row.field)

    def after(tx: Transaction, entries: list[Entry]) -> None:
        decided.extend(entries)
        left.append(seen_digest(held_as_seen(tx, row.record, "").vector))
        what = ("undo", conflict, entries[0].dot, officer, reason, _written(entries[0]))
        _keep(tx, what, district.clock())
        tx.run("UPDATE conflicts SET undone = 1 WHERE n = ?", [conflict])

    district.write_many(
        officer,
        [(row.collection, row.record, {row.field: before_it}, [])],
        reason,
        before=before,
        after=after,
    )
    first = decided[0]
    return Decided(conflict, row.record, row.field, first.dot.hex(), _written(first), left[0])


def _last_decision(tx: Transaction, row: Row) -> Dot | None:
    found = tx.rows(
        "SELECT dot FROM decisions WHERE conflict = ? AND what = 'resolve' ORDER BY n DESC LIMIT 1",
        [row.n],
    )
    return bytes(found[0][0]) if found else row.settled_dot


def _keep(tx: Transaction, row: tuple[str, int, Dot, str, str, Any], now_ms: int) -> None:
    what, conflict, dot, officer, reason, value = row
    tx.run(
        "INSERT INTO decisions (conflict, what, dot, officer, reason, value, at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [conflict, what, dot, officer, reason, _json(value).decode(), now_ms],
    )


# ---- quarantine ----------------------------------------------------------------------------------


class Quarantined(NamedTuple):
    """One change in quarantine. ``behind`` counts changes that wait for it on its record."""

    entry: Entry
    reason: str
    detail: str
    at_ms: int
    released_by: str
    behind: int


def quarantined(
    tx: Transaction, limit: int = 200, after: bytes = b"", *, released: bool = False
) -> list[Quarantined]:
    """Changes in quarantine by dot, from past ``after``; also those released, if asked."""
    also = "" if released else " AND released_by IS NULL"
    found = tx.rows(
        "SELECT q.entry, q.reason, q.detail, q.at_ms, coalesce(q.released_by, ''),"
        " (SELECT count(*) FROM waiting w WHERE w.record = q.record)"
        f" FROM quarantine q WHERE q.dot > ?{also} ORDER BY q.dot LIMIT ?",
        [after, limit],
    )
    return [Quarantined(thaw(bytes(r[0])), *r[1:]) for r in found]


def release(
    district: District,
    dot: str,
    *,
    officer: str,
    reason: str,
    over: Collection[str] = (),
    leave: Collection[str] = (),
) -> Released:
    """Bring a quarantined change into the record, as a new change that the officer answers for.

    ``dot`` is its name in hex, or the beginning of it. Fields that were written meanwhile by others
    whom its writer had not seen must be named: ``over`` overwrites them, ``leave`` leaves them out.
    Raises NotInQuarantine, ReleaseOverwrites with the fields to name, DecisionIncomplete.
    """
    check_words(officer, reason)
    with district.store.read() as tx:
        entry = _find_quarantined(tx, dot)
        stored = stored_record(tx, entry.record)
        if stored and stored.collection != entry.change.collection:
            stored = None
            record = None
        else:
            record = entry.record
        unseen = unseen_fields(tx, stored, entry)
        plain = {
            name: unsealed(tx, district.fields, entry.record, name, entry.dot, held)
            if district.schema.field(entry.change.collection, name).sealed
            else held
            for name, held in zip(entry.change.names, entry.change.values, strict=True)
            if name not in leave
        }
    asked = sorted(unseen - set(over) - set(leave))
    if asked:
        raise ReleaseOverwrites(", ".join(asked))
    change = entry.change
    left = tuple(sorted(set(leave) & set(change.names)))
    sets = {n: v for n, v in plain.items() if n not in left}
    others = [o for o in change.others if o[0] != REASON and o[1] not in leave]
    if not sets and not others:
        raise DecisionIncomplete("nothing is left to release")
    made: list[Entry] = []

    def before(tx: Transaction) -> None:
        _find_quarantined(tx, entry.dot.hex())
        current = stored_record(tx, entry.record) if record else None
        if (current.vector if current else b"") != (stored.vector if stored else b""):
            raise RecordChanged(entry.record)

    def after(tx: Transaction, entries: list[Entry]) -> None:
        made.extend(entries)
        tx.run("UPDATE quarantine SET released_by = ? WHERE dot = ?", [officer, entry.dot])
        tx.run(
            "INSERT INTO releases (dot, by_dot, officer, reason, at_ms) VALUES (?, ?, ?, ?, ?)",
            [entry.dot, entries[0].dot, officer, reason, district.clock()],
        )
        if record:
            # Its writer's later changes waited for it; what was released stands in for it now.
            district.retry(tx, record)

    ids = district.write_many(
        officer, [(change.collection, record, sets, others)], reason, before=before, after=after
    )
    return Released(ids[0], made[0].dot.hex(), left)


def _find_quarantined(tx: Transaction, dot: str) -> Entry:
    try:
        low = bytes.fromhex(dot)
    except ValueError:
        raise NotInQuarantine(dot[:56]) from None
    found = tx.rows(
        "SELECT entry FROM quarantine WHERE dot >= ? AND dot <= ? AND released_by IS NULL LIMIT 2",
        [low, low + b"\xff" * 28],
    )
    if len(found) != 1 or not low:
        raise NotInQuarantine(dot[:56])
    return thaw(bytes(found[0][0]))


def unseen_fields(tx: Transaction, stored: Stored | None, entry: Entry) -> set[str]:
    """The fields whose present values the writer of a quarantined change had not seen."""
    if stored is None:
        return set()
    chains = Chains(set(known_forks(tx)), dict(stored.state.preds))
    seen = VersionVector(entry.change.vector)
    unseen = {
        name
        for name in entry.change.names
        if any(not seen.covers(d, chains) for d in stored.state.registers.get(name, {}))
    }
    for op, field, elements in entry.change.others:
        if op == VOID and not seen.covers_all(stored.state.edits, chains):
            unseen.add("void")
        if op == "remove" and isinstance(elements, list):
            adds = [
                stored.state.elements.get((field, e), {})
                for e in elements
                if isinstance(e, str | int)
            ]
            if any(not seen.covers(d, chains) for by_dot in adds for d in by_dot):
                unseen.add(field)
    return unseen
