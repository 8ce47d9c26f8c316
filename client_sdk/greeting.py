# SPDX-License-Identifier: Apache-2.0
"""What a tablet shows a teammate first: who it is, what it knows, which households it holds.

What lives here: the greeting, and comparing heads by it. What must not: what is given and taken
afterwards (``meeting.py``). Invariant: heads are compared before anything is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from client_sdk import field_keys, roots
from client_sdk.devices import (
    STATEMENTS_MAX,
    certificate_of,
    own_replicas,
    own_successions,
    statements_for,
    succeed,
    successions_to,
)
from client_sdk.revoked import REVOCATIONS_MAX, revocations_known
from client_sdk.store.base import Store
from client_sdk.store.feeds import known_of, own_point, replicas_held
from client_sdk.watching import told_to_teammate
from sync.decoding import MALFORMED
from sync.errors import MessageMalformed
from sync.feed import Replica
from sync.messages import HOMES_MAX, PROTOCOL, Id, Known, Statement, Statements, encode
from sync.session import DIGEST_MASK, off_my_chain

GREETING_BYTES_MAX = 8 * 1024 * 1024
BLANKS_MAX = 2_000
"""Runs of blanks that are named; a carrier of more is served at the next meeting."""


class Greeting(msgspec.Struct, array_like=True, frozen=True):
    """Who I am, whose certificates I show, what I know of feeds, which households I hold.

    ``everything``: I may read all households. ``homes`` are (home, digest of what I hold of it).
    ``blanks`` are runs (replica, first, last) whose contents I lack. ``revocations`` are the
    district's, as far as I heard. ``logs``: what I know of servers' logs, and field keys for a
    teammate of my own team, by kind of statement.
    """

    protocol: int
    replica: Replica
    team: str
    statements: Annotated[list[bytes], Meta(max_length=512)]
    known: Annotated[list[Known], Meta(max_length=20_000)]
    everything: bool
    homes: Annotated[list[tuple[Id, int]], Meta(max_length=HOMES_MAX)]
    blanks: Annotated[list[tuple[Replica, int, int]], Meta(max_length=BLANKS_MAX)]
    revocations: Annotated[list[bytes], Meta(max_length=REVOCATIONS_MAX)] = []
    logs: Statements = []


_greeting = msgspec.msgpack.Decoder(Greeting)


def greet(store: Store, other: bytes | None = None) -> bytes:
    """What this tablet shows first. ``other``: the replica it speaks to, of whom it shows all it
    heard.

    Raises NotEnrolled.
    """
    certificate = certificate_of(store)
    held = replicas_held(store)
    known: list[Known] = []
    for replica in {*held, *([other] if other else [])}:
        known += known_of(store, replica)
    known += _own_points(store)
    digests = digests_of_homes(store)
    greeting = Greeting(
        PROTOCOL,
        store.chain.replica,
        certificate.team if certificate else "",
        _statements(store, held),
        known,
        bool(store.get("everything", False)),
        [(home, digests.get(home, 0)) for home in sorted(scope_homes(store))],
        _blanks(store),
        revocations_known(store),
        _told(store, other),
    )
    return encode(greeting)


def _told(store: Store, other: bytes | None) -> list[Statement]:
    """The district's keys first: the rest is signed by its present root."""
    found = [*roots.told_to_teammate(store), *told_to_teammate(store)]
    return [*found, *field_keys.told_to_teammate(store, other)]


def _statements(store: Store, held: Sequence[bytes]) -> list[bytes]:
    """What leads to the own keys and to those of the feeds held; certificates do not name the key
    before, so the successions come after them."""
    shown = statements_for(store, [store.chain.replica, *own_replicas(store), *held])
    shown += [*own_successions(store), *successions_to(store, held)]
    return list(dict.fromkeys(shown))[:STATEMENTS_MAX]


def _own_points(store: Store) -> list[Known]:
    """Points of the own feed at 1, 2, 4, 8 … changes back: one who holds less of it than there is
    finds one near its end, and need not give it back from the start.

    None where something was purged of it: what a teammate still holds of that may come back.
    """
    chain, back, out = store.chain, 1, list[Known]()
    sql = "SELECT 1 FROM feed WHERE replica = ? AND own = 1 AND raw IS NULL LIMIT 1"
    if store.one(sql, (chain.replica,)) is not None:
        return out
    while back < chain.counter:
        found = own_point(store, chain.counter - back)
        if found is not None:
            out.append(Known(chain.replica, chain.counter - back, found[0]))
        back *= 2
    return out


def read_greeting(data: bytes) -> Greeting:
    """Read a greeting. Raises MessageMalformed."""
    if len(data) > GREETING_BYTES_MAX:
        raise MessageMalformed("greeting: size")
    try:
        greeting = _greeting.decode(data)
    except MALFORMED as error:
        raise MessageMalformed(f"greeting: {error}") from error
    if greeting.protocol != PROTOCOL:
        raise MessageMalformed("greeting: protocol")
    return greeting


def scope_homes(store: Store) -> set[str]:
    """The homes this tablet holds or was told that it may."""
    sql = "SELECT home FROM assigned"
    if not store.get("scope_given", False):
        sql += " UNION SELECT home FROM held"
    return {home for (home,) in store.rows(sql)}


def digests_of_homes(store: Store) -> dict[str, int]:
    """Home -> digest over its records and the signed states kept of them."""
    sql = (
        "SELECT home, digest FROM records UNION ALL "
        "SELECT h.home, r.digest FROM record_homes h JOIN records r ON r.id = h.record UNION ALL "
        "SELECT r.home, s.digest FROM signed s JOIN records r ON r.id = s.record"
    )
    out: dict[str, int] = {}
    for home, digest in store.rows(sql):
        out[home] = (out.get(home, 0) + digest) & DIGEST_MASK
    return out


def _blanks(store: Store) -> list[tuple[bytes, int, int]]:
    runs: list[tuple[bytes, int, int]] = []
    sql = (
        "SELECT replica, counter FROM feed WHERE raw IS NULL AND own = 0 ORDER BY replica, counter"
    )
    for replica, counter in store.rows(sql):
        if runs and runs[-1][0] == replica and runs[-1][2] >= counter - 1:
            runs[-1] = (replica, runs[-1][1], counter)
        elif len(runs) < BLANKS_MAX:
            runs.append((replica, counter, counter))
    return runs


def compare_heads(store: Store, greeting: Greeting) -> bool:
    """Compare what the other knows of this feed; goes on as a new replica where it is not this
    chain.

    To be called, on both sides, before anything is given; True means: greet again.
    """
    chain = store.chain

    def head_at(counter: int) -> bytes | None:
        found = own_point(store, counter)
        return found[0] if found else None

    def tag_at(counter: int) -> bytes | None:
        found = own_point(store, counter)
        return found[1][:4] if found else None

    if not off_my_chain(greeting.known, chain.replica, chain.counter, head_at, tag_at):
        return False
    with store.transaction():
        succeed(store)
    return True
