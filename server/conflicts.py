# SPDX-License-Identifier: Apache-2.0
"""Keeping every conflict: what stood against what, who decided, and whom to tell.

What lives here: the rows of the audit, written in the transaction of the change that caused them.
What must not: wording for officers (``audit.py``). Invariant: a conflict that ever was in the
record has a row, whether a rule, a worker at the door or an officer settled it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from server.store.base import Transaction
from sync.batch import Happening
from sync.clock import counter_of
from sync.messages import Notice, encode
from sync.policy import SETTLED_BY_RULE, Sibling, choose, same_key, siblings_of
from sync.record import RecordState
from sync.schema import REGISTERS, Schema

_json = msgspec.json.Encoder().encode


class Happened(NamedTuple):
    """A happening with the record it happened to, as it is after the batch."""

    record: str
    home: str
    collection: str
    happening: Happening
    state: RecordState


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
        }
        for s in siblings
    ]


def keep_conflicts(
    tx: Transaction, schema: Schema, happened: list[Happened], seq: int, now_ms: int
) -> None:
    """Write what happened to conflicts, in order."""
    for one in happened:
        kind = one.happening.kind
        if kind == "opened":
            _open(tx, schema, one, seq, now_ms)
        elif kind == "changed":
            _change(tx, one)
        else:
            _settle(tx, schema, one, seq, now_ms)


def _policy(schema: Schema, one: Happened) -> str:
    policy = schema.policy(one.collection, one.happening.field)
    return policy if policy in REGISTERS else "ask"


def _open(tx: Transaction, schema: Schema, one: Happened, seq: int, now_ms: int) -> None:
    policy = _policy(schema, one)
    found = _row(tx, one)
    siblings = _json(sibling_json(one.happening.siblings)).decode()
    state = "rule" if policy in SETTLED_BY_RULE else "open"
    if found is not None:
        tx.run("UPDATE conflicts SET siblings = ? WHERE n = ?", [siblings, found])
        return
    tx.run(
        "INSERT INTO conflicts (record, home, collection, field, policy, state, opened_seq,"
        " opened_at_ms, siblings) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            one.record,
            one.home,
            one.collection,
            one.happening.field,
            policy,
            state,
            seq,
            now_ms,
            siblings,
        ],
    )
    if state == "rule":
        row = _row(tx, one)
        if row is not None:
            _tell_by_rule(tx, schema, one, row, seq, now_ms)


def _row(tx: Transaction, one: Happened) -> int | None:
    found = tx.rows(
        "SELECT n FROM conflicts WHERE record = ? AND field = ? AND state IN ('open', 'rule')"
        " AND settled_at_ms IS NULL ORDER BY n DESC LIMIT 1",
        [one.record, one.happening.field],
    )
    return int(found[0][0]) if found else None


def _change(tx: Transaction, one: Happened) -> None:
    row = _row(tx, one)
    if row is not None:
        siblings = _json(sibling_json(one.happening.siblings)).decode()
        tx.run("UPDATE conflicts SET siblings = ? WHERE n = ?", [siblings, row])


def _settle(tx: Transaction, schema: Schema, one: Happened, seq: int, now_ms: int) -> None:
    row = _row(tx, one)
    if row is None:
        return
    by = one.happening.by
    left = siblings_of(one.state, one.happening.field)
    kept = left[-1].value if left else None
    who, where, reason, d = "", "state", "", None
    if by is not None:
        who, reason, d = by.change.worker, by.change.reason(), by.dot
        device = tx.rows("SELECT device FROM device_keys WHERE replica = ?", [by.dot[:16]])
        where = "door" if device else "office"
    tx.run(
        "UPDATE conflicts SET state = ?, settled_at_ms = ?, settled_dot = ?, settled_worker = ?,"
        " settled_where = ?, kept = ?, reason = ? WHERE n = ?",
        ["settled", now_ms, d, who, where, _json(kept).decode(), reason, row],
    )
    _tell(tx, one, row, (kept, who, reason, _policy(schema, one)), seq, now_ms)


def _tell_by_rule(
    tx: Transaction, schema: Schema, one: Happened, row: int, seq: int, now_ms: int
) -> None:
    declared = schema.field(one.collection, one.happening.field)
    chosen = choose(one.happening.siblings, declared)
    decided = (chosen.value, chosen.worker, "", _policy(schema, one))
    _tell(tx, one, row, decided, seq, now_ms)


def _tell(
    tx: Transaction,
    one: Happened,
    row: int,
    decided: tuple[Any, str, str, str],
    seq: int,
    now_ms: int,
) -> None:
    """A notice for each tablet whose value was not kept."""
    kept, who, reason, policy = decided
    for sibling in one.happening.siblings:
        if same_key(sibling.value) == same_key(kept):
            continue
        notice = Notice(
            one.record,
            one.collection,
            one.happening.field,
            sibling.value,
            kept,
            sibling.worker,
            who,
            reason,
            policy,
            now_ms,
        )
        tx.run(
            "INSERT INTO notices (replica, conflict, seq, body, told_at_ms)"
            " VALUES (?, ?, ?, ?, NULL)",
            [sibling.dot[:16], row, seq, encode(notice)],
        )
