# SPDX-License-Identifier: Apache-2.0
"""Signing keys: RFC 8032's answers, purposes, and every kind of key that must be refused.

Expects nothing outside `crypto`. The bad points are made here from the curve equation.
"""

import copy
import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.algorithms import purposed_hash
from crypto.errors import KeyRefused, SignatureRefused
from crypto.identity import DeviceKey, check_public, replica_of, verify, verify_raw

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
KEY = DeviceKey.from_private(bytes(range(32)))

RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e"
            "39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f"
            "3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
]


def root(a: int) -> int | None:
    r = pow(a, (P + 3) // 8, P)
    if r * r % P != a % P:
        r = r * pow(2, (P - 1) // 4, P) % P
    return r if r * r % P == a % P else None


def x_of(y: int) -> int | None:
    return root((y * y - 1) * pow(D * y * y + 1, -1, P) % P)


def add(p: tuple[int, int], q: tuple[int, int]) -> tuple[int, int]:
    (a, b), (c, d) = p, q
    t = D * a * b * c * d % P
    return (
        (a * d + b * c) * pow(1 + t, -1, P) % P,
        (b * d + a * c) * pow(1 - t, -1, P) % P,
    )


def encode(x: int, y: int) -> bytes:
    return (y | (x & 1) << 255).to_bytes(32, "little")


def small_order_points() -> list[tuple[int, int]]:
    """The multiples of one point of order eight, found by its equation d·y⁴ + 2·y² − 1 = 0."""
    half = root(1 + D)
    assert half is not None
    ys = [root((sign * half - 1) * pow(D, -1, P) % P) for sign in (1, -1)]
    y = next(y for y in ys if y is not None)
    x = x_of(y)
    assert x is not None
    points = [(0, 1)]
    while len(points) < 8:
        points.append(add(points[-1], (x, y)))
    return points


SMALL = small_order_points()


@pytest.mark.parametrize(("private", "public", "message", "signature"), RFC_8032)
def test_a_signature_is_the_one_rfc_8032_gives(
    private: str, public: str, message: str, signature: str
) -> None:
    key = DeviceKey.from_private(bytes.fromhex(private))
    assert key.public.hex() == public
    assert key.sign_raw(bytes.fromhex(message)).hex() == signature
    verify_raw(key.public, bytes.fromhex(message), bytes.fromhex(signature))


def test_the_replica_id_is_the_first_half_of_the_hash_of_the_key() -> None:
    assert KEY.replica == replica_of(KEY.public) == hashlib.sha256(KEY.public).digest()[:16]


def test_a_signature_is_over_purpose_and_message_and_names_its_algorithm() -> None:
    signature = KEY.sign(b"feed", b"message")
    assert (signature[0], len(signature)) == (1, 65)
    assert signature[1:] == KEY.sign_raw(b"doorstep/feed\0message")
    assert purposed_hash(b"feed", b"m") == b"\x11" + hashlib.sha256(b"doorstep/feed\0m").digest()


@given(st.binary(max_size=80), st.integers(0, 64), st.integers(0, 7))
def test_any_changed_bit_of_a_signature_is_refused(message: bytes, at: int, bit: int) -> None:
    signature = bytearray(KEY.sign(b"feed", message))
    verify(KEY.public, b"feed", message, bytes(signature))
    signature[at] ^= 1 << bit
    with pytest.raises(SignatureRefused):
        verify(KEY.public, b"feed", message, bytes(signature))


def test_a_signature_holds_for_one_purpose_and_one_message_only() -> None:
    signature = KEY.sign(b"feed", b"message")
    for purpose, message in (
        (b"receipt", b"message"),
        (b"feed", b"massage"),
        (b"fee", b"dmessage"),
    ):
        with pytest.raises(SignatureRefused):
            verify(KEY.public, purpose, message, signature)


@pytest.mark.parametrize("signature", [b"", b"\x01", b"\x01" + bytes(65), b"\x02" + bytes(64)])
def test_a_signature_of_another_length_or_algorithm_is_refused(signature: bytes) -> None:
    with pytest.raises(SignatureRefused):
        verify(KEY.public, b"feed", b"m", signature)


def test_a_signature_with_s_beyond_the_group_order_is_refused() -> None:
    signature = KEY.sign(b"feed", b"m")
    s = int.from_bytes(signature[33:], "little") + L
    with pytest.raises(SignatureRefused):
        verify(KEY.public, b"feed", b"m", signature[:33] + s.to_bytes(32, "little"))


@pytest.mark.parametrize("purpose", [b"", b"Feed", b"a\0b", b"a b", b"x" * 49])
def test_a_purpose_that_could_be_taken_for_another_is_refused(purpose: bytes) -> None:
    with pytest.raises(ValueError, match="purpose"):
        KEY.sign(purpose, b"")


def test_there_are_eight_small_order_points_and_each_is_refused() -> None:
    encodings = {encode(x, y) for x, y in SMALL}
    assert len(encodings) == 8
    for encoded in encodings:
        with pytest.raises(KeyRefused):
            check_public(encoded)


def test_every_second_encoding_of_a_point_is_refused() -> None:
    # y is written below 2**255, so 19 values of y have a second encoding y + p; and with x = 0 the
    # sign bit makes one more.
    others = [
        (y + P | sign << 255).to_bytes(32, "little") for y in range(19) for sign in (0, 1)
    ] + [(y | 1 << 255).to_bytes(32, "little") for y in (1, P - 1)]
    for encoded in others:
        with pytest.raises(KeyRefused):
            check_public(encoded)


def test_a_key_that_is_no_point_of_the_curve_is_refused() -> None:
    off = [y for y in range(2, 40) if x_of(y) is None]
    assert len(off) > 5
    for y in off:
        with pytest.raises(KeyRefused):
            check_public(y.to_bytes(32, "little"))


def test_one_signature_for_any_message_under_a_small_order_key_is_refused() -> None:
    # With A of order two or one and S = 0, R = the identity, half of all messages would verify.
    with pytest.raises(KeyRefused):
        verify(encode(*SMALL[4]), b"feed", b"anything", b"\x01" + encode(0, 1) + bytes(32))


def test_a_key_with_a_small_order_part_is_judged_without_cofactor() -> None:
    # A + T for T of order eight: S·B = R + k·A holds only times eight. One rule everywhere:
    # refused.
    y = int.from_bytes(KEY.public, "little") & (2**255 - 1)
    x = x_of(y)
    assert x is not None
    x = x if x & 1 == KEY.public[31] >> 7 else P - x
    mixed = encode(*add((x, y), SMALL[1]))
    check_public(mixed)
    with pytest.raises(SignatureRefused):
        verify(mixed, b"feed", b"m", KEY.sign(b"feed", b"m"))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(KeyRefused):
        check_public(bytes(length))
    with pytest.raises(KeyRefused):
        DeviceKey.from_private(bytes(length))


def test_a_device_key_shows_nothing_and_is_not_pickled() -> None:
    assert KEY.private.hex() not in repr(KEY)
    assert KEY.public.hex() not in repr(KEY)
    for escape in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            escape(KEY)
    assert DeviceKey.from_private(KEY.private).replica == KEY.replica
    assert DeviceKey.generate().private != DeviceKey.generate().private
