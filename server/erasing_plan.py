# SPDX-License-Identifier: Apache-2.0
"""What an erasure comes to before it is carried out: records, changes, where they lie, what stays.

What lives here: from a person, a household or a list of records to a case; legal holds. What must
not: erasing (``erasing.py``), words. Invariants
- Planning writes nothing.
- A record goes whole or stays whole. What is about the person alone goes; what is about others too
  and names the person stays, and is told of.
- A hold on a record, or on its household, keeps it, whatever the basis.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from server.audit_show import title_of
from server.erasing import Case
from server.erasing_mentions import (
    BEFORE,
    MENTION,
    REPLACED,
    Looking,
    Mention,
    Redaction,
    Row,
    redaction_of,
)
from server.errors import HoldStands, NotFound
from server.field_keys import FieldKeys
from server.history import ChangeReader, read_history
from server.journal import note
from server.store.base import Transaction
from sync.clock import Dot
from sync.schema import Schema

BASES = ("request", "purpose", "consent", "retention")
"""Why something is erased: the person asked, the purpose was met, consent was withdrawn, the time
that its collection declares is over."""
HELD = "hold"

_load = msgspec.json.Decoder(dict[str, Any]).decode


class Chosen(NamedTuple):
    """What an officer chose: further records that go, and those of the ones that stay out of which
    the person's name is to be taken."""

    also: Collection[str] = ()
    redact: Collection[str] = ()


NOTHING_CHOSEN = Chosen()


class Planned(NamedTuple):
    """One record that would go: what it is, how many changes and attachments."""

    record: str
    collection: str
    title: str
    changes: int


class Kept(NamedTuple):
    """One record that stays, and why, with the hold's reason or the fields that name the person:
    ``hold``, ``mention``, ``before``; or as what it stays, ``replaced`` or ``masked``."""

    record: str
    collection: str
    why: str
    detail: str


class Plan(NamedTuple):
    """A case, told in full."""

    case: Case
    records: list[Planned]
    kept: list[Kept]
    redactions: tuple[Redaction, ...] = ()
    words: tuple[str, ...] = ()
    rows: Mapping[str, Row] = {}


def plan_erasure(
    tx: Transaction,
    schema: Schema,
    subject: str,
    basis: str,
    reason: str,
    who: str,
    chosen: Chosen = NOTHING_CHOSEN,
    fields: FieldKeys | None = None,
) -> Plan:
    """What erasing a person, a household or another record comes to.

    A household goes with all that belongs to it, a person with what was written of that person
    alone. ``fields`` opens this server's own sealed values, to look for the name there. Raises
    NotFound, HoldStands where a hold keeps the subject itself.
    """
    found = _rows(tx, "r.id = ?", [subject])
    if not found:
        raise NotFound("record")
    row = found[0]
    holds = active_holds(tx)
    if subject in holds or row.home in holds:
        raise HoldStands(holds.get(subject) or holds[row.home])
    rows = _near(tx, subject)
    wanted = {subject, *(record for record in chosen.also if record in rows)}
    if row.collection == "household" or row.home == subject:
        wanted |= {one.record for one in rows.values() if one.home == subject}
    wanted = _with_what_follows(schema, rows, wanted)
    kept = [
        Kept(record, rows[record].collection, HELD, holds.get(record) or holds[rows[record].home])
        for record in sorted(wanted)
        if record in holds or rows[record].home in holds
    ]
    going = wanted - {one.record for one in kept}
    away: set[str] = set()
    looking = Looking(tx, fields, [rows[r] for r in sorted(going)], away)
    held = {one.record for one in kept}
    found_in = [looking.in_record(one) for one in rows.values() if one.record not in going]
    mentions = [one for one in found_in if one is not None]
    picked = {*chosen.redact} - held
    redactions = [redaction_of(m) for m in mentions if m.row.record in picked]
    kept += _staying(mentions, {one.record: one for one in redactions})
    going |= {one.record for one in redactions if one.how == REPLACED}
    case = Case(subject, basis, reason, who, row.area, frozenset(going), frozenset(), ())
    plan = _planned(tx, schema, rows, going, kept, case, away)
    return plan._replace(redactions=tuple(redactions), words=tuple(looking.words), rows=rows)


def _staying(mentions: Iterable[Mention], chosen: Mapping[str, Redaction]) -> list[Kept]:
    """What is said of each record that names the person and is not erased."""
    out = []
    for one in mentions:
        redaction, kind = chosen.get(one.row.record), one.row.collection
        if redaction is not None:
            out.append(Kept(redaction.becomes, kind, redaction.how, " ".join(redaction.fields)))
            continue
        why, named = (MENTION, one.shown) if one.shown else (BEFORE, one.before)
        out.append(Kept(one.row.record, kind, why, " ".join(named)))
    return out


class Related(NamedTuple):
    """What belongs to a person: the home, its area, and the records, the person's own first."""

    home: str
    area: str
    records: list[str]


def related_to(tx: Transaction, schema: Schema, subject: str) -> Related:
    """The records about a person, and the household's own; of a household all. Raises NotFound."""
    found = _rows(tx, "r.id = ?", [subject])
    if not found:
        raise NotFound("record")
    row, rows = found[0], _near(tx, subject)
    if row.home == subject:
        about = {one.record for one in rows.values()}
    else:
        about = _with_what_follows(schema, rows, {subject}) | ({row.home} & rows.keys())
    return Related(row.home, row.area, [subject, *sorted(about - {subject})])


def _near(tx: Transaction, subject: str) -> dict[str, Row]:
    """The records of the homes of one record, itself among them."""
    homes = _homes_of_record(tx, subject)
    near = [one for home in homes for one in _rows(tx, "h.id = ?", [home])]
    near += [one for home in homes for one in _also_rows(tx, home)]
    return {one.record: one for one in [*near, *_rows(tx, "r.id = ?", [subject])]}


def plan_records(
    tx: Transaction,
    schema: Schema,
    records: Collection[str],
    basis: str,
    reason: str,
    who: str,
) -> Plan:
    """What erasing these records alone comes to; those that a hold keeps stay."""
    holds = active_holds(tx)
    marks = sorted(records)
    rows: dict[str, Row] = {}
    for record in marks:
        rows |= {one.record: one for one in _rows(tx, "r.id = ?", [record])}
    kept = [
        Kept(r, one.collection, HELD, holds.get(r) or holds[one.home])
        for r, one in rows.items()
        if r in holds or one.home in holds
    ]
    going = rows.keys() - {one.record for one in kept}
    areas = [one.area for one in rows.values()]
    area = _common(areas)
    case = Case("", basis, reason, who, area, frozenset(going), frozenset(), ())
    return _planned(tx, schema, rows, going, kept, case, set())


def _planned(
    tx: Transaction,
    schema: Schema,
    rows: dict[str, Row],
    going: Collection[str],
    kept: list[Kept],
    case: Case,
    away: set[str],
) -> Plan:
    reader = ChangeReader(tx, away)
    dots: set[Dot] = set()
    planned = []
    for record in sorted(going):
        one = rows[record]
        history = read_history(tx, record, reader)
        dots |= {moment.dot for moment in history.moments} | set(history.missing)
        title = title_of(schema, one.collection, one.body)
        planned.append(Planned(record, one.collection, title, len(history.moments)))
    stays = tuple((one.record, f"{one.why}: {one.detail}") for one in kept)
    told = case._replace(dots=frozenset(dots), kept=stays, away=frozenset(away))
    return Plan(told, planned, kept)


def _rows(tx: Transaction, where: str, values: list[Any]) -> list[Row]:
    found = tx.rows(
        "SELECT r.id, k.collection, h.id, h.area, r.body FROM records r"
        f" JOIN homes h ON h.n = r.home JOIN kinds k ON k.kind = r.kind WHERE {where}",
        values,
    )
    return [Row(str(i), str(k), str(h), str(a), _load(body)) for i, k, h, a, body in found]


def _also_rows(tx: Transaction, home: str) -> list[Row]:
    found = tx.rows("SELECT record FROM also WHERE home = ? AND until_seq IS NULL", [home])
    return [one for (record,) in found for one in _rows(tx, "r.id = ?", [record])]


def _homes_of_record(tx: Transaction, record: str) -> list[str]:
    found = tx.rows(
        "SELECT h.id FROM records r JOIN homes h ON h.n = r.home WHERE r.id = ?", [record]
    ) + tx.rows("SELECT home FROM also WHERE record = ?", [record])
    return list(dict.fromkeys(str(row[0]) for row in found))


def _with_what_follows(schema: Schema, rows: dict[str, Row], wanted: set[str]) -> set[str]:
    """What is about these records alone: of one person by reference, and attachments to any."""
    out = set(wanted)
    while True:
        more = {
            one.record
            for one in rows.values()
            if one.record not in out and _is_about(schema, one, out)
        }
        if not more:
            return out
        out |= more


def _is_about(schema: Schema, one: Row, wanted: set[str]) -> bool:
    if one.collection == "attachment":
        return one.body.get("about_record") in wanted
    declared = schema.collections.get(one.collection)
    if declared is None:
        return False
    return any(
        field.refers_to == "person" and name != "household" and one.body.get(name) in wanted
        for name, field in declared.fields.items()
        # A list of people is about all of them.
        if isinstance(one.body.get(name), str)
    )


def _common(areas: Iterable[str]) -> str:
    """The area that contains all of these."""
    listed = list(areas)
    out = listed[0] if listed else ""
    for area in listed[1:]:
        while not area.startswith(out):
            out = out[:-1]
    return out


# ---- legal holds ---------------------------------------------------------------------------------


class Hold(NamedTuple):
    """A legal hold on a record or on all of a household."""

    n: int
    target: str
    reason: str
    who: str
    at_ms: int
    released_by: str
    released_at_ms: int | None


def add_hold(tx: Transaction, target: str, reason: str, who: str, now_ms: int) -> int:
    """Put a hold on a record or household; its number. Raises NotFound."""
    if not _rows(tx, "r.id = ?", [target]):
        raise NotFound("record")
    tx.run(
        "INSERT INTO holds (target, reason, who, at_ms) VALUES (?, ?, ?, ?)",
        [target, reason, who, now_ms],
    )
    n = int(tx.rows("SELECT max(n) FROM holds")[0][0])
    note(tx, now_ms, who, "hold", target, str(n))
    return n


def release_hold(tx: Transaction, n: int, reason: str, who: str, now_ms: int) -> None:
    """Release a hold. That two people want it is the caller's to have settled (``approvals``).
    Raises NotFound."""
    done = tx.run(
        "UPDATE holds SET released_by = ?, release_reason = ?, released_at_ms = ?"
        " WHERE n = ? AND released_at_ms IS NULL",
        [who, reason, now_ms, n],
    )
    if not done:
        raise NotFound("hold")
    (target,) = tx.rows("SELECT target FROM holds WHERE n = ?", [n])[0]
    note(tx, now_ms, who, "hold-released", str(target), str(n))


def active_holds(tx: Transaction) -> dict[str, str]:
    """What is held, with the reason."""
    found = tx.rows("SELECT target, reason FROM holds WHERE released_at_ms IS NULL ORDER BY n")
    return {str(target): str(reason) for target, reason in found}


def holds(tx: Transaction) -> list[Hold]:
    """All holds there ever were, newest first."""
    found = tx.rows(
        "SELECT n, target, reason, who, at_ms, coalesce(released_by, ''), released_at_ms FROM holds"
        " ORDER BY n DESC"
    )
    return [Hold(*row) for row in found]
