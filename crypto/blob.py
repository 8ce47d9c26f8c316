# SPDX-License-Identifier: Apache-2.0
"""Photos, sound and signatures: encrypted once, named by their ciphertext.

Lives here: `encrypt_blob` and `decrypt_blob`. Must not live here: pieces, uploads, files.

Invariants: each blob has its own random key, which stands in the change that mentions it; so a
server stores what it cannot read without the record. No plaintext leaves before all of it is
authenticated.
"""

import hashlib
import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from crypto.algorithms import BLOB_AES_256_GCM_SIV, prefix
from crypto.errors import BlobRefused

BLOB_BYTES_MAX: Final = (
    8 * 1024 * 1024
)  # a photo of a good camera; one shot needs it twice in memory
BLOB_KEY_BYTES: Final = 32
BLOB_NAME_BYTES: Final = 32
BLOB_OVERHEAD_BYTES: Final = 17  # the algorithm byte and the tag

_BLOB_ID: Final = bytes((BLOB_AES_256_GCM_SIV,))
# A key encrypts one blob and nothing else, so the nonce may be fixed.
_NONCE: Final = b"\x00" * 12


def encrypt_blob(plain: bytes) -> tuple[bytes, bytes, bytes]:
    """Encrypt a blob of at most 8 MiB; returns (name 32 bytes, key 32 bytes, ciphertext).

    The ciphertext is 17 bytes longer; the name is its SHA-256. Raises BlobRefused when too large.
    """
    if len(plain) > BLOB_BYTES_MAX:
        raise BlobRefused("too large")
    key = os.urandom(BLOB_KEY_BYTES)
    ciphertext = _BLOB_ID + AESGCMSIV(key).encrypt(_NONCE, plain, prefix(b"blob"))
    return blob_name(ciphertext), key, ciphertext


def blob_name(ciphertext: bytes) -> bytes:
    """Return the name of a ciphertext: its SHA-256, 32 bytes. No key is needed."""
    return hashlib.sha256(ciphertext).digest()


def check_blob_name(name: bytes, ciphertext: bytes) -> None:
    """Refuse a ciphertext that is not the one its name says, or too long. Raises BlobRefused."""
    if len(ciphertext) > BLOB_BYTES_MAX + BLOB_OVERHEAD_BYTES:
        raise BlobRefused("too large")
    if not hmac.compare_digest(blob_name(ciphertext), name):
        raise BlobRefused("name")


def decrypt_blob(name: bytes, key: bytes, ciphertext: bytes) -> bytes:
    """Decrypt a blob after checking that it is the one named. Raises BlobRefused for anything
    else.
    """
    check_blob_name(name, ciphertext)
    if ciphertext[:1] != _BLOB_ID or len(ciphertext) < BLOB_OVERHEAD_BYTES:
        raise BlobRefused("algorithm")
    if len(key) != BLOB_KEY_BYTES:
        raise BlobRefused("key length")
    try:
        return AESGCMSIV(key).decrypt(_NONCE, memoryview(ciphertext)[1:], prefix(b"blob"))
    except InvalidTag:
        raise BlobRefused("altered or another key") from None
