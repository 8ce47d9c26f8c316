# SPDX-License-Identifier: Apache-2.0
"""The ring: which field keys a team's tablets may have, and which of them seals what is written.

Lives here: the ring's form, signed by the district's root. Must not live here: the keys themselves,
which ``field.py`` wraps for one reader at a time; who belongs to a team.

Invariants: a ring is the whole of what its team may have: a key it does not name is to be dropped.
It holds no secret, so that teammates pass it on; of two the one issued later counts. A key is
known by its id, which commits to it: whoever hands a key over cannot put another in its place.
"""

import hashlib
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from crypto.algorithms import prefix
from crypto.certificate import NAME_CHARACTERS_MAX, STATEMENT_FORMAT
from crypto.decoding import WallClock
from crypto.field import FIELD_KEY_ID_BYTES
from crypto.identity import DeviceKey, replica_of
from crypto.signed import open_word, sign_word, sound

RING: Final = b"field-ring"
READERS_CHARS_MAX: Final = 24
CLASSES_MAX: Final = 16  # identity, illness, child … : a district does not tell more apart
RING_KEYS_MAX: Final = 512  # with their ids a statement stays below 8 KiB
DIGEST_BYTES: Final = 16

Id = Annotated[bytes, Meta(min_length=FIELD_KEY_ID_BYTES, max_length=FIELD_KEY_ID_BYTES)]


class ReaderKeys(msgspec.Struct, frozen=True, array_like=True):
    """One class of readers: the id of the key that seals what is written now, and the ids of all
    that may be had, joined."""

    readers: Annotated[str, Meta(min_length=1, max_length=READERS_CHARS_MAX)]
    write: Id
    ids: Annotated[bytes, Meta(max_length=FIELD_KEY_ID_BYTES * RING_KEYS_MAX)]

    def each(self) -> list[bytes]:
        """The ids, one by one."""
        step = FIELD_KEY_ID_BYTES
        return [self.ids[i : i + step] for i in range(0, len(self.ids), step)]


class Ring(msgspec.Struct, frozen=True, array_like=True):
    """All the field keys of a team. ``issued_at_ms`` is the issuer's clock and the ring's
    serial."""

    team: Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
    issuer: bytes
    issued_at_ms: WallClock
    classes: Annotated[tuple[ReaderKeys, ...], Meta(max_length=CLASSES_MAX)]
    format: int = STATEMENT_FORMAT

    def ids(self) -> dict[bytes, str]:
        """Id of each key -> its class of readers."""
        return {key: one.readers for one in self.classes for key in one.each()}

    def writes(self) -> dict[str, bytes]:
        """Class of readers -> the id of the key that seals."""
        return {one.readers: one.write for one in self.classes}

    def digest(self) -> bytes:
        """16 bytes over what it says, whenever it was issued."""
        said = msgspec.msgpack.encode((self.team, self.classes))
        return hashlib.sha256(prefix(b"field-ring-digest") + said).digest()[:DIGEST_BYTES]


def issue_ring(issuer: DeviceKey, ring: Ring) -> bytes:
    """Sign a ring; 90 bytes and 8 for each key. Raises StatementRefused beyond a limit."""
    _check(ring, issuer.public)
    return sign_word(issuer, RING, ring)


def check_ring(data: bytes, issuer_public: bytes) -> Ring:
    """Check a ring against the issuer's key; what it says. Raises StatementRefused."""
    ring = open_word(data, issuer_public, RING, Ring)
    _check(ring, issuer_public)
    return ring


def _check(ring: Ring, public: bytes) -> None:
    whole = all(
        one.ids and not len(one.ids) % FIELD_KEY_ID_BYTES and one.write in one.each()
        for one in ring.classes
    )
    names = [one.readers for one in ring.classes]
    sound(
        ring.format == STATEMENT_FORMAT
        and ring.issuer == replica_of(public)
        and whole
        and len(set(names)) == len(names)
        and sum(len(one.each()) for one in ring.classes) <= RING_KEYS_MAX
        and ring.issued_at_ms > 0
    )
