# SPDX-License-Identifier: Apache-2.0
"""Consents that were taken back: what an officer has to see to, and what was decided.

What lives here: the list, kept as work comes in, and closing a line of it. What must not: erasing
(``erasing_plan.py``), who may sign (``sync.consenting``). Invariants
- A withdrawal is in the list in the transaction that merges it, whoever brings it and however late.
- It leaves the list when it is erased with its person, or when an officer says under his name why
  nothing is to be erased (PIPL, articles 15 and 47); never by itself.
- The list names records by id; what they say is read from the record.
- It is kept where teams are: the district of the household sees to it, not each server above.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any, NamedTuple

import msgspec

from server.errors import NotFound
from server.journal import note
from server.store.base import Transaction
from sync.batch import Batch

CONSENT, WITHDRAWN = "consent", "withdrawn"
LISTED_MAX = 500
"""Shown at once, the oldest first: more is no day's work."""

_load = msgspec.json.Decoder(dict[str, Any]).decode


class Withdrawal(NamedTuple):
    """One consent that was taken back: its record, whose, the home and its area, what it was for,
    on which day, and when it was heard of here."""

    record: str
    person: str
    name: str
    home: str
    area: str
    purpose: str
    on: str
    at_ms: int


def note_withdrawals(tx: Transaction, batch: Batch, born: Container[str], now_ms: int) -> None:
    """Put into the list what a batch took back; after it is stored. ``born`` are the collections of
    its ``births``."""
    named = []
    if CONSENT in born:
        named = [record for record, one in batch.births.items() if one.change.collection == CONSENT]
    named += [record for record, one in batch.touched.items() if one.collection == CONSENT]
    if not named or not tx.rows("SELECT 1 FROM teams LIMIT 1"):
        return
    found = tx.rows_in("SELECT id, body FROM records WHERE id IN (?*) AND voided = 0", named)
    tx.run_many(
        "INSERT INTO withdrawals (record, at_ms) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(r, now_ms) for r, body in found if _load(body).get("answer") == WITHDRAWN],
    )


def withdrawals(tx: Transaction, area: str = "") -> list[Withdrawal]:
    """What is to be seen to in an area, the oldest first."""
    rows = tx.rows(
        "SELECT w.record, r.body, h.id, h.area, w.at_ms FROM withdrawals w"
        " JOIN records r ON r.id = w.record JOIN homes h ON h.n = r.home"
        " WHERE w.decided_at_ms IS NULL AND r.voided = 0 AND substr(h.area, 1, ?) = ?"
        " ORDER BY w.at_ms, w.record LIMIT ?",
        [len(area), area, LISTED_MAX],
    )
    bodies = [(str(r), _load(body), str(home), str(at), int(ms)) for r, body, home, at, ms in rows]
    names = _names(tx, {str(body.get("person")) for _, body, *_ in bodies})
    return [
        Withdrawal(
            record,
            str(body.get("person")),
            names.get(str(body.get("person")), ""),
            home,
            at,
            str(body.get("purpose") or ""),
            str(body.get("on") or ""),
            at_ms,
        )
        for record, body, home, at, at_ms in bodies
        if body.get("answer") == WITHDRAWN
    ]


def _names(tx: Transaction, people: Iterable[str]) -> dict[str, str]:
    found = tx.rows_in("SELECT id, body FROM records WHERE id IN (?*)", sorted(people))
    return {str(person): str(_load(body).get("name") or "") for person, body in found}


def close_withdrawal(tx: Transaction, record: str, reason: str, by: str, now_ms: int) -> None:
    """Say that nothing more is to be erased for it, and why. Raises NotFound."""
    sql = (
        "UPDATE withdrawals SET decided_at_ms = ?, decided_by = ?"
        " WHERE record = ? AND decided_at_ms IS NULL"
    )
    if not tx.run(sql, [now_ms, by, record]):
        raise NotFound("withdrawal")
    note(tx, now_ms, by, "withdrawal-closed", record, reason)
