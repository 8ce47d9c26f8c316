# SPDX-License-Identifier: Apache-2.0
"""Two tablets meet: each shows what it knows, then gives what the other lacks and may read.

What lives here: what is given (``sync.messages.Meeting``), what is taken. What must not: greeting
(``greeting.py``), the radio or cable between them: the messages are bytes, whatever carries them.

Invariants: heads are compared before anything is joined; a teammate reads only what belongs to
households it holds; everything else of a feed goes as digests, with its content sealed to the
district; what a giver shows beyond that is stored sealed all the same; nothing is taken of a writer
whose key does not lead to the district, nothing given to one that was revoked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from client_sdk import field_keys, roots, watching
from client_sdk.devices import (
    PAGE,
    SEGMENT,
    certificate_of,
    district_of,
    learn,
    verifier,
)
from client_sdk.erasing import erased_among
from client_sdk.errors import MeetingRefused
from client_sdk.exchange import take_states
from client_sdk.greeting import Greeting, digests_of_homes, scope_homes
from client_sdk.merging import merge
from client_sdk.revoked import (
    check_not_revoked,
    keep_revocations,
)
from client_sdk.scope import STRAYS
from client_sdk.store.base import Store
from client_sdk.store.feeds import (
    FeedRow,
    add_carried,
    add_head,
    add_part,
    has_head,
    numbered,
)
from client_sdk.store.records import homes_of_record
from client_sdk.store.signed import handed_of
from client_sdk.upload import blanks_filled, for_teammate
from crypto.logword import GROWN
from crypto.seal import seal
from sync.change import Entry
from sync.clock import counter_of
from sync.feed import (
    Partial,
    SealedChange,
    encode_sealed_changes,
    next_head,
    verify_partial,
)
from sync.messages import (
    PAGES_MAX,
    PROTOCOL,
    SEGMENTS_MAX,
    Handed,
    Known,
    Meeting,
    decode_meeting,
    decode_state,
    encode,
)
from sync.schema import Schema
from sync.sealing import CARRIED_INFO
from sync.session import HOME_FIELD, open_handed

GIVEN_BYTES_MAX = 3 * 1024 * 1024
"""Contents given at once, one run more at most: the message stays below its limit, and what a
meeting loses when it is interrupted stays small."""


class Given(NamedTuple):
    """An encoded ``Meeting``, how many changes it brings, and whether more is left for another."""

    data: bytes
    changes: int
    more: bool


class Taken(NamedTuple):
    """What a meeting brought: changes readable here, changes carried, records that changed."""

    changes: int
    carried: int
    records: int
    succeeded: bool
    ends: tuple[Known, ...] = ()
    """Where the feeds end that were brought: the giver knows these points."""
    log: str = GROWN
    """The gravest thing found about the district's log by what the giver knows of it."""

    def plus(self, more: Taken) -> Taken:
        """Both together."""
        return Taken(
            self.changes + more.changes,
            self.carried + more.carried,
            self.records + more.records,
            self.succeeded or more.succeeded,
            self.ends + more.ends,
            watching.worst_of([self.log, more.log]),
        )


_T = TypeVar("_T")


def give(store: Store, greeting: Greeting, bytes_max: int = GIVEN_BYTES_MAX) -> Given:
    """What this tablet gives the one that greeted: about ``bytes_max`` bytes of contents.

    Raises PeerUnknown where the other's certificate does not lead to the district, PeerRevoked.
    """
    with store.transaction():
        roots.hear(store, greeting.logs)
        learn(store, greeting.statements)
        keep_revocations(store, greeting.revocations)
        if not _is_known(store, greeting.replica):
            raise MeetingRefused("no certificate shown")
        check_not_revoked(store, greeting.replica)
        readable = _readable(store, greeting)
        partials = for_teammate(store, greeting.known, readable)
        partials += blanks_filled(store, greeting.blanks, readable)
        handed = _handed(store, greeting, readable)
        kept, left = _within(partials, _partial_bytes, bytes_max, SEGMENTS_MAX)
        pages, _ = _within(handed, _handed_bytes, left, PAGES_MAX)
        chain = store.chain
        meeting = Meeting(PROTOCOL, chain.replica, chain.counter, chain.head, [], kept, pages)
    cut = len(kept) < len(partials) or len(pages) < len(handed)
    return Given(encode(meeting), sum(len(partial.slots) for partial in kept), cut)


def _within(
    items: Sequence[_T], size_of: Callable[[_T], int], left: int, count_max: int
) -> tuple[list[_T], int]:
    """The first of these that fit, and what is left of the room; none where there was none."""
    out: list[_T] = []
    for item in items[:count_max]:
        if left <= 0:
            break
        out.append(item)
        left -= size_of(item)
    return out, left


def _partial_bytes(partial: Partial) -> int:
    slots = sum(len(slot.raw) + len(slot.digest) + 32 for slot in partial.slots)
    return slots + sum(map(len, partial.sealed))


def _handed_bytes(handed: Handed) -> int:
    return len(handed.digests) + sum(len(raw) for _, raw in handed.states)


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


def _readable_here(store: Store, greeting: Greeting) -> Callable[[Entry], bool]:
    """May this tablet read a change? Only of households it holds, or of its own team's."""
    mine = scope_homes(store)
    certificate = certificate_of(store)
    same_team = certificate is not None and certificate.team == greeting.team != ""
    everything = bool(store.get("everything", False)) or same_team

    def readable(entry: Entry) -> bool:
        if erased_among(store, [entry.record]):
            # It goes to the district sealed, which erases it.
            return False
        if everything:
            return True
        change = entry.change
        homes = homes_of_record(store, entry.record)
        if HOME_FIELD in change.names:
            homes.add(str(change.values[change.names.index(HOME_FIELD)]))
        return bool(homes & mine)

    return readable


def _handed(store: Store, greeting: Greeting, readable: Callable[[str], bool]) -> list[Handed]:
    mine = digests_of_homes(store)
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
        roots.hear(store, greeting.logs)
        learn(store, greeting.statements)
        keep_revocations(store, greeting.revocations)
        if meeting.replica != greeting.replica:
            raise MeetingRefused("another writer than the one that greeted")
        check_not_revoked(store, greeting.replica)
        log = watching.hear(store, greeting.logs, store.chain.stamp.ms)
        field_keys.hear(store, greeting.logs, [store.box])
        verify = verifier(store, SEGMENT)
        readable = _readable_here(store, greeting)
        entries: list[Entry] = []
        carried, ends = 0, []
        for partial in meeting.partials:
            shown, blanks, end = _take_partial(store, partial, verify, readable)
            entries += shown
            carried += blanks
            ends.append(end)
        pages = [open_handed(handed, verifier(store, PAGE)) for handed in meeting.handed]
        records, _ = take_states(store, schema, pages, unknown=True)
        if entries:
            records += len(merge(store, schema, entries, []).records)
        if records:
            store.put(STRAYS, True)
    return Taken(len(entries), carried, records, False, tuple(ends), log)


def _take_partial(
    store: Store,
    partial: Partial,
    verify: Callable[[bytes, bytes, bytes], None],
    readable: Callable[[Entry], bool],
) -> tuple[list[Entry], int, Known]:
    shown, _, head = verify_partial(partial, verify)
    if not has_head(store, partial.replica, partial.first - 1, partial.before):
        raise MeetingRefused("gap")
    entries = [entry for entry in shown if readable(entry)]
    by_counter = {counter_of(e.dot): e for e in entries}
    parts = list(partial.sealed)
    if len(entries) < len(shown):
        # The giver took this tablet's word for what it holds; the scope is this tablet's own.
        parts.append(_sealed(store, [entry for entry in shown if not readable(entry)]))
    sealed = numbered(add_part(store, part) for part in parts) or None
    digests = {counter_of(e.dot): e.digest for e in shown}
    rows: list[FeedRow] = []
    at = partial.before
    for counter, slot in enumerate(partial.slots, partial.first):
        entry = by_counter.get(counter)
        before, digest = at, digests.get(counter, slot.digest)
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
    return entries, len(rows) - len(entries), Known(partial.replica, partial.last, head)


def _sealed(store: Store, entries: Sequence[Entry]) -> bytes:
    """Contents that this tablet may carry but not read, sealed to the district."""
    contents = [SealedChange(e.dot[:16], counter_of(e.dot), e.salt, e.raw) for e in entries]
    return seal(district_of(store).box_public, CARRIED_INFO, encode_sealed_changes(contents))
