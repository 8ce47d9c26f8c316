# SPDX-License-Identifier: Apache-2.0
"""Dots, vectors and stamps: every comparison both ways, and the join's laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.clock import (
    COUNTER_MAX,
    DOT_BYTES,
    Chains,
    Dot,
    Stamp,
    VersionVector,
    check_vector,
    counter_of,
    dot,
    dots_of,
    replica_of,
)
from sync.errors import MessageMalformed

A, B, C = b"a" * 16, b"b" * 16, b"c" * 16
PLAIN = Chains(set(), {})


def at(replica: bytes, counter: int, tag: bytes = b"....") -> Dot:
    return dot(replica, counter, tag)


def vector(*dots: Dot) -> VersionVector:
    return VersionVector(b"".join(sorted(dots)))


def joined(x: VersionVector, y: VersionVector, chains: Chains = PLAIN) -> bytes:
    out = x.copy()
    out.join(y, chains)
    return out.pack()


def test_a_dot_is_replica_counter_and_tag_in_28_bytes() -> None:
    d = dot(A, 0x0102, b"tag!")
    assert d == A + bytes(6) + b"\x01\x02" + b"tag!"
    assert len(d) == DOT_BYTES == 28
    assert (replica_of(d), counter_of(d)) == (A, 0x0102)


@pytest.mark.parametrize(
    ("mine", "theirs", "covers"),
    [(2, 1, True), (2, 2, True), (2, 3, False), (1, 2, False), (1, 1, True)],
)
def test_an_entry_covers_its_own_dot_and_those_before_it(
    mine: int, theirs: int, covers: bool
) -> None:
    assert vector(at(A, mine)).covers(at(A, theirs), PLAIN) is covers


def test_a_vector_covers_nothing_of_a_replica_it_does_not_name() -> None:
    assert not vector(at(A, 9)).covers(at(B, 1), PLAIN)
    assert not VersionVector().covers(at(A, 1), PLAIN)
    assert VersionVector().of(A) == ()


def test_equal_counters_with_different_tags_do_not_cover_one_another() -> None:
    one, other = at(A, 5, b"1111"), at(A, 5, b"2222")
    for forks in (set(), {A}):
        chains = Chains(forks, {one: (), other: ()})
        assert not vector(one).covers(other, chains)
        assert not vector(other).covers(one, chains)
        assert vector(one).covers(one, chains)
        assert joined(vector(one), vector(other), chains) == one + other


@pytest.mark.parametrize(
    ("x", "y", "x_covers", "y_covers"),
    [
        ((), (), True, True),
        ((at(A, 1),), (), True, False),
        ((at(A, 2), at(B, 1)), (at(A, 1),), True, False),
        ((at(A, 2), at(B, 1)), (at(A, 1), at(B, 2)), False, False),
        ((at(A, 2),), (at(B, 2),), False, False),
        ((at(A, 2), at(B, 2)), (at(A, 2), at(B, 2)), True, True),
    ],
)
def test_vectors_compare_the_same_from_both_sides(
    x: tuple[Dot, ...], y: tuple[Dot, ...], x_covers: bool, y_covers: bool
) -> None:
    assert vector(*x).covers_all(vector(*y), PLAIN) is x_covers
    assert vector(*y).covers_all(vector(*x), PLAIN) is y_covers


def test_known_branches_are_told_apart_by_walking_the_list_back() -> None:
    # A wrote 1, 2; was set back to 1 and wrote 2', 3'.
    a1, a2, b2, b3 = at(A, 1), at(A, 2, b"aaaa"), at(A, 2, b"bbbb"), at(A, 3, b"bbbb")
    chains = Chains({A}, {a1: (), a2: (a1,), b2: (a1,), b3: (b2,)})
    assert vector(b3).covers(a1, chains)
    assert vector(b3).covers(b2, chains)
    assert not vector(b3).covers(a2, chains)
    assert not vector(a2).covers(b2, chains)
    assert not vector(a2).covers(b3, chains)
    assert joined(vector(a2), vector(b3), chains) == a2 + b3
    assert joined(vector(a2), vector(a1), chains) == a2
    # While nobody knows of the fork, the counters decide.
    assert vector(b3).covers(a2, Chains(set(), chains.preds))


def test_a_write_that_saw_both_branches_covers_both() -> None:
    a1, b1, m = at(A, 1, b"aaaa"), at(A, 1, b"bbbb"), at(A, 2)
    chains = Chains({A}, {a1: (), b1: (), m: (a1, b1)})
    assert vector(m).covers_all(vector(a1, b1), chains)
    assert not vector(a1, b1).covers(m, chains)
    assert joined(vector(a1, b1), vector(m), chains) == m


def test_where_the_list_is_cut_one_line_is_assumed() -> None:
    a1, a7, a9 = at(A, 1), at(A, 7), at(A, 9)
    chains = Chains({A}, {a9: (a7,)})
    assert vector(a9).covers(a1, chains)
    assert not vector(a9).covers(at(A, 8), chains)
    assert not vector(a1).covers(a9, chains)


def test_a_list_that_runs_in_a_circle_ends_the_walk() -> None:
    x, y = at(A, 5), at(A, 6)
    assert not vector(y).covers(at(A, 1), Chains({A}, {x: (y,), y: (x,)}))


@pytest.mark.parametrize(
    ("now_ms", "expected"), [(999, (1000, 8)), (1000, (1000, 8)), (1001, (1001, 0))]
)
def test_a_stamp_goes_on_from_the_clock_or_counts(now_ms: int, expected: tuple[int, int]) -> None:
    assert Stamp(1000, 7).tick(now_ms) == Stamp(*expected)


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1))
def test_stamps_only_ever_grow_whatever_the_clock_does(clock: list[int]) -> None:
    stamp = Stamp(0, 0)
    for now_ms in clock:
        later = stamp.tick(now_ms)
        assert later > stamp
        stamp = later


def test_stamps_compare_by_milliseconds_and_then_by_count() -> None:
    assert Stamp(1, 9) < Stamp(2, 0) < Stamp(2, 1)
    assert not Stamp(2, 0) < Stamp(1, 9)
    assert Stamp(2, 1) == Stamp(2, 1)


def test_a_vector_in_canonical_form_is_given_back() -> None:
    good = at(A, 1) + at(A, 2) + at(B, COUNTER_MAX)
    assert check_vector(good) is good
    assert check_vector(b"") == b""


@pytest.mark.parametrize(
    "packed",
    [
        at(A, 1)[:-1],
        at(A, 1) + b"x",
        at(B, 1) + at(A, 1),
        at(A, 1) + at(A, 1),
        at(A, 2) + at(A, 1),
        at(A, 0),
        at(A, COUNTER_MAX + 1),
    ],
    ids=["short", "long", "unsorted", "repeated", "counters", "zero", "beyond"],
)
def test_a_vector_in_any_other_form_is_refused(packed: bytes) -> None:
    with pytest.raises(MessageMalformed):
        check_vector(packed)


DOTS = st.lists(
    st.builds(
        at, st.sampled_from([A, B, C]), st.integers(1, 4), st.sampled_from([b"1111", b"2222"])
    ),
    max_size=6,
)


def taken(dots: list[Dot]) -> VersionVector:
    out = VersionVector()
    out.take_in(dots, PLAIN)
    return out


@given(DOTS, DOTS, DOTS)
def test_joining_vectors_is_commutative_associative_idempotent_and_monotone(
    x: list[Dot], y: list[Dot], z: list[Dot]
) -> None:
    a, b, c = taken(x), taken(y), taken(z)
    assert joined(a, b) == joined(b, a)
    assert joined(a, a) == a.pack()
    assert joined(VersionVector(joined(a, b)), c) == joined(a, VersionVector(joined(b, c)))
    both = VersionVector(joined(a, b))
    assert both.covers_all(a, PLAIN)
    assert both.covers_all(b, PLAIN)
    assert check_vector(both.pack()) == joined(both, a)


@given(DOTS)
def test_a_vector_covers_all_it_took_in_whatever_the_order(x: list[Dot]) -> None:
    there = taken(x)
    assert all(there.covers(d, PLAIN) for d in x)
    assert there.pack() == taken(x[::-1]).pack() == VersionVector(there.pack()).pack()


def test_a_vector_of_a_thousand_replicas_packs_joins_and_compares() -> None:
    dots = [at(i.to_bytes(16, "big"), i + 1) for i in range(1_000)]
    packed = b"".join(dots)
    whole = VersionVector(check_vector(packed))
    half = VersionVector(b"".join(dots[::2]))
    assert whole.pack() == packed
    assert dots_of(packed) == dots
    assert whole.covers_all(half, PLAIN)
    assert not half.covers_all(whole, PLAIN)
    assert joined(half, VersionVector(b"".join(dots[1::2]))) == packed


def test_a_copy_of_a_vector_does_not_follow_its_original() -> None:
    first = vector(at(A, 1))
    second = first.copy()
    first.take_in((at(A, 2),), PLAIN)
    assert second.pack() == at(A, 1)


def test_what_a_feed_told_is_remembered_and_what_none_told_is_asked_again() -> None:
    told, untold, before = (dot(b"r" * 16, n, b"tagg") for n in (3, 2, 1))
    asked: list[bytes] = []

    def recall(d: bytes) -> tuple[bytes, ...] | None:
        asked.append(d)
        return (before,) if d == told else None

    chains = Chains(set(), {}, recall)
    assert [chains.behind(d) for d in (told, told, untold, untold)] == [(before,)] * 2 + [None] * 2
    assert asked == [told, untold, untold]
    assert chains.preds == {told: (before,)}
    assert Chains(set(), {}).behind(told) is None


def test_a_change_of_the_same_number_in_another_line_stands_behind_nothing_of_it() -> None:
    replica = b"r" * 16
    here, there = dot(replica, 3, b"here"), dot(replica, 3, b"else")
    chains = Chains({replica}, {})
    assert chains.before(here, here)
    assert not chains.before(here, there)
    assert chains.before(dot(replica, 2, b"here"), there)
