# SPDX-License-Identifier: Apache-2.0
"""Feeds: chains, salts, segments with and without blanks, and everything that must not pass."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from sync.change import CHANGE_BYTES_MAX, Change, encode_change, entry_of
from sync.compression import pack
from sync.errors import ChainBroken, LimitExceeded, MessageMalformed, SyncError
from sync.feed import (
    BLOCK_CHANGES,
    SEGMENT_BYTES_MAX,
    SEGMENT_CHANGES_MAX,
    SIGNATURE_BYTES_MAX,
    Block,
    Partial,
    SealedChange,
    Segment,
    Slot,
    build_segment,
    chain,
    decode_sealed_changes,
    encode_sealed_changes,
    fill_blanks,
    genesis,
    head_message,
    next_head,
    salts,
    salts_between,
    segment_digests,
    segment_slots,
    unpack_segment,
    verify_partial,
    verify_segment,
)

A, B = b"a" * 16, b"b" * 16
SEED = b"s" * 32


class BadSignature(Exception):
    pass


def sign(replica: bytes, message: bytes) -> bytes:
    return hashlib.sha256(b"only the writer can do this" + replica + message).digest()


def verify(replica: bytes, message: bytes, signature: bytes) -> None:
    if sign(replica, message) != signature:
        raise BadSignature


def raws(count: int, first: int = 1) -> list[bytes]:
    return [
        encode_change(Change("w", "visit", ("n",), [i], None, b"", 1_000 + i, 0, 0))
        for i in range(first, first + count)
    ]


def segment(size: int = 3, **changed: Any) -> Segment:
    """Changes 1 … size of replica A, signed as the writer signs them."""
    blocks = [Block(n, SEED) for n in range(1, size + 1, BLOCK_CHANGES)]
    unsigned = build_segment(A, 1, genesis(A), blocks, raws(size), b"", level=1)
    head = chain(genesis(A), unpack_segment(unsigned))
    signed = msgspec.structs.replace(unsigned, signature=sign(A, head_message(A, size, head)))
    return msgspec.structs.replace(signed, **changed)


def partial(count: int = 3, blank: tuple[int, ...] = (2,)) -> Partial:
    s = segment(count)
    slots = [
        Slot(digest=e.digest) if i in blank else Slot(b"", e.salt, e.raw)
        for i, e in enumerate(unpack_segment(s), 1)
    ]
    return Partial(A, 1, s.before, slots, s.signature)


def test_a_segment_comes_back_with_dots_salts_and_its_head() -> None:
    entries, head = verify_segment(segment(), verify)
    assert [int.from_bytes(e.dot[16:24], "big") for e in entries] == [1, 2, 3]
    assert [e.raw for e in entries] == raws(3)
    assert [e.salt for e in entries] == salts(SEED, 3)
    assert head == chain(genesis(A), entries)
    assert segment().last == 3


def test_a_run_read_in_one_pass_gives_what_each_change_gives_alone() -> None:
    s = segment(BLOCK_CHANGES + 3)
    given = salts(SEED, BLOCK_CHANGES) + salts(SEED, 3)
    alone = [
        entry_of(A, n, salt, raw)
        for n, (salt, raw) in enumerate(zip(given, raws(len(given)), strict=True), 1)
    ]
    assert unpack_segment(s) == alone
    assert segment_digests(s) == [entry.digest for entry in alone]


@pytest.mark.parametrize("read", [unpack_segment, segment_digests])
def test_a_segment_with_a_change_too_many_or_too_large_is_not_read(
    read: Callable[[Segment], object],
) -> None:
    with pytest.raises(MessageMalformed):
        read(segment(3, count=2))
    large = msgspec.msgpack.encode([msgspec.Raw(raws(1)[0]), bytes(CHANGE_BYTES_MAX)])
    with pytest.raises(LimitExceeded):
        read(segment(2, payload=pack(large)))


def test_a_head_is_the_hash_of_the_head_before_and_the_digest() -> None:
    assert genesis(A) == hashlib.sha256(b"doorstep/feed/1\0" + A).digest()
    head = hashlib.sha256(b"doorstep/head/1\0" + genesis(A) + b"d" * 32).digest()
    assert next_head(genesis(A), b"d" * 32) == head
    assert head_message(A, 3, head) == A + bytes(7) + b"\x03" + head


def test_salts_follow_from_the_seed_of_their_block() -> None:
    expected = hashlib.shake_256(b"doorstep/salt/1\0" + SEED).digest(32)
    assert salts(SEED, 2) == [expected[:16], expected[16:]]
    assert salts(SEED, 5)[:2] == salts(SEED, 2)
    assert salts(b"t" * 32, 1) != salts(SEED, 1)


@pytest.mark.parametrize(
    ("blocks", "first", "count"),
    [
        ([(1, SEED)], 1, 256),
        ([(1, SEED)], 256, 1),
        ([(1, SEED), (257, SEED)], 1, 300),
        ([(1, SEED), (257, SEED)], 200, 100),
        ([(90, SEED), (100, SEED), (101, SEED)], 95, 10),
    ],
)
def test_blocks_that_cover_their_segment_give_every_salt(
    blocks: list[tuple[int, bytes]], first: int, count: int
) -> None:
    found = salts_between([Block(*b) for b in blocks], first, count)
    assert len(found) == count
    whole = {}
    for i, (start, seed) in enumerate(blocks):
        stop = blocks[i + 1][0] if i + 1 < len(blocks) else first + count
        whole |= dict(zip(range(start, stop), salts(seed, stop - start), strict=True))
    assert found == [whole[n] for n in range(first, first + count)]


@pytest.mark.parametrize(
    ("blocks", "first", "count"),
    [
        ([1], 1, BLOCK_CHANGES + 1),
        ([1], 257, 1),
        ([2], 1, 3),
        ([1, 1], 1, 3),
        ([1, 3, 2], 1, 3),
        ([1, 4], 1, 3),
        ([1, 2], 3, 0),
    ],
)
def test_blocks_that_do_not_fit_their_segment_are_refused(
    blocks: list[int], first: int, count: int
) -> None:
    with pytest.raises(MessageMalformed):
        salts_between([Block(n, SEED) for n in blocks], first, count)


ALTERED: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "another signature": ({"signature": b"x" * 32}, BadSignature),
    "another writer": ({"replica": B}, BadSignature),
    "another head before": ({"before": b"x" * 32}, BadSignature),
    "another place": ({"first": 2, "blocks": [Block(2, SEED)]}, BadSignature),
    "another seed": ({"blocks": [Block(1, b"t" * 32)]}, BadSignature),
    "another change": (
        {"payload": pack(msgspec.msgpack.encode([msgspec.Raw(r) for r in raws(3, 2)]))},
        BadSignature,
    ),
    "fewer counted": ({"count": 2}, MessageMalformed),
    "more counted": ({"count": 4}, MessageMalformed),
    "no payload": ({"payload": b""}, MessageMalformed),
    "no list": ({"payload": pack(b"\x01")}, MessageMalformed),
    "truncated payload": ({"payload": segment().payload[:-2]}, MessageMalformed),
    "too large unpacked": (
        {"payload": pack(bytes(SEGMENT_BYTES_MAX + 1))},
        LimitExceeded,
    ),
}


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_segment_is_refused(how: str) -> None:
    changed, error = ALTERED[how]
    with pytest.raises(error):
        verify_segment(segment(**changed), verify)


def test_a_feed_that_does_not_begin_with_its_own_genesis_is_refused_even_if_signed() -> None:
    s = segment(before=genesis(B))
    head = chain(genesis(B), unpack_segment(s))
    signed = msgspec.structs.replace(s, signature=sign(A, head_message(A, 3, head)))
    with pytest.raises(ChainBroken):
        verify_segment(signed, verify)
    p = msgspec.structs.replace(partial(), before=genesis(B), signature=signed.signature)
    with pytest.raises(ChainBroken):
        verify_partial(p, verify)


def test_a_segment_and_its_partial_end_in_the_same_head() -> None:
    entries, head = verify_segment(segment(), verify)
    for blank in [(), (1,), (2,), (1, 2, 3)]:
        readable, blanks, same = verify_partial(partial(blank=blank), verify)
        assert same == head
        assert [e.raw for e in readable] == [
            e.raw for i, e in enumerate(entries, 1) if i not in blank
        ]
        assert blanks == [(i, entries[i - 1].digest) for i in blank]


@pytest.mark.parametrize(
    ("slot", "error"),
    [
        (Slot(digest=b"d" * 31), MessageMalformed),
        (Slot(), MessageMalformed),
        (Slot(b"", b"s" * 15, raws(1)[0]), MessageMalformed),
        (Slot(b"", b"s" * 16, b"no change"), MessageMalformed),
        (Slot(b"", b"s" * 16, raws(1)[0]), BadSignature),
        (Slot(digest=b"d" * 32), BadSignature),
    ],
)
def test_an_altered_place_of_a_partial_is_refused(slot: Slot, error: type[Exception]) -> None:
    p = partial()
    with pytest.raises(error):
        verify_partial(msgspec.structs.replace(p, slots=[slot, *p.slots[1:]]), verify)


def test_a_partial_larger_than_a_segment_is_refused() -> None:
    text = "x" * 15_990
    raw = encode_change(Change("w", "visit", ("a", "b", "c", "d"), [text] * 4, None, b"", 1, 0, 0))
    fitting = SEGMENT_BYTES_MAX // len(raw)
    for count, error in ((fitting, BadSignature), (fitting + 1, LimitExceeded)):
        slots = [Slot(b"", b"s" * 16, raw)] * count
        with pytest.raises(error):
            verify_partial(Partial(A, 1, genesis(A), slots, b""), verify)


def test_an_erased_change_leaves_its_digest_and_the_chain_still_verifies() -> None:
    """The seed would give the erased change's salt, so the salts of the others take its place."""
    entries, head = verify_segment(segment(), verify)
    erased = partial(blank=(2,))
    _, blanks, same = verify_partial(erased, verify)
    assert same == head
    assert blanks == [(2, entries[1].digest)]
    sent = msgspec.msgpack.encode(erased)
    assert entries[1].salt not in sent
    assert entries[1].raw not in sent
    assert SEED not in sent


def test_blanks_are_filled_by_contents_that_have_their_digest_and_by_no_others() -> None:
    entries = unpack_segment(segment())
    right = SealedChange(A, 2, entries[1].salt, entries[1].raw)
    wrong = [
        SealedChange(A, 2, b"x" * 16, entries[1].raw),
        SealedChange(A, 2, entries[1].salt, entries[0].raw),
    ]
    filled = fill_blanks(partial(), {(A, 2): right})
    assert verify_partial(filled, verify)[1] == []
    for one in wrong:
        assert fill_blanks(partial(), {(A, 2): one}) == partial()
    assert fill_blanks(partial(), {(B, 2): right}) == partial()
    assert fill_blanks(partial(blank=()), {(A, 2): wrong[0]}) == partial(blank=())


def test_sealed_changes_come_back_and_bad_ones_are_refused() -> None:
    changes = [SealedChange(A, n, b"s" * 16, raw) for n, raw in enumerate(raws(2), 1)]
    assert decode_sealed_changes(encode_sealed_changes(changes)) == changes
    for bad in (b"", b"\0", pack(b"\x91\x01"), pack(b"\x91" * 5_000)):
        with pytest.raises(SyncError):
            decode_sealed_changes(bad)
    with pytest.raises(LimitExceeded):
        decode_sealed_changes(pack(bytes(SEGMENT_BYTES_MAX + 1)))


def converts(kind: type[Any], *values: Any) -> bool:
    try:
        msgspec.convert(list(values), kind)
    except msgspec.ValidationError:
        return False
    return True


def test_a_segment_of_the_most_changes_is_taken_and_one_more_is_refused() -> None:
    most = segment(SEGMENT_CHANGES_MAX)
    assert len(verify_segment(most, verify)[0]) == SEGMENT_CHANGES_MAX
    parts = [A, 1, SEGMENT_CHANGES_MAX, genesis(A), [Block(1, SEED)], b"", b""]
    assert converts(Segment, *parts)
    parts[2] = SEGMENT_CHANGES_MAX + 1
    assert not converts(Segment, *parts)
    parts[2] = 0
    assert not converts(Segment, *parts)


@pytest.mark.parametrize(
    ("place", "at", "above"),
    [
        (0, A, A + b"x"),
        (0, A, A[:-1]),
        (1, 1, 0),
        (1, 2**48, 2**48 + 1),
        (3, b"h" * 32, b"h" * 33),
        (4, [Block(1, SEED)], []),
        (4, [[1, SEED]] * SEGMENT_CHANGES_MAX, [[1, SEED]] * (SEGMENT_CHANGES_MAX + 1)),
        (4, [[1, SEED]], [[1, SEED + b"x"]]),
        (5, bytes(SEGMENT_BYTES_MAX), bytes(SEGMENT_BYTES_MAX + 1)),
        (6, bytes(SIGNATURE_BYTES_MAX), bytes(SIGNATURE_BYTES_MAX + 1)),
    ],
)
def test_each_part_of_a_segment_is_taken_at_its_limit_only(place: int, at: Any, above: Any) -> None:
    for value, good in ((at, True), (above, False)):
        parts: list[Any] = [A, 1, 1, genesis(A), [[1, SEED]], b"", b""]
        parts[place] = value
        assert converts(Segment, *parts) is good


def test_a_partial_is_taken_with_64_sealed_parts_and_not_with_65() -> None:
    slots = [Slot(digest=b"d" * 32)]
    assert converts(Partial, A, 1, genesis(A), slots, b"", [b""] * 64)
    assert not converts(Partial, A, 1, genesis(A), slots, b"", [b""] * 65)
    assert not converts(Partial, A, 1, genesis(A), [], b"", [])
    assert converts(Partial, A, 1, genesis(A), slots * SEGMENT_CHANGES_MAX, b"")
    assert not converts(Partial, A, 1, genesis(A), slots * (SEGMENT_CHANGES_MAX + 1), b"")


def test_a_place_takes_a_change_of_the_largest_size_and_no_larger() -> None:
    assert converts(Slot, b"", b"s" * 16, bytes(CHANGE_BYTES_MAX))
    assert not converts(Slot, b"", b"s" * 16, bytes(CHANGE_BYTES_MAX + 1))
    assert not converts(Slot, b"", b"s" * 17, b"")
    assert not converts(Slot, b"d" * 33, b"", b"")


def test_the_places_of_a_segment_are_its_salts_and_the_bytes_of_its_changes() -> None:
    whole = segment(3)
    entries, _ = verify_segment(whole, verify)
    assert segment_slots(whole) == [(e.salt, e.raw) for e in entries]
    with pytest.raises(SyncError):
        segment_slots(msgspec.structs.replace(whole, count=2))
