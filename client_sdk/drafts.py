# SPDX-License-Identifier: Apache-2.0
"""What is being entered and not yet a record: kept in the encrypted store at every step.

What lives here: drafts, kept and found again. What must not: what a form's values mean. Invariants:
a draft has the id that its record will have, so that a photo can name the visit before it is
written, and a draft that is finished twice (the app was killed in between) makes one record; drafts
are never sent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from client_sdk.errors import EntryRefused
from client_sdk.store.base import Store
from client_sdk.store.records import from_json
from sync.change import sortable_text

DRAFT_BYTES_MAX = 64 * 1024
"""As large as the change it becomes (``sync.change``)."""


class Draft(NamedTuple):
    """An unfinished entry: its future record's id, household, kind, worker, time and values."""

    id: str
    home: str
    kind: str
    worker: str
    at_ms: int
    values: dict[str, Any]


def new_id(store: Store, now_ms: int) -> str:
    """An id for a record that is still to be written, in the place where its writer's others lie.

    As ``sync.change.new_record_id``, with randomness where that has a digest of the change.
    """
    stamp = (now_ms & 0xFFFF_FFFF_FFFF).to_bytes(6, "big")
    return sortable_text(store.chain.replica[:4] + stamp + store.entropy(6))


def keep(store: Store, draft: Draft) -> None:
    """Keep a draft durably, in place of what it was. Raises EntryRefused beyond the limit."""
    body = msgspec.json.encode(draft.values).decode()
    if len(body.encode()) > DRAFT_BYTES_MAX:
        raise EntryRefused([])
    with store.transaction():
        store.run(
            "INSERT OR REPLACE INTO drafts (id, home, kind, worker, at_ms, body) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (draft.id, draft.home, draft.kind, draft.worker, draft.at_ms, body),
        )


def find(store: Store, draft: str) -> Draft | None:
    """A draft by its id."""
    sql = "SELECT id, home, kind, worker, at_ms, body FROM drafts WHERE id = ?"
    row = store.one(sql, (draft,))
    return _draft(row) if row else None


def listed(store: Store, home: str | None = None) -> list[Draft]:
    """All drafts, or those of one household, the newest first."""
    sql = "SELECT id, home, kind, worker, at_ms, body FROM drafts"
    sql += " WHERE home = ?" if home is not None else ""
    rows = store.rows(sql + " ORDER BY at_ms DESC, id", () if home is None else (home,))
    return [_draft(row) for row in rows]


def drop(store: Store, draft: str) -> None:
    """Forget a draft."""
    with store.transaction():
        store.run("DELETE FROM drafts WHERE id = ?", (draft,))


def _draft(row: tuple[Any, ...]) -> Draft:
    return Draft(row[0], row[1], row[2], row[3], row[4], from_json(row[5]))
