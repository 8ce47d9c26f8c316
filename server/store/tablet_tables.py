# SPDX-License-Identifier: Apache-2.0
"""What the life of a tablet adds to the tables: copies, wipes, leases, since when homes were held.

What must not live here: queries. Invariant: a released step is never changed.
"""

TABLES_TABLETS = """
ALTER TABLE devices ADD COLUMN copy_of TEXT;
ALTER TABLE devices ADD COLUMN wiped BLOB;
ALTER TABLE devices ADD COLUMN wiped_at_ms INTEGER;
ALTER TABLE devices ADD COLUMN leased INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_keys ADD COLUMN parent BLOB;
ALTER TABLE device_keys ADD COLUMN written INTEGER NOT NULL DEFAULT 0;
ALTER TABLE held ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;
CREATE TABLE held_before (device TEXT NOT NULL, home TEXT NOT NULL, since_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL, PRIMARY KEY (device, home, since_ms)) WITHOUT ROWID;
"""
"""``device_keys.parent`` is the key a key succeeds; ``written`` how far its tablet said it had
written where less is held; ``devices.wiped`` the proof of a wipe, ``copy_of`` the tablet whose
store was copied; ``held_before`` the homes a tablet gave back."""

TABLES_MOVED = """
ALTER TABLE marks ADD COLUMN worker TEXT NOT NULL DEFAULT '';
ALTER TABLE marks ADD COLUMN team TEXT NOT NULL DEFAULT '';
ALTER TABLE marks ADD COLUMN collection TEXT NOT NULL DEFAULT '';
"""
"""Whose the work is that a mark tells of."""

TABLES_MACHINE = """
ALTER TABLE devices ADD COLUMN used_bytes INTEGER;
ALTER TABLE devices ADD COLUMN free_bytes INTEGER;
"""
"""What a tablet told of the room on it; ``devices.version`` is what it told of its program."""
