# SPDX-License-Identifier: Apache-2.0
"""What a merged batch becomes in the store: rows of records, homes and conflicts.

What lives here: the last step of ingest (``ingest.py``), from records as they are after the batch
to sets of rows. What must not: merging, feeds. Invariant: the digest of each home moves by exactly
what its records moved by.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import msgspec

from server.conflicts import Happened, keep_conflicts
from server.stamps import keep_stamp
from server.store.base import Transaction
from server.store.rows import FullRow, Held, HomeRow, NewRow, PatchRow
from sync.batch import Batch
from sync.change import Entry
from sync.clock import Chains, Dot, Stamp, VersionVector
from sync.errors import SyncError
from sync.kernel import births
from sync.schema import Schema
from sync.session import (
    DIGEST_MASK,
    HOME_FIELD,
    home_of,
    homes_of,
    record_digest,
    record_digests,
)
from sync.touched import Touched

_json = msgspec.json.Encoder().encode
_lines = msgspec.json.Encoder().encode_lines

AREA_FIELD = "area"
# Half of what calling the class costs, which is a function in Python.
_row = tuple.__new__


class BatchRows:
    """The rows of one batch. Make it, then ``store``; it is used once.

    Afterwards ``applied`` counts the changes that were merged, ``homes`` are those that something
    changed in, ``new_homes`` those that are new, with their areas, ``born`` the collections of new
    records that are one plain change, ``happened`` is what became of conflicts.
    """

    def __init__(
        self,
        tx: Transaction,
        schema: Schema,
        forks: set[bytes],
        seq: int,
        cut: Container[Dot] = (),
    ) -> None:
        self.tx = tx
        self.schema = schema
        self.forks = forks
        self.seq = seq
        self.applied = 0
        self.new_homes: dict[str, str] = {}
        self.born: set[str] = set()
        self.happened: list[Happened] = []
        self._homes: dict[str, list[Any]] = {}
        self._moved: set[str] = set()
        self._also_now: dict[str, set[str]] = {}
        self._cut = cut

    @property
    def homes(self) -> set[str]:
        """The homes that something changed in."""
        return set(self._homes)

    def store(self, batch: Batch, held: dict[str, Held], now_ms: int) -> None:
        """Store what the batch came to; ``held`` is what the store had of its records."""
        new = self._births(batch)
        full: list[FullRow] = []
        edited: list[Touched] = []
        seq, kind_of = self.seq, self.tx.kind_of
        self._also_now = self._load_also(batch)
        for record, slot in batch.touched.items():
            if not slot.dirty:
                continue
            self.applied += len(slot.applied)
            if slot.full is not None:
                self._full_row(slot, held.get(record), new, full)
            elif slot.new:
                home, vector = home_of(record, slot.patch), slot.vector()
                kind, origin, text = kind_of(slot.collection), self._origin(slot), _json(slot.patch)
                causal = slot.causal_bytes()
                new.append(NewRow(record, home, kind, seq, origin, 0, causal, text.decode()))
                self._touch(home, record_digest(record, vector))
                if home == record:
                    self._note_area(record, slot.patch, True)
            else:
                edited.append(slot)
        patches = self._patches(edited, held)
        self._store_homes()
        self.tx.insert_records(new)
        self.tx.patch_records(patches)
        self.tx.replace_records(full)
        stamps = [slot.stamp for slot in batch.touched.values()]
        changes = (entry.change for entry in batch.births.values())
        stamps += [(change.stamp_ms, change.stamp_n) for change in changes]
        keep_stamp(self.tx, Stamp(*max(stamps, default=(0, 0))))
        if self.happened:
            keep_conflicts(self.tx, self.schema, self.happened, seq, now_ms)

    def _births(self, batch: Batch) -> list[NewRow]:
        """The rows of new records that are one plain change each."""
        entries = list(batch.births.values())
        digests = record_digests([e.record for e in entries], [e.dot for e in entries])
        self.born = {e.change.collection for e in entries}
        kinds = {name: self.tx.kind_of(name) for name in self.born}
        origins = {by: self.tx.number_of(by) for by in {e.dot[:16] for e in entries}}
        seq, touch = self.seq, self._touch
        born = births(HOME_FIELD, entries)
        rest = [_body(e) for e, (_, _, text) in zip(entries, born, strict=True) if text is None]
        texts = iter(json_texts(rest))
        rows = []
        for entry, (home, causal, text), digest in zip(entries, born, digests, strict=True):
            record, kind = entry.record, kinds[entry.change.collection]
            shown = next(texts) if text is None else text
            origin = origins[entry.dot[:16]]
            rows.append(_row(NewRow, (record, home, kind, seq, origin, 0, causal, shown)))
            touch(home, digest)
            if home == record:
                self._note_area(record, _body(entry), True)
        self.applied += len(rows)
        return rows

    def _patches(self, edited: list[Touched], held: dict[str, Held]) -> list[PatchRow]:
        """The rows of records that were edited by those who had seen them as they were."""
        rows = []
        seq, touch = self.seq, self._touch
        names = {name for slot in edited for name in slot.patch}
        paths = {name: json_path(name) for name in names}
        texts = iter(json_texts([value for slot in edited for value in slot.patch.values()]))
        records = [slot.record for slot in edited]
        before = record_digests(records, [slot.vector_before for slot in edited])
        after = record_digests(records, [slot.vector() for slot in edited])
        for slot, was, now in zip(edited, before, after, strict=True):
            record, patch = slot.record, slot.patch
            home, n = held[record][1], held[record][3]
            values = [(paths[name], next(texts)) for name in patch]
            rows.append(PatchRow(seq, self._origin(slot), slot.causal_bytes(), values, n))
            touch(home, now - was)
            if home == record:
                self._note_area(record, patch, False)
        return rows

    def _origin(self, slot: Touched) -> int:
        if slot.beside or slot.applied[-1] in self._cut:
            # Its writer holds another state than this: without what others wrote beside it, or with
            # what is in quarantine.
            return 0
        applied = slot.applied
        replica = applied[0][:16]
        if len(applied) > 1 and any(d[:16] != replica for d in applied):
            return 0
        return self.tx.number_of(replica)

    def _full_row(
        self,
        slot: Touched,
        old: Held | None,
        new: list[NewRow],
        full: list[FullRow],
    ) -> None:
        state, body, vector, causal = slot.full, slot.body, slot.vector(), slot.causal_bytes()
        if state is None or body is None:
            raise SyncError("a record without a state")
        record, seq = slot.record, self.seq
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
            self.happened.append(Happened(record, home, slot.collection, happening, state))

    def _full_origin(self, slot: Touched, vector: bytes) -> int:
        """The writer who, having written the last change, holds exactly this state; else 0."""
        if not slot.applied or slot.applied[-1] in self._cut:
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
                [record, one, self.seq],
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
            if not new:
                self._moved.add(home)
        if new:
            self.new_homes[home] = self._homes[home][0]

    def _store_homes(self) -> None:
        self.tx.touch_homes(
            [
                HomeRow(home, row[0], self.seq, row[1] & DIGEST_MASK)
                for home, row in self._homes.items()
            ]
        )
        self.tx.run_many(
            "INSERT INTO moved_homes VALUES (?, ?)"
            " ON CONFLICT (home) DO UPDATE SET seq = excluded.seq",
            [(home, self.seq) for home in sorted(self._moved)],
        )


def _body(entry: Entry) -> dict[str, Any]:
    """The shown values of a record that is one plain change."""
    return dict(zip(entry.change.names, entry.change.values, strict=True))


def json_texts(values: Sequence[Any]) -> list[str]:
    """Each value as JSON. They are encoded at once: JSON holds no line breaks, so that lines are
    values, which saves a call and a conversion for each."""
    return _lines(values).decode().split("\n")[: len(values)]


def json_path(name: str) -> str:
    """The path of a field in the shown values, whatever characters its name has."""
    return '$."' + name.replace('"', "") + '"'
