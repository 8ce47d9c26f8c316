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
from typing import NamedTuple

import msgspec

from client_sdk.errors import EnrolmentFailed, Unreachable
from client_sdk.http_transport import Connection
from crypto.certificate import check_certificate
from crypto.errors import CryptoError
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.ticket import Transcript
from sync.carry.enrolling import Asking, Invitation, ShowDigits, go_through, invitation
from sync.decoding import MALFORMED
from sync.enrolment import Enrolled
from sync.errors import SyncError
from sync.schema import Schema, SchemaInvalid, check_schema

PICTURE_BYTES_MAX = 16 * 1024 * 1024
"""A photograph of a QR code, as any camera takes it."""
PICTURE_PIXELS_MAX = 12_000_000
"""What is unpacked of it: 36 MB in colour, which a tablet can spare for a moment."""
PICTURE_DRAFT = (2_000, 2_000)
"""Large enough for a code that fills a tenth of the picture."""


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


def read_invitation(code: str, address: str = "") -> Invitation:
    """Read the text of a QR code, or a typed code together with the server's address.

    Raises TicketUnreadable, EnrolmentFailed where a typed code comes without an address.
    """
    return invitation(code, address, EnrolmentFailed)


def read_declarations(data: bytes) -> Schema:
    """What a district has in its forms, as JSON. Raises EnrolmentFailed."""
    try:
        return check_schema(msgspec.json.decode(data, type=Schema))
    except (*MALFORMED, SchemaInvalid) as error:
        raise EnrolmentFailed("declarations") from error


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
    invited: Invitation,
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
    who = Asking(
        device_key.public,
        box_key.public,
        name,
        succession,
        lambda status, told: EnrolmentFailed(f"{status} {told}".strip()),
        EnrolmentFailed,
        Unreachable,
        sleep,
    )
    connection = Connection(invited.addresses, invited.pin)
    try:
        enrolled, transcript = go_through(connection, invited.secret, who, show_digits)
    except SyncError as error:
        raise EnrolmentFailed(error.code) from error
    finally:
        connection.close()
    return _ready(enrolled, invited, transcript, device_key, box_key, name)


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
        schema = read_declarations(enrolled.schema)
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
