# SPDX-License-Identifier: Apache-2.0
"""What several reports count from: live households, needs and their moments.

What lives here: sources and conditions in SQL. What must not: figures. Invariant: a household that
was joined into another is counted there, not here (``f.own = f.home``).
"""

from __future__ import annotations

from server.reports.define import Source, listed
from sync.collections.need import SOLVED
from sync.collections.visit import REACHED

REACHED_SQL = f"outcome IN ({listed(REACHED)})"
# A need that says no stage is not solved, neither is it "unknown", which no condition would count.
SOLVED_SQL = f"coalesce(f.status, '') IN ({listed(SOLVED)})"
SOLVED_MS = (
    "coalesce(CASE WHEN f.reopened_count > 0 THEN f.handled_at_ms END, f.solved_at_ms,"
    " f.confirmed_at_ms, f.closed_at_ms, f.handled_at_ms)"
)
"""When a need that is solved was: of one that had been reopened, when it was last worked on."""
OPEN_AT_END = f"NOT ({SOLVED_SQL} AND coalesce({SOLVED_MS}, 0) < :end_ms)"
FOUND_BY_END = "coalesce(f.found_at_ms, 0) < :end_ms"

HOUSEHOLDS = Source("facts_household f", "f.own = f.home")
NEEDS_OPEN = Source("facts_need f", f"{FOUND_BY_END} AND {OPEN_AT_END}")
VISITS = Source("facts_visit f", "f.at_ms >= :start_ms AND f.at_ms < :end_ms")
BEST = (
    "(SELECT v.home AS home, max(CASE v.outcome WHEN 'met' THEN 4 WHEN 'by_other' THEN 4"
    " WHEN 'refused' THEN 3 WHEN 'moved' THEN 2 ELSE 1 END) AS best FROM facts_visit v"
    " WHERE v.at_ms >= :start_ms AND v.at_ms < :end_ms GROUP BY v.home)"
)
"""The best that came of all visits of a household in the days: 4 reached, 3 refused, 2 moved."""
COVERED = Source(f"facts_household f LEFT JOIN {BEST} b ON b.home = f.home", "f.own = f.home")


def last_reached(before: str) -> str:
    """Household and moment of the last visit that reached someone before a moment."""
    return (
        "(SELECT v.home AS home, max(v.at_ms) AS last_ms FROM facts_visit v"
        f" WHERE v.{REACHED_SQL} AND v.at_ms < {before} GROUP BY v.home)"
    )
