# SPDX-License-Identifier: Apache-2.0
"""Applying many changes to many records: the path of every upload.

What lives here: the quick path for new records and for edits of what their writer had seen whole,
on packed causal data alone; and the hand-over to the full rules for all else. What must not:
storage.

Invariant: the quick path gives what ``record.py`` gives (a property test holds them together).

How it is used: ``offer`` every change in feed order. Records in ``wanting`` need their shown
values: load them with ``give_body``, then ``settle``. ``touched`` then holds what is to be stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sync.change import Entry, own_tips
from sync.clock import DOT_BYTES, Chains, Dot, Recall
from sync.happenings import Conflicts, conflicts_of, happenings
from sync.kernel import edit
from sync.packing import (
    OLDER_PER_REPLICA_MAX,
    birth,
    decode_causal,
    pack_state,
    unpack_state,
)
from sync.record import (
    RecordState,
    apply_change,
    complete,
    deliverable,
    join_chains,
    join_states,
    note_forks,
)
from sync.schema import Schema
from sync.session import HOME_FIELD
from sync.touched import Touched, apart

_OLDER_BYTES_MAX = OLDER_PER_REPLICA_MAX * DOT_BYTES


class Batch:
    """Changes (and states) on their way into a store's records.

    ``causal_of`` holds the causal data of every record that the batch names and the store has;
    ``collections_of`` what kind each is. ``forks`` is the store's set and grows here. With
    ``apart`` new records that are one plain change stay in ``births`` and not in ``touched``: most
    of what a day brings, for callers that store them as they are. ``recall`` tells from the feeds,
    where there are any, what a record's list was cut of; it is asked of forked replicas alone.
    """

    def __init__(
        self,
        schema: Schema,
        forks: set[bytes],
        causal_of: Mapping[str, tuple[str, bytes]],
        *,
        apart: bool = False,
        recall: Recall | None = None,
    ) -> None:
        self.schema = schema
        self.forks = forks
        self.forks_before = frozenset(forks)
        self.touched: dict[str, Touched] = {}
        self.births: dict[str, Entry] = {}
        self.misfits: list[tuple[Entry, str]] = []
        self._stored = causal_of
        self._apart = apart
        self._recall = recall

    def slot(self, record: str, collection: str) -> Touched:
        """The record's place in this batch."""
        found = self.touched.get(record)
        if found is None:
            found = self.touched[record] = Touched(record, collection)
            stored = self._stored.get(record)
            born = self.births.pop(record, None)
            if stored is not None:
                found.collection, found.causal = stored
                found.new = False
            elif born is not None:
                # Something more happens to it: it is no longer one plain change.
                found.collection = born.change.collection
                self._bear(found, born)
        return found

    def offer(self, entry: Entry) -> None:
        """Take one change: apply it on the quick path, or keep it for ``settle``."""
        self.offer_all((entry,))

    def offer_all(self, entries: Iterable[Entry]) -> None:
        """Take changes in order."""
        touched, stored, births = self.touched, self._stored, self.births
        for entry in entries:
            change = entry.change
            if self._apart and not change.vector and change.names and not change.others:
                record = entry.record
                if record not in touched and record not in stored and record not in births:
                    births[record] = entry
                    continue
            self._offer_one(entry)

    def _offer_one(self, entry: Entry) -> None:
        change = entry.change
        slot = self.slot(entry.record, change.collection)
        if slot.collection != change.collection:
            self.misfits.append((entry, "collection"))
            return
        if slot.waiting or slot.incoming or change.others:
            slot.waiting.append(entry)
        elif slot.causal is None:
            if change.vector or not change.names:
                slot.waiting.append(entry)
                return
            self._bear(slot, entry)
        elif not (self._packed_edit(slot, entry) or self._quick_edit(slot, entry)):
            slot.waiting.append(entry)

    @staticmethod
    def _bear(slot: Touched, entry: Entry) -> None:
        change = entry.change
        slot.causal = birth(entry.dot, change.stamp_ms, change.stamp_n, change.worker)
        slot.patch = dict(zip(change.names, change.values, strict=True))
        slot.applied.append(entry.dot)
        slot.stamp = (change.stamp_ms, change.stamp_n)
        slot.dirty = True

    def _packed_edit(self, slot: Touched, entry: Entry) -> bool:
        """A plain edit whose writer had seen the record exactly as it is, without unpacking what is
        known of it: most of what a day changes."""
        causal, change, d = slot.causal, entry.change, entry.dot
        if type(causal) is not bytes or HOME_FIELD in change.names or d[:16] in self.forks:
            return False
        vector, ms, n = change.vector, change.stamp_ms, change.stamp_n
        found = edit(causal, d, vector, ms, n, change.worker, change.names, _OLDER_BYTES_MAX)
        if found is None:
            return False
        if not slot.dirty:
            slot.vector_before = vector
        slot.causal = found
        slot.patch.update(zip(change.names, change.values, strict=True))
        slot.applied.append(d)
        slot.stamp = max(slot.stamp, (ms, n))
        slot.dirty = True
        return True

    def _quick_edit(self, slot: Touched, entry: Entry) -> bool:
        """A plain edit beside which no sibling remains: its writer had seen the record exactly as
        it is, or others wrote other fields meanwhile."""
        causal = slot.causal
        if not isinstance(causal, list):
            causal = slot.causal = decode_causal(causal or b"")
            if not slot.dirty:
                slot.vector_before = causal[0]
        change, d = entry.change, entry.dot
        packed: bytes
        packed, _, _, writes, losers, voids, edits, older, preds = causal
        replica, names = d[:16], change.names
        if losers or voids or edits is not None or preds:
            return False
        if replica in self.forks or HOME_FIELD in names:
            return False
        beside = packed != change.vector
        if beside and (self.forks or not apart(causal, change, replica)):
            return False
        at = packed.find(replica)
        # A replica id found across the border of two dots is none; the full rules take that.
        if at >= 0 and (at % DOT_BYTES or packed.find(replica, at + 1) >= 0):
            return False
        plain = True
        for row in writes:
            if len(row) > 6:
                return False
            plain = plain and len(row) == 5 and bool(row[4])
        if at >= 0:
            if d[16:24] <= packed[at + 16 : at + 24] or len(older) >= _OLDER_BYTES_MAX:
                return False
            causal[7] = older + packed[at : at + DOT_BYTES]
        if not plain:
            self._overwrite(causal, set(names))
            writes = causal[3]
        index = self._move_tip(causal, d, at)
        stamp = (change.stamp_ms, change.stamp_n)
        if stamp > (causal[1], causal[2]):
            ahead = change.stamp_ms - causal[1]
            for row in writes:
                row[1] += ahead
            causal[1], causal[2] = stamp
        back = causal[1] - change.stamp_ms
        writes.append([index, back, change.stamp_n, change.worker, False, sorted(names)])
        slot.patch.update(zip(names, change.values, strict=True))
        slot.applied.append(d)
        slot.beside = slot.beside or beside
        slot.stamp = (causal[1], causal[2])
        slot.dirty = True
        return True

    @staticmethod
    def _overwrite(causal: list[Any], names: set[str]) -> None:
        """Drop the names that are written anew; a write nothing is left of goes."""
        kept = []
        for row in causal[3]:
            if len(row) > 5:
                row[5] = [name for name in row[5] if name not in names]
                if not row[5]:
                    row.pop()
            if len(row) > 5 or (len(row) > 4 and row[4]):
                kept.append(row)
        causal[3] = kept

    @staticmethod
    def _move_tip(causal: list[Any], d: Dot, at: int) -> int:
        """Put the change's dot into the vector, where its place is the result; positions that
        writes name move with it."""
        packed: bytes = causal[0]
        if at >= 0:
            old, position = packed[at : at + DOT_BYTES], at // DOT_BYTES
            causal[0] = packed[:at] + d + packed[at + DOT_BYTES :]
            for row in causal[3]:
                if row[0] == position and type(row[0]) is int:
                    row[0] = old
            return position
        position = 0
        while position * DOT_BYTES < len(packed) and packed[position * DOT_BYTES :] < d:
            position += 1
        cut = position * DOT_BYTES
        causal[0] = packed[:cut] + d + packed[cut:]
        for row in causal[3]:
            if type(row[0]) is int and row[0] >= position:
                row[0] += 1
        return position

    def offer_state(
        self, record: str, collection: str, causal: list[Any], body: dict[str, Any]
    ) -> None:
        """Take a state signed by a server; ``settle`` joins it to what is held."""
        slot = self.slot(record, collection)
        if slot.causal is None or slot.vector() != causal[0]:
            slot.incoming.append((causal, body))

    def wanting(self) -> list[str]:
        """Ids of stored records whose shown values are needed before ``settle``."""
        return [
            r
            for r, slot in self.touched.items()
            if (slot.waiting or slot.incoming) and not slot.new and not slot.loaded
        ]

    def give_body(self, record: str, body: dict[str, Any]) -> None:
        """Hand in the shown values of a stored record."""
        slot = self.touched[record]
        slot.body = body
        slot.loaded = True

    def settle(self) -> None:
        """Apply what the quick path left, by the full rules, until nothing more can be applied."""
        for slot in self.touched.values():
            if slot.waiting or slot.incoming:
                state = self._open(slot)
                before = conflicts_of(state)
                if slot.incoming:
                    # What the changes themselves give needs no state: who settled what is known.
                    before = self._apply_waiting(slot, before)
                    before = self._join_incoming(slot, before)
                self._apply_waiting(slot, before)
            if slot.full is not None and slot.dirty:
                if self._recall is not None:
                    complete(slot.full, self._recall)
                slot.causal, slot.body = pack_state(slot.full, self.schema, slot.collection)
                slot.patch = {}
                slot.stamp = slot.full.stamp

    def _open(self, slot: Touched) -> RecordState:
        if slot.full is None:
            causal = slot.causal
            if causal is None:
                slot.full = RecordState()
            else:
                if not isinstance(causal, list):
                    causal = decode_causal(causal)
                    if not slot.dirty:
                        slot.vector_before = causal[0]
                slot.full = unpack_state(causal, {**(slot.body or {}), **slot.patch})
        return slot.full

    def _join_incoming(self, slot: Touched, before: Conflicts) -> Conflicts:
        for causal, body in slot.incoming:
            state, other = self._open(slot), unpack_state(causal, body)
            chains = join_chains(state, other, self.forks, self._recall)
            if state.vector.covers_all(other.vector, chains):
                continue
            slot.full = join_states(state, other, chains)
            slot.joined.append(causal[0])
            slot.dirty = True
            after = conflicts_of(slot.full)
            slot.happenings += happenings(before, after, None)
            before = after
        return before

    def _apply_waiting(self, slot: Touched, before: Conflicts) -> Conflicts:
        state = self._open(slot)
        chains = Chains(self.forks, dict(state.preds), self._recall)
        for entry in slot.waiting:
            chains.preds[entry.dot] = own_tips(entry)
        again = True
        while again and slot.waiting:
            again, left = False, []
            for entry in slot.waiting:
                note_forks(state, entry, self.forks)
                if state.vector.covers(entry.dot, chains):
                    continue
                if not deliverable(state, entry, chains):
                    left.append(entry)
                    continue
                apply_change(state, entry, chains)
                slot.applied.append(entry.dot)
                slot.last_vector = entry.change.vector
                slot.dirty = again = True
                after = conflicts_of(state)
                if before or after:
                    slot.happenings += happenings(before, after, entry)
                before = after
            slot.waiting = left
        return before
