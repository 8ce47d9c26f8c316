# SPDX-License-Identifier: Apache-2.0
"""The tables of people's rights: erasures, where they were carried out, holds, readings.

What lives here: their migrations. What must not: queries. Invariants
- None of these tables holds a value of a record: records are named by id, changes by dot.
- ``erased`` and ``erased_changes`` are only ever added to: what is erased stays so, whatever comes.
- ``erasure_parts`` are the statements as they were signed, in the order they were made or heard.
"""

TABLES_RIGHTS = """
CREATE TABLE erasures (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, at_ms INTEGER NOT NULL,
  who TEXT NOT NULL, basis TEXT NOT NULL, reason TEXT NOT NULL, subject TEXT NOT NULL,
  area TEXT NOT NULL, counts TEXT NOT NULL, kept TEXT NOT NULL, issuer BLOB NOT NULL,
  pages_at_ms INTEGER);
CREATE TABLE erasure_parts (n INTEGER PRIMARY KEY, erasure INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  digest BLOB NOT NULL UNIQUE, area TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX erasure_parts_by_erasure ON erasure_parts (erasure, n);
CREATE TABLE erased (record TEXT PRIMARY KEY, erasure INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE erased_changes (replica BLOB NOT NULL, counter INTEGER NOT NULL, tag BLOB NOT NULL,
  erasure INTEGER NOT NULL, PRIMARY KEY (replica, counter, tag)) WITHOUT ROWID;
CREATE TABLE erasure_places (part INTEGER NOT NULL, place TEXT NOT NULL, kind TEXT NOT NULL,
  asked_at_ms INTEGER NOT NULL, done_at_ms INTEGER, proof BLOB, PRIMARY KEY (part, place))
  WITHOUT ROWID;
CREATE INDEX erasure_places_by_place ON erasure_places (place, done_at_ms);
CREATE TABLE holds (n INTEGER PRIMARY KEY, target TEXT NOT NULL, reason TEXT NOT NULL,
  who TEXT NOT NULL, at_ms INTEGER NOT NULL, released_by TEXT, release_reason TEXT,
  released_at_ms INTEGER);
CREATE INDEX holds_by_target ON holds (target);
ALTER TABLE access_log ADD COLUMN device TEXT NOT NULL DEFAULT '';
CREATE TABLE readings_held (device TEXT PRIMARY KEY, last INTEGER NOT NULL, lost INTEGER NOT NULL)
  WITHOUT ROWID;
"""
"""``erasures.kept`` tells as JSON what was not erased and why; ``pages_at_ms`` when no page of the
store's files had any of it left. ``erasure_places.proof`` is the signed answer of a tablet or
server. ``access_log.device`` is the tablet of a reading made on one."""

TABLES_WITHDRAWALS = """
CREATE TABLE withdrawals (record TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, decided_at_ms INTEGER,
  decided_by TEXT) WITHOUT ROWID;
"""
"""Consents that were taken back, and when an officer saw to each."""

TABLES_TOLD_AGAIN = """
ALTER TABLE erasure_places ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
"""
"""``seq`` of a place is the sequence at which it came on the list: whose cursor lies before it has
not heard of it, whatever another copy of the same tablet answered."""

TABLES_AWAY = """
CREATE TABLE erasure_archives (erasure INTEGER NOT NULL, archive TEXT NOT NULL,
  away_at_ms INTEGER NOT NULL, searched_at_ms INTEGER, done_at_ms INTEGER,
  changes INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (erasure, archive)) WITHOUT ROWID;
"""
"""The archives that were away when a case was carried out: since when they are known to be, when
they were looked through for its changes, and rid of those; how many were found there."""

TABLES_WAITING = """
ALTER TABLE erasure_places ADD COLUMN waits_at_ms INTEGER;
"""
"""``waits_at_ms``: when a server answered that an archive of its own is away, and that the rest is
erased once it is back."""
