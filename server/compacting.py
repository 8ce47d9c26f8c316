# SPDX-License-Identifier: Apache-2.0
"""Compacting: which old runs leave the live store for an archive, and when.

What lives here: choosing runs, the order of the steps, the background job. What must not: files of
archives (``archives.py``), reading archived runs (``feeds.whole``). Invariants
- A run goes only where the last verified backup has it, the upstream holds it (by its own word)
  where there is one, its signature and chain hold, and archives that were read back have it, in
  two folders.
- The store lets go of a body only in a transaction in which it is still the one that was archived.
- Of each run the row stays, with a mark of every head along it. The server's own feed stays whole:
  points of it are shown at every exchange.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import msgspec
import sqlcipher3

from crypto.errors import CryptoError
from crypto.identity import verify
from server.archives import ArchiveFiles, Stored, archive_name, archives_of
from server.blanks import erased_dots
from server.custody_places import last_backup, upstream_kind
from server.errors import BackupWrong
from server.feeds import ARCHIVED, MARK_BYTES, Archived, marks_of, segment_of
from server.journal import note
from server.logs import log
from server.points import line_of
from server.service import Service
from server.settings import Settings
from server.store.base import Store, Transaction
from sync.errors import SyncError
from sync.feed import Segment, verify_partial, verify_segment

DAY_MS = 86_400_000
ARCHIVE_BYTES_MAX = 32 * 1024 * 1024
"""Bodies of one archive: it is held in memory while it is checked."""
FREED_BYTES_MAX = 4 * 1024 * 1024
"""Bodies that one transaction lets go: uploads wait for it."""
ROW_BYTES = 64
"""What stays of a run beside its marks: one that is hardly larger stays whole."""
ROWS_PER_READ = 32
KEY_BYTES = 32
COMPACTED_AT = "compacted_at_ms"
_encode = msgspec.msgpack.Encoder().encode


class Counted(NamedTuple):
    """Runs, changes and bytes that may go or went; and runs that stay, by the reason: not in the
    last verified backup, not yet with the upstream, damaged."""

    runs: int = 0
    changes: int = 0
    bytes: int = 0
    not_backed_up: int = 0
    not_above: int = 0
    damaged: int = 0

    def __add__(self, other: object) -> Counted:
        if not isinstance(other, Counted):
            return NotImplemented
        return Counted(*map(int.__add__, self, other))


class _Choice:
    """Choosing in one transaction."""

    def __init__(self, tx: Transaction, before_ms: int) -> None:
        self.tx = tx
        self.before_ms = before_ms
        self.counted = Counted()
        self._backed_up = last_backup(tx)[0]
        self._above = upstream_kind(tx)
        self._lines: dict[bytes, set[tuple[int, bytes]]] = {}
        self._own = {bytes(r[0]) for r in tx.rows("SELECT replica FROM server_keys")}
        self._keys = {
            bytes(replica): bytes(public)
            for replica, public in tx.rows(
                "SELECT replica, public FROM device_keys"
                " UNION ALL SELECT replica, public FROM known_keys"
            )
        }

    def runs(self) -> Iterator[tuple[Stored, bytes]]:
        """Runs that may go, each with the marks that stay of it, the oldest first."""
        after = 0
        while True:
            rows = self.tx.rows(
                "SELECT s.n, r.replica, s.first, s.last, s.head, s.kind, s.body, s.seq"
                " FROM segments s JOIN replicas r ON r.n = s.replica"
                " WHERE s.n > ? AND s.kind <> ? AND s.received_at_ms < ? ORDER BY s.n LIMIT ?",
                [after, ARCHIVED, self.before_ms, ROWS_PER_READ],
            )
            for n, replica, first, last, head, kind, body, seq in rows:
                after = int(n)
                run = Stored(after, bytes(replica), int(first), int(last), str(kind), bytes(body))
                marks = self._judge(run, bytes(head), int(seq))
                if marks:
                    self.counted += Counted(1, run.last - run.first + 1, len(run.body))
                    yield run, marks
            if len(rows) < ROWS_PER_READ:
                return

    def _judge(self, run: Stored, head: bytes, seq: int) -> bytes:
        """The marks of a run that may go; empty where it stays."""
        left = (run.last - run.first + 2) * MARK_BYTES + ROW_BYTES
        if run.replica in self._own or len(run.body) <= left:
            return b""
        if seq > self._backed_up:
            self.counted += Counted(not_backed_up=1)
            return b""
        if self._above is not None and (run.last, head) not in self._line(run.replica):
            self.counted += Counted(not_above=1)
            return b""
        try:
            source = segment_of(run.kind, run.body)
            if isinstance(source, Segment):
                found = verify_segment(source, self._signed)[1]
            else:
                found = verify_partial(source, self._signed)[2]
            if (source.replica, source.first, source.last) != run[1:4] or found != head:
                raise SyncError("the row does not say what the run holds")
        except (SyncError, CryptoError, msgspec.MsgspecError):
            self.counted += Counted(damaged=1)
            return b""
        return marks_of(source)

    def _signed(self, replica: bytes, message: bytes, signature: bytes) -> None:
        public = self._keys.get(replica)
        if public is None:
            raise SyncError("no key of this replica")
        verify(public, b"segment", message, signature)

    def _line(self, replica: bytes) -> set[tuple[int, bytes]]:
        """The ends of runs that the upstream holds, or that lead to what it holds."""
        if replica not in self._lines and self._above is not None:
            found = self.tx.rows(
                "SELECT counter, head FROM peer_points WHERE peer = ? AND replica = ?"
                " AND offered = 0",
                [f"above {self._above[1].hex()}", replica],
            )
            held = {(int(counter), bytes(head)) for counter, head in found}
            self._lines[replica] = line_of(self.tx, replica, held) if held else set()
        return self._lines[replica]


def could_go(tx: Transaction, before_ms: int) -> Counted:
    """What compacting would do, of what was received before this moment. Nothing is written."""
    choice = _Choice(tx, before_ms)
    for _ in choice.runs():
        pass
    return choice.counted


def compact(
    store: Store, files: ArchiveFiles, district: str, before_ms: int, now_ms: int, who: str
) -> Counted:
    """Let what was received before this moment go into archives; what went, and what stayed.

    Each archive is durable and checked before the store lets go of what is in it; a crash in
    between leaves an archive that nothing needs. Raises BackupWrong where there are not two
    folders, or an archive does not hold; OSError.
    """
    if len(files.folders) < 2:
        raise BackupWrong("archives need a second folder: set backup_dir")
    files.sweep()
    _overwrite(store, files)
    went, at_ms = Counted(), now_ms
    while True:
        runs, choice = _next_archive(store, before_ms)
        if not runs:
            return went + choice.counted
        name = archive_name(district, at_ms)
        while any((folder / name).exists() for folder in files.folders):
            at_ms += 1
            name = archive_name(district, at_ms)
        try:
            key = secrets.token_bytes(KEY_BYTES)
            size = files.write(name, key, [run for run, _ in runs])
        except sqlcipher3.Error as error:
            raise BackupWrong(f"{name}: {error}") from None
        done = _let_go(store, (name, at_ms, size, key), runs, who)
        if done.runs < len(runs):
            # Something was erased from the others meanwhile; it goes from the archive too.
            _overwrite(store, files)
        went += done
        if not done.runs:
            return went


def _overwrite(store: Store, files: ArchiveFiles) -> None:
    """What was erased goes from an archive too that was away when that happened."""
    with store.read() as tx:
        gone, keys = erased_dots(tx), archives_of(tx)
    files.blank(gone, keys)


def _next_archive(store: Store, before_ms: int) -> tuple[list[tuple[Stored, bytes]], _Choice]:
    """The next runs to go, as many as an archive holds."""
    out: list[tuple[Stored, bytes]] = []
    size = 0
    with store.read() as tx:
        choice = _Choice(tx, before_ms)
        for run, marks in choice.runs():
            out.append((run, marks))
            size += len(run.body)
            if size >= ARCHIVE_BYTES_MAX:
                break
    return out, choice


def _let_go(
    store: Store,
    archive: tuple[str, int, int, bytes],
    runs: list[tuple[Stored, bytes]],
    who: str,
) -> Counted:
    """Put the place in an archive where the bodies were. ``archive``: name, time, bytes, key."""
    name, at_ms, *_ = archive
    done = Counted()
    left = list(reversed(runs))
    while left:
        freed = 0
        with store.write() as tx:
            before = done
            while left and freed < FREED_BYTES_MAX:
                run, marks = left.pop()
                freed += len(run.body)
                # What was erased from it since it was read makes it another body: it stays.
                if tx.run(
                    "UPDATE segments SET kind = ?, body = ? WHERE n = ? AND kind = ? AND body = ?",
                    [
                        ARCHIVED,
                        _encode(Archived(name, run.n, len(run.body), marks)),
                        run.n,
                        run.kind,
                        run.body,
                    ],
                ):
                    done += Counted(1, run.last - run.first + 1, len(run.body))
            if before == Counted() and done.runs:
                note(tx, at_ms, who, "archive", name, "")
                tx.run("INSERT INTO archives VALUES (?, ?, ?, ?)", archive)
    return done


class Compacting:
    """The job: once a day, where ``compact_days`` and ``backup_dir`` are set."""

    name = "compact"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def is_due(self, tx: Transaction, now_ms: int) -> bool:
        """Was there a backup since it was last done, and did a day pass?"""
        found = tx.rows("SELECT value FROM meta WHERE key = ?", [COMPACTED_AT])
        last = int(found[0][0]) if found else 0
        return now_ms - last >= DAY_MS and last_backup(tx)[1] > last

    def work(self, service: Service) -> None:
        """Compact, and say so. Raises BackupWrong, OSError."""
        settings, now_ms = self._settings, service.district.clock()
        before_ms = now_ms - settings.compact_days * DAY_MS
        store = service.district.store
        with closing(ArchiveFiles(settings.archive_folders)) as files:
            went = compact(store, files, settings.store_district, before_ms, now_ms, "")
        with store.write() as tx:
            tx.run(
                "INSERT INTO meta (key, value) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [COMPACTED_AT, now_ms],
            )
        log("archive", runs=went.runs, bytes=went.bytes)
