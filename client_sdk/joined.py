# SPDX-License-Identifier: Apache-2.0
"""Households that were joined, as one tablet reads and writes them.

What lives here: which households were joined into which, and what an edit of the survivor writes
beside it. What must not: showing (``reading.py``). Invariant: nothing but ``joined_into`` joins.
"""

from __future__ import annotations

from client_sdk.store.base import Store
from client_sdk.store.records import from_json, row_of
from sync.effects import Writing
from sync.joining import FIELDS_OF_JOINING, JOINED_INTO, JOINED_SEEN, Joins, joins, late_fields
from sync.packing import decode_causal, unpack_state


def joins_of(store: Store) -> Joins:
    """The joins among the households held."""
    found = {
        record: from_json(body).get(JOINED_INTO)
        for record, body in store.rows(
            "SELECT id, body FROM records WHERE collection = 'household'"
            " AND instr(body, '\"joined_into\"') > 0"
        )
    }
    if not any(found.values()):
        return Joins({}, ())
    held = [r for (r,) in store.rows("SELECT id FROM records WHERE collection = 'household'")]
    return joins(found, held)


def beside(store: Store, writing: Writing) -> list[Writing]:
    """What is written on joined-away households when their survivor is: the same value on the
    fields they were given late, so that what is settled there is settled."""
    if writing.collection != "household" or not writing.record or not writing.sets:
        return []
    out = []
    for alias in joins_of(store).aliases(writing.record):
        row = row_of(store, alias)
        if row is None:
            continue
        state = unpack_state(decode_causal(row.causal), row.body)
        late = late_fields(state, row.body.get(JOINED_SEEN), store.forks)
        sets = {n: v for n, v in writing.sets.items() if n in late - FIELDS_OF_JOINING}
        if sets:
            out.append(Writing("household", alias, sets, []))
    return out
