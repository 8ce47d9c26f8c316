# SPDX-License-Identifier: Apache-2.0
"""Who writes: the Ed25519 key of a replica.

Lives here: making and loading device keys, signing and checking under a purpose, refusing bad keys.
Must not live here: certificates (`certificate`), requests (`request`).

Invariants: what is signed begins with `doorstep/`, the purpose and a NUL byte; a signature begins
with the byte of its algorithm; a public key that is small-order, not canonical or not a point is
never used.

One rule decides what verifies, on every replica: the equation without cofactor, S below the
group's order, R compared as bytes (RFC 8032 5.1.7 in OpenSSL). Two replicas that judged a
signature differently would disagree on a feed for ever; the decision is in
decisions/0001-ed25519-one-rule.md.
"""

import hashlib
from functools import lru_cache
from typing import Final, NoReturn, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto.algorithms import ED25519, prefix
from crypto.errors import KeyRefused, SignatureRefused

PRIVATE_BYTES: Final = 32
PUBLIC_BYTES: Final = 32
REPLICA_BYTES: Final = 16
SIGNATURE_BYTES: Final = 65  # the algorithm byte and 64 bytes of Ed25519
KEYS_CACHED_MAX: Final = 4096  # more than the tablets of a district; about 1 MB

_ED25519: Final = bytes((ED25519,))
_P: Final = 2**255 - 19
_D: Final = (-121665 * pow(121666, _P - 2, _P)) % _P
_Y_MASK: Final = 2**255 - 1
# The y of two of the four points of order eight; a test derives it again from the curve equation.
_Y8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})


def _check_point(public: bytes) -> None:
    """Refuse a public key that is not the canonical encoding of a point of large order.

    Ed25519's own verification does not: with a small-order key one signature holds for many
    messages, and two encodings of one point would give two replica ids to one key.
    """
    encoded = int.from_bytes(public, "little")
    y = encoded & _Y_MASK
    if y >= _P:
        raise KeyRefused("not canonical")
    # All eight small-order points have one of these five y; with x = 0 a set sign bit is also a
    # second encoding of the same point, and falls here too.
    if y in _SMALL_ORDER_Y:
        raise KeyRefused("small order")
    y2 = y * y % _P
    # x² = (y² − 1) / (d·y² + 1) must be a square. (a/b is a square exactly when a·b is.)
    if pow((y2 - 1) * (_D * y2 + 1), (_P - 1) // 2, _P) != 1:
        raise KeyRefused("not on the curve")


@lru_cache(maxsize=KEYS_CACHED_MAX)
def _parsed(public: bytes) -> Ed25519PublicKey:
    """Check and parse a public key, once for each key: checking costs as much as a verification."""
    if len(public) != PUBLIC_BYTES:
        raise KeyRefused("length")
    _check_point(public)
    try:
        return Ed25519PublicKey.from_public_bytes(public)
    except ValueError:
        raise KeyRefused("not a key") from None


def check_public(public: bytes) -> None:
    """Refuse a public key that must not be used.

    `public` is 32 bytes. Raises KeyRefused for a wrong length, y ≥ p, the eight small-order points
    in any encoding, and encodings of no point (RFC 8032 5.1.3; C2SP CCTV ed25519).
    """
    _parsed(bytes(public))


def replica_of(public: bytes) -> bytes:
    """Return the replica id of a public key: the first 16 bytes of its SHA-256.

    Raises KeyRefused when the key is one that `check_public` refuses.
    """
    check_public(public)
    return hashlib.sha256(public).digest()[:REPLICA_BYTES]


def verify(public: bytes, purpose: bytes, message: bytes, signature: bytes) -> None:
    """Check a signature made by `DeviceKey.sign` under the same purpose.

    `public` 32 bytes, `signature` 65 bytes. Returns nothing; raises SignatureRefused when it does
    not hold or is of an unknown algorithm, KeyRefused when the key must not be used.
    """
    key = _parsed(bytes(public))
    if len(signature) != SIGNATURE_BYTES or signature[0] != ED25519:
        raise SignatureRefused("algorithm or length")
    try:
        key.verify(signature[1:], prefix(purpose) + message)
    except InvalidSignature:
        raise SignatureRefused("does not hold") from None


def verify_raw(public: bytes, message: bytes, signature: bytes) -> None:
    """Check 64 bytes of Ed25519 over bytes that another standard has shaped (RFC 9421).

    Raises SignatureRefused or KeyRefused. Everything of our own goes through `verify`.
    """
    key = _parsed(bytes(public))
    try:
        key.verify(signature, message)
    except InvalidSignature:
        raise SignatureRefused("does not hold") from None


class DeviceKey:
    """The signing key of one replica. Its repr shows the replica id and nothing of the key."""

    __slots__ = ("_key", "public", "replica")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public: bytes = key.public_key().public_bytes_raw()
        self.replica: bytes = replica_of(self.public)

    @classmethod
    def generate(cls) -> Self:
        """Make a new key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_private(cls, private: bytes) -> Self:
        """Load a key from its 32 private bytes. Raises KeyRefused for another length."""
        if len(private) != PRIVATE_BYTES:
            raise KeyRefused("length")
        return cls(Ed25519PrivateKey.from_private_bytes(private))

    @property
    def private(self) -> bytes:
        """The 32 private bytes; they belong in the encrypted store and nowhere else."""
        return self._key.private_bytes_raw()

    def sign(self, purpose: bytes, message: bytes) -> bytes:
        """Sign a message under a purpose; returns 65 bytes: the algorithm byte, then Ed25519."""
        return _ED25519 + self._key.sign(prefix(purpose) + message)

    def sign_raw(self, message: bytes) -> bytes:
        """Sign bytes that another standard has shaped (RFC 9421); returns 64 bytes."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"DeviceKey(replica={self.replica.hex()})"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a device key is never pickled or copied")
