# SPDX-License-Identifier: Apache-2.0
"""An officer's word that two households are one, or that they are not; and taking it back.

What lives here: the changes that say so, and reading a household with what was joined into it. What
must not: proposals (``duplicates.py``). Invariants
- Joining is a change that sets ``joined_into``; nothing that refers to either is rewritten.
- Teams that hold one of two joined households hold both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from server.errors import JoinRefused, NotFound
from server.history import Stored, known_forks, stored_record
from server.own import Write
from server.reports.folding import DONE_SEQ
from server.scope import add_home
from server.store.base import Transaction
from server.store.walking import walk
from sync.change import ADD
from sync.joining import JOINED_INTO, JOINED_SEEN, Joins, combined, joins, seen_text
from sync.policy import FieldShown, shown_fields
from sync.schema import Schema

CHANGED_MAX = 5_000
"""Homes that changed since the figures took them in, up to which those alone are looked through."""


class Both(NamedTuple):
    """Two households as they stand, and one as it is shown with all that was joined into it."""

    one: dict[str, Any]
    two: dict[str, Any]
    shown: dict[str, FieldShown]


class _Joined(msgspec.Struct):
    joined_into: Any = None


_joined = msgspec.json.Decoder(_Joined).decode


def joins_in(tx: Transaction) -> Joins:
    """All joins of the record."""
    found: dict[str, str | None] = {}
    for part in _likely(tx):
        for _, record, body in part:
            into = _joined(body).joined_into
            if isinstance(into, str) and into:
                found[str(record)] = into
    return joins(found)


def _likely(tx: Transaction) -> Iterable[list[tuple[Any, ...]]]:
    """Households among which are all that were joined away: those of which the figures know it,
    void ones, which they leave out, and what they have not taken in yet; else simply all."""
    sql = "SELECT r.n, r.id, r.body FROM records r WHERE r.kind = ?"
    kind = tx.kind_of("household")
    homes: set[int] | None = None
    if "facts_household" in tx.relations():
        homes = _not_taken_in(tx)
    if homes is None:
        return walk(tx, sql, [kind])
    for known in (
        "SELECT own FROM facts_household WHERE joined_into <> ''",
        "SELECT n FROM facts_home EXCEPT SELECT own FROM facts_household",
    ):
        homes.update(int(row[0]) for row in tx.rows(known))
    return [tx.rows_in(f"{sql} AND r.home IN (?*)", sorted(homes), [kind])]


def _not_taken_in(tx: Transaction) -> set[int] | None:
    """Homes that changed since the figures took in the record; None where that is most of them."""
    done = tx.rows("SELECT value FROM meta WHERE key = ?", [DONE_SEQ])
    changed = tx.rows(
        "SELECT n FROM homes WHERE seq > ? LIMIT ?",
        [int(done[0][0]) if done else 0, CHANGED_MAX + 1],
    )
    return {int(row[0]) for row in changed} if len(changed) <= CHANGED_MAX else None


def _household(tx: Transaction, home: str) -> Stored:
    stored = stored_record(tx, home)
    if stored is None or stored.collection != "household":
        raise NotFound("household")
    return stored


def _way(tx: Transaction, home: str) -> list[str]:
    """A household and all that it was joined into, one after the other."""
    way = [home]
    while (stored := stored_record(tx, way[-1])) is not None:
        into = stored.body.get(JOINED_INTO)
        if not into or into in way:
            break
        way.append(str(into))
    return way


def joining(tx: Transaction, away: str, into: str) -> list[Write]:
    """The change that joins ``away`` into ``into``. Raises NotFound, JoinRefused for a circle."""
    seen, _ = _household(tx, away), _household(tx, into)
    if away in _way(tx, into):
        raise JoinRefused("they would be joined in a circle")
    sets: dict[str, Any] = {JOINED_INTO: into, JOINED_SEEN: seen_text(seen.vector)}
    return [("household", away, sets, [])]


def parting(tx: Transaction, away: str) -> list[Write]:
    """The change that takes a join back. Raises NotFound, JoinRefused where there is none."""
    if not _household(tx, away).body.get(JOINED_INTO):
        raise JoinRefused("it is joined into none")
    return [("household", away, {JOINED_INTO: None, JOINED_SEEN: None}, [])]


def telling_apart(tx: Transaction, one: str, two: str) -> list[Write]:
    """The change that says that two are different households. Raises NotFound."""
    for home in (one, two):
        _household(tx, home)
    return [("household", one, {}, [(ADD, "known_apart", [two])])]


def share_teams(tx: Transaction, one: str, two: str, now_ms: int) -> None:
    """Give each team that holds one of two households the other one too."""
    for home, other in ((one, two), (two, one)):
        for (team,) in tx.rows("SELECT team FROM assigned WHERE home = ?", [home]):
            add_home(tx, team, other, now_ms)


def both(tx: Transaction, schema: Schema, one: str, two: str) -> Both:
    """Two households, and the survivor as it is shown. Raises NotFound."""
    first, second = _household(tx, one), _household(tx, two)
    found = joins_in(tx)
    survivor = found.of(one) if found.of(one) == found.of(two) else one
    kept = _household(tx, survivor)
    aliases = [_household(tx, alias) for alias in found.aliases(survivor)]
    forks = set(known_forks(tx))
    state = combined(kept.state, [(a.state, a.body.get(JOINED_SEEN)) for a in aliases], forks)
    return Both(first.body, second.body, shown_fields(state, schema, "household"))


def as_joined(tx: Transaction, schema: Schema, away: str, into: str) -> Both:
    """Two households, and what the second would show if the first were joined into it now.

    Raises NotFound.
    """
    first, second = _household(tx, away), _household(tx, into)
    seen = seen_text(first.vector)
    state = combined(second.state, [(first.state, seen)], set(known_forks(tx)))
    return Both(first.body, second.body, shown_fields(state, schema, "household"))
