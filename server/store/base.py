# SPDX-License-Identifier: Apache-2.0
"""The contract of a server's store: sets of rows in one transaction, and portable SQL for the rest.

What lives here: what every store must do; one contract of tests runs on all of them. What must not:
an engine. Invariants
- Everything that one exchange changes is one transaction, durable before it is acknowledged (Law
  3).
- ``next_seq`` gives commit order: no reader steps over a number whose transaction commits later.
- Portable SQL (``rows``, ``run``) uses ``?`` for parameters and only what SQLite and PostgreSQL
  share; a set of values is written ``IN (?*)``, and ``?`` stands in no literal.
- Bytes come back as bytes, whole numbers as ``int``, text and JSON as ``str``, to the last bit and
  whatever text holds; the order of names in shown values is the store's own.
- ``meta`` holds whole numbers by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple, Protocol

from server.archive_errors import ArchiveMissing
from server.store.rows import FullRow, Held, HomeRow, NewRow, PatchRow

Kind = Literal["whole", "word", "tenths"]
WHOLE_MAX = 10**18 - 1
"""Whole numbers of a typed column: what both stores hold exactly, with room to add them up."""
TENTHS_BELOW = 10**12
"""Numbers of a column of tenths: below it a double has its first decimal right."""
STREAM_ROWS = 2_000
WORD_CHARS_MAX = 120
"""Text of a typed column: a line of a form; PostgreSQL indexes no value above 2,704 bytes."""


class Seen(NamedTuple):
    """What tells a process that others changed what it keeps in memory: a number that moves when
    keys, devices, forks or incarnations did, and the life of the database, which is another after
    a standby took over or a copy was put back while this process went on."""

    changes: int
    life: str


class Archives(Protocol):
    """Where the bodies of archived runs are read from."""

    def here(self, file: str) -> bool:
        """Does an archive lie where it is read from?"""

    def read(self, file: str, key: bytes, n: int) -> tuple[str, bytes]:
        """Kind and body of a run. Raises ArchiveMissing."""


class NoArchives:
    """A store that was opened without its archives."""

    def here(self, file: str) -> bool:
        """None is."""
        return False

    def read(self, file: str, key: bytes, n: int) -> tuple[str, bytes]:
        """Raises ArchiveMissing."""
        raise ArchiveMissing(file)


class Transaction(Protocol):
    """One unit of work. Nothing of it is seen by others before it ends well."""

    def next_seq(self) -> int:
        """The commit sequence of this transaction; the same number each time it is asked, until
        ``next_part``."""

    def next_part(self) -> None:
        """What follows is another exchange, committed together with those before: it has a
        sequence of its own, so that a cursor between the two means what it says."""

    @property
    def archives(self) -> Archives:
        """The archives of the store."""

    def seen(self) -> Seen:
        """Where changes by all processes stand, in this transaction."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a portable query."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one portable statement; the number of rows it changed."""

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one portable statement for many rows."""

    def rows_in(
        self, sql: str, ids: Sequence[Any], before: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Rows of a portable query in which ``(?*)`` stands for a set of values; ``before`` are
        the parameters that stand before it."""

    def causal_of(self, ids: Sequence[str]) -> dict[str, Held]:
        """What merging needs of those of these records that the store has."""

    def bodies_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The shown values, as JSON, of those of these records that the store has."""

    def insert_records(self, rows: Sequence[NewRow]) -> None:
        """Store records that are new; their homes were touched in this transaction."""

    def replace_records(self, rows: Sequence[FullRow]) -> None:
        """Store causal data and shown values of records; their homes were touched before."""

    def patch_records(self, rows: Sequence[PatchRow]) -> None:
        """Store causal data and set some shown values of records that are there."""

    def touch_homes(self, rows: Sequence[HomeRow]) -> None:
        """Raise the high-water sequence of homes and add to their digests; new homes are made."""

    def kind_of(self, collection: str) -> int:
        """The number of a collection, made on first sight; 0 where reading finds none."""

    def collection_of(self, kind: int) -> str:
        """The name of a collection by its number."""

    def number_of(self, replica: bytes) -> int:
        """The number of a replica, from 1, made on first sight; 0 where reading finds none."""

    def relations(self) -> dict[str, tuple[str, str]]:
        """Tables and views: name to ``table`` or ``view``, and for a view what it was made from."""

    def make_view(self, name: str, select: str) -> None:
        """Make a view anew from a query."""

    def columns_of(self, table: str) -> list[str]:
        """The columns of a table, in its order."""

    def stream(self, table: str, columns: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
        """All rows of a table, ``STREAM_ROWS`` at a time: it may be larger than memory."""

    def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add rows as another store streamed them; numbers given later follow those in them."""

    def define(self, statement: str) -> None:
        """Run one statement about tables or indexes, in the words of ``migrations``."""


class Store(Protocol):
    """Opens transactions. ``read`` never writes; ``write`` commits durably or changes nothing."""

    archives: Archives
    """Set by whoever opens the store and knows where its archives lie."""

    def read(self) -> AbstractContextManager[Transaction]:
        """A transaction that only reads a consistent state."""

    def write(self) -> AbstractContextManager[Transaction]:
        """A transaction that writes; committed durably when the block ends, undone when it
        raises."""

    def seen(self) -> Seen:
        """Where changes by all processes stand: what was committed is in it."""

    def lease(self, job: str) -> AbstractContextManager[bool]:
        """Try to take a job that one process at a time may do; false where another has it.

        Held to the end of the block; one whose process was killed is free at once.
        """

    def field_sql(self, field: str) -> str:
        """A shown value of the record ``r`` as a plain column, in this store's SQL."""

    def typed_sql(self, field: str, kind: Kind) -> str:
        """A shown value of ``r``, null where it is of another kind.

        ``whole``: whole numbers of at most 18 digits, yes and no as 1 and 0. ``word``: text, its
        first ``WORD_CHARS_MAX`` characters. ``tenths``: a number, ten times, as a whole one.
        """

    def each_sql(self, field: str) -> tuple[str, str]:
        """The elements of a list among the shown values of ``r``: a table to stand after a comma
        behind it, and the text of one, null where it is none."""

    def overwrite_freed(self) -> bool:
        """Leave nothing in the store's files of what was deleted, as far as the engine can.

        False where a reader kept it from that for now: to be asked again.
        """

    def statistics_sql(self, table: str) -> str:
        """What lets the database know what a table holds by now; "" where it needs no telling."""

    def holds_sql(self, column: str) -> str:
        """A condition with one ``?``: that a text column holds a text, as it stands."""

    def another(self) -> Store:
        """The same store, for another thread that only reads; to be closed by itself."""

    def close(self) -> None:
        """Release everything; the store can be opened again."""
