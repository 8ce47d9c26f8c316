# SPDX-License-Identifier: Apache-2.0
"""What an officer writes, with what it brings along: as on a tablet, whoever writes it and where.

What lives here: carrying out on the district what ``sync.effects`` says, for the console, the
command line and imports. What must not: any rule, a second write path. Invariants
- A writing and all that it brings are one run of changes in one transaction.
- What was read to find out what a writing brings is read in the transaction that writes it.
- What a tablet wrote comes with what it brought: releases from quarantine bring nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from server.audit_errors import ValueRefused
from server.joined_conflicts import beside
from server.own import Write
from server.store.base import Transaction
from sync.change import Entry, Value, new_record_id
from sync.effects import Moment, Writing
from sync.together import Held, together

if TYPE_CHECKING:
    from server.district import District

ID_SALT_BYTES = 16
_load = msgspec.json.Decoder(dict[str, Any]).decode


def held_in(tx: Transaction, record: str) -> Held | None:
    """A record as the store has it."""
    found = tx.rows(
        "SELECT k.collection, r.body, r.voided FROM records r JOIN kinds k ON k.kind = r.kind"
        " WHERE r.id = ?",
        [record],
    )
    return Held(str(found[0][0]), _load(found[0][1]), bool(found[0][2])) if found else None


class Office:
    """Who writes the record of a district for its officers; what ``control.Caller`` is elsewhere.

    One of a district that runs in this process.
    """

    def __init__(self, district: District) -> None:
        self.district = district

    def __repr__(self) -> str:
        return f"Office({self.district!r})"

    def write(
        self,
        worker: str,
        collection: str,
        record: str | None,
        sets: dict[str, Value],
        others: Sequence[tuple[str, str, Value]] = (),
        reason: str = "",
    ) -> str:
        """Write one change and what it brings; the id of its record."""
        return self.write_many(worker, [(collection, record, sets, list(others))], reason)[0]

    def write_many(
        self,
        worker: str,
        writes: Sequence[Write],
        reason: str = "",
        *,
        before: Callable[[Transaction], None] | None = None,
        after: Callable[[Transaction, list[Entry]], None] | None = None,
    ) -> list[str]:
        """As ``District.write_many``, with what the changes bring; the ids of the records given.

        Raises ValueRefused for a step that may not be taken yet: then nothing was written.
        """
        district = self.district
        # The district looks at it after ``before``, which fills in what is brought.
        whole = list(writes)

        def bring(tx: Transaction) -> None:
            if before is not None:
                before(tx)
            whole[:] = self._with_effects(tx, worker, writes)

        found = district.write_many(worker, whole, reason, before=bring, after=after)
        return found[: len(writes)]

    def _with_effects(self, tx: Transaction, worker: str, writes: Sequence[Write]) -> list[Write]:
        district, now_ms = self.district, self.district.clock()

        def new_id() -> str:
            salt = os.urandom(ID_SALT_BYTES)
            return new_record_id(district.own.key.replica, district.own.counter, now_ms, salt)

        known: set[tuple[str, str]] = set()

        def hold(record: str) -> Held | None:
            found = held_in(tx, record)
            if found is not None:
                known.add((record, found.collection))
            return found

        made, problems = together(
            district.schema,
            [Writing(*write) for write in writes],
            hold,
            Moment(now_ms, worker),
            new_id,
        )
        if problems:
            one = problems[0]
            raise ValueRefused(f"{one.message('zh')} {one.message('en')}")
        whole: list[Write] = [(one.collection, one.record, one.sets, one.others) for one in made]
        # Only what was there: a household that is new was joined with none.
        edited = [one for one in whole if one[1] and (one[1], one[0]) in known]
        return [*whole, *beside(tx, edited)]

    def reload(self) -> None:
        """Read devices and revocations again."""
        self.district.reload()
