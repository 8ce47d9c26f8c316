# SPDX-License-Identifier: Apache-2.0
"""The tables of sealed fields: who may read which class, which epochs of keys there are.

What lives here: their migrations. What must not: queries, and any key in the clear: keys follow
from a secret that lies apart from the record (``field_keys.py``), or are sealed to one that does.
Invariants
- ``field_epochs`` is only ever added to: what was sealed with an old key stays readable.
- ``field_grants`` are keys of other teams that a team has because of a household it holds; they go
  when households are taken from it, and are asked for anew where one is still held.
"""

TABLES_FIELDS = """
CREATE TABLE field_readers (team TEXT NOT NULL, readers TEXT NOT NULL, since_ms INTEGER NOT NULL,
  PRIMARY KEY (team, readers)) WITHOUT ROWID;
CREATE TABLE field_officers (account TEXT NOT NULL, readers TEXT NOT NULL,
  since_ms INTEGER NOT NULL, PRIMARY KEY (account, readers)) WITHOUT ROWID;
CREATE TABLE field_epochs (team TEXT NOT NULL, readers TEXT NOT NULL, epoch INTEGER NOT NULL,
  since_ms INTEGER NOT NULL, told INTEGER NOT NULL, PRIMARY KEY (team, readers, epoch))
  WITHOUT ROWID;
CREATE TABLE field_grants (team TEXT NOT NULL, owner TEXT NOT NULL, readers TEXT NOT NULL,
  epoch INTEGER NOT NULL, home TEXT NOT NULL, since_ms INTEGER NOT NULL,
  PRIMARY KEY (team, owner, readers, epoch)) WITHOUT ROWID;
"""

TABLES_HANDED = """
CREATE TABLE field_words (digest BLOB PRIMARY KEY, statement BLOB NOT NULL, seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX field_words_by_seq ON field_words (seq);
CREATE TABLE field_wants (key BLOB NOT NULL, record TEXT NOT NULL, readers TEXT NOT NULL,
  since_ms INTEGER NOT NULL, asked_ms INTEGER NOT NULL, PRIMARY KEY (key, record)) WITHOUT ROWID;
CREATE TABLE field_foreign (id BLOB PRIMARY KEY, readers TEXT NOT NULL, server TEXT NOT NULL,
  wrapped BLOB NOT NULL, since_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE field_askers (server TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, replica BLOB NOT NULL,
  box_public BLOB NOT NULL, allowed_at_ms INTEGER) WITHOUT ROWID;
CREATE TABLE field_asks (server TEXT NOT NULL, key BLOB NOT NULL, record TEXT NOT NULL,
  since_ms INTEGER NOT NULL, given_at_ms INTEGER, PRIMARY KEY (server, key, record)) WITHOUT ROWID;
"""
"""Households that moved between districts. ``field_words`` are what servers ask and give, on their
way through the tree; ``field_wants`` and ``field_foreign`` what this one asks for and was given;
``field_askers`` and ``field_asks`` who asks for keys of this one."""
