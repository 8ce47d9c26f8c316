# SPDX-License-Identifier: Apache-2.0
"""Bundles: sealed to one receiver, signed by one sender; whatever is altered is refused."""

import os
from concurrent.futures import ProcessPoolExecutor

import pytest

from crypto.bundle import (
    BUNDLE_OVERHEAD_BYTES,
    FIRST_BEFORE,
    HEAD_BYTES,
    SEQUENCE_MAX,
    Opened,
    make_bundle,
    open_bundle,
    read_head,
    signed_part,
)
from crypto.errors import (
    BundleForeign,
    BundleIncomplete,
    BundleOldKey,
    BundleRefused,
    CryptoError,
    SignatureRefused,
)
from crypto.identity import DeviceKey, verify
from crypto.seal import BoxKey, open_sealed

SENDER = DeviceKey.from_private(b"s" * 32)
RECEIVER = DeviceKey.from_private(b"r" * 32).replica
BOX = BoxKey.from_private(b"b" * 32)
WHOLE_BYTES = 64 * 1024
STEP = 61
"""In the quick run one bit in so many is flipped: a prime, so that every place in a byte comes."""


def bundle(contents: bytes = b"contents", sequence: int = 1, before: bytes = FIRST_BEFORE) -> bytes:
    return make_bundle(SENDER, RECEIVER, BOX.public, sequence, before, contents)


def public_for(sender: bytes, _contents: bytes) -> bytes:
    if sender != SENDER.replica:
        raise BundleRefused("unknown sender")
    return SENDER.public


def opened(data: bytes, receiver: bytes = RECEIVER, box: BoxKey = BOX) -> Opened:
    return open_bundle(data, [receiver], [box], public_for)


def refused(data: bytes, bits: range) -> int:
    """How many of these bits, flipped one at a time, are refused."""
    altered, count = bytearray(data), 0
    for bit in bits:
        altered[bit // 8] ^= 1 << bit % 8
        try:
            opened(bytes(altered))
        except CryptoError:
            count += 1
        altered[bit // 8] ^= 1 << bit % 8
    return count


def test_what_was_sealed_and_signed_opens_for_its_receiver() -> None:
    data = bundle(b"what it says", 7, b"n" * 32)
    found = opened(data)
    assert found.contents == b"what it says"
    assert found.head.sequence == 7
    assert found.head.before == b"n" * 32
    assert found.head == read_head(data[:HEAD_BYTES])
    assert len(data) == len(b"what it says") + BUNDLE_OVERHEAD_BYTES
    assert b"what it says" not in data


def test_a_bundle_of_64_kib_is_refused_with_any_sampled_bit_flipped() -> None:
    data = bundle(os.urandom(WHOLE_BYTES - BUNDLE_OVERHEAD_BYTES))
    assert len(data) == WHOLE_BYTES
    head = range(8 * (HEAD_BYTES + 65))
    body = range(head.stop, 8 * WHOLE_BYTES, STEP)
    assert refused(data, head) + refused(data, body) == len(head) + len(body)


@pytest.mark.slow
def test_a_bundle_of_64_kib_is_refused_with_every_single_bit_flipped() -> None:
    data = bundle(os.urandom(WHOLE_BYTES - BUNDLE_OVERHEAD_BYTES))
    parts = [range(at, at + 8192) for at in range(0, 8 * WHOLE_BYTES, 8192)]
    with ProcessPoolExecutor(2) as pool:
        assert sum(pool.map(refused, [data] * len(parts), parts)) == 524_288


def test_a_bundle_cut_off_anywhere_says_that_a_part_is_missing() -> None:
    data = bundle(bytes(100))
    for length in range(len(data)):
        with pytest.raises(BundleIncomplete):
            opened(data[:length])
    with pytest.raises(BundleRefused):
        opened(data + b"\0")


def test_a_bundle_for_another_receiver_opens_for_nobody_else() -> None:
    other = DeviceKey.from_private(b"o" * 32).replica
    with pytest.raises(BundleForeign):
        opened(bundle(), receiver=other)
    # Renaming the receiver does not help: the signature is over it.
    data = bytearray(bundle())
    data[24:40] = other
    with pytest.raises(BundleRefused) as error:
        opened(bytes(data), receiver=other)
    assert error.value.detail == "does not open"


def test_the_signature_covers_sender_receiver_number_predecessor_and_ciphertext() -> None:
    data = bundle(b"x", 3, b"p" * 32)
    signature = data[HEAD_BYTES : HEAD_BYTES + 65]
    verify(SENDER.public, b"bundle", signed_part(data[:HEAD_BYTES]), signature)
    for at in range(HEAD_BYTES):
        altered = bytearray(data[:HEAD_BYTES])
        altered[at] ^= 1
        with pytest.raises(SignatureRefused):
            verify(SENDER.public, b"bundle", signed_part(bytes(altered)), signature)


def test_a_bundle_under_an_old_key_of_the_receiver_says_so() -> None:
    with pytest.raises(BundleOldKey):
        opened(bundle(), box=BoxKey.from_private(b"n" * 32))
    found = open_bundle(bundle(), [RECEIVER], [BoxKey.from_private(b"n" * 32), BOX], public_for)
    assert found.contents == b"contents"


def test_a_bundle_signed_by_another_than_it_names_is_refused() -> None:
    forger = DeviceKey.from_private(b"f" * 32)
    data = make_bundle(forger, RECEIVER, BOX.public, 1, FIRST_BEFORE, b"forged")
    with pytest.raises(BundleRefused):
        opened(data)
    named = bytearray(data)
    named[8:24] = SENDER.replica
    with pytest.raises(BundleRefused):
        opened(bytes(named))


def test_the_seal_of_one_bundle_opens_in_no_other_direction() -> None:
    other = DeviceKey.from_private(b"o" * 32)
    ciphertext = bundle()[HEAD_BYTES + 65 :]
    with pytest.raises(CryptoError):
        open_sealed(BOX, b"bundle/1\0" + other.replica + RECEIVER, ciphertext)
    assert open_sealed(BOX, b"bundle/1\0" + SENDER.replica + RECEIVER, ciphertext) == b"contents"


def test_sequence_and_predecessor_are_part_of_the_name() -> None:
    names = {
        read_head(bundle(b"x", sequence, before)).name
        for sequence in (1, 2)
        for before in (FIRST_BEFORE, b"p" * 32)
    }
    assert len(names) == 4
    with pytest.raises(BundleRefused):
        bundle(b"x", 0)


def test_a_bundle_has_a_number_up_to_the_greatest() -> None:
    assert opened(bundle(sequence=SEQUENCE_MAX)).contents == b"contents"
    with pytest.raises(BundleRefused):
        bundle(sequence=SEQUENCE_MAX + 1)
