# SPDX-License-Identifier: Apache-2.0
"""The exchange's pure parts: digests, signature inputs, pages handed on, and copies of a feed."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.clock import dot
from sync.errors import MessageMalformed
from sync.feed import genesis
from sync.messages import Handed, Known, Page, decode_known
from sync.session import (
    DIGEST_MASK,
    HELD_MASK,
    held_part,
    held_sum,
    home_of,
    homes_of,
    off_my_chain,
    open_handed,
    open_page,
    page_message,
    receipts_message,
    record_digest,
    record_digests,
    sign_receipts,
    state_digest,
)

A, B, SERVER = b"a" * 16, b"b" * 16, b"s" * 16


class BadSignature(Exception):
    pass


def sign(message: bytes) -> bytes:
    return hashlib.sha256(b"the server" + message).digest()


def verify(replica: bytes, message: bytes, signature: bytes) -> None:
    if replica != SERVER or sign(message) != signature:
        raise BadSignature


@pytest.mark.parametrize(
    ("body", "home"),
    [
        ({"household": "h1"}, "h1"),
        ({"household": ""}, "r"),
        ({"household": None}, "r"),
        ({"household": 5}, "r"),
        ({}, "r"),
    ],
)
def test_a_record_belongs_to_the_household_it_names_or_to_itself(
    body: dict[str, object], home: str
) -> None:
    assert home_of("r", body) == home
    assert homes_of("r", body.values()) == {home}


def test_a_person_whose_household_is_open_belongs_to_both() -> None:
    assert homes_of("r", ["h1", "h2"]) == {"h1", "h2"}
    assert homes_of("r", ["h1", None]) == homes_of("r", ["h1", ""]) == {"h1", "r"}
    assert homes_of("r", []) == {"r"}


def test_a_digest_of_a_record_binds_its_id_and_its_vector() -> None:
    v = dot(A, 1, b"tag1")
    expected = hashlib.sha256(b"doorstep/record-state/1\0r\0" + v).digest()[:6]
    assert record_digest("r", v) == int.from_bytes(expected, "big") <= DIGEST_MASK
    others = {
        record_digest("s", v),
        record_digest("r", dot(A, 1, b"tag2")),
        record_digest("r", b""),
    }
    assert len(others | {record_digest("r", v)}) == 4


@given(st.sets(st.text(min_size=1, max_size=8), max_size=9), st.text(min_size=1, max_size=8))
def test_the_sum_of_held_homes_follows_each_that_comes_and_goes(homes: set[str], one: str) -> None:
    without = held_sum(homes - {one})
    assert (without + held_part(one)) & HELD_MASK == held_sum(homes | {one})
    assert held_sum([]) == 0
    assert held_sum(sorted(homes)) == held_sum(sorted(homes, reverse=True))


def page() -> Page:
    states = [b"one", b"two", b"three"]
    digests = b"".join(map(state_digest, states))
    return Page(SERVER, b"inc", 7, states, sign(page_message(SERVER, b"inc", 7, digests)))


def handed(*places: int) -> Handed:
    p = page()
    return Handed(
        p.server,
        p.incarnation,
        p.seq,
        b"".join(map(state_digest, p.states)),
        p.signature,
        [(i, p.states[i]) for i in places],
    )


def test_a_signature_of_a_page_covers_server_incarnation_sequence_and_states() -> None:
    expected = SERVER + b"\x03inc" + bytes(7) + b"\x07" + b"digests"
    assert page_message(SERVER, b"inc", 7, b"digests") == expected
    assert state_digest(b"one") == hashlib.sha256(b"doorstep/state/1\0one").digest()


def test_a_page_opens_to_its_states_in_their_places() -> None:
    opened = open_page(page(), verify)
    assert opened.states == [(0, b"one"), (1, b"two"), (2, b"three")]
    assert opened.digests == b"".join(state_digest(raw) for raw in page().states)
    assert (opened.server, opened.incarnation, opened.seq) == (SERVER, b"inc", 7)
    assert opened.signature == page().signature
    passed_on = open_handed(handed(1), verify)
    assert passed_on[:5] == opened[:5]


@pytest.mark.parametrize(
    "altered",
    [
        Page(B, b"inc", 7, page().states, page().signature),
        Page(SERVER, b"in", 7, page().states, page().signature),
        Page(SERVER, b"inc", 8, page().states, page().signature),
        Page(SERVER, b"inc", 7, [b"one", b"two"], page().signature),
        Page(SERVER, b"inc", 7, [b"two", b"one", b"three"], page().signature),
        Page(SERVER, b"inc", 7, [b"one", b"two", b"four"], page().signature),
        Page(SERVER, b"inc", 7, page().states, b""),
    ],
)
def test_an_altered_page_is_refused(altered: Page) -> None:
    with pytest.raises(BadSignature):
        open_page(altered, verify)


def test_states_handed_on_stand_where_their_page_says() -> None:
    assert open_handed(handed(2, 0), verify).states == [(2, b"three"), (0, b"one")]
    assert open_handed(handed(), verify).states == []


@pytest.mark.parametrize(
    "states", [[(0, b"two")], [(3, b"one")], [(-1, b"three")], [(-3, b"one")], [(0, b"four")]]
)
def test_states_that_do_not_stand_where_their_page_says_are_refused(
    states: list[tuple[int, bytes]],
) -> None:
    h = handed()
    with pytest.raises(MessageMalformed):
        open_handed(Handed(h.server, h.incarnation, h.seq, h.digests, h.signature, states), verify)


def test_states_of_a_page_nobody_signed_are_refused() -> None:
    h = handed(0)
    digests = state_digest(b"forged") + h.digests[32:]
    with pytest.raises(BadSignature):
        open_handed(
            Handed(h.server, h.incarnation, h.seq, digests, h.signature, [(0, b"forged")]), verify
        )


def test_receipts_are_signed_over_server_incarnation_and_points() -> None:
    known = [Known(A, 5, b"h" * 32)]
    receipts = sign_receipts(SERVER, b"inc", known, sign)
    assert decode_known(receipts.body) == known
    verify(SERVER, receipts_message(SERVER, b"inc", receipts.body), receipts.signature)
    assert receipts_message(SERVER, b"inc", b"body") == SERVER + b"\x03incbody"
    with pytest.raises(BadSignature):
        verify(SERVER, receipts_message(SERVER, b"in", b"c" + receipts.body), receipts.signature)


HEADS = {n: bytes([n]) * 32 for n in range(1, 6)}
TAGS = {n: bytes([n]) * 4 for n in range(1, 6)}


@pytest.mark.parametrize(
    ("point", "off"),
    [
        (Known(A, 5, HEADS[5]), False),
        (Known(A, 3, HEADS[3]), False),
        (Known(A, 3, TAGS[3]), False),
        (Known(A, 5, HEADS[4]), True),
        (Known(A, 3, b"x" * 32), True),
        (Known(A, 3, b"x" * 4), True),
        (Known(A, 6, b"x" * 32), True),
        (Known(A, 6, b"x" * 4), True),
        (Known(A, 0, b""), False),
        (Known(A, 0, genesis(A)), False),
        (Known(A, 0, genesis(B)), True),
        (Known(B, 9, b"x" * 32), False),
    ],
)
def test_a_point_that_is_not_on_my_chain_means_that_i_am_a_copy(point: Known, off: bool) -> None:
    assert off_my_chain([point], A, 5, HEADS.get, TAGS.get) is off
    good = Known(A, 1, HEADS[1])
    assert off_my_chain([good, point], A, 5, HEADS.get, TAGS.get) is off
    assert off_my_chain([point, good], A, 5, HEADS.get, TAGS.get) is off
    foreign, none = Known(B, 9, b"x" * 32), Known(A, 0, b"")
    assert off_my_chain([foreign, none, point], A, 5, HEADS.get, TAGS.get) is off


def test_a_point_that_was_forgotten_says_nothing() -> None:
    assert not off_my_chain([Known(A, 3, b"x" * 32)], A, 5, {}.get, {}.get)
    assert not off_my_chain([], A, 5, HEADS.get, TAGS.get)


def test_many_digests_are_those_of_each() -> None:
    records, vectors = ["r", "记录"], [dot(A, 1, b"tagg"), b""]
    each = [record_digest(r, v) for r, v in zip(records, vectors, strict=True)]
    assert record_digests(records, vectors) == each
    assert len(set(each)) == 2
