# SPDX-License-Identifier: Apache-2.0
"""Teammates on a local network: real TLS over loopback, proofs, limits, lines that break."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from client_sdk import lan_meeting
from client_sdk.errors import MeetingRefused, PeerRevoked, PeerUnknown, Unreachable
from client_sdk.lan_finding import Meetable, announced, code_of, find, read_code
from client_sdk.lan_link import FRAME_BYTES_MAX, Call, Listening, call, prove_as_caller
from client_sdk.lan_meeting import Met, Said
from client_sdk.revoked import keep_revocations
from client_sdk.tablet import Tablet
from crypto.errors import PinMismatch
from crypto.identity import replica_of
from fixtures.waiting import WAIT_SECONDS_MAX
from server import devices
from sync.messages import PROTOCOL, encode
from tests.client_sdk.meeting_names import named_apart

HOST = "127.0.0.1"


@contextmanager
def listening(tablet: Any, **more: Any) -> Iterator[tuple[str, list[Met]]]:
    """A tablet that listens in a thread; the text of its code, and whom it met."""
    over, ready, met, codes = threading.Event(), threading.Event(), list[Met](), list[str]()

    def on_ready(code: str) -> None:
        codes.append(code)
        ready.set()

    def run() -> None:
        tablet.serve_meeting(
            over.is_set, host=HOST, announce=False, on_ready=on_ready, on_met=met.append, **more
        )

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(WAIT_SECONDS_MAX)
        yield codes[0], met
    finally:
        over.set()
        thread.join(WAIT_SECONDS_MAX)
        assert not thread.is_alive()


def test_two_tablets_exchange_over_tls_and_the_carrier_brings_it_in(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home, other = a.create_record("household", fields), b.create_record("household", fields)
    told: list[Any] = []
    with listening(a) as (code, met):
        report = b.meet_by_code(code, told.append)
    assert (report.given, report.taken) == (1, 1)
    assert [m.error for m in met] == [None]
    assert a.read(other)["phone"] == b.read(home)["phone"] == fields["phone"]
    assert told[-1].bytes_down > 1000
    b.sync()
    with world.store.read() as tx:
        before = tx.rows("SELECT id, causal FROM records ORDER BY id")
    assert {row[0] for row in before} == {home, other}
    a.sync()
    with world.store.read() as tx:
        assert tx.rows("SELECT id, causal FROM records ORDER BY id") == before


def test_only_the_scope_both_have_is_shown_in_clear(world: Any, fields: dict[str, Any]) -> None:
    a, b = world.tablet("a", "one"), world.tablet("b", "two")
    shared, own = a.create_record("household", fields), a.create_record("household", fields)
    a.assign([shared, own])
    b.assign([shared])
    with listening(a) as (code, _):
        report = b.meet_by_code(code)
    assert (report.taken, report.carried) == (1, 1)
    assert b.holds(shared)
    assert not b.holds(own)
    clear = b._store.rows("SELECT record FROM feed WHERE raw IS NOT NULL")
    assert clear == [(shared,)]
    b.sync()
    with world.store.read() as tx:
        assert {row[0] for row in tx.rows("SELECT id FROM records")} == {shared, own}


def test_what_a_giver_shows_beyond_the_scope_is_stored_sealed(
    world: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = world.tablet("a", "one"), world.tablet("b", "two")
    home = a.create_record("household", fields)
    b.assign([])
    # A giver that shows everything, whatever the other may read.
    monkeypatch.setattr("client_sdk.meeting._readable", lambda *_: lambda _record: True)
    taken = a.give_to(b)
    assert (taken.changes, taken.carried) == (0, 1)
    assert b._store.rows("SELECT record, raw FROM feed") == [(None, None)]
    assert not b.holds(home)
    b.sync()
    with world.store.read() as tx:
        assert tx.rows("SELECT id FROM records") == [(home,)]


def test_much_comes_in_rounds_and_all_of_it_arrives(
    world: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    homes = {a.create_record("household", fields) for _ in range(40)}
    monkeypatch.setattr("client_sdk.upload.RUN_BYTES_MAX", 1000)
    monkeypatch.setattr("client_sdk.meeting.give.__defaults__", (3000,))
    told: list[Any] = []
    with listening(a) as (code, _):
        b.meet_by_code(code, told.append)
    assert len(told) > 1
    assert told[-1].given == 0
    assert set(b.records()) == homes


def test_a_meeting_that_breaks_off_leaves_whole_rounds_and_goes_on(
    world: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    homes = {a.create_record("household", fields) for _ in range(40)}
    monkeypatch.setattr("client_sdk.upload.RUN_BYTES_MAX", 1000)
    monkeypatch.setattr("client_sdk.meeting.give.__defaults__", (3000,))

    def cut(progress: Any) -> None:
        raise Unreachable("the other walked away")

    with listening(a) as (code, met):
        with pytest.raises(Unreachable):
            b.meet_by_code(code, cut)
        half = set(b.records())
        assert half < homes
        assert half
        b.meet_by_code(code)
    assert set(b.records()) == homes
    assert isinstance(met[0].error, Unreachable)


def test_a_stranger_and_a_revoked_teammate_get_nothing(world: Any, fields: dict[str, Any]) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    stranger = world.tablet("stranger", certified=False)
    a.create_record("household", fields)
    with listening(a) as (code, met):
        with pytest.raises((PeerUnknown, Unreachable)):
            stranger.meet_by_code(code)
        with world.store.write() as tx:
            order = devices.revoke(
                tx, world.district.key, world.district.device_of(b.replica), "lost", 1
            )
        keep_revocations(a._store, [order])
        with pytest.raises((PeerRevoked, Unreachable)):
            b.meet_by_code(code)
    assert [type(m.error) for m in met] == [PeerUnknown, PeerRevoked]
    assert not b.records()
    assert not stranger.records()


def test_teammates_tell_one_another_of_revocations(world: Any) -> None:
    a, b, c = world.tablet("a"), world.tablet("b"), world.tablet("c")
    a.learn_card(c.card())
    b.learn_card(c.card())
    with world.store.write() as tx:
        device = world.district.device_of(c.replica)
        devices.revoke(tx, world.district.key, device, "lost", world.now_ms)
    # The district tells it with a sync, and one tablet tells the other.
    b.sync()
    with listening(a) as (code, _):
        b.meet_by_code(code)
    with pytest.raises(PeerRevoked):
        a.export_for_teammate(c.replica)


def test_nobody_can_sit_between_two_tablets(world: Any) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    between = Listening(HOST, 0)
    with listening(a) as (code, met):
        found = read_code(code)

        def relay() -> None:
            """Pass the proofs on, with a TLS key of one's own on the near side."""
            near = between.accept(WAIT_SECONDS_MAX)
            assert near is not None
            far = call(found.address, found.pin)
            try:
                far.send(near.receive())
                near.send(far.receive())
            finally:
                near.close()
                far.close()

        thread = threading.Thread(target=relay)
        thread.start()
        with pytest.raises(PeerUnknown):
            b.meet_at(Meetable(f"{HOST}:{between.port}", between.pin, None))
        thread.join(WAIT_SECONDS_MAX)
    between.close()
    assert [type(m.error) for m in met] == [Unreachable]


def test_another_key_or_another_tablet_than_the_code_says_is_refused(world: Any) -> None:
    a, b, c = world.tablet("a"), world.tablet("b"), world.tablet("c")
    with listening(a) as (code, _):
        found = read_code(code)
        assert found.replica == a.replica
        with pytest.raises(PinMismatch):
            b.meet_at(found._replace(pin=bytes(32)))
        with pytest.raises(PeerUnknown):
            b.meet_at(found._replace(replica=c.replica))


def test_a_frame_beyond_its_limit_ends_that_meeting_alone(world: Any) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    with listening(a) as (code, met):
        found = read_code(code)
        line = call(found.address, found.pin)
        line._sock.sendall((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))
        with pytest.raises(Unreachable):
            line.receive()
        line.close()
        with socket.create_connection(("127.0.0.1", int(found.address.split(":")[1]))) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with suppress(ConnectionResetError):
                plain.recv(100)
        line = call(found.address, found.pin)
        line.say(Call(PROTOCOL + 1, bytes(32), "meet"))
        line.close()
        b.meet_by_code(code)
    assert [type(m.error) for m in met] == [MeetingRefused, MeetingRefused, type(None)]


def test_a_greeting_of_another_than_who_proved_itself_is_refused(world: Any) -> None:
    a, b, c = world.tablet("a"), world.tablet("b"), world.tablet("c")
    with listening(a) as (code, met):
        found = read_code(code)
        line = call(found.address, found.pin)
        prove_as_caller(line, b._store, None)
        line.say(Said(c.greet(a.replica)))
        # Its own greeting crosses; after it the listener hangs up.
        with pytest.raises(Unreachable):
            any(line.receive() == b"" for _ in range(2))
        line.close()
    assert isinstance(met[0].error, MeetingRefused)


def test_two_copies_that_meet_over_the_network_both_go_on(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.close()
    world.copy("a", "twin")
    a, twin = world.open("a"), world.open("a", "twin")
    a.edit(home, phone="13900139000")
    twin.edit(home, phone="13700137000")
    with listening(a) as (code, _):
        twin.meet_by_code(code)
    assert a.replica != twin.replica
    for tablet in (a, twin):
        values = {s.value for s in tablet.read(home).fields["phone"].siblings}
        assert values == {"13900139000", "13700137000"}
    a.sync()
    twin.sync()
    assert world.district.forks


def test_a_tablet_nobody_can_unlock_hands_its_outbox_to_a_teammate(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = b.create_record("household", fields)
    b.close()
    (world.folder / "b" / "store.db").write_bytes(b"damaged")
    with listening(a) as (code, met), pytest.raises(Unreachable):
        Tablet.hand_over_outbox(world.folder / "b", code)
    assert isinstance(met[0].error, MeetingRefused)
    with listening(a, take_outboxes=True) as (code, met):
        assert Tablet.hand_over_outbox(world.folder / "b", code) == 1
        assert Tablet.hand_over_outbox(world.folder / "b", code) == 1
    assert [m.outboxes for m in met] == [1, 1]
    assert len(a.carried_files()) == 1
    assert fields["phone"].encode() not in a.carried_files()[0].read_bytes()
    a.sync()
    assert a.carried_files() == []
    with world.store.read() as tx:
        assert tx.rows("SELECT id FROM records") == [(home,)]


@pytest.mark.slow
def test_a_listener_is_found_by_name_on_the_local_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named_apart(monkeypatch)
    with announced(HOST, 40123, b"p" * 32):
        found = find(HOST, WAIT_SECONDS_MAX, enough=1)
    assert found == [Meetable(f"{HOST}:40123", b"p" * 32, None)]


def test_the_code_of_a_meeting_says_where_which_key_and_who(world: Any) -> None:
    a = world.tablet("a")
    text = code_of("192.0.2.7:4711", b"p" * 32, a.replica)
    assert read_code(text.lower()) == Meetable("192.0.2.7:4711", b"p" * 32, a.replica)
    assert replica_of(a._store.key.public) == a.replica
    for wrong in ("", "DOORSTEP-MEET-", text[:-4] + "0189", text[:20], "DOORSTEP-AAAA"):
        with pytest.raises(MeetingRefused):
            read_code(wrong)


def test_what_the_listener_does_not_know_it_refuses(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = world.tablet("a")
    kept: list[bytes] = []
    keep: Callable[[bytes], object] = kept.append
    monkeypatch.setattr(a, "carry_outbox", keep)
    with listening(a, take_outboxes=True) as (code, met):
        found = read_code(code)
        assert lan_meeting.hand_over(found.address, found.pin, [b"x" * (5 << 20)]) == 1
        with pytest.raises(Unreachable):
            lan_meeting.hand_over(found.address, found.pin, [b"x" * ((5 << 20) + 1)])
    assert len(kept) == 1
    assert isinstance(met[-1].error, MeetingRefused)
    assert encode([])
