# SPDX-License-Identifier: Apache-2.0
"""The tables of the console: accounts, sessions, the access log, care of conflicts, the search.

What lives here: one migration. What must not: queries. Invariants
- ``access_log`` is only ever added to.
- ``lookup`` is derived: it can be emptied, and is filled again from the record.
- A session's id is stored as its SHA-256: who reads the table cannot use it.
"""

TABLES_CONSOLE = """
CREATE TABLE accounts (id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL,
  area TEXT NOT NULL, state TEXT NOT NULL, fresh INTEGER NOT NULL, lang TEXT NOT NULL,
  password TEXT NOT NULL, totp TEXT, totp_step INTEGER NOT NULL, made_at_ms INTEGER NOT NULL,
  seen_at_ms INTEGER) WITHOUT ROWID;
CREATE TABLE account_browsers (account TEXT NOT NULL, browser TEXT NOT NULL,
  since_ms INTEGER NOT NULL, PRIMARY KEY (account, browser)) WITHOUT ROWID;
CREATE TABLE sessions (id TEXT PRIMARY KEY, account TEXT NOT NULL, body TEXT NOT NULL,
  made_at_ms INTEGER NOT NULL, seen_at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE console_keys (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE access_log (n INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, account TEXT NOT NULL,
  area TEXT NOT NULL, home TEXT NOT NULL, record TEXT NOT NULL, fields TEXT NOT NULL,
  purpose TEXT NOT NULL);
CREATE INDEX access_log_by_home ON access_log (home, n);
CREATE INDEX access_log_by_account ON access_log (account, n);
CREATE TABLE conflict_care (conflict INTEGER PRIMARY KEY, assignee TEXT NOT NULL,
  due TEXT NOT NULL, by TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX conflict_care_by_assignee ON conflict_care (assignee, conflict);
CREATE TABLE conflict_comments (n INTEGER PRIMARY KEY, conflict INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, by TEXT NOT NULL, words TEXT NOT NULL);
CREATE INDEX conflict_comments_by_conflict ON conflict_comments (conflict, n);
CREATE TABLE lookup (record TEXT PRIMARY KEY, home TEXT NOT NULL, area TEXT NOT NULL,
  collection TEXT NOT NULL, title TEXT NOT NULL, words TEXT NOT NULL);
CREATE INDEX lookup_by_home ON lookup (home);
CREATE INDEX waiting_by_since ON waiting (since_ms);
CREATE INDEX quarantine_by_time ON quarantine (at_ms);
CREATE INDEX decisions_by_officer ON decisions (officer, n);
"""

TABLES_LOOKUP = """
DROP TABLE lookup;
CREATE TABLE lookup (n INTEGER PRIMARY KEY, record TEXT NOT NULL UNIQUE, home TEXT NOT NULL,
  area TEXT NOT NULL, collection TEXT NOT NULL, title TEXT NOT NULL, words TEXT NOT NULL);
CREATE INDEX lookup_by_home ON lookup (home);
CREATE INDEX lookup_by_title ON lookup (collection, title, area);
DELETE FROM meta WHERE key = 'lookup_seq';
CREATE INDEX conflicts_counted ON conflicts (home, state, undone, settled_where);
CREATE INDEX conflicts_by_collection ON conflicts (collection, n);
"""
"""What is searched stands in the order it came, so that a search reads it from end to end; the
indexes let the inbox count, and households of one title be found, without reading whole rows."""

TABLES_LOOKUP_WORDS = """
CREATE TABLE lookup_words (n INTEGER PRIMARY KEY, area TEXT NOT NULL, words TEXT NOT NULL);
INSERT INTO lookup_words (n, area, words) SELECT n, area, words FROM lookup;
ALTER TABLE lookup DROP COLUMN words;
"""
"""What a search reads from end to end, by the number of its row in ``lookup``, and nothing else:
of 300,000 households and people 26 MB, which stay in the page cache of a reader, where 50 MB were
decrypted anew by every search."""

TABLES_PASSKEYS = """
CREATE TABLE passkeys (id TEXT PRIMARY KEY, account TEXT NOT NULL, host TEXT NOT NULL,
  name TEXT NOT NULL, public BLOB NOT NULL, uses INTEGER NOT NULL, made_at_ms INTEGER NOT NULL,
  used_at_ms INTEGER) WITHOUT ROWID;
CREATE INDEX passkeys_by_account ON passkeys (account);
"""
"""``uses`` is the count that a passkey itself keeps; ``host`` the server's name it was made for."""

TABLES_APPROVALS = """
CREATE TABLE approvals (n INTEGER PRIMARY KEY, kind TEXT NOT NULL, target TEXT NOT NULL,
  asked_by TEXT NOT NULL, asked_at_ms INTEGER NOT NULL, reason TEXT NOT NULL, state TEXT NOT NULL,
  answered_by TEXT NOT NULL, answered_at_ms INTEGER);
CREATE INDEX approvals_by_asker ON approvals (asked_by, kind, state);
"""
"""What one person may not do alone, with the second one's answer."""
