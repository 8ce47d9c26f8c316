# SPDX-License-Identifier: Apache-2.0
"""Changes: what may be written, just at each limit and just above it, and how a change is named."""

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.change import (
    CHANGE_BYTES_MAX,
    COUNT_MAX,
    FIELDS_PER_CHANGE_MAX,
    ID_CHARS_MAX,
    ITEMS_MAX,
    TEXT_CHARS_MAX,
    VECTOR_BYTES_MAX,
    Change,
    change_digest,
    check_operations,
    check_writable,
    decode_change,
    encode_change,
    entry_of,
    new_record_id,
    own_tips,
    sortable_text,
    split_changes,
)
from sync.clock import dot
from sync.errors import ChangeInvalid, LimitExceeded, MessageMalformed, SyncError
from sync.schema import NAME_CHARS_MAX

A, B = b"a" * 16, b"b" * 16


def change(sets: dict[str, Any] | None = None, **more: Any) -> Change:
    sets = {"phone": "1"} if sets is None else sets
    given = {
        "worker": "w",
        "collection": "household",
        "names": tuple(sets),
        "values": list(sets.values()),
        "record": "r",
        "vector": b"",
        "stamp_ms": 1,
        "stamp_n": 0,
        "clock_ms": 0,
        **more,
    }
    return Change(**given)


def passes(c: Change) -> bool:
    """Does what was encoded come back, or is it refused with a coded error?"""
    try:
        return decode_change(msgspec.msgpack.encode(c)) == c
    except SyncError:
        return False


def test_a_change_comes_back_as_it_was_encoded() -> None:
    c = change(
        {"a": None, "b": True, "c": -5, "d": 2.5, "e": "张霞", "f": [1, ["x"]], "g": {"k": [0]}},
        vector=dot(A, 1, b"tag1") + dot(B, 2, b"tag2"),
        others=[("add", "u", ["x", 1]), ("count", "n", 3), ("append", "p", [{"k": 1}])],
    )
    assert decode_change(encode_change(c)) == c


def vectors(count: int) -> bytes:
    return b"".join(dot(i.to_bytes(16, "big"), 1, b"....") for i in range(count))


DEEP = {"one": [1], "two": [[1]], "three": [[[1]]], "four": [[[[1]]]]}

AT_AND_ABOVE: dict[str, tuple[Change, Change]] = {
    "worker": (change(worker="w" * 32), change(worker="w" * 33)),
    "collection": (
        change(collection="c" * NAME_CHARS_MAX),
        change(collection="c" * (NAME_CHARS_MAX + 1)),
    ),
    "no collection": (change(collection="c"), change(collection="")),
    "name": (change({"n" * NAME_CHARS_MAX: 1}), change({"n" * (NAME_CHARS_MAX + 1): 1})),
    "empty name": (change({"n": 1}), change({"": 1})),
    "fields": (
        change({f"n{i}": i for i in range(FIELDS_PER_CHANGE_MAX)}),
        change({f"n{i}": i for i in range(FIELDS_PER_CHANGE_MAX + 1)}),
    ),
    "text": (change({"t": "字" * TEXT_CHARS_MAX}), change({"t": "x" * (TEXT_CHARS_MAX + 1)})),
    "items of a list": (change({"l": [0] * ITEMS_MAX}), change({"l": [0] * (ITEMS_MAX + 1)})),
    "items of an object": (
        change({"l": {str(i): i for i in range(ITEMS_MAX)}}),
        change({"l": {str(i): i for i in range(ITEMS_MAX + 1)}}),
    ),
    "depth of lists": (change({"d": DEEP["three"]}), change({"d": DEEP["four"]})),
    "depth of objects": (
        change({"d": {"a": {"b": {"c": 1}}}}),
        change({"d": {"a": {"b": {"c": {"d": 1}}}}}),
    ),
    "key of an object": (
        change({"d": {"k" * NAME_CHARS_MAX: 1}}),
        change({"d": {"k" * (NAME_CHARS_MAX + 1): 1}}),
    ),
    "record": (change(record="r" * ID_CHARS_MAX), change(record="r" * (ID_CHARS_MAX + 1))),
    "empty record": (change(record=None), change(record="")),
    "vector": (
        change(vector=vectors(VECTOR_BYTES_MAX // 28)),
        change(vector=vectors(VECTOR_BYTES_MAX // 28 + 1)),
    ),
    "stamp": (change(stamp_ms=2**53), change(stamp_ms=2**53 + 1)),
    "negative stamp": (change(stamp_ms=0), change(stamp_ms=-1)),
    "stamp count": (change(stamp_n=2**31), change(stamp_n=2**31 + 1)),
    "clock ahead": (change(clock_ms=2**53), change(clock_ms=2**53 + 1)),
    "clock behind": (change(clock_ms=-(2**53)), change(clock_ms=-(2**53) - 1)),
    "number": (change({"n": 1.7e308}), change({"n": 1.75e308})),
    "infinity": (change({"n": -1.7e308}), change({"n": float("-inf")})),
    "operations": (
        change(others=[("count", f"n{i}", 1) for i in range(FIELDS_PER_CHANGE_MAX)]),
        change(others=[("count", f"n{i}", 1) for i in range(FIELDS_PER_CHANGE_MAX + 1)]),
    ),
    "count": (
        change(others=[("count", "n", COUNT_MAX)]),
        change(others=[("count", "n", COUNT_MAX + 1)]),
    ),
    "count down": (
        change(others=[("count", "n", -COUNT_MAX)]),
        change(others=[("count", "n", -COUNT_MAX - 1)]),
    ),
    "elements": (
        change(others=[("add", "u", list(range(ITEMS_MAX)))]),
        change(others=[("add", "u", list(range(ITEMS_MAX + 1)))]),
    ),
    "name in an operation": (
        change(others=[("add", "u" * NAME_CHARS_MAX, [1])]),
        change(others=[("add", "u" * (NAME_CHARS_MAX + 1), [1])]),
    ),
}


@pytest.mark.parametrize("limit", AT_AND_ABOVE)
def test_a_change_is_taken_at_each_limit_and_refused_above_it(limit: str) -> None:
    at, above = AT_AND_ABOVE[limit]
    assert passes(at)
    assert not passes(above)


def test_a_change_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    def of(size: int) -> Change:
        text = "x" * 15_000
        c = change({"a": text, "b": text, "c": text, "d": text, "e": ""})
        return change({**dict(zip(c.names, c.values, strict=True)), "e": "y" * size})

    low = len(msgspec.msgpack.encode(of(300))) - 300
    fits = of(CHANGE_BYTES_MAX - low)
    assert len(encode_change(fits)) == CHANGE_BYTES_MAX
    assert decode_change(encode_change(fits)) == fits
    beyond = of(CHANGE_BYTES_MAX - low + 1)
    with pytest.raises(LimitExceeded):
        encode_change(beyond)
    with pytest.raises(LimitExceeded):
        decode_change(msgspec.msgpack.encode(beyond))


def test_what_is_not_a_number_is_refused() -> None:
    assert not passes(change({"n": float("nan")}))
    assert passes(change({"n": 0.0}))


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a\x00b", "a\x7fb"])
def test_a_name_that_cannot_stand_in_a_path_is_refused(name: str) -> None:
    assert not passes(change({name: 1}))
    assert not passes(change(others=[("add", name, [1])]))
    assert passes(change({"a b.c'd 名": 1}, others=[("add", "a b", [1])]))


@pytest.mark.parametrize(
    "broken",
    [
        change(names=("a", "a"), values=[1, 2]),
        change(names=("a", "b"), values=[1]),
        change(names=("a",), values=[1, 2]),
        change(vector=dot(A, 1, b"....")[:-1]),
        change(vector=dot(A, 0, b"....")),
        change(vector=dot(A, 2**48 + 1, b"....")),
        change(vector=dot(B, 1, b"....") + dot(A, 1, b"....")),
        change(vector=dot(A, 1, b"....") * 2),
        change(others=[("multiply", "n", 2)]),
        change(others=[("add", "u", "x")]),
        change(others=[("add", "u", [True])]),
        change(others=[("add", "u", [1.5])]),
        change(others=[("add", "u", [["x"]])]),
        change(others=[("add", "", ["x"])]),
        change(others=[("remove", "u", None)]),
        change(others=[("count", "n", True)]),
        change(others=[("count", "n", 1.0)]),
        change(others=[("append", "p", [])]),
        change(others=[("append", "p", "x")]),
        change(others=[("count", "n", 1), ("count", "n", 2)]),
        change(others=[("append", "phone", ["x"])]),
        change(others=[("reason", "phone", "because")]),
        change(others=[("reason", "", 5)]),
        change(others=[("void", "", "gone")]),
        change({}, others=[("void", "", "gone"), ("reason", "", "why")]),
        change({}, others=[("void", "x", "gone")]),
    ],
)
def test_a_change_that_contradicts_itself_is_refused(broken: Change) -> None:
    with pytest.raises(MessageMalformed):
        decode_change(msgspec.msgpack.encode(broken))


def test_one_field_may_be_added_to_and_removed_from_at_once() -> None:
    both = change(others=[("add", "u", ["x"]), ("remove", "u", ["y"])])
    check_operations(both)
    assert passes(both)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        b"\x80",
        b"\x91\xa1w",
        b"\x91" * 40_000,
        encode_change(change())[:-1],
        encode_change(change()) + b"\0",
        msgspec.msgpack.encode([1, "c", [], [], None, b"", 1, 0, 0]),
        b"\xa2\xff\xfe",
    ],
    ids=["nothing", "never used", "map", "few", "deep", "cut", "longer", "kind", "no utf-8"],
)
def test_bytes_that_are_no_change_are_refused_with_a_code(raw: bytes) -> None:
    with pytest.raises(MessageMalformed):
        decode_change(raw)


def outcome(raw: bytes) -> str:
    try:
        decode_change(raw)
    except SyncError as error:
        return error.code
    return "taken"


@given(st.binary(max_size=80))
def test_any_bytes_are_a_change_or_refused_with_a_code(raw: bytes) -> None:
    assert outcome(raw) in ("taken", "sync/malformed", "sync/limit")


@given(st.data())
def test_a_change_with_one_byte_altered_never_raises_anything_uncoded(data: st.DataObject) -> None:
    raw = bytearray(encode_change(change({"a": [1, {"k": "v"}]}, vector=dot(A, 1, b"...."))))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(bytes(raw)) in ("taken", "sync/malformed", "sync/limit")


def test_a_newer_change_with_more_parts_is_read_by_an_older_program() -> None:
    raw = msgspec.msgpack.encode([*msgspec.to_builtins(change(others=[]), builtin_types=[bytes])])
    longer = msgspec.msgpack.encode([*msgspec.msgpack.decode(raw), "something new"])
    assert decode_change(longer) == change()


def test_the_digest_binds_purpose_replica_counter_salt_and_bytes() -> None:
    expected = hashlib.sha256(b"doorstep/change/1\0" + A + bytes(7) + b"\x05" + b"s" * 16 + b"raw")
    assert change_digest(A, 5, b"s" * 16, b"raw") == expected.digest()
    others = {
        change_digest(B, 5, b"s" * 16, b"raw"),
        change_digest(A, 6, b"s" * 16, b"raw"),
        change_digest(A, 5, b"t" * 16, b"raw"),
        change_digest(A, 5, b"s" * 16, b"rax"),
    }
    assert len(others | {expected.digest()}) == 5


def test_the_tag_of_a_dot_begins_the_digest_of_its_change() -> None:
    entry = entry_of(A, 7, b"s" * 16, encode_change(change()))
    assert entry.dot == A + bytes(7) + b"\x07" + entry.digest[:4]
    assert entry.digest == change_digest(A, 7, b"s" * 16, entry.raw)
    assert entry.record == "r"


def test_the_id_of_a_new_record_follows_from_its_change() -> None:
    raw = encode_change(change(record=None, stamp_ms=1_700_000_000_000))
    entry = entry_of(A, 1, b"s" * 16, raw)
    assert entry.record == new_record_id(A, 1, 1_700_000_000_000, b"s" * 16)
    assert len(entry.record) == 22
    assert entry_of(A, 1, b"t" * 16, raw).record != entry.record
    assert entry_of(A, 2, b"s" * 16, raw).record != entry.record
    assert entry_of(B, 1, b"s" * 16, raw).record != entry.record


def test_ids_of_one_writer_sort_by_time_and_lie_together() -> None:
    ids = [new_record_id(A, n, ms, bytes(16)) for n, ms in ((3, 1_000), (2, 70_000), (1, 2**40))]
    other = new_record_id(B, 1, 5, bytes(16))
    assert sorted([*ids, other]) == [*ids, other]


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_sortable_texts_sort_as_their_bytes_do(x: bytes, y: bytes) -> None:
    assert (sortable_text(x) < sortable_text(y)) == (x < y)
    assert (sortable_text(x) == sortable_text(y)) == (x == y)


def test_own_tips_are_those_of_the_writer_alone() -> None:
    mine, other, hers = dot(A, 1, b"1111"), dot(A, 3, b"2222"), dot(B, 1, b"3333")
    raw = encode_change(change(vector=mine + other + hers))
    assert own_tips(entry_of(A, 4, bytes(16), raw)) == (mine, other)
    assert own_tips(entry_of(b"c" * 16, 4, bytes(16), raw)) == ()


def test_a_change_says_whether_it_voids_and_why_it_was_written() -> None:
    assert change({}, others=[("void", "", "moved away")]).void
    assert change({}, others=[("void", "", "moved away")]).reason() == "moved away"
    assert not change(others=[("reason", "", "asked again")]).void
    assert change(others=[("reason", "", "asked again")]).reason() == "asked again"
    assert change().reason() == ""


def test_values_are_checked_before_they_are_written() -> None:
    check_writable(("a",), [[{"k": 1}]])
    for names, value in [(("a",), float("nan")), (("a",), DEEP["four"]), (("",), 1), (("a",), b"")]:
        with pytest.raises(ChangeInvalid):
            check_writable(names, [value])


def test_an_array_of_no_changes_is_split_into_none() -> None:
    assert split_changes(b"\x90", 0) == []
    with pytest.raises(MessageMalformed):
        split_changes(b"\x90", 1)
