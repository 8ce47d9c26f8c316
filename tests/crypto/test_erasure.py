# SPDX-License-Identifier: Apache-2.0
"""What servers and tablets say to each other about contents that are to be gone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from crypto.erasure import (
    CHANGE_BYTES,
    READINGS_PER_STATEMENT_MAX,
    ROOM_BYTES,
    Erased,
    Erasure,
    Line,
    Readings,
    ReadingsHeld,
    check_certificate,
    check_erased,
    check_erasure,
    check_readings,
    check_readings_held,
    erased_by,
    issue_certificate,
    issue_erased,
    issue_erasure,
    issue_readings,
    issue_readings_held,
    issuer_of,
    parts_of,
    readings_by,
    statement_digest,
)
from crypto.errors import StatementRefused
from crypto.identity import DeviceKey
from crypto.signed import STATEMENT_BYTES_MAX

SERVER, TABLET = (DeviceKey.from_private(bytes([n]) * 32) for n in (1, 2))
DOT = (3).to_bytes(8, "big") + b"tag0"
HEAD = Erasure(b"c" * 16, SERVER.replica, 5, "request", "440103", [], [])
ERASURE = msgspec.structs.replace(HEAD, records=["h1"], changes=[(TABLET.replica, DOT * 2)])
ERASED = Erased(TABLET.replica, statement_digest(b"what was asked"), 6, (1, 2, 3))
LINE = Line(7, "w1", "h1", "visit")
READINGS = Readings(TABLET.replica, 1, 0, [LINE])

KINDS: dict[str, tuple[bytes, Callable[[bytes, bytes], Any], Any, DeviceKey]] = {
    "erasure": (issue_erasure(SERVER, ERASURE), check_erasure, ERASURE, SERVER),
    "erased": (issue_erased(TABLET, ERASED), check_erased, ERASED, TABLET),
    "readings": (issue_readings(TABLET, READINGS), check_readings, READINGS, TABLET),
    "readings held": (
        issue_readings_held(SERVER, TABLET.replica, 8),
        check_readings_held,
        ReadingsHeld(TABLET.replica, 8),
        SERVER,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_statement_says_what_was_signed_and_nobody_elses_key_signed_it(kind: str) -> None:
    data, check, said, key = KINDS[kind]
    assert check(data, key.public) == said
    other = SERVER if key is TABLET else TABLET
    with pytest.raises(StatementRefused, match=r"\w"):
        check(data, other.public)


@pytest.mark.parametrize("kind", KINDS)
def test_no_statement_stands_for_one_of_another_kind(kind: str) -> None:
    data, _, _, key = KINDS[kind]
    for name, (_, check, _, _) in KINDS.items():
        if name != kind:
            with pytest.raises(StatementRefused):
                check(data, key.public)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_too_long_too_short_or_altered_is_refused(kind: str) -> None:
    data, check, _, key = KINDS[kind]
    wrong = [b"", data[:64], data[:65], data + b"\0" * STATEMENT_BYTES_MAX, data[:-1]]
    for at in (0, 30, 65, len(data) - 1):
        wrong.append(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    for one in wrong:
        with pytest.raises(StatementRefused):
            check(one, key.public)


def signed(key: DeviceKey, purpose: bytes, body: object) -> bytes:
    """As somebody would sign who does not look at what it says."""
    encoded = body if isinstance(body, bytes) else msgspec.msgpack.encode(body)
    return key.sign(purpose, encoded) + encoded


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"case": b"c" * 15},
        {"issuer": TABLET.replica},
        {"changes": [(b"r" * 15, DOT)]},
        {"changes": [(TABLET.replica, b"")]},
        {"changes": [(TABLET.replica, DOT[:-1])]},
        {"changes": [(TABLET.replica, DOT), (TABLET.replica, DOT + b"x")]},
    ],
)
def test_an_erasure_that_is_not_sound_is_neither_signed_nor_believed(
    change: dict[str, Any],
) -> None:
    bad = msgspec.structs.replace(ERASURE, **change)
    with pytest.raises(StatementRefused):
        issue_erasure(SERVER, bad)
    with pytest.raises(StatementRefused):
        check_erasure(signed(SERVER, b"erasure", bad), SERVER.public)


@pytest.mark.parametrize(
    ("purpose", "check", "body"),
    [
        (b"erased", check_erased, ERASED),
        (b"readings", check_readings, READINGS),
    ],
)
def test_an_answer_and_readings_are_told_by_the_one_they_are_of(
    purpose: bytes, check: Callable[[bytes, bytes], Any], body: msgspec.Struct
) -> None:
    for change in ({"replica": SERVER.replica}, {"format": 2}):
        bad = signed(TABLET, purpose, msgspec.structs.replace(body, **change))
        with pytest.raises(StatementRefused):
            check(bad, TABLET.public)
    for malformed in (b"\xc1", b"\x91\xa1\xff", b"\x90"):
        with pytest.raises(StatementRefused, match="malformed"):
            check(signed(TABLET, purpose, malformed), TABLET.public)


def test_who_a_statement_claims_to_be_of_is_read_before_it_is_checked() -> None:
    assert issuer_of(KINDS["erasure"][0]) == SERVER.replica
    assert erased_by(KINDS["erased"][0]) == TABLET.replica
    assert readings_by(KINDS["readings"][0]) == TABLET.replica
    for read in (issuer_of, erased_by, readings_by):
        with pytest.raises(StatementRefused):
            read(b"s" * 65 + b"\xc1")


def test_a_statement_of_readings_holds_sixty_lines_and_no_more() -> None:
    full = msgspec.structs.replace(READINGS, lines=[LINE] * READINGS_PER_STATEMENT_MAX)
    assert check_readings(issue_readings(TABLET, full), TABLET.public) == full
    more = msgspec.structs.replace(READINGS, lines=[*full.lines, LINE])
    with pytest.raises(StatementRefused):
        issue_readings(TABLET, more)


def test_nothing_longer_than_a_statement_is_signed() -> None:
    for room, fits in ((STATEMENT_BYTES_MAX, True), (STATEMENT_BYTES_MAX + 1, False)):
        bare = len(issue_erasure(SERVER, HEAD))
        # A list of that many records, each of one byte for its length and its characters.
        records = ["r" * 30] * ((room - bare - 40) // 31)
        left = room - bare - len(records) * 31 - 2 - 1
        filled = msgspec.structs.replace(HEAD, records=[*records, "r" * left])
        assert len(msgspec.msgpack.encode(filled)) + 65 == room + (left > 31)
        shorter = msgspec.structs.replace(HEAD, records=[*records, "r" * (left - (left > 31))])
        if fits:
            assert len(issue_erasure(SERVER, shorter)) == room
        else:
            with pytest.raises(StatementRefused):
                issue_erasure(SERVER, shorter)


def dots_of(parts: list[Erasure]) -> list[tuple[bytes, int, bytes]]:
    return [dot for part in parts for dot in part.dots()]


@pytest.mark.parametrize(("records", "changes"), [(0, 0), (1, 0), (0, 1), (5, 7), (900, 3_000)])
def test_an_erasure_is_told_in_as_many_statements_as_it_needs(records: int, changes: int) -> None:
    names = [f"household {n:04}" for n in range(records)]
    replicas = [bytes([n]) * 16 for n in range(1, 4)]
    asked: dict[bytes, list[tuple[int, bytes]]] = {r: [] for r in replicas} if changes else {}
    for n in range(changes):
        asked[replicas[n % 3]].append((n + 1, n.to_bytes(4, "big")))
    asked = {replica: found for replica, found in asked.items() if found}
    parts = list(parts_of(HEAD, names[::-1], {r: v[::-1] for r, v in asked.items()}))
    assert [name for part in parts for name in part.records] == names
    assert dots_of(parts) == [(r, n, tag) for r in sorted(asked) for n, tag in asked[r]]
    sizes = [len(issue_erasure(SERVER, part)) for part in parts]
    assert all(size <= STATEMENT_BYTES_MAX for size in sizes)
    # No statement goes half empty while there is more to say.
    assert all(size > STATEMENT_BYTES_MAX * 0.85 for size in sizes[:-1])
    assert bool(parts) == bool(records or changes)
    assert all(part.records or part.changes for part in parts)
    assert all((part.case, part.basis) == (HEAD.case, HEAD.basis) for part in parts)


def test_a_statement_is_filled_to_its_room_and_not_beyond() -> None:
    each = ROOM_BYTES // CHANGE_BYTES
    fits = (ROOM_BYTES - 16 - 8) // CHANGE_BYTES
    for count, parts in ((fits, 1), (fits + 1, 2), (each * 2, 3)):
        dots = [(n, b"tag0") for n in range(1, count + 1)]
        told = list(parts_of(HEAD, [], {TABLET.replica: dots}))
        assert len(told) == parts
        assert dots_of(told) == [(TABLET.replica, n, tag) for n, tag in dots]
        assert told[0].changes[0][1][:CHANGE_BYTES] == (1).to_bytes(8, "big") + b"tag0"
    # A record takes its bytes and three more.
    count, left = divmod(ROOM_BYTES, 33)
    names = [f"{n:030}" for n in range(count)]
    assert len(list(parts_of(HEAD, names, {}))) == 1
    assert len(list(parts_of(HEAD, [*names, "z" * (left - 3)], {}))) == 1
    assert len(list(parts_of(HEAD, [*names, "z" * (left - 2)], {}))) == 2


def test_records_leave_their_room_to_changes_once_they_are_told() -> None:
    count = ROOM_BYTES // 33
    names = [f"{n:030}" for n in range(count)]
    parts = list(parts_of(HEAD, names, {TABLET.replica: [(1, b"tag0")]}))
    assert [(len(p.records), len(p.changes)) for p in parts] == [(count, 0), (0, 1)]
    parts = list(parts_of(HEAD, names[:-3], {TABLET.replica: [(1, b"tag0")]}))
    assert [(len(p.records), len(p.changes)) for p in parts] == [(count - 3, 1)]


def test_an_answer_names_an_erasure_by_a_digest_for_this_purpose() -> None:
    assert statement_digest(b"x") == hashlib.sha256(b"doorstep/erasure/1\0x").digest()


def test_a_certificate_is_its_body_as_it_was_signed() -> None:
    body = '{"案号": 1}'.encode()
    made = issue_certificate(SERVER, body)
    assert check_certificate(made, SERVER.public) == body
    assert len(made) == 65 + len(body)
    for data, public in ((made, TABLET.public), (made[:-1], SERVER.public), (b"", SERVER.public)):
        with pytest.raises(StatementRefused, match=r"\w"):
            check_certificate(data, public)


@pytest.mark.parametrize("change", [{"format": 2}, {"replica": b"r" * 15}])
def test_how_far_readings_are_held_is_said_soundly(change: dict[str, Any]) -> None:
    bad = msgspec.structs.replace(ReadingsHeld(TABLET.replica, 8), **change)
    with pytest.raises(StatementRefused):
        check_readings_held(signed(SERVER, b"readings-held", bad), SERVER.public)
