# SPDX-License-Identifier: Apache-2.0
"""The contents of bundles, and the place of a bundle in the line of its sender."""

import msgspec
import pytest

from sync.errors import BundleLate, BundleRepeated, MessageMalformed, ProtocolUnknown
from sync.messages import encode
from sync.parcel import TAKEN_MAX, Place, Taken, decode_parcel, parcel, place_of, remember


def name(number: int, branch: int = 0) -> bytes:
    return bytes([branch, number]) * 16


def line(*numbers: int) -> list[Taken]:
    """The line after these bundles of one sender were taken; each names all before it."""
    found: list[Taken] = []
    for number in numbers:
        earlier = [name(n) for n in range(number - 1, 0, -1)]
        found = remember(found, Taken(number, name(number), name(number - 1)), earlier)
    return found


def test_bundles_in_order_fit_and_nothing_is_missing() -> None:
    for number in range(1, 5):
        place = place_of(line(*range(1, number)), number, name(number), name(number - 1))
        assert place == Place((0, 0), False)


def test_a_gap_is_named_by_its_numbers() -> None:
    assert place_of(line(1, 2), 6, name(6), name(5)) == Place((3, 5), False)
    assert place_of([], 4, name(4), name(3)) == Place((1, 3), False)


def test_a_bundle_that_was_taken_is_repeated() -> None:
    for number in (1, 2, 3):
        with pytest.raises(BundleRepeated):
            place_of(line(1, 2, 3), number, name(number), name(number - 1))


def test_a_bundle_that_was_overtaken_comes_late() -> None:
    for number in (2, 3):
        with pytest.raises(BundleLate):
            place_of(line(1, 4), number, name(number), name(number - 1))


def test_another_bundle_under_a_used_number_comes_from_a_copy_and_is_taken() -> None:
    assert place_of(line(1, 2, 3), 3, name(3, 1), name(2)).branch
    assert place_of(line(1, 2, 3), 4, name(4, 1), name(3, 1)).branch
    assert place_of(line(1, 2, 3), 1, name(1, 1), name(0)).branch


def test_the_line_forgets_what_is_long_past() -> None:
    assert len(line(*range(1, 2 * TAKEN_MAX))) == TAKEN_MAX


def test_what_a_bundle_says_came_before_it_is_remembered_without_what_came_before_that() -> None:
    found = remember([], Taken(3, name(3), name(2)), [name(2), name(1), name(0)])
    assert found == [
        Taken(1, name(1), b""),
        Taken(2, name(2), b""),
        Taken(3, name(3), name(2)),
    ]
    # What is in the line already stays as it was taken.
    again = remember(found, Taken(5, name(5), name(4)), [name(4), name(3)])
    assert again == [*found, Taken(4, name(4), b""), Taken(5, name(5), name(4))]


def test_a_parcel_is_read_back_as_it_was() -> None:
    given = msgspec.structs.replace(parcel(5), request=b"r", outboxes=[b"o"], earlier=[name(1)])
    assert decode_parcel(encode(given)) == given
    with pytest.raises(MessageMalformed):
        decode_parcel(encode(given)[:-1])
    with pytest.raises(ProtocolUnknown):
        decode_parcel(encode(msgspec.structs.replace(given, protocol=99)))


def test_a_parcel_begins_empty() -> None:
    begun = msgspec.structs.astuple(parcel(7))
    assert begun[1] == 7
    assert not any(begun[2:])


def test_one_bundle_that_is_missing_is_named() -> None:
    assert place_of(line(1, 2), 4, name(4), name(3)) == Place((3, 3), False)
