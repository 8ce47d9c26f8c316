# SPDX-License-Identifier: Apache-2.0
"""The tables of sealed fields: who may read which class, which epochs of keys there are.

What lives here: one migration. What must not: queries, and any key: keys follow from a secret that
lies apart from the record (``field_keys.py``). Invariants
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
