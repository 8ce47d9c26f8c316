# SPDX-License-Identifier: Apache-2.0
"""What a tablet shows: records, households, conflicts, notices, where it stands.

What lives here: the public methods that read. What must not: writing, but for what a worker has
read. All of it works without a server.
"""

from __future__ import annotations

import msgspec

from client_sdk import custody, search, solved
from client_sdk.agenda import LISTED
from client_sdk.store.records import row_of
from client_sdk.tablet_base import TabletBase
from client_sdk.views import Custody, Hit, Record, Solved, Status, Told, Unsent
from sync.collections.declare import ENDED
from sync.messages import Notice
from sync.sealing import is_sealed


class TabletReading(TabletBase):
    """The methods of a ``Tablet`` that read."""

    def read(self, record: str) -> Record:
        """One record with the siblings of each field and who wrote them. Raises NotFound.

        That it was opened is noted in the tablet's reading log.
        """
        found = self._reader.record(record)
        self._readings.opened(self.worker, found.home, [found.collection])
        return found

    def may_write(self, collection: str, field: str) -> bool:
        """May this tablet write a field? A sealed one only where it has the key that seals it."""
        return self._writer.may_write(collection, field)

    def holds(self, record: str) -> bool:
        """Is this record here?"""
        return row_of(self._store, record) is not None

    def records(self) -> list[str]:
        """The ids of all records held."""
        return [r for (r,) in self._store.rows("SELECT id FROM records ORDER BY id")]

    def households(self) -> list[Hit]:
        """All households held, in order of their addresses; noted as a list that was shown."""
        found = self._reader.households()
        self._readings.listed(self.worker, "households", len(found), LISTED)
        return found

    def of_household(self, home: str, collection: str | None = None) -> list[Record]:
        """A household's records, itself first; or those of one collection (``visit``, ``need``,
        …). That they were opened is noted."""
        found = self._reader.of_household(home, collection)
        self._readings.opened(self.worker, home, {one.collection for one in found})
        return found

    def search(self, question: str) -> list[Hit]:
        """Households by any part of a name, an address or a phone, or by pinyin initials.

        Words are separated by spaces; all must be found. At most 200. That they were shown is
        noted, with the sealed fields in which was looked.
        """
        found = self._reader.hits(search.search(self._store, self.schema, question))
        self._readings.listed(self.worker, "search", len(found), [*LISTED, *self._looked_in()])
        return found

    def _looked_in(self) -> list[str]:
        """The sealed fields that a search goes through on this tablet."""
        return [
            name
            for collection in self.schema.collections.values()
            for name, field in collection.fields.items()
            if field.sealed and field.searched and self.may_write(collection.name, name)
        ]

    def conflicts(self, *, open_only: bool = False, limit: int | None = None) -> list[Record]:
        """The records with a field that holds more than one different value.

        ``open_only`` leaves out those that a rule settled; at most ``limit``. That they were opened
        is noted.
        """
        found = self._reader.conflicts(open_only=open_only, limit=limit)
        for one in found:
            self._readings.opened(self.worker, one.home, [one.collection])
        return found

    def conflict_count(self, limit: int) -> int:
        """How many records a person has to decide, ``limit`` at most."""
        return len(self._reader.conflicts(open_only=True, limit=limit))

    def unsent(self) -> list[Unsent]:
        """What was written here and no server has acknowledged yet, oldest first."""
        return self._reader.unsent()

    def custody(
        self, record: str | None = None, *, limit: int = custody.CHANGES_SHOWN_MAX, offset: int = 0
    ) -> list[Custody]:
        """Where each change written here is: on the tablet, carried by whom, at the district.

        The newest first, at most 1,000 after ``offset``, or those of one record.
        """
        return custody.custody_of(self._store, record, limit, offset)

    def is_sent(self, record: str) -> bool:
        """Does the district hold everything that was written here on a record?"""
        sql = "SELECT 1 FROM feed WHERE record = ? AND own = 1 AND receipted = 0 LIMIT 1"
        return self._store.one(sql, (record,)) is None

    def notices(self, *, unread_only: bool = False) -> list[Told]:
        """What the district told of edits made here: what was kept instead, by whom, and why.

        Sealed values are opened where this tablet may read them; that is noted.
        """
        sql = "SELECT id, received_at_ms, read, notice FROM notices"
        sql += (" WHERE read = 0" if unread_only else "") + " ORDER BY id"
        return [
            Told(n, at, bool(read), self._opened_notice(msgspec.msgpack.decode(raw, type=Notice)))
            for n, at, read, raw in self._store.rows(sql)
        ]

    def _opened_notice(self, told: Notice) -> Notice:
        if not (is_sealed(told.yours) or is_sealed(told.kept)):
            return told
        yours, kept = (
            self._reader.opened(told.record, told.field, value) for value in (told.yours, told.kept)
        )
        row = row_of(self._store, told.record)
        if row is not None and (yours, kept) != (told.yours, told.kept):
            self._readings.opened(self.worker, row.home, [told.collection])
        return msgspec.structs.replace(told, yours=yours, kept=kept)

    def mark_read(self, notice: int) -> None:
        """Note that a worker has read a notice."""
        with self._store.transaction():
            self._store.run("UPDATE notices SET read = 1 WHERE id = ?", (notice,))

    def solved(self) -> list[Solved]:
        """What was found at this tablet, or by its worker, and somebody else has seen to since.

        Needs, shortages, referrals and wishes, the newest first, at most 200.
        """
        out = []
        for one in solved.listed(self._store, self.worker):
            row = row_of(self._store, one.record)
            if row is None or row.voided or row.body.get("status") not in ENDED:
                continue
            record = self._reader.record(one.record)
            by = record.fields["status"].siblings[-1].by
            out.append(Solved(record, by, one.read))
        return out

    def mark_solved_read(self, record: str) -> None:
        """Note that a worker has read that a record was seen to."""
        solved.mark_read(self._store, record)

    def status(self) -> Status:
        """Where this tablet stands: what it holds, what is unsent, when it last synced."""
        store = self._store

        def total(sql: str) -> int:
            found = store.one("SELECT count(*) FROM " + sql)
            return int(found[0]) if found else 0

        return Status(
            self.name,
            self.replica.hex(),
            self.worker,
            total("records WHERE collection = 'household'"),
            total("records"),
            total("feed WHERE own = 1"),
            total("feed WHERE own = 1 AND receipted = 0"),
            total("feed WHERE own = 0 AND receipted = 0"),
            total("blobs WHERE done = 0"),
            total("waiting"),
            total("records WHERE conflicts > 0"),
            total("notices WHERE read = 0"),
            store.get("synced_at_ms"),
            store.get("server_offset_ms"),
        )
