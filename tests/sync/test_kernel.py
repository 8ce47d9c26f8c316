# SPDX-License-Identifier: Apache-2.0
"""The compiled loops give what those in Python give, byte for byte, or leave it to the rules."""

import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import batch, kernel, loops
from sync.batch import Batch
from sync.change import Change, Entry, encode_change
from sync.clock import dot
from sync.feed import chain
from sync.packing import birth, decode_causal, encode_causal, trim, vector_of
from sync.schema import Schema

A, B, C = bytes(range(97, 113)), b"b" * 16, b"c" * 16
SALT = b"s" * 16
SCHEMA = Schema({}, "1")
ids = st.none() | st.text(min_size=1, max_size=30)


def change(**given: Any) -> Change:
    whole: dict[str, Any] = {
        "worker": "w1",
        "collection": "household",
        "names": ("phone",),
        "values": ["1"],
        "record": "r",
        "vector": b"",
        "stamp_ms": 1_000,
        "stamp_n": 0,
        "clock_ms": 0,
    }
    return Change(**(whole | given))


def test_the_compiled_loops_are_what_runs_here() -> None:
    assert kernel.COMPILED
    assert kernel.place is not loops.place


@given(st.lists(st.tuples(ids, st.integers(0, 2**53), st.text(max_size=300)), max_size=8))
def test_a_run_is_placed_the_same_by_both(given: list[tuple[str | None, int, str]]) -> None:
    changes = [change(record=r, stamp_ms=ms, values=[text]) for r, ms, text in given]
    raws = [encode_change(one) for one in changes]
    salts = [bytes([i]) * 16 for i in range(len(raws))]
    run = (Entry, b"one\0", b"two\0", A, 2**40, salts, raws, changes)
    placed = loops.place(*run)
    assert kernel.place(*run) == placed
    assert kernel.chain(b"h\0", b"0" * 32, placed) == loops.chain(b"h\0", b"0" * 32, placed)
    records, dots = [e.record for e in placed], [e.dot for e in placed]
    assert kernel.sums(b"s\0", records, dots) == loops.sums(b"s\0", records, dots)


@pytest.mark.parametrize(
    ("replica", "salts", "raws"),
    [(A[1:], [SALT], [b"x"]), (A, [], [b"x"]), (A, [SALT[1:]], [b"x"]), (A, [SALT], [1])],
)
def test_a_run_of_another_shape_is_refused_and_nothing_is_read_beyond_it(
    replica: bytes, salts: list[bytes], raws: list[bytes]
) -> None:
    with pytest.raises((TypeError, ValueError)):
        kernel.place(Entry, b"", b"", replica, 1, salts, raws, [change()])
    with pytest.raises((TypeError, ValueError)):
        kernel.chain(b"", b"short", [])
    with pytest.raises((TypeError, ValueError)):
        kernel.sums(b"", ["r"], [])


plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text()
deep = st.recursive(
    plain, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(), one, max_size=3)
)
as_json = msgspec.json.Encoder().encode


@given(st.dictionaries(st.text(min_size=1), deep, max_size=4), st.integers(0, 2**31), st.text())
def test_a_new_record_is_written_as_the_library_writes_it(
    body: dict[str, Any], n: int, worker: str
) -> None:
    said = change(
        names=tuple(body), values=list(body.values()), stamp_n=n, worker=worker, record=None
    )
    new = Entry(dot(A, 1, b"tag\1"), "r1", said, b"", SALT, b"")
    for field in ["household", *body]:
        ((home, causal, text),) = kernel.births(field, [new])
        ((home_by_rules, causal_by_rules, _),) = loops.births(field, [new])
        assert (home, causal) == (home_by_rules, causal_by_rules)
        assert causal == birth(new.dot, 1_000, n, worker)
        assert text is None or text == as_json(body).decode()


@given(st.floats(-1e9, 1e9))
def test_an_ordinary_number_is_written_by_the_kernel(number: float) -> None:
    new = Entry(dot(A, 1, b"tag\1"), "r1", change(values=[number]), b"", SALT, b"")
    ((_, _, text),) = kernel.births("household", [new])
    assert text is not None or abs(number) < 0.001 or abs(number) == 1e9
    assert text is None or text == as_json({"phone": number}).decode()


@pytest.mark.parametrize(("value", "expected"), [("h1", "h1"), ("", "r1"), (None, "r1"), (7, "r1")])
def test_a_record_that_names_no_home_is_its_own(value: Any, expected: str) -> None:
    said = change(names=("phone", "household"), values=["h2", value])
    new = Entry(dot(A, 1, b"tag\1"), "r1", said, b"", SALT, b"")
    assert kernel.births("household", [new])[0][0] == expected
    assert loops.births("household", [new])[0][0] == expected


def test_escapes_are_those_of_the_library() -> None:
    value = "".join(map(chr, range(0x20))) + '"\\/\x7f\x80\u2028中𠮷'
    new = Entry(dot(A, 1, b"tag\1"), "r1", change(values=[value]), b"", SALT, b"")
    ((_, _, text),) = kernel.births("household", [new])
    assert text == as_json({"phone": value}).decode()


def entry(by: bytes, counter: int, said: Change) -> Entry:
    return Entry(dot(by, counter, b"tag" + bytes([counter % 256])), "r", said, b"", SALT, b"")


def by_rules(causal: bytes, e: Entry) -> tuple[bytes, dict[str, Any], bytes] | None:
    """What the rules in Python make of an edit: causal data, values and the vector before."""
    found = Batch(SCHEMA, set(), {"r": ("household", causal)})
    slot = found.slot("r", "household")
    if not found._quick_edit(slot, e):
        return None
    return slot.causal_bytes(), slot.patch, slot.vector_before


def by_kernel(causal: bytes, e: Entry) -> bytes | None:
    said = e.change
    limit = batch._OLDER_BYTES_MAX
    where = (causal, e.dot, said.vector, said.stamp_ms, said.stamp_n, said.worker, said.names)
    return kernel.edit(*where, limit)


NAMES = ("phone", "address", "notes", "备注", "risk", *(f"field{i}" for i in range(20)))


def test_a_thousand_histories_of_plain_edits_come_to_the_same_bytes() -> None:
    seen = Counter[str]()
    for seed in range(1_000):
        rng = random.Random(seed)
        counters = Counter({A: 1})
        causal = birth(dot(A, 1, b"tag\1"), 1_000, 0, "w1")
        writers = [A, *(bytes([92 + i]) * 16 for i in range(rng.choice([0, 1, 2, 12])))]
        now = 1_000
        for _ in range(rng.randrange(1, 40)):
            by = rng.choice(writers)
            counters[by] += 1
            now += rng.choice([0, 1, 300, 70_000, 2**33, -5])
            names = tuple(rng.sample(NAMES, rng.randrange(1, 5)))
            said = change(
                worker=rng.choice(["w1", "工" * 12]),
                names=names,
                values=list(range(len(names))),
                vector=vector_of(causal),
                stamp_ms=max(now, 0),
                stamp_n=rng.choice([0, 1, 200, 70_000]),
            )
            e = entry(by, counters[by], said)
            expected, found = by_rules(causal, e), by_kernel(causal, e)
            assert (found is None) == (expected is None), f"DOORSTEP_SEED={seed}"
            if expected is None:
                seen["left to the rules"] += 1
                break
            assert found == expected[0], f"DOORSTEP_SEED={seed}"
            assert vector_of(causal) == expected[2]
            causal = found or b""
            seen["edited"] += 1
    assert seen["edited"] > 10_000
    assert seen["left to the rules"] > 20


@pytest.mark.parametrize(
    "part",
    [
        (4, [[[b"x" * 28, 0, 0, "w", True], "phone", "2"]]),
        (5, [[b"x" * 28, 0, 0, "w", "", b""]]),
        (6, dot(A, 1, b"tag\1")),
        (8, [[b"x" * 28, b""]]),
        (3, [[0, 0, 0, "w1", True, [], [["tags", "x"]]]]),
        (3, [[0, 0, 0, "w1", 1]]),
        (3, [["0", 0, 0, "w1", True]]),
        (1, 2**62),
        (0, b"short"),
    ],
)
def test_what_is_not_plain_is_left_to_the_rules(part: tuple[int, Any]) -> None:
    causal = decode_causal(birth(dot(A, 1, b"tag\1"), 1_000, 0, "w1"))
    said = change(vector=causal[0], stamp_ms=2_000)
    assert by_kernel(encode_causal(trim(list(causal))), entry(B, 1, said)) is not None
    causal[part[0]] = part[1]
    assert by_kernel(encode_causal(trim(causal)), entry(B, 1, said)) is None


def test_an_edit_beside_a_fork_and_one_out_of_order_are_left_to_the_rules() -> None:
    two = encode_causal([dot(A, 1, b"tag\1") + dot(A, 1, b"tag\2"), 9, 0, [[0, 0, 0, "w", True]]])
    assert by_kernel(two, entry(A, 2, change(vector=vector_of(two)))) is None
    born = birth(dot(A, 5, b"tag\5"), 1_000, 0, "w1")
    assert by_kernel(born, entry(A, 5, change(vector=vector_of(born)))) is None
    assert by_kernel(born, entry(A, 6, change(vector=vector_of(born)))) is not None
    assert by_kernel(born, entry(B, 6, change(vector=dot(C, 1, b"tag\1")))) is None


@given(st.binary(max_size=200), st.binary(max_size=56))
def test_bytes_that_are_no_causal_data_are_left_to_the_rules(junk: bytes, vector: bytes) -> None:
    assert by_kernel(junk, entry(B, 1, change(vector=vector))) is None


@given(st.data())
def test_cut_and_altered_causal_data_never_reads_beyond_its_end(data: st.DataObject) -> None:
    rows = [[0, 5, 1, "w1", True, ["a", "b"]], [b"x" * 28, 0, 0, "工", False, ["phone"]]]
    whole = encode_causal([dot(A, 1, b"tag\1"), 1_000, 0, rows, [], [], None, dot(C, 1, b"tag\1")])
    cut = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if cut:
            cut[data.draw(st.integers(0, len(cut) - 1))] = data.draw(st.integers(0, 255))
    e = entry(B, 1, change(vector=dot(A, 1, b"tag\1"), stamp_ms=2_000))
    found = by_kernel(bytes(cut), e)
    if found is not None:
        assert found == (by_rules(bytes(cut), e) or (b"",))[0]


def test_an_empty_run_has_the_head_before_it() -> None:
    assert chain(b"h" * 32, []) == b"h" * 32
    assert kernel.place(Entry, b"", b"", A, 1, [], [], []) == []
    assert msgspec.msgpack.decode(birth(b"v" * 28, 1, 0, "w"))[0] == b"v" * 28


@pytest.mark.parametrize(
    ("values", "home"),
    [(("1", "h1"), "h1"), (("1", ""), "r"), (("1", 7), "r"), (("1",), "r")],
)
def test_a_new_record_lives_in_the_household_it_names_or_is_one(
    values: tuple[Any, ...], home: str
) -> None:
    names = ("phone", "household")[: len(values)]
    born = Entry(dot(A, 1, b"tagg"), "r", change(names=names, values=[*values]), b"", SALT, b"")
    for births in (kernel.births, loops.births):
        assert [found for found, _, _ in births("household", [born])] == [home]
