# SPDX-License-Identifier: Apache-2.0
"""A wrapper for bytes that must not be seen."""

import copy
import pickle

import pytest

from crypto.secret import SecretBytes


def test_a_secret_shows_nothing_of_itself() -> None:
    secret = SecretBytes(b"key of the store")
    for face in (repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{[secret]}"):
        assert "key" not in face
        assert "SecretBytes(…)" in face
    assert len(secret) == 16


def test_a_secret_is_neither_hashed_nor_pickled_nor_copied() -> None:
    secret = SecretBytes(b"x")
    for leak in (hash, pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a secret is never"):
            leak(secret)


def test_secrets_are_equal_by_their_bytes_and_to_secrets_alone() -> None:
    assert SecretBytes(b"x") == SecretBytes(bytearray(b"x"))
    assert SecretBytes(b"x") != SecretBytes(b"y")
    assert SecretBytes(b"x") != b"x"


def test_what_is_wiped_is_zeros_and_is_given_to_nobody() -> None:
    secret = SecretBytes(b"xyz")
    assert secret.reveal() == b"xyz"
    with secret as same:
        assert same is secret
        held = secret._buffer
    assert held == bytes(3)
    with pytest.raises(ValueError, match="wiped"):
        secret.reveal()
    given = bytearray(b"abc")
    other = SecretBytes(given)
    other.wipe()
    # What the caller holds is the caller's.
    assert given == b"abc"


def test_a_secret_shows_the_same_words_however_it_is_written_out() -> None:
    secret = SecretBytes(b"k" * 32)
    assert {repr(secret), str(secret), f"{secret}", f"{secret:>9}"} == {"SecretBytes(…)"}
