# SPDX-License-Identifier: Apache-2.0
"""One edit of one record: its form, its limits, its digest.

What lives here: the change as it is written, encoded and hashed. What must not: what a change does
to a record (``record.py``), and how changes follow one another (``feed.py``).

Invariants
- The bytes that were hashed are the bytes that are stored and sent; nothing is re-encoded.
- The digest binds replica, counter, salt and bytes; the tag of the dot is its first four bytes.
- Names stand apart from values, constant parts first: a compressor then sees one long repetition.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from sync.clock import COUNTER_BYTES, TAG_BYTES, Dot, Stamp, check_vector, dot, replica_of
from sync.decoding import MALFORMED
from sync.errors import ChangeInvalid, LimitExceeded, MessageMalformed
from sync.kernel import place
from sync.loops import TO_SORTABLE
from sync.schema import NAME_CHARS_MAX

CHANGE_BYTES_MAX = 64 * 1024
"""One change, encoded: a visit with long notes is 4 KB; photos travel as blobs."""
FIELDS_PER_CHANGE_MAX = 120
"""Fields one change may write: all that a collection may declare."""
TEXT_CHARS_MAX = 16_000
"""One text value: a long report."""
ITEMS_MAX = 1_000
"""Items of one list or object value."""
ID_CHARS_MAX = 64
"""A record id: made here it has 22, brought by an import it may be longer."""
VECTOR_BYTES_MAX = 28 * 1_024
"""A vector: a thousand replicas on one record."""
COUNT_MAX = 2**48
"""One amount, either way: the sum of 32,767 such still has 63 bits, which every store can hold."""
SALT_BYTES = 16

Text = Annotated[str, Meta(max_length=TEXT_CHARS_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
Finite = Annotated[float, Meta(ge=-1.7e308, le=1.7e308)]
"""No NaN, no infinity: neither has a place in JSON, and NaN is not equal to itself."""
Scalar = None | bool | int | Finite | Text
# Depth is limited by the type itself, so that the decoder refuses what is deeper before it builds
# it.
_Few = Meta(max_length=ITEMS_MAX)
Depth3 = Scalar | Annotated[list[Scalar], _Few] | Annotated[dict[Name, Scalar], _Few]
Depth2 = Scalar | Annotated[list[Depth3], _Few] | Annotated[dict[Name, Depth3], _Few]
Value = Scalar | Annotated[list[Depth2], _Few] | Annotated[dict[Name, Depth2], _Few]

ADD, REMOVE, COUNT, APPEND, VOID, REASON = "add", "remove", "count", "append", "void", "reason"
OPERATIONS = frozenset({ADD, REMOVE, COUNT, APPEND, VOID, REASON})


class Change(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One edit of one record, as it travels: an array in this order.

    ``names`` and ``values`` are the fields set. ``record`` is the id, or None where the change
    makes a new record whose id follows from it. ``vector`` is what the writer had seen of the
    record. ``stamp_ms``/``stamp_n`` are the hybrid stamp, ``clock_ms`` the raw wall clock less
    ``stamp_ms``. ``others`` are ``(operation, field, value)``: ``add``/``remove`` with a list of
    elements, ``count`` with a whole number, ``append`` with a list of entries, ``void`` and
    ``reason`` with a text.
    """

    worker: Annotated[str, Meta(max_length=32)]
    collection: Name
    names: Annotated[tuple[Name, ...], Meta(max_length=FIELDS_PER_CHANGE_MAX)]
    values: Annotated[list[Value], Meta(max_length=FIELDS_PER_CHANGE_MAX)]
    record: Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)] | None
    vector: Annotated[bytes, Meta(max_length=VECTOR_BYTES_MAX)]
    stamp_ms: Annotated[int, Meta(ge=0, le=2**53)]
    stamp_n: Annotated[int, Meta(ge=0, le=2**31)]
    clock_ms: Annotated[int, Meta(ge=-(2**53), le=2**53)]
    others: Annotated[list[tuple[str, str, Value]], Meta(max_length=FIELDS_PER_CHANGE_MAX)] = []

    @property
    def stamp(self) -> Stamp:
        """The hybrid stamp of the write."""
        return Stamp(self.stamp_ms, self.stamp_n)

    @property
    def void(self) -> bool:
        """Does this change void its record?"""
        return any(op == VOID for op, _, _ in self.others)

    def reason(self) -> str:
        """Why it was written, where its writer said so."""
        return next((str(v) for op, _, v in self.others if op in (REASON, VOID)), "")


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A change at its place in its feed: what merging needs of it."""

    dot: Dot
    record: str
    change: Change
    digest: bytes
    salt: bytes
    raw: bytes


_UNPLAIN = re.compile(r'["\\\x00-\x1f\x7f]')
"""What a name may not hold: it could not be named in a path into the shown values."""


@lru_cache(maxsize=4096)
def _names_fit(names: tuple[str, ...]) -> bool:
    return len(set(names)) == len(names) and not any(_UNPLAIN.search(name) for name in names)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Change)
_many_decoder = msgspec.msgpack.Decoder(list[Change])


def encode_change(change: Change) -> bytes:
    """The bytes of a change. Raises LimitExceeded above CHANGE_BYTES_MAX."""
    raw = _encoder.encode(change)
    if len(raw) > CHANGE_BYTES_MAX:
        raise LimitExceeded(f"change of {len(raw)} bytes, at most {CHANGE_BYTES_MAX}")
    return raw


def decode_change(raw: bytes | msgspec.Raw) -> Change:
    """Read one change.

    Raises LimitExceeded if it is too large, MessageMalformed if it is not a change.
    """
    if len(raw) > CHANGE_BYTES_MAX:
        raise LimitExceeded(f"change of {len(raw)} bytes, at most {CHANGE_BYTES_MAX}")
    try:
        change = _decoder.decode(raw)
    except MALFORMED as error:
        raise MessageMalformed(f"change: {error}") from error
    _check(change)
    return change


def _check(change: Change) -> None:
    if len(change.names) != len(change.values) or len(change.vector) % 28:
        raise MessageMalformed("change: names, values or vector do not fit")
    if not _names_fit(change.names):
        raise MessageMalformed("change: a name twice, or with quotes or control characters")
    if change.vector:
        check_vector(change.vector)
    if change.others:
        check_operations(change)


_split = msgspec.msgpack.Decoder(list[msgspec.Raw])


def split_changes(body: bytes, count: int) -> list[bytes]:
    """The bytes of each change of an encoded array of ``count``, none above CHANGE_BYTES_MAX.

    Raises LimitExceeded, MessageMalformed.
    """
    try:
        raws = [bytes(raw) for raw in _split.decode(body)]
    except MALFORMED as error:
        raise MessageMalformed(f"segment: {error}") from error
    if len(raws) != count:
        raise MessageMalformed("segment: count of changes")
    longest = max(map(len, raws), default=0)
    if longest > CHANGE_BYTES_MAX:
        raise LimitExceeded(f"change of {longest} bytes, at most {CHANGE_BYTES_MAX}")
    return raws


def check_operations(change: Change) -> None:
    """Raise MessageMalformed unless every operation has the value it needs, stands once a field,
    and on no field that the change also sets."""
    seen: set[tuple[str, str]] = set()
    if change.void and (change.names or len(change.others) > 1):
        raise MessageMalformed("a void writes nothing else")
    for op, field, value in change.others:
        if op not in OPERATIONS:
            raise MessageMalformed(f"operation {op[:20]!r}")
        if (op, field) in seen:
            raise MessageMalformed(f"operation {op} twice on one field")
        seen.add((op, field))
        if op in (ADD, REMOVE):
            good = isinstance(value, list) and all(type(x) in (str, int) for x in value)
        elif op == COUNT:
            good = type(value) is int and abs(value) <= COUNT_MAX
        elif op == APPEND:
            good = isinstance(value, list) and len(value) > 0
        else:
            good = isinstance(value, str) and field == ""
        if not good:
            raise MessageMalformed(f"operation {op}: its value")
        if op not in (VOID, REASON):
            plain = 1 <= len(field) <= NAME_CHARS_MAX and _names_fit((field,))
            if not plain or field in change.names:
                raise MessageMalformed(f"operation {op}: its field")


_OF_CHANGE = b"doorstep/change/1\0"
_OF_RECORD = b"doorstep/record/1\0"
# A copy of a hash that was begun costs half of what making one does.
_DIGEST = hashlib.sha256(_OF_CHANGE)
_NEW_RECORD = hashlib.sha256(_OF_RECORD)


def change_digest(replica: bytes, counter: int, salt: bytes, raw: bytes) -> bytes:
    """SHA-256 that names a change: purpose, replica, counter, salt, bytes (32 bytes)."""
    found = _DIGEST.copy()
    found.update(replica + counter.to_bytes(COUNTER_BYTES, "big") + salt + raw)
    return found.digest()


def sortable_text(raw: bytes) -> str:
    """Base64 over an alphabet in ASCII order: texts sort as the bytes do."""
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(TO_SORTABLE).decode()


def new_record_id(replica: bytes, counter: int, stamp_ms: int, salt: bytes) -> str:
    """The id of a record made by a change: 22 characters that sort by writer, then by time.

    Four bytes of the replica, six of the stamp, six of a digest: ids made by one writer lie
    together in an index, and a commit costs the pages it touches. The id follows from the change,
    so it costs nothing on the wire; the salt, random at each opening of a store, keeps the ids of
    two branches of one feed apart.
    """
    tail = _NEW_RECORD.copy()
    tail.update(replica + counter.to_bytes(COUNTER_BYTES, "big") + salt)
    time = (stamp_ms & 0xFFFF_FFFF_FFFF).to_bytes(6, "big")
    return sortable_text(replica[:4] + time + tail.digest()[:6])


def entry_of(replica: bytes, counter: int, salt: bytes, raw: bytes) -> Entry:
    """Place one change in its feed: decode, hash, name. Raises what ``decode_change`` raises."""
    change = decode_change(raw)
    digest = change_digest(replica, counter, salt, raw)
    record = change.record or new_record_id(replica, counter, change.stamp_ms, salt)
    return Entry(dot(replica, counter, digest[:TAG_BYTES]), record, change, digest, salt, raw)


def entries_of(replica: bytes, first: int, salts: Sequence[bytes], body: bytes) -> list[Entry]:
    """Place the changes of a run in their feed: what ``entry_of`` gives for each, in one pass.

    ``body`` is the encoded array of the changes, as many as there are salts. Raises
    LimitExceeded, MessageMalformed.
    """
    raws = split_changes(body, len(salts))
    try:
        changes = _many_decoder.decode(body)
    except MALFORMED as error:
        raise MessageMalformed(f"change: {error}") from error
    good = set[tuple[str, ...]]()
    for change in changes:
        names = change.names
        # Most changes of a run write the same few sets of names, which are looked at once.
        if names not in good or change.vector or change.others or len(names) != len(change.values):
            _check(change)
            good.add(names)
    return place(Entry, _OF_CHANGE, _OF_RECORD, replica, first, list(salts), raws, changes)


def own_tips(entry: Entry) -> tuple[Dot, ...]:
    """The dots of the writer's own replica that stood before this change on its record."""
    replica, vector = replica_of(entry.dot), entry.change.vector
    return tuple(
        vector[i : i + 28] for i in range(0, len(vector), 28) if vector[i : i + 16] == replica
    )


class _Written(NamedTuple):
    """What one change writes. A class is compiled once, a bare alias of types at each call."""

    names: tuple[Name, ...]
    values: list[Value]


def check_writable(names: tuple[str, ...], values: list[Any]) -> None:
    """Raise ChangeInvalid unless these may be written: finite, shallow, short, with plain names."""
    try:
        msgspec.convert((names, values), _Written)
    except msgspec.ValidationError as error:
        raise ChangeInvalid(str(error)) from error
