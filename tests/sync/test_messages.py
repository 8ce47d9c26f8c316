# SPDX-License-Identifier: Apache-2.0
"""Messages: what is taken at each limit and refused above it, and nothing that is no message."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

import sync.errors
from sync.change import ID_CHARS_MAX
from sync.compression import pack
from sync.errors import LimitExceeded, MessageMalformed, ProtocolUnknown, SyncError
from sync.feed import SIGNATURE_BYTES_MAX, Block, Partial, Segment, Slot
from sync.messages import (
    CURSOR_CHARS_MAX,
    HOMES_MAX,
    MESSAGE_BYTES_MAX,
    NOTICES_MAX,
    PAGE_STATES_MAX,
    PAGES_BYTES_MAX,
    PAGES_MAX,
    PROTOCOL,
    SEGMENTS_MAX,
    Handed,
    Known,
    Meeting,
    Notice,
    Page,
    Receipts,
    Reply,
    Request,
    decode_known,
    decode_meeting,
    decode_notice,
    decode_reply,
    decode_request,
    decode_state,
    encode,
    encode_state,
    pack_pages,
    unpack_pages,
)

A = b"a" * 16
HEAD = b"h" * 32
SEGMENT = Segment(A, 1, 1, HEAD, [Block(1, b"s" * 32)], b"", b"")
PARTIAL = Partial(A, 1, HEAD, [Slot(b"d" * 32)], b"")
HANDED = Handed(A, b"i", 0, b"", b"", [])
PAGE = Page(A, b"i" * 8, 7, [b"one", b"two"], b"sig")
NOTICE = Notice("r", "household", "phone", "1", ["2"], "w1", "w2", "newer", "latest", 5)
KNOWN = Known(A, 0, b"")


def request(**changed: Any) -> list[Any]:
    """A request as an array, each part of which may be replaced."""
    parts = {
        "protocol": PROTOCOL,
        "replica": A,
        "counter": 1,
        "head": HEAD,
        "clock_ms": 0,
        "want": 1,
        "incarnation": b"i" * 8,
        "seq": 0,
        "after": "",
        "held": 0,
        "digest": 0,
        "known": [],
        "homes": None,
        "segments": [],
        "partials": [],
        "handed": [],
    }
    assert changed.keys() <= parts.keys()
    return list({**parts, **changed}.values())


def reply(**changed: Any) -> list[Any]:
    parts = {
        "protocol": PROTOCOL,
        "server": A,
        "feed": A,
        "incarnation": b"i" * 8,
        "seq": 0,
        "after": "",
        "clock_ms": 0,
        "digest": 0,
        "known": [],
        "lineage": [],
        "receipts": None,
        "pages": b"",
        "entered": [],
        "left": [],
        "gone": [],
        "notices": [],
        "wanted": False,
        "more": False,
        "nonce": b"",
    }
    assert changed.keys() <= parts.keys()
    return list({**parts, **changed}.values())


def meeting(**changed: Any) -> list[Any]:
    parts = {
        "protocol": PROTOCOL,
        "replica": A,
        "counter": 0,
        "head": HEAD,
        "known": [],
        "partials": [],
        "handed": [],
    }
    assert changed.keys() <= parts.keys()
    return list({**parts, **changed}.values())


def receipts(size: int) -> Receipts:
    return Receipts(A, b"i", bytes(size), b"")


REQUEST_LIMITS: dict[str, tuple[Any, Any]] = {
    "replica": (A, A + b"x"),
    "counter": (2**48, 2**48 + 1),
    "head": (HEAD, HEAD[:-1]),
    "incarnation": (b"i" * 8, b"i" * 9),
    "seq": (2**53, 2**53 + 1),
    "after": ("x" * CURSOR_CHARS_MAX, "x" * (CURSOR_CHARS_MAX + 1)),
    "held": (2**63 - 1, 2**63),
    "digest": (2**48 - 1, 2**48),
    "known": ([KNOWN] * 64, [KNOWN] * 65),
    "homes": ([("h" * ID_CHARS_MAX, 0)], [("h" * (ID_CHARS_MAX + 1), 0)]),
    "segments": ([SEGMENT] * SEGMENTS_MAX, [SEGMENT] * (SEGMENTS_MAX + 1)),
    "partials": ([PARTIAL] * SEGMENTS_MAX, [PARTIAL] * (SEGMENTS_MAX + 1)),
    "handed": ([HANDED] * PAGES_MAX, [HANDED] * (PAGES_MAX + 1)),
}
REPLY_LIMITS: dict[str, tuple[Any, Any]] = {
    "server": (A, b""),
    "feed": (A, A + b"x"),
    "after": ("x" * CURSOR_CHARS_MAX, "x" * (CURSOR_CHARS_MAX + 1)),
    "seq": (2**53, -1),
    "digest": (0, -1),
    "known": ([KNOWN] * 64, [KNOWN] * 65),
    "lineage": ([(b"i" * 8, 1)] * 256, [(b"i" * 8, 1)] * 257),
    "receipts": (receipts(1 << 20), receipts((1 << 20) + 1)),
    "entered": (["h"] * HOMES_MAX, ["h"] * (HOMES_MAX + 1)),
    "left": (["h"] * HOMES_MAX, ["h"] * (HOMES_MAX + 1)),
    "gone": (["h"] * HOMES_MAX, ["h"] * (HOMES_MAX + 1)),
    "notices": ([NOTICE] * NOTICES_MAX, [NOTICE] * (NOTICES_MAX + 1)),
    "nonce": (b"n" * 32, b"n" * 33),
}
MEETING_LIMITS: dict[str, tuple[Any, Any]] = {
    "counter": (0, -1),
    "known": ([KNOWN] * 64, [KNOWN] * 65),
    "partials": ([PARTIAL] * SEGMENTS_MAX, [PARTIAL] * (SEGMENTS_MAX + 1)),
    "handed": ([HANDED] * PAGES_MAX, [HANDED] * (PAGES_MAX + 1)),
}
CASES = [
    (make, decode, name, at, above)
    for make, decode, limits in (
        (request, decode_request, REQUEST_LIMITS),
        (reply, decode_reply, REPLY_LIMITS),
        (meeting, decode_meeting, MEETING_LIMITS),
    )
    for name, (at, above) in limits.items()
]


@pytest.mark.parametrize(
    ("make", "decode", "name", "at", "above"),
    CASES,
    ids=[f"{make.__name__}-{name}" for make, _, name, _, _ in CASES],
)
def test_each_part_of_a_message_is_taken_at_its_limit_only(
    make: Any, decode: Any, name: str, at: Any, above: Any
) -> None:
    assert msgspec.to_builtins(getattr(decode(encode(make(**{name: at}))), name)) == (
        msgspec.to_builtins(at)
    )
    with pytest.raises(MessageMalformed):
        decode(encode(make(**{name: above})))


def test_homes_are_taken_up_to_the_most_a_scope_holds() -> None:
    homes = [(f"home-{i}", i) for i in range(HOMES_MAX)]
    assert decode_request(encode(request(homes=homes))).homes == homes
    with pytest.raises(MessageMalformed):
        decode_request(encode(request(homes=[*homes, ("one more", 0)])))


@pytest.mark.parametrize(
    ("decode", "make"),
    [(decode_request, request), (decode_reply, reply), (decode_meeting, meeting)],
)
@pytest.mark.parametrize("version", [0, 3, 127, None, "1"])
def test_an_unknown_version_is_told_before_the_rest_is_read(
    decode: Any, make: Any, version: Any
) -> None:
    whole = encode(make(protocol=version))
    for data in (whole, whole[:9]):
        with pytest.raises(ProtocolUnknown):
            decode(data)


@pytest.mark.parametrize("decode", [decode_request, decode_reply, decode_meeting])
def test_a_message_without_a_version_is_of_an_unknown_one(decode: Any) -> None:
    for data in (b"", b"\x90", b"\xdc", b"\xdc\x00\x10", b"\xdd\x00\x00\x00\x10", b"\xff"):
        with pytest.raises(ProtocolUnknown):
            decode(data)


def test_the_version_is_found_behind_every_form_of_an_arrays_head() -> None:
    short = encode(meeting())
    assert short[:2] == b"\x97\x01"
    assert decode_meeting(short) == decode_meeting(b"\xdc\x00\x07" + short[1:])
    assert decode_meeting(short) == decode_meeting(b"\xdd\x00\x00\x00\x07" + short[1:])


def test_a_message_longer_than_the_limit_is_refused_unread() -> None:
    data = encode(reply(pages=bytes(MESSAGE_BYTES_MAX - 200)))
    room = MESSAGE_BYTES_MAX - len(data)
    at = encode(reply(pages=bytes(MESSAGE_BYTES_MAX - 200 + room)))
    assert len(at) == MESSAGE_BYTES_MAX
    assert decode_reply(at).pages == bytes(MESSAGE_BYTES_MAX - 200 + room)
    with pytest.raises(LimitExceeded):
        decode_reply(encode(reply(pages=bytes(MESSAGE_BYTES_MAX - 199 + room))))


@pytest.mark.parametrize(
    ("decode", "make"),
    [(decode_request, request), (decode_reply, reply), (decode_meeting, meeting)],
)
def test_a_message_cut_anywhere_is_refused(decode: Any, make: Any) -> None:
    whole = encode(make())
    for length in range(len(whole)):
        with pytest.raises(SyncError):
            decode(whole[:length])


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused_with_a_code(data: bytes) -> None:
    for decode in (decode_request, decode_reply, decode_meeting):
        for head in (b"", b"\x90\x01", b"\xdc\x00\x10\x01", b"\x97\x01"):
            with pytest.raises(SyncError):
                decode(head + data)
    for decode_part in (decode_state, decode_notice, unpack_pages, decode_known):
        assert outcome(decode_part, data) in ("taken", "sync/malformed", "sync/limit")


def outcome(decode: Any, data: bytes) -> str:
    try:
        decode(data)
    except SyncError as error:
        return error.code
    return "taken"


@pytest.mark.parametrize("depth", [100, 2_000, 200_000])
def test_what_is_nested_deeply_is_refused_and_not_followed(depth: int) -> None:
    nested = b"\x91" * depth
    with pytest.raises(SyncError):
        decode_request(encode(request())[:-1] + nested)
    with pytest.raises(SyncError):
        decode_notice(encode(list(msgspec.structs.astuple(NOTICE)))[:-1] + nested)
    state = encode(["household", ["a"], [None], "r", []])
    with pytest.raises(SyncError):
        decode_state(state[: state.index(b"\xc0")] + nested)


def test_a_longer_message_of_a_newer_program_is_read() -> None:
    assert decode_meeting(encode([*meeting(), "new"])) == decode_meeting(encode(meeting()))


def test_a_state_comes_back_with_its_causal_bytes_untouched() -> None:
    causal = encode([A, 1, 0, []])
    raw = encode_state("household", "r", causal, ["phone"], ["1"])
    state = decode_state(raw)
    assert (state.collection, state.record, state.names) == ("household", "r", ["phone"])
    assert bytes(state.causal) == causal
    assert decode_state(Raw(raw)) == state


@pytest.mark.parametrize(
    ("at", "above"),
    [
        (["c" * 48, [], [], "r", []], ["c" * 49, [], [], "r", []]),
        (["c", [], [], "r" * ID_CHARS_MAX, []], ["c", [], [], "r" * (ID_CHARS_MAX + 1), []]),
        (["c", ["n"] * 1_000, [0] * 1_000, "r", []], ["c", ["n"] * 1_001, [0] * 1_001, "r", []]),
        (["c", ["n"], [0], "r", []], ["c", ["n"], [], "r", []]),
        (["c", ["n"], [0], "r", []], ["c", [], [0], "r", []]),
    ],
)
def test_a_state_is_taken_at_its_limits_only(at: Any, above: Any) -> None:
    decode_state(encode(at))
    with pytest.raises(MessageMalformed):
        decode_state(encode(above))


def test_pages_are_packed_together_and_come_back() -> None:
    pages = [PAGE, msgspec.structs.replace(PAGE, seq=8)]
    assert unpack_pages(pack_pages(pages)) == pages
    assert pack_pages([]) == b""
    assert unpack_pages(b"") == []


def test_a_page_takes_its_most_states_and_a_reply_its_most_pages() -> None:
    full = Page(A, b"", 0, [b""] * PAGE_STATES_MAX, b"")
    assert unpack_pages(pack(encode([full]))) == [full]
    with pytest.raises(MessageMalformed):
        unpack_pages(pack(encode([[A, b"", 0, [b""] * (PAGE_STATES_MAX + 1), b""]])))
    empty = [A, b"", 0, [], b""]
    assert len(unpack_pages(pack(encode([empty] * PAGES_MAX)))) == PAGES_MAX
    with pytest.raises(MessageMalformed):
        unpack_pages(pack(encode([empty] * (PAGES_MAX + 1))))


def test_pages_are_unpacked_up_to_their_limit_and_not_above() -> None:
    def of(size: int) -> bytes:
        return pack(encode([[A, b"", 0, [bytes(size)], b""]]))

    rest = len(encode([[A, b"", 0, [bytes(2**20)], b""]])) - 2**20
    assert len(unpack_pages(of(PAGES_BYTES_MAX - rest))[0].states[0]) == PAGES_BYTES_MAX - rest
    with pytest.raises(LimitExceeded):
        unpack_pages(of(PAGES_BYTES_MAX - rest + 1))


def test_handed_states_are_limited_as_a_page_is() -> None:
    at = [A, b"", 0, bytes(32 * PAGE_STATES_MAX), bytes(SIGNATURE_BYTES_MAX), []]
    decode_request(encode(request(handed=[at])))
    for place, value in (
        (3, bytes(32 * PAGE_STATES_MAX + 1)),
        (4, bytes(SIGNATURE_BYTES_MAX + 1)),
        (5, [(0, b"")] * (PAGE_STATES_MAX + 1)),
    ):
        above = [*at]
        above[place] = value
        with pytest.raises(MessageMalformed):
            decode_request(encode(request(handed=[above])))


def test_receipts_name_up_to_a_hundred_thousand_points() -> None:
    body = encode([[A, 1, b""]] * 100_000)
    assert len(decode_known(body)) == 100_000
    with pytest.raises(MessageMalformed):
        decode_known(encode([[A, 1, b""]] * 100_001))


def test_every_message_of_an_exchange_comes_back_as_it_was() -> None:
    full_request = decode_request(
        encode(request(segments=[SEGMENT], partials=[PARTIAL], handed=[HANDED], known=[KNOWN]))
    )
    assert isinstance(full_request, Request)
    assert decode_request(encode(full_request)) == full_request
    full_reply = decode_reply(
        encode(reply(receipts=receipts(9), pages=pack_pages([PAGE]), notices=[NOTICE], more=True))
    )
    assert isinstance(full_reply, Reply)
    assert decode_reply(encode(full_reply)) == full_reply
    full_meeting = decode_meeting(encode(meeting(partials=[PARTIAL], handed=[HANDED])))
    assert isinstance(full_meeting, Meeting)
    assert decode_meeting(encode(full_meeting)) == full_meeting
    assert decode_notice(encode(NOTICE)) == NOTICE


ERRORS = [e for e in vars(sync.errors).values() if isinstance(e, type) and issubclass(e, SyncError)]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_has_a_code_and_three_sentences_in_both_languages(
    error: type[SyncError],
) -> None:
    assert re.fullmatch(r"sync/[a-z]+(-[a-z]+)*", error.code)
    assert len(re.findall("。", error.zh)) == 3
    assert len(re.findall(r"[.;](?: |$)", error.en)) >= 3
    assert error("why").message("zh") == error.zh
    assert error("why").message("en") == error.en
    assert str(error("why")) == f"{error.code}: why"
    assert str(error()) == error.code


def test_no_two_errors_share_a_code() -> None:
    codes = [error.code for error in ERRORS]
    assert len(set(codes)) == len(codes)
