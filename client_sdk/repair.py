# SPDX-License-Identifier: Apache-2.0
"""Self-repair: finding the homes in which tablet and district differ, and mending only these.

What lives here: what is asked next, and what is made of the answer; kept in the store, so that a
comparison that breaks off goes on. What must not: merging (``exchange.py``), ranges themselves
(``sync.ranges``). Invariants
- Nothing is wiped and loaded again: what differs comes whole from the district and is merged, and
  what differs still is handed to it as the signed states it lacks.
- Two sides that cannot agree now (something waits, or is in quarantine there) compare once, not at
  every exchange.
"""

from __future__ import annotations

from typing import NamedTuple

from client_sdk.store.base import Store
from client_sdk.store.feeds import first_unsent
from client_sdk.store.records import held_homes, home_digests, in_parts, scope_digest
from sync.messages import ASKED_MAX, REPAIR_MAX, Reply
from sync.ranges import WHOLE, Scope, Told

NARROWING, REPAIRING, REPAIRED = "narrowing", "repairing", "repaired"
"""Ranges still to be asked for; homes still to be sent whole; homes that were, in this
comparison."""
DIFFERING = "differing"
"""The two digests of the last comparison that did not end in agreement."""


class Wanted(NamedTuple):
    """What the next request asks for: ranges, and homes to be sent whole."""

    ask: list[str]
    repair: list[str]


def wanted(store: Store) -> Wanted:
    """What to ask next."""
    ask: list[str] = store.get(NARROWING, [])
    repair: list[str] = store.get(REPAIRING, [])
    return Wanted(ask[:ASKED_MAX], repair[:REPAIR_MAX])


def take_told(store: Store, asked: Wanted, reply: Reply) -> bool:
    """Take in what the district told of the ranges asked; True where there is more to ask."""
    if not asked.ask and not asked.repair:
        return False
    left = [name for name in store.get(NARROWING, []) if name not in set(asked.ask)]
    repair = [home for home in store.get(REPAIRING, []) if home not in set(asked.repair)]
    if asked.ask:
        mine = Scope(home_digests(store, held_homes(store)))
        found = mine.compare(asked.ask, Told(reply.told, reply.told_homes))
        left += found.ask
        repair = list(dict.fromkeys([*repair, *found.differ]))
    _put(store, NARROWING, left)
    _put(store, REPAIRING, repair)
    _put(store, REPAIRED, [*store.get(REPAIRED, []), *asked.repair])
    return bool(left or repair)


def compare(store: Store, reply: Reply, *, listed: bool) -> bool:
    """Both sides have said all: do they hold the same? True where a comparison begins or goes on.

    ``listed``: the request listed all homes with their digests, as the district had asked.
    """
    mine = scope_digest(store)
    repaired: list[str] = store.get(REPAIRED, [])
    _put(store, REPAIRED, [])
    if mine == reply.digest:
        _put(store, DIFFERING, None)
        return False
    pair = [mine, reply.digest]
    if repaired and _hand_over(store, repaired):
        _put(store, DIFFERING, pair)
        return True
    if repaired or listed or store.get(DIFFERING) == pair or first_unsent(store):
        _put(store, DIFFERING, pair)
        return False
    if reply.protocol == 1:
        store.put("homes_wanted", True)
    else:
        _put(store, NARROWING, [WHOLE])
    return True


def _hand_over(store: Store, homes: list[str]) -> bool:
    """What differs after a repair, the district may lack: its signed states go to it, once."""
    marked = 0
    for marks, part in in_parts(homes):
        marked += store.run(
            "UPDATE pages SET unknown = 1 WHERE unknown = 0 AND id IN (SELECT s.page FROM signed s"
            f" JOIN records r ON r.id = s.record WHERE r.home IN ({marks}))",
            part,
        ).rowcount
    return marked > 0


def _put(store: Store, key: str, value: object) -> None:
    if store.get(key) != value and (value or store.get(key)):
        store.put(key, value)
