# SPDX-License-Identifier: Apache-2.0
"""The exchange with a district: what goes up, what comes down, what is refused, what resumes."""

import json
from typing import Any

import msgspec
import pytest

from client_sdk.devices import RECEIPTS
from client_sdk.errors import ServerRefused, Unreachable
from client_sdk.exchange import absorb_reply, build_request
from client_sdk.syncing import Syncing
from crypto.errors import SignatureRefused
from crypto.identity import DeviceKey
from sync.messages import decode_reply, decode_request, encode, pack_pages, unpack_pages
from sync.session import receipts_message


def test_one_tablet_brings_and_its_teammate_fetches(world: Any, fields: dict[str, Any]) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    assert not a.is_sent(home)
    report = a.sync()
    assert (report.sent, report.entered, report.agrees) == (1, (home,), True)
    assert a.is_sent(home)
    assert a.unsent() == []
    assert b.sync().records == 1
    assert b.read(home)["phone"] == fields["phone"]
    assert b.read(home).fields["phone"].siblings[0].by.worker == "w-a"


def test_a_sync_with_nothing_to_say_is_one_small_round(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    a.sync()
    a.sync()
    report = a.sync()
    assert report.rounds == 1
    assert report.bytes_up + report.bytes_down <= 600


def test_a_conflict_is_shown_on_both_and_settled_by_one(world: Any, fields: dict[str, Any]) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    a.sync()
    b.sync()
    a.edit(home, phone="13900139000")
    b.edit(home, phone="13700137000")
    a.sync()
    b.sync()
    a.sync()
    assert [len(t.conflicts()) for t in (a, b)] == [1, 1]
    a.resolve(home, "phone", "13900139000", reason="打过电话")
    a.sync()
    b.sync()
    assert b.conflicts() == []
    assert b.read(home)["phone"] == "13900139000"


def test_an_upload_in_pieces_arrives_whole(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    for number in range(40):
        a.edit(home, phone=f"139001390{number:02}")
    syncing = Syncing(a._store, a.schema, world.clock, a.transport)
    report = syncing.run(piece_bytes=1_000)
    assert report.rounds > 3
    assert (report.sent, a.unsent()) == (41, [])


def test_a_sync_that_breaks_after_the_server_took_it_repeats_nothing(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)

    def lose(answer: bytes) -> bytes:
        raise Unreachable("lost on the way")

    a.transport.alter = lose
    with pytest.raises(Unreachable):
        a.sync()
    assert not a.is_sent(home)
    a.transport.alter = lambda answer: answer
    assert a.sync().agrees
    assert a.is_sent(home)
    with world.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM records") == [(1,)]


def test_a_household_that_is_taken_away_goes_once_all_of_it_is_sent(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    visit = a.create_record(
        "visit", {"household": home, "at_ms": 1, "mode": "door", "outcome": "met"}
    )
    a.sync()
    a.edit(visit, minutes=20)
    world.unassign("team", home)
    report = a.sync()
    assert report.left == (home,)
    assert (a.holds(home), a.holds(visit)) == (False, False)
    rows = a._store.rows("SELECT raw, sealed IS NOT NULL FROM feed")
    assert rows == [(None, 1)] * 3
    with world.store.read() as tx:
        body = tx.rows("SELECT body FROM records WHERE id = ?", [visit])[0][0]
    assert json.loads(body)["minutes"] == 20


def test_a_store_that_was_set_back_goes_on_under_a_new_key(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.sync()
    a.close()
    world.copy("a", "backup")
    a = world.open("a")
    a.edit(home, phone="13900139000")
    a.sync()
    a.close()
    world.copy("backup", "a")
    a = world.open("a")
    before = a.replica
    a.edit(home, phone="13700137000")
    assert a.sync().succeeded
    assert a.replica != before
    values = {s.value for s in a.read(home).fields["phone"].siblings}
    assert values == {"13900139000", "13700137000"}


def test_a_counter_file_ahead_of_the_store_is_noticed_at_opening(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    a.close()
    world.copy("a", "backup")
    a = world.open("a")
    a.create_record("household", fields)
    before = a.replica
    a.close()
    (world.folder / "backup" / "counter").write_bytes((a.directory / "counter").read_bytes())
    world.copy("backup", "a")
    assert world.open("a").replica != before


def _altered(answer: bytes, **changes: Any) -> bytes:
    return encode(msgspec.structs.replace(decode_reply(answer), **changes))


def test_a_page_that_is_not_signed_by_the_district_is_refused_whole(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    a.create_record("household", fields)
    a.sync()

    def swap(answer: bytes) -> bytes:
        pages = unpack_pages(decode_reply(answer).pages)
        states = [state.replace(b"13800138000", b"13800138001") for state in pages[0].states]
        return _altered(
            answer, pages=pack_pages([msgspec.structs.replace(pages[0], states=states)])
        )

    b.transport.alter = swap
    with pytest.raises(SignatureRefused):
        b.sync()
    assert b.records() == []


def test_a_receipt_of_anyone_else_is_not_believed(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    thief = DeviceKey.generate()

    def forge(answer: bytes) -> bytes:
        receipts = decode_reply(answer).receipts
        assert receipts is not None
        message = receipts_message(receipts.server, receipts.incarnation, receipts.body)
        forged = msgspec.structs.replace(receipts, signature=thief.sign(RECEIPTS, message))
        return _altered(answer, receipts=forged)

    a.transport.alter = forge
    with pytest.raises(SignatureRefused):
        a.sync()
    assert not a.is_sent(home)


def test_an_answer_of_another_server_is_refused(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    a.transport.alter = lambda answer: _altered(answer, server=b"x" * 16)
    with pytest.raises(ServerRefused):
        a.sync()


def test_an_answer_taken_in_twice_changes_nothing(world: Any, fields: dict[str, Any]) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    a.sync()
    asked = build_request(b._store, world.clock())
    reply = decode_reply(b.transport.exchange(encode(asked.request)))
    assert absorb_reply(b._store, b.schema, asked, reply, 0).records == 1
    before = b.read(home)
    assert absorb_reply(b._store, b.schema, asked, reply, 0).records == 0
    assert b.read(home) == before


def test_a_tablet_whose_clock_is_thirty_years_off_syncs_at_once(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    world.now_ms -= 30 * 365 * 86_400_000
    home = a.create_record("household", fields)
    assert a.sync().agrees
    world.now_ms += 60 * 365 * 86_400_000
    assert b.sync().agrees
    assert b.holds(home)


def test_a_push_brings_work_and_fetches_nothing(world: Any, fields: dict[str, Any]) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    a.create_record("household", fields)
    a.sync()
    home = b.create_record("household", fields)
    report = b.sync(push_only=True)
    assert (report.sent, report.records) == (1, 0)
    assert b.records() == [home]
    assert decode_request(b.transport.requests[-1]).want == 0


def test_progress_tells_of_every_round(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    seen: list[Any] = []
    a.sync(seen.append)
    assert seen[0].phase == "begin"
    assert seen[-1].sent == seen[-1].to_send == 1
    assert seen[-1].bytes_up > 0
