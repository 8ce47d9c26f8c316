# SPDX-License-Identifier: Apache-2.0
"""Verify: every feed replayed from nothing and compared with the record; every change accounted
for.

What lives here: the order of the checks, grouping changes by record within bounded memory. What
must not: the checks themselves (``verify_feeds.py``, ``verify_records.py``), merging, words.
Invariants
- Nothing is written to the store. What does not fit into memory is spilled to a temporary SQLCipher
  file under a key that exists nowhere else.
- The fates of all changes add up to the changes that were accepted; else there is a problem.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlcipher3

from server.replay import FATES, Became, Received, Replay
from server.seen_through import Aside
from server.set_aside import freeze, thaw
from server.store.base import Transaction
from server.verify_feeds import UNREADABLE, Feeds, Problem, SegmentRow
from server.verify_records import Comparer, ConflictRow, Placed, StoredRecord
from sync.change import Entry
from sync.clock import Dot
from sync.schema import Schema
from sync.session import DIGEST_MASK

IN_MEMORY_CHANGES_MAX = 60_000
"""Changes grouped in memory, about 120 MB; more are spilled in parts of this many."""
PROBLEMS_KEPT_MAX = 1_000
"""Problems that are listed; all are counted."""
RECORDS_PER_READ = 2_000

OnProgress = Callable[[str, int, int], None]
"""``(stage, done, total)`` with stage ``feeds`` or ``records``."""
OnFate = Callable[[str, Dot, Became], None]
"""``(record, dot, what became of it)`` for every change accepted."""


@dataclass
class Verdict:
    """What verification found. ``fates`` count every accepted change by what became of it."""

    segments: int = 0
    changes: int = 0
    records: int = 0
    joined: int = 0
    conflicts: int = 0
    fates: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FATES, 0))
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    @property
    def holds(self) -> bool:
        """Is there nothing that disagrees?"""
        return self.problem_count == 0

    def report(self, problem: Problem) -> None:
        """Take in one problem."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_KEPT_MAX:
            self.problems.append(problem)


class _Spill:
    """Changes by part of their record's hash: in memory, or in an encrypted temporary file."""

    def __init__(self, changes: int) -> None:
        self.parts = max(1, -(-changes // IN_MEMORY_CHANGES_MAX))
        self._memory: dict[str, list[Received]] = {}
        self._folder: Path | None = None
        self._db: Any = None
        if self.parts > 1:
            self._folder = Path(tempfile.mkdtemp(prefix="doorstep-verify-"))
            self._db = sqlcipher3.connect(str(self._folder / "spill"), isolation_level=None)
            self._db.execute(f"PRAGMA key = \"x'{secrets.token_hex(32)}'\"")
            self._db.execute("PRAGMA journal_mode = OFF")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.execute("CREATE TABLE spilled (part INTEGER, seq INTEGER, entry BLOB)")

    def add(self, seq: int, entries: list[Entry]) -> None:
        """Take in the changes of one segment."""
        if self._db is None:
            for entry in entries:
                self._memory.setdefault(entry.record, []).append(Received(seq, entry))
            return
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO spilled VALUES (?, ?, ?)",
            [(zlib.crc32(e.record.encode()) % self.parts, seq, freeze(e)) for e in entries],
        )
        self._db.execute("COMMIT")

    def groups(self) -> Iterator[dict[str, list[Received]]]:
        """Part by part: record → its changes in the order they came."""
        if self._db is None:
            yield self._memory
            return
        self._db.execute("CREATE INDEX spilled_by_part ON spilled (part)")
        for part in range(self.parts):
            group: dict[str, list[Received]] = {}
            for seq, entry in self._db.execute(
                "SELECT seq, entry FROM spilled WHERE part = ? ORDER BY rowid", [part]
            ):
                thawed = thaw(bytes(entry))
                group.setdefault(thawed.record, []).append(Received(seq, thawed))
            yield group

    def part_of(self, record: str) -> int:
        """The part a record belongs to."""
        return zlib.crc32(record.encode()) % self.parts

    def close(self) -> None:
        """Remove what was spilled."""
        if self._db is not None:
            self._db.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class Verification:
    """One run over one store. Make it, then ``run``."""

    def __init__(
        self,
        tx: Transaction,
        schema: Schema,
        first_key: bytes,
        on_progress: OnProgress | None = None,
        on_fate: OnFate | None = None,
    ) -> None:
        self.tx = tx
        self.schema = schema
        self.verdict = Verdict()
        self._progress = on_progress or (lambda stage, done, total: None)
        self._on_fate = on_fate
        self._feeds = Feeds(tx, first_key, self.verdict.report)
        self._forks = {bytes(r[0]) for r in tx.rows("SELECT replica FROM forks")}
        self._aside: dict[Dot, tuple[str, str, bool, Dot | None]] = {}
        self._homes: dict[str, list[Any]] = {}
        self._decided: set[Dot] = set()
        self._also = 0
        self._waiting = 0
        self._set_aside: dict[Dot, Aside] = {}
        self._done = 0

    def run(self) -> Verdict:
        """Check everything; the verdict."""
        self._read_aside()
        spill = _Spill(self._feeds.changes)
        try:
            self._read_feeds(spill)
            self._feeds.check_leaves()
            if self._feeds.absent:
                # What was never read must not look like what was lost.
                return self._without_archives()
            self._forks |= self._feeds.forks
            comparer = Comparer(self.schema, self._forks, self.verdict.report)
            for part, group in enumerate(spill.groups()):
                self._add_joined(spill, part, group)
                self._group(comparer, group)
        finally:
            spill.close()
        self._check_homes()
        self._check_counts()
        return self.verdict

    def _without_archives(self) -> Verdict:
        """Chains, signatures of what is here, and receipts were checked; no record was."""
        for file, changes in sorted(self._feeds.absent.items()):
            self.verdict.changes += changes
            self._tell("archive", "", file, f"{changes} changes; records were not replayed")
        return self.verdict

    def _tell(self, kind: str, record: str, name: str, detail: str) -> None:
        self.verdict.report(Problem(kind, record, name, detail))

    def _read_aside(self) -> None:
        for d, record, reason, released, by in self.tx.rows(
            "SELECT q.dot, q.record, q.reason, q.released_by, r.by_dot FROM quarantine q"
            " LEFT JOIN releases r ON r.dot = q.dot"
        ):
            by_dot = bytes(by) if by else None
            self._aside[bytes(d)] = (str(record), str(reason), released is not None, by_dot)
        self._decided = {bytes(r[0]) for r in self.tx.rows("SELECT dot FROM decisions")}
        self._decided |= {bytes(r[0]) for r in self.tx.rows("SELECT by_dot FROM releases")}

    def _read_feeds(self, spill: _Spill) -> None:
        verdict, total = self.verdict, self._feeds.count
        for row, entries in self._feeds.read():
            verdict.segments += 1
            verdict.changes += len(entries)
            spill.add(row.seq, entries)
            self._check_aside(row, entries)
            self._progress("feeds", verdict.segments, total)
        verdict.changes += self._feeds.erased
        verdict.fates["erased"] += self._feeds.erased
        for d in sorted(self._aside):
            self._tell("quarantine", self._aside[d][0], d.hex(), "in quarantine, in no feed held")

    def _check_aside(self, row: SegmentRow, entries: list[Entry]) -> None:
        if self._decided:
            self._decided -= {e.dot for e in entries}
        found = [e for e in entries if e.dot in self._aside] if self._aside else []
        for entry in found:
            record, reason, released, by = self._aside.pop(entry.dot)
            if record != entry.record:
                self._tell("quarantine", record, entry.dot.hex(), "it is of another record")
            self._set_aside[entry.dot] = Aside(entry, reason, released, by)

    def _add_joined(self, spill: _Spill, part: int, group: dict[str, list[Received]]) -> None:
        """Records that came only as signed states belong to a part too."""
        for (record,) in self.tx.rows("SELECT DISTINCT record FROM joined_states"):
            if spill.part_of(record) == part:
                group.setdefault(str(record), [])

    # ---- records ---------------------------------------------------------------------------------

    def _group(self, comparer: Comparer, group: dict[str, list[Received]]) -> None:
        records = list(group)
        for start in range(0, len(records), RECORDS_PER_READ):
            part = records[start : start + RECORDS_PER_READ]
            stored = self._stored(part)
            joined = self._feeds.joined_states(part)
            conflicts = self._conflicts(part)
            waiting = self._rows_by_record("SELECT record, dot FROM waiting", part)
            also = self._rows_by_record(
                "SELECT record, home FROM also", part, " AND until_seq IS NULL"
            )
            for record in part:
                aside = {
                    r.entry.dot: self._set_aside[r.entry.dot]
                    for r in group[record]
                    if r.entry.dot in self._set_aside
                }
                try:
                    replayed = Replay(record, self._forks).run(
                        group[record], joined.get(record, []), aside, self.schema
                    )
                except UNREADABLE as error:
                    self._tell("replay", record, "", f"{type(error).__name__} {error}"[:200])
                    continue
                self.verdict.joined += bool(joined.get(record))
                self._account(record, replayed.fates)
                placed = comparer.compare(replayed, stored.get(record))
                if placed is not None:
                    self.verdict.records += record in stored
                    self._place(placed, stored.get(record))
                    self._check_also(record, placed, set(also.get(record, ())))
                comparer.compare_conflicts(replayed, conflicts.get(record, []))
                self.verdict.conflicts += len(conflicts.get(record, []))
                self._check_waiting(record, replayed.waiting, set(waiting.get(record, ())))
            self._done += len(part)
            self._progress("records", self._done, max(self._done, len(records)))

    def _stored(self, records: list[str]) -> dict[str, StoredRecord]:
        found = self.tx.rows_in(
            "SELECT r.id, k.collection, h.id, r.seq, o.replica, r.voided, r.causal, r.body"
            " FROM records r LEFT JOIN kinds k ON k.kind = r.kind"
            " LEFT JOIN homes h ON h.n = r.home LEFT JOIN replicas o ON o.n = r.origin"
            " WHERE r.id IN (?*)",
            records,
        )
        return {
            r[0]: StoredRecord(
                r[0],
                r[1] or "",
                r[2] or "",
                r[3],
                bytes(r[4] or b""),
                bool(r[5]),
                bytes(r[6]),
                r[7],
            )
            for r in found
        }

    def _conflicts(self, records: list[str]) -> dict[str, list[ConflictRow]]:
        out: dict[str, list[ConflictRow]] = {}
        for record, n, name, policy, state, seq, siblings, settled in self.tx.rows_in(
            "SELECT record, n, field, policy, state, opened_seq, siblings, settled_dot"
            " FROM conflicts WHERE record IN (?*)",
            records,
        ):
            dot = bytes(settled) if settled is not None else None
            row = ConflictRow(n, name, policy, state, seq, siblings, dot)
            out.setdefault(record, []).append(row)
        return out

    def _rows_by_record(self, sql: str, records: list[str], more: str = "") -> dict[str, list[Any]]:
        out: dict[str, list[Any]] = {}
        for record, value in self.tx.rows_in(f"{sql} WHERE record IN (?*){more}", records):
            out.setdefault(record, []).append(value)
        return out

    def _account(self, record: str, fates: dict[Dot, Became]) -> None:
        counted = self.verdict.fates
        for became in fates.values():
            counted[became.fate] += 1
        if self._on_fate is not None:
            for d, became in fates.items():
                self._on_fate(record, d, became)

    def _place(self, placed: Placed, stored: StoredRecord | None) -> None:
        seq = stored.seq if stored else 0
        for home in placed.homes:
            row = self._homes.setdefault(home, [0, 0, ""])
            row[0] += placed.digest
            row[1] = max(row[1], seq)
        if placed.area:
            self._homes[placed.home][2] = placed.area

    def _check_also(self, record: str, placed: Placed, also: set[str]) -> None:
        self._also += len(also)
        wanted = placed.homes - {placed.home}
        for home in sorted(also ^ wanted):
            detail = "listed there, does not belong" if home in also else "belongs, is not listed"
            self._tell("also", record, home, detail)

    def _check_waiting(self, record: str, found: frozenset[Dot], kept: set[bytes]) -> None:
        kept = {bytes(d) for d in kept}
        self._waiting += len(kept)
        for d in sorted(kept ^ found):
            detail = "kept as waiting, does not" if d in kept else "waits, is not kept"
            self._tell("waiting", record, d.hex(), detail)

    # ---- the whole -------------------------------------------------------------------------------

    def _check_homes(self) -> None:
        for home, area, seq, digest in self.tx.rows("SELECT id, area, seq, digest FROM homes"):
            found = self._homes.pop(home, None) or [0, 0, ""]
            if found[0] & DIGEST_MASK != digest:
                self._tell("home-digest", home, "", "the digest is not that of its records")
            if seq < found[1]:
                self._tell("home-sequence", home, "", f"{seq}, a record of it came {found[1]}")
            if found[2] and found[2] != area:
                self._tell("home-area", home, "", "another area than its record shows")
        for home in sorted(self._homes):
            self._tell("home-missing", home, "", "records belong to it")

    def _check_counts(self) -> None:
        """Rows that no replay asked for: records, conflicts, waiting, also of unknown records."""
        verdict = self.verdict
        accounted = sum(verdict.fates.values())
        if accounted != verdict.changes:
            detail = f"{accounted} of {verdict.changes} changes are accounted for"
            self._tell("account", "", "", detail)
        for table, count, more in (
            ("records", verdict.records, ""),
            ("conflicts", verdict.conflicts, ""),
            ("waiting", self._waiting, ""),
            ("also", self._also, " WHERE until_seq IS NULL"),
        ):
            held = int(self.tx.rows(f"SELECT count(*) FROM {table}{more}")[0][0])
            if held != count:
                detail = f"{table}: {held} rows, {count} of them explained by feeds"
                self._tell("rows", "", table, detail)
        for (record,) in self.tx.rows(
            "SELECT e.record FROM erased e JOIN records r ON r.id = e.record"
        ):
            self._tell("erased-kept", str(record), "", "a record that was erased is held")
        for d in sorted(self._decided):
            self._tell("decision", "", d.hex(), "an officer's decision that is in no feed")


def verify_store(
    tx: Transaction,
    schema: Schema,
    first_key: bytes,
    on_progress: OnProgress | None = None,
    on_fate: OnFate | None = None,
) -> Verdict:
    """Replay all feeds of a store from nothing and compare with what it holds.

    ``first_key`` is the public key the server first signed with.
    """
    return Verification(tx, schema, first_key, on_progress, on_fate).run()
