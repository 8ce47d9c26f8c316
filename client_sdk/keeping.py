# SPDX-License-Identifier: Apache-2.0
"""How long a tablet keeps what it gave back: until a second store has it, or a number of days.

What lives here: letting go of the sealed contents of purged households. What must not: purging
(``scope.py``), who holds what (``custody.py``). Invariants
- Contents of households that are held here are never let go: their feeds stay with them.
- What no receipt covers stays for ever. What the district alone has stays for ``KEEP_MS``: it may
  be restored from a backup that is older, and asks for it then.
- It goes once the district says that its upstream or its verified backup has it.
"""

from __future__ import annotations

from client_sdk.custody import BEYOND
from client_sdk.store.base import Store

DAY_MS = 86_400_000
KEEP_MS = 180 * DAY_MS
"""A district that neither has an upstream nor made a backup for half a year."""
_LOOKS = "kept_since"
"""Days on which it was looked, with the newest sealed part there was then."""
LOOKS_MAX = 400


def let_go(store: Store, now_ms: int) -> int:
    """Let sealed parts go that are safe elsewhere; how many. It looks once a day.

    Outside transactions, after an exchange.
    """
    looks: list[list[int]] = store.get(_LOOKS, [])
    if looks and 0 <= now_ms - looks[-1][0] < DAY_MS:
        return 0
    found = store.one("SELECT coalesce(max(id), 0) FROM sealed_parts")
    newest = int(found[0]) if found else 0
    old = max((part for at_ms, part in looks if now_ms - at_ms >= KEEP_MS), default=0)
    needed = _needed(store, old)
    parts = {int(row[0]) for row in store.rows("SELECT id FROM sealed_parts")}
    # The newest stays: its number must not be given again while changes name it.
    gone = sorted(part for part in parts - needed if part < newest)
    with store.noting():
        store.run_many("DELETE FROM sealed_parts WHERE id = ?", ((part,) for part in gone))
        store.put(_LOOKS, [*looks, [now_ms, newest]][-LOOKS_MAX:])
    return len(gone)


def _needed(store: Store, old: int) -> set[int]:
    """Parts that some change is in that is not yet safe; those up to ``old`` were kept long enough
    for whatever has a receipt."""
    marks = ", ".join("?" * len(BEYOND))
    safe: dict[bytes, int] = {}
    for replica, counter in store.rows(
        f"SELECT replica, max(counter) FROM custody WHERE kind IN ({marks}) GROUP BY replica",
        BEYOND,
    ):
        safe[bytes(replica)] = int(counter)
    needed: set[int] = set()
    for replica, counter, receipted, sealed in store.rows(
        "SELECT replica, counter, receipted, sealed FROM feed WHERE sealed IS NOT NULL"
    ):
        if receipted and counter <= safe.get(bytes(replica), 0):
            continue
        numbers = {int.from_bytes(sealed[at : at + 4], "big") for at in range(0, len(sealed), 4)}
        needed |= {number for number in numbers if not receipted or number > old}
    return needed
