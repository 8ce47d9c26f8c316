# SPDX-License-Identifier: Apache-2.0
"""Records in the store: reading them, and keeping what merging made of them.

What lives here: statements over records, their homes, what waits for them. What must not: rules of
merging. Invariants: ``digest`` is that of the record's vector; ``home`` follows from the shown
values, further homes stand in ``record_homes`` while the field ``household`` is in conflict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from client_sdk.store.base import Store
from sync.change import Entry, entry_of, own_tips
from sync.clock import Chains, Dot, Recall, counter_of, replica_of
from sync.packing import Causal, unpack_list, unpack_state
from sync.policy import same_key
from sync.sealing import is_sealed
from sync.session import DIGEST_MASK, HOME_FIELD, home_of, homes_of, record_digest

VALUES_AT_ONCE = 500
"""Values in one IN (…): few statements, each small."""

LISTED = "(SELECT value FROM json_each(?))"
"""The texts that ``Store.run_ids`` hands to a statement."""

_json = msgspec.json.Encoder().encode
from_json = msgspec.json.Decoder().decode


class Row(NamedTuple):
    """One record as it is stored."""

    id: str
    collection: str
    home: str
    conflicts: int
    voided: bool
    causal: bytes
    body: dict[str, Any]


def in_parts(values: Iterable[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Cut values into parts for IN (…): the question marks and the values."""
    todo = list(values)
    for i in range(0, len(todo), VALUES_AT_ONCE):
        part = todo[i : i + VALUES_AT_ONCE]
        yield ",".join("?" * len(part)), part


def causal_of(store: Store, records: Iterable[str]) -> dict[str, tuple[str, bytes]]:
    """Record -> (collection, causal data), for those that are held."""
    found: dict[str, tuple[str, bytes]] = {}
    for marks, part in in_parts(records):
        sql = f"SELECT id, collection, causal FROM records WHERE id IN ({marks})"
        found.update((row[0], (row[1], row[2])) for row in store.run(sql, part))
    return found


def bodies_of(store: Store, records: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Record -> its shown values."""
    found: dict[str, dict[str, Any]] = {}
    for marks, part in in_parts(records):
        sql = f"SELECT id, body FROM records WHERE id IN ({marks})"
        found.update((row[0], from_json(row[1])) for row in store.run(sql, part))
    return found


def row_of(store: Store, record: str) -> Row | None:
    """One record, or None where it is not held."""
    found = store.one(
        "SELECT id, collection, home, conflicts, voided, causal, body FROM records WHERE id = ?",
        (record,),
    )
    return _row(found) if found else None


def rows_where(store: Store, where: str, values: Iterable[Any] = ()) -> list[Row]:
    """Records by a condition that this package wrote; ``values`` fill its question marks."""
    sql = "SELECT id, collection, home, conflicts, voided, causal, body FROM records WHERE " + where
    return [_row(found) for found in store.run(sql, values)]


def _row(found: tuple[Any, ...]) -> Row:
    return Row(
        found[0], found[1], found[2], found[3], bool(found[4]), found[5], from_json(found[6])
    )


class Kept(NamedTuple):
    """A record that merging touched, ready to be kept."""

    record: str
    collection: str
    causal_bytes: bytes
    causal: Causal
    body: dict[str, Any]


def keep_records(store: Store, kept: list[Kept], searched: Collection[str]) -> None:
    """Store what merging made of records. Of these collections search texts are out of date."""
    rows = []
    homes: list[tuple[str, str]] = []
    for item in kept:
        losers = item.causal[4]
        # Two sealed values that bear one mark are equal: both are kept, and are no conflict.
        conflicts = len({f for _, f, v in losers if _differs(item.body, f, v)}) if losers else 0
        voided = bool(item.causal[5]) and _voided(store, item)
        home = home_of(item.record, item.body)
        if any(field == HOME_FIELD for _, field, _ in losers):
            values = [v for _, field, v in losers if field == HOME_FIELD]
            others = homes_of(item.record, [item.body.get(HOME_FIELD), *values]) - {home}
            homes += [(item.record, other) for other in others]
        rows.append(
            (
                item.record,
                item.collection,
                home,
                record_digest(item.record, item.causal[0]),
                conflicts,
                voided,
                item.causal_bytes,
                _json(item.body).decode(),
            )
        )
    store.run_many(
        "INSERT INTO records (id, collection, home, digest, conflicts, voided, causal, body) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "collection = excluded.collection, home = excluded.home, digest = excluded.digest, "
        "conflicts = excluded.conflicts, voided = excluded.voided, causal = excluded.causal, "
        "body = excluded.body",
        rows,
    )
    ids = [item.record for item in kept]
    store.run_ids(f"DELETE FROM record_homes WHERE record IN {LISTED}", ids)
    store.run_many("INSERT INTO record_homes (record, home) VALUES (?, ?)", homes)
    # A home that a record left is noted by a trigger.
    stale = {row[2] for row in rows if row[1] in searched}
    if stale:
        sql = "INSERT OR IGNORE INTO search_stale (home) SELECT value FROM json_each(?)"
        store.run_ids(sql, sorted(stale))


def drop_stale_texts(store: Store) -> None:
    """Take the search texts away that may hold what is no longer there; those of homes that stay
    are made again before the next search."""
    store.run("DELETE FROM search WHERE home IN (SELECT home FROM search_stale)")


def _differs(body: dict[str, Any], field: str, value: Any) -> bool:
    return not is_sealed(value) or same_key(value) != same_key(body.get(field))


def _voided(store: Store, item: Kept) -> bool:
    state = unpack_state(item.causal, item.body)
    return state.voided(Chains(store.forks, state.preds, recalling(store)))


def chains_of(store: Store, causal: Causal) -> Chains:
    """What is known of branches for one packed state."""
    preds = unpack_list(causal[0], causal[7], causal[8])
    return Chains(store.forks, preds, recalling(store))


# -- what waits -------------------------------------------------------------------------------


def waiting_for(store: Store, records: Iterable[str]) -> list[Entry]:
    """Changes of these records that came before what they build on."""
    found: list[Entry] = []
    if store.one("SELECT 1 FROM waiting LIMIT 1") is None:
        return found
    for marks, part in in_parts(records):
        for (d,) in store.rows(f"SELECT dot FROM waiting WHERE record IN ({marks})", part):
            entry = entry_at(store, d)
            if entry is not None:
                found.append(entry)
    return found


def entry_at(store: Store, d: Dot) -> Entry | None:
    """The change a dot names, where its content is here."""
    sql = "SELECT digest, salt, raw FROM feed WHERE replica = ? AND counter = ?"
    for digest, salt, raw in store.rows(sql, (replica_of(d), counter_of(d))):
        if raw is not None and digest[:4] == d[24:]:
            return entry_of(replica_of(d), counter_of(d), salt, raw)
    return None


def recalling(store: Store) -> Recall:
    """What a record's list was cut of, as far as the feeds held here tell it."""

    def recall(d: Dot) -> tuple[Dot, ...] | None:
        entry = entry_at(store, d)
        return None if entry is None else own_tips(entry)

    return recall


def set_waiting(store: Store, records: Iterable[str], entries: Iterable[Entry]) -> None:
    """What waits for these records now, and nothing else."""
    for marks, part in in_parts(records):
        store.run(f"DELETE FROM waiting WHERE record IN ({marks})", part)
    store.run_many(
        "INSERT OR REPLACE INTO waiting (dot, record) VALUES (?, ?)",
        ((e.dot, e.record) for e in entries),
    )


# -- scope ------------------------------------------------------------------------------------


def records_of_homes(store: Store, homes: Collection[str]) -> set[str]:
    """All records that belong to these homes, by any of their siblings."""
    found: set[str] = set()
    for marks, part in in_parts(homes):
        found.update(
            r for (r,) in store.rows(f"SELECT id FROM records WHERE home IN ({marks})", part)
        )
        found.update(
            r
            for (r,) in store.rows(f"SELECT record FROM record_homes WHERE home IN ({marks})", part)
        )
    return found


def homes_of_record(store: Store, record: str) -> set[str]:
    """The homes a held record belongs to; its own id where it is not held."""
    found = {h for (h,) in store.rows("SELECT home FROM records WHERE id = ?", (record,))}
    found |= {h for (h,) in store.rows("SELECT home FROM record_homes WHERE record = ?", (record,))}
    return found or {record}


def scope_digest(store: Store) -> int:
    """48 bits over the homes that are held completely; a record in two of them counts in both."""
    # Two sums, because 48 bits times a large scope would overflow SQLite's integers.
    sql = (
        "SELECT sum(digest & 16777215), sum(digest >> 24) FROM ("
        "SELECT digest FROM records WHERE home IN (SELECT home FROM held) UNION ALL "
        "SELECT r.digest FROM record_homes h JOIN records r ON r.id = h.record "
        "WHERE h.home IN (SELECT home FROM held))"
    )
    found = store.one(sql)
    low, high = (found[0] or 0, found[1] or 0) if found else (0, 0)
    return int(low + (high << 24)) & DIGEST_MASK


def home_digests(store: Store, homes: Iterable[str]) -> dict[str, int]:
    """Home -> the digest over its records; a home without records has 0."""
    out = dict.fromkeys(homes, 0)
    sql = "SELECT home, digest FROM records UNION ALL SELECT h.home, r.digest FROM record_homes h "
    for home, digest in store.run(sql + "JOIN records r ON r.id = h.record"):
        if home in out:
            out[home] = (out[home] + digest) & DIGEST_MASK
    return out


def records_of(store: Store, homes: Iterable[str]) -> dict[str, int]:
    """Record -> its digest, of all records of these homes."""
    out: dict[str, int] = {}
    for marks, part in in_parts(homes):
        out.update(store.rows(f"SELECT id, digest FROM records WHERE home IN ({marks})", part))
        sql = "SELECT r.id, r.digest FROM record_homes h JOIN records r ON r.id = h.record WHERE "
        out.update(store.rows(sql + f"h.home IN ({marks})", part))
    return out


def held_homes(store: Store) -> list[str]:
    """The homes that are held completely, as the server said."""
    return [home for (home,) in store.rows("SELECT home FROM held ORDER BY home")]
