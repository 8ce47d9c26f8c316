# SPDX-License-Identifier: Apache-2.0
"""Bundles: what one replica hands another by any carrier, sealed and signed.

Lives here: the head of a bundle, making one, checking and opening one. Must not live here: what the
contents mean, files, and which bundles came before (`sync.parcel`).

Invariants: the signature is the sender's, over a head that names sender, receiver, sequence, the
bundle before and the ciphertext by its digest; the cheap checks come first and nothing is returned
before all of them held. The carrier learns who writes to whom, how often and how much; nothing
else.

    bundle = head (128) ‖ signature (65) ‖ ciphertext
    head   = magic (8) ‖ sender (16) ‖ receiver (16) ‖ box (8) ‖ sequence (8) ‖ before (32)
             ‖ length of the ciphertext (8) ‖ SHA-256 of the ciphertext (32)
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from crypto.algorithms import prefix
from crypto.errors import (
    BundleForeign,
    BundleIncomplete,
    BundleOldKey,
    BundleRefused,
    KeyRefused,
    SealRefused,
    SignatureRefused,
)
from crypto.identity import SIGNATURE_BYTES, DeviceKey, verify
from crypto.seal import SEAL_OVERHEAD_BYTES, BoxKey, open_sealed, seal

MAGIC: Final = b"DOORSTB1"
HEAD_BYTES: Final = 128
DIGEST_BYTES: Final = 32
BOX_NAME_BYTES: Final = 8  # says which key of the receiver, so that an old one can be told
BUNDLE_OVERHEAD_BYTES: Final = HEAD_BYTES + SIGNATURE_BYTES + SEAL_OVERHEAD_BYTES
CONTENTS_BYTES_MAX: Final = 64 * 1024 * 1024  # a first download whole; opened in memory
SEQUENCE_MAX: Final = 2**48
FIRST_BEFORE: Final = bytes(DIGEST_BYTES)  # what the first bundle names as the one before it
BUNDLE: Final = b"bundle"


class BundleHead(NamedTuple):
    """What stands in the clear: from whom (16 bytes), to whom (16), sealed to which key (8), number
    from 1, digest of the bundle before (32, zeros for none), length and digest of the ciphertext.
    """

    sender: bytes
    receiver: bytes
    box: bytes
    sequence: int
    before: bytes
    length: int
    digest: bytes

    def encode(self) -> bytes:
        """Its 128 bytes."""
        return (
            MAGIC
            + self.sender
            + self.receiver
            + self.box
            + self.sequence.to_bytes(8, "big")
            + self.before
            + self.length.to_bytes(8, "big")
            + self.digest
        )

    @property
    def name(self) -> bytes:
        """The digest by which the next bundle names this one (32 bytes)."""
        return hashlib.sha256(prefix(BUNDLE) + self.encode()).digest()


class Opened(NamedTuple):
    """A bundle of which everything held: its head and its contents."""

    head: BundleHead
    contents: bytes


def box_name(box_public: bytes) -> bytes:
    """The 8 bytes by which a head names the box key it is sealed to."""
    return hashlib.sha256(box_public).digest()[:BOX_NAME_BYTES]


def make_bundle(
    key: DeviceKey,
    receiver: bytes,
    box_public: bytes,
    sequence: int,
    before: bytes,
    contents: bytes,
) -> bytes:
    """Seal contents to a receiver and sign them; returns 1,330 bytes more than came in.

    `receiver` is its replica id, `box_public` its box key (1,216 bytes), `sequence` counts the
    bundles of this sender to this receiver from 1, `before` is the name of the one before or
    FIRST_BEFORE. Raises BundleRefused for more than 64 MiB, KeyRefused.
    """
    if len(contents) > CONTENTS_BYTES_MAX or not 1 <= sequence <= SEQUENCE_MAX:
        raise BundleRefused("too large")
    ciphertext = seal(box_public, _info(key.replica, receiver), contents)
    digest = hashlib.sha256(ciphertext).digest()
    head = BundleHead(
        key.replica, receiver, box_name(box_public), sequence, before, len(ciphertext), digest
    )
    encoded = head.encode()
    return encoded + key.sign(BUNDLE, signed_part(encoded)) + ciphertext


def signed_part(head: bytes) -> bytes:
    """What the signature of a bundle covers of its head: all of it, and by it the ciphertext."""
    return head


def _info(sender: bytes, receiver: bytes) -> bytes:
    return BUNDLE + b"/1\0" + sender + receiver


def read_head(data: bytes) -> BundleHead:
    """What a bundle says of itself; nothing of it is checked yet. Its first 128 bytes suffice.

    Raises BundleRefused for what is no bundle, BundleIncomplete for too few bytes.
    """
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise BundleRefused("not a bundle")
    if len(data) < HEAD_BYTES:
        raise BundleIncomplete("head")
    sequence, length = int.from_bytes(data[48:56], "big"), int.from_bytes(data[88:96], "big")
    if not 1 <= sequence <= SEQUENCE_MAX:
        raise BundleRefused("sequence")
    if not SEAL_OVERHEAD_BYTES <= length <= SEAL_OVERHEAD_BYTES + CONTENTS_BYTES_MAX:
        raise BundleRefused("length")
    return BundleHead(
        data[8:24], data[24:40], data[40:48], sequence, data[56:88], length, data[96:HEAD_BYTES]
    )


def open_bundle(
    data: bytes,
    receivers: Collection[bytes],
    boxes: Sequence[BoxKey],
    public_for: Callable[[bytes, bytes], bytes],
) -> Opened:
    """Check a bundle and open it.

    `receivers` are the replica ids of whoever opens it, `boxes` its present box key and those whose
    grace has not ended. `public_for(sender, contents)` gives the sender's public key and raises
    what its package raises for one that is not known; it may look for signed statements that lead
    to the key in the contents, which nobody has vouched for then, and must not act on them. Raises
    BundleIncomplete, BundleForeign, BundleOldKey, BundleRefused.
    """
    head = read_head(data)
    at = HEAD_BYTES + SIGNATURE_BYTES
    view = memoryview(data)
    if len(data) - at < head.length:
        raise BundleIncomplete(f"{head.length + at - len(data)} bytes missing")
    if len(data) - at > head.length:
        raise BundleRefused("bytes after the end")
    if head.receiver not in receivers:
        raise BundleForeign()
    # The digest is the cheap check: what a stick damaged never reaches a key.
    if hashlib.sha256(view[at:]).digest() != head.digest:
        raise BundleRefused("altered")
    box = next((box for box in boxes if box_name(box.public) == head.box), None)
    if box is None:
        raise BundleOldKey()
    try:
        contents = open_sealed(box, _info(head.sender, head.receiver), data[at:])
    except SealRefused:
        raise BundleRefused("does not open") from None
    public = public_for(head.sender, contents)
    try:
        verify(public, BUNDLE, signed_part(data[:HEAD_BYTES]), data[HEAD_BYTES:at])
    except (SignatureRefused, KeyRefused):
        raise BundleRefused("signature") from None
    return Opened(head, contents)
