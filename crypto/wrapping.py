# SPDX-License-Identifier: Apache-2.0
"""A key kept under another key: one of the store under that of a key service, or under the next.

Lives here: `wrap_key`, `unwrap_key`, `key_name`. Must not live here: files, where keys come from.

Invariants: the wrapping key itself wraps nothing, a key derived from it for this purpose does, so
that it may have had another use before. Wrapping is RFC 3394: without a nonce, and whatever was
altered does not unwrap.
"""

from typing import Final

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from crypto.algorithms import KEY_WRAP_AES_256, purposed_hash
from crypto.errors import SealRefused
from crypto.secret import SecretBytes
from crypto.unlock import derive

KEY_BYTES: Final = 32
WRAPPED_BYTES: Final = 41  # the algorithm byte, 8 bytes that show alteration, the key
KEY_NAME_BYTES: Final = 8

_ID: Final = bytes((KEY_WRAP_AES_256,))


def wrap_key(under: SecretBytes, key: SecretBytes) -> bytes:
    """Return the key (32 bytes), wrapped under another (32 bytes); 41 bytes, always the same."""
    with derive(under, b"key-wrap", KEY_BYTES) as wrapping:
        return _ID + aes_key_wrap(wrapping.reveal(), key.reveal())


def unwrap_key(under: SecretBytes, wrapped: bytes) -> SecretBytes:
    """Return the key that was wrapped. Raises SealRefused: another key, or altered."""
    if len(wrapped) != WRAPPED_BYTES or wrapped[:1] != _ID:
        raise SealRefused()
    with derive(under, b"key-wrap", KEY_BYTES) as wrapping:
        try:
            return SecretBytes(aes_key_unwrap(wrapping.reveal(), wrapped[1:]))
        except InvalidUnwrap:
            raise SealRefused() from None


def key_name(key: SecretBytes) -> str:
    """Return what a key may be called in public: 16 hexadecimal digits that give nothing away."""
    return purposed_hash(b"key-name", key.reveal())[1 : 1 + KEY_NAME_BYTES].hex()
