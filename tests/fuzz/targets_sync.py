# SPDX-License-Identifier: Apache-2.0
"""The parsers of ``sync`` that read outside bytes, with right samples and ways to make wrong ones.

What lives here: targets. What must not: the loop. Invariant: where a signature, a chain or a frame
stands before the content, most cases carry a right one over wrong content, else nothing past the
first check would ever be tried.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec

from crypto.errors import CryptoError
from crypto.identity import DeviceKey, verify
from sync.change import Entry, decode_change, entry_of
from sync.compression import pack, unpack
from sync.enrolment import Begin, Enrolled, Offer, Prove, Succeed, Succeeded, Waiting
from sync.enrolment import decode as decode_enrolment
from sync.errors import SyncError
from sync.feed import (
    Block,
    Partial,
    Segment,
    build_segment,
    chain,
    decode_sealed_changes,
    genesis,
    head_message,
    salts,
    verify_partial,
    verify_segment,
)
from sync.messages import (
    decode_known,
    decode_meeting,
    decode_notice,
    decode_reply,
    decode_request,
    decode_state,
    unpack_pages,
)
from sync.packing import decode_causal, unpack_state
from tests.fuzz.mutation import deep, mutate_bytes, mutate_packed
from tests.fuzz.running import Target

GOLDEN = Path(__file__).resolve().parents[2] / "fixtures" / "golden"
ERRORS = (SyncError, CryptoError)
KEY = DeviceKey.from_private(hashlib.sha256(b"doorstep golden tablet").digest())
SEED = bytes(range(32))
PAGES_BYTES_MAX = 1 << 20

Passed = Callable[[], None]
Parse = Callable[[bytes, Passed], object]
_segment = msgspec.msgpack.Decoder(Segment)
_partial = msgspec.msgpack.Decoder(Partial)


def golden(name: str) -> bytes:
    """One of the committed samples."""
    return (GOLDEN / f"{name}.bin").read_bytes()


def packed(rng: random.Random, data: bytes) -> bytes:
    """Wrong MessagePack: mostly by structure, else by bytes; now and then far too deep."""
    choice = rng.random()
    if choice < 0.75:
        return mutate_packed(rng, data)
    if choice < 0.98:
        return mutate_bytes(rng, data, [])
    return deep(rng)


def _message(decode: Callable[[bytes], object]) -> Callable[[bytes, Passed], object]:
    def parse(data: bytes, passed: Passed) -> object:
        # The version stands first and is the first check; whatever carries it goes on.
        at = {0xDC: 3, 0xDD: 5}.get(data[0] if data else 0, 1)
        if data[at : at + 1] == b"\x01":
            passed()
        return decode(data)

    return parse


def bytewise(rng: random.Random, data: bytes) -> bytes:
    """Any bytes wrong."""
    return mutate_bytes(rng, data, [])


def after(check: Callable[[bytes], object], begins: bytes = b"") -> Parse:
    """A parser whose first check is what the bytes begin with."""

    def parse(data: bytes, passed: Passed) -> object:
        if data.startswith(begins):
            passed()
        return check(data)

    return parse


def well_formed(decode: Callable[[bytes], object]) -> Parse:
    """A parser of MessagePack: any that is well formed is past the framing."""

    def parse(data: bytes, passed: Passed) -> object:
        try:
            msgspec.msgpack.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return decode(data)
        passed()
        return decode(data)

    return parse


def _state(data: bytes) -> object:
    state = decode_state(data)
    body = dict(zip(state.names, state.values, strict=True))
    return unpack_state(decode_causal(bytes(state.causal)), body)


def _signed_by_key(replica: bytes, message: bytes, signature: bytes) -> None:
    verify(KEY.public, b"segment", message, signature)


def _segment_of(raws: list[bytes]) -> bytes:
    """A segment with a right chain and signature over whatever its changes are."""
    before = genesis(KEY.replica)
    blocks = [Block(1, SEED)]
    try:
        entries: list[Entry] = [
            entry_of(KEY.replica, n, salt, raw)
            for n, (raw, salt) in enumerate(zip(raws, salts(SEED, len(raws)), strict=True), 1)
        ]
        head = chain(before, entries)
    except SyncError:
        head = before
    signature = KEY.sign(b"segment", head_message(KEY.replica, len(raws), head))
    return msgspec.msgpack.encode(build_segment(KEY.replica, 1, before, blocks, raws, signature, 1))


def _mutate_segment(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.3:
        return packed(rng, data)
    raws = [golden("change")] * rng.choice((1, 2, 3))
    at = rng.randrange(len(raws))
    raws[at] = packed(rng, raws[at])
    try:
        return _segment_of(raws)
    except SyncError:
        return data


def _parse_segment(data: bytes, passed: Passed) -> object:
    try:
        segment = _segment.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # Segments come inside requests, whose decoder turns this into MessageMalformed.
        return decode_request(data)
    passed()
    return verify_segment(segment, _signed_by_key)


def _parse_partial(data: bytes, passed: Passed) -> object:
    try:
        msgspec.msgpack.decode(data)
        passed()
        partial = _partial.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return decode_request(data)
    return verify_partial(partial, _signed_by_key)


def _reframed(rng: random.Random, data: bytes) -> bytes:
    """A right zstd frame around wrong content, or a wrong frame."""
    if rng.random() < 0.3:
        return mutate_bytes(rng, data, [])
    return pack(packed(rng, unpack(data, PAGES_BYTES_MAX)), rng.choice((1, 3)))


def _framed(decode: Callable[[bytes], object]) -> Callable[[bytes, Passed], object]:
    def parse(data: bytes, passed: Passed) -> object:
        if data[:1] in (b"\0", b"\1"):
            passed()
        return decode(data)

    return parse


@cache
def _zeros(size: int) -> bytes:
    return pack(bytes(size), 1)


def _bomb(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.1:
        return _zeros(rng.choice((PAGES_BYTES_MAX + 1, 24 << 20)))
    return mutate_bytes(rng, data, [])


def _enrolments() -> list[Target]:
    kinds: list[tuple[str, type[msgspec.Struct]]] = [
        ("begin", Begin),
        ("offer", Offer),
        ("prove", Prove),
        ("waiting", Waiting),
        ("enrolled", Enrolled),
        ("succeed", Succeed),
        ("succeeded", Succeeded),
    ]

    def parser(kind: type[msgspec.Struct]) -> Callable[[bytes, Passed], object]:
        return well_formed(lambda data: decode_enrolment(data, kind))

    return [
        Target(f"enrolment {name}", (golden(name),), packed, parser(kind), ERRORS)
        for name, kind in kinds
    ]


def targets() -> list[Target]:
    """All of them."""
    pages = pack(msgspec.msgpack.encode([msgspec.msgpack.decode(golden("page"))]), 3)
    sealed = pack(msgspec.msgpack.encode([[KEY.replica, 1, bytes(16), golden("change")]]), 3)
    known = msgspec.msgpack.encode([[KEY.replica, 7, bytes(32)], [KEY.replica, 8, bytes(4)]])
    notice = ["r", "household", "phone", "1", "2", "w1", "w2", "later", "latest", 1]
    whole = _segment_of([golden("change")] * 3)
    return [
        Target("request", (golden("request"),), packed, _message(decode_request), ERRORS),
        Target("reply", (golden("reply"),), packed, _message(decode_reply), ERRORS),
        Target("meeting", (golden("meeting"),), packed, _message(decode_meeting), ERRORS),
        Target("receipts", (known,), packed, well_formed(decode_known), ERRORS),
        Target(
            "notice", (msgspec.msgpack.encode(notice),), packed, well_formed(decode_notice), ERRORS
        ),
        Target("state", (golden("state"),), packed, well_formed(_state), ERRORS),
        Target("change", (golden("change"),), packed, well_formed(decode_change), ERRORS),
        Target("segment", (whole, golden("segment")), _mutate_segment, _parse_segment, ERRORS),
        Target("partial", (golden("partial"),), packed, _parse_partial, ERRORS),
        Target("pages", (pages,), _reframed, _framed(unpack_pages), ERRORS),
        Target("sealed changes", (sealed,), _reframed, _framed(decode_sealed_changes), ERRORS),
        Target(
            "compression",
            (pages, sealed),
            _bomb,
            _framed(lambda data: unpack(data, PAGES_BYTES_MAX)),
            ERRORS,
        ),
        *_enrolments(),
    ]
