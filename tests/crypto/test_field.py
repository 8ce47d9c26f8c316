# SPDX-License-Identifier: Apache-2.0
"""Sealed values: they open at their place alone, and say nothing but whether two are equal."""

import os
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import KeyRefused, SealRefused, StatementRefused
from crypto.field import (
    HEAD_BYTES,
    KEYS_WRAPPED_MAX,
    PAD_BYTES,
    VALUE_BYTES_MAX,
    FieldKey,
    Place,
    field_secret,
    group_key,
    key_id,
    key_id_of,
    unwrap_keys,
    wrap_keys,
)
from crypto.identity import DeviceKey
from crypto.ring import CLASSES_MAX, RING_KEYS_MAX, ReaderKeys, Ring, check_ring, issue_ring
from crypto.seal import BoxKey

KEY = FieldKey(b"k" * 32)
OTHER = FieldKey(b"o" * 32)
PLACE = Place("p1", "illness", b"r" * 16, 7)
MARK = slice(9, HEAD_BYTES)


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_what_is_sealed_opens_to_the_same_and_its_length_tells_blocks_only(value: bytes) -> None:
    sealed = KEY.seal(PLACE, value)
    assert KEY.open(PLACE, sealed) == value
    assert key_id_of(sealed) == KEY.id
    assert (len(sealed) - HEAD_BYTES - 16) % PAD_BYTES == 0
    assert len(value) < 4 or value not in sealed


def test_a_value_goes_up_to_its_limit_and_not_above() -> None:
    assert KEY.open(PLACE, KEY.seal(PLACE, b"x" * VALUE_BYTES_MAX)) == b"x" * VALUE_BYTES_MAX
    with pytest.raises(SealRefused):
        KEY.seal(PLACE, b"x" * (VALUE_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "elsewhere",
    [
        PLACE._replace(record="p2"),
        PLACE._replace(field="protection"),
        PLACE._replace(replica=b"s" * 16),
        PLACE._replace(counter=8),
    ],
)
def test_a_sealed_value_opens_at_no_other_place(elsewhere: Place) -> None:
    sealed = KEY.seal(PLACE, b"high blood pressure")
    with pytest.raises(SealRefused):
        KEY.open(elsewhere, sealed)


def test_a_sealed_value_altered_anywhere_or_cut_does_not_open() -> None:
    sealed = KEY.seal(PLACE, b"high blood pressure")
    for at in range(len(sealed)):
        for bit in (1, 128):
            spoilt = bytearray(sealed)
            spoilt[at] ^= bit
            with pytest.raises(SealRefused):
                KEY.open(PLACE, bytes(spoilt))
    for end in range(len(sealed)):
        with pytest.raises(SealRefused):
            KEY.open(PLACE, sealed[:end])
    with pytest.raises(SealRefused):
        OTHER.open(PLACE, sealed)


def test_equal_values_of_one_field_bear_one_mark_whoever_wrote_them_and_no_others_do() -> None:
    later = PLACE._replace(replica=b"s" * 16, counter=9)
    first, second = KEY.seal(PLACE, b"stroke"), KEY.seal(later, b"stroke")
    assert first[MARK] == second[MARK]
    assert first[HEAD_BYTES:] != second[HEAD_BYTES:]
    assert KEY.seal(later, b"diabetes")[MARK] != first[MARK]


def test_the_mark_does_not_say_that_two_people_have_the_same() -> None:
    """Else the commonest value of a district would be known by how often its mark stands there."""
    marks = {KEY.seal(PLACE._replace(record=f"p{n}"), b"stroke")[MARK] for n in range(50)}
    marks.add(KEY.seal(PLACE._replace(field="protection"), b"stroke")[MARK])
    assert len(marks) == 51


def test_a_few_possible_values_cannot_be_tried_without_the_key() -> None:
    """Who holds the sealed value, and every key but this one, learns nothing from any guess."""
    guesses = [b"hypertension", b"diabetes", b"stroke", b"dementia"]
    sealed = KEY.seal(PLACE, b"stroke")
    rng = Random(5)
    for _ in range(200):
        attempt = FieldKey(rng.randbytes(32))
        assert all(attempt.seal(PLACE, guess)[MARK] != sealed[MARK] for guess in guesses)


def test_a_reader_who_writes_a_false_mark_is_found_out() -> None:
    """A mark of another value would make two different values equal, and hide the conflict."""
    honest, wrong = KEY.seal(PLACE, b"stroke"), KEY.seal(PLACE, b"diabetes")
    with pytest.raises(SealRefused):
        KEY.open(PLACE, honest[: MARK.start] + wrong[MARK] + honest[HEAD_BYTES:])

    class Rogue(FieldKey):
        """A program of a reader, changed to mark as it likes."""

        def _mark(self, place: Place, padded: bytes) -> bytes:
            return wrong[MARK]

    forged = Rogue(KEY.secret).seal(PLACE, b"stroke")
    assert forged[MARK] == wrong[MARK]
    with pytest.raises(SealRefused, match="mark"):
        KEY.open(PLACE, forged)


def test_each_group_and_epoch_has_a_key_of_its_own_that_follows_from_the_server_alone() -> None:
    box = BoxKey(b"b" * 32)
    secret = field_secret(box)
    groups = [("a", "illness", 1), ("a", "illness", 2), ("a", "child", 1), ("b", "illness", 1)]
    keys = [group_key(secret, *group) for group in groups]
    assert len({key.id for key in keys}) == len(groups)
    assert group_key(field_secret(BoxKey(b"b" * 32)), *groups[0]).id == keys[0].id
    assert group_key(field_secret(BoxKey(b"c" * 32)), *groups[0]).id != keys[0].id
    assert box.private not in secret


def test_wrapped_keys_open_for_one_tablet_and_only_those_that_are_named() -> None:
    box, stranger = BoxKey.generate(), BoxKey.generate()
    wrapped = wrap_keys(box.public, [KEY, OTHER])
    found = unwrap_keys(box, wrapped, [KEY.id])
    assert [key.secret for key in found] == [KEY.secret]
    with pytest.raises(SealRefused):
        unwrap_keys(stranger, wrapped, [KEY.id])
    with pytest.raises(SealRefused):
        unwrap_keys(box, wrapped[:-1] + bytes([wrapped[-1] ^ 1]), [KEY.id])
    with pytest.raises(SealRefused):
        wrap_keys(box.public, [KEY] * (KEYS_WRAPPED_MAX + 1))
    most = [FieldKey(os.urandom(32)) for _ in range(KEYS_WRAPPED_MAX)]
    full = wrap_keys(box.public, most)
    assert len(full) <= 8 * 1024
    assert len(unwrap_keys(box, full, [key.id for key in most])) == KEYS_WRAPPED_MAX


def test_a_key_never_shows_itself() -> None:
    assert KEY.secret.hex() not in repr(KEY)
    assert repr(KEY) == f"FieldKey({key_id(KEY.secret).hex()})"
    with pytest.raises(KeyRefused):
        FieldKey(b"short")
    import pickle

    with pytest.raises(TypeError):
        pickle.dumps(KEY)


# ---- the ring --------------------------------------------------------------------------------

ROOT = DeviceKey.generate()
RING = Ring("team", ROOT.replica, 5, (ReaderKeys("illness", KEY.id, KEY.id + OTHER.id),))


def test_a_ring_says_what_was_signed_and_is_refused_altered_anywhere() -> None:
    data = issue_ring(ROOT, RING)
    assert check_ring(data, ROOT.public) == RING
    assert RING.ids() == {KEY.id: "illness", OTHER.id: "illness"}
    assert RING.writes() == {"illness": KEY.id}
    for at in range(len(data)):
        spoilt = bytearray(data)
        spoilt[at] ^= 1
        with pytest.raises(StatementRefused):
            check_ring(bytes(spoilt), ROOT.public)
    with pytest.raises(StatementRefused):
        check_ring(data, DeviceKey.generate().public)


@pytest.mark.parametrize(
    "wrong",
    [
        Ring("team", b"x" * 16, 5, RING.classes),
        Ring("team", ROOT.replica, 0, RING.classes),
        Ring("team", ROOT.replica, 5, (ReaderKeys("illness", KEY.id, OTHER.id),)),
        Ring("team", ROOT.replica, 5, (ReaderKeys("illness", KEY.id, KEY.id + b"x"),)),
        Ring("team", ROOT.replica, 5, RING.classes * 2),
        Ring("team", ROOT.replica, 5, RING.classes, 2),
        Ring(
            "team",
            ROOT.replica,
            5,
            tuple(
                ReaderKeys(f"c{n}", KEY.id, KEY.id * (RING_KEYS_MAX // CLASSES_MAX + 1))
                for n in range(CLASSES_MAX)
            ),
        ),
    ],
)
def test_a_ring_beyond_its_limits_is_neither_signed_nor_believed(wrong: Ring) -> None:
    with pytest.raises(StatementRefused):
        issue_ring(ROOT, wrong)


def test_a_full_ring_is_still_one_statement() -> None:
    each = RING_KEYS_MAX // CLASSES_MAX
    classes = []
    for n in range(CLASSES_MAX):
        ids = [os.urandom(8) for _ in range(each)]
        classes.append(ReaderKeys(f"{n:024d}", ids[0], b"".join(ids)))
    full = Ring("t" * 80, ROOT.replica, 2**52, tuple(classes))
    assert check_ring(issue_ring(ROOT, full), ROOT.public) == full


def test_the_digest_of_a_ring_is_that_of_what_it_says_and_not_of_when() -> None:
    later = Ring("team", ROOT.replica, 9, RING.classes)
    fewer = Ring("team", ROOT.replica, 5, (ReaderKeys("illness", KEY.id, KEY.id),))
    assert later.digest() == RING.digest()
    assert fewer.digest() != RING.digest()


def test_what_is_shorter_than_a_head_one_block_and_a_tag_is_no_sealed_value() -> None:
    shortest = KEY.seal(PLACE, b"")
    assert len(shortest) == HEAD_BYTES + PAD_BYTES + 16
    assert key_id_of(shortest) == KEY.id
    for wrong in (shortest[:-1], b"", b"\x00" + shortest[1:]):
        with pytest.raises(SealRefused):
            key_id_of(wrong)
