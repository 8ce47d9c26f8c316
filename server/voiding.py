# SPDX-License-Identifier: Apache-2.0
"""An officer's word that a record in conflict should not be at all: it is settled, then voided.

What lives here: those two changes, one upon the other. What must not: what a void means, which is
``sync.record``'s. Invariants
- Nothing is deleted: every change stays in its feed, and whoever edits the record having not seen
  the void, or after it, keeps it alive. So undoing the decision brings the record back.
- The void is written upon the record as the decision left it; if anybody wrote in between, it is
  refused, and the decision stands.
"""

from __future__ import annotations

from server.audit_show import row_of
from server.district import District
from server.effecting import Office
from server.resolving import Decided, held_as_seen, resolve
from server.store.base import Transaction
from sync.change import VOID


def void(
    district: District, conflict: int, *, officer: str, reason: str, seen: str, choice: str
) -> Decided:
    """Settle a conflict by the value ``choice`` (hex) that is shown, and void its record.

    ``seen`` is ``Conflict.seen`` as the officer looked at it. Raises what ``resolve`` raises;
    RecordChanged also where somebody wrote after the decision: then the record is not void.
    """
    with district.store.read() as tx:
        collection = row_of(tx, conflict).collection
    done = resolve(district, conflict, officer=officer, reason=reason, seen=seen, choice=choice)

    def before(tx: Transaction) -> None:
        held_as_seen(tx, done.record, done.seen)

    Office(district).write_many(
        officer, [(collection, done.record, {}, [(VOID, "", reason)])], before=before
    )
    return done
