# SPDX-License-Identifier: Apache-2.0
"""Lines to PostgreSQL: opening, keeping, and what becomes of a transaction when one breaks.

What lives here: connections, begin, commit, and errors told by code. What must not: statements of
the record. Invariants
- A line is used only where commits are durable: ``synchronous_commit`` and ``fsync`` are looked at
  when it is opened, and it is refused where they are off.
- A block that ended without an exception is committed for certain. Where the line breaks at the
  commit, the database is asked what became of the transaction; where it cannot tell, StoreUnsure.
- A transaction is begun again on a new line where the old one turns out dead at its beginning;
  once anything of it ran, it is never repeated here.
- Errors carry the database's code, never its words: these may hold values of records.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import errors as pg
from psycopg import sql

from server.errors import (
    ConfigurationWrong,
    ServerError,
    StoreContended,
    StoreFull,
    StoreUnfit,
    StoreUnreachable,
    StoreUnsure,
)
from server.store.postgres_migrations import ARRIVING, SPAN
from server.store.postgres_values import register

VERSION_MIN = 150_000
"""The oldest PostgreSQL that is tested, as the server tells it."""
CONNECT_SECONDS_MAX = 10
LOCK_SECONDS_MAX = 60
"""How long a writer waits for its turn: longer than the largest upload takes."""
IDLE_SECONDS_MAX = 300
"""A writer that says nothing for this long has died with the turn in its hand."""
LINES_KEPT_MAX = 8
"""Idle lines that are kept open: more come from a rush that is over."""
ASK_TIMES, ASK_PAUSE_SECONDS = 20, 0.25
"""How often the database is asked what became of a transaction: a standby takes seconds to take
over."""
DURABLE = frozenset({"on", "remote_apply"})
"""Values of ``synchronous_commit`` under which a commit that returned survives power loss, here
and on the standbys that are named synchronous."""
LIFE = (
    "SELECT (SELECT system_identifier FROM pg_control_system())::text || ' '"
    " || CASE WHEN pg_is_in_recovery() THEN '' ELSE"
    " left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END"
)
"""The database and its timeline, which is another after a standby was promoted and after a
recovery to an earlier point."""
SCHEMA_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Line(NamedTuple):
    """One open connection."""

    connection: psycopg.Connection[Any]
    warnings: list[str]
    life: str


def coded(error: psycopg.Error) -> ServerError | None:
    """The error of this server for one of the database; None for a fault of the program."""
    state = error.sqlstate or ""
    if isinstance(error, pg.DiskFull):
        return StoreFull(state)
    if state[:2] == "40" or isinstance(error, (pg.LockNotAvailable, pg.QueryCanceled)):
        return StoreContended(state)
    # 08: connection; 25006: the server became a standby; 53: resources; 57: the server stops.
    if state[:2] in ("08", "53", "57") or state == "25006":
        return StoreUnreachable(state)
    if not state and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return StoreUnreachable("")
    return None


class Lines:
    """The lines of one store."""

    def __init__(self, dsn: str, schema: str, prepare: str) -> None:
        taken = schema.startswith("pg_") or schema in (SPAN, ARRIVING)
        if taken or not SCHEMA_NAME.fullmatch(schema):
            raise ConfigurationWrong("store_district: a-z, 0-9 and _, at most 40")
        try:
            told = psycopg.conninfo.conninfo_to_dict(dsn)
        except psycopg.ProgrammingError:
            # Its words would repeat the DSN.
            raise ConfigurationWrong("store_dsn: cannot be read") from None
        if "password" in told:
            raise ConfigurationWrong("store_dsn: the password belongs into PGPASSFILE")
        self._dsn = dsn
        self._schema = schema
        self._prepare = prepare
        self._lock = threading.Lock()
        self._idle: list[Line] = []

    def __repr__(self) -> str:
        return f"Lines({self._schema!r})"

    # ---- opening ---------------------------------------------------------------------------------

    def _open(self) -> Line:
        """A new line. Raises StoreUnreachable, StoreUnfit, ConfigurationWrong."""
        try:
            connection = psycopg.connect(
                self._dsn, autocommit=True, connect_timeout=CONNECT_SECONDS_MAX
            )
        except psycopg.OperationalError as error:
            raise StoreUnreachable(error.sqlstate or "no connection") from None
        try:
            self._check(connection)
            register(connection)
            warnings: list[str] = []
            connection.add_notice_handler(lambda note: _note(warnings, note))
            connection.execute(
                sql.SQL(
                    "SET search_path = {}; SET lock_timeout = {};"
                    " SET client_min_messages = warning;"
                    " SET idle_in_transaction_session_timeout = {}"
                ).format(
                    sql.Identifier(self._schema),
                    sql.Literal(f"{LOCK_SECONDS_MAX}s"),
                    sql.Literal(f"{IDLE_SECONDS_MAX}s"),
                )
            )
            connection.execute(self._prepare.encode())
            life = str(connection.execute(LIFE.encode()).fetchall()[0][0])
        except psycopg.Error as error:
            connection.close()
            raise coded(error) or error from None
        except BaseException:
            connection.close()
            raise
        return Line(connection, warnings, life)

    @staticmethod
    def _check(connection: psycopg.Connection[Any]) -> None:
        if connection.info.server_version < VERSION_MIN:
            raise StoreUnfit(f"PostgreSQL {connection.info.server_version // 10_000}")
        found = {
            name: connection.execute(f"SHOW {name}".encode()).fetchall()[0][0]
            for name in ("synchronous_commit", "fsync", "server_encoding")
        }
        if found["synchronous_commit"] not in DURABLE:
            raise StoreUnfit(f"synchronous_commit = {found['synchronous_commit']}")
        if found["fsync"] != "on":
            raise StoreUnfit("fsync = off")
        if found["server_encoding"] != "UTF8":
            raise StoreUnfit(f"server_encoding = {found['server_encoding']}")

    # ---- taking and giving back ------------------------------------------------------------------

    def _take(self) -> Line | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give(self, line: Line) -> None:
        if line.connection.closed:
            return
        with self._lock:
            if len(self._idle) < LINES_KEPT_MAX:
                self._idle.append(line)
                return
        line.connection.close()

    def _drop_idle(self) -> None:
        """Where one idle line is dead, the others are: the server was restarted, or replaced."""
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            line.connection.close()

    @contextmanager
    def line(self) -> Iterator[Line]:
        """A line without a transaction."""
        line = self._take() or self._open()
        try:
            yield line
        except psycopg.Error as error:
            line.connection.close()
            raise coded(error) or error from error
        except BaseException:
            line.connection.close()
            raise
        self._give(line)

    def ask(
        self, statement: str, parameters: Sequence[Any] = ()
    ) -> tuple[list[tuple[Any, ...]], str]:
        """One statement by itself: its rows, and the life of the database that answered.

        It is asked again on a new line where an idle one was dead, so it may be done twice.
        """
        line = self._take()
        if line is not None:
            try:
                return self._ask_on(line, statement, parameters), line.life
            except StoreUnreachable:
                self._drop_idle()
        line = self._open()
        return self._ask_on(line, statement, parameters), line.life

    def _ask_on(self, line: Line, statement: str, parameters: Sequence[Any]) -> list[Any]:
        try:
            cursor = line.connection.execute(statement.encode(), parameters, binary=True)
            found = cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            line.connection.close()
            raise coded(error) or error from error
        except BaseException:
            line.connection.close()
            raise
        self._give(line)
        return found

    @contextmanager
    def lease(self, job: str) -> Iterator[bool]:
        """Try to hold a lock of this name on a line of its own; the database frees it with the
        line, so that a killed process leaves none behind."""
        line = self._open()
        try:
            ask = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
            yield bool(line.connection.execute(ask, [job]).fetchall()[0][0])
        except psycopg.Error as error:
            raise coded(error) or error from error
        finally:
            line.connection.close()

    def close(self) -> None:
        """Close all idle lines."""
        self._drop_idle()

    # ---- transactions ----------------------------------------------------------------------------

    @contextmanager
    def begun(self, begin: str, turn: str = "") -> Iterator[tuple[Line, int | None]]:
        """A transaction on a line; ``turn`` takes the writer's turn and gives the sequence.

        Raises StoreUnreachable, StoreContended, StoreFull: nothing was kept; StoreUnsure.
        """
        line, seq, xid = self._begin(begin, turn)
        try:
            yield line, seq
        except BaseException as error:
            self._undo(line)
            known = coded(error) if isinstance(error, psycopg.Error) else None
            if known is not None:
                raise known from error
            raise
        self._commit(line, xid)
        self._give(line)

    def _begin(self, begin: str, turn: str) -> tuple[Line, int | None, str]:
        """Begin, on a new line where an idle one turns out dead: nothing has happened yet."""
        line = self._take()
        if line is not None:
            try:
                return self._begin_on(line, begin, turn)
            except StoreUnreachable:
                self._drop_idle()
        return self._begin_on(self._open(), begin, turn)

    @staticmethod
    def _begin_on(line: Line, begin: str, turn: str) -> tuple[Line, int | None, str]:
        try:
            line.connection.execute(begin.encode())
            if not turn:
                return line, None, ""
            seq, xid = line.connection.execute(turn.encode(), binary=True).fetchall()[0]
            return line, int(seq), str(xid)
        except psycopg.Error as error:
            line.connection.close()
            raise coded(error) or error from error
        except BaseException:
            line.connection.close()
            raise

    def _undo(self, line: Line) -> None:
        try:
            line.connection.execute("ROLLBACK")
        except psycopg.Error:
            line.connection.close()
        self._give(line)

    def _commit(self, line: Line, xid: str) -> None:
        line.warnings.clear()
        try:
            done = line.connection.execute("COMMIT").statusmessage
        except psycopg.Error as error:
            broken = line.connection.closed
            line.connection.close()
            if broken and xid:
                self.find_out(xid, line.life)
                return
            raise coded(error) or error from error
        # A transaction in which something failed is undone by COMMIT, which then says ROLLBACK.
        if done != "COMMIT":
            self._give(line)
            raise StoreContended(f"the commit ended as {done}")
        # A warning here says that the standbys may not have what was committed.
        if line.warnings and xid:
            line.connection.close()
            raise StoreUnsure(line.warnings[0])

    def find_out(self, xid: str, life: str) -> None:
        """Return where a transaction of this life of the database was committed.

        Raises StoreUnreachable where it was undone, StoreUnsure where nobody can tell.
        """
        for _ in range(ASK_TIMES):
            try:
                with self.line() as line:
                    # A standby that took over gives the numbers that it never heard of to others.
                    if line.life != life:
                        raise StoreUnsure("another life")
                    ask = "SELECT pg_xact_status(%s::xid8)"
                    status = line.connection.execute(ask, [xid]).fetchall()[0][0]
                    if status == "committed":
                        # It may not have reached the standbys yet; what is committed after it
                        # reaches them after it.
                        line.warnings.clear()
                        line.connection.execute("UPDATE meta SET value = value WHERE key = 'seq'")
                        if line.warnings:
                            raise StoreUnsure(line.warnings[0])
                        return
                    if status == "aborted":
                        raise StoreUnreachable("undone")
            except StoreUnreachable as error:
                if error.detail == "undone":
                    raise
                self._drop_idle()
            except psycopg.Error:
                # A server that was put in the place of the old one knows nothing of this number.
                raise StoreUnsure("unknown") from None
            time.sleep(ASK_PAUSE_SECONDS)
        raise StoreUnsure("no answer")


def _note(warnings: list[str], note: pg.Diagnostic) -> None:
    if note.severity_nonlocalized == "WARNING":
        warnings.append(note.sqlstate or "")
