# SPDX-License-Identifier: Apache-2.0
"""The side that asks to be enrolled, tablet or server: the steps, their order, the waiting.

What lives here: reading an invitation, and going through the messages of ``sync/enrolment.py`` with
the proofs of ``crypto/ticket.py``. What must not: making keys, storing what comes of it, errors in
words: the caller says what is raised. Invariant: the digits are shown only to whom the server has
proved that it made the ticket, and nothing is believed of it before.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from crypto.ticket import (
    Transcript,
    check_server_proof,
    decode_ticket,
    enrolment_commitment,
    enrolment_proof,
    new_enrolment_nonce,
    read_typed_code,
    six_digits,
    ticket_id,
)
from sync.carry.line import BINARY, Answer, Line
from sync.decoding import MALFORMED
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
from sync.messages import PROTOCOL

POLL_SECONDS = 1.0
WAIT_SECONDS_MAX = 15 * 60
"""As long as a ticket lives: after that the officer makes a new one."""
OK, ACCEPTED = 200, 202
_HEADERS = {"content-type": BINARY}
_M = TypeVar("_M", bound=msgspec.Struct)
ShowDigits = Callable[[str], None]
"""Shows the six digits to a person, who compares them with the officer's screen."""


class Invitation(NamedTuple):
    """What a ticket says: where the server is, its pin (None with a typed code), the secret."""

    addresses: tuple[str, ...]
    pin: bytes | None
    secret: bytes

    def __repr__(self) -> str:
        return f"Invitation(addresses={self.addresses})"


def invitation(code: str, address: str, lacking: Callable[[str], Exception]) -> Invitation:
    """Read the text of a ticket, or a typed code together with the server's address.

    Raises TicketUnreadable, and what ``lacking`` makes where a typed code comes without an address.
    """
    if code.strip().upper().startswith("DOORSTEP-"):
        ticket = decode_ticket(code)
        addresses = (address, *ticket.addresses) if address else ticket.addresses
        return Invitation(addresses, ticket.tls_pin, ticket.secret)
    if not address:
        raise lacking("a typed code needs the server's address")
    return Invitation((address,), None, read_typed_code(code))


class Asking(NamedTuple):
    """Who asks: its public keys, its name, the succession from an earlier key; how it waits, and
    what it raises where it is refused, ``refused(status, code)``, or nobody confirms, ``late``."""

    sign_public: bytes
    box_public: bytes
    name: str
    succession: bytes | None
    refused: Callable[[int, str], Exception]
    late: Callable[[str], Exception]
    down: type[Exception]
    sleep: Callable[[float], None] = time.sleep


def go_through(
    line: Line, secret: bytes, who: Asking, show_digits: ShowDigits
) -> tuple[Enrolled, Transcript]:
    """All steps; returns when the officer has confirmed the digits.

    Raises what the line and ``who`` say, EnrolmentRefused where the server did not make the ticket,
    LimitExceeded, MessageMalformed.
    """
    number, nonce = ticket_id(secret), new_enrolment_nonce()
    context = enrolment_context(who.name, who.succession)
    mine = who.sign_public, who.box_public
    begin = Begin(PROTOCOL, number, enrolment_commitment(number, *mine, nonce, context))
    answer = line.request("POST", "/v1/enrol/begin", _HEADERS, encode(begin))
    offer = _read(answer, Offer, who)
    transcript = Transcript(
        number,
        # With a typed code the pin is the one seen; the server's proof is over it.
        line.seen_pin,
        *mine,
        nonce,
        offer.server_public,
        offer.server_box_public,
        offer.server_nonce,
        context,
    )
    proof = enrolment_proof(secret, transcript)
    prove = Prove(PROTOCOL, number, proof, *mine, who.name, who.succession, nonce)
    answer = line.request("POST", "/v1/enrol", _HEADERS, encode(prove))
    return _wait(line, answer, secret, transcript, who, show_digits), transcript


def _wait(
    line: Line,
    answer: Answer,
    secret: bytes,
    transcript: Transcript,
    who: Asking,
    show_digits: ShowDigits,
) -> Enrolled:
    path, waited, shown = f"/v1/enrol/{transcript.ticket_id.hex()}", 0.0, False
    while True:
        done = answer.status == OK
        said: Enrolled | Waiting = (
            _read(answer, Enrolled, who) if done else _read(answer, Waiting, who)
        )
        check_server_proof(secret, transcript, said.server_proof)
        if not shown:
            show_digits(six_digits(transcript))
            shown = True
        if isinstance(said, Enrolled):
            return said
        if waited >= WAIT_SECONDS_MAX:
            raise who.late("nobody confirmed the digits")
        who.sleep(POLL_SECONDS)
        waited += POLL_SECONDS
        with contextlib.suppress(who.down):
            answer = line.request("GET", path, _HEADERS, b"")


def _read(answer: Answer, kind: type[_M], who: Asking) -> _M:
    if answer.status not in (OK, ACCEPTED):
        raise who.refused(answer.status, code_of(answer))
    return decode(answer.body, kind)


def code_of(answer: Answer) -> str:
    """The code of an error answer; empty where it has none."""
    try:
        return str(msgspec.msgpack.decode(answer.body).get("code", ""))
    except (*MALFORMED, AttributeError):
        return ""
