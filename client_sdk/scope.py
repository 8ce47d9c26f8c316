# SPDX-License-Identifier: Apache-2.0
"""Which households this tablet holds, and taking those away that it no longer may.

What lives here: homes entering and leaving, purging. What must not: who decides it (the district).
Invariants: nothing that the server lacks is purged; what a purge takes of changes is kept sealed
to the district; the last own dot on a purged record is remembered (Law 5).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from client_sdk import solved
from client_sdk.blobs import BLOB_FOLDER
from client_sdk.store.base import Store
from client_sdk.store.feeds import FeedRow, rows_where
from client_sdk.store.records import (
    LISTED,
    drop_stale_texts,
    homes_of_record,
    in_parts,
    records_of_homes,
)
from client_sdk.store.signed import drop_bare_pages
from client_sdk.upload import seal_rows
from sync.messages import Notice

SCRUB, FILES_GONE = "scrub", "files_gone"
STRAYS = "strays"
"""Set where a meeting may have brought what is no longer this tablet's."""
"""A purge was committed whose traces in the log are still there; files of attachments to remove."""


def enter(store: Store, homes: Iterable[str]) -> None:
    """These homes are held completely from now on."""
    listed = list(homes)
    store.run_ids("INSERT OR IGNORE INTO held (home) SELECT value FROM json_each(?)", listed)
    store.run_ids(f"DELETE FROM leaving WHERE home IN {LISTED}", listed)


def leave(store: Store, homes: Iterable[str]) -> None:
    """These homes are no longer this tablet's: they are purged as soon as receipts allow it.

    Not so in a simulation that says itself what this tablet holds.
    """
    rows = [(home,) for home in homes]
    store.run_many("DELETE FROM held WHERE home = ?", rows)
    store.run_many("DELETE FROM assigned WHERE home = ?", rows)
    if not store.get("scope_given", False):
        store.run_many("INSERT OR IGNORE INTO leaving (home) VALUES (?)", rows)


def purge_leaving(store: Store) -> int:
    """Purge what is to leave and is held by the server; returns how many records went."""
    homes = [home for (home,) in store.rows("SELECT home FROM leaving")]
    gone = 0
    for home in homes:
        records = _only_in(store, home)
        if is_owed(store, records):
            continue
        purge(store, records)
        store.run("DELETE FROM leaving WHERE home = ?", (home,))
        gone += len(records)
    return gone


def purge_strays(store: Store) -> int:
    """Purge records of homes that are neither held nor assigned; returns how many went.

    A teammate may have shown a household that was taken from this tablet since, or whose copy it
    is: the district does not know that it is here, so it never says that it is to leave. Asked for
    once after each meeting, and until nothing of it is owed.
    """
    if not store.get(STRAYS, False) or store.get("scope_given", False):
        return 0
    sql = (
        "SELECT r.id FROM records r WHERE r.home NOT IN (SELECT home FROM held UNION ALL"
        " SELECT home FROM assigned UNION ALL SELECT home FROM leaving) AND NOT EXISTS"
        " (SELECT 1 FROM record_homes h JOIN held k ON k.home = h.home WHERE h.record = r.id)"
    )
    strays = {record for (record,) in store.rows(sql)}
    gone = {record for record in strays if not is_owed(store, {record})}
    purge(store, gone)
    store.put(STRAYS, gone != strays)
    return len(gone)


def _only_in(store: Store, home: str) -> set[str]:
    """The records of a home that no home which stays has too."""
    staying = {h for (h,) in store.rows("SELECT home FROM held UNION SELECT home FROM assigned")}
    return {
        record
        for record in records_of_homes(store, [home]) | {home}
        if not homes_of_record(store, record) & staying
    }


def is_owed(store: Store, records: set[str]) -> bool:
    """Is something of them only here: a change without receipt, a form half filled in, a state
    that the server lost?"""
    for marks, part in in_parts(records):
        sql = f"SELECT 1 FROM feed WHERE record IN ({marks}) AND own = 1 AND receipted = 0 LIMIT 1"
        if store.one(sql, part) is not None:
            return True
        # Half a visit is the worker's, until it is finished or dropped by hand.
        if store.one(f"SELECT 1 FROM drafts WHERE home IN ({marks}) LIMIT 1", part) is not None:
            return True
        # A server that was set back knows neither the household nor that it signed this state.
        sql = (
            f"SELECT 1 FROM signed s JOIN pages p ON p.id = s.page WHERE s.record IN ({marks})"
            " AND p.unknown = 1 LIMIT 1"
        )
        if store.one(sql, part) is not None:
            return True
    return False


def purge(store: Store, records: set[str]) -> None:
    """Take records away, contents of their changes included, which are kept sealed to the district.

    Inside a transaction. ``secure_delete`` overwrites what the file held of them.
    """
    rows: list[FeedRow] = []
    for marks, part in in_parts(records):
        rows += rows_where(store, f"record IN ({marks}) AND raw IS NOT NULL", part)
    seal_rows(store, [row for row in rows if not row.sealed])
    store.run_many(
        "UPDATE feed SET raw = NULL, salt = NULL, record = NULL "
        "WHERE replica = ? AND counter = ? AND head = ?",
        ((row.replica, row.counter, row.head) for row in rows),
    )
    pages: set[int] = set()
    for marks, part in in_parts(records):
        pages.update(
            p for (p,) in store.rows(f"SELECT page FROM signed WHERE record IN ({marks})", part)
        )
        _forget_files(store, marks, part)
        for table, column in (
            ("signed", "record"),
            ("records", "id"),
            ("record_homes", "record"),
            ("waiting", "record"),
            ("drafts", "home"),
            ("agenda", "home"),
        ):
            store.run(f"DELETE FROM {table} WHERE {column} IN ({marks})", part)
    drop_stale_texts(store)
    drop_bare_pages(store, pages)
    solved.forget(store, set(records))
    for number, raw in store.rows("SELECT id, notice FROM notices"):
        # What was told of them repeats their values.
        if msgspec.msgpack.decode(raw, type=Notice).record in records:
            store.run("DELETE FROM notices WHERE id = ?", (number,))
    store.put(SCRUB, True)


def _forget_files(store: Store, marks: str, records: list[str]) -> None:
    """Photos and sounds of these records that the district has: their files go after the commit."""
    sql = f"SELECT name FROM blobs WHERE done = 1 AND record IN ({marks})"
    names = [name for (name,) in store.rows(sql, records)]
    store.put(FILES_GONE, [*store.get(FILES_GONE, []), *names])
    store.run(f"DELETE FROM blobs WHERE done = 1 AND record IN ({marks})", records)


def scrub(store: Store) -> None:
    """After a purge was committed: nothing of it stays, in the log or beside the store.

    Outside transactions. ``secure_delete`` has overwritten it in the file already; the write-ahead
    log still has the pages as they were. A purge that is interrupted before this is scrubbed later.
    """
    if not store.get(SCRUB, False):
        return
    for name in store.get(FILES_GONE, []):
        (store.directory / BLOB_FOLDER / name).unlink(missing_ok=True)
    with store.transaction():
        store.put(FILES_GONE, [])
        store.put(SCRUB, False)
    store.run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
