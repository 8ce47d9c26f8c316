# SPDX-License-Identifier: Apache-2.0
"""Ranges: what differs is found, whatever differs, in few small messages."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import MessageMalformed
from sync.messages import ASKED_MAX, STATEMENT_BYTES_MAX, RangeName, encode
from sync.ranges import (
    HAVE,
    HAVE_STATEMENTS_MAX,
    RECORDS_NAMED_MAX,
    WHOLE,
    Scope,
    Told,
    name_records,
    named_records,
    place_of,
)

DIGEST = st.integers(0, 2**48 - 1)


def narrow(mine: dict[str, int], theirs: dict[str, int]) -> tuple[set[str], int, int]:
    """The homes found to differ, the bytes of both directions, the round trips."""
    here, there = Scope(mine), Scope(theirs)
    todo, found, size, rounds = [WHOLE], set[str](), 0, 0
    while todo:
        asked, todo = todo[:ASKED_MAX], todo[ASKED_MAX:]
        told = there.tell(asked)
        size += len(encode(asked)) + len(encode([told.ranges, told.homes]))
        more = here.compare(asked, Told(*told))
        todo += more.ask
        found |= set(more.differ)
        rounds += 1
    return found, size, rounds


@given(
    st.dictionaries(st.text("abc-_0189", min_size=1, max_size=6), DIGEST, max_size=60),
    st.dictionaries(st.text("abc-_0189", min_size=1, max_size=6), DIGEST, max_size=60),
)
def test_all_that_differs_is_found_and_nothing_else(
    mine: dict[str, int], theirs: dict[str, int]
) -> None:
    found, _, _ = narrow(mine, theirs)
    differing = {h for h in mine.keys() | theirs.keys() if mine.get(h, 0) != theirs.get(h, 0)}
    missing = {h for h in theirs if h not in mine and not theirs[h]}
    assert differing <= found <= differing | missing


def test_ten_of_ten_thousand_homes_are_found_in_three_small_rounds(rng: random.Random) -> None:
    theirs = {f"{rng.getrandbits(130):022x}"[:22]: rng.getrandbits(48) for _ in range(10_000)}
    mine = dict(theirs)
    changed = set(rng.sample(sorted(mine), 10))
    for home in changed:
        mine[home] ^= 1
    found, size, rounds = narrow(mine, theirs)
    assert found == changed
    assert rounds == 3
    assert size < 10_000


def test_everything_differing_is_found_in_several_asks(rng: random.Random) -> None:
    theirs = {f"h{n}": rng.getrandbits(48) for n in range(20_000)}
    mine = {home: rng.getrandbits(48) for home in theirs}
    found, _, _ = narrow(mine, theirs)
    assert found == set(theirs)


@given(st.lists(DIGEST, max_size=20), st.integers(0, 400))
def test_records_named_in_statements_are_read_back(digests: list[int], times: int) -> None:
    many = [*digests, *range(times * 10)]
    said = name_records(many)
    assert named_records([("other", b"x"), *said]) == set(many[:RECORDS_NAMED_MAX])
    assert len(said) <= HAVE_STATEMENTS_MAX
    assert all(len(data) <= STATEMENT_BYTES_MAX for _, data in said)


def test_who_names_no_records_is_told_from_who_names_that_there_are_none() -> None:
    assert named_records([("other", b"x")]) is None
    assert named_records(name_records([])) == set()
    with pytest.raises(MessageMalformed):
        named_records([(HAVE, b"x" * 7)])


def test_a_range_is_named_as_messages_allow_it() -> None:
    assert msgspec.convert(place_of("h"), RangeName) == place_of("h")
    assert len(place_of("h")) == 16
