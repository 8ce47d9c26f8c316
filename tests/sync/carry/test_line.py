# SPDX-License-Identifier: Apache-2.0
"""A line to a server: real sockets, real TLS, and servers that break off or are others."""

from __future__ import annotations

import gc
import select
import socket
import ssl
import struct

import msgspec
import pytest

from crypto.errors import PinMismatch
from crypto.tls import make_tls_identity
from sync.carry.line import ANSWER_BYTES_MAX, Answer, Line, held_bytes, numbers_in
from sync.carry.standing import Standing, ask_standing
from sync.enrolment import Keys, encode
from sync.errors import MessageMalformed
from sync.messages import PROTOCOL
from tests.sync.carry.listening import Listening, Serve, answer, head_of

IDENTITY = make_tls_identity(["localhost"])
OTHER = make_tls_identity(["localhost"])


class Down(Exception):
    """What the tests' lines raise."""


def listening(*serves: Serve) -> Listening:
    return Listening(*serves, identity=IDENTITY)


def line(*addresses: str, pin: bytes | None = IDENTITY.tls_pin) -> Line:
    return Line(addresses, pin, Down)


def says(server: Listening, *answers: bytes) -> Listening:
    """Let a server answer so on one more connection."""
    server._serves.append(server.says(*answers))
    return server


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"127.0.0.1:{found.getsockname()[1]}"


def test_requests_go_over_one_connection_and_answers_come_back_whole() -> None:
    first, second = answer(b"one", Doorstep_Nonce="n1"), answer(b"", 404)
    with says(listening(), first, second) as server:
        to = line(server.address)
        got = to.request("POST", "/v1/sync", {"content-type": "x/y"}, b"asked")
        assert got == Answer(200, {"content-length": "3", "doorstep-nonce": "n1"}, b"one")
        assert to.request("GET", "/v1/keys", {}, b"") == Answer(404, {"content-length": "0"}, b"")
        to.close()
    head = server.asked[0].split(b"\r\n")
    assert (head[0], server.asked[0][-5:]) == (b"POST /v1/sync HTTP/1.1", b"asked")
    assert b"content-type: x/y" in head
    assert server.asked[1].startswith(b"GET /v1/keys HTTP/1.1\r\n")
    assert not server.asked[1].partition(b"\r\n\r\n")[2]
    assert (to.cuts, to.seen_pin) == (0, IDENTITY.tls_pin)
    # Bodies and heads both ways, with two bytes for the end of a head and four for each line.
    assert to.up_bytes == (5 + 4 + 8 + 12 + (12 + 3 + 4) + 2) + (0 + 3 + 8 + 12 + 2)
    assert to.down_bytes == (3 + 17 + (14 + 1 + 4) + (14 + 2 + 4) + 2) + (17 + (14 + 1 + 4) + 2)


def test_nothing_is_sent_to_a_server_that_shows_another_key() -> None:
    with says(listening(), answer(b"")) as server:
        to = line(server.address, pin=OTHER.tls_pin)
        with pytest.raises(PinMismatch):
            to.request("POST", "/", {}, b"secret")
        assert to.seen_certificate is None
        with pytest.raises(PinMismatch):
            assert to.seen_pin
    assert server.asked == []


def test_without_a_pin_the_key_is_seen_and_told() -> None:
    with says(listening(), answer(b"hello")) as server:
        to = line(server.address, pin=None)
        assert to.request("GET", "/", {}, b"").body == b"hello"
        assert to.seen_pin == IDENTITY.tls_pin
        to.close()


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with says(listening(), answer(b"here")) as server:
        to = line(closed_port(), server.address)
        assert to.request("GET", "/", {}, b"").body == b"here"
        to.close()
    with pytest.raises(Down, match="ConnectionRefusedError"):
        line(closed_port(), closed_port()).request("GET", "/", {}, b"")
    with pytest.raises(Down, match="no address"):
        line().request("GET", "/", {}, b"")


def test_an_older_tls_than_the_newest_is_not_spoken() -> None:
    server = says(listening(), answer(b""))
    with server:
        server._context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(Down):
            line(server.address).request("GET", "/", {}, b"")
    assert server.asked == []


def test_a_connection_that_was_closed_while_idle_is_opened_once_more() -> None:
    with says(says(listening(), answer(b"one")), answer(b"two")) as server:
        to = line(server.address)
        assert to.request("GET", "/1", {}, b"").body == b"one"
        assert to.request("GET", "/2", {}, b"").body == b"two"
        assert to.cuts == 1
        to.close()
    assert [x.split()[1] for x in server.asked] == [b"/1", b"/2"]


def test_a_fresh_connection_that_breaks_is_not_opened_again() -> None:
    def hang_up(sock: ssl.SSLSocket) -> None:
        head_of(sock)

    with says(listening(hang_up), answer(b"again")) as server:
        to = line(server.address)
        with pytest.raises(Down, match="RemoteDisconnected"):
            to.request("POST", "/", {}, b"x")
        assert to.cuts == 1
        # The next request opens a new one.
        assert to.request("POST", "/", {}, b"x").body == b"again"
        to.close()


def test_an_answer_that_is_cut_off_or_none_is_no_answer() -> None:
    for raw in (answer(b"only half of it")[:-5], b"no answer of this kind\r\n\r\n"):
        with says(listening(), raw) as server:
            to = line(server.address)
            with pytest.raises(Down):
                to.request("GET", "/", {}, b"")
            assert to.cuts == 1
            to.close()
    with says(listening(), answer(b"", content_length="10")) as server:
        to = line(server.address)
        assert to.request("HEAD", "/", {}, b"").headers["content-length"] == "10"
        assert to.cuts == 0
        to.close()


def test_an_answer_longer_than_any_is_not_taken() -> None:
    whole = b"x" * ANSWER_BYTES_MAX
    with says(says(listening(), answer(whole)), answer(whole + b"x")) as server:
        to = line(server.address)
        assert len(to.request("GET", "/", {}, b"").body) == ANSWER_BYTES_MAX
        to.close()
        with pytest.raises(Down, match="answer too long"):
            to.request("GET", "/", {}, b"")


def test_a_server_is_asked_under_which_keys_it_stands() -> None:
    told = encode(Keys(PROTOCOL, [b"statement one", b"two"]))
    for raw, statements in (
        (answer(told), [b"statement one", b"two"]),
        (answer(told, 404), []),
        (answer(b"what is this"), []),
    ):
        with says(listening(), raw) as server:
            assert ask_standing([server.address], Down) == Standing(statements, IDENTITY.tls_pin)
        assert server.asked[0].startswith(b"GET /v1/keys HTTP/1.1\r\n")
    with pytest.raises(Down):
        ask_standing([closed_port()], Down)


def test_the_numbers_of_an_answer_are_read_where_there_are_enough() -> None:
    said = Answer(200, {}, msgspec.msgpack.encode([1, 7, True]))
    assert numbers_in(said, 3) == (1, 7, 1)
    for body, least in ((said.body, 4), (b"\xc1", 0), (b"", 0)):
        with pytest.raises(MessageMalformed):
            numbers_in(Answer(200, {}, body), least)


@pytest.mark.parametrize(
    ("heads", "held"),
    [({}, 0), ({"doorstep-received": "0"}, 0), ({"doorstep-received": "9" * 16}, 10**16 - 1)],
)
def test_how_much_the_other_has_of_an_attachment_is_read(heads: dict[str, str], held: int) -> None:
    assert held_bytes(Answer(200, heads, b"")) == held


@pytest.mark.parametrize("text", ["", "-1", "x", "٣", "9" * 17, " 1"])
def test_what_is_no_number_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(MessageMalformed):
        held_bytes(Answer(200, {"doorstep-received": text}, b""))


def test_an_answer_that_announces_no_length_ends_with_its_connection() -> None:
    raw = b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\nto the end"
    with says(listening(), raw) as server:
        to = line(server.address)
        assert to.request("GET", "/", {}, b"").body == b"to the end"
        to.close()


def test_a_line_that_is_reset_before_its_handshake_leaves_no_socket_open(monkeypatch) -> None:
    def open_sockets() -> int:
        found = [s for s in gc.get_objects() if isinstance(s, ssl.SSLSocket)]
        return sum(s.fileno() >= 0 for s in found)

    reach = socket.create_connection

    def reset_by_then(*args: object, **kwargs: object) -> socket.socket:
        made = reach(*args, **kwargs)
        there, _ = listener.accept()
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        there.close()
        # A reset makes it readable: it is there before the handshake begins.
        select.select([made], [], [], 10)
        return made

    monkeypatch.setattr(socket, "create_connection", reset_by_then)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        before = open_sockets()
        with pytest.raises(Down) as raised:
            line(f"127.0.0.1:{listener.getsockname()[1]}").request("GET", "/", {}, b"")
        assert open_sockets() <= before, raised
