# SPDX-License-Identifier: Apache-2.0
"""What is altered in a store behind the program: ``verify`` finds each and names it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from server import verify as verify_module
from server.resolving import resolve, undo
from server.store.rows import HomeRow
from sync.packing import decode_causal, encode_causal, trim
from tests.server.pens import Office, Pen


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.store.close()


def work(office: Office) -> tuple[Pen, Pen, str, str]:
    """A store with a bit of everything; two pens, a household in conflict, a plain one."""
    a, b = Pen(office, "zx", "张霞"), Pen(office, "cyx", "陈宇轩")
    home = a.write(None, phone="0", area="440103019003")
    plain = a.write(None, phone="7", area="440103019003")
    person = a.write(None, "person", household=home, name="陈阿婆")
    a.sync()
    b.sync()
    a.write(home, phone="1")
    b.write(home, phone="2")
    a.write(plain, others=[("add", "tags", ["x"]), ("append", "notes", ["n"])])
    a.write(person, "person", household=plain)
    b.write(person, "person", household=home)
    a.write(plain, mood="m")
    a.push()
    b.push()
    resolve(office.district, 1, officer="g", reason="r", seen="", value="9")
    undo(office.district, 1, officer="g", reason="r", seen="")
    b.sync()
    b.write(home, phone="5")
    a.write(home, phone="6")
    a.push()
    b.push()
    assert office.verify().problems == []
    return a, b, home, plain


def alter_body(office: Office, home: str) -> None:
    office.sql("UPDATE records SET body = json_set(body, '$.phone', '8') WHERE id = ?", home)


def alter_body_kind(office: Office, home: str) -> None:
    office.sql("UPDATE records SET body = json_set(body, '$.mood', NULL) WHERE id = ?", home)


def alter_causal_byte(office: Office, home: str) -> None:
    causal = bytearray(bytes(office.rows("SELECT causal FROM records WHERE id = ?", home)[0][0]))
    causal[12] ^= 1
    office.sql("UPDATE records SET causal = ? WHERE id = ?", bytes(causal), home)


def drop_sibling(office: Office, home: str) -> None:
    found = office.rows("SELECT causal FROM records WHERE id = ?", home)[0][0]
    causal = decode_causal(bytes(found))
    causal[3] = [row for i, row in enumerate(causal[3]) if i != causal[4][0][0]]
    causal[4] = []
    office.sql("UPDATE records SET causal = ? WHERE id = ?", encode_causal(trim(causal)), home)


def change_losing_value(office: Office, home: str) -> None:
    found = office.rows("SELECT causal FROM records WHERE id = ?", home)[0][0]
    causal = decode_causal(bytes(found))
    causal[4][0][2] = "forged"
    office.sql("UPDATE records SET causal = ? WHERE id = ?", encode_causal(trim(causal)), home)


def break_causal(office: Office, home: str) -> None:
    office.sql("UPDATE records SET causal = ? WHERE id = ?", b"\xc1\xc1", home)


def break_body(office: Office, home: str) -> None:
    office.sql("UPDATE records SET body = '{' WHERE id = ?", home)


def delete_record(office: Office, home: str) -> None:
    office.sql("DELETE FROM records WHERE id = ?", home)


def add_record(office: Office, home: str) -> None:
    office.sql(
        "INSERT INTO records (id, home, kind, seq, origin, voided, causal, body)"
        " SELECT 'forged', home, kind, seq, origin, voided, causal, body FROM records WHERE id = ?",
        home,
    )


def void_record(office: Office, home: str) -> None:
    office.sql("UPDATE records SET voided = 1 WHERE id = ?", home)


def move_record(office: Office, home: str) -> None:
    office.sql(
        "UPDATE records SET home = (SELECT max(n) FROM homes WHERE id <> ?) WHERE id = ?",
        home,
        home,
    )


def lower_seq(office: Office, home: str) -> None:
    office.sql("UPDATE records SET seq = 1 WHERE id = ?", home)


def forge_origin(office: Office, home: str) -> None:
    office.sql("UPDATE records SET origin = (SELECT min(n) FROM replicas) WHERE id = ?", home)


def alter_segment_byte(office: Office, home: str) -> None:
    body = bytearray(bytes(office.rows("SELECT body FROM segments WHERE n = 2")[0][0]))
    body[len(body) // 2] ^= 1
    office.sql("UPDATE segments SET body = ? WHERE n = 2", bytes(body))


def forge_signature(office: Office, home: str) -> None:
    body = bytes(office.rows("SELECT body FROM segments WHERE n = 2")[0][0])
    parts = msgspec.msgpack.decode(body)
    parts[6] = bytes(64)
    office.sql("UPDATE segments SET body = ? WHERE n = 2", msgspec.msgpack.encode(parts))


def delete_segment(office: Office, home: str) -> None:
    office.sql("DELETE FROM segments WHERE n = 2")


def delete_last_segment_and_leaf(office: Office, home: str) -> None:
    replica, last, first, before = office.rows(
        "SELECT replica, last, first, before FROM segments ORDER BY n DESC LIMIT 1"
    )[0]
    office.sql("DELETE FROM segments WHERE n = (SELECT max(n) FROM segments)")
    office.sql(
        "UPDATE leaves SET counter = ?, head = ? WHERE replica = ? AND counter = ?",
        first - 1,
        before,
        replica,
        last,
    )


def renumber_segment(office: Office, home: str) -> None:
    office.sql("UPDATE segments SET last = last + 1 WHERE n = 2")


def promise_too_much(office: Office, home: str) -> None:
    office.sql("UPDATE leaves SET counter = counter + 1 WHERE counter = 3 OR counter > 4")


def alter_digest(office: Office, home: str) -> None:
    office.sql("UPDATE homes SET digest = digest + 1 WHERE id = ?", home)


def lower_home_seq(office: Office, home: str) -> None:
    office.sql("UPDATE homes SET seq = 1 WHERE id = ?", home)


def alter_area(office: Office, home: str) -> None:
    office.sql("UPDATE homes SET area = '1101' WHERE id = ?", home)


def delete_also(office: Office, home: str) -> None:
    office.sql("DELETE FROM also WHERE until_seq IS NULL")


def delete_conflict(office: Office, home: str) -> None:
    office.sql("DELETE FROM conflicts WHERE n = 1")


def delete_open_conflict(office: Office, home: str) -> None:
    office.sql("DELETE FROM conflicts WHERE state = 'open' AND record = ?", home)


def invent_conflict(office: Office, home: str) -> None:
    office.sql(
        "INSERT INTO conflicts (record, home, collection, field, policy, state, opened_seq,"
        " opened_at_ms, siblings) VALUES (?, ?, 'household', 'mood', 'latest', 'rule', 1, 1, '[]')",
        home,
        home,
    )


def settle_conflict_quietly(office: Office, home: str) -> None:
    office.sql("UPDATE conflicts SET state = 'settled' WHERE state = 'open'")


def invent_decision(office: Office, home: str) -> None:
    office.sql(
        "INSERT INTO decisions (conflict, what, dot, officer, reason, value, at_ms)"
        " VALUES (1, 'resolve', ?, 'x', 'x', '1', 1)",
        b"\x00" * 28,
    )


def invent_waiting(office: Office, home: str) -> None:
    office.sql("INSERT INTO waiting VALUES (?, ?, 1, ?)", home, b"\x01" * 28, b"")


def hide_in_quarantine(office: Office, home: str) -> None:
    office.sql("INSERT INTO quarantine VALUES (?, ?, 'x', '', 1, ?, NULL)", b"\x01" * 28, home, b"")


def swap_key(office: Office, home: str) -> None:
    office.sql("UPDATE device_keys SET public = ? WHERE device = 'zx'", bytes(32))


PLANTED: list[tuple[Callable[[Office, str], None], set[str]]] = [
    (alter_body, {"shown"}),
    (alter_body_kind, {"shown"}),
    (alter_causal_byte, {"vector", "causal", "siblings", "writes"}),
    (drop_sibling, {"sibling-missing"}),
    (change_losing_value, {"siblings"}),
    (break_causal, {"causal"}),
    (break_body, {"body"}),
    (delete_record, {"record-missing"}),
    (add_record, {"rows"}),
    (void_record, {"voided"}),
    (move_record, {"home"}),
    (lower_seq, {"sequence"}),
    (forge_origin, {"origin"}),
    (alter_segment_byte, {"segment"}),
    (forge_signature, {"segment"}),
    (delete_segment, {"gap"}),
    (delete_last_segment_and_leaf, {"vector"}),
    (renumber_segment, {"segment-row"}),
    (promise_too_much, {"leaf"}),
    (alter_digest, {"home-digest"}),
    (lower_home_seq, {"home-sequence"}),
    (alter_area, {"home-area"}),
    (delete_also, {"also"}),
    (delete_conflict, {"conflict-missing"}),
    (delete_open_conflict, {"conflict-missing"}),
    (invent_conflict, {"conflict-false"}),
    (settle_conflict_quietly, {"conflict"}),
    (invent_decision, {"decision"}),
    (invent_waiting, {"waiting"}),
    (hide_in_quarantine, {"quarantine"}),
    (swap_key, {"key"}),
]


@pytest.mark.parametrize(("plant", "kinds"), PLANTED, ids=[p.__name__ for p, _ in PLANTED])
def test_what_is_altered_in_the_store_is_found_and_named(
    office: Office, plant: Callable[[Office, str], None], kinds: set[str]
) -> None:
    _, _, home, _ = work(office)
    plant(office, home)
    verdict = office.verify()
    found = {problem.kind for problem in verdict.problems}
    assert found & kinds, verdict.problems
    named = [p for p in verdict.problems if p.kind in kinds]
    assert all(p.record or p.name for p in named)
    if kinds & {"shown", "causal", "record-missing", "siblings", "sibling-missing", "conflict"}:
        assert home in {p.record for p in named}


def test_a_digest_that_follows_a_forged_record_does_not_hide_it(office: Office) -> None:
    _, _, home, _ = work(office)
    alter_body(office, home)
    with office.store.write() as tx:
        tx.touch_homes([HomeRow(home, "", tx.next_seq(), 0)])
    assert not office.verify().holds


def test_a_large_store_is_verified_in_parts_that_leave_nothing_behind(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work(office)
    whole = office.verify()
    monkeypatch.setattr(verify_module, "IN_MEMORY_CHANGES_MAX", 3)
    spilled = tmp_path / "spilled"
    spilled.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spilled))
    parts = office.verify()
    assert parts.holds
    assert (parts.fates, parts.records, parts.conflicts) == (
        whole.fates,
        whole.records,
        whole.conflicts,
    )
    assert list(spilled.iterdir()) == []
