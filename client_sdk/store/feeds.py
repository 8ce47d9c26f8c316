# SPDX-License-Identifier: Apache-2.0
"""Feeds in the store: own and carried changes, chained; what of them is known elsewhere.

What lives here: statements over feeds, blocks, heads, sealed parts, dots heard of. What must not:
what is sent to whom (``upload.py``).

Invariants: a change stands under (replica, counter, head after it) and names the head before it, so
branches of one feed stand side by side; every feed is held from its first change on without a gap;
a blank has a digest and no content.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from client_sdk.store.base import Store
from sync.change import Entry
from sync.clock import Dot, counter_of, replica_of
from sync.feed import BLOCK_CHANGES, SEED_BYTES, Block, genesis, salts
from sync.messages import Known

RESEED = "reseed"
"""How often seeds were taken back by an erasure: a new block begins then."""
HEADS_SHOWN_MAX = 30
"""Leaves, and as many dots heard of, that are shown of one replica: forks are few."""


class FeedRow(NamedTuple):
    """One change at its place."""

    replica: bytes
    counter: int
    head: bytes
    before: bytes
    digest: bytes
    record: str | None
    salt: bytes | None
    raw: bytes | None
    own: bool
    receipted: bool
    sealed: bytes | None
    """Numbers of the sealed parts that may hold the content, four bytes each."""


_COLUMNS = "replica, counter, head, before, digest, record, salt, raw, own, receipted, sealed"


def add_own(store: Store, entry: Entry, before: bytes, head: bytes) -> None:
    """Keep one own change."""
    store.run(
        "INSERT INTO feed (replica, counter, head, before, digest, record, salt, raw, own) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
        (
            replica_of(entry.dot),
            counter_of(entry.dot),
            head,
            before,
            entry.digest,
            entry.record,
            entry.salt,
            entry.raw,
        ),
    )


def add_carried(store: Store, rows: Iterable[FeedRow]) -> None:
    """Keep changes of others; a blank that is known already is filled where it is readable now."""
    store.run_many(
        f"INSERT INTO feed ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (replica, counter, head) DO UPDATE SET record = excluded.record, "
        "salt = excluded.salt, raw = excluded.raw, sealed = coalesce(sealed, excluded.sealed) "
        "WHERE raw IS NULL AND (excluded.raw IS NOT NULL OR sealed IS NULL)",
        rows,
    )


def rows_of(store: Store, replica: bytes, first: int = 1) -> list[FeedRow]:
    """All changes of one feed from a counter on, all branches, in order of counters."""
    sql = f"SELECT {_COLUMNS} FROM feed WHERE replica = ? AND counter >= ? ORDER BY counter, head"
    return [FeedRow(*row) for row in store.run(sql, (replica, first))]


def rows_where(store: Store, where: str, values: Iterable[object]) -> list[FeedRow]:
    """Changes by a condition that this package wrote; ``values`` fill its question marks."""
    return [
        FeedRow(*row) for row in store.run(f"SELECT {_COLUMNS} FROM feed WHERE {where}", values)
    ]


def replicas_held(store: Store) -> list[bytes]:
    """The replicas of whose feeds something is held."""
    sql = (
        "WITH RECURSIVE r(x) AS (SELECT min(replica) FROM feed UNION ALL "
        "SELECT (SELECT min(replica) FROM feed WHERE replica > x) FROM r WHERE x IS NOT NULL) "
        "SELECT x FROM r WHERE x IS NOT NULL"
    )
    return [row[0] for row in store.rows(sql)]


def first_unsent(store: Store) -> dict[bytes, int]:
    """Replica -> the first counter that no receipt covers, for feeds that have such changes."""
    sql = "SELECT replica, min(counter) FROM feed WHERE receipted = 0 GROUP BY replica"
    return {row[0]: row[1] for row in store.rows(sql)}


def has_head(store: Store, replica: bytes, counter: int, head: bytes) -> bool:
    """Is this point of a feed held?"""
    if counter == 0:
        return head == genesis(replica)
    sql = "SELECT 1 FROM feed WHERE replica = ? AND counter = ? AND head = ?"
    return store.one(sql, (replica, counter, head)) is not None


def digest_at(store: Store, d: Dot) -> bytes | None:
    """The digest of the change a dot names, or None where it is not held."""
    sql = "SELECT digest FROM feed WHERE replica = ? AND counter = ?"
    for (digest,) in store.rows(sql, (replica_of(d), counter_of(d))):
        if digest[:4] == d[24:]:
            return bytes(digest)
    return None


def own_point(store: Store, counter: int) -> tuple[bytes, bytes] | None:
    """Head and digest of the present feed at a counter, or None."""
    sql = "SELECT head, digest FROM feed WHERE replica = ? AND counter = ? AND own = 1"
    found = store.one(sql, (store.chain.replica, counter))
    return (found[0], found[1]) if found else None


def leaves(store: Store, replica: bytes) -> list[tuple[int, bytes]]:
    """The ends of the branches of one feed: (counter, head)."""
    sql = (
        "SELECT counter, head FROM feed f WHERE replica = ? AND NOT EXISTS (SELECT 1 FROM feed g "
        "WHERE g.replica = f.replica AND g.counter = f.counter + 1 AND g.before = f.head) "
        "ORDER BY counter DESC"
    )
    return [(row[0], row[1]) for row in store.rows(sql, (replica,))]


def known_of(store: Store, replica: bytes) -> list[Known]:
    """What this store knows of a feed: its leaves by head, and dots beyond them by tag."""
    ends = leaves(store, replica)[:HEADS_SHOWN_MAX]
    out = [Known(replica, counter, head) for counter, head in ends]
    sql = "SELECT dot FROM heard WHERE dot >= ? AND dot < ? ORDER BY dot DESC"
    upper = (int.from_bytes(replica, "big") + 1).to_bytes(17, "big")[-16:]
    # Read one by one: of a server that wrote most of what is here there are very many.
    dots = (row[0] for row in store.run(sql, (replica, upper if upper > replica else b"\xff" * 29)))
    unheld = (d for d in dots if digest_at(store, d) is None)
    beyond = list(islice(unheld, HEADS_SHOWN_MAX))
    return out + [Known(replica, counter_of(d), d[24:]) for d in beyond]


def hear(store: Store, dots: Iterable[Dot]) -> None:
    """Remember dots that vectors name."""
    store.run_many("INSERT OR IGNORE INTO heard (dot) VALUES (?)", ((d,) for d in dots))


# -- salts ------------------------------------------------------------------------------------


class Salter:
    """Salts for own changes: a new random seed at each opening and each 256 counters."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replica = b""
        self._first = 0
        self._reseeded = 0
        self._salts: list[bytes] = []

    def salt_for(self, counter: int) -> bytes:
        """The salt of the next own change; inside its transaction, where a new block may begin."""
        store = self._store
        at = counter - self._first
        taken_back = store.get(RESEED, 0)
        same = store.chain.replica == self._replica and taken_back == self._reseeded
        if not same or not 0 <= at < len(self._salts):
            self._reseeded = taken_back
            seed = store.entropy(SEED_BYTES)
            self._replica, self._first, at = store.chain.replica, counter, 0
            self._salts = salts(seed, BLOCK_CHANGES)
            store.run(
                "INSERT OR REPLACE INTO blocks (replica, first, seed) VALUES (?, ?, ?)",
                (self._replica, counter, seed),
            )
        return self._salts[at]

    def forget(self) -> None:
        """Begin a new block: after a transaction that failed, its block is not in the store."""
        self._replica = b""


def blocks_between(store: Store, replica: bytes, first: int, last: int) -> list[Block]:
    """The blocks that own changes ``first`` … ``last`` take their salts from."""
    sql = (
        "SELECT first, seed FROM blocks WHERE replica = ? AND first <= ? AND first >= coalesce("
        "(SELECT max(first) FROM blocks WHERE replica = ? AND first <= ?), 0) ORDER BY first"
    )
    return [Block(*row) for row in store.rows(sql, (replica, last, replica, first))]


# -- signatures and sealed parts --------------------------------------------------------------


def add_head(store: Store, replica: bytes, counter: int, head: bytes, signature: bytes) -> None:
    """Keep the signature of a head of somebody's feed."""
    store.run(
        "INSERT OR IGNORE INTO heads (head, replica, counter, signature) VALUES (?, ?, ?, ?)",
        (head, replica, counter, signature),
    )


def signed_heads(store: Store, replica: bytes) -> dict[bytes, bytes]:
    """Head -> its signature, for the heads of one feed that are held with one."""
    return dict(store.rows("SELECT head, signature FROM heads WHERE replica = ?", (replica,)))


def add_part(store: Store, part: bytes) -> int:
    """Keep one sealed part; returns its number here."""
    found = store.one("SELECT id FROM sealed_parts WHERE part = ?", (part,))
    if found:
        return int(found[0])
    return int(store.run("INSERT INTO sealed_parts (part) VALUES (?)", (part,)).lastrowid)


def numbered(numbers: Iterable[int]) -> bytes:
    """Numbers of sealed parts as a row of the feed names them."""
    return b"".join(n.to_bytes(4, "big") for n in sorted(set(numbers)))


def parts(store: Store, named: Iterable[bytes]) -> list[bytes]:
    """The sealed parts that rows of the feed name, each once, in order."""
    numbers = {int.from_bytes(x[i : i + 4], "big") for x in named for i in range(0, len(x), 4)}
    out = []
    for number in sorted(numbers):
        found = store.one("SELECT part FROM sealed_parts WHERE id = ?", (number,))
        if found:
            out.append(bytes(found[0]))
    return out


# -- receipts ---------------------------------------------------------------------------------


def mark_receipted(store: Store, point: Known) -> bool:
    """A server holds a feed up to this point: mark what leads to it. False if it is not held
    here."""
    if point.counter == 0 or not has_head(store, point.replica, point.counter, point.mark):
        return False
    sql = "SELECT count(*), max(counter) FROM feed WHERE replica = ? AND counter <= ?"
    found = store.one(sql, (point.replica, point.counter))
    if found and found[0] == point.counter:
        # One line up to here: no need to walk.
        store.run(
            "UPDATE feed SET receipted = 1 WHERE replica = ? AND counter <= ? AND receipted = 0",
            (point.replica, point.counter),
        )
        return True
    counter, head = point.counter, point.mark
    while counter > 0:
        row = store.one(
            "SELECT before, receipted FROM feed WHERE replica = ? AND counter = ? AND head = ?",
            (point.replica, counter, head),
        )
        if row is None or row[1]:
            break
        store.run(
            "UPDATE feed SET receipted = 1 WHERE replica = ? AND counter = ? AND head = ?",
            (point.replica, counter, head),
        )
        counter, head = counter - 1, row[0]
    return True


def forget_receipts(store: Store, replica: bytes, above: int) -> bool:
    """The server no longer holds this feed above a counter (it was set back). True if it did."""
    found = store.run(
        "UPDATE feed SET receipted = 0 WHERE replica = ? AND counter > ? AND receipted = 1",
        (replica, above),
    )
    return bool(found.rowcount > 0)
