# SPDX-License-Identifier: Apache-2.0
"""What a bundle holds once it is opened, and where it stands among those that came before.

What lives here: the form of the contents, its limits, and judging a bundle's place in the line of
its sender. What must not: sealing and signatures (``crypto.bundle``), files (``carry``), merging.

Invariants: a bundle carries exactly what an exchange carries; a bundle is refused as repeated or
late only where the line itself shows that it was taken or that a later one holds the same work;
whatever does not fit the line otherwise is another branch of its sender's, and its work is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from sync.decoding import MALFORMED
from sync.errors import (
    BundleLate,
    BundleRepeated,
    LimitExceeded,
    MessageMalformed,
    ProtocolUnknown,
)
from sync.messages import MESSAGE_BYTES_MAX, PROTOCOL, Incarnation

PARCEL_BYTES_MAX = 64 * 1024 * 1024
"""All contents of one bundle: it is opened in memory."""
REPLIES_MAX = 64
"""Replies of one bundle: a first download of 30,000 households goes home on one stick."""
OUTBOXES_MAX = 256
OUTBOX_BYTES_MAX = 5 * 1024 * 1024
"""One file of a sealed outbox: a tablet begins a new one after 4 MiB and one change."""
STATEMENTS_MAX = 1_024
STATEMENT_BYTES_MAX = 8 * 1024
TAKEN_MAX = 64
"""Bundles of one sender that are remembered: more than were ever under way at once."""

Message = Annotated[bytes, Meta(max_length=MESSAGE_BYTES_MAX)]
Statements = Annotated[
    list[Annotated[bytes, Meta(max_length=STATEMENT_BYTES_MAX)]], Meta(max_length=STATEMENTS_MAX)
]
Name = Annotated[bytes, Meta(max_length=32)]


class Answer(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One encoded ``Reply``, and the cursor it answers: ``held`` is the requester's sum."""

    incarnation: Incarnation
    seq: int
    after: Annotated[str, Meta(max_length=96)]
    held: int
    reply: Message


class Parcel(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The contents of one bundle; what it does not carry is empty.

    ``earlier`` are the names of the sender's bundles to this receiver before this one, the last
    first: whose work this one holds as well, unless a receipt covers it. ``answers`` is the name of
    the bundle that ``replies`` answer. ``statements`` are certificates
    and successions that the receiver may lack, ``revocations`` are the district's; ``wipe`` is the
    receiver's own. ``request``, ``greeting`` and ``meeting`` are encoded messages. ``outboxes`` are
    files of sealed outboxes that the sender carries for others, or its own.
    """

    protocol: int
    made_at_ms: int
    earlier: Annotated[list[Name], Meta(max_length=TAKEN_MAX)]
    answers: Name
    statements: Statements
    revocations: Statements
    wipe: Annotated[bytes, Meta(max_length=STATEMENT_BYTES_MAX)]
    request: Message
    replies: Annotated[list[Answer], Meta(max_length=REPLIES_MAX)]
    greeting: Message
    meeting: Message
    outboxes: Annotated[
        list[Annotated[bytes, Meta(max_length=OUTBOX_BYTES_MAX)]], Meta(max_length=OUTBOXES_MAX)
    ]


def parcel(now_ms: int) -> Parcel:
    """An empty parcel, to be filled by ``msgspec.structs.replace``."""
    return Parcel(PROTOCOL, now_ms, [], b"", [], [], b"", b"", [], b"", b"", [])


_parcel = msgspec.msgpack.Decoder(Parcel)


def decode_parcel(data: bytes) -> Parcel:
    """Read the contents of a bundle. Raises LimitExceeded, ProtocolUnknown, MessageMalformed."""
    if len(data) > PARCEL_BYTES_MAX:
        raise LimitExceeded(f"parcel of {len(data)} bytes, at most {PARCEL_BYTES_MAX}")
    try:
        found = _parcel.decode(data)
    except MALFORMED as error:
        raise MessageMalformed(f"parcel: {error}") from error
    if found.protocol != PROTOCOL:
        raise ProtocolUnknown(f"parcel: version {found.protocol}")
    return found


# ---- the line of bundles ------------------------------------------------------------------------


class Taken(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A bundle of one sender: its number, its name, the name of the one before it.

    ``before`` is empty where it did not arrive, but a later one that was taken names it.
    """

    sequence: int
    name: bytes
    before: bytes


class Place(NamedTuple):
    """Where a new bundle stands. ``missing`` are numbers that did not arrive, ``(first, last)``,
    (0, 0) for none; ``branch``: it comes from a copy of its sender, or from one that was set back.
    """

    missing: tuple[int, int]
    branch: bool


def place_of(line: Sequence[Taken], sequence: int, name: bytes, before: bytes) -> Place:
    """Judge a bundle against the line of those of the same sender.

    Raises BundleRepeated where it was taken, BundleLate where one that follows it was taken: that
    one held all its work.
    """
    for known in line:
        if known.name == name:
            if known.before:
                raise BundleRepeated(f"number {sequence}")
            raise BundleLate(f"number {sequence}")
    taken = [known for known in line if known.before]
    last = max((known.sequence for known in taken), default=0)
    if sequence > last + 1:
        return Place((last + 1, sequence - 1), False)
    follows = not taken or any(k.sequence == sequence - 1 and k.name == before for k in line)
    return Place((0, 0), not (sequence == last + 1 and follows))


def remember(line: Sequence[Taken], one: Taken, earlier: Sequence[bytes]) -> list[Taken]:
    """The line from now on: with a bundle that was taken, and those that it says came before."""
    known = {k.name for k in line}
    passed = [
        Taken(one.sequence - back, name, b"")
        for back, name in enumerate(earlier, 1)
        if name not in known and one.sequence > back
    ]
    return [*line, *reversed(passed), one][-TAKEN_MAX:]
