# SPDX-License-Identifier: Apache-2.0
"""What is said of a sealed thing when it is sealed and when it is opened.

What lives here: the ``info`` of every seal that travels, so that both sides use the same bytes, and
the text as which a sealed value stands in a change and in a state. What must not: sealing itself,
which is ``crypto``'s. Invariants: an info names its purpose; whom it is for follows from the box
key it is sealed to. A sealed value says to everybody with which key it is sealed and, beside
another of its field, whether both are equal; nothing else.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sync.decoding import MALFORMED
from sync.errors import ChangeInvalid, MessageMalformed
from sync.messages import Id

CARRIED_INFO = b"doorstep/sealed-changes/1"
"""Parts that hold the contents of blanks (``sync.feed.encode_sealed_changes``)."""
OUTBOX_INFO = b"doorstep/outbox/1"
"""A tablet's sealed outbox: a sealed stream each of whose items is an encoded ``Segment`` of one
change."""

FIELD_RING, FIELD_KEYS = "field-ring", "field-keys"
"""Kinds of statements. From a district, and from a teammate in its greeting: the signed ring of the
team's keys; keys wrapped for the receiver. From a tablet: ``FieldKeysSaid``."""
LACKING_MAX = 256
"""Keys asked for in one request: more than a team gathers in years."""
WANTED_MAX = 32
"""Keys met in records and named by no ring, in one request."""
SEALED = "sealed/1:"
"""How the text of a sealed value begins; base64url of the sealed bytes follows, without padding."""
MARK_BYTES = 24
"""Behind the byte of the algorithm: the id of the key (8) and the mark of equality (16)."""
KEY_ID_BYTES = 8
SEALED_TEXT_CHARS_MIN = len(SEALED) + 98
"""The head (25), one block (32) and its tag (16): what an identity number takes."""
SEALED_TEXT_CHARS_MAX = len(SEALED) + 10_978
"""8 KiB of value; below what one text may have (``sync.change.TEXT_CHARS_MAX``)."""
SEALED_PATTERN = r"sealed/1:[A-Za-z0-9_-]+"

_KeyId = Annotated[bytes, Meta(min_length=8, max_length=8)]


class FieldKeysSaid(msgspec.Struct, array_like=True, frozen=True):
    """What a tablet says of its field keys in a request.

    ``digest`` is that of the ring it goes by, empty for none. ``lacking`` are keys that the ring
    names and it does not have. ``wanted`` are (key, record) for sealed values of keys that the ring
    does not name, each with a record in which one stands.
    """

    digest: Annotated[bytes, Meta(max_length=16)]
    lacking: Annotated[list[_KeyId], Meta(max_length=LACKING_MAX)] = []
    wanted: Annotated[list[tuple[_KeyId, Id]], Meta(max_length=WANTED_MAX)] = []


_value = msgspec.msgpack.Decoder().decode
_said = msgspec.msgpack.Decoder(FieldKeysSaid)
encode_value = msgspec.msgpack.Encoder(order="deterministic").encode
"""What is sealed of a value: equal values give equal bytes."""


def decode_said(data: bytes) -> FieldKeysSaid:
    """What a tablet says of its field keys. Raises MessageMalformed."""
    try:
        return _said.decode(data)
    except MALFORMED as error:
        raise MessageMalformed(f"{FIELD_KEYS}: {error}") from error


def is_sealed(value: Any) -> bool:
    """Is this value sealed?"""
    return isinstance(value, str) and value.startswith(SEALED)


def sealed_text(sealed: bytes) -> str:
    """Sealed bytes as they stand in a change."""
    return SEALED + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def sealed_bytes(value: str) -> bytes:
    """The sealed bytes of a text. Raises ChangeInvalid where it is none."""
    text = value.removeprefix(SEALED)
    try:
        if len(value) > SEALED_TEXT_CHARS_MAX or text == value:
            raise ValueError(value[:9])
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise ChangeInvalid("a sealed value") from None
    if len(found) <= MARK_BYTES or sealed_text(found) != value:
        raise ChangeInvalid("a sealed value")
    return found


def key_named(value: str) -> bytes:
    """With which key a value is sealed. Raises ChangeInvalid."""
    return sealed_bytes(value)[1 : 1 + KEY_ID_BYTES]


def opened_value(plain: bytes) -> Any:
    """The value that was sealed. Raises ChangeInvalid."""
    try:
        return _value(plain)
    except MALFORMED:
        raise ChangeInvalid("a sealed value") from None


def likeness(value: Any) -> Any:
    """What two values must share to be equal to people: of a sealed one its key and its mark.

    The ciphertexts of two equal values differ, since each is bound to the change that set it.
    """
    if isinstance(value, str) and value.startswith(SEALED):
        try:
            return [SEALED, sealed_bytes(value)[1 : 1 + MARK_BYTES].hex()]
        except ChangeInvalid:
            return value
    return value
