# SPDX-License-Identifier: Apache-2.0
"""Words under signature: signature (65 bytes) ‖ MessagePack, one form for all of them.

Lives here: signing such a word and opening it. Must not live here: what any of them says, which of
what it says is sound.

Invariants: size, then signature, then decoding: nothing unsigned reaches the decoder but where a
word is asked whose it claims to be. A word is signed for one purpose and opens for no other.
"""

from typing import Final, TypeVar

import msgspec

from crypto.decoding import MALFORMED
from crypto.errors import CryptoError, StatementRefused
from crypto.identity import SIGNATURE_BYTES, DeviceKey, verify

STATEMENT_BYTES_MAX: Final = 8 * 1024  # a certificate is about 1.4 KB, most of it the box key

_S = TypeVar("_S", bound=msgspec.Struct)


def sign_word(key: DeviceKey, purpose: bytes, body: msgspec.Struct) -> bytes:
    """Sign a word. Raises StatementRefused where it is longer than any that is opened."""
    encoded = msgspec.msgpack.encode(body)
    if len(encoded) + SIGNATURE_BYTES > STATEMENT_BYTES_MAX:
        raise StatementRefused("length")
    return key.sign(purpose, encoded) + encoded


def open_word(
    data: bytes,
    public: bytes,
    purpose: bytes,
    kind: type[_S],
    refused: type[CryptoError] = StatementRefused,
) -> _S:
    """What a word says, signed by this key for this purpose. Raises ``refused``."""
    if not SIGNATURE_BYTES < len(data) <= STATEMENT_BYTES_MAX:
        raise refused("length")
    try:
        verify(public, purpose, data[SIGNATURE_BYTES:], data[:SIGNATURE_BYTES])
    except CryptoError as error:
        raise refused(error.detail) from None
    return claimed_word(data, kind, refused)


def claimed_word(data: bytes, kind: type[_S], refused: type[CryptoError] = StatementRefused) -> _S:
    """What a word claims to say; nothing is checked yet. Raises ``refused``."""
    body = data[SIGNATURE_BYTES:]
    if len(body) > STATEMENT_BYTES_MAX:
        raise refused("length")
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except MALFORMED:
        # Text that is no UTF-8 is told by an error outside msgspec's own tree.
        raise refused("malformed") from None


def sound(holds: bool) -> None:
    """Raises StatementRefused where what a word says does not hold together."""
    if not holds:
        raise StatementRefused("format or limit")
