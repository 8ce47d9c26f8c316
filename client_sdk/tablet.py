# SPDX-License-Identifier: Apache-2.0
"""The tablet: the public API on which apps are built.

What lives here: one class, thin: every method hands over to the part that does the work. What must
not: SQL, rules, drawing. Invariants: all but enrolment and sync works without a server; when a method
that writes returns, what it wrote is durable, in the store and in the sealed outbox.

A ``Tablet`` is for one thread at a time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import msgspec

from client_sdk import meeting, search
from client_sdk.devices import District, certificate_of, learn, name_of, succeed
from client_sdk.entering import Entering, values_of
from client_sdk.errors import NotEnrolled, NotFound
from client_sdk.outbox import Outbox, OutsideCounter
from client_sdk.reading import Reader
from client_sdk.scope import enter, leave, purge, purge_leaving
from client_sdk.store.base import Chain, Clock, Entropy, Store
from client_sdk.store.records import records_of_homes, row_of
from client_sdk.syncing import OnProgress, Syncing
from client_sdk.transport import Transport
from client_sdk.views import Hit, MeetingReport, Record, Status, SyncReport, Told, Unsent
from client_sdk.writing import Draft, Writer
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.secret import SecretBytes
from sync.change import ADD, APPEND, COUNT, REMOVE, Value
from sync.clock import Stamp
from sync.collections import SCHEMA
from sync.feed import genesis
from sync.messages import Notice
from sync.schema import Schema


def now_ms() -> int:
    """The wall clock of this machine in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Tablet:
    """One open tablet. Make one with ``enrol``, ``open``, ``create`` or ``open_with``.

    Every change names ``worker``, who unlocked the tablet. Closing it (``close``, ``lock`` or the end
    of a ``with``) forgets the keys.
    """

    def __init__(
        self,
        store: Store,
        *,
        worker: str,
        schema: Schema,
        clock: Clock,
        transport: Transport | None,
        checked: bool,
    ) -> None:
        self.worker = worker
        self.schema = schema
        self.directory = store.directory
        self.transport = transport
        self._store = store
        self._clock = clock
        district = store.get("district")
        self._outbox = Outbox(store.directory, district[1], store.entropy) if district else None
        self._outside = OutsideCounter(store.directory)
        if self._outside.is_ahead(store):
            # The store was set back behind what this tablet wrote: it goes on as a new replica.
            with store.transaction():
                succeed(store)
        self._writer = Writer(store, self._outbox, self._outside, schema, clock)
        self._entering = Entering(schema, checked=checked)
        self._reader = Reader(store, schema)

    # -- making and opening -------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        directory: Path,
        store_key: SecretBytes,
        *,
        device_key: DeviceKey,
        box_key: BoxKey,
        district: District | None = None,
        certificate: bytes | None = None,
        worker: str,
        name: str = "",
        workers: Iterable[tuple[str, str]] = (),
        schema: Schema | None = None,
        clock: Clock = now_ms,
        entropy: Entropy = os.urandom,
        transport: Transport | None = None,
        checked: bool = True,
        everything: bool = False,
    ) -> Self:
        """Make a store from keys that are at hand, without enrolment and without a PIN.

        For enrolment itself, tests and simulations. ``store_key`` is what ``crypto.unlock.store_key``
        gives; ``certificate`` is the district's word on ``device_key`` (needed to meet teammates);
        ``schema`` is stored where it is not the built-in one; ``checked=False`` lets values through
        that no declaration allows; ``everything``: teammates may show it all households.
        Raises StoreExists.
        """
        store = Store(Path(directory), store_key, create=True, entropy=entropy)
        try:
            with store.transaction():
                store.set_chain(
                    Chain(device_key.replica, 0, genesis(device_key.replica), Stamp(0, 0))
                )
                store.run(
                    "INSERT INTO replicas (replica, private, statement) VALUES (?, ?, ?)",
                    (device_key.replica, device_key.private, certificate or b""),
                )
                store.put("box", box_key.private)
                store.put("name", name)
                store.put("workers", [list(pair) for pair in workers])
                store.put("everything", everything)
                if schema is not None and schema is not SCHEMA:
                    store.put("schema", msgspec.json.encode(schema))
                if district is not None:
                    store.put("district", [district.public, district.box_public, district.name])
                if certificate is not None:
                    store.put("certificate", certificate)
                    learn(store, [certificate])
        except BaseException:
            store.close()
            raise
        return cls(
            store,
            worker=worker,
            schema=schema or SCHEMA,
            clock=clock,
            transport=transport,
            checked=checked,
        )

    @classmethod
    def open_with(
        cls,
        directory: Path,
        store_key: SecretBytes,
        *,
        worker: str,
        schema: Schema | None = None,
        clock: Clock = now_ms,
        entropy: Entropy = os.urandom,
        transport: Transport | None = None,
        checked: bool = True,
    ) -> Self:
        """Open a store with its key, without a PIN.

        Raises StoreMissing, StoreBusy, StoreKeyWrong, StoreTooNew.
        """
        store = Store(Path(directory), store_key, create=False, entropy=entropy)
        if schema is None:
            stored = store.get("schema")
            schema = msgspec.json.decode(stored, type=Schema) if stored else SCHEMA
        return cls(
            store,
            worker=worker,
            schema=schema,
            clock=clock,
            transport=transport,
            checked=checked,
        )

    def close(self) -> None:
        """Close the store and forget the keys; doing so twice does no harm."""
        if self._outbox is not None:
            self._outbox.close()
        self._outside.close()
        if self.transport is not None:
            self.transport.close()
        self._store.close()

    def lock(self) -> None:
        """Lock the tablet: everything asked of this object from now on raises Locked."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def replica(self) -> bytes:
        """The id under which this tablet writes now, 16 bytes; it changes where a copy is found out."""
        return self._store.chain.replica

    @property
    def name(self) -> str:
        """What this tablet is called."""
        return name_of(self._store, self.replica) or str(self._store.get("name", ""))

    # -- writing ------------------------------------------------------------------------------

    def create_record(
        self,
        collection: str,
        fields: Mapping[str, Value] | None = None,
        *,
        record: str | None = None,
    ) -> str:
        """Make a record and return its id, 22 characters that sort by time.

        ``union`` fields take a list, ``sum`` fields an amount, ``append`` fields an entry or a list.
        ``record`` gives an id of one's own (imports). Raises EntryRefused naming each field that may
        not be written, OperationMisplaced for an unknown collection, StoreFull.
        """
        return self._write(self._entering.creates(collection, record, fields or {}))

    def edit(
        self, record: str, *, collection: str | None = None, reason: str = "", **fields: Value
    ) -> None:
        """Set fields of a record: what this tablet shows of them is overwritten, nothing else is.

        ``collection`` is needed only where the record is not held. Raises NotFound, EntryRefused,
        OperationMisplaced (``union``, ``sum`` and ``append`` fields have their own methods).
        """
        self.set_fields(record, fields, collection=collection, reason=reason)

    def set_fields(
        self,
        record: str,
        fields: Mapping[str, Value],
        *,
        collection: str | None = None,
        reason: str = "",
    ) -> None:
        """``edit`` with the fields in a mapping, for names that are no identifiers."""
        known = self._collection(record, collection)
        self._write(self._entering.sets(known, record, fields, reason))

    def add(
        self, record: str, field: str, *values: str | int, collection: str | None = None
    ) -> None:
        """Add elements to a ``union`` field; adding beats a removal that did not know of it."""
        known = self._collection(record, collection)
        self._write(self._entering.operates(known, record, ADD, field, list(values_of(values))))

    def remove(
        self, record: str, field: str, *values: str | int, collection: str | None = None
    ) -> None:
        """Take elements out of a ``union`` field, as far as this tablet has seen them."""
        known = self._collection(record, collection)
        self._write(self._entering.operates(known, record, REMOVE, field, list(values_of(values))))

    def count(self, record: str, field: str, amount: int, *, collection: str | None = None) -> None:
        """Add an amount to a ``sum`` field; negative amounts take away."""
        known = self._collection(record, collection)
        self._write(self._entering.operates(known, record, COUNT, field, amount))

    def append(
        self, record: str, field: str, *entries: Value, collection: str | None = None
    ) -> None:
        """Add entries to an ``append`` field."""
        known = self._collection(record, collection)
        self._write(self._entering.operates(known, record, APPEND, field, list(entries)))  # type: ignore[arg-type]

    def void(self, record: str, reason: str, *, collection: str | None = None) -> None:
        """Void a record. It stays readable, and an edit made without knowing revives it."""
        known = self._collection(record, collection)
        self._write(self._entering.voids(known, record, reason))

    def resolve(
        self,
        record: str,
        field: str,
        value: Value,
        *,
        reason: str = "",
        collection: str | None = None,
    ) -> None:
        """Settle a conflict with one of its values or a third one: a change that has seen them all."""
        self.set_fields(record, {field: value}, collection=collection, reason=reason)

    def _collection(self, record: str, given: str | None) -> str:
        if given is not None:
            return given
        found = self._store.one("SELECT collection FROM records WHERE id = ?", (record,))
        if found is None:
            raise NotFound()
        return str(found[0])

    def _write(self, draft: Draft) -> str:
        return self._writer.write(draft, self.worker).record

    # -- reading ------------------------------------------------------------------------------

    def read(self, record: str) -> Record:
        """One record with the siblings of each field and who wrote them. Raises NotFound."""
        return self._reader.record(record)

    def holds(self, record: str) -> bool:
        """Is this record here?"""
        return row_of(self._store, record) is not None

    def records(self) -> list[str]:
        """The ids of all records held."""
        return [r for (r,) in self._store.rows("SELECT id FROM records ORDER BY id")]

    def households(self) -> list[Hit]:
        """All households held, in order of their addresses."""
        return self._reader.households()

    def of_household(self, home: str, collection: str | None = None) -> list[Record]:
        """A household's records, itself first; or those of one collection (``visit``, ``need``, …)."""
        return self._reader.of_household(home, collection)

    def search(self, question: str) -> list[Hit]:
        """Households by any part of a name, an address or a phone, or by pinyin initials.

        Words are separated by spaces; all must be found. At most 200.
        """
        return self._reader.hits(search.search(self._store, self.schema, question))

    def conflicts(self) -> list[Record]:
        """The records with a field that holds more than one different value."""
        return self._reader.conflicts()

    def unsent(self) -> list[Unsent]:
        """What was written here and no server has acknowledged yet, oldest first."""
        return self._reader.unsent()

    def is_sent(self, record: str) -> bool:
        """Does the district hold everything that was written here on a record?"""
        sql = "SELECT 1 FROM feed WHERE record = ? AND own = 1 AND receipted = 0 LIMIT 1"
        return self._store.one(sql, (record,)) is None

    def notices(self, *, unread_only: bool = False) -> list[Told]:
        """What the district told of edits made here: what was kept instead, by whom, and why."""
        sql = "SELECT id, received_at_ms, read, notice FROM notices"
        sql += (" WHERE read = 0" if unread_only else "") + " ORDER BY id"
        return [
            Told(n, at, bool(read), msgspec.msgpack.decode(raw, type=Notice))
            for n, at, read, raw in self._store.rows(sql)
        ]

    def mark_read(self, notice: int) -> None:
        """Note that a worker has read a notice."""
        with self._store.transaction():
            self._store.run("UPDATE notices SET read = 1 WHERE id = ?", (notice,))

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

    # -- exchanging ---------------------------------------------------------------------------

    def sync(self, on_progress: OnProgress | None = None, *, push_only: bool = False) -> SyncReport:
        """Bring unsent work to the district and fetch what is new. Resumes where it broke off.

        ``on_progress`` is called after every round trip. ``push_only`` fetches nothing. Raises
        NotEnrolled, Unreachable, Revoked, ServerRefused.
        """
        if self.transport is None:
            raise NotEnrolled("transport")
        syncing = Syncing(self._store, self.schema, self._clock, self.transport, on_progress)
        report = syncing.run(push_only=push_only)
        self._outside.write(self._store.chain)
        if self._outbox is not None:
            self._outbox.compact(self._store)
        return report

    def prepare_search(self) -> None:
        """Bring the search texts up to date now, so that the next search need not."""
        search.refresh(self._store, self.schema)

    def meet(self, other: Tablet) -> MeetingReport:
        """Meet a teammate's tablet in this process: both give, both take."""
        given = self.give_to(other)
        taken = other.give_to(self)
        return MeetingReport(given.changes, taken.changes, taken.carried, taken.records)

    def give_to(self, other: Tablet) -> meeting.Taken:
        """One direction: the other takes what this tablet has and it lacks. Heads are compared first."""
        while other.compare(self.greet(other.replica)) or self.compare(other.greet(self.replica)):
            continue
        return other.take(self.greet(other.replica), self.give(other.greet(self.replica)))

    def greet(self, other: bytes | None = None) -> bytes:
        """What is shown first at a meeting, as bytes. ``other``: the replica it speaks to, if known."""
        return meeting.greet(self._store, other)

    def compare(self, greeting: bytes) -> bool:
        """Compare what the other knows of this tablet's feed, before anything is given.

        True: this tablet was a copy or set back and goes on under a new key; greet again.
        """
        changed = meeting.compare_heads(self._store, meeting.read_greeting(greeting))
        if changed:
            self._outside.write(self._store.chain)
        return changed

    def give(self, greeting: bytes) -> bytes:
        """What the one that greeted lacks and may read, as bytes. Raises PeerUnknown."""
        return meeting.give(self._store, meeting.read_greeting(greeting))

    def take(self, greeting: bytes, given: bytes) -> meeting.Taken:
        """Take in what a teammate gave. Raises MeetingRefused, PeerUnknown."""
        return meeting.take(self._store, self.schema, meeting.read_greeting(greeting), given)

    # -- scope (set by the district at every sync; by hand in simulations) ---------------------

    def assign(self, homes: Iterable[str] | None) -> None:
        """Let teammates show this tablet these households too; None: all there are."""
        with self._store.transaction():
            if homes is None:
                self._store.put("everything", True)
                return
            self._store.put("everything", False)
            rows = [(home,) for home in homes]
            self._store.run_many("INSERT OR IGNORE INTO assigned (home) VALUES (?)", rows)

    def unassign(self, homes: Iterable[str], *, at_once: bool = False) -> None:
        """Give households back: they are purged as soon as receipts cover what was written here.

        ``at_once`` purges now; what is unsent stays, sealed to the district.
        """
        listed = list(homes)
        with self._store.transaction():
            leave(self._store, listed)
            if at_once:
                purge(self._store, records_of_homes(self._store, listed) | set(listed))
            purge_leaving(self._store)

    def hold(self, homes: Iterable[str]) -> None:
        """Take these households as held completely, as a sync does for those that entered."""
        with self._store.transaction():
            enter(self._store, homes)

    @property
    def team(self) -> str:
        """The team on this tablet's certificate; empty where it has none."""
        certificate = certificate_of(self._store)
        return certificate.team if certificate else ""
