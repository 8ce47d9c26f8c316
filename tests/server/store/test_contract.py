# SPDX-License-Identifier: Apache-2.0
"""The contract of a store, the same on the embedded one and on PostgreSQL."""

import itertools
import json
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from server.store.base import Store, Transaction
from server.store.rows import FullRow, HomeRow, NewRow, PatchRow
from server.store.sqlite import SqliteStore
from server.views import refresh_views
from sync.collections import SCHEMA
from sync.session import DIGEST_MASK

REPLICA = bytes(range(16))
ODD: dict[str, Any] = {
    "nul": "a\0b",
    "mark": "\x1a0\x1af1\x1a",
    "large": 1e22,
    "largest": 1.7e308,
    "least": 5e-324,
    "minus": -0.0,
    "one": 1.0,
    "whole": 2**63 - 1,
    "lowest": -(2**63),
    "text": "1e22 -0.0 \\u0000 \\ \" ' % ? 陈\u2028",
    "deep": {"a\0": [None, True, {"b": [1e300, "\0"]}]},
    "na\0me": "x",
    "": [],
}
"""Values that a database might alter; names as well."""


class Boom(Exception):
    pass


def put(tx: Transaction, record: str, body: dict[str, Any], home: str = "h1") -> int:
    """A new record; its sequence."""
    seq = tx.next_seq()
    tx.touch_homes([HomeRow(home, "", seq, 1)])
    row = NewRow(
        record, home, tx.kind_of("household"), seq, tx.number_of(REPLICA), 0, b"c", json.dumps(body)
    )
    tx.insert_records([row])
    return seq


def body_of(store: Store, record: str) -> dict[str, Any]:
    with store.read() as tx:
        found: dict[str, Any] = json.loads(tx.bodies_of([record])[record])
    return found


def exact(value: Any) -> str:
    """Equal only for equal values of equal types."""
    return json.dumps(value, sort_keys=True)


def test_a_record_comes_back_as_it_was_stored(store: Store) -> None:
    with store.write() as tx:
        seq = put(tx, "r1", ODD)
        put(tx, "r2", {}, "h2")
    assert seq == 1
    with store.read() as tx:
        held = tx.causal_of(["r1", "r2", "r3"])
        rows = tx.rows("SELECT id, seq, voided, causal FROM records ORDER BY id")
        bodies = tx.bodies_of(["r1", "r3"])
    assert {k: h[:3] for k, h in held.items()} == {
        "r1": ("household", "h1", b"c"),
        "r2": ("household", "h2", b"c"),
    }
    assert rows == [("r1", 1, 0, b"c"), ("r2", 1, 0, b"c")]
    assert list(bodies) == ["r1"]
    assert exact(json.loads(bodies["r1"])) == exact(ODD)


def test_patched_values_stand_over_what_was_there(store: Store) -> None:
    with store.write() as tx:
        put(tx, "r1", {"a": 1, "b": [1, 2], "c": "x", 'q?%s"': 0})
        put(tx, "r2", {"a": 1})
    with store.write() as tx:
        n = {k: h.n for k, h in tx.causal_of(["r1", "r2"]).items()}
        seq = tx.next_seq()
        one = [('$."a"', "null"), ('$."b"', '{"z":[1e22]}'), ('$."新"', '"\\u0000"')]
        tx.patch_records([PatchRow(seq, 7, b"d", one, n["r1"])])
        # A second call in one transaction must not repeat what the first did.
        tx.patch_records([PatchRow(seq, 7, b"e", [('$."a"', "2")], n["r1"])])
        tx.patch_records([PatchRow(seq, 0, b"f", [('$."a"', "-0.0")], n["r2"])])
        tx.patch_records([])
    first, second = body_of(store, "r1"), body_of(store, "r2")
    name = next(k for k in first if k.startswith("q"))
    wanted = {"a": 2, "b": {"z": [1e22]}, "c": "x", name: 0, "新": "\0"}
    assert exact(first) == exact(wanted)
    assert exact(second) == exact({"a": -0.0})
    with store.read() as tx:
        rows = tx.rows("SELECT seq, origin, causal FROM records ORDER BY id")
    assert rows == [(2, 7, b"e"), (2, 0, b"f")]


def test_a_replaced_record_moves_to_its_new_home(store: Store) -> None:
    with store.write() as tx:
        put(tx, "r1", {"a": 1})
    with store.write() as tx:
        seq, n = tx.next_seq(), tx.causal_of(["r1"])["r1"].n
        tx.touch_homes([HomeRow("h1", "", seq, 0), HomeRow("h2", "44", seq, 5)])
        tx.replace_records([FullRow("h2", seq, 3, 1, b"d", '{"b":2}', n)])
        tx.replace_records([])
        tx.insert_records([])
    with store.read() as tx:
        assert tx.causal_of(["r1"])["r1"] == ("household", "h2", b"d", n)
        assert tx.rows("SELECT seq, origin, voided FROM records") == [(2, 3, 1)]
    assert body_of(store, "r1") == {"b": 2}


def test_homes_rise_and_their_digests_add_up(store: Store) -> None:
    with store.write() as tx:
        tx.touch_homes([HomeRow("h1", "4401", tx.next_seq(), DIGEST_MASK), HomeRow("h2", "", 1, 2)])
    with store.write() as tx:
        tx.touch_homes([HomeRow("h1", "", tx.next_seq(), 3), HomeRow("h2", "4402", 2, 3)])
        tx.touch_homes([])
    with store.read() as tx:
        found = tx.rows("SELECT id, area, seq, digest FROM homes ORDER BY n")
        total = tx.rows_in("SELECT sum(digest) FROM homes WHERE id IN (?*)", ["h1", "h2"])
    assert found == [("h1", "4401", 2, 2), ("h2", "4402", 2, 5)]
    assert total == [(7,)]
    assert type(total[0][0]) is int


def test_one_transaction_has_one_sequence(store: Store) -> None:
    with store.write() as tx:
        assert (tx.next_seq(), tx.next_seq()) == (1, 1)
    with store.write() as tx:
        tx.rows("SELECT 1")
    with store.write() as tx:
        assert tx.next_seq() == 2
    with store.read() as tx:
        assert tx.rows("SELECT value FROM meta WHERE key = 'seq'") == [(2,)]


def test_each_part_of_a_transaction_has_its_own_sequence(store: Store) -> None:
    with store.write() as tx:
        tx.next_part()
        assert (tx.next_seq(), tx.next_seq()) == (1, 1)
        tx.next_part()
        tx.next_part()
        assert (tx.next_seq(), tx.next_seq()) == (2, 2)
    with store.write() as tx:
        assert tx.next_seq() == 3


def test_what_raises_changes_nothing(store: Store) -> None:
    with store.write() as tx:
        put(tx, "r1", {"a": 1})

    def fail() -> None:
        with store.write() as tx:
            put(tx, "r2", {})
            tx.patch_records([PatchRow(2, 0, b"x", [('$."a"', "9")], tx.causal_of(["r1"])["r1"].n)])
            tx.run("INSERT INTO forks VALUES (?, ?, ?)", [REPLICA, 1, 1])
            raise Boom

    with pytest.raises(Boom):
        fail()
    assert body_of(store, "r1") == {"a": 1}
    with store.write() as tx:
        assert set(tx.causal_of(["r1", "r2"])) == {"r1"}
        assert tx.rows("SELECT * FROM forks") == []
        assert tx.next_seq() == 2


def test_a_statement_that_fails_takes_the_whole_transaction_with_it(store: Store) -> None:
    def fail() -> None:
        with store.write() as tx:
            put(tx, "r1", {})
            put(tx, "r1", {})

    with pytest.raises(Exception, match=r"(?i)unique"):
        fail()
    with store.read() as tx:
        assert tx.causal_of(["r1"]) == {}


def test_names_made_in_an_undone_transaction_are_made_anew(store: Store) -> None:
    def fail() -> None:
        with store.write() as tx:
            assert tx.collection_of(tx.kind_of("lost")) == "lost"
            assert tx.number_of(b"l" * 16) == tx.number_of(b"l" * 16) >= 1
            raise Boom

    with pytest.raises(Boom):
        fail()
    with store.read() as tx:
        assert (tx.kind_of("lost"), tx.number_of(b"l" * 16)) == (0, 0)
    with store.write() as tx:
        kind, number = tx.kind_of("kept"), tx.number_of(b"k" * 16)
        assert kind
        assert number
    with store.write() as tx:
        assert (tx.kind_of("kept"), tx.number_of(b"k" * 16)) == (kind, number)
        assert tx.collection_of(kind) == "kept"
        assert tx.rows("SELECT collection FROM kinds") == [("kept",)]
        assert tx.rows("SELECT replica, n FROM replicas") == [(b"k" * 16, number)]
        assert tx.number_of(b"l" * 16) not in (0, number)


def test_what_only_reads_writes_nothing(store: Store) -> None:
    with store.read() as tx:
        assert tx.number_of(REPLICA) == 0
        assert tx.kind_of("household") == 0
    with store.read() as tx:
        assert tx.rows("SELECT * FROM replicas") == []
        assert tx.rows("SELECT * FROM kinds") == []


def test_values_come_back_with_their_types(store: Store) -> None:
    texts = ["", "a\0b", "\x1a", "\x1a0", "' % ? {}", "陈阿婆"]
    with store.write() as tx:
        tx.run_many("INSERT INTO areas VALUES (?, ?, ?)", [(t, t, t) for t in texts])
        tx.run_many("INSERT INTO areas VALUES (?, ?, ?)", [])
        tx.run("INSERT INTO blobs VALUES (?, ?, ?, 0, ?)", ["n", 2**48, -1, 2**63 - 1])
        body = bytes(range(256))
        tx.run("INSERT INTO blob_pieces VALUES (?, ?, ?)", ["n", 0, body])
    with store.read() as tx:
        assert {r for (r,) in tx.rows("SELECT name FROM areas")} == set(texts)
        assert {r for (r,) in tx.rows_in("SELECT code FROM areas WHERE code IN (?*)", texts)} == (
            set(texts)
        )
        assert tx.rows("SELECT name FROM areas WHERE code = ?", ["a\0b"]) == [("a\0b",)]
        assert tx.rows_in("SELECT code FROM areas WHERE code IN (?*)", []) == []
        found = tx.rows("SELECT bytes, received, complete, at_ms FROM blobs")
        assert found == [(2**48, -1, 0, 2**63 - 1)]
        assert tx.rows("SELECT body FROM blob_pieces") == [(body,)]
        assert tx.rows_in("SELECT name FROM blobs WHERE bytes IN (?*)", [1, 2**48]) == [("n",)]
        assert tx.rows("SELECT sum(bytes), coalesce(max(received), 0) FROM blobs") == [(2**48, -1)]
    with store.write() as tx:
        assert tx.run("UPDATE areas SET level = ? WHERE code <> ?", ["x", ""]) == len(texts) - 1
        assert tx.run("DELETE FROM areas WHERE code = ?", ["none"]) == 0


def test_text_is_ordered_by_its_bytes(store: Store) -> None:
    texts = ["b", "B", "a", "é", "z", "10", "9", "440103", "4401", "陈", "-", "_", "Z"]
    with store.write() as tx:
        tx.run_many("INSERT INTO areas VALUES (?, '', '')", [(t,) for t in texts])
    with store.read() as tx:
        found = [r[0] for r in tx.rows("SELECT code FROM areas ORDER BY code")]
        below = tx.rows("SELECT code FROM areas WHERE code >= ? AND code < ?", ["4401", "4402"])
    assert found == sorted(texts, key=str.encode)
    assert sorted(below) == [("4401",), ("440103",)]


def test_what_was_committed_is_there_after_opening_again(opened: Callable[[], Store]) -> None:
    first = opened()
    with first.write() as tx:
        put(tx, "r1", ODD)
        kind, number = tx.kind_of("household"), tx.number_of(REPLICA)
    again = opened()
    assert exact(body_of(again, "r1")) == exact(ODD)
    with again.write() as tx:
        assert (tx.kind_of("household"), tx.number_of(REPLICA)) == (kind, number)
        assert tx.causal_of(["r1"])["r1"].collection == "household"
        assert tx.next_seq() == 2


def test_no_reader_steps_over_a_number_that_is_committed_later(store: Store) -> None:
    writers, each = 4, 25
    done = threading.Event()
    seen: list[set[int]] = []
    failed: list[BaseException] = []

    def write(worker: int) -> None:
        rng = random.Random(worker)
        try:
            for i in range(each):
                with store.write() as tx:
                    put(tx, f"w{worker}-{i}", {"i": i}, f"h{rng.randrange(3)}")
        except BaseException as error:  # told by the test
            failed.append(error)
            raise

    def read() -> None:
        while not done.is_set():
            with store.read() as tx:
                top = tx.rows("SELECT value FROM meta WHERE key = 'seq'")
                numbers = {r[0] for r in tx.rows("SELECT seq FROM records")}
            high = top[0][0] if top else 0
            # Everything up to the sequence that is read is there, and nothing past it.
            if numbers != set(range(1, high + 1)):
                failed.append(AssertionError(f"{high}: {numbers}"))
            seen.append(numbers)

    threads = [threading.Thread(target=write, args=(w,)) for w in range(writers)]
    reader = threading.Thread(target=read)
    reader.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reader.join()
    assert failed == []
    assert all(a <= b for a, b in itertools.pairwise(seen))
    with store.read() as tx:
        assert tx.rows("SELECT count(*), max(seq) FROM records") == [
            (writers * each, writers * each)
        ]


def test_a_reader_sees_one_state_and_nothing_unfinished(store: Store) -> None:
    with store.write() as tx:
        put(tx, "r0", {})
    counts: list[int] = []
    embedded = isinstance(store, SqliteStore)

    def read() -> None:
        with store.read() as tx:
            counts.append(len(tx.rows("SELECT id FROM records")))

    with store.write() as tx:
        put(tx, "r1", {})
        thread = threading.Thread(target=read)
        thread.start()
        # The embedded store lets readers wait; PostgreSQL shows what was committed before.
        thread.join(0.3 if embedded else None)
        assert counts == ([] if embedded else [1])
        put(tx, "r2", {})
    thread.join()
    assert counts == ([3] if embedded else [1])


def test_views_show_plain_columns(store: Store) -> None:
    with store.write() as tx:
        put(tx, "r1", {"phone": "020-1", "area": "440103"})
    names = refresh_views(store, SCHEMA)
    assert refresh_views(store, SCHEMA) == names
    household = next(n for n in names if n.startswith("household"))
    with store.read() as tx:
        found = tx.rows(f'SELECT id, home, voided, phone, area FROM "{household}"')
        assert tx.relations()[household][0] == "view"
        assert tx.relations()["homes"][0] == "table"
    assert found == [("r1", "h1", 0, "020-1", "440103")]
