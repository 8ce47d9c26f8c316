# SPDX-License-Identifier: Apache-2.0
"""Sealed values as texts: their form, and when two of them are equal to those who cannot read."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.field import FieldKey, Place
from sync.errors import ChangeInvalid, MessageMalformed
from sync.messages import encode
from sync.policy import exact_key, same_key
from sync.sealing import (
    MARK_BYTES,
    SEALED_TEXT_CHARS_MAX,
    SEALED_TEXT_CHARS_MIN,
    FieldKeysSaid,
    decode_said,
    encode_value,
    is_sealed,
    key_named,
    likeness,
    opened_value,
    sealed_bytes,
    sealed_text,
)

KEYS = [FieldKey(bytes([n]) * 32) for n in (1, 2)]
values = st.one_of(st.text(max_size=40), st.integers(-(2**40), 2**40), st.booleans())
places = st.builds(
    Place,
    st.sampled_from(["p1", "p2"]),
    st.sampled_from(["illness", "protection"]),
    st.binary(min_size=16, max_size=16),
    st.integers(1, 2**40),
)


def sealed(key: FieldKey, place: Place, value: Any) -> str:
    return sealed_text(key.seal(place, encode_value(value)))


@given(values, places, st.sampled_from(KEYS))
@settings(max_examples=60, deadline=None)
def test_any_value_comes_back_from_its_text(value: Any, place: Place, key: FieldKey) -> None:
    text = sealed(key, place, value)
    assert is_sealed(text)
    assert key_named(text) == key.id
    assert SEALED_TEXT_CHARS_MIN <= len(text) <= SEALED_TEXT_CHARS_MAX
    assert opened_value(key.open(place, sealed_bytes(text))) == value


@given(values, values, places, places, st.sampled_from(KEYS), st.sampled_from(KEYS))
@settings(max_examples=120, deadline=None)
def test_two_are_equal_just_where_key_record_field_and_value_are(
    one: Any, other: Any, here: Place, there: Place, first: FieldKey, second: FieldKey
) -> None:
    same = (first.id, here[:2], exact_key(one)) == (second.id, there[:2], exact_key(other))
    left, right = sealed(first, here, one), sealed(second, there, other)
    assert (same_key(left) == same_key(right)) is same
    if here != there:
        assert exact_key(left) != exact_key(right)


@given(st.text(max_size=60).map(lambda tail: "sealed/1:" + tail))
@settings(max_examples=60, deadline=None)
def test_whatever_begins_like_one_is_read_or_refused_and_never_breaks_merging(text: str) -> None:
    try:
        found = sealed_bytes(text)
    except ChangeInvalid:
        assert same_key(text) == exact_key(text)
    else:
        assert sealed_text(found) == text


def test_the_longest_text_is_that_of_the_longest_value() -> None:
    from crypto.field import VALUE_BYTES_MAX

    longest = KEYS[0].seal(Place("r", "f", b"r" * 16, 1), b"x" * VALUE_BYTES_MAX)
    assert len(sealed_text(longest)) == SEALED_TEXT_CHARS_MAX
    with pytest.raises(ChangeInvalid):
        sealed_bytes(sealed_text(longest) + "AAAA")
    with pytest.raises(ChangeInvalid):
        opened_value(b"\xc1")


def test_a_text_that_holds_no_more_than_its_mark_is_none() -> None:
    assert sealed_bytes(sealed_text(bytes(25))) == bytes(25)
    with pytest.raises(ChangeInvalid):
        sealed_bytes(sealed_text(bytes(24)))


def test_what_a_tablet_says_of_its_keys_comes_back_and_nothing_else_is_read() -> None:
    said = FieldKeysSaid(b"d" * 16, [KEYS[0].id], [(KEYS[1].id, "r")])
    assert decode_said(encode(said)) == said
    assert decode_said(encode(FieldKeysSaid(b""))) == FieldKeysSaid(b"")
    for data in (b"", b"\xc1", b"\x91\x01", encode(FieldKeysSaid(b"d" * 17))):
        with pytest.raises(MessageMalformed):
            decode_said(data)


def test_two_values_are_alike_by_key_and_mark_and_nothing_behind_them() -> None:
    raw = bytes(range(60))
    near = 1 + MARK_BYTES
    for at, alike in ((0, True), (1, False), (near - 1, False), (near, True), (near + 9, True)):
        other = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        same = likeness(sealed_text(other)) == likeness(sealed_text(raw))
        assert same is alike, at


def test_a_sealed_text_has_no_padding_whatever_its_length() -> None:
    for size in (25, 26, 27, 28):
        text = sealed_text(bytes(size))
        assert "=" not in text
        assert sealed_bytes(text) == bytes(size)
    ends = bytes(26) + b"\x17"
    assert sealed_text(ends).endswith("X")
    assert sealed_bytes(sealed_text(ends)) == ends
