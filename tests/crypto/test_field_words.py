# SPDX-License-Identifier: Apache-2.0
"""What districts say to one another about field keys: asked and given under right names only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from crypto.errors import KeyRefused, StatementRefused
from crypto.field import FieldKey, unwrap_keys, wrap_keys
from crypto.field_words import (
    ASK,
    ASKED_MAX,
    GIVEN,
    FieldAsk,
    FieldGiven,
    check_ask,
    check_given,
    issue_ask,
    issue_given,
    word_by,
)
from crypto.identity import SIGNATURE_BYTES, DeviceKey
from crypto.seal import BoxKey
from crypto.signed import STATEMENT_BYTES_MAX

ASKER, GIVER = (DeviceKey.from_private(bytes([n]) * 32) for n in (1, 2))
BOX = BoxKey.from_private(bytes(range(32)))
KEY = FieldKey(b"k" * 32)
SAID = FieldAsk(ASKER.replica, 5, BOX.public, ((KEY.id, "h1"),))
GAVE = FieldGiven(GIVER.replica, 6, ASKER.replica, b"wrapped")


def signed(body: Any, purpose: bytes = ASK, key: DeviceKey = ASKER) -> bytes:
    """As somebody would sign who does not look at what it says."""
    encoded = body if isinstance(body, bytes) else msgspec.msgpack.encode(body)
    return key.sign(purpose, encoded) + encoded


def test_what_is_asked_and_given_comes_back_as_it_was_said() -> None:
    asked = issue_ask(ASKER, SAID)
    assert asked == signed(SAID)
    assert check_ask(asked, ASKER.public) == SAID
    assert word_by(asked) == ASKER.replica
    given = issue_given(GIVER, GAVE)
    assert given == signed(GAVE, GIVEN, GIVER)
    assert check_given(given, GIVER.public) == GAVE
    assert word_by(given) == GIVER.replica


def test_keys_that_are_given_open_for_the_box_key_that_asked() -> None:
    asked = check_ask(issue_ask(ASKER, SAID), ASKER.public)
    wrapped = wrap_keys(asked.box_public, [KEY])
    said = msgspec.structs.replace(GAVE, wrapped=wrapped)
    got = check_given(issue_given(GIVER, said), GIVER.public)
    opened = unwrap_keys(BOX, got.wrapped, [key for key, _ in asked.asked])
    assert [key.secret for key in opened] == [KEY.secret]


@pytest.mark.parametrize(
    ("check", "data"),
    [
        (check_ask, signed(SAID, GIVEN)),
        (check_ask, signed(SAID, ASK, GIVER)),
        (check_ask, signed(SAID)[:-1]),
        (check_ask, signed(b"\xc1")),
        (check_ask, signed([1])),
        (check_ask, signed(b"")),
        (check_ask, signed(msgspec.structs.replace(SAID, format=2))),
        (check_ask, signed(msgspec.structs.replace(SAID, issuer=GIVER.replica))),
        (check_ask, signed(msgspec.structs.replace(SAID, box_public=b"short"))),
        (check_ask, signed(msgspec.structs.replace(SAID, asked=()))),
        (check_ask, signed(msgspec.structs.replace(SAID, asked=SAID.asked * (ASKED_MAX + 1)))),
        (check_ask, b""),
        (check_given, signed(GAVE, ASK)),
        (check_given, signed(msgspec.structs.replace(GAVE, receiver=b"short"), GIVEN)),
        (check_given, signed(msgspec.structs.replace(GAVE, wrapped=bytes(9_000)), GIVEN)),
    ],
)
def test_nothing_but_what_the_root_said_is_believed(
    check: Callable[[bytes, bytes], object], data: bytes
) -> None:
    with pytest.raises(StatementRefused):
        check(data, ASKER.public)


def test_a_word_goes_up_to_its_limits_and_not_above() -> None:
    most = msgspec.structs.replace(SAID, asked=((KEY.id, "r" * 64),) * ASKED_MAX)
    assert check_ask(issue_ask(ASKER, most), ASKER.public) == most
    head = len(issue_given(GIVER, msgspec.structs.replace(GAVE, wrapped=bytes(300)))) - 300
    longest = msgspec.structs.replace(GAVE, wrapped=bytes(STATEMENT_BYTES_MAX - head))
    data = issue_given(GIVER, longest)
    assert len(data) == STATEMENT_BYTES_MAX
    assert check_given(data, GIVER.public) == longest
    with pytest.raises(StatementRefused):
        issue_given(GIVER, msgspec.structs.replace(GAVE, wrapped=longest.wrapped + b"x"))


def test_nobody_speaks_in_anothers_name_nor_asks_with_a_key_that_is_none() -> None:
    with pytest.raises(StatementRefused):
        issue_ask(GIVER, SAID)
    with pytest.raises(StatementRefused):
        issue_given(ASKER, GAVE)
    with pytest.raises(KeyRefused):
        issue_ask(ASKER, msgspec.structs.replace(SAID, box_public=b"short"))


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", b"\x90", b"\x91\x01", b"\xa1x"])
def test_whose_word_it_is_stands_first_or_it_is_none(body: bytes) -> None:
    with pytest.raises(StatementRefused):
        word_by(bytes(SIGNATURE_BYTES) + body)
    assert word_by(bytes(SIGNATURE_BYTES) + b"\x91\xc4\x01r") == b"r"
