# SPDX-License-Identifier: Apache-2.0
"""The side that asks to be enrolled: a line in memory to one that answers as a server does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from crypto.errors import EnrolmentRefused, TicketUnreadable
from crypto.ticket import (
    Transcript,
    check_commitment,
    check_enrolment_proof,
    encode_ticket,
    new_ticket,
    server_proof,
    six_digits,
    typed_code,
)
from sync.carry.enrolling import (
    ACCEPTED,
    OK,
    POLL_SECONDS,
    WAIT_SECONDS_MAX,
    Asking,
    Invitation,
    code_of,
    go_through,
    invitation,
)
from sync.carry.line import BINARY, Answer
from sync.enrolment import (
    Begin,
    Enrolled,
    Offer,
    Prove,
    Waiting,
    decode,
    encode,
    enrolment_context,
)
from sync.errors import MessageMalformed
from sync.messages import PROTOCOL

PIN = b"p" * 32
TICKET, VERIFIER = new_ticket(("127.0.0.1:4433",), PIN, 0)
MINE = b"s" * 32, b"b" * 1216
SERVER = b"S" * 32, b"B" * 1216
SERVER_NONCE = b"n" * 32


class Refused(Exception):
    """What the one that asks raises where the server refuses."""


class Late(Exception):
    """What it raises where nobody confirms."""


class Down(Exception):
    """A line that does not carry."""


class Server:
    """What a server does with the messages of one ticket; ``waits`` times nobody confirms yet."""

    def __init__(self, waits: int = 0, downs: int = 0) -> None:
        self.waits, self.downs = waits, downs
        self.seen_pin = PIN
        self.asked: list[tuple[str, str]] = []
        self.begin: Begin | None = None
        self.transcript: Transcript | None = None
        self.proof: Callable[[bytes], bytes] = lambda proof: proof
        self.says: Answer | None = None

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        assert headers == {"content-type": BINARY}
        self.asked.append((method, path))
        if self.says is not None:
            return self.says
        if path == "/v1/enrol/begin":
            self.begin = decode(body, Begin)
            return Answer(OK, {}, encode(Offer(PROTOCOL, *SERVER, SERVER_NONCE)))
        if path == "/v1/enrol":
            self.prove(decode(body, Prove))
        else:
            assert body == b""
            if self.downs:
                self.downs -= 1
                raise Down()
        return self.stand()

    def prove(self, said: Prove) -> None:
        assert self.begin is not None
        assert (said.ticket, said.protocol) == (self.begin.ticket, PROTOCOL)
        context = enrolment_context(said.name, said.succession)
        keys = said.sign_public, said.box_public, said.nonce
        seen = Transcript(said.ticket, PIN, *keys, *SERVER, SERVER_NONCE, context)
        check_commitment(self.begin.commitment, seen)
        check_enrolment_proof(VERIFIER, seen, said.proof)
        self.transcript = seen

    def stand(self) -> Answer:
        assert self.transcript is not None
        proof = self.proof(server_proof(VERIFIER, self.transcript))
        if self.waits:
            self.waits -= 1
            return Answer(ACCEPTED, {}, encode(Waiting(PROTOCOL, "waiting", proof)))
        told = Enrolled(PROTOCOL, b"c", *SERVER, b"", b"", "t", [("w1", "张霞")], None, proof)
        return Answer(OK, {}, encode(told))


def run(
    server: Any, succession: bytes | None = None, secret: bytes = TICKET.secret
) -> tuple[Enrolled, Transcript, list[str], list[float]]:
    shown: list[str] = []
    slept: list[float] = []
    who = Asking(
        *MINE,
        "平板一号",
        succession,
        lambda status, code: Refused(f"{status} {code}"),
        Late,
        Down,
        slept.append,
    )
    told, transcript = go_through(server, secret, who, shown.append)
    return told, transcript, shown, slept


def test_all_steps_in_their_order_end_with_what_the_server_gives() -> None:
    server = Server()
    told, transcript, shown, slept = run(server)
    assert server.asked == [("POST", "/v1/enrol/begin"), ("POST", "/v1/enrol")]
    assert (told.certificate, told.workers) == (b"c", [("w1", "张霞")])
    assert transcript == server.transcript
    assert shown == [six_digits(transcript)]
    assert slept == []
    assert transcript.context == enrolment_context("平板一号", None)


def test_the_digits_are_shown_once_and_it_is_waited_until_somebody_confirmed() -> None:
    server = Server(waits=3)
    told, transcript, shown, slept = run(server, b"succession")
    assert (told.team, len(shown), slept) == ("t", 1, [POLL_SECONDS] * 3)
    path = f"/v1/enrol/{transcript.ticket_id.hex()}"
    assert server.asked[2:] == [("GET", path)] * 3
    assert transcript.context == enrolment_context("平板一号", b"succession")


def test_a_line_that_is_down_while_it_is_waited_is_tried_again() -> None:
    server = Server(waits=1, downs=2)
    told, _, shown, slept = run(server)
    assert (told.team, len(shown), len(slept)) == ("t", 1, 3)


def test_nobody_waits_longer_than_a_ticket_lives() -> None:
    server = Server(waits=10_000)
    with pytest.raises(Late):
        run(server)
    assert WAIT_SECONDS_MAX == 900
    assert len(server.asked) == 2 + WAIT_SECONDS_MAX / POLL_SECONDS


def test_nothing_is_shown_or_believed_of_a_server_that_did_not_make_the_ticket() -> None:
    for waits in (0, 1):
        server = Server(waits)
        server.proof = lambda proof: proof[:-1] + bytes([proof[-1] ^ 1])
        shown: list[str] = []
        who = Asking(*MINE, "a", None, lambda s, c: Refused(c), Late, Down, lambda _: None)
        with pytest.raises(EnrolmentRefused):
            go_through(server, TICKET.secret, who, shown.append)
        assert shown == []


def test_the_pin_that_is_proved_is_the_one_that_was_seen() -> None:
    server = Server()
    server.seen_pin = b"q" * 32
    with pytest.raises(EnrolmentRefused):
        run(server)


def test_a_refusal_is_told_by_its_number_and_code() -> None:
    server = Server()
    for body, told in (
        (msgspec.msgpack.encode({"code": "crypto/ticket-used"}), "403 crypto/ticket-used"),
        (msgspec.msgpack.encode({}), "403 "),
        (msgspec.msgpack.encode(7), "403 "),
        (b"\xc1", "403 "),
        (b"\xa1\xff", "403 "),
        (b"", "403 "),
    ):
        server.says = Answer(403, {}, body)
        with pytest.raises(Refused, match=f"^{told}$"):
            run(server)
    assert code_of(Answer(500, {}, msgspec.msgpack.encode({"code": 5}))) == "5"
    server.says = Answer(OK, {}, b"\xc1")
    with pytest.raises(MessageMalformed):
        run(server)


def test_an_invitation_is_the_text_of_a_ticket_or_a_code_with_an_address() -> None:
    text, typed = encode_ticket(TICKET), typed_code(TICKET.secret)
    scanned = Invitation(TICKET.addresses, PIN, TICKET.secret)
    assert invitation(text, "", Late) == scanned
    assert invitation(f"  {text.lower()} ", "", Late).secret == TICKET.secret
    nearer = invitation(text, "10.0.0.1:1", Late)
    assert nearer == scanned._replace(addresses=("10.0.0.1:1", "127.0.0.1:4433"))
    assert invitation(typed, "h:1", Late) == Invitation(("h:1",), None, TICKET.secret)
    with pytest.raises(Late):
        invitation(typed, "", Late)
    with pytest.raises(TicketUnreadable):
        invitation("DOORSTEP-nonsense", "h:1", Late)
    assert TICKET.secret.hex() not in repr(scanned) + str(scanned)
    assert repr(scanned) == "Invitation(addresses=('127.0.0.1:4433',))"
