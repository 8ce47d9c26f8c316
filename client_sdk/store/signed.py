# SPDX-License-Identifier: Apache-2.0
"""States as servers signed them: kept until another signed one covers them.

What lives here: statements over pages and their states. What must not: checking signatures.
Invariants: per record every signed state stays that no other covers; a page's digests stay as long
as one of its states does, since its signature is over them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from client_sdk.store.base import Store
from client_sdk.store.records import chains_of, in_parts
from sync.clock import DOT_BYTES, Chains, VersionVector, dots_of
from sync.messages import Handed, decode_state
from sync.packing import Causal, decode_causal
from sync.session import SignedStates


class Signed(NamedTuple):
    """One signed state on its way into the store."""

    record: str
    page: int
    place: int
    digest: int
    raw: bytes
    causal: Causal


def add_page(store: Store, page: SignedStates, *, unknown: bool) -> int:
    """Keep a page's digests and signature; returns its number here.

    ``unknown``: the own server may not know that it signed this (it was set back, or is another).
    """
    store.run(
        "INSERT OR IGNORE INTO pages (server, incarnation, seq, digests, signature, unknown) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (page.server, page.incarnation, page.seq, page.digests, page.signature, unknown),
    )
    found = store.one("SELECT id FROM pages WHERE signature = ?", (page.signature,))
    return int(found[0]) if found else 0


def plainly_covers(causal: Causal, vector: bytes) -> bool:
    """Does a state surely cover a vector, whatever forks: is each tip one of the dots it lists?"""
    held, older = causal[0], causal[7]
    if held == vector:
        return True
    return all(_lists(held, d) or _lists(older, d) for d in dots_of(vector))


def _lists(packed: bytes, d: bytes) -> bool:
    at = packed.find(d)
    while at >= 0:
        if at % DOT_BYTES == 0:
            return True
        at = packed.find(d, at + 1)
    return False


def keep_signed(store: Store, states: list[Signed]) -> None:
    """Keep signed states that no kept one covers; drop those they cover."""
    held: dict[str, list[tuple[int, bytes]]] = {}
    for marks, part in in_parts({s.record for s in states}):
        sql = f"SELECT record, page, vector FROM signed WHERE record IN ({marks})"
        for record, page, vector in store.run(sql, part):
            held.setdefault(record, []).append((page, vector))
    add: dict[tuple[str, int], Signed] = {}
    drop: set[tuple[str, int]] = set()
    for state in states:
        kept = held.setdefault(state.record, [])
        if any(_covered_by(store, add, state, page, vector) for page, vector in kept):
            continue
        for page, vector in list(kept):
            if _covers(store, state.causal, vector):
                kept.remove((page, vector))
                if add.pop((state.record, page), None) is None:
                    drop.add((state.record, page))
        kept.append((state.page, state.causal[0]))
        add[state.record, state.page] = state
    store.run_many("DELETE FROM signed WHERE record = ? AND page = ?", drop)
    store.run_many(
        "INSERT OR REPLACE INTO signed (record, page, place, digest, vector, raw) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        ((s.record, s.page, s.place, s.digest, s.causal[0], s.raw) for s in add.values()),
    )
    if drop:
        drop_bare_pages(store, {page for _, page in drop})


def drop_bare_pages(store: Store, pages: Iterable[int]) -> None:
    """Forget pages none of whose states are kept."""
    store.run_many(
        "DELETE FROM pages WHERE id = ? AND NOT EXISTS "
        "(SELECT 1 FROM signed WHERE page = pages.id)",
        ((page,) for page in pages),
    )


def _covers(store: Store, causal: Causal, vector: bytes) -> bool:
    if plainly_covers(causal, vector):
        return True
    return VersionVector(causal[0]).covers_all(VersionVector(vector), chains_of(store, causal))


def _covered_by(
    store: Store, add: dict[tuple[str, int], Signed], state: Signed, page: int, vector: bytes
) -> bool:
    if vector == state.causal[0]:
        return True
    mine, theirs = VersionVector(state.causal[0]), VersionVector(vector)
    # By counters alone first: a vector that reaches less covers nothing, and that is the rule.
    if any(max((t[16:24] for t in theirs.of(d[:16])), default=b"") < d[16:24] for d in mine.dots()):
        return False
    other = add.get((state.record, page))
    if other is None:
        found = store.one(
            "SELECT raw FROM signed WHERE record = ? AND page = ?", (state.record, page)
        )
        causal = decode_causal(bytes(decode_state(found[0]).causal)) if found else None
    else:
        causal = other.causal
    chains = chains_of(store, causal) if causal else Chains(store.forks, {})
    return theirs.covers_all(mine, chains)


def handed_of(store: Store, where: str, values: Iterable[object]) -> list[Handed]:
    """Signed states as they are handed on, page by page; ``where`` is over pages p and signed s."""
    sql = (
        "SELECT p.id, p.server, p.incarnation, p.seq, p.digests, p.signature, s.place, s.raw "
        "FROM signed s JOIN pages p ON p.id = s.page WHERE " + where + " ORDER BY p.id, s.place"
    )
    out: dict[int, Handed] = {}
    for number, server, incarnation, seq, digests, signature, place, raw in store.run(sql, values):
        if number not in out:
            out[number] = Handed(server, incarnation, seq, digests, signature, [])
        out[number].states.append((place, raw))
    return list(out.values())
