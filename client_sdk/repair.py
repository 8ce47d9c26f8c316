# SPDX-License-Identifier: Apache-2.0
"""Self-repair: finding the records in which tablet and district differ, and mending only these.

What lives here: what is asked next, and what is made of the answer; kept in the store, so that a
comparison that breaks off goes on. What must not: merging (``exchange.py``), ranges themselves
(``sync.ranges``). Invariants
- Nothing is wiped and loaded again: the records that differ come from the district and are merged,
  and those that differ still are handed to it as the signed states it lacks.
- Of a home that differs both sides name the digests of their records; what both hold never travels.
- Two sides that cannot agree now (something waits, or is in quarantine there) compare once, not at
  every exchange.
"""

from __future__ import annotations

from typing import NamedTuple

from client_sdk.store.base import Store
from client_sdk.store.feeds import first_unsent
from client_sdk.store.records import (
    held_homes,
    home_digests,
    in_parts,
    records_of,
    scope_digest,
)
from client_sdk.store.signed import handed_of
from sync.messages import ASKED_MAX, REPAIR_MAX, Handed, Reply
from sync.ranges import RECORDS_NAMED_MAX, WHOLE, Scope, Told, named_records

NARROWING, REPAIRING, REPAIRED = "narrowing", "repairing", "repaired"
"""Ranges still to be asked for; homes still to be mended; homes that were, in this comparison."""
LACKED, HANDING = "lacked", "handing"
"""Records of the mended homes that the district does not hold as they are here; those of them that
are to be handed to it."""
HANDED_RECORDS_MAX = 200
"""Records handed over in one request; each brings its page's digests, up to 4 KB."""
DIFFERING = "differing"
"""The two digests of the last comparison that did not end in agreement."""


class Wanted(NamedTuple):
    """What the next request asks for: ranges, and homes to be mended; ``have`` are the digests of
    the records held of these."""

    ask: list[str]
    repair: list[str]
    have: list[int]


def wanted(store: Store) -> Wanted:
    """What to ask next."""
    ask: list[str] = store.get(NARROWING, [])
    repair: list[str] = store.get(REPAIRING, [])
    homes: list[str] = []
    have: list[int] = []
    for home in repair[:REPAIR_MAX]:
        held = records_of(store, [home]).values()
        if homes and len(have) + len(held) > RECORDS_NAMED_MAX:
            break
        homes.append(home)
        have += held
    return Wanted(ask[:ASKED_MAX], homes, have)


def handing(store: Store) -> list[Handed]:
    """The signed states that the district lacks after a repair. Pages that are handed on whole
    anyway are left out."""
    records: list[str] = store.get(HANDING, [])[:HANDED_RECORDS_MAX]
    marks = ",".join("?" * len(records))
    return handed_of(store, f"p.unknown = 0 AND s.record IN ({marks})", records) if records else []


def mark_handed(store: Store, pages: list[bytes]) -> bool:
    """Pages with these signatures were handed on; True where records are left, and go next."""
    left: list[str] = store.get(HANDING, [])
    if not left or not pages:
        return False
    done: set[str] = set()
    for marks, part in in_parts(pages):
        sql = "SELECT s.record FROM pages p JOIN signed s ON s.page = p.id WHERE p.signature IN "
        done |= {record for (record,) in store.rows(f"{sql}({marks})", part)}
    rest = _signed_of(store, [record for record in left if record not in done])
    _put(store, HANDING, rest)
    # Where nothing of them went (a request that brings nothing) there is no asking on at once.
    return 0 < len(rest) < len(left)


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
    if asked.repair:
        theirs = named_records(reply.statements) or ()
        held = records_of(store, asked.repair)
        lacked = [record for record, digest in held.items() if digest not in theirs]
        _put(store, LACKED, list(dict.fromkeys([*store.get(LACKED, []), *lacked])))
    return bool(left or repair)


def compare(store: Store, reply: Reply, *, listed: bool) -> bool:
    """Both sides have said all: do they hold the same? True where a comparison begins or goes on.

    ``listed``: the request listed all homes with their digests, as the district had asked.
    """
    mine = scope_digest(store)
    repaired: list[str] = store.get(REPAIRED, [])
    lacked: list[str] = store.get(LACKED, [])
    _put(store, REPAIRED, [])
    _put(store, LACKED, [])
    if mine == reply.digest:
        _put(store, DIFFERING, None)
        _put(store, HANDING, [])
        return False
    pair = [mine, reply.digest]
    if lacked and _hand_over(store, lacked):
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


def _hand_over(store: Store, records: list[str]) -> bool:
    """What differs after a repair, the district may lack: its signed states go to it, once."""
    signed = _signed_of(store, records)
    _put(store, HANDING, signed)
    return bool(signed)


def _signed_of(store: Store, records: list[str]) -> list[str]:
    """Those of these records of which a state signed by a server is kept."""
    signed: list[str] = []
    for marks, part in in_parts(records):
        sql = f"SELECT DISTINCT record FROM signed WHERE record IN ({marks})"
        signed += [record for (record,) in store.rows(sql, part)]
    return signed


def _put(store: Store, key: str, value: object) -> None:
    if store.get(key) != value and (value or store.get(key)):
        store.put(key, value)
