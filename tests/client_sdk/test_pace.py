# SPDX-License-Identifier: Apache-2.0
"""How much goes at once: a line that breaks gets small pieces until it proves to be quick."""

from typing import Any

import pytest

from client_sdk.errors import Unreachable
from client_sdk.pace import (
    BLOB_BYTES_MAX,
    BLOB_BYTES_MIN,
    PACKED_BYTES_MAX,
    TEXT_BYTES_MAX,
    TEXT_BYTES_MIN,
    in_pieces,
    next_piece,
    text_bytes,
    text_cut,
    text_went,
)
from fixtures.workload import Generator

VISITS = 150


def busy(world: Any, fields: dict[str, Any]) -> Any:
    """A tablet with weeks of work that no receipt covers, in text that compresses badly."""
    tablet = world.tablet("a", checked=False)
    home = tablet.create_record("household", fields)
    text = Generator(7, "zipf").text
    for _ in range(VISITS):
        tablet.create_record("visit", {"household": home, "notes": text(200, 300)})
    return tablet


def broken(tablet: Any, *, cut: bool) -> None:
    """A sync whose first request breaks on the way, or cannot be sent at all."""
    whole = tablet.transport.exchange

    def exchange(body: bytes) -> bytes:
        error = Unreachable("test")
        error.cut = cut
        raise error

    tablet.transport.exchange = exchange
    with pytest.raises(Unreachable):
        tablet.sync()
    tablet.transport.exchange = whole


def test_weeks_of_work_go_in_one_round_where_the_line_never_broke(
    world: Any, fields: dict[str, Any]
) -> None:
    tablet = busy(world, fields)
    broken(tablet, cut=False)
    report = tablet.sync()
    assert (report.rounds, report.sent) == (1, VISITS + 1)


def test_after_a_line_broke_no_request_is_larger_than_one_small_piece(
    world: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tablet = busy(world, fields)
    broken(tablet, cut=True)
    assert text_bytes(tablet._store) == TEXT_BYTES_MIN
    monkeypatch.setattr("client_sdk.pace.QUICK_SECONDS", 0.0)
    report = tablet.sync()
    sizes = [len(body) for body in tablet.transport.requests]
    assert max(sizes) <= PACKED_BYTES_MAX
    assert min(sizes[:-1]) > PACKED_BYTES_MAX / 4
    assert report.sent == VISITS + 1
    assert text_bytes(tablet._store) == TEXT_BYTES_MIN


def test_a_small_request_that_breaks_makes_no_piece_smaller(
    world: Any, fields: dict[str, Any]
) -> None:
    tablet = world.tablet("a")
    tablet.create_record("household", fields)
    broken(tablet, cut=True)
    assert text_bytes(tablet._store) == TEXT_BYTES_MAX


def test_text_grows_again_on_a_quick_line_and_stays_where_it_is_slow(world: Any) -> None:
    tablet = world.tablet("a")
    text_cut(tablet._store, PACKED_BYTES_MAX + 1)
    text_went(tablet._store, 3.0)
    assert text_bytes(tablet._store) == TEXT_BYTES_MIN
    for _ in range(20):
        text_went(tablet._store, 0.1)
    assert text_bytes(tablet._store) == TEXT_BYTES_MAX


def test_pieces_of_a_photo_are_as_large_as_the_line_is_quick() -> None:
    size = BLOB_BYTES_MIN
    assert next_piece(size, 2.6) == size
    for _ in range(5):
        size = next_piece(size, 0.1)
    assert size == BLOB_BYTES_MAX
    for _ in range(5):
        size = next_piece(size, 9.0)
    assert size == BLOB_BYTES_MIN


HOMES = 60


def answers(tablet: Any) -> list[int]:
    """The sizes of what comes down, from now on."""
    sizes: list[int] = []
    inner = tablet.transport.exchange

    def exchange(body: bytes) -> bytes:
        answer: bytes = inner(body)
        sizes.append(len(answer))
        return answer

    tablet.transport.exchange = exchange
    return sizes


def full_district(world: Any, fields: dict[str, Any]) -> Any:
    """A district whose households are much text, and a tablet that has nothing of it yet."""
    other, text = world.tablet("b", checked=False), Generator(7, "zipf").text
    for _ in range(HOMES):
        home = other.create_record("household", fields)
        for _ in range(2):
            other.create_record("visit", {"household": home, "notes": text(200, 300)})
    other.sync()
    return world.tablet("a")


def test_a_first_download_comes_in_small_pieces_until_the_line_was_quick(
    world: Any, fields: dict[str, Any]
) -> None:
    tablet = full_district(world, fields)
    sizes = answers(tablet)
    tablet.sync()
    assert len(tablet.households()) == HOMES
    assert len(sizes) == 2
    assert sizes[0] <= PACKED_BYTES_MAX < sizes[1]


def test_over_a_slow_line_no_answer_is_larger_than_one_small_piece(
    world: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client_sdk.pace.BRISK_SECONDS", 0.0)
    tablet = full_district(world, fields)
    sizes = answers(tablet)
    tablet.sync()
    assert len(tablet.households()) == HOMES
    assert len(sizes) > 3
    assert max(sizes) <= PACKED_BYTES_MAX
    assert min(sizes[:-1]) > PACKED_BYTES_MAX / 4


def test_a_line_that_breaks_is_asked_for_small_pieces_again(
    world: Any, fields: dict[str, Any]
) -> None:
    tablet = world.tablet("a")
    tablet.sync()
    assert not in_pieces(tablet._store)
    broken(tablet, cut=True)
    assert in_pieces(tablet._store)
    tablet.sync()
    assert not in_pieces(tablet._store)
