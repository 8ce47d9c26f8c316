# SPDX-License-Identifier: Apache-2.0
"""The one write path: every edit, resolution, attachment and joining on a tablet goes through here.

What lives here: from what someone wants to write to a change that is stored, sealed and shown. What
must not: forms and their checks (``entering.py``), merging (``merging.py``), sealing fields
(``sealed.py``).

Invariants: counter, change and state are one transaction (Law 3), and the change lies in the sealed
outbox before it commits; a record whose held copy lacks this replica's own last change on it is
written under a new replica (Law 5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from client_sdk.devices import succeed
from client_sdk.errors import StoreFull
from client_sdk.merging import merge
from client_sdk.outbox import Outbox, OutsideCounter
from client_sdk.sealed import Sealed
from client_sdk.store.base import Chain, Clock, Store
from client_sdk.store.feeds import Salter, add_own
from client_sdk.store.records import causal_of, chains_of
from sync.change import Change, Entry, check_operations, encode_change, entry_of, new_record_id
from sync.clock import VersionVector, replica_of
from sync.effects import Writing
from sync.feed import next_head
from sync.packing import decode_causal
from sync.schema import Schema

Following = Callable[[Entry, Writing, int], list[Writing]]
"""What a change that was just written brings; the number counts how far it is from the first."""


class Writer:
    """Writes for one open tablet."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox | None,
        outside: OutsideCounter,
        schema: Schema,
        clock: Clock,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._outside = outside
        self._schema = schema
        self._clock = clock
        self._salter = Salter(store)
        self._sealed = Sealed(store, schema)

    def may_write(self, collection: str, field: str) -> bool:
        """Is a field not sealed, or is the key that seals it at hand?"""
        return self._sealed.may_write(collection, field)

    def write(self, draft: Writing, worker: str) -> Entry:
        """Write one change durably; returns it with its dot and the record's id.

        Raises what ``sync.change`` raises for values beyond its limits, StoreFull.
        """
        return self.write_all([draft], worker)[0]

    def write_all(self, drafts: Sequence[Writing], worker: str) -> list[Entry]:
        """Write several changes, all or none."""
        return self._durably(lambda: [self._one(draft, worker) for draft in drafts])

    def write_with(self, draft: Writing, worker: str, following: Following) -> Entry:
        """Write a change and all that ``following`` says it brings, all or none; the first."""

        def all_of() -> list[Entry]:
            made = [self._one(draft, worker)]
            todo = [(made[0], draft, 0)]
            while todo:
                entry, writing, depth = todo.pop(0)
                for more in following(entry, writing, depth):
                    made.append(self._one(more, worker))
                    todo.append((made[-1], more, depth + 1))
            return made

        return self._durably(all_of)[0]

    def _durably(self, make: Callable[[], list[Entry]]) -> list[Entry]:
        store = self._store
        if self._outbox is not None:
            self._outbox.begin()
        try:
            with store.transaction():
                entries = make()
        except OSError as error:
            self._take_back()
            raise StoreFull(error.strerror or "") from error
        except BaseException:
            self._take_back()
            raise
        self._outside.write(store.chain)
        return entries

    def _take_back(self) -> None:
        self._salter.forget()
        if self._outbox is not None:
            self._outbox.undo()

    def _one(self, draft: Writing, worker: str) -> Entry:
        store = self._store
        vector = self._vector(draft.record)
        chain = store.chain
        now_ms = self._clock()
        stamp = chain.stamp.tick(now_ms)
        counter = chain.counter + 1
        salt = self._salter.salt_for(counter)
        record = draft.record or new_record_id(chain.replica, counter, stamp.ms, salt)
        sets = self._sealed.seal(draft.collection, record, draft.sets, (chain.replica, counter))
        change = Change(
            worker=worker,
            collection=draft.collection,
            names=tuple(sets),
            values=list(sets.values()),
            record=draft.record,
            vector=vector,
            stamp_ms=stamp.ms,
            stamp_n=stamp.n,
            clock_ms=now_ms - stamp.ms,
            others=draft.others,
        )
        if draft.others:
            check_operations(change)
        entry = entry_of(chain.replica, counter, salt, encode_change(change))
        head = next_head(chain.head, entry.digest)
        add_own(store, entry, chain.head, head)
        store.set_chain(Chain(chain.replica, counter, head, stamp))
        store.run(
            "INSERT OR REPLACE INTO own_last (record, dot) VALUES (?, ?)", (entry.record, entry.dot)
        )
        merge(store, self._schema, [entry], [], searched=self._searched(draft), own=True)
        if self._outbox is not None:
            self._outbox.add(store, store.key, entry, chain.head, head)
        return entry

    def _vector(self, record: str | None) -> bytes:
        """What this store has seen of a record; goes on as a new replica where Law 5 asks for
        it."""
        if record is None:
            return b""
        store = self._store
        held = causal_of(store, [record]).get(record)
        causal = decode_causal(held[1]) if held else None
        vector: bytes = causal[0] if causal else b""
        found = store.one("SELECT dot FROM own_last WHERE record = ?", (record,))
        if found is not None and replica_of(found[0]) == store.chain.replica:
            seen = VersionVector(vector)
            if causal is None or not seen.covers(found[0], chains_of(store, causal)):
                succeed(store)
        return vector

    def _searched(self, draft: Writing) -> bool:
        names: dict[str, Any] = dict(draft.sets)
        return draft.record is None or any(
            self._schema.field(draft.collection, name).searched or name == "household"
            for name in names
        )
