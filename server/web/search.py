# SPDX-License-Identifier: Apache-2.0
"""Search over households and people of the area, by Chinese text or pinyin.

What must not live here: the table that is searched (``lookup``).
"""

from __future__ import annotations

from server.accounts import READ
from server.web import lookup
from server.web.routing import Result, Shown, Visit, page

ROWS = 50


@page("/search", READ, prepare=lookup.prepare)
def search(visit: Visit) -> Result:
    """What fits what was typed; pages go by the order in which they came."""
    typed, after = visit.query("q"), visit.query_number("after") or 0
    holds = visit.store.holds_sql("words")
    visit.purpose = f"search {typed}" if typed else "search"
    with visit.scope() as scoped:
        found = scoped.search(holds, lookup.asked_of(typed), after, ROWS + 1) if typed else []
        behind = lookup.behind(scoped.tx)
        values = {
            "typed": typed,
            "found": found[:ROWS],
            "after": found[ROWS - 1].n if len(found) > ROWS else "",
            "behind": behind,
        }
    return Shown("search.html", values)
