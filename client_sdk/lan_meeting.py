# SPDX-License-Identifier: Apache-2.0
"""A meeting over a line: rounds in which both greet, give and take until neither has more.

What lives here: the order of messages on both sides, outboxes that are handed over unopened. What
must not: TLS and proofs (``lan_link.py``), what is given and taken (``meeting.py``).

Invariants: heads are compared before anything is given; each gift is taken in one transaction or
not at all, so that a meeting that breaks off leaves whole rounds; a tablet whose store cannot be
opened hands over sealed files and learns nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from client_sdk import meeting
from client_sdk.errors import MeetingRefused, OutboxRefused, TabletError
from client_sdk.greeting import Greeting, compare_heads, greet, read_greeting
from client_sdk.lan_link import (
    NONCE_BYTES,
    Call,
    Line,
    Listening,
    Peer,
    Until,
    Waiting,
    call,
    prove_as_caller,
    prove_as_listener,
)
from client_sdk.store.base import Store
from client_sdk.views import MeetingProgress, MeetingReport
from crypto.errors import CryptoError
from sync.errors import SyncError
from sync.messages import MESSAGE_BYTES_MAX, PROTOCOL
from sync.schema import Schema

ROUNDS_MAX = 500
"""Rounds of one meeting: each brings three megabytes, or ends it."""
TRIES_MAX = 4
"""Meetings that begin anew because one of the two was a copy and goes on under a new key."""
ACCEPT_SECONDS = 0.2
KNOWN_MAX = 20_000
"""Points of feeds that are looked at."""
OUTBOX_FILES_MAX = 64
"""Files of one outbox that are handed over at once: 256 MiB of visits."""
REFUSED = (TabletError, SyncError, CryptoError)
"""What ends a meeting and leaves the listener listening."""

OnProgress = Callable[[MeetingProgress], None]


class Said(msgspec.Struct, array_like=True, frozen=True):
    """An encoded greeting."""

    greeting: Annotated[bytes, Meta(max_length=MESSAGE_BYTES_MAX)]


class Compared(msgspec.Struct, array_like=True, frozen=True):
    """Heads were compared; ``anew``: the sender goes on under a new key, and both begin again."""

    anew: bool


class Gift(msgspec.Struct, array_like=True, frozen=True):
    """An encoded ``Meeting``, and whether there is more for another round."""

    given: Annotated[bytes, Meta(max_length=MESSAGE_BYTES_MAX)]
    more: bool


class Count(msgspec.Struct, array_like=True, frozen=True):
    """How many sealed files follow, or were taken."""

    files: Annotated[int, Meta(ge=0, le=OUTBOX_FILES_MAX)]


class Side(NamedTuple):
    """One end of a meeting: what it works on."""

    store: Store
    schema: Schema
    on_progress: OnProgress | None
    waiting: Waiting = nullcontext


class Totals:
    """What a meeting came to so far."""

    def __init__(self, line: Line, on_progress: OnProgress | None) -> None:
        self._line = line
        self._on_progress = on_progress
        self.rounds = 0
        self.given = 0
        self.taken = meeting.Taken(0, 0, 0, False)

    def beyond(self, theirs: Greeting) -> Greeting:
        """What the other knows: what it said, and what it brought itself."""
        known = [*theirs.known, *self.taken.ends][-KNOWN_MAX:]
        return msgspec.structs.replace(theirs, known=known)

    def tell(self) -> None:
        """Tell of the progress."""
        if self._on_progress is not None:
            line, taken = self._line, self.taken
            self._on_progress(
                MeetingProgress(
                    self.rounds,
                    self.given,
                    taken.changes,
                    line.sent_bytes,
                    line.received_bytes,
                )
            )

    def report(self) -> MeetingReport:
        """All of it."""
        taken = self.taken
        return MeetingReport(self.given, taken.changes, taken.carried, taken.records)


# ---- the two sides ------------------------------------------------------------------------------


class BeginAnew(Exception):
    """One of the two goes on under a new key: the meeting begins again."""


def meet_at(side: Side, address: str, pin: bytes | None, expected: bytes | None) -> MeetingReport:
    """Call a teammate and exchange. Raises Unreachable, PeerUnknown, PeerRevoked, PinMismatch."""
    for _ in range(TRIES_MAX):
        line = call(address, pin, side.waiting)
        try:
            peer = prove_as_caller(line, side.store, expected)
            return _rounds_as_caller(line, side, peer)
        except BeginAnew:
            continue
        finally:
            line.close()
    raise MeetingRefused("neither goes on")


def _rounds_as_caller(line: Line, side: Side, peer: Peer) -> MeetingReport:
    totals = Totals(line, side.on_progress)
    more = True
    while more and totals.rounds < ROUNDS_MAX:
        line.say(Said(greet(side.store, peer.replica)))
        theirs = _greeting(line, peer)
        _compare(line, side, theirs, first=True)
        given = meeting.give(side.store, totals.beyond(theirs))
        line.say(Gift(given.data, given.more))
        gift = line.hear(Gift)
        _take(totals, side, theirs, gift)
        totals.given += given.changes
        more = given.more or gift.more
        totals.tell()
    return totals.report()


def answer(line: Line, side: Side, called: Call) -> MeetingReport:
    """The listener's side of one meeting."""
    peer = prove_as_listener(line, side.store, called)
    totals = Totals(line, side.on_progress)
    more = True
    while more and totals.rounds < ROUNDS_MAX:
        theirs = _greeting(line, peer)
        line.say(Said(greet(side.store, peer.replica)))
        _compare(line, side, theirs, first=False)
        # What is given is what the other lacked when it greeted: not its own gift back.
        given = meeting.give(side.store, totals.beyond(theirs))
        gift = line.hear(Gift)
        _take(totals, side, theirs, gift)
        line.say(Gift(given.data, given.more))
        totals.given += given.changes
        more = given.more or gift.more
        totals.tell()
    return totals.report()


def _greeting(line: Line, peer: Peer) -> Greeting:
    greeting = read_greeting(line.hear(Said).greeting)
    if greeting.replica != peer.replica:
        raise MeetingRefused("another writer than the one that proved itself")
    return greeting


def _compare(line: Line, side: Side, theirs: Greeting, *, first: bool) -> None:
    """Both compare heads before anything is given; both begin anew where one was a copy."""
    mine = compare_heads(side.store, theirs)
    if first:
        line.say(Compared(mine))
        anew = line.hear(Compared).anew
    else:
        anew = line.hear(Compared).anew
        line.say(Compared(mine))
    if mine or anew:
        raise BeginAnew()


def _take(totals: Totals, side: Side, theirs: Greeting, gift: Gift) -> None:
    totals.taken = totals.taken.plus(meeting.take(side.store, side.schema, theirs, gift.given))
    totals.rounds += 1


# ---- outboxes of tablets that cannot be opened --------------------------------------------------


def hand_over(address: str, pin: bytes | None, files: Sequence[bytes]) -> int:
    """Hand sealed files to a teammate that takes them; how many it took.

    Nothing is proved: whoever takes them can read nothing, and keeps them or not; they stay here as
    well. Raises Unreachable, MeetingRefused, PinMismatch.
    """
    line = call(address, pin)
    try:
        line.say(Call(PROTOCOL, os.urandom(NONCE_BYTES), "outbox"))
        line.say(Count(min(len(files), OUTBOX_FILES_MAX)))
        taken = 0
        for data in files[:OUTBOX_FILES_MAX]:
            line.send(data)
            # The other names what it has stored: only that counts.
            taken += line.receive(64) == hashlib.sha256(data).digest()
        return taken
    finally:
        line.close()


def _take_outboxes(line: Line, keep: Callable[[bytes], object], bytes_max: int) -> int:
    taken = 0
    for _ in range(line.hear(Count, 64).files):
        data = line.receive(bytes_max)
        try:
            keep(data)
        except OutboxRefused:
            line.send(b"")
            continue
        line.send(hashlib.sha256(data).digest())
        taken += 1
    return taken


# ---- listening ----------------------------------------------------------------------------------


class Met(NamedTuple):
    """One caller that was answered: what the meeting brought, or why it came to nothing."""

    report: MeetingReport | None
    outboxes: int
    error: Exception | None


def serve(
    listening: Listening,
    side: Side,
    until: Until,
    on_met: Callable[[Met], None],
    keep_outbox: Callable[[bytes], object] | None,
    outbox_bytes_max: int,
) -> None:
    """Answer callers one after another until ``until()`` is true; what fails ends one meeting."""
    while not until():
        line = listening.accept(ACCEPT_SECONDS)
        if line is None:
            continue
        try:
            met = _serve_one(line, side, keep_outbox, outbox_bytes_max)
        except BeginAnew:
            continue
        except REFUSED as error:
            met = Met(None, 0, error)
        finally:
            with suppress(OSError):
                line.close()
        on_met(met)


def _serve_one(
    line: Line, side: Side, keep_outbox: Callable[[bytes], object] | None, outbox_bytes_max: int
) -> Met:
    called = line.hear(Call, 128)
    if called.protocol != PROTOCOL:
        raise MeetingRefused("protocol")
    if called.what == "outbox":
        if keep_outbox is None:
            raise MeetingRefused("outboxes are not taken here")
        return Met(None, _take_outboxes(line, keep_outbox, outbox_bytes_max), None)
    return Met(answer(line, side, called), 0, None)
