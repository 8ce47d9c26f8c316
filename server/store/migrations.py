# SPDX-License-Identifier: Apache-2.0
"""The tables of the embedded store, as migrations that are applied in order, each in a transaction.

What lives here: tables, indexes and views. What must not: queries. Invariants
- Nothing that every write changes carries an index: a high-water sequence per home finds what is
  new.
- Homes have numbers in the order they came; records name them by number: what one tablet changes
  lies on few pages, and pages are what a commit costs.
- Segments hold the bytes as they were received; the record is derived from them and can be rebuilt.
- ``records.origin`` names the replica whose edit of what it had seen whole is the record's last
  change: that replica need not be sent it.
"""

from __future__ import annotations

import sqlite_utils

from server.errors import StoreDamaged, StoreTooNew
from server.store.console_tables import (
    TABLES_APPROVALS,
    TABLES_CONSOLE,
    TABLES_LOOKUP,
    TABLES_LOOKUP_WORDS,
    TABLES_PASSKEYS,
)
from server.store.field_tables import TABLES_FIELDS, TABLES_HANDED
from server.store.log_tables import TABLES_BELOW, TABLES_LOG, TABLES_OWED
from server.store.rights_tables import (
    TABLES_AWAY,
    TABLES_RIGHTS,
    TABLES_TOLD_AGAIN,
    TABLES_WAITING,
    TABLES_WITHDRAWALS,
)
from server.store.tablet_tables import TABLES_MACHINE, TABLES_MOVED, TABLES_TABLETS
from server.store.tier_tables import TABLES_LEFT, TABLES_PASSED, TABLES_TIERS

TABLES_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE kinds (kind INTEGER PRIMARY KEY, collection TEXT NOT NULL UNIQUE);
CREATE TABLE replicas (n INTEGER PRIMARY KEY, replica BLOB NOT NULL UNIQUE);
CREATE TABLE incarnations (incarnation BLOB PRIMARY KEY, started_at_ms INTEGER NOT NULL,
  last_seq INTEGER NOT NULL, n INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE records (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, home INTEGER NOT NULL,
  kind INTEGER NOT NULL, seq INTEGER NOT NULL, origin INTEGER NOT NULL, voided INTEGER NOT NULL,
  causal BLOB NOT NULL, body TEXT NOT NULL);
CREATE INDEX records_by_home ON records (home);
CREATE TABLE also (record TEXT NOT NULL, home TEXT NOT NULL, until_seq INTEGER,
  PRIMARY KEY (record, home)) WITHOUT ROWID;
CREATE INDEX also_by_home ON also (home);
CREATE TABLE homes (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, area TEXT NOT NULL,
  seq INTEGER NOT NULL, digest INTEGER NOT NULL);
CREATE INDEX homes_by_area ON homes (area);

CREATE TABLE segments (n INTEGER PRIMARY KEY, replica INTEGER NOT NULL, first INTEGER NOT NULL,
  last INTEGER NOT NULL, before BLOB NOT NULL, head BLOB NOT NULL, kind TEXT NOT NULL,
  seq INTEGER NOT NULL, received_at_ms INTEGER NOT NULL, offset_ms INTEGER, carrier INTEGER,
  body BLOB NOT NULL);
CREATE INDEX segments_by_replica ON segments (replica, last);
CREATE TABLE leaves (replica INTEGER NOT NULL, counter INTEGER NOT NULL, head BLOB NOT NULL,
  PRIMARY KEY (replica, counter, head)) WITHOUT ROWID;
CREATE TABLE heard (replica BLOB NOT NULL, counter INTEGER NOT NULL, tag BLOB NOT NULL,
  PRIMARY KEY (replica, counter, tag)) WITHOUT ROWID;
CREATE TABLE forks (replica BLOB PRIMARY KEY, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE waiting (record TEXT NOT NULL, dot BLOB NOT NULL, since_ms INTEGER NOT NULL,
  entry BLOB NOT NULL, PRIMARY KEY (record, dot)) WITHOUT ROWID;
CREATE TABLE quarantine (dot BLOB PRIMARY KEY, record TEXT NOT NULL, reason TEXT NOT NULL,
  detail TEXT NOT NULL, at_ms INTEGER NOT NULL, entry BLOB NOT NULL, released_by TEXT) WITHOUT
  ROWID;
CREATE TABLE marks (dot BLOB NOT NULL, kind TEXT NOT NULL, record TEXT NOT NULL, home TEXT NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY (dot, kind)) WITHOUT ROWID;
CREATE TABLE joined_states (server BLOB NOT NULL, incarnation BLOB NOT NULL, seq INTEGER NOT NULL,
  record TEXT NOT NULL, at_ms INTEGER NOT NULL, state BLOB NOT NULL, digests BLOB NOT NULL,
  signature BLOB NOT NULL, PRIMARY KEY (record, server, incarnation, seq)) WITHOUT ROWID;

CREATE TABLE conflicts (n INTEGER PRIMARY KEY, record TEXT NOT NULL, home TEXT NOT NULL,
  collection TEXT NOT NULL, field TEXT NOT NULL, policy TEXT NOT NULL, state TEXT NOT NULL,
  opened_seq INTEGER NOT NULL, opened_at_ms INTEGER NOT NULL, siblings TEXT NOT NULL,
  settled_at_ms INTEGER, settled_dot BLOB, settled_worker TEXT, settled_where TEXT,
  kept TEXT, reason TEXT);
CREATE INDEX conflicts_by_record ON conflicts (record, field);
CREATE INDEX conflicts_by_state ON conflicts (state, n);
CREATE TABLE notices (n INTEGER PRIMARY KEY, replica BLOB NOT NULL, conflict INTEGER NOT NULL,
  seq INTEGER NOT NULL, body BLOB NOT NULL, told_at_ms INTEGER);
CREATE INDEX notices_by_replica ON notices (replica, told_at_ms);

CREATE TABLE areas (code TEXT PRIMARY KEY, level TEXT NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE teams (id TEXT PRIMARY KEY, name TEXT NOT NULL, scope_version INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE workers (id TEXT PRIMARY KEY, name TEXT NOT NULL, team TEXT, role TEXT NOT NULL)
  WITHOUT ROWID;
CREATE TABLE assigned (team TEXT NOT NULL, home TEXT NOT NULL, since_ms INTEGER NOT NULL,
  PRIMARY KEY (team, home)) WITHOUT ROWID;
CREATE INDEX assigned_by_home ON assigned (home);
CREATE TABLE team_areas (team TEXT NOT NULL, area TEXT NOT NULL, since_ms INTEGER NOT NULL,
  PRIMARY KEY (team, area)) WITHOUT ROWID;
CREATE TABLE assignments (n INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, by TEXT NOT NULL,
  team TEXT NOT NULL, what TEXT NOT NULL, target TEXT NOT NULL, done TEXT NOT NULL);

CREATE TABLE devices (id TEXT PRIMARY KEY, name TEXT NOT NULL, team TEXT NOT NULL,
  state TEXT NOT NULL, enrolled_at_ms INTEGER NOT NULL, revoked_at_ms INTEGER, revocation BLOB,
  last_contact_ms INTEGER, offset_ms INTEGER, nonce BLOB, scope_version INTEGER NOT NULL DEFAULT -1,
  held INTEGER NOT NULL DEFAULT 0, offered INTEGER, box_public BLOB, version TEXT) WITHOUT ROWID;
CREATE TABLE device_keys (replica BLOB PRIMARY KEY, device TEXT NOT NULL, public BLOB NOT NULL,
  certificate BLOB NOT NULL, succession BLOB, since_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE server_keys (replica BLOB PRIMARY KEY, n INTEGER NOT NULL, public BLOB NOT NULL,
  private BLOB, proof BLOB, since_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE held (device TEXT NOT NULL, home TEXT NOT NULL, state INTEGER NOT NULL,
  PRIMARY KEY (device, home)) WITHOUT ROWID;
CREATE TABLE tickets (id TEXT PRIMARY KEY, secret BLOB NOT NULL, team TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL, used_at_ms INTEGER, state TEXT NOT NULL, digits TEXT,
  request BLOB, device TEXT) WITHOUT ROWID;
CREATE TABLE blobs (name TEXT PRIMARY KEY, bytes INTEGER NOT NULL, received INTEGER NOT NULL,
  complete INTEGER NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE blob_pieces (name TEXT NOT NULL, start INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (name, start)) WITHOUT ROWID;
CREATE TABLE journal (n INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL,
  what TEXT NOT NULL, target TEXT NOT NULL, detail TEXT NOT NULL);
"""

TABLES_2 = """
ALTER TABLE segments ADD COLUMN contact_ms INTEGER;
ALTER TABLE conflicts ADD COLUMN undone INTEGER NOT NULL DEFAULT 0;
CREATE TABLE conflict_sides (conflict INTEGER NOT NULL, dot BLOB NOT NULL, replica BLOB NOT NULL,
  worker TEXT NOT NULL, told INTEGER NOT NULL, PRIMARY KEY (conflict, dot)) WITHOUT ROWID;
CREATE TABLE decisions (n INTEGER PRIMARY KEY, conflict INTEGER NOT NULL, what TEXT NOT NULL,
  dot BLOB NOT NULL, officer TEXT NOT NULL, reason TEXT NOT NULL, value TEXT NOT NULL,
  at_ms INTEGER NOT NULL);
CREATE INDEX decisions_by_conflict ON decisions (conflict, n);
CREATE TABLE releases (dot BLOB PRIMARY KEY, by_dot BLOB NOT NULL, officer TEXT NOT NULL,
  reason TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
"""
"""What the audit adds: the carrier's contact before each upload, all values that ever stood in a
conflict, what officers decided, and what they released from quarantine."""

TABLES_ARCHIVES = """
CREATE TABLE archives (name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, bytes INTEGER NOT NULL,
  key BLOB NOT NULL) WITHOUT ROWID;
"""
"""The archives that segments of the kind ``archived`` lie in, each with the key that opens it."""

MIGRATIONS: tuple[tuple[str, str], ...] = (
    ("0001-first", TABLES_1),
    ("0002-audit", TABLES_2),
    ("0003-tablets", TABLES_TABLETS),
    ("0003-console", TABLES_CONSOLE),
    ("0004-moved", TABLES_MOVED),
    ("0005-tiers", TABLES_TIERS),
    ("0007-lookup", TABLES_LOOKUP),
    ("0008-log", TABLES_LOG),
    ("0009-passkeys", TABLES_PASSKEYS),
    ("0009-machine", TABLES_MACHINE),
    ("0010-rights", TABLES_RIGHTS),
    ("0011-left-areas", TABLES_LEFT),
    ("0012-fields", TABLES_FIELDS),
    ("0013-passed-on", TABLES_PASSED),
    ("0014-approvals", TABLES_APPROVALS),
    ("0015-archives", TABLES_ARCHIVES),
    ("0016-handed", TABLES_HANDED),
    ("0017-withdrawals", TABLES_WITHDRAWALS),
    ("0018-told-again", TABLES_TOLD_AGAIN),
    ("0019-logs-below", TABLES_BELOW),
    ("0020-lookup-words", TABLES_LOOKUP_WORDS),
    ("0021-archives-away", TABLES_AWAY),
    ("0022-leaves-owed", TABLES_OWED),
    ("0023-places-that-wait", TABLES_WAITING),
)


def migrate(db: sqlite_utils.Database, made: bool = False) -> None:
    """Bring the store to the newest tables; each migration is one transaction, applied once.

    ``made``: there is to be a store already. Raises StoreTooNew for a store with steps that are not
    among these, StoreDamaged for one without any; it is not touched.
    """
    connection = db.conn
    if made and not db["migrations"].exists():
        # A file that lost its tables opens as a new one does.
        raise StoreDamaged("no tables")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations"
        " (name TEXT PRIMARY KEY, applied_at TEXT) WITHOUT ROWID"
    )
    done = {row[0] for row in connection.execute("SELECT name FROM migrations")}
    if later := done - {name for name, _ in MIGRATIONS}:
        # A newer program wrote it: what this one does not know of it would break.
        raise StoreTooNew(", ".join(sorted(later)))
    for name, script in MIGRATIONS:
        if name in done:
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in filter(str.strip, script.split(";\n")):
                connection.execute(statement)
            connection.execute("INSERT INTO migrations VALUES (?, datetime('now'))", [name])
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
