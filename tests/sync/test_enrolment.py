# SPDX-License-Identifier: Apache-2.0
"""Messages of an enrolment: read up to their limit in bytes, and refused above it."""

import msgspec
import pytest

from sync.enrolment import (
    ENROLLED_BYTES_MAX,
    ENROLMENT_BYTES_MAX,
    Begin,
    Enrolled,
    Introduce,
    Keys,
    Offer,
    decode,
    encode,
    enrolment_context,
)
from sync.errors import LimitExceeded, MessageMalformed
from sync.messages import PROTOCOL

BEGIN = Begin(PROTOCOL, bytes(16), bytes(33))


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        (Begin, ENROLMENT_BYTES_MAX),
        (Offer, ENROLMENT_BYTES_MAX),
        (Enrolled, ENROLLED_BYTES_MAX),
        (Keys, ENROLLED_BYTES_MAX),
        (Introduce, ENROLLED_BYTES_MAX),
    ],
)
def test_a_message_is_read_up_to_its_limit(kind: type[msgspec.Struct], limit: int) -> None:
    with pytest.raises(MessageMalformed):
        decode(bytes(limit), kind)
    with pytest.raises(LimitExceeded):
        decode(bytes(limit + 1), kind)


def test_what_was_written_is_read_and_half_of_it_refused() -> None:
    assert decode(encode(BEGIN), Begin) == BEGIN
    with pytest.raises(MessageMalformed):
        decode(encode(BEGIN)[:-1], Begin)
    with pytest.raises(MessageMalformed):
        decode(encode(BEGIN), Offer)


def test_what_is_covered_beside_the_transcript_tells_names_and_successions_apart() -> None:
    found = [enrolment_context(*one) for one in (("a", None), ("b", None), ("a", b""), ("a", b"x"))]
    assert len(set(found)) == 4


def test_an_error_speaks_chinese_where_nobody_says_otherwise() -> None:
    error = MessageMalformed("detail")
    assert error.message() == error.message("zh") == MessageMalformed.zh
    assert error.message("en") == MessageMalformed.en
    assert error.args == ("detail",)
