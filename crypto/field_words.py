# SPDX-License-Identifier: Apache-2.0
"""What two districts say to one another about the field keys of a household that moved.

Lives here: the forms of asking and of giving, each signed by the root of the server that says it.
Must not live here: who is entitled, which keys there are.

Invariants: the asker signs the box key to which the answer is sealed, so that no server between the
two, not even the one that certified the asker, can put its own in its place. What is given counts
only where its id was asked for; an id commits to its key.
"""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from crypto.certificate import STATEMENT_FORMAT
from crypto.decoding import MALFORMED, WallClock
from crypto.errors import CryptoError, StatementRefused
from crypto.field import FIELD_KEY_ID_BYTES
from crypto.identity import REPLICA_BYTES, SIGNATURE_BYTES, DeviceKey, replica_of
from crypto.seal import check_box_public
from crypto.signed import STATEMENT_BYTES_MAX, open_word, sign_word

ASK: Final = b"field-ask"
GIVEN: Final = b"field-given"
ASKED_MAX: Final = 64
"""Keys of one asking, each with a record: with the box key they stay below 8 KiB."""

Id = Annotated[bytes, Meta(min_length=FIELD_KEY_ID_BYTES, max_length=FIELD_KEY_ID_BYTES)]
Replica = Annotated[bytes, Meta(min_length=REPLICA_BYTES, max_length=REPLICA_BYTES)]
Record = Annotated[str, Meta(min_length=1, max_length=64)]
_W = TypeVar("_W", "FieldAsk", "FieldGiven")


class FieldAsk(msgspec.Struct, frozen=True, array_like=True):
    """A server asks whoever makes these keys for them: each with a record in which it seals
    something. ``box_public`` is the asker's; ``at_ms`` its clock, which decides nothing."""

    issuer: Replica
    at_ms: WallClock
    box_public: bytes
    asked: Annotated[tuple[tuple[Id, Record], ...], Meta(min_length=1, max_length=ASKED_MAX)]
    format: int = STATEMENT_FORMAT


class FieldGiven(msgspec.Struct, frozen=True, array_like=True):
    """Keys wrapped for the server ``receiver`` (``crypto.field.wrap_keys``)."""

    issuer: Replica
    at_ms: WallClock
    receiver: Replica
    wrapped: Annotated[bytes, Meta(max_length=STATEMENT_BYTES_MAX)]
    format: int = STATEMENT_FORMAT


def issue_ask(issuer: DeviceKey, ask: FieldAsk) -> bytes:
    """Sign an asking. Raises StatementRefused, KeyRefused."""
    check_box_public(ask.box_public)
    return _issue(ASK, issuer, ask)


def issue_given(issuer: DeviceKey, given: FieldGiven) -> bytes:
    """Sign a giving. Raises StatementRefused."""
    return _issue(GIVEN, issuer, given)


def word_by(data: bytes) -> bytes:
    """Whose word it says it is; nothing is checked yet. Raises StatementRefused."""
    try:
        first = msgspec.msgpack.decode(data[SIGNATURE_BYTES:])
    except MALFORMED:
        raise StatementRefused("malformed") from None
    if not isinstance(first, list) or not first or not isinstance(first[0], bytes):
        raise StatementRefused("malformed")
    return first[0]


def check_ask(data: bytes, public: bytes) -> FieldAsk:
    """Check an asking against its issuer's key. Raises StatementRefused."""
    found = _check(ASK, data, public, FieldAsk)
    try:
        check_box_public(found.box_public)
    except CryptoError as error:
        raise StatementRefused(error.detail) from None
    return found


def check_given(data: bytes, public: bytes) -> FieldGiven:
    """Check a giving against its issuer's key. Raises StatementRefused."""
    return _check(GIVEN, data, public, FieldGiven)


def _issue(purpose: bytes, issuer: DeviceKey, body: FieldAsk | FieldGiven) -> bytes:
    if body.issuer != issuer.replica:
        raise StatementRefused("another issuer")
    return sign_word(issuer, purpose, body)


def _check(purpose: bytes, data: bytes, public: bytes, form: type[_W]) -> _W:
    found = open_word(data, public, purpose, form)
    if found.format != STATEMENT_FORMAT or found.issuer != replica_of(public):
        raise StatementRefused("format or issuer")
    return found
