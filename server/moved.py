# SPDX-License-Identifier: Apache-2.0
"""Work that arrived on households which had moved to another team meanwhile: whose it is.

What lives here: reading the marks, and the SQL view ``moved_work``. What must not: marking, which
is part of taking work in. Invariant: a mark changes nothing of the work: it is merged and counted
once, under the worker who did it.
"""

from __future__ import annotations

from typing import NamedTuple

from server.store.base import Transaction

VIEW = "moved_work"
VIEW_SQL = (
    'SELECT m.record AS "id", m.home AS "home", m.collection AS "collection",'
    ' m.worker AS "worker", coalesce(w.name, m.worker) AS "worker_name", m.team AS "team",'
    ' m.at_ms AS "at_ms" FROM marks m LEFT JOIN workers w ON w.id = m.worker'
    " WHERE m.kind = 'reassigned'"
)
"""One line for each change: what was written, by whom, for which team, and when it arrived."""


class Moved(NamedTuple):
    """One change on a household that was another team's when it arrived."""

    record: str
    home: str
    collection: str
    worker: str
    worker_name: str
    team: str
    at_ms: int


def moved_work(tx: Transaction, limit: int = 200) -> list[Moved]:
    """The newest of this work, newest first."""
    found = tx.rows(VIEW_SQL + " ORDER BY m.at_ms DESC, m.record LIMIT ?", [limit])
    return [Moved(*row) for row in found]
