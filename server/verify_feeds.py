# SPDX-License-Identifier: Apache-2.0
"""The feeds of a store, checked from nothing: chain, salts, signatures, leaves, signed states.

What lives here: reading every segment as it was received and finding what does not hold. What must
not: merging (``replay.py``). Invariant: what cannot be read or is not signed is reported by the
name of its feed and counter, and never taken into the replay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from crypto.errors import CryptoError
from crypto.identity import verify
from server.archive_errors import ArchiveMissing
from server.blanks import are_erased, erased_dots
from server.feeds import ARCHIVED, archive_of, segment_of, slot_digests, whole
from server.store.base import Transaction
from sync.change import Entry
from sync.errors import SyncError
from sync.feed import Partial, Segment, genesis, next_head, verify_partial, verify_segment
from sync.messages import State, decode_state
from sync.session import page_message, state_digest

SEGMENTS_PER_READ = 16
"""Segments read at once: at most 16 of 4 MB."""
UNREADABLE = (SyncError, CryptoError, msgspec.MsgspecError, ValueError, TypeError, KeyError)
"""What damaged bytes raise when they are opened."""


class Problem(NamedTuple):
    """One disagreement: its kind (a stable word), the record, the dot or feed, and what differs."""

    kind: str
    record: str
    name: str
    detail: str


Report = Callable[[Problem], None]


class SegmentRow(NamedTuple):
    """A stored segment as it is read here."""

    n: int
    replica: bytes
    first: int
    last: int
    before: bytes
    head: bytes
    kind: str
    seq: int
    received_at_ms: int
    carrier: bytes
    body: bytes


def place_of(replica: bytes, counter: int) -> str:
    """A feed and a counter as they are reported."""
    return f"{replica.hex()}/{counter}"


class Feeds:
    """All segments of a store, in the order they came."""

    def __init__(self, tx: Transaction, first_key: bytes, report: Report) -> None:
        self._tx = tx
        self._report = report
        self._keys = self._read_keys(first_key)
        self._ends: dict[bytes, dict[tuple[int, bytes], int]] = {}
        self._leaves: dict[bytes, set[tuple[int, bytes]]] = {}
        self.forks: set[bytes] = set()
        self.erased = 0
        self.absent: dict[str, int] = {}
        """Archives that are not here, with the changes in them."""
        self.gone = erased_dots(tx)
        self.count = int(tx.rows("SELECT count(*) FROM segments")[0][0])
        self.changes = int(tx.rows("SELECT coalesce(sum(last - first + 1), 0) FROM segments")[0][0])

    def _read_keys(self, first_key: bytes) -> dict[bytes, bytes]:
        keys = {}
        found = self._tx.rows(
            "SELECT replica, public FROM device_keys"
            " UNION ALL SELECT replica, public FROM server_keys"
            " UNION ALL SELECT replica, public FROM known_keys"
        )
        for replica, public in [*found, (hashlib.sha256(first_key).digest()[:16], first_key)]:
            if hashlib.sha256(bytes(public)).digest()[:16] != bytes(replica):
                self._report(Problem("key", "", bytes(replica).hex(), "its id is not its key's"))
            keys[bytes(replica)] = bytes(public)
        return keys

    def _verify(self, replica: bytes, message: bytes, signature: bytes) -> None:
        public = self._keys.get(replica)
        if public is None:
            raise SyncError("no key of this replica")
        verify(public, b"segment", message, signature)

    def read(self) -> Iterator[tuple[SegmentRow, list[Entry]]]:
        """Every segment that holds, with its changes; what does not is reported."""
        after, highest = 0, int(self._seq())
        while True:
            found = self._tx.rows(
                "SELECT s.n, r.replica, s.first, s.last, s.before, s.head, s.kind, s.seq,"
                " s.received_at_ms, c.replica, s.body FROM segments s"
                " LEFT JOIN replicas r ON r.n = s.replica LEFT JOIN replicas c ON c.n = s.carrier"
                " WHERE s.n > ? ORDER BY s.n LIMIT ?",
                [after, SEGMENTS_PER_READ],
            )
            for raw in found:
                n, replica, first, last, before, head, kind, seq, at_ms, carrier, body = raw
                row = SegmentRow(
                    n,
                    bytes(replica or b""),
                    first,
                    last,
                    bytes(before),
                    bytes(head),
                    kind,
                    seq,
                    at_ms,
                    bytes(carrier or b""),
                    bytes(body),
                )
                after = row.n
                if row.seq > highest:
                    self._tell("sequence", row, f"{row.seq} is past the store's {highest}")
                if row.kind == ARCHIVED:
                    row = self._unpacked(row)
                    if row.kind == ARCHIVED:
                        self._place(row)
                        continue
                entries = self._open(row)
                if entries is not None:
                    self._place(row)
                    yield row, entries
            if len(found) < SEGMENTS_PER_READ:
                return

    def _seq(self) -> int:
        found = self._tx.rows("SELECT value FROM meta WHERE key = 'seq'")
        return int(found[0][0]) if found else 0

    def _tell(self, kind: str, row: SegmentRow, detail: str) -> None:
        self._report(Problem(kind, "", place_of(row.replica, row.first), detail))

    def _unpacked(self, row: SegmentRow) -> SegmentRow:
        """A run out of its archive; as it is where that is not here: its place in the feed is
        checked without it."""
        try:
            lies = archive_of(row.body)
            kind, body = whole(self._tx, row.kind, row.body)
        except UNREADABLE:
            return row._replace(kind="segment", body=b"")
        except ArchiveMissing:
            changes, points = row.last - row.first + 1, lies.points()
            self.absent[lies.file] = self.absent.get(lies.file, 0) + changes
            ends = (row.before[: len(points[0])], row.head[: len(points[-1])])
            if (points[0], points[-1]) != ends or len(points) != changes + 1:
                self._tell("segment-row", row, "the row does not say what the segment holds")
            return row
        return row._replace(kind=kind, body=body)

    def _open(self, row: SegmentRow) -> list[Entry] | None:
        try:
            source = segment_of(row.kind, row.body)
            entries, blanks, head = _checked(source, self._verify)
        except UNREADABLE as error:
            self._tell("segment", row, f"{type(error).__name__} {error}"[:200])
            return None
        told = (row.replica, row.first, row.last, row.before, row.head)
        if told != (source.replica, source.first, source.last, source.before, head):
            self._tell("segment-row", row, "the row does not say what the segment holds")
            return None
        self.erased += len(blanks)
        if self.gone and any(entry.dot in self.gone for entry in entries):
            self._tell("erased-kept", row, "a change that was erased can be read")
        if blanks and not are_erased(self._tx, row.replica, blanks):
            self._tell("blank", row, "content is missing that no erasure names")
        return entries

    def _place(self, row: SegmentRow) -> None:
        """Where it continues the tree of its feed; leaves and forks follow from that."""
        ends = self._ends.setdefault(row.replica, {})
        leaves = self._leaves.setdefault(row.replica, set())
        start = (row.first - 1, row.before)
        if start in leaves:
            leaves.discard(start)
        elif start == (0, genesis(row.replica)):
            if ends:
                self.forks.add(row.replica)
        elif start in ends or self._within(row.replica, start):
            self.forks.add(row.replica)
        else:
            self._tell("gap", row, "nothing held is its beginning")
        if ends.get(start, 0) > row.seq:
            self._tell("sequence", row, "it came before what it continues")
        end = (row.last, row.head)
        ends[end] = row.seq
        leaves.add(end)

    def _within(self, replica: bytes, point: tuple[int, bytes]) -> bool:
        """Does a point lie inside a segment held (a fork leaves it there)?"""
        counter, wanted = point
        found = self._tx.rows(
            "SELECT s.kind, s.body FROM segments s JOIN replicas r ON r.n = s.replica"
            " WHERE r.replica = ? AND s.first <= ? AND s.last > ?",
            [replica, counter, counter],
        )
        for kind, body in found:
            try:
                source = segment_of(*whole(self._tx, str(kind), bytes(body)))
                entries, _, _ = _checked(source, self._verify)
            except (*UNREADABLE, ArchiveMissing):
                continue
            head = source.before
            if isinstance(source, Segment):
                digests = [entry.digest for entry in entries]
            else:
                digests = slot_digests(source)
            for at, digest in enumerate(digests, source.first):
                head = next_head(head, digest)
                if at == counter and head == wanted:
                    return True
        return False

    def check_leaves(self) -> None:
        """The leaves, which receipts name, are the ends of what is held; forks are known."""
        held: dict[bytes, set[tuple[int, bytes]]] = {}
        for replica, counter, head in self._tx.rows(
            "SELECT r.replica, l.counter, l.head FROM leaves l LEFT JOIN replicas r"
            " ON r.n = l.replica"
        ):
            held.setdefault(bytes(replica or b""), set()).add((int(counter), bytes(head)))
        for replica in held.keys() | self._leaves.keys():
            differ = held.get(replica, set()) ^ self._leaves.get(replica, set())
            for counter, head in sorted(differ):
                kept = (counter, head) in held.get(replica, set())
                detail = "promised, not held" if kept else "held, not promised"
                self._report(Problem("leaf", "", place_of(replica, counter), detail))
        known = {bytes(r[0]) for r in self._tx.rows("SELECT replica FROM forks")}
        for replica in sorted(self.forks - known):
            self._report(Problem("fork", "", replica.hex(), "a fork that is not known"))

    def joined_states(self, records: list[str]) -> dict[str, list[State]]:
        """The states that a server signed, by record; what is not signed is reported."""
        out: dict[str, list[State]] = {}
        for row in self._tx.rows_in(
            "SELECT record, server, incarnation, seq, state, digests, signature FROM joined_states"
            " WHERE record IN (?*)",
            records,
        ):
            record, server = str(row[0]), bytes(row[1])
            raw, digests = bytes(row[4]), bytes(row[5])
            try:
                public = self._keys.get(server)
                if public is None:
                    raise SyncError("no key of this server")
                message = page_message(server, bytes(row[2]), row[3], digests)
                verify(public, b"page", message, bytes(row[6]))
                places = {digests[i : i + 32] for i in range(0, len(digests), 32)}
                state = decode_state(raw)
                if state_digest(raw) not in places or state.record != record:
                    raise SyncError("the state is not on its page")
                out.setdefault(record, []).append(state)
            except UNREADABLE as error:
                self._report(Problem("signed-state", record, server.hex(), str(error)[:200]))
        return out


def _checked(
    source: Segment | Partial, check: Callable[[bytes, bytes, bytes], None]
) -> tuple[list[Entry], list[tuple[int, bytes]], bytes]:
    if isinstance(source, Segment):
        entries, head = verify_segment(source, check)
        return entries, [], head
    return verify_partial(source, check)
