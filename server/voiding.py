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

from server.audit_show import Conflict, row_of
from server.district import District
from server.effecting import Office
from server.resolving import Decided, held_as_seen, resolve
from server.store.base import Transaction
from sync.change import VOID
from sync.policy import same_key

VOIDED = "冲突 {n} 已裁定，整条记录已作废 ‖ Conflict {n} is settled, and its record is void"
"""What the officer is told when it is done."""


def standing(found: Conflict) -> str:
    """The value by which a conflict is settled when its record is voided: that which is shown now.

    Its dot in hex, as ``void`` takes it.
    """
    live = [side for side in found.sides if side.live] or list(found.sides)
    shown = [side for side in live if same_key(side.value) == same_key(found.shown)]
    return (shown or live)[0].dot.hex()


def void(
    district: District, conflict: int, *, officer: str, reason: str, seen: str, choice: str
) -> Decided:
    """Settle a conflict by the value ``choice`` (``standing``), and void its record.

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
