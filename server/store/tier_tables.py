# SPDX-License-Identifier: Apache-2.0
"""The tables of tiers: keys of others, links to other servers, what each of them holds.

What lives here: the tables, as one migration. What must not: queries. Invariants
- ``known_keys`` holds only keys whose statement leads to this server's own key, in the order in
  which they were learned: each rests on one before it.
- ``peer_points`` are the ends of feeds that another server holds, by its own word: ``offered`` ones
  were sent to it and count when its next sum says so.
"""

from __future__ import annotations

TABLES_TIERS = """
CREATE TABLE known_keys (replica BLOB PRIMARY KEY, n INTEGER NOT NULL, public BLOB NOT NULL,
  box_public BLOB NOT NULL, parent BLOB NOT NULL, role TEXT NOT NULL, line TEXT NOT NULL,
  device TEXT NOT NULL, name TEXT NOT NULL, team TEXT NOT NULL, area TEXT NOT NULL,
  statement BLOB NOT NULL, since_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE peer_points (peer TEXT NOT NULL, replica BLOB NOT NULL, counter INTEGER NOT NULL,
  head BLOB NOT NULL, offered INTEGER NOT NULL, PRIMARY KEY (peer, replica, counter, head))
  WITHOUT ROWID;
CREATE TABLE links (server BLOB PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,
  public BLOB NOT NULL, box_public BLOB NOT NULL, addresses TEXT NOT NULL, pin BLOB NOT NULL,
  certificate BLOB NOT NULL, area TEXT NOT NULL, since_ms INTEGER NOT NULL, nonce BLOB NOT NULL,
  feed BLOB NOT NULL, incarnation BLOB NOT NULL, seq INTEGER NOT NULL, after TEXT NOT NULL,
  told_incarnation BLOB NOT NULL, told_seq INTEGER NOT NULL,
  up_seq INTEGER NOT NULL, compare INTEGER NOT NULL, tried_at_ms INTEGER, met_at_ms INTEGER,
  code TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE moved_homes (home TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
ALTER TABLE devices ADD COLUMN role TEXT NOT NULL DEFAULT 'tablet';
ALTER TABLE devices ADD COLUMN area TEXT NOT NULL DEFAULT '';
ALTER TABLE joined_states ADD COLUMN arrived_seq INTEGER NOT NULL DEFAULT 0;
CREATE INDEX segments_by_seq ON segments (seq);
CREATE INDEX assignments_by_target ON assignments (target);
"""

TABLES_LEFT = """
CREATE TABLE left_areas (home TEXT NOT NULL, area TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (home, area)) WITHOUT ROWID;
CREATE INDEX left_areas_by_area ON left_areas (area, seq);
"""
"""Households that were in an area and moved: the server of that area is to hear of it once."""
