# SPDX-License-Identifier: Apache-2.0
"""Blobs: named by ciphertext, one key each, nothing released unchecked."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.blob import BLOB_BYTES_MAX, check_blob_name, decrypt_blob, encrypt_blob
from crypto.errors import BlobRefused


@given(st.binary(max_size=2000))
def test_a_blob_comes_back_and_is_named_by_its_ciphertext(plain: bytes) -> None:
    name, key, ciphertext = encrypt_blob(plain)
    assert name == hashlib.sha256(ciphertext).digest()
    assert ciphertext[0] == 0x31
    assert decrypt_blob(name, key, ciphertext) == plain


def test_the_same_photo_twice_shows_no_likeness() -> None:
    one, two = encrypt_blob(b"photo"), encrypt_blob(b"photo")
    assert one[0] != two[0]
    assert one[1] != two[1]


def test_an_altered_blob_is_refused_even_under_its_own_new_name() -> None:
    name, key, ciphertext = encrypt_blob(b"photo" * 100)
    for at in (0, 1, 200, len(ciphertext) - 1):
        altered = bytearray(ciphertext)
        altered[at] ^= 1
        with pytest.raises(BlobRefused):
            decrypt_blob(name, key, bytes(altered))
        with pytest.raises(BlobRefused):
            decrypt_blob(hashlib.sha256(altered).digest(), key, bytes(altered))


def test_a_blob_under_another_key_or_name_or_cut_short_is_refused() -> None:
    name, key, ciphertext = encrypt_blob(b"photo")
    _, other, _ = encrypt_blob(b"photo")
    for wrong in (
        (name, other, ciphertext),
        (bytes(32), key, ciphertext),
        (name, b"k", ciphertext),
    ):
        with pytest.raises(BlobRefused):
            decrypt_blob(*wrong)
    for cut in (b"", ciphertext[:1], ciphertext[:16]):
        with pytest.raises(BlobRefused):
            decrypt_blob(hashlib.sha256(cut).digest(), key, cut)


def test_a_blob_of_eight_mebibytes_passes_and_one_byte_more_is_refused() -> None:
    plain = bytes(BLOB_BYTES_MAX)
    name, key, ciphertext = encrypt_blob(plain)
    assert decrypt_blob(name, key, ciphertext) == plain
    with pytest.raises(BlobRefused):
        encrypt_blob(plain + b"x")
    with pytest.raises(BlobRefused):
        check_blob_name(hashlib.sha256(ciphertext + b"x").digest(), ciphertext + b"x")
