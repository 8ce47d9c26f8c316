# SPDX-License-Identifier: Apache-2.0
"""What another server holds of the feeds held here, and which runs it lacks.

What lives here: the other's points by its own word, the comparison by sums, choosing runs and
states. What must not: messages, signatures. Invariants
- What the other holds is its word: a sum that does not fit makes it list all ends of its feeds.
- A run goes as it was received, byte for byte, and only upon what the other holds.
- A state goes only where it rests on changes that are in no feed the other holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from server.archive_errors import ArchiveMissing
from server.feeds import leaves_of, open_stored, segment_of, stored_heads, whole
from server.store.base import Transaction
from sync.clock import counter_of, dots_of
from sync.feed import Partial, Segment, genesis
from sync.messages import SEGMENTS_MAX, Known
from sync.relay import point_part, points_sum
from sync.session import HELD_MASK

PIECE_BYTES = 2 * 1024 * 1024
"""Runs of one message: a link that breaks loses no more."""
ROWS_PER_READ = 32

Within = Callable[[Transaction, Iterable[str]], bool]
"""Do all these records belong to the other's area?"""


def all_points(tx: Transaction) -> list[Known]:
    """The ends of all branches of all feeds held here."""
    found = tx.rows(
        "SELECT r.replica, l.counter, l.head FROM leaves l JOIN replicas r ON r.n = l.replica"
    )
    return [Known(bytes(r), int(c), bytes(h)) for r, c, h in found]


def holds(tx: Transaction, point: Known) -> bool:
    """Is this point of a feed held, as an end or on the way to one?"""
    number = tx.number_of(point.replica)
    if point.counter == 0:
        return point.mark == genesis(point.replica)
    found = tx.rows(
        "SELECT 1 FROM segments WHERE replica = ? AND last = ? AND head = ?",
        [number, point.counter, point.mark],
    )
    if found:
        return True
    return _run_with(tx, point.replica, (point.counter, point.mark)) is not None


def _run_with(
    tx: Transaction, replica: bytes, point: tuple[int, bytes]
) -> tuple[int, bytes] | None:
    """Where the run begins that has this point in its middle; None where none has."""
    at, head = point
    for start, before, heads in stored_heads(tx, replica, at, at):
        # Of an archived run there are the first bytes of each head.
        if start <= at < start + len(heads) - 1 and heads[at - start + 1] == head[: len(heads[0])]:
            return start - 1, before
    return None


class Believed:
    """What a peer holds, by its word; ``offered`` is what it was sent since.

    ``peer`` is its device id, or ``above`` and its replica id where this server asks it.
    """

    def __init__(self, tx: Transaction, peer: str) -> None:
        self.tx = tx
        self.peer = peer
        self.points: dict[bytes, set[tuple[int, bytes]]] = {}
        self.offered = False
        for replica, counter, head, offered in tx.rows(
            "SELECT replica, counter, head, offered FROM peer_points WHERE peer = ?", [peer]
        ):
            self.points.setdefault(bytes(replica), set()).add((int(counter), bytes(head)))
            self.offered = self.offered or bool(offered)

    def settle(self, said: int) -> bool:
        """Take the peer's sum: False if it must list what it holds."""
        confirmed, every = 0, 0
        for replica, counter, head, offered in self.tx.rows(
            "SELECT replica, counter, head, offered FROM peer_points WHERE peer = ?", [self.peer]
        ):
            part = point_part(bytes(replica), int(counter), bytes(head))
            every += part
            confirmed += 0 if offered else part
        if said == every & HELD_MASK:
            self.tx.run("UPDATE peer_points SET offered = 0 WHERE peer = ?", [self.peer])
            self.offered = False
            return True
        # What was offered did not arrive, or the ends it grew from are gone: only a list can tell.
        return False

    def replace(self, points: Iterable[Known]) -> None:
        """Take the peer's list."""
        self.tx.run("DELETE FROM peer_points WHERE peer = ?", [self.peer])
        self.points = {}
        self.offered = False
        self._insert(points, 0)

    def _insert(self, points: Iterable[Known], offered: int) -> None:
        rows = []
        for p in points:
            if p.counter and len(p.mark) == 32:
                self.points.setdefault(p.replica, set()).add((p.counter, p.mark))
                rows.append((self.peer, p.replica, p.counter, p.mark, offered))
        self.tx.run_many(
            "INSERT INTO peer_points (peer, replica, counter, head, offered)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            rows,
        )

    def extend(self, first: int, before: bytes, end: Known, *, offered: bool) -> None:
        """The peer holds (or was sent) a run of a feed: its end moves."""
        held = self.points.get(end.replica, set())
        if any(counter >= end.counter for counter, _ in held) and len(held) == 1:
            return
        if (first - 1, before) in held:
            held.discard((first - 1, before))
            self.tx.run(
                "DELETE FROM peer_points WHERE peer = ? AND replica = ? AND counter = ?"
                " AND head = ?",
                [self.peer, end.replica, first - 1, before],
            )
        self._insert([end], int(offered))

    def lacking(self) -> bool:
        """Does the peer hold something that is not held here?"""
        found = self.tx.rows(
            "SELECT p.replica, p.counter, p.head FROM peer_points p"
            " LEFT JOIN replicas r ON r.replica = p.replica"
            " LEFT JOIN leaves l ON l.replica = r.n AND l.counter = p.counter AND l.head = p.head"
            " WHERE p.peer = ? AND p.offered = 0 AND l.head IS NULL",
            [self.peer],
        )
        points = (Known(bytes(r), int(c), bytes(h)) for r, c, h in found)
        return any(not holds(self.tx, point) for point in points)


def line_of(
    tx: Transaction, replica: bytes, held: set[tuple[int, bytes]]
) -> set[tuple[int, bytes]]:
    """The ends of runs held here that lead to these points, which another server holds."""
    parents = {
        (int(last), bytes(head)): (int(first) - 1, bytes(before))
        for first, last, before, head in tx.rows(
            "SELECT first, last, before, head FROM segments WHERE replica = ?",
            [tx.number_of(replica)],
        )
    }
    line: set[tuple[int, bytes]] = set()
    for point in held:
        at: tuple[int, bytes] | None = point
        if point not in parents:
            # The peer stands in the middle of a run: it needs that run whole.
            at = _run_with(tx, replica, point)
        while at is not None and at not in line:
            line.add(at)
            at = parents.get(at)
    return line


_Row = tuple[int, bytes, int, int, bytes, bytes, str, bytes]
"""Sequence, replica, first, last, head before, head, kind and body of a stored run."""


class Chosen(NamedTuple):
    """Runs to send: as they were received, their ends, how far this goes, and whether more is
    left."""

    segments: list[Segment]
    partials: list[Partial]
    ends: list[tuple[int, bytes, Known]]
    upto: int
    more: bool

    @property
    def runs(self) -> list[Segment | Partial]:
        """All of them."""
        return [*self.segments, *self.partials]


class Choice:
    """Choosing what a peer lacks. Make it, then ``runs``; ``rests`` tells of states after it."""

    def __init__(
        self, tx: Transaction, believed: Believed, forks: set[bytes], within: Within | None
    ) -> None:
        self.tx = tx
        self.believed = believed
        self.forks = forks
        self.within = within
        self.without: set[bytes] = set()
        """Feeds that the peer does not take: a writer whose key does not lead to it."""
        self._lines: dict[bytes, set[tuple[int, bytes]]] = {}
        self._sent: dict[bytes, set[tuple[int, bytes]]] = {}

    def runs(self, after_seq: int, bytes_max: int = PIECE_BYTES) -> Chosen:
        """What came after this sequence and the peer lacks: whole commits, until the piece is
        full."""
        segments: list[Segment] = []
        partials: list[Partial] = []
        ends: list[tuple[int, bytes, Known]] = []
        size, upto = 0, after_seq
        for seq, replica, first, last, before, head, kind, body in self._rows(after_seq):
            full = size >= bytes_max or len(segments) + len(partials) >= SEGMENTS_MAX // 2
            if full and seq != upto:
                return Chosen(segments, partials, ends, upto, True)
            upto = seq
            if replica in self.without or self._covered(replica, last, head):
                continue
            opened = self._opened(kind, body)
            if opened is None or not self._goes(replica, first, before, *opened):
                continue
            source = segment_of(*opened)
            if isinstance(source, Segment):
                segments.append(source)
            else:
                partials.append(source)
            end = Known(replica, last, head)
            ends.append((first, before, end))
            self._sent.setdefault(replica, set()).add((last, head))
            size += len(opened[1])
        return Chosen(segments, partials, ends, upto, False)

    def _rows(self, after_seq: int) -> Iterator[_Row]:
        at = (after_seq, 0)
        while True:
            found = self.tx.rows(
                "SELECT s.seq, s.n, r.replica, s.first, s.last, s.before, s.head, s.kind, s.body"
                " FROM segments s JOIN replicas r ON r.n = s.replica"
                " WHERE s.seq > ? OR (s.seq = ? AND s.n > ?) ORDER BY s.seq, s.n LIMIT ?",
                [at[0], at[0], at[1], ROWS_PER_READ],
            )
            for seq, n, replica, first, last, before, head, kind, body in found:
                at = (int(seq), int(n))
                yield (
                    int(seq),
                    bytes(replica),
                    int(first),
                    int(last),
                    bytes(before),
                    bytes(head),
                    str(kind),
                    bytes(body),
                )
            if len(found) < ROWS_PER_READ:
                return

    def _opened(self, kind: str, body: bytes) -> tuple[str, bytes] | None:
        """A run with its content; None where its archive is not here and states can go instead."""
        try:
            return whole(self.tx, kind, body)
        except ArchiveMissing:
            if self.within is None:
                # Upwards nothing is left out: the exchange waits for the archive, and says so.
                raise
            return None

    def _covered(self, replica: bytes, last: int, head: bytes) -> bool:
        return (last, head) in self._line(replica)

    def _line(self, replica: bytes) -> set[tuple[int, bytes]]:
        """The ends of runs held here that lead to what the peer holds of this feed.

        Counters alone would take another branch for this one.
        """
        if replica not in self._lines:
            held = self.believed.points.get(replica)
            self._lines[replica] = line_of(self.tx, replica, held) if held else set()
        return self._lines[replica]

    def _goes(self, replica: bytes, first: int, before: bytes, kind: str, body: bytes) -> bool:
        if self.within is None:
            return True
        start = (first - 1, before)
        if first > 1 and start not in self._line(replica) | self._sent.get(replica, set()):
            return False
        return self.within(self.tx, {entry.record for entry in open_stored(kind, body)})

    def rests_elsewhere(self, vector: bytes) -> bool:
        """Does a state rest on a change that is in no feed the peer holds or was just sent?"""
        for d in dots_of(vector):
            replica, counter = d[:16], counter_of(d)
            if replica in self.forks:
                return True
            reached = self._line(replica) | self._sent.get(replica, set())
            if not any(at >= counter for at, _ in reached):
                return True
        return False


def answer_points(tx: Transaction, asked: Iterable[Known]) -> list[Known]:
    """The ends held here of the feeds that were listed."""
    out: list[Known] = []
    for replica in dict.fromkeys(point.replica for point in asked):
        out += [Known(replica, counter, head) for counter, head in leaves_of(tx, replica)]
    return out


def own_sum(tx: Transaction) -> int:
    """The sum over all ends of feeds held here."""
    return points_sum(all_points(tx))
