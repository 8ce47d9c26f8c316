# SPDX-License-Identifier: Apache-2.0
"""What travels between two stores: requests, replies, pages of states, receipts.

What lives here: the forms, their limits, encoding and decoding. What must not: deciding what to
send (``session.py``). Invariants: arrays, never maps; every size is checked before decoding and
every count by the decoder; digests and signatures are over the bytes as received.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from sync.change import ID_CHARS_MAX, Value
from sync.clock import COUNTER_MAX
from sync.compression import pack, unpack
from sync.decoding import MALFORMED
from sync.errors import LimitExceeded, MessageMalformed, ProtocolUnknown
from sync.feed import SIGNATURE_BYTES_MAX, Head, Partial, Replica, Segment

PROTOCOL = 1
"""The first version of every message; meetings and enrolment still speak it."""
EXCHANGE = 2
"""The newest version of requests and replies this program speaks: with ranges and statements."""
FIELDS_1 = {"request": 16, "reply": 19}
"""Fields of the first version: what a message of that version has, and no more."""
MESSAGE_BYTES_MAX = 8 * 1024 * 1024
"""One message as it travels: the largest first upload in a single piece."""
PAGE_STATES_MAX = 128
"""States of one page: a state handed on alone carries 32 bytes for each of its page."""
PAGES_BYTES_MAX = 8 * 1024 * 1024
"""All pages of one reply, unpacked."""
PAGES_LEVEL = 6
"""Compression of pages: an eighth smaller than the fastest for a few milliseconds a first
download."""
HOMES_MAX = 50_000
"""Households of one scope."""
CURSOR_CHARS_MAX = 96
"""The text of a cursor: the server's own, opaque to others."""
SEGMENTS_MAX = 1_000
PAGES_MAX = 2_000
ASKED_MAX = 512
"""Ranges asked for in one request: their answer stays within 150 KB."""
TOLD_MAX = 256 * ASKED_MAX
REPAIR_MAX = 500
"""Homes that are sent whole in one reply."""
STATEMENTS_MAX = 32
"""Signed statements of one message."""
STATEMENT_BYTES_MAX = 8 * 1024
NOTICES_MAX = 1_000

Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
Incarnation = Annotated[bytes, Meta(max_length=8)]
Signature = Annotated[bytes, Meta(max_length=SIGNATURE_BYTES_MAX)]
Sequence = Annotated[int, Meta(ge=0, le=2**53)]

RangeName = Annotated[str, Meta(max_length=16, pattern="^[0-9a-f]*$")]
StatementKind = Annotated[str, Meta(min_length=1, max_length=24)]
Statement = tuple[StatementKind, Annotated[bytes, Meta(max_length=STATEMENT_BYTES_MAX)]]
Statements = Annotated[list[Statement], Meta(max_length=STATEMENTS_MAX)]

POINTS_MAX = 100_000
"""Ends of feeds that one server lists for another: the feeds of a province's tablets."""
KEYS_MAX = 4_000
"""Statements that lead to the writers of the feeds relayed in one message."""
KEY_BYTES_MAX = 8 * 1024

WANT_STATES = 1
WANT_PIECES = 2
"""Beside ``WANT_STATES``: no more at once than ten seconds of a weak signal carry."""


class Known(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A point of a feed that is known: its counter, and its head (32 bytes) or the dot's tag
    (4)."""

    replica: Replica
    counter: Annotated[int, Meta(ge=0, le=COUNTER_MAX)]
    mark: Annotated[bytes, Meta(max_length=32)]


Points = Annotated[list[Known], Meta(max_length=POINTS_MAX)]
Keys = Annotated[
    list[Annotated[bytes, Meta(max_length=KEY_BYTES_MAX)]],
    Meta(max_length=KEYS_MAX),
]
Sum = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Relay(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a server's request says beside a tablet's: it holds feeds of others.

    ``keys`` are the statements (certificates, successions) that lead to the writers of what it
    sends. ``sum`` is over the ends of all feeds it holds (``sync.relay.points_sum``), None where it
    has more to send first. ``points`` lists these ends, where the last reply asked for them.
    """

    keys: Keys = []
    sum: Sum | None = None
    points: Points | None = None


class Relayed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a reply to a server says beside one to a tablet.

    ``keys`` as in a request. ``segments`` and ``partials`` are feeds on their way down. ``points``
    answers those of the request: the ends held here of the same feeds. ``lacks``: this server lacks
    something the other holds; ``wanted``: list ``points`` in the next request.
    """

    keys: Keys = []
    segments: Annotated[list[Segment], Meta(max_length=SEGMENTS_MAX)] = []
    partials: Annotated[list[Partial], Meta(max_length=SEGMENTS_MAX)] = []
    points: Points | None = None
    lacks: bool = False
    wanted: bool = False


class Receipts(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A server's signed word that it durably holds feeds up to these counters and heads.

    ``body`` is the encoded ``list[Known]``; the signature covers the server, its incarnation,
    ``body``.
    """

    server: Replica
    incarnation: Incarnation
    body: Annotated[bytes, Meta(max_length=1 << 20)]
    signature: Signature


class Page(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """States signed together, each in its encoded form."""

    server: Replica
    incarnation: Incarnation
    seq: Sequence
    states: Annotated[list[bytes], Meta(max_length=PAGE_STATES_MAX)]
    signature: Signature


class Handed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """States of a page that are handed on: the page's digests, and the states at their places."""

    server: Replica
    incarnation: Incarnation
    seq: Sequence
    digests: Annotated[bytes, Meta(max_length=32 * PAGE_STATES_MAX)]
    signature: Signature
    states: Annotated[list[tuple[int, bytes]], Meta(max_length=PAGE_STATES_MAX)]


class State(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One record's state as it travels: what it is, its shown values, its packed causal data."""

    collection: Annotated[str, Meta(min_length=1, max_length=48)]
    names: Annotated[list[str], Meta(max_length=1_000)]
    values: Annotated[list[Any], Meta(max_length=1_000)]
    record: Id
    causal: Raw


class Notice(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What became of something this tablet wrote: told to the worker, with the reason."""

    record: Id
    collection: str
    field: str
    yours: Value
    kept: Value
    worker: str
    kept_by: str
    reason: str
    policy: str
    at_ms: int


class Request(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Who I am, what I bring, where I stand.

    ``counter``/``head`` are the writer's own chain. ``incarnation``/``seq``/``after`` is the
    cursor. ``held`` sums the homes held completely; ``homes`` lists them with their digests where
    the server asked. ``known`` is what is known of the receiver's own chain. ``clock_ms`` is the
    raw wall clock. ``ask`` names ranges of homes whose digests are wanted (``sync.ranges``),
    ``repair`` homes that are to come whole; ``statements`` are the tablet's signed ones, by kind.
    ``relay`` is what a server says that holds feeds of others.
    """

    protocol: int
    replica: Replica
    counter: Annotated[int, Meta(ge=0, le=COUNTER_MAX)]
    head: Head
    clock_ms: int
    want: int
    incarnation: Incarnation
    seq: Sequence
    after: Annotated[str, Meta(max_length=CURSOR_CHARS_MAX)]
    held: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    digest: Annotated[int, Meta(ge=0, lt=2**48)]
    known: Annotated[list[Known], Meta(max_length=64)]
    homes: Annotated[list[tuple[Id, int]], Meta(max_length=HOMES_MAX)] | None
    segments: Annotated[list[Segment], Meta(max_length=SEGMENTS_MAX)]
    partials: Annotated[list[Partial], Meta(max_length=SEGMENTS_MAX)]
    handed: Annotated[list[Handed], Meta(max_length=PAGES_MAX)]
    ask: Annotated[list[RangeName], Meta(max_length=ASKED_MAX)] = []
    repair: Annotated[list[Id], Meta(max_length=REPAIR_MAX)] = []
    statements: Statements = []
    relay: Relay | None = None


class Reply(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What was taken in, what is new, where to go on.

    ``feed`` is the replica the server writes as. ``known`` is what it knows of the sender's chain:
    to be compared before anything is joined. ``lineage`` lists earlier incarnations with their
    last sequence, where the cursor's was not the present one. ``entered`` and ``left`` are homes
    that are complete now, or no longer assigned; ``gone`` are records that moved out of every home
    the tablet holds. ``wanted`` asks for ``homes`` in the next request. ``more`` means: ask again
    at once. ``told`` and ``told_homes`` answer ``ask``: digests of ranges, and of homes where a
    range is short. ``statements`` are signed by the server, by kind; a kind nobody knows is kept.
    ``relayed`` answers ``relay``.
    """

    protocol: int
    server: Replica
    feed: Replica
    incarnation: Incarnation
    seq: Sequence
    after: Annotated[str, Meta(max_length=CURSOR_CHARS_MAX)]
    clock_ms: int
    digest: Annotated[int, Meta(ge=0, lt=2**48)]
    known: Annotated[list[Known], Meta(max_length=64)]
    lineage: Annotated[list[tuple[Incarnation, Sequence]], Meta(max_length=256)]
    receipts: Receipts | None
    pages: Annotated[bytes, Meta(max_length=MESSAGE_BYTES_MAX)]
    entered: Annotated[list[Id], Meta(max_length=HOMES_MAX)]
    left: Annotated[list[Id], Meta(max_length=HOMES_MAX)]
    gone: Annotated[list[Id], Meta(max_length=HOMES_MAX)]
    notices: Annotated[list[Notice], Meta(max_length=NOTICES_MAX)]
    wanted: bool
    more: bool
    nonce: Annotated[bytes, Meta(max_length=32)]
    told: Annotated[list[tuple[RangeName, int]], Meta(max_length=TOLD_MAX)] = []
    told_homes: Annotated[list[tuple[Id, int]], Meta(max_length=HOMES_MAX)] = []
    statements: Statements = []
    relayed: Relayed | None = None


class Meeting(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one tablet gives a teammate: its chain, feeds with blanks, states signed by servers."""

    protocol: int
    replica: Replica
    counter: Annotated[int, Meta(ge=0, le=COUNTER_MAX)]
    head: Head
    known: Annotated[list[Known], Meta(max_length=64)]
    partials: Annotated[list[Partial], Meta(max_length=SEGMENTS_MAX)]
    handed: Annotated[list[Handed], Meta(max_length=PAGES_MAX)]


encode = msgspec.msgpack.Encoder().encode
_request = msgspec.msgpack.Decoder(Request)
_reply = msgspec.msgpack.Decoder(Reply)
_meeting = msgspec.msgpack.Decoder(Meeting)
_known = msgspec.msgpack.Decoder(Annotated[list[Known], Meta(max_length=100_000)])
_notice = msgspec.msgpack.Decoder(Notice)
_state = msgspec.msgpack.Decoder(State)
_pages = msgspec.msgpack.Decoder(Annotated[list[Page], Meta(max_length=PAGES_MAX)])


def _decode(decoder: msgspec.msgpack.Decoder[Any], data: bytes, what: str) -> Any:
    if len(data) > MESSAGE_BYTES_MAX:
        raise LimitExceeded(f"{what} of {len(data)} bytes, at most {MESSAGE_BYTES_MAX}")
    try:
        return decoder.decode(data)
    except MALFORMED as error:
        raise MessageMalformed(f"{what}: {error}") from error


def _versioned(
    decoder: msgspec.msgpack.Decoder[Any], data: bytes, what: str, newest: int = PROTOCOL
) -> Any:
    # The version stands first in every message: it is read before the rest is understood.
    at = {0xDC: 3, 0xDD: 5}.get(data[0] if data else 0, 1)
    if len(data) <= at or not PROTOCOL <= data[at] <= newest:
        found = data[at] if len(data) > at else "missing"
        raise ProtocolUnknown(f"{what}: version {found}, spoken {PROTOCOL} to {newest}")
    return _decode(decoder, data, what)


def encode_exchange(message: Request | Reply) -> bytes:
    """A request or reply in the version its first field names: in the first, nothing newer."""
    if message.protocol > PROTOCOL:
        return encode(message)
    fields = FIELDS_1["request" if isinstance(message, Request) else "reply"]
    return encode([getattr(message, name) for name in message.__struct_fields__[:fields]])


def decode_request(data: bytes) -> Request:
    """Read a request. Raises LimitExceeded, ProtocolUnknown, MessageMalformed."""
    request: Request = _versioned(_request, data, "request", EXCHANGE)
    return request


def decode_reply(data: bytes) -> Reply:
    """Read a reply. Raises LimitExceeded, ProtocolUnknown, MessageMalformed."""
    reply: Reply = _versioned(_reply, data, "reply", EXCHANGE)
    return reply


def decode_meeting(data: bytes) -> Meeting:
    """Read what a teammate gives. Raises LimitExceeded, ProtocolUnknown, MessageMalformed."""
    meeting: Meeting = _versioned(_meeting, data, "meeting")
    return meeting


def decode_known(data: bytes) -> list[Known]:
    """Read the body of receipts."""
    known: list[Known] = _decode(_known, data, "receipts")
    return known


def decode_notice(data: bytes) -> Notice:
    """Read one notice."""
    notice: Notice = _decode(_notice, data, "notice")
    return notice


def decode_state(raw: bytes | Raw) -> State:
    """Read one state."""
    state: State = _decode(_state, bytes(raw), "state")
    if len(state.names) != len(state.values):
        raise MessageMalformed("state: names and values do not fit")
    return state


def encode_state(
    collection: str, record: str, causal: bytes, names: list[str], values: list[Any]
) -> bytes:
    """One state as it travels and is hashed."""
    return encode(State(collection, names, values, record, Raw(causal)))


def pack_pages(pages: list[Page]) -> bytes:
    """All pages of a reply, compressed together: what they share is sent once. Empty for none."""
    return pack(encode(pages), PAGES_LEVEL) if pages else b""


def unpack_pages(packed: bytes) -> list[Page]:
    """The pages of a reply. Raises LimitExceeded, MessageMalformed."""
    if not packed:
        return []
    pages: list[Page] = _decode(_pages, unpack(packed, PAGES_BYTES_MAX), "pages")
    return pages
