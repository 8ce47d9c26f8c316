# SPDX-License-Identifier: Apache-2.0
"""Enrolling this tablet with a district, by a ticket that is good once.

What lives here: the steps of the tablet's side (``sync/enrolment.py`` has the messages,
``crypto/ticket.py`` the proofs and the order they need). What must not: drawing, reading of codes.
Invariants: nothing is stored before the server has proved that it made the ticket and a person has
compared the digits; keys are made here and never leave.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from client_sdk.errors import EnrolmentFailed, Unreachable
from client_sdk.http_transport import Connection
from crypto.certificate import check_certificate
from crypto.errors import CryptoError
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
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
from crypto.tls import tls_pin
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
from sync.errors import SyncError
from sync.messages import PROTOCOL
from sync.schema import Schema, check_schema

POLL_SECONDS = 1.0
WAIT_SECONDS_MAX = 15 * 60
"""As long as a ticket lives: after that the officer makes a new one."""
PICTURE_BYTES_MAX = 16 * 1024 * 1024
"""A photograph of a QR code, as any camera takes it."""
PICTURE_PIXELS_MAX = 12_000_000
"""What is unpacked of it: 36 MB in colour, which a tablet can spare for a moment."""
PICTURE_DRAFT = (2_000, 2_000)
"""Large enough for a code that fills a tenth of the picture."""
ACCEPTED = 202
OK = 200

_M = TypeVar("_M", bound=msgspec.Struct)
ShowDigits = Callable[[str], None]
"""Shows the six digits to the worker, who compares them with the officer's screen."""


class Ready(NamedTuple):
    """An enrolment that came to its end: everything a store is made from."""

    device_key: DeviceKey
    box_key: BoxKey
    certificate: bytes
    server_public: bytes
    server_box_public: bytes
    server_name: str
    pin: bytes
    addresses: tuple[str, ...]
    nonce: bytes
    team: str
    name: str
    workers: list[tuple[str, str]]
    schema: Schema | None


class Invitation(NamedTuple):
    """What a ticket says: where the server is, its pin (None with a typed code), the secret."""

    addresses: tuple[str, ...]
    pin: bytes | None
    secret: bytes

    def __repr__(self) -> str:
        return f"Invitation(addresses={self.addresses})"


def read_invitation(code: str, address: str = "") -> Invitation:
    """Read the text of a QR code, or a typed code together with the server's address.

    Raises TicketUnreadable, EnrolmentFailed where a typed code comes without an address.
    """
    if code.strip().upper().startswith("DOORSTEP-"):
        ticket = decode_ticket(code)
        addresses = (address, *ticket.addresses) if address else ticket.addresses
        return Invitation(addresses, ticket.tls_pin, ticket.secret)
    if not address:
        raise EnrolmentFailed("a typed code needs the server's address")
    return Invitation((address,), None, read_typed_code(code))


def read_picture(data: bytes) -> str:
    """The text of the QR code in a picture (PNG, JPEG). Raises EnrolmentFailed where there is
    none."""
    import io

    import zxingcpp
    from PIL import Image

    if len(data) > PICTURE_BYTES_MAX:
        raise EnrolmentFailed("picture too large")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            # A large photograph is read at a fraction of its size where its format allows.
            image.draft("L", PICTURE_DRAFT)
            if image.width * image.height > PICTURE_PIXELS_MAX:
                raise EnrolmentFailed("picture too large")
            found = zxingcpp.read_barcodes(image.convert("L"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # The library tells of broken files by any of these.
        raise EnrolmentFailed("not a picture") from error
    texts = [str(code.text) for code in found if str(code.text).upper().startswith("DOORSTEP-")]
    if not texts:
        raise EnrolmentFailed("no ticket in the picture")
    return texts[0]


def enrol(
    invitation: Invitation,
    name: str,
    show_digits: ShowDigits,
    *,
    sleep: Callable[[float], None] = time.sleep,
    succession: bytes | None = None,
) -> Ready:
    """Go through all steps; returns when the officer has confirmed the digits.

    ``name`` is what the tablet is called (1 to 80 characters). Raises Unreachable, EnrolmentFailed,
    PinMismatch, and EnrolmentRefused where the server cannot prove that it made the ticket.
    """
    device_key, box_key = DeviceKey.generate(), BoxKey.generate()
    connection = Connection(invitation.addresses, invitation.pin)
    try:
        number, nonce = ticket_id(invitation.secret), new_enrolment_nonce()
        context = enrolment_context(name, succession)
        commitment = enrolment_commitment(number, device_key.public, box_key.public, nonce, context)
        begin = encode(Begin(PROTOCOL, number, commitment))
        offer = _read(connection.request("POST", "/v1/enrol/begin", _HEADERS, begin), Offer)
        # With a typed code the pin is the one seen; the server's proof is over it.
        pin = tls_pin(connection.seen_certificate or b"")
        transcript = Transcript(
            number,
            pin,
            device_key.public,
            box_key.public,
            nonce,
            offer.server_public,
            offer.server_box_public,
            offer.server_nonce,
            context,
        )
        prove = Prove(
            PROTOCOL,
            number,
            enrolment_proof(invitation.secret, transcript),
            device_key.public,
            box_key.public,
            name,
            succession,
            nonce,
        )
        answer = connection.request("POST", "/v1/enrol", _HEADERS, encode(prove))
        enrolled = _wait(connection, answer, invitation, transcript, show_digits, sleep)
    finally:
        connection.close()
    return _ready(enrolled, invitation, transcript, device_key, box_key, name)


_HEADERS = {"content-type": BINARY}


def _wait(
    connection: Connection,
    answer: Answer,
    invitation: Invitation,
    transcript: Transcript,
    show_digits: ShowDigits,
    sleep: Callable[[float], None],
) -> Enrolled:
    shown = False
    waited = 0.0
    path = f"/v1/enrol/{transcript.ticket_id.hex()}"
    while True:
        if answer.status == OK:
            enrolled = _read(answer, Enrolled)
            check_server_proof(invitation.secret, transcript, enrolled.server_proof)
            if not shown:
                show_digits(six_digits(transcript))
            return enrolled
        waiting = _read(answer, Waiting)
        # The digits are shown only to whom the server has proved itself.
        check_server_proof(invitation.secret, transcript, waiting.server_proof)
        if not shown:
            show_digits(six_digits(transcript))
            shown = True
        if waited >= WAIT_SECONDS_MAX:
            raise EnrolmentFailed("nobody confirmed the digits")
        sleep(POLL_SECONDS)
        waited += POLL_SECONDS
        try:
            answer = connection.request("GET", path, _HEADERS, b"")
        except Unreachable:
            continue


def _read(answer: Answer, kind: type[_M]) -> _M:
    if answer.status not in (OK, ACCEPTED):
        code = ""
        try:
            code = str(msgspec.msgpack.decode(answer.body).get("code", ""))
        except (msgspec.DecodeError, UnicodeDecodeError, AttributeError):
            code = ""
        raise EnrolmentFailed(f"{answer.status} {code}".strip())
    try:
        return decode(answer.body, kind)
    except SyncError as error:
        raise EnrolmentFailed(error.code) from error


def _ready(
    enrolled: Enrolled,
    invitation: Invitation,
    transcript: Transcript,
    device_key: DeviceKey,
    box_key: BoxKey,
    name: str,
) -> Ready:
    if (enrolled.server_public, enrolled.server_box_public) != (
        transcript.server_public,
        transcript.server_box_public,
    ):
        raise EnrolmentFailed("other keys than those of the digits")
    try:
        certificate = check_certificate(enrolled.certificate, enrolled.server_public)
    except CryptoError as error:
        raise EnrolmentFailed(error.code) from error
    if certificate.public != device_key.public:
        raise EnrolmentFailed("certificate of another key")
    schema = None
    if enrolled.schema is not None:
        schema = check_schema(msgspec.json.decode(enrolled.schema, type=Schema))
    return Ready(
        device_key,
        box_key,
        enrolled.certificate,
        enrolled.server_public,
        enrolled.server_box_public,
        "",
        transcript.tls_pin,
        _addresses(invitation.addresses),
        enrolled.nonce,
        enrolled.team,
        name,
        [(worker, known) for worker, known in enrolled.workers],
        schema,
    )


def _addresses(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given))
