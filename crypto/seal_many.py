# SPDX-License-Identifier: Apache-2.0
"""Sealing to several receivers at once: any one of them can open it, the carrier cannot.

Lives here: one random key for the content, sealed to each receiver (``seal.py``). Must not live
here: who the receivers are.

Invariants: the content key is used for this one content and never again; a receiver is named by a
fingerprint of its box key, so that another is not tried in vain.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from crypto.algorithms import SEALED_TO_MANY_AES_256_GCM_SIV, prefix
from crypto.errors import SealRefused
from crypto.seal import SEAL_OVERHEAD_BYTES, BoxKey, open_sealed, seal

RECEIVERS_MAX: Final = 16  # a server, those above it, and a few neighbours
FINGERPRINT_BYTES: Final = 8
KEY_BYTES: Final = 32

_ID: Final = bytes((SEALED_TO_MANY_AES_256_GCM_SIV,))
_ENTRY_BYTES: Final = FINGERPRINT_BYTES + SEAL_OVERHEAD_BYTES + KEY_BYTES
_NONCE: Final = bytes(12)


def _fingerprint(public: bytes) -> bytes:
    return hashlib.sha256(prefix(b"box-fingerprint") + public).digest()[:FINGERPRINT_BYTES]


def seal_to_many(publics: Sequence[bytes], info: bytes, plaintext: bytes) -> bytes:
    """Seal bytes to the owners of up to 16 box keys; returns 1,177 bytes more for each, and 18.

    `info` as in `seal`. Raises KeyRefused, SealRefused for no receiver or too many.
    """
    if not 1 <= len(publics) <= RECEIVERS_MAX:
        raise SealRefused("receivers")
    key = os.urandom(KEY_BYTES)
    head = _ID + bytes((len(publics),))
    for public in publics:
        head += _fingerprint(public) + seal(public, info, key)
    bound = prefix(b"sealed-to-many") + info + hashlib.sha256(head).digest()
    return head + AESGCMSIV(key).encrypt(_NONCE, plaintext, bound)


def is_sealed_to_many(sealed: bytes) -> bool:
    """Was this made by `seal_to_many`, by its first byte?"""
    return sealed[:1] == _ID


def open_one_of_many(key: BoxKey, info: bytes, sealed: bytes) -> bytes:
    """Open what `seal_to_many` made for this key among others.

    Raises SealRefused where it is not for this key, or altered.
    """
    count = sealed[1] if len(sealed) > 1 else 0
    end = 2 + count * _ENTRY_BYTES
    if sealed[:1] != _ID or not 1 <= count <= RECEIVERS_MAX or len(sealed) < end:
        raise SealRefused("length")
    mine = _fingerprint(key.public)
    for start in range(2, end, _ENTRY_BYTES):
        if sealed[start : start + FINGERPRINT_BYTES] == mine:
            wrapped = sealed[start + FINGERPRINT_BYTES : start + _ENTRY_BYTES]
            content_key = open_sealed(key, info, wrapped)
            bound = prefix(b"sealed-to-many") + info + hashlib.sha256(sealed[:end]).digest()
            try:
                return AESGCMSIV(content_key).decrypt(_NONCE, sealed[end:], bound)
            except InvalidTag:
                raise SealRefused("does not open") from None
    raise SealRefused("another receiver")


def open_carried(key: BoxKey, info: bytes, sealed: bytes) -> bytes:
    """Open what was sealed to this key alone, or to it among others. Raises SealRefused."""
    return (open_one_of_many if is_sealed_to_many(sealed) else open_sealed)(key, info, sealed)
