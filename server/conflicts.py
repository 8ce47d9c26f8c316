# SPDX-License-Identifier: Apache-2.0
"""Keeping every conflict: what stood against what, who decided, and whom to tell.

What lives here: the rows of the audit, written in the transaction of the change that caused them.
What must not: wording for officers (``audit_words.py``). Invariants
- A conflict that ever was in the record has a row, whether a rule, a worker at the door or an
  officer settled it; values that stood in it and were superseded stay in the row, marked not live.
- Each tablet is told once of each of its values that lost, and not of what it decided itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from server.store.base import Transaction
from sync.clock import counter_of
from sync.happenings import Happening
from sync.messages import Notice, encode
from sync.policy import SETTLED_BY_RULE, Sibling, choose, same_key, siblings_of
from sync.record import RecordState
from sync.schema import REGISTERS, Schema

_json = msgspec.json.Encoder().encode
_load = msgspec.json.Decoder(list[dict[str, Any]]).decode


class Happened(NamedTuple):
    """A happening with the record it happened to, as it is after the batch."""

    record: str
    home: str
    collection: str
    happening: Happening
    state: RecordState


class Stands(NamedTuple):
    """The value that stands, who wrote it and where from, and why."""

    kept: Any
    worker: str
    replica: bytes
    reason: str


def sibling_json(siblings: tuple[Sibling, ...]) -> list[dict[str, Any]]:
    """Siblings as they are kept: dots as hex, values as they are."""
    return [
        {
            "dot": s.dot.hex(),
            "replica": s.dot[:16].hex(),
            "counter": counter_of(s.dot),
            "value": s.value,
            "worker": s.worker,
            "stamp_ms": s.stamp.ms,
            "stamp_n": s.stamp.n,
            "live": True,
        }
        for s in siblings
    ]


def policy_of(schema: Schema, collection: str, field: str) -> str:
    """The policy by which siblings of a field are shown."""
    policy = schema.policy(collection, field)
    return policy if policy in REGISTERS else "ask"


def keep_conflicts(
    tx: Transaction, schema: Schema, happened: list[Happened], seq: int, now_ms: int
) -> None:
    """Write what happened to conflicts, in order; then tell those whose value lost."""
    last: dict[int, Happened] = {}
    for one in happened:
        row = _row(tx, one)
        if row is None:
            row = _open(tx, schema, one, seq, now_ms)
        else:
            _keep_sides(tx, row, one)
        if one.happening.kind == "settled":
            _settle(tx, schema, row, one, now_ms)
        last[row] = one
    for row, one in last.items():
        decided = _decided(schema, one)
        if decided is not None:
            field = (one.record, one.collection, one.happening.field)
            _tell(tx, schema, row, field, decided, (seq, now_ms))


def tell_decided_again(
    tx: Transaction, schema: Schema, row: int, decided: Stands, now_ms: int
) -> None:
    """Tell those who were not told yet whose value goes by a decision after one was undone.

    Nothing stands against it in the record by then, so that its change settles nothing there. In
    the transaction of that change.
    """
    sql = "SELECT record, collection, field FROM conflicts WHERE n = ?"
    record, collection, field = tx.rows(sql, [row])[0]
    _tell(tx, schema, row, (record, collection, field), decided, (tx.next_seq(), now_ms))


def _row(tx: Transaction, one: Happened) -> int | None:
    found = tx.rows(
        "SELECT n FROM conflicts WHERE record = ? AND field = ? AND settled_at_ms IS NULL"
        " ORDER BY n DESC LIMIT 1",
        [one.record, one.happening.field],
    )
    return int(found[0][0]) if found else None


def _open(tx: Transaction, schema: Schema, one: Happened, seq: int, now_ms: int) -> int:
    policy = policy_of(schema, one.collection, one.happening.field)
    tx.run(
        "INSERT INTO conflicts (record, home, collection, field, policy, state, opened_seq,"
        " opened_at_ms, siblings, undone) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
        [
            one.record,
            one.home,
            one.collection,
            one.happening.field,
            policy,
            "rule" if policy in SETTLED_BY_RULE else "open",
            seq,
            now_ms,
            "[]",
        ],
    )
    row = _row(tx, one)
    if row is None:
        raise LookupError("a row just written")
    _keep_sides(tx, row, one)
    return row


def _keep_sides(tx: Transaction, row: int, one: Happened) -> None:
    """Add siblings that are new to the row; those that were superseded stay, no longer live."""
    sides = _load(tx.rows("SELECT siblings FROM conflicts WHERE n = ?", [row])[0][0])
    now = {side["dot"]: side for side in sibling_json(one.happening.siblings)}
    known = {side["dot"] for side in sides}
    for side in sides:
        side["live"] = side["dot"] in now
    sides += [side for dot, side in now.items() if dot not in known]
    tx.run("UPDATE conflicts SET siblings = ? WHERE n = ?", [_json(sides).decode(), row])
    tx.run_many(
        "INSERT INTO conflict_sides (conflict, dot, replica, worker, told) VALUES (?, ?, ?, ?, 0)",
        [
            (row, s.dot, s.dot[:16], s.worker)
            for s in one.happening.siblings
            if s.dot.hex() not in known
        ],
    )


def _settle(tx: Transaction, schema: Schema, row: int, one: Happened, now_ms: int) -> None:
    by = one.happening.by
    who, where, reason, d = "", "state", "", None
    if by is not None:
        who, reason, d = by.change.worker, by.change.reason(), by.dot
        device = tx.rows("SELECT device FROM device_keys WHERE replica = ?", [by.dot[:16]])
        where = "door" if device else "office"
    tx.run(
        "UPDATE conflicts SET state = ?, settled_at_ms = ?, settled_dot = ?, settled_worker = ?,"
        " settled_where = ?, kept = ?, reason = ? WHERE n = ?",
        ["settled", now_ms, d, who, where, _json(_kept(schema, one)).decode(), reason, row],
    )


def _kept(schema: Schema, one: Happened) -> Any:
    """The value that settled it: what the deciding change wrote, else what is shown."""
    by, field = one.happening.by, one.happening.field
    if by is not None and field in by.change.names:
        return by.change.values[by.change.names.index(field)]
    left = siblings_of(one.state, field)
    return choose(left, schema.field(one.collection, field)).value if left else None


def _decided(schema: Schema, one: Happened) -> Stands | None:
    """What now stands against the others; None while a person has yet to decide."""
    by, field = one.happening.by, one.happening.field
    if one.happening.kind == "settled":
        if by is None:
            return Stands(_kept(schema, one), "", b"", "")
        return Stands(_kept(schema, one), by.change.worker, by.dot[:16], by.change.reason())
    if policy_of(schema, one.collection, field) not in SETTLED_BY_RULE:
        return None
    chosen = choose(one.happening.siblings, schema.field(one.collection, field))
    return Stands(chosen.value, chosen.worker, b"", "")


def _tell(
    tx: Transaction,
    schema: Schema,
    row: int,
    where: tuple[str, str, str],
    decided: Stands,
    when: tuple[int, int],
) -> None:
    """A notice for each tablet whose value was not kept and that was not told of it before."""
    (record, collection, field), (seq, now_ms) = where, when
    untold = {
        bytes(r[0]).hex()
        for r in tx.rows(
            "SELECT s.dot FROM conflict_sides s JOIN device_keys k ON k.replica = s.replica"
            " WHERE s.conflict = ? AND s.told = 0",
            [row],
        )
    }
    if not untold:
        return
    sides = _load(tx.rows("SELECT siblings FROM conflicts WHERE n = ?", [row])[0][0])
    policy = policy_of(schema, collection, field)
    for side in sides:
        replica = bytes.fromhex(side["replica"])
        theirs = replica == decided.replica and side["worker"] == decided.worker
        if side["dot"] not in untold or theirs or same_key(side["value"]) == same_key(decided.kept):
            continue
        notice = Notice(
            record,
            collection,
            field,
            side["value"],
            decided.kept,
            side["worker"],
            decided.worker,
            decided.reason,
            policy,
            now_ms,
        )
        tx.run(
            "INSERT INTO notices (replica, conflict, seq, body, told_at_ms)"
            " VALUES (?, ?, ?, ?, NULL)",
            [replica, row, seq, encode(notice)],
        )
        tx.run(
            "UPDATE conflict_sides SET told = 1 WHERE conflict = ? AND dot = ?",
            [row, bytes.fromhex(side["dot"])],
        )
