# SPDX-License-Identifier: Apache-2.0
"""A district on a real store, and pens: the least that writes a signed feed and syncs it.

What lives here: what the tests of the audit share. A pen keeps its records in memory by the full
rules and talks to the district through real requests; it is a tablet without a disk.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from server.district import District
from server.store.sqlite import SqliteStore
from server.verify import Verdict, verify_store
from sync.change import REASON, Change, Entry, Value, encode_change, entry_of
from sync.clock import Chains, Stamp
from sync.feed import (
    BLOCK_CHANGES,
    Block,
    Segment,
    build_segment,
    chain,
    genesis,
    head_message,
    salts_between,
)
from sync.messages import (
    PROTOCOL,
    WANT_STATES,
    Handed,
    Notice,
    Reply,
    Request,
    decode_request,
    decode_state,
    encode,
    unpack_pages,
)
from sync.packing import decode_causal, unpack_state
from sync.record import RecordState, apply_change, deliverable, join_chains, join_states, note_forks
from sync.schema import Schema, plain_schema
from sync.session import held_sum, off_my_chain, open_page

START_MS = 1_780_000_000_000
HOUR_MS = 3_600_000

SCHEMA: Schema = plain_schema(
    {
        "household": {
            "phone": {"policy": "ask", "kind": "text"},
            "mood": "latest",
            "risk": {"policy": "highest", "order": ["low", "middle", "high"]},
            "score": {"policy": "lowest", "kind": "integer"},
            "tags": "union",
            "meals": "sum",
            "notes": "append",
        },
        "person": {"household": "ask", "name": "ask"},
    }
)


class Office:
    """A district over a real encrypted store, with a clock that the test moves."""

    def __init__(self, folder: Path, schema: Schema = SCHEMA) -> None:
        self.now_ms = START_MS
        self.store = SqliteStore(folder / "district.db", "ab" * 32)
        self.first_key = DeviceKey.generate()
        self.schema = schema
        self.district = District(
            self.store, schema, self.first_key, BoxKey.generate(), lambda: self.now_ms
        )
        with self.store.write() as tx:
            tx.run("INSERT INTO teams VALUES ('t', '龙津一组', 1)")
            tx.run("INSERT INTO team_areas VALUES ('t', '', 0)")

    @classmethod
    def around(cls, district: District, first_key: DeviceKey) -> Self:
        """The same over a district that is open already; its clock is the machine's."""
        made = cls.__new__(cls)
        made.now_ms, made.store, made.first_key = district.clock(), district.store, first_key
        made.schema, made.district = district.schema, district
        with made.store.write() as tx:
            tx.run("INSERT INTO teams VALUES ('t', '龙津一组', 1) ON CONFLICT DO NOTHING")
            tx.run("INSERT INTO team_areas VALUES ('t', '', 0) ON CONFLICT DO NOTHING")
        return made

    def verify(self) -> Verdict:
        with self.store.read() as tx:
            return verify_store(tx, self.schema, self.first_key.public)

    def sql(self, statement: str, *values: object) -> None:
        with self.store.write() as tx:
            assert tx.run(statement, list(values)) > 0

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.store.read() as tx:
            return tx.rows(query, list(values))


class Pen:
    """One writer with a tablet's key."""

    def __init__(self, office: Office, worker: str, name: str, offset_ms: int = 0) -> None:
        self.office = office
        self.worker = worker
        self.tablet = f"平板{worker}"
        self.offset_ms = offset_ms
        self.key = DeviceKey.generate()
        self.head = genesis(self.key.replica)
        self.counter = 0
        self.stamp = Stamp(0, 0)
        self.records: dict[str, RecordState] = {}
        self.forks: set[bytes] = set()
        self.unsent: list[Entry] = []
        self.unsent_from = self.head
        self.seed = os.urandom(32)
        self.cursor = (b"", 0, "")
        self.held: set[str] = set()
        self.notices: list[Notice] = []
        self.relayed: list[Segment] = []
        self.handed: list[Handed] = []
        with office.store.write() as tx:
            tx.run("INSERT INTO workers VALUES (?, ?, 't', 'worker')", [worker, name])
            tx.run(
                "INSERT INTO devices (id, name, team, state, enrolled_at_ms)"
                " VALUES (?, ?, 't', 'active', 0)",
                [worker, self.tablet],
            )
            tx.run(
                "INSERT INTO device_keys (replica, device, public, certificate, succession,"
                " since_ms) VALUES (?, ?, ?, ?, NULL, 0)",
                [self.key.replica, worker, self.key.public, b""],
            )
        office.district.reload()

    def write(
        self,
        record: str | None,
        collection: str = "household",
        others: Sequence[tuple[str, str, Value]] = (),
        reason: str = "",
        **sets: Value,
    ) -> str:
        """Write one change upon the record as this pen holds it; the id of the record."""
        clock_ms = self.office.now_ms + self.offset_ms
        self.stamp = self.stamp.tick(clock_ms)
        state = self.records.get(record or "", RecordState())
        extra = [*others, (REASON, "", reason)] if reason else list(others)
        change = Change(
            self.worker,
            collection,
            tuple(sets),
            list(sets.values()),
            record,
            state.vector.pack(),
            self.stamp.ms,
            self.stamp.n,
            clock_ms - self.stamp.ms,
            extra,
        )
        self.counter += 1
        block = (self.counter - 1) // BLOCK_CHANGES * BLOCK_CHANGES + 1
        salt = salts_between([Block(block, self.seed)], self.counter, 1)[0]
        entry = entry_of(self.key.replica, self.counter, salt, encode_change(change))
        self.take(entry)
        self.unsent.append(entry)
        self.head = chain(self.head, [entry])
        return entry.record

    def take(self, entry: Entry) -> None:
        """Apply one change to the record, if all that it builds on is there."""
        state = self.records.setdefault(entry.record, RecordState())
        note_forks(state, entry, self.forks)
        chains = Chains(self.forks, dict(state.preds))
        if not state.vector.covers(entry.dot, chains) and deliverable(state, entry, chains):
            apply_change(state, entry, chains)
            self.stamp = max(self.stamp, entry.change.stamp)

    def segment(self) -> Segment:
        """What is unsent, signed."""
        first = self.counter - len(self.unsent) + 1
        start = (first - 1) // BLOCK_CHANGES * BLOCK_CHANGES + 1
        blocks = [Block(b, self.seed) for b in range(start, self.counter + 1, BLOCK_CHANGES)]
        message = head_message(self.key.replica, self.counter, self.head)
        signature = self.key.sign(b"segment", message)
        raws = [e.raw for e in self.unsent]
        return build_segment(self.key.replica, first, self.unsent_from, blocks, raws, signature)

    def show(self, other: "Pen") -> None:
        """Show a teammate what is unsent; the teammate carries it too."""
        for entry in self.unsent:
            other.take(entry)
        if self.unsent:
            other.relayed.append(self.segment())

    def push(self) -> Reply:
        """Send; take nothing."""
        return self._exchange(0)

    def sync(self) -> list[Notice]:
        """Send and take until there is no more; what was told."""
        self.notices = []
        for _ in range(20):
            if not self._exchange(WANT_STATES).more:
                break
        return self.notices

    def _exchange(self, want: int) -> Reply:
        district = self.office.district
        request = Request(
            PROTOCOL,
            self.key.replica,
            self.counter,
            self.head,
            self.office.now_ms + self.offset_ms,
            want,
            *self.cursor,
            held_sum(self.held),
            0,
            [],
            None,
            [*self.relayed, *([self.segment()] if self.unsent else [])],
            [],
            self.handed,
        )
        reply = district.sync(self.worker, decode_request(encode(request)))
        assert not off_my_chain(
            reply.known, self.key.replica, self.counter, lambda c: None, lambda c: None
        )
        self.relayed = []
        if self.unsent:
            self.unsent, self.unsent_from = [], self.head
        if want:
            self.cursor = (reply.incarnation, reply.seq, reply.after)
            self.held = (self.held | set(reply.entered)) - set(reply.left)
            for page in unpack_pages(reply.pages):
                for _, raw in open_page(page, district.check.page).states:
                    self._join(raw)
            self.notices += reply.notices
        return reply

    def _join(self, raw: bytes) -> None:
        found = decode_state(raw)
        body = dict(zip(found.names, found.values, strict=True))
        other = unpack_state(decode_causal(bytes(found.causal)), body)
        mine = self.records.get(found.record, RecordState())
        chains = join_chains(mine, other, self.forks)
        self.records[found.record] = join_states(mine, other, chains)
        self.stamp = max(self.stamp, other.stamp)
