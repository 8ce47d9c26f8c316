# SPDX-License-Identifier: Apache-2.0
"""The shape of the tablet's store, and every step by which an older one becomes a newer one.

What lives here: tables, indexes, migrations. What must not: queries. Invariants: a step that was
released is never changed, a new one is added; ``user_version`` counts the steps, so that opening a
store that is up to date asks one number and nothing more.
"""

from __future__ import annotations

from typing import Any

VERSION = 8
"""Steps there are: what ``user_version`` says of a store that is up to date."""

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE chain (
  id INTEGER PRIMARY KEY CHECK (id = 1), replica BLOB NOT NULL, counter INTEGER NOT NULL,
  head BLOB NOT NULL, stamp_ms INTEGER NOT NULL, stamp_n INTEGER NOT NULL
);
CREATE TABLE replicas (
  replica BLOB PRIMARY KEY, private BLOB NOT NULL, statement BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE devices (
  replica BLOB PRIMARY KEY, public BLOB NOT NULL, parent BLOB NOT NULL, name TEXT NOT NULL,
  statement BLOB NOT NULL, told INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE records (
  id TEXT PRIMARY KEY, collection TEXT NOT NULL, home TEXT NOT NULL, digest INTEGER NOT NULL,
  conflicts INTEGER NOT NULL, voided INTEGER NOT NULL, causal BLOB NOT NULL, body TEXT NOT NULL
);
CREATE INDEX records_home ON records (home, collection);
CREATE INDEX records_conflicts ON records (id) WHERE conflicts > 0;
CREATE TABLE record_homes (
  record TEXT NOT NULL, home TEXT NOT NULL, PRIMARY KEY (home, record)
) WITHOUT ROWID;
CREATE INDEX record_homes_record ON record_homes (record);
CREATE TABLE feed (
  replica BLOB NOT NULL, counter INTEGER NOT NULL, head BLOB NOT NULL, before BLOB NOT NULL,
  digest BLOB NOT NULL, record TEXT, salt BLOB, raw BLOB, own INTEGER NOT NULL,
  receipted INTEGER NOT NULL DEFAULT 0, sealed BLOB, PRIMARY KEY (replica, counter, head)
) WITHOUT ROWID;
CREATE INDEX feed_unsent ON feed (replica, counter) WHERE receipted = 0;
CREATE INDEX feed_record ON feed (record);
CREATE TABLE blocks (
  replica BLOB NOT NULL, first INTEGER NOT NULL, seed BLOB NOT NULL, PRIMARY KEY (replica, first)
) WITHOUT ROWID;
CREATE TABLE heads (
  head BLOB PRIMARY KEY, replica BLOB NOT NULL, counter INTEGER NOT NULL, signature BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE sealed_parts (id INTEGER PRIMARY KEY, part BLOB NOT NULL);
CREATE TABLE waiting (
  dot BLOB PRIMARY KEY, record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX waiting_record ON waiting (record);
CREATE TABLE own_last (record TEXT PRIMARY KEY, dot BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE heard (dot BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE forks (replica BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE held (home TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE assigned (home TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE leaving (home TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE pages (
  id INTEGER PRIMARY KEY, server BLOB NOT NULL, incarnation BLOB NOT NULL, seq INTEGER NOT NULL,
  digests BLOB NOT NULL, signature BLOB NOT NULL UNIQUE, unknown INTEGER NOT NULL
);
CREATE TABLE signed (
  record TEXT NOT NULL, page INTEGER NOT NULL, place INTEGER NOT NULL, digest INTEGER NOT NULL,
  vector BLOB NOT NULL, raw BLOB NOT NULL, PRIMARY KEY (record, page)
);
CREATE INDEX signed_page ON signed (page);
CREATE TABLE lineage (incarnation BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox_files (
  name TEXT PRIMARY KEY, replica BLOB NOT NULL, last INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE search (record TEXT PRIMARY KEY, home TEXT NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE search_stale (record TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE notices (
  id INTEGER PRIMARY KEY, received_at_ms INTEGER NOT NULL, read INTEGER NOT NULL, notice BLOB NOT
  NULL, UNIQUE (notice)
);
CREATE TABLE blobs (
  name TEXT PRIMARY KEY, bytes INTEGER NOT NULL, sent INTEGER NOT NULL, done INTEGER NOT NULL,
  record TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX blobs_unsent ON blobs (name) WHERE done = 0;
"""

# In a trigger OR IGNORE gives way to the rule of the statement that fired it: hence NOT EXISTS.
_SECOND = """
CREATE TABLE agenda (
  home TEXT PRIMARY KEY, building TEXT NOT NULL, floor INTEGER NOT NULL, room TEXT NOT NULL,
  address TEXT NOT NULL, name TEXT NOT NULL, due_on TEXT NOT NULL, due TEXT NOT NULL,
  visit_ms INTEGER NOT NULL, answered_ms INTEGER NOT NULL, touched_ms INTEGER NOT NULL,
  outcome TEXT NOT NULL, marks TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX agenda_parts ON agenda (building, floor, room, home, due_on, visit_ms, answered_ms);
CREATE INDEX agenda_touched ON agenda (touched_ms);
CREATE TABLE agenda_stale (home TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TRIGGER agenda_new AFTER INSERT ON records BEGIN
  INSERT INTO agenda_stale SELECT new.home
  WHERE NOT EXISTS (SELECT 1 FROM agenda_stale WHERE home = new.home); END;
CREATE TRIGGER agenda_changed AFTER UPDATE ON records BEGIN
  INSERT INTO agenda_stale SELECT new.home
  WHERE NOT EXISTS (SELECT 1 FROM agenda_stale WHERE home = new.home); INSERT
  INTO agenda_stale SELECT old.home
  WHERE NOT EXISTS (SELECT 1 FROM agenda_stale WHERE home = old.home); END;
CREATE TRIGGER agenda_gone AFTER DELETE ON records BEGIN
  INSERT INTO agenda_stale SELECT old.home
  WHERE NOT EXISTS (SELECT 1 FROM agenda_stale WHERE home = old.home); END;
INSERT OR IGNORE INTO agenda_stale (home) SELECT DISTINCT home FROM records;
CREATE TABLE drafts (
  id TEXT PRIMARY KEY, home TEXT NOT NULL, kind TEXT NOT NULL, worker TEXT NOT NULL,
  at_ms INTEGER NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
"""

_THIRD = """
CREATE INDEX records_joined ON records (id)
  WHERE collection = 'household' AND instr(body, '"joined_into"') > 0;
"""
"""The few households that were joined are found without reading the bodies of all."""


_FOURTH = """
CREATE TABLE custody (
  kind TEXT NOT NULL, holder BLOB NOT NULL, replica BLOB NOT NULL, counter INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY (kind, holder, replica)
) WITHOUT ROWID;
"""
"""Who was heard to hold how much of this tablet's feeds, and when."""

_FIFTH = """
CREATE TABLE erasures (
  digest BLOB PRIMARY KEY, statement BLOB NOT NULL, at_ms INTEGER NOT NULL,
  records INTEGER NOT NULL, changes INTEGER NOT NULL, others INTEGER NOT NULL,
  answered INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE erased (record TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE reading_log (
  n INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, worker TEXT NOT NULL,
  home TEXT NOT NULL, fields TEXT NOT NULL
);
"""
"""What was erased for good, and what workers opened; numbers of lines are never given twice."""


_SIXTH = """
DROP INDEX records_home;
CREATE INDEX records_home ON records (home, collection, digest);
CREATE INDEX pages_unknown ON pages (id) WHERE unknown = 1;
"""
"""Comparing with the server reads no record and no page: a tablet may hold a whole district."""

_SEVENTH = """
CREATE TABLE search_by_home (
  home TEXT NOT NULL, record TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (home, record)
) WITHOUT ROWID;
INSERT INTO search_by_home SELECT home, record, text FROM search ORDER BY home, record;
DROP TABLE search;
ALTER TABLE search_by_home RENAME TO search;
CREATE INDEX search_record ON search (record);
"""
"""A household's texts lie together: a search judges it in passing, and stops at the last hit."""

_EIGHTH = """
CREATE TABLE search_one (home TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO search_one SELECT home, group_concat(text, char(10)) FROM search GROUP BY home;
CREATE TABLE search_one_stale (home TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT INTO search_one_stale
  SELECT home FROM records WHERE id IN (SELECT record FROM search_stale) UNION
  SELECT home FROM search WHERE record IN (SELECT record FROM search_stale);
DROP TABLE search;
DROP TABLE search_stale;
ALTER TABLE search_one RENAME TO search;
ALTER TABLE search_one_stale RENAME TO search_stale;
CREATE TRIGGER search_moved AFTER UPDATE OF home ON records WHEN old.home != new.home BEGIN
  INSERT INTO search_stale SELECT old.home
  WHERE NOT EXISTS (SELECT 1 FROM search_stale WHERE home = old.home); END;
CREATE TRIGGER search_gone AFTER DELETE ON records BEGIN
  INSERT INTO search_stale SELECT old.home
  WHERE NOT EXISTS (SELECT 1 FROM search_stale WHERE home = old.home); END;
"""
"""One text a household: half the bytes are decrypted, and each household is one row."""


def migrate(connection: Any) -> None:
    """Bring a store to ``VERSION``, each step in one transaction. sqlite-utils keeps the list.

    ``connection`` is an open sqlcipher3 connection outside a transaction.
    """
    # Imported here: opening a store that is up to date needs none of it.
    from sqlite_utils import Database, Migrations

    steps = Migrations("tablet")

    @steps(name="0001-first")
    def first(db: Database) -> None:
        _run(db, _FIRST)

    @steps(name="0002-agenda-and-drafts")
    def second(db: Database) -> None:
        _run(db, _SECOND)

    @steps(name="0003-joined-households")
    def third(db: Database) -> None:
        _run(db, _THIRD)

    @steps(name="0004-custody")
    def fourth(db: Database) -> None:
        _run(db, _FOURTH)

    @steps(name="0005-erasures-and-readings")
    def fifth(db: Database) -> None:
        _run(db, _FIFTH)

    @steps(name="0006-quick-comparison")
    def sixth(db: Database) -> None:
        _run(db, _SIXTH)

    @steps(name="0007-search-by-household")
    def seventh(db: Database) -> None:
        _run(db, _SEVENTH)

    @steps(name="0008-one-search-text-a-household")
    def eighth(db: Database) -> None:
        _run(db, _EIGHTH)

    database = Database(connection)
    steps.apply(database)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _run(db: Any, script: str) -> None:
    """Run the statements of a script, each of which ends with its line."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)
