# SPDX-License-Identifier: Apache-2.0
"""A key wrapped under another opens with that one alone, unaltered."""

import pytest

from crypto.errors import SealRefused
from crypto.secret import SecretBytes
from crypto.wrapping import WRAPPED_BYTES, key_name, unwrap_key, wrap_key

OUTER, OTHER = SecretBytes(bytes(range(32))), SecretBytes(bytes(range(1, 33)))
KEY = SecretBytes(bytes(range(100, 132)))


def test_a_key_wrapped_under_another_comes_back_and_stays_the_same_over_versions() -> None:
    wrapped = wrap_key(OUTER, KEY)
    assert len(wrapped) == WRAPPED_BYTES
    assert unwrap_key(OUTER, wrapped) == KEY
    assert KEY.reveal() not in wrapped
    # Written down once: what lies in a key folder must open for ever.
    assert wrapped.hex() == (
        "42f4f28447ebdd8521143372b06e80c3de5bfac864fa67a1f1070c2d44a34c63b63802a2e6f9fb967d"
    )


def test_another_key_any_altered_bit_or_length_does_not_unwrap() -> None:
    wrapped = wrap_key(OUTER, KEY)
    with pytest.raises(SealRefused):
        unwrap_key(OTHER, wrapped)
    for bit in range(8 * len(wrapped)):
        altered = bytearray(wrapped)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealRefused):
            unwrap_key(OUTER, bytes(altered))
    for other in (b"", wrapped[:-1], wrapped + b"\0"):
        with pytest.raises(SealRefused):
            unwrap_key(OUTER, other)


def test_the_name_of_a_key_tells_keys_apart_and_nothing_of_them() -> None:
    assert key_name(KEY) != key_name(OTHER)
    assert bytes.fromhex(key_name(KEY)) not in KEY.reveal()
    assert len(key_name(KEY)) == 16
