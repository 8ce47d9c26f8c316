# SPDX-License-Identifier: Apache-2.0
"""Sealing to several receivers at once."""

import hashlib

import pytest

from crypto.algorithms import SEALED_TO_MANY_AES_256_GCM_SIV, prefix
from crypto.errors import SealRefused
from crypto.seal import SEAL_OVERHEAD_BYTES, BoxKey, seal
from crypto.seal_many import (
    FINGERPRINT_BYTES,
    RECEIVERS_MAX,
    is_sealed_to_many,
    open_carried,
    open_one_of_many,
    seal_to_many,
)

KEYS = [BoxKey.from_private(bytes([n]) * 32) for n in range(RECEIVERS_MAX + 1)]
PUBLICS = [key.public for key in KEYS]
INFO, PLAIN = b"outbox of the test", b"a visit at the door"
EACH_BYTES = FINGERPRINT_BYTES + SEAL_OVERHEAD_BYTES + 32
SEALED = seal_to_many(PUBLICS[:3], INFO, PLAIN)


def test_each_receiver_opens_it_and_nobody_else_does() -> None:
    for key in KEYS[:3]:
        assert open_one_of_many(key, INFO, SEALED) == PLAIN
    for key in KEYS[3:]:
        with pytest.raises(SealRefused):
            open_one_of_many(key, INFO, SEALED)
    with pytest.raises(SealRefused):
        open_one_of_many(KEYS[0], b"another info", SEALED)


def test_it_has_the_length_that_is_told_and_names_its_receivers_by_fingerprints() -> None:
    assert EACH_BYTES == 1_177
    for count in (1, 2, RECEIVERS_MAX):
        sealed = seal_to_many(PUBLICS[:count], INFO, PLAIN)
        assert len(sealed) == 18 + count * EACH_BYTES + len(PLAIN)
        assert sealed[:2] == bytes([SEALED_TO_MANY_AES_256_GCM_SIV, count])
        assert open_one_of_many(KEYS[count - 1], INFO, sealed) == PLAIN
    named = [SEALED[2 + n * EACH_BYTES :][:FINGERPRINT_BYTES] for n in range(3)]
    told = [hashlib.sha256(prefix(b"box-fingerprint") + public) for public in PUBLICS[:3]]
    assert named == [one.digest()[:FINGERPRINT_BYTES] for one in told]


def test_it_is_sealed_to_one_receiver_at_least_and_to_sixteen_at_most() -> None:
    for publics in ([], PUBLICS):
        with pytest.raises(SealRefused):
            seal_to_many(publics, INFO, PLAIN)
    for wrong in (b"", SEALED[:1], SEALED[:2], SEALED[:1] + b"\x00" + SEALED[2:]):
        with pytest.raises(SealRefused):
            open_one_of_many(KEYS[0], INFO, wrong)
    # A count beyond the limit is refused though all that it counts is there.
    head = SEALED[:1] + bytes([RECEIVERS_MAX + 1]) + SEALED[2 : 2 + EACH_BYTES]
    long = head + SEALED[2 + EACH_BYTES : 2 + 2 * EACH_BYTES] * RECEIVERS_MAX + bytes(40)
    with pytest.raises(SealRefused, match="length"):
        open_one_of_many(KEYS[0], INFO, long)
    assert len(long) >= 2 + (RECEIVERS_MAX + 1) * EACH_BYTES


@pytest.mark.parametrize("at", [0, 1, 2, 20, 2 + EACH_BYTES + 3, 2 + 3 * EACH_BYTES, -1])
def test_whatever_is_altered_no_receiver_opens_it(at: int) -> None:
    altered = bytearray(SEALED)
    altered[at] ^= 1
    # The entry of another is bound as well: who carries it cannot take a receiver out.
    with pytest.raises(SealRefused):
        open_one_of_many(KEYS[0], INFO, bytes(altered))


@pytest.mark.parametrize("length", [1, 2, 3, 2 + EACH_BYTES, 2 + 3 * EACH_BYTES - 1, -1])
def test_what_is_cut_off_does_not_open(length: int) -> None:
    with pytest.raises(SealRefused):
        open_one_of_many(KEYS[0], INFO, SEALED[:length])


def test_every_content_has_a_key_of_its_own() -> None:
    again = seal_to_many(PUBLICS[:3], INFO, PLAIN)
    assert again[-len(PLAIN) - 16 :] != SEALED[-len(PLAIN) - 16 :]


def test_a_carrier_opens_what_is_sealed_to_it_alone_or_among_others() -> None:
    single = seal(PUBLICS[0], INFO, PLAIN)
    assert (is_sealed_to_many(SEALED), is_sealed_to_many(single)) == (True, False)
    assert not is_sealed_to_many(b"")
    assert open_carried(KEYS[0], INFO, SEALED) == PLAIN
    assert open_carried(KEYS[0], INFO, single) == PLAIN
    for sealed in (SEALED, single):
        with pytest.raises(SealRefused):
            open_carried(KEYS[4], INFO, sealed)
