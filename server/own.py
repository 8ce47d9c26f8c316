# SPDX-License-Identifier: Apache-2.0
"""The server's own feed: imports, resolutions and other changes written at the office.

What lives here: building signed runs of the server's own changes, and its knowledge of its own
chain. What must not: applying them, which is ingest's. Invariant: counter, change and state are
stored in one transaction (Law 3); the counter in memory moves only after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from crypto.identity import DeviceKey
from server.feeds import Run, leaves_of, stored_digests
from server.stamps import last_stamp
from server.store.base import Transaction
from sync.change import (
    REASON,
    Change,
    Value,
    check_writable,
    encode_change,
    entry_of,
    new_record_id,
)
from sync.clock import TAG_BYTES, Dot
from sync.compression import REPLY_LEVEL
from sync.errors import ChangeInvalid
from sync.feed import (
    BLOCK_CHANGES,
    SEED_BYTES,
    SEGMENT_CHANGES_MAX,
    Block,
    build_segment,
    chain,
    genesis,
    head_message,
    next_head,
    salts_between,
)
from sync.packing import vector_of

Write = tuple[str, str | None, dict[str, Value], list[tuple[str, str, Value]]]
"""Collection, record or None for a new one, fields to set, other operations."""

Seal = Callable[[str, str, Mapping[str, Value], tuple[bytes, int]], dict[str, Value]]
"""Collection, record, fields to set, the writer's replica and counter: what is written."""


POINTS_MAX = 100_000
"""Points of the chain kept at hand, about 20 MB: those of a district's import."""


class OwnFeed:
    """The chain this server writes."""

    def __init__(
        self,
        key: DeviceKey,
        counter: int,
        head: bytes,
        clock: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> None:
        self.key = key
        self.counter = counter
        self.head = head
        self._clock = clock
        self._random = random
        self._points: dict[int, tuple[bytes, bytes]] = {}

    def __repr__(self) -> str:
        return f"OwnFeed({self.key.replica.hex()}, {self.counter})"

    @classmethod
    def load(
        cls,
        tx: Transaction,
        first_key: DeviceKey,
        clock: Callable[[], int],
        random: Callable[[int], bytes],
    ) -> OwnFeed:
        """The newest key of the feed and where its chain stands."""
        found = tx.rows("SELECT private FROM server_keys ORDER BY since_ms DESC, n DESC LIMIT 1")
        key = DeviceKey.from_private(bytes(found[0][0])) if found else first_key
        leaves = leaves_of(tx, key.replica)
        counter, head = leaves[0] if leaves else (0, genesis(key.replica))
        return cls(key, counter, head, clock, random)

    def succeed(self, tx: Transaction, new: DeviceKey, proof: bytes) -> OwnFeed:
        """The chain under a new key, which the old one signed."""
        number = int(tx.rows("SELECT coalesce(max(n), 0) FROM server_keys")[0][0]) + 1
        tx.run(
            "INSERT INTO server_keys (replica, n, public, private, proof, since_ms)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [new.replica, number, new.public, new.private, proof, self._clock()],
        )
        return OwnFeed(new, 0, genesis(new.replica), self._clock, self._random)

    # ---- what is known of the chain --------------------------------------------------------------

    def head_at(self, tx: Transaction, counter: int) -> bytes | None:
        """The head after this counter, None where it is not held."""
        if counter == self.counter:
            return self.head
        found = self._point(tx, counter)
        return found[0] if found else None

    def tag_at(self, tx: Transaction, counter: int) -> bytes | None:
        """The tag of the change at this counter, None where it is not held."""
        found = self._point(tx, counter)
        return found[1] if found else None

    def _point(self, tx: Transaction, counter: int) -> tuple[bytes, bytes] | None:
        """Head and tag at a counter. What is stored of a chain never changes, so it is kept: each
        exchange shows dozens of points, and a run is thousands of changes to unpack."""
        found = self._points.get(counter)
        if found is None and 1 <= counter <= self.counter:
            if len(self._points) > POINTS_MAX:
                self._points.clear()
            for first, before, digests in stored_digests(tx, self.key.replica, counter, counter):
                head = before
                for at, digest in enumerate(digests, first):
                    head = next_head(head, digest)
                    self._points[at] = (head, digest[:TAG_BYTES])
            found = self._points.get(counter)
        return found

    def would_forget(self, tx: Transaction, records: Sequence[str | None]) -> bool:
        """Law 5: does the store hold some record without this feed's own last change on it?

        A server purges nothing, so its own change can only be missing where it is in quarantine.
        """
        asked = [record for record in records if record]
        found = tx.rows_in("SELECT dot FROM quarantine WHERE record IN (?*)", asked)
        return any(bytes(row[0])[:16] == self.key.replica for row in found)

    # ---- writing ---------------------------------------------------------------------------------

    def build(
        self,
        tx: Transaction,
        worker: str,
        writes: Sequence[Write],
        reason: str,
        seal: Seal | None = None,
    ) -> tuple[Run, list[str]]:
        """Sign a run of new changes, each upon its record as it is in the store.

        At most SEGMENT_CHANGES_MAX changes, at most one a record. ``seal`` seals the sealed fields.
        Raises ChangeInvalid.
        """
        if not 1 <= len(writes) <= SEGMENT_CHANGES_MAX:
            raise ChangeInvalid(f"{len(writes)} changes at once, at most {SEGMENT_CHANGES_MAX}")
        ids = [w[1] for w in writes if w[1]]
        if len(set(ids)) != len(ids):
            raise ChangeInvalid("one record twice in one batch")
        held = tx.causal_of(ids)
        self.catch_up(tx)
        stamp, now_ms = last_stamp(tx), self._clock()
        first = self.counter + 1
        starts = range(first, first + len(writes), BLOCK_CHANGES)
        blocks = [Block(start, self._random(SEED_BYTES)) for start in starts]
        salts = salts_between(blocks, first, len(writes))
        raws, entries = [], []
        for at, (collection, record, given, others) in enumerate(writes):
            check_writable(tuple(given), list(given.values()))
            vector: Dot = b""
            if record and record in held:
                vector = vector_of(held[record].causal)
            stamp = stamp.tick(now_ms)
            named = record or new_record_id(self.key.replica, first + at, stamp.ms, salts[at])
            writer = (self.key.replica, first + at)
            sets = seal(collection, named, given, writer) if seal is not None else given
            extra = [*others, (REASON, "", reason)] if reason and not _void(others) else others
            change = Change(
                worker,
                collection,
                tuple(sets),
                list(sets.values()),
                record,
                vector,
                stamp.ms,
                stamp.n,
                now_ms - stamp.ms,
                list(extra),
            )
            raws.append(encode_change(change))
            entries.append(entry_of(self.key.replica, first + at, salts[at], raws[at]))
        last, head = first + len(writes) - 1, chain(self.head, entries)
        signature = self.key.sign(b"segment", head_message(self.key.replica, last, head))
        segment = build_segment(
            self.key.replica, first, self.head, blocks, raws, signature, REPLY_LEVEL
        )
        run = Run(self.key.replica, first, self.head, head, entries, segment)
        return run, [entry.record for entry in entries]

    def catch_up(self, tx: Transaction) -> None:
        """Stand where the chain in the store ends.

        A commit whose answer never came may have been made all the same, and another process may
        write the same feed: a number must not be given twice.
        """
        leaves = leaves_of(tx, self.key.replica)
        if leaves and leaves[0][0] > self.counter:
            self.counter, self.head = leaves[0]

    def commit(self, run: Run) -> None:
        """Move on; to be called when the transaction that stored the run is durable."""
        self.counter, self.head = run.last, run.head


def _void(others: Sequence[tuple[str, str, Value]]) -> bool:
    return any(op == "void" for op, _, _ in others)
