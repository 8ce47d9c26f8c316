# SPDX-License-Identifier: Apache-2.0
"""Two tablets meet: each shows what it knows, then gives what the other lacks and may read.

What lives here: the greeting, what is given (``sync.messages.Meeting``), what is taken. What must
not: the radio or cable between them: the messages are bytes, whatever carries them.

Invariants: heads are compared before anything is joined; a teammate reads only what belongs to
households it holds; everything else of a feed goes as digests, with its content sealed to the
district; nothing is taken of a writer whose key does not lead to the district.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from client_sdk.devices import (
    PAGE,
    SEGMENT,
    certificate_of,
    learn,
    own_replicas,
    statements_for,
    succeed,
    verifier,
)
from client_sdk.errors import MeetingRefused
from client_sdk.exchange import take_states
from client_sdk.merging import merge
from client_sdk.store.base import Store
from client_sdk.store.feeds import (
    FeedRow,
    add_carried,
    add_head,
    add_part,
    has_head,
    known_of,
    numbered,
    own_point,
    replicas_held,
)
from client_sdk.store.records import homes_of_record
from client_sdk.store.signed import handed_of
from client_sdk.upload import blanks_filled, for_teammate
from sync.change import Entry
from sync.clock import counter_of
from sync.errors import MessageMalformed
from sync.feed import Partial, Replica, next_head, verify_partial
from sync.messages import (
    HOMES_MAX,
    PROTOCOL,
    Handed,
    Id,
    Known,
    Meeting,
    decode_meeting,
    decode_state,
    encode,
)
from sync.schema import Schema
from sync.session import DIGEST_MASK, off_my_chain, open_handed

GREETING_BYTES_MAX = 8 * 1024 * 1024
BLANKS_MAX = 2_000
"""Runs of blanks that are named; a carrier of more is served at the next meeting."""


class Greeting(msgspec.Struct, array_like=True, frozen=True):
    """Who I am, whose certificates I show, what I know of feeds, which households I hold.

    ``everything``: I may read all households. ``homes`` are (home, digest of what I hold of it).
    ``blanks`` are runs (replica, first, last) whose contents I lack.
    """

    protocol: int
    replica: Replica
    team: str
    statements: Annotated[list[bytes], Meta(max_length=512)]
    known: Annotated[list[Known], Meta(max_length=20_000)]
    everything: bool
    homes: Annotated[list[tuple[Id, int]], Meta(max_length=HOMES_MAX)]
    blanks: Annotated[list[tuple[Replica, int, int]], Meta(max_length=BLANKS_MAX)]


class Taken(NamedTuple):
    """What a meeting brought: changes readable here, changes carried, records that changed."""

    changes: int
    carried: int
    records: int
    succeeded: bool


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
    digests = _digests(store)
    greeting = Greeting(
        PROTOCOL,
        store.chain.replica,
        certificate.team if certificate else "",
        statements_for(store, [store.chain.replica, *own_replicas(store), *held]),
        known,
        bool(store.get("everything", False)),
        [(home, digests.get(home, 0)) for home in sorted(scope_homes(store))],
        _blanks(store),
    )
    return encode(greeting)


def read_greeting(data: bytes) -> Greeting:
    """Read a greeting. Raises MessageMalformed."""
    if len(data) > GREETING_BYTES_MAX:
        raise MessageMalformed("greeting: size")
    try:
        greeting = _greeting.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
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


def _digests(store: Store) -> dict[str, int]:
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


def give(store: Store, greeting: Greeting) -> bytes:
    """What this tablet gives the one that greeted: an encoded ``Meeting``.

    Raises PeerUnknown where the other's certificate does not lead to the district.
    """
    with store.transaction():
        learn(store, greeting.statements)
        if not _is_known(store, greeting.replica):
            raise MeetingRefused("no certificate shown")
        readable = _readable(store, greeting)
        partials = for_teammate(store, greeting.known, readable)
        partials += blanks_filled(store, greeting.blanks, readable)
        chain = store.chain
        meeting = Meeting(
            PROTOCOL,
            chain.replica,
            chain.counter,
            chain.head,
            [],
            partials,
            _handed(store, greeting, readable),
        )
    return encode(meeting)


def _is_known(store: Store, replica: bytes) -> bool:
    return store.one("SELECT 1 FROM devices WHERE replica = ?", (replica,)) is not None


def _readable(store: Store, greeting: Greeting) -> Callable[[str], bool]:
    """May the other read a record? Only of households it holds, or that the own team made new."""
    theirs = {home for home, _ in greeting.homes}
    certificate = certificate_of(store)
    same_team = certificate is not None and certificate.team == greeting.team != ""
    mine = scope_homes(store)
    cache: dict[str, bool] = {}

    def readable(record: str) -> bool:
        if record not in cache:
            homes = homes_of_record(store, record)
            new = same_team and not homes & mine
            cache[record] = greeting.everything or bool(homes & theirs) or new
        return cache[record]

    return readable


def _handed(store: Store, greeting: Greeting, readable: Callable[[str], bool]) -> list[Handed]:
    mine = _digests(store)
    theirs = dict(greeting.homes)
    differing = {home for home, digest in mine.items() if theirs.get(home) != digest}
    handed = handed_of(store, "1 = 1", ())
    out: list[Handed] = []
    for page in handed:
        states = [
            (place, raw) for place, raw in page.states if _wanted(store, raw, differing, readable)
        ]
        if states:
            out.append(msgspec.structs.replace(page, states=states))
    return out


def _wanted(store: Store, raw: bytes, differing: set[str], readable: Callable[[str], bool]) -> bool:
    record = decode_state(raw).record
    return readable(record) and bool(homes_of_record(store, record) & differing)


def take(store: Store, schema: Schema, greeting: Greeting, data: bytes) -> Taken:
    """Take in what a teammate gave, all or nothing.

    Raises MeetingRefused, PeerUnknown, and what ``sync`` and ``crypto`` raise for bytes or
    signatures that do not hold.
    """
    meeting = decode_meeting(data)
    with store.transaction():
        learn(store, greeting.statements)
        if meeting.replica != greeting.replica:
            raise MeetingRefused("another writer than the one that greeted")
        verify = verifier(store, SEGMENT)
        entries: list[Entry] = []
        carried = 0
        for partial in meeting.partials:
            readable, blanks = _take_partial(store, partial, verify)
            entries += readable
            carried += blanks
        pages = [open_handed(handed, verifier(store, PAGE)) for handed in meeting.handed]
        records, _ = take_states(store, schema, pages, unknown=True)
        if entries:
            records += len(merge(store, schema, entries, []).records)
    return Taken(len(entries), carried, records, False)


def _take_partial(
    store: Store, partial: Partial, verify: Callable[[bytes, bytes, bytes], None]
) -> tuple[list[Entry], int]:
    entries, _, head = verify_partial(partial, verify)
    if not has_head(store, partial.replica, partial.first - 1, partial.before):
        raise MeetingRefused("gap")
    by_counter = {counter_of(e.dot): e for e in entries}
    sealed = numbered(add_part(store, part) for part in partial.sealed) or None
    rows: list[FeedRow] = []
    at = partial.before
    for counter, slot in enumerate(partial.slots, partial.first):
        entry = by_counter.get(counter)
        before, digest = at, entry.digest if entry else slot.digest
        at = next_head(before, digest)
        rows.append(
            FeedRow(
                partial.replica,
                counter,
                at,
                before,
                digest,
                entry.record if entry else None,
                entry.salt if entry else None,
                entry.raw if entry else None,
                False,
                False,
                None if entry else sealed,
            )
        )
    add_carried(store, rows)
    add_head(store, partial.replica, partial.last, head, partial.signature)
    return entries, len(rows) - len(entries)
