# SPDX-License-Identifier: Apache-2.0
"""A tablet's day: whose door is next, what is half entered, what was done.

What lives here: the public methods that a day's pages stand on. What must not: how it is reckoned
(``agenda.py``, ``drafts.py``, ``my_day.py``). All of it works without a server and reads narrow
rows, so that it is quick with thousands of households.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from client_sdk import agenda as days
from client_sdk import drafts as halves
from client_sdk import lease, solved, watching
from client_sdk import my_day as did
from client_sdk.store.records import from_json, in_parts
from client_sdk.tablet_writing import TabletWriting
from client_sdk.views import Hit
from sync.change import Value
from sync.sealing import SEALED

NAMING = ("name", "head_name", "title", "text", "building", "on")
"""Fields that name a record, the best first."""


class Sizes(NamedTuple):
    """What a sync would bring: changes and their bytes as stored, attachments and their bytes."""

    changes: int
    change_bytes: int
    blobs: int
    blob_bytes: int


class Standing(NamedTuple):
    """The quiet strip: own changes unsent and at the district, teammates' carried, what is to read.

    ``synced_at_ms`` is None before the first sync; ``conflicts`` counts records, ``log_unread``
    findings about servers' logs. ``lease_left_ms`` is how long the store opens without contact,
    ``lease_ms`` how long it does after one; None where there is no limit.
    """

    unsent: int
    at_district: int
    carried: int
    blobs: int
    conflicts: int
    notices: int
    synced_at_ms: int | None
    log_unread: int
    lease_left_ms: int | None
    lease_ms: int | None


class TabletDay(TabletWriting):
    """The methods of a ``Tablet`` that a day's work asks for."""

    def agenda(
        self,
        part: str = "due",
        *,
        building: str | int | None = None,
        offset: int = 0,
        limit: int = 40,
        shown: bool = True,
    ) -> days.Agenda:
        """The households of one part of today, by building, floor and room, a page at a time.

        ``part`` is ``due``, ``again`` (doors that stayed shut today), ``done``, ``rest`` or
        ``all``; buildings come in the order of ``route``, and ``building`` names one of them or its
        place among them. That people were shown it is noted; not ``shown`` is what a program looks
        up for itself.
        """
        found = days.agenda(
            self._store,
            part,
            self._clock(),
            self.route(),
            building=building,
            offset=offset,
            limit=limit,
        )
        if shown:
            self._readings.listed(self.worker, "today", len(found.stops), days.LISTED)
        return found

    def stops(self, homes: Sequence[str]) -> tuple[days.Stop, ...]:
        """These households as they stand on today's agenda, in the order given."""
        now_ms = self._clock()
        days.refresh(self._store, now_ms)
        return days.stops_of(self._store, list(homes), now_ms)

    def prepare_day(self) -> None:
        """Bring the agenda up to date now, so that the next page need not."""
        days.refresh(self._store, self._clock())

    def route(self) -> list[str]:
        """The buildings in the order in which they are walked; those left out come last."""
        return list(self._store.get("route", []))

    def set_route(self, buildings: Sequence[str]) -> None:
        """Walk the buildings in this order from now on. It is this tablet's own, never sent."""
        with self._store.transaction():
            self._store.put("route", list(dict.fromkeys(buildings)))

    def my_day(self, at_ms: int | None = None) -> did.MyDay:
        """What the worker at this tablet did on the day of ``at_ms``; today, if nothing is said."""
        now_ms = self._clock()
        return did.my_day(self._store, self.worker, now_ms if at_ms is None else at_ms, now_ms)

    def listed(self, home: str, *collections: str) -> dict[str, list[Hit]]:
        """A household's records as plain values, by collection, voided ones left out.

        Ten times as quick as ``of_household``: siblings and writers are not unpacked.
        """
        out: dict[str, list[Hit]] = {name: [] for name in collections}
        marks = ",".join("?" * len(collections))
        sql = (
            "SELECT id, collection, body, voided, conflicts FROM records "
            f"WHERE (home = ? OR id IN (SELECT record FROM record_homes WHERE home = ?)) "
            f"AND collection IN ({marks}) AND voided = 0 ORDER BY id"
        )
        for record, name, body, voided, conflicts in self._store.run(
            sql, (home, home, *collections)
        ):
            values = from_json(body)
            if f'"{SEALED}' in body:
                values = self._reader.record(record).values
            out[name].append(Hit(record, values, bool(voided), conflicts))
        self._readings.opened(self.worker, home, [name for name, hits in out.items() if hits])
        return out

    def name_of_record(self, record: str) -> str:
        """What people call a record: a name, a title, else its day or kind; empty if not held."""
        found = self._store.one("SELECT body FROM records WHERE id = ?", (record,))
        body = from_json(found[0]) if found else {}
        for field in NAMING:
            if isinstance(body.get(field), str) and body[field]:
                return str(body[field])
        return ""

    def homes_of(self, records: Iterable[str]) -> dict[str, str]:
        """Record -> the household it belongs to, of those that are held."""
        out: dict[str, str] = {}
        for marks, part in in_parts(set(records)):
            out.update(self._store.run(f"SELECT id, home FROM records WHERE id IN ({marks})", part))
        return out

    def worker_name(self, worker: str) -> str:
        """What people call a worker; the id where no name is known."""
        return self._reader.worker_name(worker)

    def sizes(self) -> Sizes:
        """How much a sync would bring, before it is asked for."""
        sql = "SELECT count(*), coalesce(sum(length(raw)), 0) FROM feed WHERE receipted = 0"
        changes = self._store.one(sql) or (0, 0)
        sql = "SELECT count(*), coalesce(sum(bytes - sent), 0) FROM blobs WHERE done = 0"
        blobs = self._store.one(sql) or (0, 0)
        return Sizes(changes[0], changes[1], blobs[0], blobs[1])

    def standing(self) -> Standing:
        """Where this tablet stands, from small indexes alone; ``status`` counts everything."""
        store = self._store

        def total(sql: str) -> int:
            found = store.one("SELECT count(*) FROM " + sql)
            return int(found[0]) if found else 0

        # By replica, so that the index of what is unsent answers alone.
        unsent = total("feed WHERE receipted = 0 AND replica IN (SELECT replica FROM replicas)")
        owed = total("feed WHERE receipted = 0")
        kept = lease.in_store(store)
        left_ms = kept.at(self._clock()).left_ms() if kept else None
        return Standing(
            unsent,
            max(0, store.chain.counter - unsent),
            owed - unsent,
            total("blobs WHERE done = 0"),
            total("records WHERE conflicts > 0"),
            total("notices WHERE read = 0")
            + sum(not one.read for one in solved.listed(store, self.worker)),
            store.get("synced_at_ms"),
            watching.unread(store),
            left_ms,
            kept.lease.open_ms if kept and left_ms is not None else None,
        )

    @property
    def blobs_wait(self) -> bool:
        """Shall photos and sounds wait until a worker sends them by hand, on a good line?"""
        return bool(self._store.get("blobs_wait", False))

    def let_blobs_wait(self, wait: bool) -> None:
        """Say whether they shall; ``sync(blobs=False)`` leaves them."""
        with self._store.transaction():
            self._store.put("blobs_wait", wait)

    # -- what is half entered -----------------------------------------------------------------

    def new_id(self) -> str:
        """An id for a record that is still to be written (``create_record(…, record=id)``)."""
        return halves.new_id(self._store, self._clock())

    def keep_draft(self, draft: str, kind: str, home: str, values: Mapping[str, Any]) -> None:
        """Keep what was entered so far, durably; plain values, at most 64 KiB.

        ``draft`` is the id its record will have (``new_id``). Raises EntryRefused, StoreFull.
        """
        now_ms = self._clock()
        kept = halves.Draft(draft, home, kind, self.worker, now_ms, dict(values))
        halves.keep(self._store, kept)

    def draft(self, draft: str) -> halves.Draft | None:
        """A draft by its id, or None."""
        return halves.find(self._store, draft)

    def drafts(self, home: str | None = None) -> list[halves.Draft]:
        """What is half entered, here or in one household, the newest first."""
        return halves.listed(self._store, home)

    def drop_draft(self, draft: str) -> None:
        """Forget a draft; what was written of it stays."""
        halves.drop(self._store, draft)

    def finish_draft(
        self, draft: str, records: Sequence[tuple[str, str, Mapping[str, Value]]]
    ) -> list[str]:
        """Write a draft's records, forget the draft, and return their ids.

        ``records`` are (collection, id, fields); those that are held already are not written again,
        so that finishing twice, after the app was killed in between, makes each record once. Where
        a collection has one record per key, that key gives the id. Raises EntryRefused,
        OperationMisplaced, StoreFull; the draft then stays.
        """
        made: list[str] = []
        for collection, record, fields in records:
            if self._store.one("SELECT 1 FROM records WHERE id = ?", (record,)) is not None:
                made.append(record)
                continue
            keyed, given, _ = self._effecting.born(collection, fields, self.worker)
            if keyed is None:
                made.append(self.create_record(collection, given, record=record))
            else:
                made.append(self.create_record(collection, fields))
        halves.drop(self._store, draft)
        return made
