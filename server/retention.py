# SPDX-License-Identifier: Apache-2.0
"""Retention: what its collection says is kept no longer, erased by the server itself.

What lives here: finding what is due, and having it erased. What must not: erasing. Invariants
- Only records of collections that declare it, whose life cycle has ended, and whose last change and
  date are both so long ago: what somebody still works on stays.
- A legal hold on record or household keeps it.
- What was found under a dry run is what is erased: one function finds both.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from server.erasing_plan import active_holds, plan_records
from server.store.base import Transaction
from sync.collections.declare import ENDED
from sync.packing import decode_causal
from sync.schema import Collection, Schema

if TYPE_CHECKING:
    from server.district import District

DAY_MS = 86_400_000
RECORDS_AT_ONCE = 200
"""Records of one case: a transaction of some tens of milliseconds."""
RECORDS_PER_RUN_MAX = 20_000
"""Of one collection and day; what is left goes the day after."""
ROWS_PER_READ = 2_000
BY = "retention"

_load = msgspec.json.Decoder(dict[str, Any]).decode


class Due(NamedTuple):
    """What is due in one collection: ids; and how many a hold keeps."""

    collection: str
    keep_days: int
    records: list[str]
    held: int


def due(tx: Transaction, schema: Schema, now_ms: int) -> list[Due]:
    """What is due now, by collection."""
    holds = active_holds(tx)
    out = []
    for name, declared in sorted(schema.collections.items()):
        if not declared.keep_days:
            continue
        before_ms = now_ms - declared.keep_days * DAY_MS
        found: list[str] = []
        held = 0
        for record, home, causal, body in _records(tx, name):
            if len(found) >= RECORDS_PER_RUN_MAX:
                break
            if not _is_over(declared, causal, body, before_ms):
                continue
            if record in holds or home in holds:
                held += 1
            else:
                found.append(str(record))
        out.append(Due(name, declared.keep_days, found, held))
    return out


def _records(tx: Transaction, collection: str) -> Iterator[tuple[str, str, bytes, dict[str, Any]]]:
    """All records of a collection: id, home, causal data, shown values."""
    after = 0
    while True:
        found = tx.rows(
            "SELECT r.n, r.id, h.id, r.causal, r.body FROM records r JOIN homes h ON h.n = r.home"
            " JOIN kinds k ON k.kind = r.kind WHERE k.collection = ? AND r.n > ? ORDER BY r.n"
            " LIMIT ?",
            [collection, after, ROWS_PER_READ],
        )
        for n, record, home, causal, body in found:
            after = int(n)
            yield str(record), str(home), bytes(causal), _load(body)
        if len(found) < ROWS_PER_READ:
            return


def _is_over(declared: Collection, causal: bytes, body: dict[str, Any], before_ms: int) -> bool:
    status = body.get("status")
    if "status" in declared.fields and status not in ENDED:
        # Somebody still has something to do with it.
        return False
    last: int = decode_causal(causal)[1]
    since = _time_of(body.get(declared.kept_from)) if declared.kept_from else None
    return max(last, since or 0) < before_ms


def _time_of(value: Any) -> int | None:
    """A date or a time of a record, in milliseconds."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    try:
        day = datetime.strptime(str(value), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(day.timestamp() * 1000)


def retain(district: District) -> int:
    """Erase what is due; how many records."""
    with district.store.read() as tx:
        found = due(tx, district.schema, district.clock())
    total = 0
    for one in found:
        for start in range(0, len(one.records), RECORDS_AT_ONCE):
            part = one.records[start : start + RECORDS_AT_ONCE]
            with district.store.read() as tx:
                reason = f"{one.collection} {one.keep_days}"
                plan = plan_records(tx, district.schema, part, "retention", reason, BY)
            if plan.records:
                district.erasing.carry_out(plan.case)
                total += len(plan.records)
    return total
