# SPDX-License-Identifier: Apache-2.0
"""Algorithm ids, purposes and the one way a purpose is put before what is signed, hashed or sealed.

Lives here: the leading algorithm byte of every signature, hash, proof and seal, the purpose strings
that this package uses itself, and `prefix`, which makes of one what stands before a message.
Must not live here: any key, any algorithm.

Invariants: an id is never given a second meaning; two purposes never yield the same input, because
a purpose holds no NUL byte and is closed by one.
"""

import hashlib
import hmac
import re
from functools import lru_cache
from typing import Final

ED25519: Final = 0x01
SHA256: Final = 0x11
HMAC_SHA256: Final = 0x12
HPKE_XWING_HKDF_SHA256_AES_256_GCM: Final = 0x21
STREAM_XWING_AES_256_GCM_SIV: Final = 0x22
SEALED_TO_MANY_AES_256_GCM_SIV: Final = 0x23
BLOB_AES_256_GCM_SIV: Final = 0x31
FIELD_AES_256_GCM_SIV: Final = 0x32
UNLOCK_ARGON2ID_AES_256_GCM_SIV: Final = 0x41
KEY_WRAP_AES_256: Final = 0x42
TICKET_SCRAM_SHA256: Final = 0x51

HASH_BYTES: Final = 33  # the algorithm byte and 32 bytes of SHA-256
PURPOSE_BYTES_MAX: Final = 48  # long enough for words, short enough that it costs no hash block

_PURPOSE = re.compile(rb"[a-z0-9][a-z0-9/-]{0,47}\Z")


@lru_cache(maxsize=256)
def prefix(purpose: bytes) -> bytes:
    """Return `b"doorstep/" + purpose + b"\\0"`.

    A purpose is 1 to 48 bytes of lower-case letters, digits, `-` and `/`. Raises ValueError on
    anything else: purposes are written by programmers, never taken from input.
    """
    if not _PURPOSE.match(purpose):
        raise ValueError("a purpose is 1 to 48 bytes of a-z, 0-9, '-' and '/'")
    return b"doorstep/" + purpose + b"\x00"


def purposed_hash(purpose: bytes, message: bytes) -> bytes:
    """Return 33 bytes: the id of SHA-256, then SHA-256 over purpose and message."""
    return bytes((SHA256,)) + hashlib.sha256(prefix(purpose) + message).digest()


def purposed_mac(key: bytes, purpose: bytes, message: bytes) -> bytes:
    """Return 32 bytes of HMAC-SHA256 over purpose and message, without an algorithm byte."""
    return hmac.digest(key, prefix(purpose) + message, "sha256")
