# SPDX-License-Identifier: Apache-2.0
"""The one write path: verified runs and signed states go in, the record comes out (Law 4).

What lives here: one batch from placing to stored rows, inside a transaction that the caller opened.
What must not: HTTP, signatures, what is sent back. Invariants
- Nothing a feed brings is refused for its content: it is merged, it waits for what it builds on,
  or it is in quarantine; in every case its run is stored (Law 2).
- A receipt is given by the caller, after the transaction is durable (Law 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from crypto.logword import RUN
from server.aside_words import REVOKED, Asides
from server.batch_rows import BatchRows
from server.conflicts import Happened
from server.feeds import Placed, Run, place, row_of, store_runs
from server.log_tree import Adding
from server.recalling import Recalling
from server.seen_through import aside_of, seen_through
from server.set_aside import LIMITS, Sift, freeze, set_aside, thaw
from server.store.base import Transaction
from server.withdrawals import note_withdrawals
from sync.batch import Batch
from sync.change import Entry
from sync.clock import counter_of
from sync.errors import FeedGap
from sync.messages import Known, State, decode_state
from sync.packing import decode_causal
from sync.schema import Schema
from sync.session import SignedStates

_load = msgspec.json.Decoder(dict[str, Any]).decode

Offered = tuple[SignedStates, State]
"""A state, and the page that vouches for it."""


class Sender(NamedTuple):
    """Who brings the batch. ``offset_ms`` is their clock less ours; ``revoked`` are the writers in
    it whose tablets were revoked: theirs goes to quarantine, whoever carries it; ``aside`` is what
    the server that brings it set aside itself."""

    replica: bytes
    device: str
    team: str
    offset_ms: int | None
    revoked: frozenset[bytes]
    aside: Asides = Asides()


@dataclass
class Outcome:
    """What became of a batch."""

    seq: int = 0
    receipts: list[Known] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    applied: int = 0
    waiting: int = 0
    quarantined: int = 0
    forked: set[bytes] = field(default_factory=set)
    homes: set[str] = field(default_factory=set)
    new_homes: dict[str, str] = field(default_factory=dict)
    moved: list[tuple[bytes, str, str]] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)
    fresh: dict[bytes, int] = field(default_factory=dict)
    """Head of a run → the counter behind which its changes are new."""


class Ingest:
    """One batch into one transaction. Make it, then ``take``; it is used once."""

    def __init__(
        self,
        tx: Transaction,
        schema: Schema,
        forks: set[bytes],
        now_ms: int,
        sift: Sift,
    ) -> None:
        self.tx = tx
        self.schema = schema
        self._sift = sift
        self.forks = set(forks)
        self.now_ms = now_ms
        self.out = Outcome()
        self._born: list[list[str]] = []
        self._retried: set[str] = set()
        self._cut: set[bytes] = set()

    def take(self, runs: Sequence[Run], states: Sequence[SignedStates], sender: Sender) -> Outcome:
        """Place, merge and store everything that is new."""
        entries = self._place(runs, sender)
        offered = [(s, decode_state(raw)) for s in states for _, raw in s.states]
        if sender.revoked:
            self._quarantine([e for e in entries if e.dot[:16] in sender.revoked], REVOKED)
            entries = [e for e in entries if e.dot[:16] not in sender.revoked]
        if sender.aside.spans:
            self._quarantine([e for e in entries if sender.aside.has(e.dot)], REVOKED)
            entries = [e for e in entries if not sender.aside.has(e.dot)]
        entries, beyond = self._sift(entries)
        self._quarantine(beyond, LIMITS)
        waited = self._load_waiting(entries, offered)
        if not entries and not offered and not waited:
            # Of a run that parts a feed nothing may be readable: it parts it all the same.
            self._keep_forks()
            return self.out
        self.out.seq = self.tx.next_seq()
        entries, waited = self._seen_through(entries), self._seen_through(waited)
        held = self.tx.causal_of(self._perhaps_held([*entries, *waited], offered))
        stored = {k: (h.collection, h.causal) for k, h in held.items()}
        recall = Recalling(self.tx)
        batch = Batch(self.schema, self.forks, stored, apart=True, recall=recall)
        for _, state in offered:
            body = dict(zip(state.names, state.values, strict=True))
            batch.offer_state(
                state.record, state.collection, decode_causal(bytes(state.causal)), body
            )
        batch.offer_all(waited)
        batch.offer_all(entries)
        wanting = batch.wanting()
        if wanting:
            for record, body_json in self.tx.bodies_of(wanting).items():
                batch.give_body(record, _load(body_json))
        batch.settle()
        for entry, reason in batch.misfits:
            self._quarantine([entry], reason)
        rows = BatchRows(self.tx, self.schema, self.forks, self.out.seq, self._cut)
        rows.store(batch, held, self.now_ms)
        note_withdrawals(self.tx, batch, rows.born, self.now_ms)
        self.out.applied, self.out.homes = rows.applied, rows.homes
        self.out.new_homes, self.out.happened = rows.new_homes, rows.happened
        self._keep_waiting(batch, waited)
        self._keep_states(states, batch)
        self.out.forked |= self.forks - batch.forks_before
        self._keep_forks()
        return self.out

    def _place(self, runs: Sequence[Run], sender: Sender) -> list[Entry]:
        entries: list[Entry] = []
        log = Adding(self.tx)
        for run in sorted(runs, key=lambda r: (r.replica, r.first)):
            try:
                placed: Placed = place(self.tx, run)
            except FeedGap as gap:
                self.out.gaps.append(gap.detail)
                continue
            if placed.forked:
                self.forks.add(run.replica)
                self.out.forked.add(run.replica)
            if placed.at < run.last:
                # The row of the sequence is held before that of the log, by everybody.
                seq, carrier = self.tx.next_seq(), sender.replica
                said = (run.replica, placed.at + 1, run.last, placed.on, run.head)
                leaf = log.add(RUN, self.now_ms, *said)
                row = row_of(run, placed, seq, self.now_ms, sender.offset_ms, carrier, leaf)
                store_runs(self.tx, [row])
                entries += placed.new
                self.out.fresh[run.head] = placed.at
                self._born.append([e.record for e in placed.new if e.change.record is None])
            self.out.receipts.append(Known(run.replica, run.last, run.head))
        log.store()
        return entries

    def _perhaps_held(self, entries: list[Entry], offered: Sequence[Offered]) -> list[str]:
        """The ids of this batch that the store may have.

        Ids that follow from the changes that make records lie side by side, by writer and time:
        one look at what the store has between the first and the last spares one for each.
        """
        ids = {state.record for _, state in offered}
        ids.update(e.record for e in entries if e.change.record is not None)
        for born in filter(None, self._born):
            found = self.tx.rows(
                "SELECT id FROM records WHERE id >= ? AND id <= ? LIMIT ?",
                [min(born), max(born), len(born)],
            )
            ids.update(
                born if len(found) == len(born) else {r[0] for r in found}.intersection(born)
            )
        return list(ids)

    # ---- what waits, what is set aside -----------------------------------------------------------

    def _load_waiting(self, entries: list[Entry], offered: Sequence[Offered]) -> list[Entry]:
        if not self.tx.rows("SELECT 1 FROM waiting LIMIT 1"):
            return []
        ids = list(
            self._retried | {e.record for e in entries} | {state.record for _, state in offered}
        )
        found = self.tx.rows_in("SELECT entry FROM waiting WHERE record IN (?*)", ids)
        return [thaw(bytes(row[0])) for row in found]

    def _seen_through(self, entries: list[Entry]) -> list[Entry]:
        """Changes with vectors that name nothing in quarantine, where that need not be waited
        for."""
        aside = aside_of(self.tx, (e.record for e in entries)) if entries else {}
        if not aside:
            return entries
        seen = [seen_through(e, aside) for e in entries]
        self._cut |= {a.dot for a, b in zip(seen, entries, strict=True) if a is not b}
        return seen

    def retry(self, records: Iterable[str], sender: Sender) -> Outcome:
        """Look again at what waits on these records; used as ``take`` is."""
        self._retried |= set(records)
        return self.take([], [], sender)

    def _keep_waiting(self, batch: Batch, waited: list[Entry]) -> None:
        left = {e.dot: e for slot in batch.touched.values() for e in slot.waiting}
        gone = [e for e in waited if e.dot not in left]
        self.tx.run_many(
            "DELETE FROM waiting WHERE record = ? AND dot = ?", [(e.record, e.dot) for e in gone]
        )
        before = {e.dot for e in waited}
        self.tx.run_many(
            "INSERT INTO waiting VALUES (?, ?, ?, ?)",
            [(e.record, e.dot, self.now_ms, freeze(e)) for d, e in left.items() if d not in before],
        )
        self.out.waiting = len(left)

    def _quarantine(self, entries: Sequence[Entry], reason: str) -> None:
        set_aside(self.tx, entries, reason, self.now_ms)
        self._retried |= {e.record for e in entries}
        self.out.quarantined += len(entries)

    def _keep_forks(self) -> None:
        for replica in self.out.forked:
            self.tx.run(
                "INSERT INTO forks VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [replica, self.tx.next_seq(), self.now_ms],
            )

    def _keep_states(self, states: Sequence[SignedStates], batch: Batch) -> None:
        """Remember states that only another's signature vouches for, and the dots they name.

        One that the feeds held here already give vouches for nothing.
        """
        rows = []
        tips: set[bytes] = set()
        for signed in states:
            for _, raw in signed.states:
                state = decode_state(raw)
                packed = decode_causal(bytes(state.causal))[0]
                tips |= {packed[i : i + 28] for i in range(0, len(packed), 28)}
                slot = batch.touched.get(state.record)
                if slot is None or packed not in slot.joined:
                    continue
                rows.append(
                    (
                        signed.server,
                        signed.incarnation,
                        signed.seq,
                        state.record,
                        self.now_ms,
                        raw,
                        signed.digests,
                        signed.signature,
                        self.out.seq,
                    )
                )
        self.tx.run_many(
            "INSERT INTO joined_states (server, incarnation, seq, record, at_ms, state, digests,"
            " signature, arrived_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            rows,
        )
        for d in tips:
            held = self.tx.rows(
                "SELECT max(counter) FROM leaves WHERE replica = ?", [self.tx.number_of(d[:16])]
            )[0][0]
            if held is None or counter_of(d) > held:
                self.tx.run(
                    "INSERT INTO heard VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    [d[:16], counter_of(d), d[24:]],
                )
