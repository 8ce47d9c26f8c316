# SPDX-License-Identifier: Apache-2.0
"""The tables of the provable log: leaves, nodes, heads that were signed, heads of others.

What lives here: their migrations. What must not: queries. Invariants
- ``log_leaves`` and ``log_nodes`` are only ever added to. A node's number is its place when all are
  read from left to right: leaf n is 2n, and what is new lies at the end of the table.
- ``log_state`` is one row, written in the transaction that adds: its size, its epoch, and the roots
  of the complete subtrees, so that adding reads nothing else.
- A journal line and a line of the access log hold the salt of their leaf; without salt and detail
  the log still verifies.
"""

TABLES_LOG = """
CREATE TABLE log_leaves (n INTEGER PRIMARY KEY, kind TEXT NOT NULL, at_ms INTEGER NOT NULL,
  body BLOB NOT NULL);
CREATE TABLE log_nodes (n INTEGER PRIMARY KEY, hash BLOB NOT NULL);
CREATE TABLE log_state (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, epoch INTEGER NOT NULL,
  peaks BLOB NOT NULL);
CREATE TABLE log_heads (epoch INTEGER NOT NULL, size INTEGER NOT NULL, head BLOB NOT NULL,
  PRIMARY KEY (epoch, size)) WITHOUT ROWID;
CREATE TABLE log_turns (epoch INTEGER PRIMARY KEY, leaf INTEGER NOT NULL);
CREATE TABLE log_seen (server BLOB PRIMARY KEY, head BLOB NOT NULL, at_ms INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE log_evidence (n INTEGER PRIMARY KEY, server BLOB NOT NULL, finding TEXT NOT NULL,
  at_ms INTEGER NOT NULL, body BLOB NOT NULL UNIQUE);
ALTER TABLE segments ADD COLUMN leaf INTEGER;
ALTER TABLE journal ADD COLUMN leaf INTEGER;
ALTER TABLE journal ADD COLUMN salt BLOB;
ALTER TABLE access_log ADD COLUMN leaf INTEGER;
ALTER TABLE access_log ADD COLUMN salt BLOB;
"""

TABLES_BELOW = """
ALTER TABLE log_seen ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
CREATE TABLE log_told (server BLOB PRIMARY KEY, head BLOB NOT NULL) WITHOUT ROWID;
"""
"""``log_seen`` has heads of servers below too: ``seq`` is the commit since which each is shown to
its log. ``log_told`` are heads of this server's own log, as the servers above remember them."""

TABLES_OWED = """
CREATE TABLE log_owed (log BLOB NOT NULL, replica BLOB NOT NULL, counter INTEGER NOT NULL,
  head BLOB NOT NULL, newest INTEGER NOT NULL, newest_head BLOB NOT NULL, seq INTEGER NOT NULL,
  asked_seq INTEGER, PRIMARY KEY (log, replica)) WITHOUT ROWID;
CREATE TABLE log_asked (server BLOB PRIMARY KEY, points BLOB NOT NULL) WITHOUT ROWID;
"""
"""``log_owed`` are feeds that a server below brought and has not shown in its log: the point to be
shown, since which commit and since which it is asked for, and the newest point brought.
``log_asked`` is what each server above asked for last."""
