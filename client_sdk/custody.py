# SPDX-License-Identifier: Apache-2.0
"""Where each change of this tablet is: here, carried by someone, at a server, in a backup.

What lives here: remembering who was heard to hold how much of the own feeds, and asking it. What
must not: receipts' signatures, showing. Invariants
- A place is noted only on evidence: a greeting that shows the head, or a signed receipt; what was
  merely given is not yet anywhere.
- A place holds a feed up to a point; a point that is not on this chain is no evidence.
- A server that was set back holds what it says now, not what it once said.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from client_sdk.devices import name_of
from client_sdk.store.base import Store
from client_sdk.store.feeds import has_head
from client_sdk.views import Custody, Place
from sync.change import decode_change
from sync.feed import HEAD_BYTES
from sync.messages import Known

TABLET, CARRIED, DISTRICT = "tablet", "carried", "district"
"""Kinds of places in the order a change goes, by what this tablet itself heard."""
BEYOND = ("above", "city", "province", "backup")
"""Kinds of places behind the district, by its word."""
CHANGES_SHOWN_MAX = 1_000


def note(store: Store, kind: str, holder: bytes, points: Iterable[Known], at_ms: int) -> None:
    """``holder`` was heard to hold these points; those of own feeds are kept. In a transaction."""
    for point in points:
        if len(point.mark) != HEAD_BYTES or not point.counter or not _is_own(store, point):
            continue
        store.run(
            "INSERT INTO custody (kind, holder, replica, counter, at_ms) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (kind, holder, replica) DO UPDATE SET counter = excluded.counter,"
            " at_ms = excluded.at_ms WHERE excluded.counter > counter",
            (kind, holder, point.replica, point.counter, at_ms),
        )


def replace(
    store: Store, places: Iterable[tuple[str, bytes, bytes, int, bytes]], at_ms: int
) -> None:
    """The district said where else own feeds are; what it said before counts no more.

    ``places`` are (kind, holder, replica, counter, head). In a transaction.
    """
    marks = ", ".join("?" * len(BEYOND))
    before = {
        row[:4]: row[4]
        for row in store.rows(
            f"SELECT kind, holder, replica, counter, at_ms FROM custody WHERE kind IN ({marks})",
            BEYOND,
        )
    }
    store.run(f"DELETE FROM custody WHERE kind IN ({marks})", BEYOND)
    for kind, holder, replica, counter, head in places:
        if kind in BEYOND:
            heard_ms = before.get((kind, holder, replica, counter), at_ms)
            note(store, kind, holder, [Known(replica, counter, head)], heard_ms)


def _is_own(store: Store, point: Known) -> bool:
    sql = "SELECT 1 FROM replicas WHERE replica = ?"
    return store.one(sql, (point.replica,)) is not None and has_head(
        store, point.replica, point.counter, point.mark
    )


def _rows(store: Store, record: str | None, limit: int, offset: int) -> list[tuple[Any, ...]]:
    """Rows of own feeds, the present one's last first, then those of earlier keys."""
    sql = "SELECT replica, counter, record, raw, receipted FROM feed WHERE own = 1 AND "
    if record is not None:
        found = sql + "record = ? ORDER BY counter DESC LIMIT ? OFFSET ?"
        return store.rows(found, (record, limit, offset))
    # One replica at a time: over all of them every change there is would have to be sorted.
    every = [row[0] for row in store.rows("SELECT replica FROM replicas")]
    every.sort(key=lambda replica: replica != store.chain.replica)
    out: list[tuple[Any, ...]] = []
    for replica in every:
        if len(out) == limit:
            break
        part = sql + "replica = ? ORDER BY counter DESC LIMIT ? OFFSET ?"
        rows = store.rows(part, (replica, limit - len(out), offset))
        if not rows and offset:
            held = store.one("SELECT count(*) FROM feed WHERE own = 1 AND replica = ?", (replica,))
            offset -= int(held[0]) if held else 0
        else:
            offset = 0
        out += rows
    return out


def custody_of(
    store: Store, record: str | None = None, limit: int = CHANGES_SHOWN_MAX, offset: int = 0
) -> list[Custody]:
    """The newest changes written here, newest first, each with all places it is known to be at.

    ``record``: only those of this record; ``offset``: after so many. Where the content was purged,
    only its place is known.
    """
    rows = _rows(store, record, min(limit, CHANGES_SHOWN_MAX), offset)
    held: dict[bytes, list[tuple[str, bytes, int, int]]] = {}
    for kind, holder, replica, counter, at_ms in store.rows(
        "SELECT kind, holder, replica, counter, at_ms FROM custody ORDER BY at_ms"
    ):
        held.setdefault(replica, []).append((kind, holder, counter, at_ms))
    out = []
    for replica, counter, named, raw, receipted in rows:
        places = [Place(TABLET, "", None)] if raw is not None else []
        for kind, holder, upto, at_ms in held.get(replica, []):
            # What a district was set back behind, its receipts no longer cover.
            if counter <= upto and (kind != DISTRICT or receipted):
                places.append(Place(kind, name_of(store, holder) or holder.hex()[:8], at_ms))
        if receipted and not any(place.kind == DISTRICT for place in places):
            places.append(Place(DISTRICT, "", None))
        change = decode_change(raw) if raw is not None else None
        out.append(
            Custody(
                replica.hex(),
                counter,
                named or "",
                change.collection if change else "",
                (*change.names, *(f for _, f, _ in change.others if f)) if change else (),
                change.worker if change else "",
                change.stamp_ms if change else 0,
                tuple(places),
            )
        )
    return out
