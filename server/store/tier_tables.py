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

TABLES_PASSED = """
CREATE TABLE relayed_blobs (server BLOB NOT NULL, name TEXT NOT NULL, PRIMARY KEY (server, name))
  WITHOUT ROWID;
CREATE TABLE reach_marks (server BLOB NOT NULL, own_seq INTEGER NOT NULL,
  their_seq INTEGER NOT NULL, PRIMARY KEY (server, own_seq)) WITHOUT ROWID;
CREATE TABLE reaches (server BLOB NOT NULL, kind TEXT NOT NULL, holder BLOB NOT NULL,
  seq INTEGER NOT NULL, PRIMARY KEY (server, kind, holder)) WITHOUT ROWID;
CREATE TABLE heard_revocations (replica BLOB PRIMARY KEY, issuer BLOB NOT NULL,
  statement BLOB NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX heard_revocations_by_seq ON heard_revocations (seq);
"""
"""``relayed_blobs``: attachments a server has by its own word. ``reach_marks``: what was here up to
``own_seq`` is among its commits up to ``their_seq``; ``reaches``: where its commits are, by its
word. ``heard_revocations`` are the tree's, own ones among them, in the order they were heard."""
