# SPDX-License-Identifier: Apache-2.0
"""Sealing to one receiver, so that whoever carries it can read nothing.

Lives here: the box key (HPKE, X-Wing: ML-KEM-768 with X25519), one-shot seals, and the sealed
stream of the outbox: one encapsulation for each opening of the store, then one small frame for
each item. Must not live here: files. The caller appends `header` and frames to a file and syncs
it.

Invariants: HPKE in base mode does not say who sealed; whoever needs that signs the sealed bytes. A
frame opens only at its own number in its own stream. Nothing is returned before it is
authenticated.

Formats, byte by byte, are in README.md.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Final, NoReturn, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from crypto.algorithms import (
    HPKE_XWING_HKDF_SHA256_AES_256_GCM,
    STREAM_XWING_AES_256_GCM_SIV,
    prefix,
)
from crypto.errors import KeyRefused, SealRefused

BOX_PRIVATE_BYTES: Final = 32  # the X-Wing seed
BOX_PUBLIC_BYTES: Final = 1216  # ML-KEM-768 (1184), then X25519 (32)
ENCAPSULATION_BYTES: Final = 1120
TAG_BYTES: Final = 16
SEAL_OVERHEAD_BYTES: Final = 1 + ENCAPSULATION_BYTES + TAG_BYTES
SEALED_BYTES_MAX: Final = (
    256 * 1024 * 1024
)  # a whole bundle; beyond it memory, not safety, is at risk
STREAM_KEY_BYTES: Final = 32
STREAM_HEADER_BYTES: Final = SEAL_OVERHEAD_BYTES + STREAM_KEY_BYTES
NUMBER_BYTES: Final = 8
FRAME_HEAD_BYTES: Final = 4 + NUMBER_BYTES  # u32 length of the ciphertext, u64 number
FRAME_OVERHEAD_BYTES: Final = FRAME_HEAD_BYTES + TAG_BYTES
ITEM_BYTES_MAX: Final = (
    16 * 1024 * 1024
)  # far above any change; a mad length is damage, not an item
RESYNC_NUMBERS_MAX: Final = 64  # how many lost frames in a row recovery looks past

_ML_PUBLIC_BYTES: Final = 1184
_LENGTH_BYTES: Final = 4
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_SEAL_ID: Final = bytes((HPKE_XWING_HKDF_SHA256_AES_256_GCM,))
_STREAM_ID: Final = bytes((STREAM_XWING_AES_256_GCM_SIV,))


class BoxKey:
    """The key that opens what is sealed to its owner. Its repr shows a fingerprint of the public
    key.
    """

    __slots__ = ("_key", "_seed", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != BOX_PRIVATE_BYTES:
            raise KeyRefused("length")
        # draft-connolly-cfrg-xwing-kem 5.2: the 32-byte seed is stretched to both private keys.
        expanded = hashlib.shake_256(seed).digest(96)
        ml = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        x = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._seed = bytes(seed)
        self._key = MLKEM768X25519PrivateKey(ml, x)
        self.public: bytes = ml.public_key().public_bytes_raw() + x.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Self:
        """Make a new key from the operating system's randomness."""
        return cls(os.urandom(BOX_PRIVATE_BYTES))

    @classmethod
    def from_private(cls, private: bytes) -> Self:
        """Load a key from its 32 private bytes (the X-Wing seed). Raises KeyRefused."""
        return cls(private)

    @property
    def private(self) -> bytes:
        """The 32 private bytes; they belong in the encrypted store and nowhere else."""
        return self._seed

    def decrypt(self, info: bytes, ciphertext: bytes) -> bytes:
        """Open HPKE bytes under an info that has its purpose already. Raises SealRefused."""
        try:
            return _SUITE.decrypt(ciphertext, self._key, info)
        except (InvalidTag, ValueError):
            raise SealRefused("does not open") from None

    def __repr__(self) -> str:
        return f"BoxKey(public={hashlib.sha256(self.public).hexdigest()[:16]})"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a box key is never pickled or copied")


def _box_public(public: bytes) -> MLKEM768X25519PublicKey:
    if len(public) != BOX_PUBLIC_BYTES:
        raise KeyRefused("length")
    try:
        ml = MLKEM768PublicKey.from_public_bytes(public[:_ML_PUBLIC_BYTES])
        x = X25519PublicKey.from_public_bytes(public[_ML_PUBLIC_BYTES:])
        return MLKEM768X25519PublicKey(ml, x)
    except ValueError:
        raise KeyRefused("not a box key") from None


def check_box_public(public: bytes) -> None:
    """Refuse a box key of the wrong length or whose ML-KEM part is not reduced (FIPS 203 7.2).

    `public` is 1,216 bytes. Raises KeyRefused. An X25519 part of small order does no harm here: the
    ML-KEM part still seals.
    """
    _box_public(public)


def _encrypt(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    key = _box_public(public)
    try:
        return _SUITE.encrypt(plaintext, key, info)
    except ValueError:
        raise KeyRefused("not a box key") from None


def seal(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Seal bytes to the owner of a box key; returns 1,137 bytes more than came in.

    `public` 1,216 bytes; `info` says what it is, from whom and to whom, and must be the same at
    opening. Raises KeyRefused, and SealRefused for more than 256 MiB.
    """
    if len(plaintext) > SEALED_BYTES_MAX:
        raise SealRefused("too large")
    return _SEAL_ID + _encrypt(public, prefix(b"seal") + info, plaintext)


def open_sealed(key: BoxKey, info: bytes, sealed: bytes) -> bytes:
    """Open what `seal` made for this key and this info. Raises SealRefused for anything else."""
    if not SEAL_OVERHEAD_BYTES <= len(sealed) <= SEAL_OVERHEAD_BYTES + SEALED_BYTES_MAX:
        raise SealRefused("length")
    if sealed[:1] != _SEAL_ID:
        raise SealRefused("algorithm")
    return key.decrypt(prefix(b"seal") + info, sealed[1:])


class SealedWriter:
    """Writes one sealed stream: `header` first, then one frame from `seal_next` for each item.

    `info` as in `seal`; `entropy(n)` gives n random bytes, `os.urandom` but for tests. The writer
    holds the key of the stream in memory while it lives and cannot read the stream back
    afterwards: after a restart a new stream is begun. Not for two threads at once.
    """

    __slots__ = ("_aead", "_bound", "header", "number")

    def __init__(
        self, public: bytes, info: bytes, entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        key = entropy(STREAM_KEY_BYTES)
        self.header: bytes = _STREAM_ID + _encrypt(public, prefix(b"stream") + info, key)
        self._aead = AESGCMSIV(key)
        self._bound = _stream_bound(self.header)
        self.number = 0

    def seal_next(self, plaintext: bytes) -> bytes:
        """Seal one item under the next number; returns the frame, 28 bytes longer than the item.

        Raises SealRefused for an item of more than 16 MiB; the number is not spent then.
        """
        if len(plaintext) > ITEM_BYTES_MAX:
            raise SealRefused("item too large")
        number = self.number.to_bytes(8, "big")
        length = (len(plaintext) + TAG_BYTES).to_bytes(4, "big")
        # The number is the nonce: it is never used twice with this key, and if a copied process
        # did so, AES-GCM-SIV would show no more than that two items are equal.
        frame = (
            length
            + number
            + self._aead.encrypt(b"\x00\x00\x00\x00" + number, plaintext, self._bound)
        )
        self.number += 1
        return frame

    def __repr__(self) -> str:
        return f"SealedWriter(number={self.number})"


def _stream_bound(header: bytes) -> bytes:
    """What every frame is bound to: its purpose and the stream it belongs to."""
    return prefix(b"stream-item") + hashlib.sha256(header).digest()


class SealedItems(Iterator[bytes]):
    """The items of a sealed stream, in order.

    After the last item `unreadable_bytes` tells how many bytes of a torn tail were left; `number`
    is how many items were read. Iterating raises SealRefused at a frame that is altered, repeated
    or out of order; what came before it stands, and `recover_sealed_stream` reads what comes after
    it.
    """

    __slots__ = ("_aead", "_bound", "_data", "_offset", "number", "unreadable_bytes")

    def __init__(self, key: BoxKey, info: bytes, data: bytes) -> None:
        self._data = memoryview(data)
        self._offset = STREAM_HEADER_BYTES
        self.number = 0
        self.unreadable_bytes = 0
        if len(data) < STREAM_HEADER_BYTES:
            # A store opened and cut off before its header was whole holds no item.
            self._offset = len(data)
            self.unreadable_bytes = len(data)
            return
        self._aead, self._bound = _open_header(key, info, data[:STREAM_HEADER_BYTES])

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        left = len(self._data) - self._offset
        if left == 0 or self.unreadable_bytes:
            raise StopIteration
        length = int.from_bytes(self._data[self._offset : self._offset + 4], "big")
        whole = left >= FRAME_HEAD_BYTES and left >= FRAME_HEAD_BYTES + length
        # After a power cut a file system may show the file at its new length and zeros for what was
        # not written yet: that is a torn tail too. No frame begins with a length of zero.
        if not whole or (length == 0 and not any(self._data[self._offset :])):
            if left >= _LENGTH_BYTES and length > ITEM_BYTES_MAX + TAG_BYTES:
                raise SealRefused("frame length")
            self.unreadable_bytes = left
            raise StopIteration
        item = _open_frame(self._aead, self._bound, self._data, self._offset, self.number)
        self._offset += FRAME_HEAD_BYTES + length
        self.number += 1
        return item


def _open_header(key: BoxKey, info: bytes, header: bytes) -> tuple[AESGCMSIV, bytes]:
    if header[:1] != _STREAM_ID:
        raise SealRefused("algorithm")
    stream_key = key.decrypt(prefix(b"stream") + info, header[1:])
    return AESGCMSIV(stream_key), _stream_bound(header)


def _open_frame(aead: AESGCMSIV, bound: bytes, data: memoryview, offset: int, number: int) -> bytes:
    """Open the frame at an offset as the item of that number. Raises SealRefused."""
    length = int.from_bytes(data[offset : offset + 4], "big")
    end = offset + FRAME_HEAD_BYTES + length
    if not TAG_BYTES <= length <= ITEM_BYTES_MAX + TAG_BYTES or end > len(data):
        raise SealRefused("frame length")
    named = bytes(data[offset + 4 : offset + FRAME_HEAD_BYTES])
    if named != number.to_bytes(8, "big"):
        raise SealRefused("frame out of order")
    try:
        return aead.decrypt(b"\x00" * 4 + named, data[offset + FRAME_HEAD_BYTES : end], bound)
    except InvalidTag:
        raise SealRefused("frame altered") from None


def read_sealed_stream(key: BoxKey, info: bytes, data: bytes) -> SealedItems:
    """Read a sealed stream (header, then frames) from the start.

    Stops cleanly at a torn tail and tells its length in `unreadable_bytes`. Raises SealRefused at
    once for a header that does not open, and while iterating for a frame that is altered,
    reordered or repeated. A stream cut exactly between two frames reads as a shorter stream:
    whoever must know that none is missing compares the last item with a receipt.
    """
    return SealedItems(key, info, data)


class Recovered:
    """What `recover_sealed_stream` found: `(number, item)` pairs and how many bytes it could not
    read.
    """

    __slots__ = ("items", "unreadable_bytes")

    def __init__(self, items: list[tuple[int, bytes]], unreadable_bytes: int) -> None:
        self.items = items
        self.unreadable_bytes = unreadable_bytes


def recover_sealed_stream(key: BoxKey, info: bytes, data: bytes) -> Recovered:
    """Read every whole frame of a damaged stream, skipping what does not open.

    Numbers of the items rise; a gap in them is what was lost. Raises SealRefused only for the
    header: without it nothing can be read.
    """
    aead, bound = _open_header(key, info, data[:STREAM_HEADER_BYTES])
    view = memoryview(data)
    items: list[tuple[int, bytes]] = []
    offset, number, lost = STREAM_HEADER_BYTES, 0, 0
    while offset < len(data):
        try:
            item = _open_frame(aead, bound, view, offset, number)
        except SealRefused:
            found = _find_frame(aead, bound, data, offset, number)
            if found is None:
                lost += len(data) - offset
                break
            lost += found[0] - offset
            offset, number = found
            continue
        items.append((number, item))
        offset += FRAME_OVERHEAD_BYTES + len(item)
        number += 1
    return Recovered(items, lost)


def _find_frame(
    aead: AESGCMSIV, bound: bytes, data: bytes, offset: int, number: int
) -> tuple[int, int] | None:
    """Find the next place where a frame of this or one of the next numbers opens."""
    view = memoryview(data)
    best: tuple[int, int] | None = None
    for candidate in range(number, number + RESYNC_NUMBERS_MAX):
        wanted = candidate.to_bytes(8, "big")
        # The frame at the offset itself was tried as the first of them; it may be a later one.
        begin = offset + FRAME_HEAD_BYTES - NUMBER_BYTES + (candidate == number)
        at = data.find(wanted, begin, best[0] + 4 if best else len(data))
        while at != -1:
            try:
                _open_frame(aead, bound, view, at - 4, candidate)
            except SealRefused:
                at = data.find(wanted, at + 1, best[0] + 4 if best else len(data))
                continue
            best = (at - 4, candidate)
            break
    return best
