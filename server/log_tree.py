# SPDX-License-Identifier: Apache-2.0
"""The provable log in the store: adding leaves, and proofs over what is there.

What lives here: rows of the log, and the tree over them. What must not: what leaves mean to others
(``log_words.py``), the tree's own rules (``crypto.log``). Invariants
- A leaf is added in the transaction of what it tells of; it is never changed or taken out.
- Every writer, in whichever process, holds the one row of ``log_state`` until its commit: numbers
  are given once, in commit order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from crypto.identity import DeviceKey
from crypto.log import (
    EMPTY_ROOT,
    NODE_BYTES,
    NodeAt,
    TreeHead,
    append,
    leaf_hash,
    root_of,
    sign_tree_head,
)
from crypto.logword import EPOCH, RUN, leaf_of
from server.store.base import Transaction

HEADS_APART = 64
"""Leaves between two signed heads that are kept: an alteration nobody can name is within so
many."""
RUNS_AT_ONCE = 10_000

T = TypeVar("T")


class Stand(NamedTuple):
    """Where a log stands: leaves, and how often it was set back."""

    size: int
    epoch: int


def stand_of(tx: Transaction) -> Stand:
    """Where the log stands."""
    found = tx.rows("SELECT size, epoch FROM log_state WHERE id = 1")
    return Stand(int(found[0][0]), int(found[0][1])) if found else Stand(0, 0)


class Adding:
    """Leaves to be added in one transaction: ``add`` each, then ``store`` all."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._bodies: list[tuple[str, int, bytes]] = []
        self._size = self._epoch = -1
        self._peaks: dict[tuple[int, int], bytes] = {}

    def add(self, kind: str, at_ms: int, *parts: Any) -> int:
        """Add one leaf; its number."""
        if self._size < 0:
            self._hold()
        self._bodies.append((kind, at_ms, leaf_of(kind, at_ms, *parts)))
        return self._size + len(self._bodies) - 1

    def _hold(self) -> None:
        tx = self._tx
        # Who writes it first holds it: another process waits here, and then reads what is new.
        if not tx.run("UPDATE log_state SET size = size WHERE id = 1"):
            tx.run(
                "INSERT INTO log_state (id, size, epoch, peaks) VALUES (1, 0, 0, ?)"
                " ON CONFLICT DO NOTHING",
                [b""],
            )
            tx.run("UPDATE log_state SET size = size WHERE id = 1")
        size, epoch, peaks = tx.rows("SELECT size, epoch, peaks FROM log_state WHERE id = 1")[0]
        self._size, self._epoch = int(size), int(epoch)
        self._peaks = _peaks_in(self._size, bytes(peaks))

    def store(self) -> None:
        """Write what was added."""
        if not self._bodies:
            return
        tx, size, known = self._tx, self._size, self._peaks
        nodes: list[tuple[int, bytes]] = []
        for _, _, body in self._bodies:
            for level, index, found in append(size, leaf_hash(body), lambda *at: known[at]):
                known[level, index] = found
                nodes.append((number_of(level, index), found))
            size += 1
        tx.run_many(
            "INSERT INTO log_leaves (n, kind, at_ms, body) VALUES (?, ?, ?, ?)",
            [(self._size + at, *body) for at, body in enumerate(self._bodies)],
        )
        tx.run_many("INSERT INTO log_nodes (n, hash) VALUES (?, ?)", sorted(nodes))
        peaks = b"".join(known[place] for place in _peaks_of(size))
        tx.run("UPDATE log_state SET size = ?, peaks = ? WHERE id = 1", [size, peaks])
        self._bodies, self._size = [], -1


def _peaks_of(size: int) -> list[tuple[int, int]]:
    """The complete subtrees of a tree of this size, the largest first, as (level, index)."""
    out, first = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            out.append((level, first >> level))
            first += 1 << level
    return out


def _peaks_in(size: int, data: bytes) -> dict[tuple[int, int], bytes]:
    """The hashes of these subtrees, as the row of the log's state holds them."""
    return {
        place: data[at * NODE_BYTES : (at + 1) * NODE_BYTES]
        for at, place in enumerate(_peaks_of(size))
    }


def number_of(level: int, index: int) -> int:
    """The number of a node, read from left to right."""
    return ((2 * index + 1) << level) - 1


def with_nodes(tx: Transaction, work: Callable[[NodeAt], T]) -> T:
    """Do work over the nodes: what it asks for is found out first, then read in one query."""
    asked: list[tuple[int, int]] = []

    def note(level: int, index: int) -> bytes:
        asked.append((level, index))
        return EMPTY_ROOT

    work(note)
    if not asked:
        return work(note)
    numbers = {number_of(*place) for place in asked}
    found = tx.rows_in("SELECT n, hash FROM log_nodes WHERE n IN (?*)", sorted(numbers))
    held = {int(n): bytes(value) for n, value in found}
    return work(lambda level, index: held[number_of(level, index)])


def root_at(tx: Transaction, size: int) -> bytes:
    """The root over the first ``size`` leaves."""
    # Nearly always it is asked of the log as it stands, whose row has all that this takes.
    now = tx.rows("SELECT peaks FROM log_state WHERE id = 1 AND size = ?", [size])
    if now:
        known = _peaks_in(size, bytes(now[0][0]))
        return root_of(size, lambda *at: known[at])
    return with_nodes(tx, lambda node_at: root_of(size, node_at))


def signed_head(
    tx: Transaction, key: DeviceKey, now_ms: int, stand: Stand | None = None, *, keep: bool = False
) -> bytes:
    """Sign what the log is now; now and then, or with ``keep``, the head stays in the store."""
    stand = stand or stand_of(tx)
    root = root_at(tx, stand.size)
    head = sign_tree_head(key, TreeHead(key.replica, stand.epoch, stand.size, root, now_ms))
    last = tx.rows("SELECT coalesce(max(size), 0) FROM log_heads WHERE epoch = ?", [stand.epoch])
    if keep or stand.size >= int(last[0][0]) + HEADS_APART:
        tx.run(
            "INSERT INTO log_heads (epoch, size, head) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [stand.epoch, stand.size, head],
        )
    return head


def begin_epoch(tx: Transaction, lost: TreeHead, now_ms: int) -> int:
    """Own up to a set-back: a leaf that names the latest head this server knows it had signed."""
    adding = Adding(tx)
    epoch = max(stand_of(tx).epoch, lost.epoch) + 1
    leaf = adding.add(EPOCH, now_ms, epoch, lost.epoch, lost.size, lost.root)
    adding.store()
    tx.run("UPDATE log_state SET epoch = ? WHERE id = 1", [epoch])
    tx.run("INSERT INTO log_turns (epoch, leaf) VALUES (?, ?)", [epoch, leaf])
    return epoch


def begin_log(tx: Transaction) -> None:
    """Give runs a leaf that were stored before there was a log."""
    if not tx.rows("SELECT 1 FROM segments LIMIT 1") or stand_of(tx).size:
        return
    found = tx.rows(
        "SELECT s.n, s.received_at_ms, r.replica, s.first, s.last, s.before, s.head"
        " FROM segments s JOIN replicas r ON r.n = s.replica WHERE s.leaf IS NULL ORDER BY s.n"
    )
    for start in range(0, len(found), RUNS_AT_ONCE):
        adding, numbers = Adding(tx), []
        for n, at_ms, replica, first, last, before, head in found[start : start + RUNS_AT_ONCE]:
            parts = (bytes(replica), int(first), int(last), bytes(before), bytes(head))
            numbers.append((adding.add(RUN, int(at_ms), *parts), n))
        adding.store()
        tx.run_many("UPDATE segments SET leaf = ? WHERE n = ?", numbers)


def bodies_of(tx: Transaction, numbers: Sequence[int]) -> dict[int, bytes]:
    """Leaves by their numbers."""
    found = tx.rows_in("SELECT n, body FROM log_leaves WHERE n IN (?*)", list(numbers))
    return {int(n): bytes(body) for n, body in found}
