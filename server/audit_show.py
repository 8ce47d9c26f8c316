# SPDX-License-Identifier: Apache-2.0
"""One conflict in full: every value, who wrote it, when and where, what its writer had seen.

What lives here: putting together what the rows, the feeds and the record say. What must not: words
(``audit_words.py``), deciding (``resolving.py``). Invariants
- What a writer had seen is read from the vector of the change, never from a clock (Law 1).
- Clocks are shown as they are: raw, stamp, the server's, and the offset that was measured.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from server.audit import Names
from server.audit_errors import ConflictUnknown
from server.history import ChangeReader, Found, History, Stored, read_history, stored_record
from server.store.base import Transaction
from sync.clock import Dot, Stamp, dots_of
from sync.policy import Sibling, choose, siblings_of
from sync.schema import Schema

_siblings = msgspec.json.Decoder(list[dict[str, Any]]).decode
_json = msgspec.json.decode


class Mention(NamedTuple):
    """An edit that is named: whose it is and when: by the server's clock where the offset of its
    writer's was measured, else by the writer's raw clock.

    ``own`` is an earlier edit of the same worker on the same tablet; ``dot`` alone where no feed
    held has it. ``value`` is what it wrote to the field, ``wrote`` whether it wrote it.
    """

    dot: Dot
    worker: str
    tablet: str
    at_ms: int | None
    own: bool
    wrote: bool
    value: Any


class Side(NamedTuple):
    """One value that stands, or stood, in a conflict.

    ``live`` until it was superseded within the conflict. ``clock_ms`` is the tablet's raw clock at
    the write, ``offset_ms`` that clock less the server's as measured when the tablet itself brought
    the change (None where another carried it), ``offline_ms`` from the write to the receipt after
    taking the offset off, ``silent_ms`` since the tablet's last contact before the receipt.
    """

    dot: Dot
    value: Any
    live: bool
    worker: str
    worker_name: str
    device: str
    tablet: str
    team: str
    clock_ms: int | None
    stamp: Stamp
    received_at_ms: int | None
    offset_ms: int | None
    offline_ms: int | None
    silent_ms: int | None
    carried_by: str
    reason: str
    told_at_ms: int | None
    had_seen: tuple[Mention, ...]
    had_not_seen: tuple[Mention, ...]


class Decision(NamedTuple):
    """What an officer, or a worker at the door, decided: ``resolve`` or ``undo``."""

    what: str
    where: str
    worker: str
    worker_name: str
    value: Any
    reason: str
    at_ms: int
    dot: Dot


class Conflict(NamedTuple):
    """One conflict in full. ``seen`` is the digest that a decision must bring back."""

    n: int
    record: str
    home: str
    area: str
    collection: str
    title: str
    field: str
    policy: str
    state: str
    opened_at_ms: int
    sides: tuple[Side, ...]
    base: tuple[Mention, ...]
    shown: Any
    shown_dots: tuple[Dot, ...]
    decisions: tuple[Decision, ...]
    missing: int
    seen: str


def seen_digest(vector: bytes) -> str:
    """Names what was looked at: 16 hex digits over the record's vector."""
    return hashlib.sha256(b"doorstep/seen/1\0" + vector).hexdigest()[:16]


class Row(NamedTuple):
    """The row of a conflict as it is stored."""

    n: int
    record: str
    home: str
    collection: str
    field: str
    policy: str
    state: str
    opened_at_ms: int
    siblings: list[dict[str, Any]]
    settled_at_ms: int | None
    settled_dot: bytes | None
    settled_worker: str
    settled_where: str
    kept: Any
    reason: str
    undone: bool

    @property
    def word(self) -> str:
        """Its state in one word, as the list filters by it."""
        if self.undone:
            return "undone"
        return self.settled_where if self.state == "settled" else self.state


def row_of(tx: Transaction, n: int) -> Row:
    """The stored row of a conflict. Raises ConflictUnknown."""
    found = tx.rows(
        "SELECT n, record, home, collection, field, policy, state, opened_at_ms, siblings,"
        " settled_at_ms, settled_dot, settled_worker, settled_where, kept, reason, undone"
        " FROM conflicts WHERE n = ?",
        [n],
    )
    if not found:
        raise ConflictUnknown(str(n))
    n, record, home, collection, field, policy, state, opened_at_ms, sides = found[0][:9]
    at_ms, d, worker, where, kept, reason, undone = found[0][9:]
    return Row(
        n,
        record,
        home,
        collection,
        field,
        policy,
        state,
        opened_at_ms,
        _siblings(sides),
        at_ms,
        bytes(d) if d is not None else None,
        worker or "",
        where or "",
        _json(kept) if kept else None,
        reason or "",
        bool(undone),
    )


Read = tuple[Names, ChangeReader]


def show_conflict(
    tx: Transaction, schema: Schema, n: int, with_: Read | None = None, *, brief: bool = False
) -> Conflict:
    """All that is known of one conflict; ``with_`` where several are shown.

    ``brief``: what the rows say, without the feeds: no clocks, receipts and reasons of sides, not
    what their writers had seen, no base, no decisions. Raises ConflictUnknown.
    """
    names, reader = with_ or (Names(tx), ChangeReader(tx))
    return _Showing(tx, schema, row_of(tx, n), names, None if brief else reader).conflict()


class _Showing:
    """The parts of one showing; made once for each. Without a reader the feeds are not read."""

    def __init__(
        self, tx: Transaction, schema: Schema, row: Row, names: Names, reader: ChangeReader | None
    ) -> None:
        self.tx = tx
        self.schema = schema
        self.row = row
        self.names = names
        self.reader = reader
        self.history: History | None = read_history(tx, row.record, reader) if reader else None
        self.stored: Stored | None = stored_record(tx, row.record)

    def conflict(self) -> Conflict:
        """Put it together."""
        row, stored = self.row, self.stored
        area = self.tx.rows("SELECT area FROM homes WHERE id = ?", [row.home])
        live = tuple(siblings_of(stored.state, row.field)) if stored else ()
        shown: Any = None
        dots: tuple[Dot, ...] = ()
        if live:
            declared = self.schema.field(row.collection, row.field)
            shown = choose(live, declared).value
            dots = tuple(s.dot for s in live)
        sides = [bytes.fromhex(side["dot"]) for side in row.siblings if side["live"]]
        return Conflict(
            row.n,
            row.record,
            row.home,
            area[0][0] if area else "",
            row.collection,
            title_of(self.schema, row.collection, stored.body if stored else {}),
            row.field,
            row.policy,
            row.word,
            row.opened_at_ms,
            tuple(self._side(side) for side in row.siblings),
            self._base(sides),
            shown,
            dots,
            tuple(self._decisions()) if self.history else (),
            len(self.history.missing) if self.history else 0,
            seen_digest(stored.vector if stored else b""),
        )

    def _find(self, d: Dot) -> Found | None:
        return self.reader.find(d) if self.reader else None

    def _base(self, sides: list[Dot]) -> tuple[Mention, ...]:
        """What all writers had seen of the field before they wrote."""
        if self.history is None:
            return ()
        found = [self._find(d) for d in sides]
        vectors = [f.entry.change.vector for f in found if f]
        if len(vectors) != len(sides):
            return ()
        writes = self.history.last_writes(self.row.field, vectors)
        return tuple(self._mention(m.dot, m.found, "") for m in writes)

    def _side(self, side: dict[str, Any]) -> Side:
        d = bytes.fromhex(side["dot"])
        replica, worker = d[:16], str(side["worker"])
        found = self._find(d)
        names = self.names
        had_seen, had_not = self._seen(d, found)
        return Side(
            d,
            side["value"],
            bool(side["live"]),
            worker,
            names.worker(worker),
            names.device(replica),
            names.tablet(replica),
            names.team(replica),
            _raw_clock(found),
            Stamp(side["stamp_ms"], side["stamp_n"]),
            found.received_at_ms if found else None,
            _offset(found),
            _offline(found),
            _silent(found),
            names.tablet(found.carrier) if found and found.carrier != replica else "",
            found.entry.change.reason() if found else "",
            self._told(d) if self.history else None,
            had_seen,
            had_not,
        )

    def _told(self, d: Dot) -> int | None:
        found = self.tx.rows(
            "SELECT max(n.told_at_ms) FROM notices n JOIN conflict_sides s"
            " ON s.conflict = n.conflict AND s.replica = n.replica"
            " WHERE n.conflict = ? AND s.dot = ? AND s.told = 1",
            [self.row.n, d],
        )
        return int(found[0][0]) if found and found[0][0] is not None else None

    def _seen(self, d: Dot, found: Found | None) -> tuple[tuple[Mention, ...], tuple[Mention, ...]]:
        if found is None or self.history is None:
            return (), ()
        history, change = self.history, found.entry.change
        others = [
            bytes.fromhex(s["dot"]) for s in self.row.siblings if bytes.fromhex(s["dot"]) != d
        ]
        tips = dots_of(change.vector)
        wrote = [m.dot for m in history.last_writes(self.row.field, [change.vector])]
        order = [*wrote, *(t for t in tips if t not in wrote)]
        had = [self._mention(t, self._find(t), change.worker, d) for t in order]
        had_not = [
            self._mention(o, self._find(o), change.worker, d)
            for o in others
            if not history.covers(change.vector, o)
        ]
        return tuple(had), tuple(had_not)

    def _mention(self, d: Dot, found: Found | None, worker: str, writer: Dot = b"") -> Mention:
        names, field = self.names, self.row.field
        if found is None:
            return Mention(d, "", names.tablet(d[:16]), None, False, False, None)
        change = found.entry.change
        wrote = field in change.names
        return Mention(
            d,
            names.worker(change.worker),
            names.tablet(d[:16]),
            _written_at(found),
            d[:16] == writer[:16] and change.worker == worker,
            wrote,
            change.values[change.names.index(field)] if wrote else None,
        )

    def _decisions(self) -> list[Decision]:
        row, name = self.row, self.names.worker
        out = []
        found = self.tx.rows(
            "SELECT what, dot, officer, reason, value, at_ms FROM decisions WHERE conflict = ?"
            " ORDER BY n",
            [row.n],
        )
        told = {bytes(r[1]) for r in found}
        if row.settled_at_ms is not None and row.settled_dot not in told:
            who, at_ms, dot = row.settled_worker, row.settled_at_ms, row.settled_dot or b""
            said = (name(who), row.kept, row.reason)
            out.append(Decision("resolve", row.settled_where, who, *said, at_ms, dot))
        for what, d, officer, reason, value, at_ms in found:
            out.append(
                Decision(
                    what, "office", officer, name(officer), _json(value), reason, at_ms, bytes(d)
                )
            )
        return out


def _raw_clock(found: Found | None) -> int | None:
    if found is None:
        return None
    change = found.entry.change
    return change.stamp_ms + change.clock_ms


def _offset(found: Found | None) -> int | None:
    """The offset of the tablet that wrote it: what another carried says nothing of its clock."""
    if found is None or found.carrier != found.entry.dot[:16]:
        return None
    return found.offset_ms


def _written_at(found: Found | None) -> int | None:
    """When it was written by the server's clock, as far as that can be told."""
    raw = _raw_clock(found)
    return None if raw is None else raw - (_offset(found) or 0)


def _offline(found: Found | None) -> int | None:
    at_ms = _written_at(found)
    if found is None or at_ms is None or _offset(found) is None or found.received_at_ms is None:
        return None
    return max(0, found.received_at_ms - at_ms)


def _silent(found: Found | None) -> int | None:
    if found is None or found.contact_ms is None or found.received_at_ms is None:
        return None
    return max(0, found.received_at_ms - found.contact_ms)


def title_of(schema: Schema, collection: str, body: dict[str, Any]) -> str:
    """What people call a record: its searched texts; "" where it has none."""
    declared = schema.collections.get(collection)
    if declared is None:
        return ""
    texts = [
        str(body[name])
        for name, field in declared.fields.items()
        if field.searched and not field.sealed and isinstance(body.get(name), str) and body[name]
    ]
    return " ".join(texts[:2])


def shown_sibling(schema: Schema, row: Row) -> Sibling | None:
    """The sibling that the policy showed while the conflict stood, by what the row keeps."""
    live = tuple(
        Sibling(
            bytes.fromhex(s["dot"]), s["value"], Stamp(s["stamp_ms"], s["stamp_n"]), s["worker"]
        )
        for s in row.siblings
        if s["live"]
    )
    ordered = tuple(sorted(live, key=lambda s: (s.stamp, s.dot)))
    return choose(ordered, schema.field(row.collection, row.field)) if ordered else None
