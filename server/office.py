# SPDX-License-Identifier: Apache-2.0
"""The desk of an office command: the district, whether or not a server is running.

What lives here: choosing between opening the district here and asking the server that has it. What
must not: what commands do. Invariants
- Changes of the record (``write``, ``write_many``) go through the one process that has the lock.
- Tables that the server reads anew each time (teams, workers, areas, assignments, tickets, devices,
  journal) are written here in plain transactions, followed by ``reload`` where devices changed.
- A desk that only reads takes no lock and starts no incarnation.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from server.app import open_store, opened_district, wall_clock_ms
from server.bundles import Lines, TakenBundle, make_for_upstream, take_bundle
from server.control import SOCKET_NAME, Caller
from server.district import District
from server.effecting import Office
from server.erasing_keeping import erase_here
from server.errors import AlreadyInitialised, ServerRunning
from server.forms import known_schema
from server.keys import ServerKeys, read_keys
from server.lock import store_lock
from server.own import Write
from server.recovery import Recovered, recover
from server.rekeying import renew_store_key
from server.settings import Settings, need_store
from server.store.base import Store
from server.store.shared import shared_store
from server.store.sqlite import SqliteStore
from server.views import refresh_views
from sync.change import Value
from sync.schema import Schema


class Writer(Protocol):
    """What writes for officers, with what that brings; ``Office`` and ``control.Caller`` do."""

    def write(
        self,
        worker: str,
        collection: str,
        record: str | None,
        sets: dict[str, Value],
        others: Sequence[tuple[str, str, Value]] = (),
        reason: str = "",
    ) -> str:
        """Write one change; the id of its record."""

    def write_many(self, worker: str, writes: Sequence[Write], reason: str = "") -> list[str]:
        """Write many changes in one transaction; the ids of their records."""

    def reload(self) -> None:
        """Read devices and revocations again."""


class Desk:
    """A store to read and to keep office tables in, and a writer for the record."""

    def __init__(
        self,
        settings: Settings,
        keys: ServerKeys,
        store: Store,
        writer: District | Caller | None,
    ) -> None:
        self.settings = settings
        self.keys = keys
        self.store = store
        self._writer = writer
        self.schema: Schema = known_schema(settings)

    def __repr__(self) -> str:
        return f"Desk({self.store!r})"

    @property
    def across(self) -> District | Caller | None:
        """The district, the server that has it, or None on a desk that only reads."""
        return self._writer

    @property
    def writer(self) -> Writer:
        """Where changes of the record go. Raises ServerRunning on a desk that only reads."""
        if self._writer is None:
            raise ServerRunning("this desk only reads")
        return Office(self._writer) if isinstance(self._writer, District) else self._writer

    def recover(self, data: bytes) -> Recovered:
        """Take in a tablet's sealed outbox. Raises SealRefused."""
        if isinstance(self._writer, District):
            return recover(self._writer, data)
        if isinstance(self._writer, Caller):
            return self._writer.recover(data)
        raise ServerRunning("this desk only reads")

    def erase(self, arguments: Sequence[object]) -> bytes:
        """Erase as ``erasing_keeping.erase_here`` says; the case's id. Raises what it raises."""
        if isinstance(self._writer, District):
            return erase_here(self._writer, self.settings.data, *arguments)
        if isinstance(self._writer, Caller):
            found: bytes = self._writer.ask("erase", *arguments)
            return found
        raise ServerRunning("this desk only reads")

    def take_bundle(self, data: bytes) -> TakenBundle:
        """Take in a tablet's bundle, and make its answer. Raises what ``take_bundle`` raises."""
        if isinstance(self._writer, District):
            return take_bundle(self._writer, Lines(self.settings.data), data)
        if isinstance(self._writer, Caller):
            return self._writer.take_bundle(data)
        raise ServerRunning("this desk only reads")

    def make_for_upstream(self) -> tuple[bytes, int, bytes]:
        """A bundle for the upstream: its replica id, its number, its bytes. Raises NotFound."""
        if isinstance(self._writer, District):
            return make_for_upstream(self._writer, Lines(self.settings.data))
        if isinstance(self._writer, Caller):
            return self._writer.make_for_upstream()
        raise ServerRunning("this desk only reads")

    @property
    def now_ms(self) -> int:
        """Wall milliseconds."""
        return wall_clock_ms()


@contextmanager
def reading(settings: Settings) -> Iterator[Desk]:
    """A desk for reading and for office tables; the record is not written."""
    keys = read_keys(need_store(settings).keys)
    store = open_store(settings, keys)
    try:
        refresh_views(store, known_schema(settings))
        yield Desk(settings, keys, store, None)
    finally:
        store.close()


@contextmanager
def opened_ends(
    settings: Settings, target: str
) -> Iterator[tuple[Store, Store, ServerKeys, Schema]]:
    """The store of these settings, another that is new, a file or a DSN, and what binds both.

    Raises ServerRunning, AlreadyInitialised where the file is there, and what opening raises.
    """
    with store_lock(need_store(settings).data), ExitStack() as stack:
        keys = read_keys(settings.keys)
        source = open_store(settings, keys)
        stack.callback(source.close)
        other: Store
        if "=" in target or "://" in target:
            other = shared_store(target, settings.store_district)
        elif Path(target).exists():
            raise AlreadyInitialised(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
            other = SqliteStore(target, keys.store_hex)
        stack.callback(other.close)
        other.archives = source.archives
        yield source, other, keys, known_schema(settings)


def tell_server(settings: Settings) -> None:
    """Let a running server read devices and revocations again; nothing where none runs."""
    path = settings.data / SOCKET_NAME
    if path.is_socket():
        caller = Caller(path)
        try:
            caller.reload()
        finally:
            caller.close()


def renew_store(
    settings: Settings, by: str, progress: Callable[[int, int], None]
) -> tuple[str, str]:
    """Give the store a new key, here or in the server that has it; the names of both keys.

    Raises what ``rekeying.renew_store_key`` raises.
    """
    with writing(settings) as desk:
        if isinstance(desk.across, Caller):
            return desk.across.renew_store(by, progress)
        return renew_store_key(
            desk.store, desk.keys.store, settings.store_path, by, desk.now_ms, progress
        )


@contextmanager
def writing(settings: Settings) -> Iterator[Desk]:
    """A desk that also writes the record: here, or in the server that has the lock."""
    need_store(settings)
    path = settings.data / SOCKET_NAME
    try:
        with opened_district(settings) as (district, keys):
            yield Desk(settings, keys, district.store, district)
            return
    except ServerRunning:
        if not path.is_socket():
            raise
    caller = Caller(path)
    try:
        with reading(settings) as desk:
            yield Desk(settings, desk.keys, desk.store, caller)
    finally:
        caller.close()
