# SPDX-License-Identifier: Apache-2.0
"""The one write path: verified runs and signed states go in, the record comes out (Law 4).

What lives here: one batch from placing to stored rows, inside a transaction that the caller opened.
What must not: HTTP, signatures, what is sent back. Invariants
- Nothing a feed brings is refused for its content: it is merged, it waits for what it builds on,
  or it is in quarantine; in every case its run is stored (Law 2).
- A receipt is given by the caller, after the transaction is durable (Law 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from server.conflicts import Happened, keep_conflicts
from server.feeds import Placed, Run, place, row_of, store_runs
from server.set_aside import LIMITS, Sift, freeze, set_aside, thaw
from server.stamps import keep_stamp
from server.store.base import Transaction
from server.store.rows import FullRow, Held, HomeRow, NewRow, PatchRow
from sync.batch import Batch, Touched
from sync.change import Entry
from sync.clock import Chains, Stamp, VersionVector, counter_of
from sync.errors import FeedGap, SyncError
from sync.messages import Known, decode_state
from sync.packing import birth, decode_causal
from sync.schema import Schema
from sync.session import HOME_FIELD, SignedStates, home_of, homes_of, record_digest

_json = msgspec.json.Encoder().encode
_load = msgspec.json.Decoder(dict[str, Any]).decode

AREA_FIELD = "area"


class Sender(NamedTuple):
    """Who brings the batch. ``offset_ms`` is their clock less ours; ``revoked`` sends to
    quarantine."""

    replica: bytes
    device: str
    team: str
    offset_ms: int | None
    revoked: bool


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
        self._homes: dict[str, list[Any]] = {}
        self._also_now: dict[str, set[str]] = {}

    def take(self, runs: Sequence[Run], states: Sequence[SignedStates], sender: Sender) -> Outcome:
        """Place, merge and store everything that is new."""
        entries = self._place(runs, sender)
        offered = [(s, decode_state(raw)) for s in states for _, raw in s.states]
        if sender.revoked:
            self._quarantine(entries, "revoked")
            entries = []
        entries, beyond = self._sift(entries)
        self._quarantine(beyond, LIMITS)
        if not entries and not offered:
            return self.out
        self.out.seq = self.tx.next_seq()
        ids = list({e.record for e in entries} | {state.record for _, state in offered})
        held = self.tx.causal_of(ids)
        stored = {k: (h.collection, h.causal) for k, h in held.items()}
        batch = Batch(self.schema, self.forks, stored, apart=True)
        waited = self._load_waiting(ids)
        for _, state in offered:
            body = dict(zip(state.names, state.values, strict=True))
            batch.offer_state(
                state.record, state.collection, decode_causal(bytes(state.causal)), body
            )
        for entry in waited:
            batch.offer(entry)
        for entry in entries:
            batch.offer(entry)
        wanting = batch.wanting()
        if wanting:
            for record, body_json in self.tx.bodies_of(wanting).items():
                batch.give_body(record, _load(body_json))
        batch.settle()
        for entry, reason in batch.misfits:
            self._quarantine([entry], reason)
        self._store(batch, held)
        self._keep_waiting(batch, waited)
        self._keep_states(states)
        self.out.forked |= self.forks - batch.forks_before
        self._keep_forks()
        return self.out

    def _place(self, runs: Sequence[Run], sender: Sender) -> list[Entry]:
        entries: list[Entry] = []
        for run in sorted(runs, key=lambda r: (r.replica, r.first)):
            try:
                placed: Placed = place(self.tx, run)
            except FeedGap as gap:
                self.out.gaps.append(gap.detail)
                continue
            if placed.forked:
                self.forks.add(run.replica)
                self.out.forked.add(run.replica)
            if placed.new:
                carrier = sender.replica
                row = row_of(
                    run, placed, self.tx.next_seq(), self.now_ms, sender.offset_ms, carrier
                )
                store_runs(self.tx, [row])
                entries += placed.new
            self.out.receipts.append(Known(run.replica, run.last, run.head))
        return entries

    # ---- what waits, what is set aside -----------------------------------------------------------

    def _load_waiting(self, ids: list[str]) -> list[Entry]:
        if not self.tx.rows("SELECT 1 FROM waiting LIMIT 1"):
            return []
        found = self.tx.rows_in("SELECT entry FROM waiting WHERE record IN (?*)", ids)
        return [thaw(bytes(row[0])) for row in found]

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
        self.out.quarantined += len(entries)

    def _keep_forks(self) -> None:
        for replica in self.out.forked:
            self.tx.run(
                "INSERT INTO forks VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [replica, self.tx.next_seq(), self.now_ms],
            )

    def _keep_states(self, states: Sequence[SignedStates]) -> None:
        """Remember states that only another's signature vouches for, and the dots they name."""
        rows = []
        tips: set[bytes] = set()
        for signed in states:
            for _, raw in signed.states:
                state = decode_state(raw)
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
                    )
                )
                packed = decode_causal(bytes(state.causal))[0]
                tips |= {packed[i : i + 28] for i in range(0, len(packed), 28)}
        self.tx.run_many(
            "INSERT INTO joined_states VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows
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

    # ---- rows ------------------------------------------------------------------------------------

    def _store(self, batch: Batch, held: dict[str, Held]) -> None:
        new = self._births(batch)
        patches: list[PatchRow] = []
        full: list[FullRow] = []
        seq, kind_of = self.out.seq, self.tx.kind_of
        paths: dict[str, str] = {}
        self._also_now = self._load_also(batch)
        for record, slot in batch.touched.items():
            if not slot.dirty:
                continue
            self.out.applied += len(slot.applied)
            vector = slot.vector()
            causal = slot.causal_bytes()
            if slot.full is not None:
                self._full_row(slot, causal, vector, held.get(record), new, full)
                continue
            origin = self._origin(slot)
            if slot.new:
                home = home_of(record, slot.patch)
                new.append(
                    NewRow(
                        record,
                        home,
                        kind_of(slot.collection),
                        seq,
                        origin,
                        0,
                        causal,
                        _json(slot.patch).decode(),
                    )
                )
                self._touch(home, record_digest(record, vector))
            else:
                old = held[record]
                home = old.home
                values = []
                for name, value in slot.patch.items():
                    path = paths.get(name)
                    if path is None:
                        path = paths[name] = json_path(name)
                    values.append((path, _json(value).decode()))
                patches.append(PatchRow(seq, origin, causal, values, old.n))
                before = record_digest(record, slot.vector_before)
                self._touch(home, record_digest(record, vector) - before)
            if home == record:
                self._note_area(record, slot.patch, slot.new)
        self._store_homes()
        self.tx.insert_records(new)
        self.tx.patch_records(patches)
        self.tx.replace_records(full)
        stamps = [slot.stamp for slot in batch.touched.values()]
        stamps += [entry.change.stamp for entry in batch.births.values()]
        keep_stamp(self.tx, Stamp(*max(stamps, default=(0, 0))))
        if self.out.happened:
            keep_conflicts(self.tx, self.schema, self.out.happened, seq, self.now_ms)

    def _births(self, batch: Batch) -> list[NewRow]:
        """The rows of new records that are one plain change each."""
        rows = []
        seq, kind_of, number_of = self.out.seq, self.tx.kind_of, self.tx.number_of
        for record, entry in batch.births.items():
            change, d = entry.change, entry.dot
            body = dict(zip(change.names, change.values, strict=True))
            home = home_of(record, body)
            causal = birth(d, change.stamp_ms, change.stamp_n, change.worker)
            kind, text = kind_of(change.collection), _json(body).decode()
            rows.append(NewRow(record, home, kind, seq, number_of(d[:16]), 0, causal, text))
            self._touch(home, record_digest(record, d))
            if home == record:
                self._note_area(record, body, True)
        self.out.applied += len(rows)
        return rows

    def _origin(self, slot: Touched) -> int:
        replica = slot.applied[0][:16]
        if len(slot.applied) > 1 and any(d[:16] != replica for d in slot.applied):
            return 0
        return self.tx.number_of(replica)

    def _full_row(
        self,
        slot: Touched,
        causal: bytes,
        vector: bytes,
        old: Held | None,
        new: list[NewRow],
        full: list[FullRow],
    ) -> None:
        state, body = slot.full, slot.body
        if state is None or body is None:
            raise SyncError("a record without a state")
        record, seq = slot.record, self.out.seq
        voided = int(state.voided(Chains(self.forks, state.preds)))
        home = home_of(record, body)
        homes = homes_of(record, state.registers.get(HOME_FIELD, {}).values())
        origin = self._full_origin(slot, vector)
        text = _json(body).decode()
        digest = record_digest(record, vector)
        if old is None:
            kind = self.tx.kind_of(slot.collection)
            new.append(NewRow(record, home, kind, seq, origin, voided, causal, text))
            self._also(record, home, homes, set())
            for one in homes:
                self._touch(one, digest)
        else:
            full.append(FullRow(home, seq, origin, voided, causal, text, old.n))
            before = record_digest(record, slot.vector_before)
            was = {old.home} | self._also_now.get(record, set())
            for one in homes | was:
                self._touch(one, (digest if one in homes else 0) - (before if one in was else 0))
            if homes != {old.home} or was != homes:
                self._also(record, home, homes, was)
        if home == record:
            self._note_area(record, body, old is None)
        for happening in slot.happenings:
            self.out.happened.append(Happened(record, home, slot.collection, happening, state))

    def _full_origin(self, slot: Touched, vector: bytes) -> int:
        """The writer who, having written the last change, holds exactly this state; else 0."""
        if not slot.applied:
            return 0
        last = slot.applied[-1]
        # Only where all that was applied came from one writer can its last vector tell.
        if any(d[:16] != last[:16] for d in slot.applied) or slot.last_vector is None:
            return 0
        seen = VersionVector(slot.last_vector)
        seen.take_in((last,), Chains(self.forks, {}))
        return self.tx.number_of(last[:16]) if seen.pack() == vector else 0

    def _load_also(self, batch: Batch) -> dict[str, set[str]]:
        """The further homes of the records that the full rules changed."""
        changed = [r for r, slot in batch.touched.items() if slot.full is not None and slot.dirty]
        out: dict[str, set[str]] = {}
        if changed:
            sql = "SELECT record, home FROM also WHERE until_seq IS NULL AND record IN (?*)"
            for record, home in self.tx.rows_in(sql, changed):
                out.setdefault(record, set()).add(home)
        return out

    def _also(self, record: str, home: str, homes: set[str], was: set[str]) -> None:
        for one in homes - {home}:
            self.tx.run(
                "INSERT INTO also VALUES (?, ?, NULL)"
                " ON CONFLICT (record, home) DO UPDATE SET until_seq = NULL",
                [record, one],
            )
        for one in was - homes:
            self.tx.run(
                "INSERT INTO also VALUES (?, ?, ?)"
                " ON CONFLICT (record, home) DO UPDATE SET until_seq = excluded.until_seq",
                [record, one, self.out.seq],
            )
        self.tx.run("DELETE FROM also WHERE record = ? AND home = ?", [record, home])

    # ---- homes -----------------------------------------------------------------------------------

    def _touch(self, home: str, digest: int) -> None:
        row = self._homes.get(home)
        if row is None:
            self._homes[home] = ["", digest]
        else:
            row[1] += digest

    def _note_area(self, home: str, values: dict[str, Any], new: bool) -> None:
        area = values.get(AREA_FIELD)
        if isinstance(area, str) and area:
            self._homes[home][0] = area
        if new:
            self.out.new_homes[home] = self._homes[home][0]

    def _store_homes(self) -> None:
        mask, seq = (1 << 48) - 1, self.out.seq
        self.tx.touch_homes(
            [HomeRow(home, row[0], seq, row[1] & mask) for home, row in self._homes.items()]
        )
        self.out.homes = set(self._homes)


def json_path(name: str) -> str:
    """The path of a field in the shown values, whatever characters its name has."""
    return '$."' + name.replace('"', "") + '"'
