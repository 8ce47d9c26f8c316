# SPDX-License-Identifier: Apache-2.0
"""Feeds: changes chained by hash, signed, cut into segments.

What lives here: salts, heads, segments whole and with blanks, and their verification. What must
not: keys and signatures themselves, which are handed in as functions, and merging.

Invariants
- ``head(n) = SHA-256("doorstep/head/1" || head(n-1) || digest(n))``; a signature covers a head,
  so it covers all that came before it.
- Salts follow from the seed of their block, one random seed for each opening of a store and each
  256 counters. A blank shows a digest and no salt: the content cannot be guessed from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from sync import kernel
from sync.change import (
    CHANGE_BYTES_MAX,
    SALT_BYTES,
    Entry,
    change_digest,
    entries_of,
    entry_of,
    split_changes,
)
from sync.clock import COUNTER_MAX
from sync.compression import UPLOAD_LEVEL, pack, unpack
from sync.decoding import MALFORMED
from sync.errors import ChainBroken, LimitExceeded, MessageMalformed

BLOCK_CHANGES = 256
"""Changes that share a seed: small, so that erasing one reveals few salts one by one."""
SEGMENT_CHANGES_MAX = 2_000
"""Changes of one segment: a week of one tablet's work, unpacked in a few milliseconds."""
SEGMENT_BYTES_MAX = 4 * 1024 * 1024
"""One segment's payload, unpacked."""
SEED_BYTES = 32
HEAD_BYTES = 32
SIGNATURE_BYTES_MAX = 128

Verify = Callable[[bytes, bytes, bytes], None]
"""``verify(replica, message, signature)``: returns, or raises what its package raises."""

Head = Annotated[bytes, Meta(min_length=HEAD_BYTES, max_length=HEAD_BYTES)]
Replica = Annotated[bytes, Meta(min_length=16, max_length=16)]
Counter = Annotated[int, Meta(ge=1, le=COUNTER_MAX)]


class Block(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """From ``first`` on, salts follow from ``seed`` until the next block."""

    first: Counter
    seed: Annotated[bytes, Meta(min_length=SEED_BYTES, max_length=SEED_BYTES)]


class Segment(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A signed run of consecutive changes of one feed.

    ``payload`` is the compressed array of the changes; ``signature`` covers replica, last counter
    and the head after the last change.
    """

    replica: Replica
    first: Counter
    count: Annotated[int, Meta(ge=1, le=SEGMENT_CHANGES_MAX)]
    before: Head
    blocks: Annotated[list[Block], Meta(min_length=1, max_length=SEGMENT_CHANGES_MAX)]
    payload: Annotated[bytes, Meta(max_length=SEGMENT_BYTES_MAX)]
    signature: Annotated[bytes, Meta(max_length=SIGNATURE_BYTES_MAX)]

    @property
    def last(self) -> int:
        """The counter of its last change."""
        return self.first + self.count - 1


class Slot(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One place of a partial segment: salt and bytes, or the digest alone where it is blank."""

    digest: Annotated[bytes, Meta(max_length=32)] = b""
    salt: Annotated[bytes, Meta(max_length=SALT_BYTES)] = b""
    raw: Annotated[bytes, Meta(max_length=CHANGE_BYTES_MAX)] = b""


class Partial(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A segment with blanks: what a teammate may read, and digests for the rest.

    ``sealed`` holds the contents of blanks, sealed to the server by whoever blanked them.
    """

    replica: Replica
    first: Counter
    before: Head
    slots: Annotated[list[Slot], Meta(min_length=1, max_length=SEGMENT_CHANGES_MAX)]
    signature: Annotated[bytes, Meta(max_length=SIGNATURE_BYTES_MAX)]
    sealed: Annotated[list[bytes], Meta(max_length=64)] = []

    @property
    def last(self) -> int:
        """The counter of its last change."""
        return self.first + len(self.slots) - 1


def genesis(replica: bytes) -> bytes:
    """The head of a feed before its first change."""
    return hashlib.sha256(b"doorstep/feed/1\0" + replica).digest()


_OF_HEAD = b"doorstep/head/1\0"
# A copy of a hash that was begun costs half of what making one does.
_HEAD = hashlib.sha256(_OF_HEAD)


def next_head(head: bytes, digest: bytes) -> bytes:
    """The head after one more change."""
    found = _HEAD.copy()
    found.update(head + digest)
    return found.digest()


def salts(seed: bytes, count: int) -> list[bytes]:
    """The first ``count`` salts (16 bytes each) of a block: SHAKE-256 of purpose and seed."""
    out = hashlib.shake_256(b"doorstep/salt/1\0" + seed).digest(SALT_BYTES * count)
    return [out[i : i + SALT_BYTES] for i in range(0, len(out), SALT_BYTES)]


def salts_between(blocks: Sequence[Block], first: int, count: int) -> list[bytes]:
    """The salts of counters ``first`` … ``first + count - 1``.

    Raises MessageMalformed if the blocks do not cover them in order, each at most 256 long.
    """
    out: list[bytes] = []
    end = first + count
    for i, block in enumerate(blocks):
        stop = min(blocks[i + 1].first if i + 1 < len(blocks) else end, end)
        start = max(block.first, first)
        if start != first + len(out) or stop <= start or stop - block.first > BLOCK_CHANGES:
            raise MessageMalformed("blocks do not fit their segment")
        out += salts(block.seed, stop - block.first)[start - block.first :]
    if len(out) != count:
        raise MessageMalformed("blocks do not fit their segment")
    return out


def head_message(replica: bytes, last: int, head: bytes) -> bytes:
    """What a feed's signature covers: replica (16), last counter (8), head (32)."""
    return replica + last.to_bytes(8, "big") + head


def build_segment(
    replica: bytes,
    first: int,
    before: bytes,
    blocks: list[Block],
    raws: Sequence[bytes],
    signature: bytes,
    level: int = UPLOAD_LEVEL,
) -> Segment:
    """Pack consecutive changes; ``signature`` is that of the head after the last of them."""
    body = msgspec.msgpack.encode([Raw(raw) for raw in raws])
    return Segment(replica, first, len(raws), before, blocks, pack(body, level), signature)


def _opened(segment: Segment) -> tuple[bytes, list[bytes]]:
    """The payload, unpacked, and the salts of its changes."""
    return unpack(segment.payload, SEGMENT_BYTES_MAX), salts_between(
        segment.blocks, segment.first, segment.count
    )


def unpack_segment(segment: Segment) -> list[Entry]:
    """The changes of a segment, each with its salt, digest and dot; nothing is verified yet.

    Raises MessageMalformed or LimitExceeded.
    """
    body, given = _opened(segment)
    return entries_of(segment.replica, segment.first, given, body)


def segment_slots(segment: Segment) -> list[tuple[bytes, bytes]]:
    """Salt and bytes of each of a segment's changes, which are not read.

    Raises MessageMalformed or LimitExceeded.
    """
    body, given = _opened(segment)
    return list(zip(given, split_changes(body, segment.count), strict=True))


def segment_digests(segment: Segment) -> list[bytes]:
    """The digests of a segment's changes, which are not read: all that a chain is made of.

    Raises MessageMalformed or LimitExceeded.
    """
    body, given = _opened(segment)
    return [
        change_digest(segment.replica, counter, salt, raw)
        for counter, (salt, raw) in enumerate(
            zip(given, split_changes(body, segment.count), strict=True), segment.first
        )
    ]


def chain(before: bytes, entries: list[Entry]) -> bytes:
    """The head after ``entries``, from the head before them."""
    return kernel.chain(_OF_HEAD, before, entries)


def verify_segment(segment: Segment, verify: Verify) -> tuple[list[Entry], bytes]:
    """Open a segment and check its chain and signature: its changes and the head after them.

    Whether ``before`` is the head that is held is for the caller to compare. Raises ChainBroken
    through ``verify``, MessageMalformed, LimitExceeded.
    """
    entries = unpack_segment(segment)
    head = chain(segment.before, entries)
    verify(segment.replica, head_message(segment.replica, segment.last, head), segment.signature)
    if segment.first == 1 and segment.before != genesis(segment.replica):
        raise ChainBroken("a feed begins with its own genesis")
    return entries, head


def verify_partial(
    partial: Partial, verify: Verify
) -> tuple[list[Entry], list[tuple[int, bytes]], bytes]:
    """Check a segment with blanks: its readable changes, its blanks as (counter, digest), its
    head."""
    replica, head = partial.replica, partial.before
    entries: list[Entry] = []
    blanks: list[tuple[int, bytes]] = []
    size = 0
    for counter, slot in enumerate(partial.slots, partial.first):
        size += len(slot.raw)
        if size > SEGMENT_BYTES_MAX:
            raise LimitExceeded("partial segment")
        if slot.raw:
            if len(slot.salt) != SALT_BYTES:
                raise MessageMalformed("partial segment: salt")
            entry = entry_of(replica, counter, slot.salt, slot.raw)
            entries.append(entry)
            digest = entry.digest
        else:
            if len(slot.digest) != HEAD_BYTES:
                raise MessageMalformed("partial segment: digest")
            blanks.append((counter, slot.digest))
            digest = slot.digest
        head = next_head(head, digest)
    verify(replica, head_message(replica, partial.last, head), partial.signature)
    if partial.first == 1 and partial.before != genesis(replica):
        raise ChainBroken("a feed begins with its own genesis")
    return entries, blanks, head


class SealedChange(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The content of one blank, as it stands inside a sealed part."""

    replica: Replica
    counter: Counter
    salt: Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
    raw: Annotated[bytes, Meta(max_length=CHANGE_BYTES_MAX)]


_sealed = msgspec.msgpack.Decoder(list[SealedChange])


def encode_sealed_changes(changes: Sequence[SealedChange]) -> bytes:
    """What goes into a sealed part, before it is sealed."""
    return pack(msgspec.msgpack.encode(list(changes)), UPLOAD_LEVEL)


def decode_sealed_changes(data: bytes) -> list[SealedChange]:
    """What an opened sealed part holds. Raises MessageMalformed or LimitExceeded."""
    try:
        return _sealed.decode(unpack(data, SEGMENT_BYTES_MAX))
    except MALFORMED as error:
        raise MessageMalformed(f"sealed changes: {error}") from error


def fill_blanks(partial: Partial, contents: dict[tuple[bytes, int], SealedChange]) -> Partial:
    """Put contents into blanks whose digest they have; what does not fit is left out."""
    slots = []
    for counter, slot in enumerate(partial.slots, partial.first):
        found = None if slot.raw else contents.get((partial.replica, counter))
        if found and change_digest(partial.replica, counter, found.salt, found.raw) == slot.digest:
            slots.append(Slot(b"", found.salt, found.raw))
        else:
            slots.append(slot)
    return msgspec.structs.replace(partial, slots=slots)
