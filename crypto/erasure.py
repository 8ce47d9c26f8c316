# SPDX-License-Identifier: Apache-2.0
"""What servers and tablets say to each other about contents that are to be gone.

Lives here: the erasure (a server names records and changes whose content nobody keeps), the answer
of whoever carried it out, and the readings a tablet tells of.
Must not live here: what is erased and why it may be, storage.

Invariants: those of `statement`: signature (65 bytes) ‖ MessagePack, checked over the bytes as
received before they are decoded. No statement holds a value: it names by record id and by dot.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from crypto.certificate import STATEMENT_FORMAT
from crypto.decoding import Count, WallClock
from crypto.errors import CryptoError, StatementRefused
from crypto.identity import REPLICA_BYTES, SIGNATURE_BYTES, DeviceKey, replica_of, verify
from crypto.signed import STATEMENT_BYTES_MAX, claimed_word, open_word, sign_word, sound

ERASURE: Final = "erasure"
ERASED: Final = "erased"
ERASED_WAITS: Final = "erased-waits"
READINGS: Final = "readings"
READINGS_HELD: Final = "readings-held"
"""Kinds of statement: contents that are to be gone, that they are, that a part lies where nothing
can be done at present, what was read on a tablet, and how far the district holds that."""
CERTIFICATE: Final = b"erasure-certificate"
CASE_BYTES: Final = 16
COUNTER_MAX: Final = 2**48
"""The greatest number of a change in its feed: no tablet writes so many, and every store holds
it."""
CHANGE_BYTES: Final = 12
"""One change of a feed as an erasure names it: counter (8), tag (4)."""
ROOM_BYTES: Final = STATEMENT_BYTES_MAX - SIGNATURE_BYTES - 256
"""Of one statement, for records and changes; what does not fit goes into another."""
READINGS_PER_STATEMENT_MAX: Final = 60
"""Lines of one statement: the longest fit as well."""
FIELDS_CHARS_MAX: Final = 120
"""Kinds of records in one line; more go into another."""

_Id = Annotated[str, Meta(min_length=1, max_length=64)]


class Erasure(msgspec.Struct, frozen=True, array_like=True):
    """Contents that nobody keeps from now on.

    ``records`` are gone whole: no state of them is kept or taken in again. ``changes`` are
    (replica, counters and tags joined, twelve bytes each): their places in the feeds stay, with
    their digests, and are empty. ``basis`` is a stable word; ``at_ms`` the issuer's clock.
    """

    case: bytes
    issuer: bytes
    at_ms: WallClock
    basis: Annotated[str, Meta(max_length=24)]
    area: Annotated[str, Meta(max_length=15)]
    records: list[_Id]
    changes: list[tuple[bytes, bytes]]
    format: int = STATEMENT_FORMAT

    def dots(self) -> Iterator[tuple[bytes, int, bytes]]:
        """The changes, one by one: replica, counter, tag."""
        for replica, packed in self.changes:
            for at in range(0, len(packed), CHANGE_BYTES):
                one = packed[at : at + CHANGE_BYTES]
                yield replica, int.from_bytes(one[:8], "big"), one[8:]


class Erased(msgspec.Struct, frozen=True, array_like=True):
    """The answer of a tablet or a server that carried an erasure out, at ``at_ms`` by its clock.

    ``statement`` is the SHA-256 of the erasure as received. ``counts`` say how much was there:
    records, changes, further things (search texts, drafts, notices, files).
    """

    replica: bytes
    statement: bytes
    at_ms: WallClock
    counts: tuple[Count, Count, Count]
    format: int = STATEMENT_FORMAT


class Line(msgspec.Struct, frozen=True, array_like=True):
    """What one worker opened of one household, once an hour: the kinds of records, by their
    collections."""

    at_ms: WallClock
    worker: Annotated[str, Meta(max_length=32)]
    home: _Id
    fields: Annotated[str, Meta(max_length=FIELDS_CHARS_MAX)]


class Readings(msgspec.Struct, frozen=True, array_like=True):
    """Lines of a tablet's reading log from number ``first`` on; ``lost`` older ones had no room."""

    replica: bytes
    first: Count
    lost: Count
    lines: Annotated[list[Line], Meta(max_length=READINGS_PER_STATEMENT_MAX)]
    format: int = STATEMENT_FORMAT


class ReadingsHeld(msgspec.Struct, frozen=True, array_like=True):
    """How far a district holds a tablet's reading log: the number of the last line."""

    replica: bytes
    last: Count
    format: int = STATEMENT_FORMAT


def statement_digest(data: bytes) -> bytes:
    """What an answer names an erasure by (32 bytes)."""
    return hashlib.sha256(b"doorstep/erasure/1\0" + data).digest()


def parts_of(
    head: Erasure, records: Sequence[str], changes: Mapping[bytes, Sequence[tuple[int, bytes]]]
) -> Iterator[Erasure]:
    """An erasure in as many statements as it needs; ``head`` says what they have in common."""
    room = ROOM_BYTES
    some: list[str] = []
    packed: list[tuple[bytes, bytes]] = []
    for record in sorted(records):
        size = len(record.encode()) + 3
        if size > room:
            yield msgspec.structs.replace(head, records=some, changes=[])
            room, some = ROOM_BYTES, []
        some.append(record)
        room -= size
    for replica in sorted(changes):
        left = sorted(changes[replica])
        while left:
            fits = max(0, (room - REPLICA_BYTES - 8) // CHANGE_BYTES)
            if not fits:
                yield msgspec.structs.replace(head, records=some, changes=packed)
                room, some, packed = ROOM_BYTES, [], []
                continue
            part, left = left[:fits], left[fits:]
            joined = b"".join(counter.to_bytes(8, "big") + tag for counter, tag in part)
            packed.append((replica, joined))
            room -= REPLICA_BYTES + 8 + len(joined)
    if some or packed:
        yield msgspec.structs.replace(head, records=some, changes=packed)


def issue_erasure(key: DeviceKey, erasure: Erasure) -> bytes:
    """Sign an erasure with a server's key. Raises StatementRefused beyond a limit."""
    _check_erasure(erasure, key.public)
    return sign_word(key, ERASURE.encode(), erasure)


def check_erasure(data: bytes, public: bytes) -> Erasure:
    """Check an erasure against its issuer's key; what it says. Raises StatementRefused."""
    found = open_word(data, public, ERASURE.encode(), Erasure)
    _check_erasure(found, public)
    return found


def issuer_of(data: bytes) -> bytes:
    """Whose erasure it claims to be; nothing is checked yet. Raises StatementRefused."""
    return bytes(claimed_word(data, Erasure).issuer)


def _check_erasure(erasure: Erasure, public: bytes) -> None:
    sound(
        erasure.format == STATEMENT_FORMAT
        and len(erasure.case) == CASE_BYTES
        and erasure.issuer == replica_of(public)
        and all(
            len(replica) == REPLICA_BYTES and packed and len(packed) % CHANGE_BYTES == 0
            for replica, packed in erasure.changes
        )
        and all(1 <= counter <= COUNTER_MAX for _, counter, _ in erasure.dots())
    )


def issue_erased(key: DeviceKey, said: Erased, kind: str = ERASED) -> bytes:
    """Sign that an erasure was carried out here; ``ERASED_WAITS``: but for what is away."""
    return sign_word(key, kind.encode(), said)


def check_erased(data: bytes, public: bytes, kind: str = ERASED) -> Erased:
    """Check such an answer against its writer's key. Raises StatementRefused."""
    return _mine(open_word(data, public, kind.encode(), Erased), public)


def erased_by(data: bytes) -> bytes:
    """Whose answer it claims to be; nothing is checked yet. Raises StatementRefused."""
    return bytes(claimed_word(data, Erased).replica)


def issue_readings(key: DeviceKey, readings: Readings) -> bytes:
    """Sign what was read on a tablet. Raises StatementRefused beyond a limit."""
    sound(len(readings.lines) <= READINGS_PER_STATEMENT_MAX)
    return sign_word(key, READINGS.encode(), readings)


def check_readings(data: bytes, public: bytes) -> Readings:
    """Check a tablet's reading log against its key. Raises StatementRefused."""
    return _mine(open_word(data, public, READINGS.encode(), Readings), public)


def readings_by(data: bytes) -> bytes:
    """Whose readings these claim to be; nothing is checked yet. Raises StatementRefused."""
    return bytes(claimed_word(data, Readings).replica)


def issue_readings_held(key: DeviceKey, replica: bytes, last: int) -> bytes:
    """Sign how far a tablet's reading log is held."""
    return sign_word(key, READINGS_HELD.encode(), ReadingsHeld(replica, last))


def check_readings_held(data: bytes, public: bytes) -> ReadingsHeld:
    """Check that word against the district's key. Raises StatementRefused."""
    held = open_word(data, public, READINGS_HELD.encode(), ReadingsHeld)
    sound(held.format == STATEMENT_FORMAT and len(held.replica) == REPLICA_BYTES)
    return held


_W = TypeVar("_W", Erased, Readings)


def _mine(said: _W, public: bytes) -> _W:
    sound(said.format == STATEMENT_FORMAT and said.replica == replica_of(public))
    return said


def issue_certificate(key: DeviceKey, body: bytes) -> bytes:
    """Sign the certificate of an erasure: signature (65 bytes) ‖ the body, JSON, as it is."""
    return key.sign(CERTIFICATE, body) + body


def check_certificate(data: bytes, public: bytes) -> bytes:
    """Check a certificate against its issuer's key; its body. Raises StatementRefused."""
    try:
        verify(public, CERTIFICATE, data[SIGNATURE_BYTES:], data[:SIGNATURE_BYTES])
    except CryptoError as error:
        raise StatementRefused(error.detail) from None
    return data[SIGNATURE_BYTES:]
