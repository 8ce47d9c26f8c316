# SPDX-License-Identifier: Apache-2.0
"""One open store: its connection, transactions, small values, and the writer's own chain.

What lives here: what every other part needs of the store. What must not: records, feeds, pages
(``records.py``, ``feeds.py``, ``signed.py``).

Invariants: ``chain`` in memory is what the table says at the end of every transaction, a failed one
included; the counter is stored in the transaction of the change it counts (Law 3).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import sqlcipher3

from client_sdk.errors import Locked, NotEnrolled, StoreDamaged, StoreFailed, StoreFull
from client_sdk.safekeeping import Safe
from client_sdk.store.opening import connect
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.secret import SecretBytes
from sync.clock import Stamp

Clock = Callable[[], int]
"""The wall clock in milliseconds since 1970; it may lie."""
Entropy = Callable[[int], bytes]
"""``entropy(n)``: n random bytes."""


class Chain(NamedTuple):
    """Where the writer's own feed stands, and the last stamp."""

    replica: bytes
    counter: int
    head: bytes
    stamp: Stamp


MISSING = object()
"""Remembered of a small value that is not there."""

_ids = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode


def _named(error: sqlcipher3.DatabaseError) -> Exception:
    """The error by the tablet's own name, where it is one of the disk, or of what lies there."""
    if type(error) is sqlcipher3.DatabaseError:
        # A page that does not authenticate: damaged, or altered by whoever had the file.
        return StoreDamaged(str(error))
    if "full" in str(error):
        return StoreFull()
    return StoreFailed() if "disk I/O" in str(error) else error


class Store:
    """An open encrypted store. Not for two threads at once."""

    def __init__(
        self, directory: Path, key: SecretBytes, *, create: bool, entropy: Entropy
    ) -> None:
        self.directory = directory
        self.entropy = entropy
        self.safe = Safe(directory, key)
        connection, self._lock = connect(directory, key, create=create)
        self._connection: Any = connection
        self._meta: dict[str, Any] = {}
        self._key: DeviceKey | None = None
        self._box: BoxKey | None = None
        self._chain: Chain | None = None
        self.forks: set[bytes] = set()
        self.inside = False
        self.reload()

    # -- statements ---------------------------------------------------------------------------

    def run(self, sql: str, values: Iterable[Any] = ()) -> Any:
        """Run one statement; returns its cursor.

        Raises StoreFull, StoreFailed, StoreDamaged for a damaged page, Locked after ``close``.
        """
        if self._connection is None:
            raise Locked()
        try:
            return self._connection.execute(sql, tuple(values))
        except sqlcipher3.DatabaseError as error:
            raise _named(error) from error

    def run_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run one statement for every row."""
        if self._connection is None:
            raise Locked()
        try:
            self._connection.executemany(sql, rows)
        except sqlcipher3.DatabaseError as error:
            raise _named(error) from error

    def run_ids(self, sql: str, ids: Iterable[str]) -> Any:
        """Run one statement over many texts, read as ``json_each(?)``; returns its cursor.

        Ten times as quick as a statement for each: every one of them locks and unlocks memory.
        """
        return self.run(sql, (_ids(list(ids)),))

    def rows(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        cursor = self.run(sql, values)
        try:
            found: list[tuple[Any, ...]] = cursor.fetchall()
        except sqlcipher3.DatabaseError as error:
            raise _named(error) from error
        return found

    def one(self, sql: str, values: Iterable[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, or None."""
        cursor = self.run(sql, values)
        try:
            found: tuple[Any, ...] | None = cursor.fetchone()
        except sqlcipher3.DatabaseError as error:
            raise _named(error) from error
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable at its end. Within another one it is part of that one."""
        if self.inside:
            yield
            return
        self.run("BEGIN IMMEDIATE")
        self.inside = True
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK") if self._connection.in_transaction else None
            self.inside = False
            self.reload()
            raise
        self.inside = False

    @contextmanager
    def noting(self) -> Iterator[None]:
        """All or nothing, and durable with the next transaction that is.

        For what may be lost with the power and is found out again: waiting for the disk takes
        longer than all the rest of a sync.
        """
        if self.inside:
            yield
            return
        self.run("PRAGMA synchronous = NORMAL")
        try:
            with self.transaction():
                yield
        finally:
            if not self.closed:
                self.run("PRAGMA synchronous = FULL")

    def reload(self) -> None:
        """Read again what is held in memory."""
        self._meta = {}
        self._key = None
        self._chain = None
        found = self.one("SELECT replica, counter, head, stamp_ms, stamp_n FROM chain WHERE id = 1")
        if found is not None:
            self._chain = Chain(found[0], found[1], found[2], Stamp(found[3], found[4]))
        self.forks.clear()
        self.forks.update(row[0] for row in self.rows("SELECT replica FROM forks"))

    def close(self) -> None:
        """Close the file and give its lock back; doing so twice does no harm."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            os.close(self._lock)
            self._key = self._box = None
            self._meta = {}

    @property
    def closed(self) -> bool:
        """Was the store closed?"""
        return self._connection is None

    # -- small values -------------------------------------------------------------------------

    def get(self, key: str, default: Any = None) -> Any:
        """One small value (None, bool, int, text, bytes, lists of these)."""
        if key not in self._meta:
            found = self.one("SELECT value FROM meta WHERE key = ?", (key,))
            self._meta[key] = MISSING if found is None else _unpack(found[0])
        # What is remembered is that nothing is there, never one caller's default.
        value = self._meta[key]
        return default if value is MISSING else value

    def put(self, key: str, value: Any) -> None:
        """Keep one small value."""
        self.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, _pack(value)))
        self._meta[key] = value

    # -- the writer's own chain ---------------------------------------------------------------

    @property
    def chain(self) -> Chain:
        """The own feed as it stands. Raises NotEnrolled before there is a key."""
        if self._chain is None:
            raise NotEnrolled()
        return self._chain

    def set_chain(self, chain: Chain) -> None:
        """Store where the own feed stands; inside the transaction of the change it counts."""
        self.run(
            "INSERT OR REPLACE INTO chain (id, replica, counter, head, stamp_ms, stamp_n) "
            "VALUES (1, ?, ?, ?, ?, ?)",
            (chain.replica, chain.counter, chain.head, chain.stamp.ms, chain.stamp.n),
        )
        self._chain = chain

    def see_stamp(self, stamp: Stamp) -> None:
        """Let the clock stand at least where ``stamp`` stands."""
        if self._chain is not None and stamp > self._chain.stamp:
            self.set_chain(self._chain._replace(stamp=stamp))

    @property
    def key(self) -> DeviceKey:
        """The key that signs the present feed."""
        if self._key is None:
            self._key = self.key_of(self.chain.replica)
        if self._key is None:
            raise NotEnrolled("signing key")
        return self._key

    def key_of(self, replica: bytes) -> DeviceKey | None:
        """The key of one of this store's own feeds, or None."""
        found = self.one("SELECT private FROM replicas WHERE replica = ?", (replica,))
        return DeviceKey.from_private(found[0]) if found else None

    def forget_key(self) -> None:
        """Read the signing key anew at its next use: the store goes on as another replica."""
        self._key = None

    @property
    def box(self) -> BoxKey:
        """The key that opens what is sealed to this tablet."""
        if self._box is None:
            seed = self.get("box")
            if seed is None:
                raise NotEnrolled("box key")
            self._box = BoxKey.from_private(seed)
        return self._box

    def add_fork(self, replica: bytes) -> None:
        """Remember that a replica's chain forked."""
        self.run("INSERT OR IGNORE INTO forks (replica) VALUES (?)", (replica,))
        self.forks.add(replica)
