# SPDX-License-Identifier: Apache-2.0
"""Conflicts that joins of households make, as an auditor reads them: open ones and settled ones.

What lives here: each with its values, who wrote them on which record, who joined the two and when,
who settled it. What must not: deciding (``joined_deciding.py``), words. Invariants
- All of it follows from the record and the feeds: no row is kept of it that could differ from them.
- A settlement is a writing that stands on both records and that found the two in conflict.
- A join that was taken back makes no conflicts any more: what was decided stays in both histories.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from server.audit import Filter, Names
from server.audit_errors import ConflictUnknown
from server.history import (
    ChangeReader,
    Found,
    History,
    Moment,
    Stored,
    known_forks,
    read_history,
    stored_record,
)
from server.joined_conflicts import late_of
from server.joining import joins_in
from server.store.base import Transaction
from sync.clock import Dot, Stamp, counter_of
from sync.happenings import conflicts_of
from sync.joining import FIELDS_OF_JOINING, JOINED_INTO, JOINED_SEEN, combined
from sync.policy import SETTLED_BY_RULE, Sibling, choose, same_key, shown_fields, siblings_of
from sync.record import RecordState, apply_change, deliverable
from sync.schema import Schema

BESIDE_CHANGES_MAX = 64
"""So near in one feed stand the two changes of one writing: it brings a few others along."""


class JoinedSide(NamedTuple):
    """One value, the record it was written on, and its writer. Times by the server's clock."""

    dot: Dot
    value: Any
    worker: str
    record: str
    stamp: Stamp
    at_ms: int


class Join(NamedTuple):
    """One household said to be another: by whom, when, why."""

    away: str
    into: str
    worker: str
    at_ms: int
    reason: str


class Settlement(NamedTuple):
    """The change on the survivor that settled it; ``where`` is "office" or "door"."""

    dot: Dot
    worker: str
    where: str
    value: Any
    reason: str
    at_ms: int


class JoinedConflict(NamedTuple):
    """One conflict; ``shown`` is what the policy showed, or shows, of its values.

    ``state`` is one of ``audit.STATES``. ``seen`` is the digest that a decision must bring back.
    """

    home: str
    area: str
    field: str
    policy: str
    state: str
    opened_at_ms: int
    sides: tuple[JoinedSide, ...]
    shown: Any
    joins: tuple[Join, ...]
    settled: Settlement | None
    undone: Settlement | None
    seen: str

    @property
    def name(self) -> str:
        """What it is asked for by: the surviving household and the field."""
        return f"{self.home}/{self.field}"


def joined_conflicts(
    tx: Transaction, schema: Schema, wanted: Filter, names: Names | None = None
) -> list[JoinedConflict]:
    """Those that the filter meets, newest first."""
    every = _Reading(tx, schema, wanted.area).all()
    every.sort(key=lambda one: (one.opened_at_ms, one.name), reverse=True)
    return met_by(every, wanted, names or Names(tx))


def met_by(found: list[JoinedConflict], wanted: Filter, names: Names) -> list[JoinedConflict]:
    """Those of a list that a filter meets."""
    return [one for one in found if _meets(one, wanted, names)]


def joined_of(tx: Transaction, schema: Schema, homes: Collection[str]) -> list[JoinedConflict]:
    """Those of the survivors of some households, in order of household and field."""
    return _Reading(tx, schema, "", homes).all()


def joined_conflict(tx: Transaction, schema: Schema, name: str) -> JoinedConflict:
    """The newest of a name, an open one before settled ones. Raises ConflictUnknown."""
    home, _, field = name.rpartition("/")
    found = [
        one for one in joined_of(tx, schema, [home]) if one.home == home and one.field == field
    ]
    if not found:
        raise ConflictUnknown(name)
    return max(found, key=lambda one: (one.settled is None, one.opened_at_ms, _last(one)))


def _last(one: JoinedConflict) -> int:
    return one.settled.at_ms if one.settled else 0


def counts_of(found: list[JoinedConflict]) -> dict[str, int]:
    """State → how many."""
    out: dict[str, int] = {}
    for one in found:
        out[one.state] = out.get(one.state, 0) + 1
    return out


def in_state(one: JoinedConflict, state: str) -> bool:
    """Is it in a state as lists are asked for it?"""
    return state in ("all", one.state) or (state == "settled" and one.state != "open")


def _meets(one: JoinedConflict, wanted: Filter, names: Names) -> bool:
    writers = {word for s in one.sides for word in (s.worker, names.worker(s.worker))}
    records = {one.home, *(join.away for join in one.joins)}
    return (
        in_state(one, wanted.state)
        and one.area.startswith(wanted.area)
        and wanted.collection in ("", "household")
        and wanted.field in ("", one.field)
        and wanted.policy in ("", one.policy)
        and wanted.record in {"", *records}
        and wanted.worker in {"", *writers}
        and wanted.team in {"", *(names.team(side.dot[:16]) for side in one.sides)}
        and (wanted.before_ms is None or one.opened_at_ms <= wanted.before_ms)
        and (wanted.since_ms is None or one.opened_at_ms >= wanted.since_ms)
        # Nobody is given one of these to settle: whoever asks for somebody's asks for none.
        and not wanted.assignee
        and not wanted.due
    )


class _Reading:
    """One reading of all survivors of an area, or of one; made once for each question."""

    def __init__(
        self, tx: Transaction, schema: Schema, under: str, of: Collection[str] = ()
    ) -> None:
        self.tx, self.schema = tx, schema
        self.under = under
        self.reader = ChangeReader(tx)
        self.forks = set(known_forks(tx))
        self.joins = joins_in(tx)
        self.homes = {self.joins.of(home) for home in of}

    def all(self) -> list[JoinedConflict]:
        """Every one, in order of household."""
        homes = sorted(set(self.joins.survivor.values()))
        out: list[JoinedConflict] = []
        for home in [one for one in homes if not self.homes or one in self.homes]:
            area = self.tx.rows("SELECT area FROM homes WHERE id = ?", [home])
            if area and str(area[0][0]).startswith(self.under):
                out += self._of(home, str(area[0][0]))
        return out

    def _of(self, home: str, area: str) -> Iterator[JoinedConflict]:
        kept = stored_record(self.tx, home)
        if kept is None or kept.voided:
            return
        every = [stored_record(self.tx, away) for away in self.joins.aliases(home)]
        aliases = [one for one in every if one is not None and not one.voided]
        joins = tuple(join for one in aliases if (join := self._join(one)))
        seen = hashlib.sha256(
            b"doorstep/joined/1\0" + b"|".join(one.vector for one in (kept, *aliases))
        ).hexdigest()[:16]
        for late in late_of(self.tx, self.schema, self.joins, self.forks, (home, area)):
            sides = self._sides(late.siblings, kept, aliases)
            yield self._made((home, area, late.field), sides, joins, seen, (None, None))
        histories = {o.record: read_history(self.tx, o.record, self.reader) for o in aliases}
        own = read_history(self.tx, home, self.reader)
        for field, siblings, moment, back in _settled(own, histories, self.forks, self.schema):
            sides = self._sides(siblings, kept, aliases)
            done = self._settlement(moment, field), back and self._settlement(back, field)
            yield self._made((home, area, field), sides, joins, seen, done)

    def _made(
        self,
        place: tuple[str, str, str],
        sides: tuple[JoinedSide, ...],
        joins: tuple[Join, ...],
        seen: str,
        done: tuple[Settlement | None, Settlement | None],
    ) -> JoinedConflict:
        home, area, field = place
        policy = self.schema.policy("household", field)
        settled, undone = done
        state = "rule" if policy in SETTLED_BY_RULE else "open"
        if settled:
            state = "undone" if undone else settled.where
        told = tuple(sorted((Sibling(s.dot, s.value, s.stamp, s.worker) for s in sides), key=_old))
        shown = choose(told, self.schema.field("household", field)).value
        # It is one from when both values and the join of the two records had come.
        joined_ms = min((join.at_ms for join in joins), default=0)
        opened_ms = max(joined_ms, *sorted(side.at_ms for side in sides)[:2])
        parts = (home, area, field, policy, state, opened_ms)
        return JoinedConflict(*parts, sides, shown, joins, settled, undone, seen)

    def _sides(
        self, siblings: tuple[Sibling, ...], kept: Stored, aliases: list[Stored]
    ) -> tuple[JoinedSide, ...]:
        out = []
        for one in siblings:
            found = self.reader.find(one.dot)
            record = found.entry.record if found else _holder(one.dot, kept, aliases)
            at_ms = _at(found, one.stamp.ms)
            out.append(JoinedSide(one.dot, one.value, one.worker, record, one.stamp, at_ms))
        return tuple(out)

    def _join(self, away: Stored) -> Join | None:
        said = siblings_of(away.state, JOINED_INTO)
        if not said:
            return None
        found = self.reader.find(said[-1].dot)
        reason = found.entry.change.reason() if found else ""
        at_ms = _at(found, said[-1].stamp.ms)
        return Join(away.record, str(said[-1].value), said[-1].worker, at_ms, reason)

    def _settlement(self, moment: Moment, field: str) -> Settlement:
        change = moment.entry.change
        device = self.tx.rows("SELECT device FROM device_keys WHERE replica = ?", [moment.dot[:16]])
        return Settlement(
            moment.dot,
            change.worker,
            "door" if device else "office",
            change.values[change.names.index(field)],
            change.reason(),
            _at(moment.found, change.stamp_ms),
        )


def _old(one: Sibling) -> tuple[Stamp, Dot]:
    return one.stamp, one.dot


def _at(found: Found | None, stamp_ms: int) -> int:
    """When it came; of the server's own, and of what came in a signed state, when it was made."""
    return found.received_at_ms if found and found.received_at_ms is not None else stamp_ms


def _holder(d: Dot, kept: Stored, aliases: list[Stored]) -> str:
    for one in (kept, *aliases):
        if any(d in by_dot for by_dot in one.state.registers.values()):
            return one.record
    return kept.record


# ---- settlements, from the histories of both -----------------------------------------------------

_Settled = tuple[str, tuple[Sibling, ...], Moment, Moment | None]


def _settled(
    own: History, aliases: dict[str, History], forks: set[bytes], schema: Schema
) -> Iterator[_Settled]:
    """Field, what stood, the change on the survivor that settled it, the one that undid that."""
    pairs = [p for m in own.moments if m.fate == "merged" for p in _pairs(m, aliases)]
    for at, (field, moment, twins) in enumerate(pairs):
        before = _before(own, moment)
        seen = []
        for record, twin in twins.items():
            state = _before(aliases[record], twin)
            shown = shown_fields(state, schema, "household")
            if JOINED_INTO in shown and shown[JOINED_INTO].value:
                text = shown[JOINED_SEEN].value if JOINED_SEEN in shown else None
                seen.append((state, text))
        siblings = conflicts_of(combined(before, seen, forks)).get(field, ())
        if not {s.dot for s in siblings} - before.registers.get(field, {}).keys():
            continue
        told = choose(tuple(sorted(siblings, key=_old)), schema.field("household", field)).value
        # An undoing sets back, on both, what was shown before; what comes first decides.
        later = next((m for name, m, _ in pairs[at + 1 :] if name == field), None)
        undone = later is not None and same_key(_value(later, field)) == same_key(told)
        yield field, siblings, moment, later if undone else None


def _pairs(
    moment: Moment, aliases: dict[str, History]
) -> list[tuple[str, Moment, dict[str, Moment]]]:
    """The fields that a change wrote on the survivor and its writer on joined-away ones too."""
    out = []
    for field in moment.entry.change.names:
        twins = {}
        for record, history in aliases.items():
            near = [m for m in history.moments if _twin(moment, m, field)]
            if near and field not in FIELDS_OF_JOINING:
                twins[record] = min(near, key=lambda m: _apart(moment, m))
        if twins:
            out.append((field, moment, twins))
    return out


def _twin(one: Moment, other: Moment, field: str) -> bool:
    mine, theirs = one.entry.change, other.entry.change
    return (
        other.fate == "merged"
        and one.dot[:16] == other.dot[:16]
        and mine.worker == theirs.worker
        and _apart(one, other) <= BESIDE_CHANGES_MAX
        and field in theirs.names
        and same_key(_value(one, field)) == same_key(_value(other, field))
    )


def _apart(one: Moment, other: Moment) -> int:
    return abs(counter_of(one.dot) - counter_of(other.dot))


def _value(moment: Moment, field: str) -> Any:
    change = moment.entry.change
    return change.values[change.names.index(field)]


def _before(history: History, moment: Moment) -> RecordState:
    """A record as the writer of a change had it."""
    state, chains, vector = RecordState(), history.chains(), moment.entry.change.vector
    for one in history.moments:
        known = one.fate == "merged" and history.covers(vector, one.dot)
        if known and deliverable(state, one.entry, chains):
            apply_change(state, one.entry, chains)
    return state
