# SPDX-License-Identifier: Apache-2.0
"""The embedded store: one SQLCipher file behind the contract of ``base``.

What lives here: opening, transactions, and the set-based statements of the ingest path. What must
not: any rule of merging. Invariants
- ``synchronous=FULL``: a commit that returned survives power loss.
- One writer at a time, by a lock in the process; readers see what was committed.
- Who has the file open that was the store before its key was changed writes nothing more.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import sqlcipher3
import sqlite_utils

from server.store.base import Archives, Kind, NoArchives, Seen
from server.store.migrations import migrate
from server.store.rows import FullRow, Held, HomeRow, NewRow, PatchRow
from server.store.sqlite_file import connect, only_read
from server.store.sqlite_many import ManyRows
from server.store.sqlite_rekey import InFile, inode_of
from server.store.sqlite_values import each_sql, field_sql, typed_sql
from sync.session import DIGEST_MASK

IDS_PER_QUERY_MAX = 20_000
BEGIN_READ = "BEGIN"

_json = msgspec.json.Encoder().encode
_number = operator.attrgetter("n")


class SqliteTransaction(ManyRows):
    """One transaction of the embedded store."""

    def __init__(self, store: SqliteStore, connection: sqlcipher3.Connection, writes: bool) -> None:
        self._store = store
        self._learn_names = store.learn_names
        self._writes = writes
        self._db = connection
        self._seq: int | None = None
        self._home_numbers: dict[str, int] = {}
        self.archives = store.archives

    def next_seq(self) -> int:
        """The commit sequence of this part of the transaction."""
        if self._seq is None:
            row = self._db.execute("SELECT value FROM meta WHERE key = 'seq'").fetchone()
            self._seq = (row[0] if row else 0) + 1
            self._db.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES ('seq', ?)", [self._seq]
            )
        return self._seq

    def next_part(self) -> None:
        """Let what follows have a sequence of its own."""
        self._seq = None

    def seen(self) -> Seen:
        """A number that moves when another connection committed."""
        return Seen(int(self._db.execute("PRAGMA data_version").fetchone()[0]), "")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a portable query."""
        found: list[tuple[Any, ...]] = self._db.execute(sql, parameters).fetchall()
        return found

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one portable statement."""
        return int(self._db.execute(sql, parameters).rowcount)

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one portable statement for many rows."""
        self._db.executemany(sql, rows)

    def rows_in(
        self, sql: str, ids: Sequence[Any], before: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Rows of a portable query in which ``(?*)`` stands for a set of texts or numbers."""
        return self._with_set(sql.replace("(?*)", "(SELECT value FROM json_each(?))"), ids, before)

    def _with_set(
        self, sql: str, ids: Sequence[Any], before: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(ids), IDS_PER_QUERY_MAX):
            part = _json(ids[start : start + IDS_PER_QUERY_MAX]).decode()
            found += self._db.execute(sql, [*before, part]).fetchall()
        return found

    def causal_of(self, ids: Sequence[str]) -> dict[str, Held]:
        """What merging needs of those of these records that the store has."""
        # Walking the set and looking up each saves the index that IN would build of it first.
        found = self._with_set(
            "SELECT r.id, r.kind, h.id, r.causal, r.n, h.n FROM json_each(?) j"
            " CROSS JOIN records r ON r.id = j.value CROSS JOIN homes h ON h.n = r.home",
            ids,
        )
        name = self._store.collections
        self._home_numbers.update((r[2], r[5]) for r in found)
        return {r[0]: Held(name[r[1]], r[2], r[3], r[4]) for r in found}

    def bodies_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The shown values, as JSON, of those of these records that the store has."""
        found = self.rows_in("SELECT id, body FROM records WHERE id IN (?*)", ids)
        return {r[0]: r[1].encode() for r in found}

    # An exact ``bytearray`` is bound as it is; for ``bytes`` the driver first looks for an adapter,
    # which costs a microsecond each.

    def insert_records(self, rows: Sequence[NewRow]) -> None:
        """Store records that are new."""
        if not rows:
            return
        ids, homes, kinds, seqs, origins, voided, causals, bodies = zip(*rows, strict=True)
        numbers = map(self._home_numbers.__getitem__, homes)
        self._db.executemany(
            "INSERT INTO records (id, home, kind, seq, origin, voided, causal, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            zip(
                *(ids, numbers, kinds, seqs, origins, voided, map(bytearray, causals), bodies),
                strict=True,
            ),
        )

    def replace_records(self, rows: Sequence[FullRow]) -> None:
        """Store causal data and shown values of records that are there."""
        self._db.executemany(
            "UPDATE records SET home = ?, seq = ?, origin = ?, voided = ?, causal = ?, body = ?"
            " WHERE n = ?",
            [(self._home_numbers[row[0]], *row[1:]) for row in rows],
        )

    def patch_records(self, rows: Sequence[PatchRow]) -> None:
        """Store causal data and set some shown values, in groups of equally many values."""
        groups: dict[int, list[list[Any]]] = {}
        # In the order they lie in the file: neighbours are on one page.
        for seq, origin, causal, values, n in sorted(rows, key=_number):
            flat = [seq, origin, bytearray(causal), *chain.from_iterable(values), n]
            groups.setdefault(len(values), []).append(flat)
        for count, many in groups.items():
            sets = ", ".join("?, json(?)" for _ in range(count))
            self._db.executemany(
                "UPDATE records SET seq = ?, origin = ?, causal = ?,"
                f" body = json_set(body, {sets}) WHERE n = ?",
                many,
            )

    def touch_homes(self, rows: Sequence[HomeRow]) -> None:
        """Raise the high-water sequence of homes and add to their digests; new homes are made."""
        known = self._home_numbers
        names = [row.id for row in rows if row.id not in known]
        numbers = "SELECT h.id, h.n FROM json_each(?) j CROSS JOIN homes h ON h.id = j.value"
        known.update(self._with_set(numbers, names))
        new = [row for row in rows if row.id not in known]
        self._db.executemany(
            "INSERT INTO homes (id, area, seq, digest) VALUES (?, ?, ?, ?)",
            new,
        )
        old = sorted((known[row.id], row) for row in rows if row.id in known)
        self._db.executemany(
            f"UPDATE homes SET seq = ?, digest = (digest + ?) & {DIGEST_MASK} WHERE n = ?",
            [(row.seq, row.digest, number) for number, row in old],
        )
        self._db.executemany(
            "UPDATE homes SET area = ? WHERE n = ?",
            [(row.area, number) for number, row in old if row.area],
        )
        if new:
            names = [row.id for row in new]
            known.update(self.rows_in("SELECT id, n FROM homes WHERE id IN (?*)", names))

    def kind_of(self, collection: str) -> int:
        """The number of a collection, made on first sight; 0 where reading finds none."""
        found = self._store.kinds.get(collection)
        if found is None:
            if not self._writes:
                return 0
            row = self._db.execute(
                "INSERT INTO kinds (collection) VALUES (?) RETURNING kind", [collection]
            ).fetchone()
            found = self._store.kinds[collection] = int(row[0])
            self._store.collections[found] = collection
        return found

    def collection_of(self, kind: int) -> str:
        """The name of a collection by its number."""
        return self._store.collections[kind]

    def number_of(self, replica: bytes) -> int:
        """The number of a replica, from 1, made on first sight; 0 where reading finds none."""
        found = self._store.numbers.get(replica)
        if found is None:
            if not self._writes:
                return 0
            row = self._db.execute(
                "INSERT INTO replicas (replica) VALUES (?) RETURNING n", [replica]
            ).fetchone()
            found = self._store.numbers[replica] = int(row[0])
        return found

    def relations(self) -> dict[str, tuple[str, str]]:
        """Tables and views: name to kind and, for a view, what it was made from."""
        found = self.rows("SELECT name, type, sql FROM sqlite_master")
        # What is stored begins with CREATE VIEW "name" AS.
        return {str(n): (str(kind), str(sql or "").partition(" AS ")[2]) for n, kind, sql in found}

    def make_view(self, name: str, select: str) -> None:
        """Make a view anew from a query."""
        quoted = '"' + name.replace('"', '""') + '"'
        self._db.execute(f"DROP VIEW IF EXISTS {quoted}")
        self._db.execute(f"CREATE VIEW {quoted} AS {select}")

    def define(self, statement: str) -> None:
        """Run one statement about tables or indexes."""
        self._db.execute(statement)


class SqliteStore(InFile):
    """The embedded store. Not to be shared by two processes that write.

    ``made``: there is to be a store already; none is made. Raises StoreDamaged, StoreTooNew.
    """

    def __init__(
        self,
        path: Path | str,
        key_hex: str,
        *,
        reads_only: bool = False,
        made: bool = False,
        beside: SqliteStore | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        self._key_hex = key_hex
        self._reads_only = reads_only
        self._beside = beside
        self._lock = threading.RLock()
        # Before it is opened: where its name leads to another file by then, nothing is written.
        before = inode_of(self.path)
        self._db = connect(self.path, key_hex)
        self._inode = before or inode_of(self.path)
        self.kinds: dict[str, int] = {}
        self.collections: dict[int, str] = {}
        self.numbers: dict[bytes, int] = {}
        self.archives: Archives = NoArchives()
        if reads_only:
            only_read(self._db)
        else:
            try:
                migrate(sqlite_utils.Database(self._db), made)
            except BaseException:
                self._db.close()
                raise
        self.learn_names()

    def __repr__(self) -> str:
        return f"SqliteStore({self.path.name!r})"

    def _learn(self) -> None:
        """Names that the connection that writes has made meanwhile."""
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self.learn_names()

    def learn_names(self) -> None:
        """Read the numbers of collections and replicas."""
        self.kinds = dict(self._db.execute("SELECT collection, kind FROM kinds").fetchall())
        self.collections = {kind: name for name, kind in self.kinds.items()}
        self.numbers = dict(self._db.execute("SELECT replica, n FROM replicas").fetchall())

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[SqliteTransaction]:
        with self._lock:
            self._follow()
            self._db.execute(begin)
            try:
                if self._reads_only:
                    self._learn()
                elif begin != BEGIN_READ:
                    # Asked under the writers' lock, which whoever replaces the file holds too.
                    self._check_name()
                yield SqliteTransaction(self, self._db, begin != BEGIN_READ)
            except BaseException:
                self._undo()
                raise
            try:
                self._db.execute("COMMIT")
            except BaseException:
                self._undo()
                raise

    def _undo(self) -> None:
        # After some failures (a full disk) SQLite has already rolled back by itself.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        # Names made inside the transaction are gone with it.
        self.learn_names()

    def read(self) -> Any:
        """A transaction that only reads."""
        return self._transaction(BEGIN_READ)

    def write(self) -> Any:
        """A transaction that writes; durable when the block ends."""
        return self._transaction("BEGIN IMMEDIATE")

    def seen(self) -> Seen:
        """A number that moves when another connection committed."""
        with self._lock:
            return Seen(int(self._db.execute("PRAGMA data_version").fetchone()[0]), "")

    def lease(self, job: str) -> AbstractContextManager[bool]:
        """Always free: the lock of the data folder lets one process alone serve it."""
        return nullcontext(True)

    def field_sql(self, field: str) -> str:
        """A shown value of ``r`` as a plain column."""
        return field_sql(field)

    def typed_sql(self, field: str, kind: Kind) -> str:
        """A shown value of ``r``, null where it is of another kind."""
        return typed_sql(field, kind)

    def each_sql(self, field: str) -> tuple[str, str]:
        """The elements of a list among the shown values of ``r``, and the text of one."""
        return each_sql(field)

    def statistics_sql(self, table: str) -> str:
        """Nothing: the orders that reports go by follow from the indexes."""
        return ""

    def backup(self, target: str, progress: Callable[[int, int], None] | None = None) -> None:
        """Write a consistent copy, encrypted by the same key, to a file that must not exist."""
        with self._lock:
            copy = connect(target, self._key_hex)
            try:
                self._db.backup(
                    copy, pages=4096, progress=lambda _s, left, total: _tell(progress, left, total)
                )
            finally:
                copy.close()

    def overwrite_freed(self) -> bool:
        """``secure_delete`` overwrote it in the file; the log still has the pages as they were."""
        with self._lock:
            return bool(self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)

    def holds_sql(self, column: str) -> str:
        """That a text column holds a text, as it stands."""
        return f"instr({column}, ?) > 0"

    def another(self) -> SqliteStore:
        """The same store on a connection of its own that only reads."""
        with self._lock:
            made = SqliteStore(self.path, self._key_hex, reads_only=True, beside=self)
        made.archives = self.archives
        return made

    def close(self) -> None:
        """Fold the log into the file and release it."""
        with self._lock:
            if not self._reads_only:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()


def _tell(progress: Callable[[int, int], None] | None, left: int, total: int) -> None:
    if progress:
        progress(total - left, total)
