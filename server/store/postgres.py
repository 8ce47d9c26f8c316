# SPDX-License-Identifier: Apache-2.0
"""The store in PostgreSQL, behind the contract of ``base``.

What lives here: the set-based statements of the ingest path. What must not: any rule of merging;
connections, which are in ``postgres_lines.py``. Invariants
- One writer at a time in a district: each holds the row of the commit sequence until its commit is
  seen by all, so no reader steps over a number that is committed later.
- Readers see one consistent state and wait for nobody.
- Names made in a transaction (numbers of collections and replicas) are shared after its commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg import sql as words

from server.store.base import (
    TENTHS_BELOW,
    WHOLE_MAX,
    WORD_CHARS_MAX,
    Archives,
    Kind,
    NoArchives,
    Seen,
)
from server.store.postgres_lines import Line, Lines
from server.store.postgres_many import ManyRows, jsonb
from server.store.postgres_migrations import migrate, translated
from server.store.postgres_values import MARK, escaped
from server.store.rows import FullRow, Held, HomeRow, NewRow, PatchRow
from sync.session import DIGEST_MASK

BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# The lock is taken before anything is read; each statement then sees all that was committed.
BEGIN_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
TAKE_TURN = "SELECT value, pg_current_xact_id()::text FROM meta WHERE key = 'seq' FOR UPDATE"
STAGE = (
    "CREATE TEMP TABLE IF NOT EXISTS staged (n bigint NOT NULL, home bigint, seq bigint NOT NULL,"
    " origin bigint NOT NULL, voided bigint, causal bytea NOT NULL, body jsonb NOT NULL)"
    " ON COMMIT DELETE ROWS"
)
KNOWN = "SELECT value FROM meta WHERE key = 'known'"
_STAGED_TYPES = ("int8", "int8", "int8", "int8", "int8", "bytea", "jsonb")
_RECORD_TYPES = ("text", "int8", "int8", "int8", "int8", "int8", "bytea", "jsonb")


def portable(sql: str) -> str:
    """A portable statement in psycopg's words: ``?`` becomes ``%s``, a set becomes an array."""
    return sql.replace("%", "%%").replace("IN (?*)", "= ANY(%s)").replace("?", "%s")


class PostgresTransaction(ManyRows):
    """One transaction of a district in PostgreSQL."""

    def __init__(self, store: PostgresStore, line: Line, turn: int | None) -> None:
        self._store = store
        self._db = line.connection
        self._life = line.life
        store.live(line.life)
        self._turn = turn
        self._seq: int | None = None
        self._home_numbers: dict[str, int] = {}
        self.kinds: dict[str, int] = {}
        self.numbers: dict[bytes, int] = {}
        self.archives = store.archives

    def next_seq(self) -> int:
        """The commit sequence of this part of the transaction."""
        if self._seq is None:
            if self._turn is None:
                raise psycopg.errors.ReadOnlySqlTransaction("a reading transaction has no sequence")
            self._seq = self._turn + 1
            self._db.execute("UPDATE meta SET value = %s WHERE key = 'seq'", [self._seq])
        return self._seq

    def next_part(self) -> None:
        """Let what follows have a sequence of its own."""
        if self._seq is not None:
            self._turn, self._seq = self._seq, None

    def seen(self) -> Seen:
        """Where changes by all processes stand, in this transaction."""
        return Seen(int(self._execute(KNOWN, ()).fetchall()[0][0]), self._life)

    def _execute(self, sql: str, parameters: Sequence[Any]) -> psycopg.Cursor[Any]:
        # Without parameters psycopg leaves the text alone: a view's names may hold any sign.
        if not parameters:
            return self._db.execute(sql.encode(), binary=True)
        return self._db.execute(portable(sql).encode(), parameters, binary=True)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a portable query."""
        return self._execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one portable statement."""
        return self._execute(sql, parameters).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one portable statement for many rows."""
        with self._db.cursor() as cursor:
            cursor.executemany(portable(sql).encode(), rows)

    def rows_in(
        self, sql: str, ids: Sequence[Any], before: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Rows of a portable query in which ``(?*)`` stands for a set of texts or numbers."""
        return self.rows(sql, [*before, list(ids)]) if ids else []

    def causal_of(self, ids: Sequence[str]) -> dict[str, Held]:
        """What merging needs of those of these records that the store has."""
        found = self.rows_in(
            "SELECT r.id, r.kind, h.id, r.causal, r.n FROM records r JOIN homes h ON h.n = r.home"
            " WHERE r.id IN (?*)",
            ids,
        )
        name = self.collection_of
        return {r[0]: Held(name(r[1]), r[2], r[3], r[4]) for r in found}

    def bodies_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The shown values, as JSON, of those of these records that the store has."""
        found = self.rows_in("SELECT id, body FROM records WHERE id IN (?*)", ids)
        return {r[0]: r[1].encode() for r in found}

    def insert_records(self, rows: Sequence[NewRow]) -> None:
        """Store records that are new."""
        numbers = self._home_numbers
        if rows:
            self._copy(
                "records (id, home, kind, seq, origin, voided, causal, body)",
                _RECORD_TYPES,
                ((escaped(r.id), numbers[r.home], *r[2:7], jsonb(r.body)) for r in rows),
            )

    def replace_records(self, rows: Sequence[FullRow]) -> None:
        """Store causal data and shown values of records that are there."""
        numbers = self._home_numbers
        if rows:
            self._copy(
                "staged",
                _STAGED_TYPES,
                (
                    (r.n, numbers[r.home], r.seq, r.origin, r.voided, r.causal, jsonb(r.body))
                    for r in rows
                ),
            )
            self._db.execute(
                "WITH s AS (DELETE FROM staged RETURNING *)"
                " UPDATE records r SET home = s.home, seq = s.seq, origin = s.origin,"
                " voided = s.voided, causal = s.causal, body = s.body FROM s WHERE r.n = s.n"
            )

    def patch_records(self, rows: Sequence[PatchRow]) -> None:
        """Store causal data and set some shown values over what is there."""
        if rows:
            self._copy(
                "staged",
                _STAGED_TYPES,
                (
                    (r.n, None, r.seq, r.origin, None, r.causal, jsonb(_object(r.values)))
                    for r in rows
                ),
            )
            self._db.execute(
                "WITH s AS (DELETE FROM staged RETURNING *)"
                " UPDATE records r SET seq = s.seq, origin = s.origin, causal = s.causal,"
                " body = r.body || s.body FROM s WHERE r.n = s.n"
            )

    def touch_homes(self, rows: Sequence[HomeRow]) -> None:
        """Raise the high-water sequence of homes and add to their digests; new homes are made."""
        if not rows:
            return
        found = self._db.execute(
            "INSERT INTO homes AS h (id, area, seq, digest)"
            " SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[])"
            " ON CONFLICT (id) DO UPDATE SET seq = excluded.seq,"
            f" digest = (h.digest + excluded.digest) & {DIGEST_MASK},"
            " area = CASE WHEN excluded.area = '' THEN h.area ELSE excluded.area END"
            " RETURNING h.id, h.n",
            [
                [row.id for row in rows],
                [row.area for row in rows],
                [row.seq for row in rows],
                [row.digest for row in rows],
            ],
            binary=True,
        )
        self._home_numbers.update(found.fetchall())

    # ---- names -----------------------------------------------------------------------------------

    def kind_of(self, collection: str) -> int:
        """The number of a collection, made on first sight; 0 where reading finds none."""
        known = self._store.kinds.get(collection) or self.kinds.get(collection)
        if known is None:
            known = self._number("kind", "kinds", "collection", collection)
            if known:
                self.kinds[collection] = known
        return known

    def collection_of(self, kind: int) -> str:
        """The name of a collection by its number."""
        known = self._store.collections.get(kind)
        if known is None:
            found = self.rows("SELECT collection FROM kinds WHERE kind = ?", [kind])
            known = str(found[0][0])
            self.kinds[known] = kind
        return known

    def number_of(self, replica: bytes) -> int:
        """The number of a replica, from 1, made on first sight; 0 where reading finds none."""
        known = self._store.numbers.get(replica) or self.numbers.get(replica)
        if known is None:
            known = self._number("n", "replicas", "replica", replica)
            if known:
                self.numbers[replica] = known
        return known

    def _number(self, number: str, table: str, column: str, name: str | bytes) -> int:
        # Another process may have made it meanwhile: this one's memory is not the last word.
        found = self.rows(f"SELECT {number} FROM {table} WHERE {column} = ?", [name])
        if not found and self._turn is not None:
            found = self.rows(
                f"INSERT INTO {table} ({column}) VALUES (?) RETURNING {number}", [name]
            )
        return int(found[0][0]) if found else 0

    # ---- views -----------------------------------------------------------------------------------

    def relations(self) -> dict[str, tuple[str, str]]:
        """Tables and views: name to kind and, for a view, what it was made from."""
        found = self.rows(
            "SELECT c.relname::text, c.relkind::text, coalesce(obj_description(c.oid), '')"
            " FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace"
            " AND c.relkind IN ('r', 'p', 'v')"
        )
        return {r[0]: ("view" if r[1] == "v" else "table", r[2]) for r in found}

    def make_view(self, name: str, select: str) -> None:
        """Make a view anew. PostgreSQL rewrites its text, so the original stays as its comment."""
        view = words.Identifier(name)
        self._db.execute(words.SQL("DROP VIEW IF EXISTS {}").format(view))
        self._db.execute(words.SQL("CREATE VIEW {} AS ").format(view).as_bytes() + select.encode())
        comment = words.SQL("COMMENT ON VIEW {} IS {}").format(view, words.Literal(select))
        self._db.execute(comment)

    def define(self, statement: str) -> None:
        """Run one statement about tables or indexes."""
        self._db.execute(translated(statement).encode())


HOLDS_VALUES = tuple(
    "records segments waiting quarantine joined_states conflicts conflict_sides decisions"
    " conflict_comments notices lookup lookup_words blob_pieces journal".split()
)
"""Tables that hold values of records."""


def _object(values: list[tuple[str, str]]) -> str:
    """Values to set, as one JSON object; a path is ``$."name"``."""
    return "{" + ",".join(f"{path[2:]}:{value}" for path, value in values) + "}"


def _cut(text: str) -> str:
    """SQL for text up to the first U+0000, where SQLite's functions on text end it."""
    return f"split_part({text}, chr({ord(MARK)}) || '0', 1)"


def _name(field: str) -> str:
    """The name of a field as SQL writes it."""
    return "'" + field.replace("'", "''") + "'"


class PostgresStore:
    """A district in PostgreSQL; ``district`` names its schema. Several processes may share it.

    ``made``: there is to be a district already; none is made.
    """

    def __init__(self, dsn: str, district: str = "district", made: bool = False) -> None:
        self.district = district
        self._dsn = dsn
        self._lines = Lines(dsn, district, STAGE)
        self._life = ""
        self.kinds: dict[str, int] = {}
        self.collections: dict[int, str] = {}
        self.numbers: dict[bytes, int] = {}
        self.archives: Archives = NoArchives()
        with self._lines.line() as line:
            migrate(line.connection, district, made)
        with self.read() as tx:
            self._learn(
                dict(tx.rows("SELECT collection, kind FROM kinds")),
                dict(tx.rows("SELECT replica, n FROM replicas")),
            )

    def __repr__(self) -> str:
        return f"PostgresStore({self.district!r})"

    def _learn(self, kinds: dict[str, int], numbers: dict[bytes, int]) -> None:
        self.kinds.update(kinds)
        self.collections.update({kind: name for name, kind in kinds.items()})
        self.numbers.update(numbers)

    def live(self, life: str) -> None:
        """Names belong to one life of the database: a standby may have been given fewer."""
        if life != self._life:
            self._life = life
            self.kinds, self.collections, self.numbers = {}, {}, {}

    def seen(self) -> Seen:
        """Where changes by all processes stand."""
        (row,), life = self._lines.ask(KNOWN)
        return Seen(int(row[0]), life)

    def ask(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """One statement by itself, in psycopg's words, outside of any transaction."""
        return self._lines.ask(statement, parameters)[0]

    def lease(self, job: str) -> AbstractContextManager[bool]:
        """Try to take a job that one process at a time may do."""
        return self._lines.lease(f"{self.district} {job}")

    @contextmanager
    def read(self) -> Iterator[PostgresTransaction]:
        """A transaction that only reads."""
        with self._lines.begun(BEGIN_READ) as (line, _):
            tx = PostgresTransaction(self, line, None)
            yield tx
        self._learn(tx.kinds, tx.numbers)

    @contextmanager
    def write(self) -> Iterator[PostgresTransaction]:
        """A transaction that writes; durable when the block ends."""
        with self._lines.begun(BEGIN_WRITE, TAKE_TURN) as (line, turn):
            tx = PostgresTransaction(self, line, turn)
            yield tx
        self._learn(tx.kinds, tx.numbers)

    def field_sql(self, field: str) -> str:
        """A shown value of ``r`` as a plain column."""
        return f"r.body ->> {_name(field)}"

    def typed_sql(self, field: str, kind: Kind) -> str:
        """A shown value of ``r``, null where it is of another kind."""
        value = f"r.body ->> {_name(field)}"
        asked = f"CASE jsonb_typeof(r.body -> {_name(field)})"
        if kind == "word":
            return f"{asked} WHEN 'string' THEN substr({_cut(value)}, 1, {WORD_CHARS_MAX}) END"
        if kind == "tenths":
            plain = (
                f"{value} ~ '^-{{0,1}}[0-9]{{1,{len(str(TENTHS_BELOW - 1))}}}([.][0-9]+){{0,1}}$'"
            )
            found = f"CASE WHEN {plain} THEN round(({value})::numeric * 10)::bigint END"
            return f"{asked} WHEN 'number' THEN {found} END"
        fits = f"{value} ~ '^-{{0,1}}[0-9]{{1,{len(str(WHOLE_MAX))}}}$'"
        return (
            f"{asked} WHEN 'number' THEN CASE WHEN {fits} THEN ({value})::bigint END"
            f" WHEN 'boolean' THEN CASE {value} WHEN 'true' THEN 1 ELSE 0 END END"
        )

    def each_sql(self, field: str) -> tuple[str, str]:
        """The elements of a list among the shown values of ``r``, and the text of one."""
        name = _name(field)
        found = f"CASE jsonb_typeof(r.body -> {name}) WHEN 'array' THEN r.body -> {name}"
        text = _cut("(e.value #>> '{}')")
        one = f"CASE jsonb_typeof(e.value) WHEN 'string' THEN {text} END"
        return f"jsonb_array_elements({found} ELSE '[]' END) e(value)", one

    def overwrite_freed(self) -> bool:
        """Dead rows are given free; PostgreSQL overwrites them as it uses their pages again."""
        with self._lines.line() as line:
            for table in HOLDS_VALUES:
                line.connection.execute(words.SQL("VACUUM {}").format(words.Identifier(table)))
        return True

    def statistics_sql(self, table: str) -> str:
        """Counting what a table holds: after many rows came at once its plans are far off."""
        return f"ANALYZE {table}"

    def holds_sql(self, column: str) -> str:
        """That a text column holds a text, as it stands."""
        return f"strpos({column}, ?) > 0"

    def another(self) -> PostgresStore:
        """The same district on lines of its own."""
        store = PostgresStore(self._dsn, self.district)
        store.archives = self.archives
        return store

    def close(self) -> None:
        """Close all lines."""
        self._lines.close()
