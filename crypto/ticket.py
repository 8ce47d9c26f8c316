# SPDX-License-Identifier: Apache-2.0
"""Enrolling a tablet with a ticket that is good once.

Lives here: the ticket as QR text and as typed code, what the server stores of it, the two proofs,
the commitment and the six digits that both screens show. Must not live here: drawing or reading a
QR code, the network, who has used which ticket.

The order of messages, and why (README.md shows it step by step):

    tablet → server   ticket id, commitment to (its keys, a fresh nonce)
    server → tablet   its keys, its nonce
    tablet → server   its keys, its nonce, proof that it knows the secret
    server → tablet   proof that it knows the ticket
    both screens      six digits over all of it; a person compares and confirms at the server

The trap: six digits are a million values, tried through in a second. Somebody between the two who
could still choose a key or nonce after seeing all the rest would choose one that makes both
screens agree. With the commitment the tablet is bound before it sees the server's nonce, and the
server's side is fixed before it sees the tablet's: whoever sits between has one guess in a
million, and a person looking.

Proofs are those of SCRAM (RFC 5802 3) with HMAC-SHA256: the server stores hashes only, and a
stolen table of open tickets enrols nobody. The secret has 95 random bits, so nothing needs
stretching.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import unicodedata
from typing import Final

import msgspec

from crypto.algorithms import TICKET_SCRAM_SHA256, purposed_hash, purposed_mac
from crypto.errors import (
    EnrolmentRefused,
    TicketExpired,
    TicketRefused,
    TicketUnreadable,
    TicketUsed,
)
from crypto.secret import SecretBytes

TICKET_LIFE_MS: Final = 15 * 60_000
SECRET_BYTES: Final = 12  # the first bit is zero: 95 bits are nineteen symbols of five
SECRET_BITS: Final = 95
TLS_PIN_BYTES: Final = 32
TICKET_ID_BYTES: Final = 16
ENROLMENT_NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 33  # the algorithm byte and 32 bytes
ADDRESSES_MAX: Final = 4
ADDRESS_CHARACTERS_MAX: Final = 100
TICKET_TEXT_CHARACTERS_MAX: Final = 800  # what four long addresses need; far below any QR limit
TYPED_CHARACTERS_MAX: Final = 64
TYPED_SYMBOLS: Final = 20
TYPED_GROUP: Final = 4
TEXT_PREFIX: Final = "DOORSTEP-"

_CHECK_BYTES: Final = 4
_FIXED_BYTES: Final = 1 + SECRET_BYTES + TLS_PIN_BYTES + 6 + 1
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
_LOOKALIKE: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": "", " ": ""})
_ADDRESS: Final = re.compile(r"(?:[A-Za-z0-9.-]{1,90}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}\Z")
_PORT_MAX: Final = 65_535
_GF32_BITS: Final = 5
_GF32_POLYNOMIAL: Final = 0b100101  # x⁵ + x² + 1, primitive


class Ticket(msgspec.Struct, frozen=True):
    """What the QR code carries: where the server is, how to know it, and a secret good once.

    `addresses` are `host:port`; `tls_pin` 32 bytes (`tls.tls_pin`); `secret` 12 bytes.
    `expires_at_ms` is for the tablet's screen only: the server decides by its own clock, a
    tablet's clock may lie.
    """

    addresses: tuple[str, ...]
    tls_pin: bytes
    secret: bytes
    expires_at_ms: int

    def __repr__(self) -> str:
        return f"Ticket(addresses={self.addresses}, expires_at_ms={self.expires_at_ms})"


class TicketVerifier(msgspec.Struct, frozen=True, array_like=True):
    """What the server stores of a ticket: hashes only, from which the secret cannot be had."""

    ticket_id: bytes
    stored_key: bytes
    server_key: bytes
    issued_at_ms: int
    expires_at_ms: int

    def __repr__(self) -> str:
        return f"TicketVerifier(ticket_id={self.ticket_id.hex()})"


class Transcript(msgspec.Struct, frozen=True, array_like=True):
    """Everything both sides saw of one enrolment; the proofs and the six digits are over all of it.

    `tls_pin` is what each side itself sees: the server its own key, the tablet the one it is
    connected to. `context` is whatever else must not be altered, such as the tablet's name.
    """

    ticket_id: bytes
    tls_pin: bytes
    tablet_public: bytes
    tablet_box_public: bytes
    tablet_nonce: bytes
    server_public: bytes
    server_box_public: bytes
    server_nonce: bytes
    context: bytes = b""


def new_ticket(
    addresses: tuple[str, ...], tls_pin: bytes, now_ms: int, life_ms: int = TICKET_LIFE_MS
) -> tuple[Ticket, TicketVerifier]:
    """Make a ticket for the tablet and the verifier that the server stores.

    Raises TicketRefused for an address that is not `host:port` or for more than four.
    """
    secret = bytearray(os.urandom(SECRET_BYTES))
    secret[0] &= 0x7F
    ticket = Ticket(addresses, tls_pin, bytes(secret), now_ms + life_ms)
    _check_ticket_shape(ticket)
    client_key, server_key = _keys(ticket.secret)
    verifier = TicketVerifier(
        ticket_id(ticket.secret),
        hashlib.sha256(client_key).digest(),
        server_key,
        now_ms,
        ticket.expires_at_ms,
    )
    return ticket, verifier


def check_usable(verifier: TicketVerifier, now_ms: int, used: bool) -> None:
    """Refuse a ticket that is used or over. `now_ms` is the server's clock; `used` what it has
    stored.

    A server clock set back to before the ticket was made refuses it too. Raises TicketUsed or
    TicketExpired. The caller marks a ticket used in the transaction that stores the device.
    """
    if used:
        raise TicketUsed()
    if not verifier.issued_at_ms <= now_ms < verifier.expires_at_ms:
        raise TicketExpired()


def ticket_id(secret: bytes) -> bytes:
    """Return the 16 bytes by which the server finds the ticket; the secret stays hidden."""
    return purposed_mac(secret, b"ticket-id", b"")[:TICKET_ID_BYTES]


def encode_ticket(ticket: Ticket) -> str:
    """Return the text of the QR code: `DOORSTEP-` and base32, all in QR's compact upper-case set.

    Raises TicketRefused when a limit is broken.
    """
    _check_ticket_shape(ticket)
    body = bytes((TICKET_SCRAM_SHA256,)) + ticket.secret + ticket.tls_pin
    body += ticket.expires_at_ms.to_bytes(6, "big") + bytes((len(ticket.addresses),))
    for address in ticket.addresses:
        body += bytes((len(address),)) + address.encode("ascii")
    return TEXT_PREFIX + base64.b32encode(body + _check_of(body)).decode("ascii").rstrip("=")


def decode_ticket(text: str) -> Ticket:
    """Read the text of a QR code. Raises TicketUnreadable for anything `encode_ticket` did not
    write.
    """
    text = text.strip().upper()
    if len(text) > TICKET_TEXT_CHARACTERS_MAX or not text.startswith(TEXT_PREFIX):
        raise TicketUnreadable("not a ticket")
    packed = text[len(TEXT_PREFIX) :]
    try:
        data = base64.b32decode(packed + "=" * (-len(packed) % 8))
    except (binascii.Error, ValueError):
        raise TicketUnreadable("not base32") from None
    body, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if len(body) < _FIXED_BYTES or check != _check_of(body) or body[0] != TICKET_SCRAM_SHA256:
        raise TicketUnreadable("check or algorithm")
    pin_at = 1 + SECRET_BYTES
    time_at = pin_at + TLS_PIN_BYTES
    ticket = Ticket(
        _read_addresses(body[_FIXED_BYTES:], body[_FIXED_BYTES - 1]),
        body[pin_at:time_at],
        body[1:pin_at],
        int.from_bytes(body[time_at : time_at + 6], "big"),
    )
    if encode_ticket(ticket) != text:
        raise TicketUnreadable("not canonical")
    return ticket


def _read_addresses(data: bytes, count: int) -> tuple[str, ...]:
    addresses: list[str] = []
    while data and len(addresses) < count:
        addresses.append(data[1 : 1 + data[0]].decode("ascii", "replace"))
        data = data[1 + data[0] :]
    if len(addresses) != count or data:
        raise TicketUnreadable("addresses")
    return tuple(addresses)


def _check_ticket_shape(ticket: Ticket) -> None:
    sound = (
        1 <= len(ticket.addresses) <= ADDRESSES_MAX
        and all(_is_address(address) for address in ticket.addresses)
        and len(ticket.tls_pin) == TLS_PIN_BYTES
        and _is_secret(ticket.secret)
        and 0 <= ticket.expires_at_ms < 1 << 48
    )
    if not sound:
        raise TicketRefused("shape or limit")


def _is_address(address: str) -> bool:
    return (
        len(address) <= ADDRESS_CHARACTERS_MAX
        and _ADDRESS.match(address) is not None
        and 0 < int(address.rpartition(":")[2]) <= _PORT_MAX
    )


def _is_secret(secret: bytes) -> bool:
    return len(secret) == SECRET_BYTES and int.from_bytes(secret, "big") >> SECRET_BITS == 0


def _check_of(body: bytes) -> bytes:
    """Four bytes that tell a misread code from a wrong one; they guard nothing else."""
    return purposed_hash(b"ticket-text", body)[1 : 1 + _CHECK_BYTES]


def typed_code(secret: bytes) -> str:
    """Return the code to type: five groups of four Crockford symbols, the last one a check symbol.

    Carries the secret only: the address is typed too, and the server's key is checked by its proof.
    """
    if not _is_secret(secret):
        raise TicketRefused("secret")
    number = int.from_bytes(secret, "big")
    values = [(number >> (5 * i)) & 31 for i in reversed(range(TYPED_SYMBOLS - 1))]
    symbols = "".join(_ALPHABET[value] for value in (*values, _check_value(values)))
    return "-".join(symbols[i : i + TYPED_GROUP] for i in range(0, TYPED_SYMBOLS, TYPED_GROUP))


def read_typed_code(text: str) -> bytes:
    """Read a typed code back to the secret (12 bytes).

    Takes small letters, blanks, hyphens, full-width characters, I and L for 1, O for 0. Raises
    TicketUnreadable for any single wrong character and any two swapped ones, wherever they are.
    """
    if len(text) > TYPED_CHARACTERS_MAX:
        raise TicketUnreadable("too long")
    plain = unicodedata.normalize("NFKC", text).upper().strip().translate(_LOOKALIKE)
    values = [_ALPHABET.find(symbol) for symbol in plain]
    if len(values) != TYPED_SYMBOLS or -1 in values or _check_value(values[:-1]) != values[-1]:
        raise TicketUnreadable("typed code")
    number = 0
    for value in values[:-1]:
        number = number << 5 | value
    return number.to_bytes(SECRET_BYTES, "big")


def _check_value(values: list[int]) -> int:
    """The check symbol over GF(32): the sum of αⁱ·value, i from 1.

    α has order 31 > 20, so all weights differ and none is zero: one changed symbol changes the
    sum, and so do two different symbols swapped. Crockford's own modulo 37 does as much but needs
    five symbols outside the alphabet, among them `*` and `$`.
    """
    total = 0
    for value in reversed(values):
        total = _times_alpha(total ^ value)
    return total


def _times_alpha(value: int) -> int:
    value <<= 1
    return value ^ _GF32_POLYNOMIAL if value >> _GF32_BITS else value


def new_enrolment_nonce() -> bytes:
    """Return 32 fresh random bytes; each side makes its own for each enrolment."""
    return os.urandom(ENROLMENT_NONCE_BYTES)


def enrolment_commitment(
    ticket: bytes,
    tablet_public: bytes,
    tablet_box_public: bytes,
    nonce: bytes,
    context: bytes = b"",
) -> bytes:
    """Return the 33 bytes by which the tablet binds itself before it sees the server's nonce."""
    fields = (ticket, tablet_public, tablet_box_public, nonce, context)
    return purposed_hash(b"enrolment-commitment", msgspec.msgpack.encode(fields))


def check_commitment(commitment: bytes, transcript: Transcript) -> None:
    """Check, at the server, that what the tablet showed is what it committed to.

    Raises EnrolmentRefused: then no digits are shown and the ticket is spent.
    """
    expected = enrolment_commitment(
        transcript.ticket_id,
        transcript.tablet_public,
        transcript.tablet_box_public,
        transcript.tablet_nonce,
        transcript.context,
    )
    if len(transcript.tablet_nonce) != ENROLMENT_NONCE_BYTES:
        raise EnrolmentRefused("nonce")
    if not hmac.compare_digest(expected, commitment):
        raise EnrolmentRefused("commitment")


def enrolment_proof(secret: bytes | SecretBytes, transcript: Transcript) -> bytes:
    """Return the tablet's proof that it knows the secret, bound to the transcript; 33 bytes."""
    client_key, _ = _keys(secret.reveal() if isinstance(secret, SecretBytes) else secret)
    mask = _mask(hashlib.sha256(client_key).digest(), transcript)
    return bytes((TICKET_SCRAM_SHA256,)) + _xor(client_key, mask)


def check_enrolment_proof(verifier: TicketVerifier, transcript: Transcript, proof: bytes) -> None:
    """Check the tablet's proof at the server. Raises EnrolmentRefused."""
    if len(proof) != PROOF_BYTES or proof[0] != TICKET_SCRAM_SHA256:
        raise EnrolmentRefused("algorithm or length")
    if transcript.ticket_id != verifier.ticket_id:
        raise EnrolmentRefused("another ticket")
    client_key = _xor(proof[1:], _mask(verifier.stored_key, transcript))
    if not hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key):
        raise EnrolmentRefused("proof")


def server_proof(verifier: TicketVerifier, transcript: Transcript) -> bytes:
    """Return the server's proof that it made the ticket; 33 bytes. Sent only after the tablet's
    holds.
    """
    mac = purposed_mac(verifier.server_key, b"enrolment-by-server", _encoded(transcript))
    return bytes((TICKET_SCRAM_SHA256,)) + mac


def check_server_proof(secret: bytes | SecretBytes, transcript: Transcript, proof: bytes) -> None:
    """Check the server's proof at the tablet, before its keys and TLS pin are trusted.

    With a typed code there was no pin to check at connecting: this is what proves the server, over
    the pin that the tablet saw. Raises EnrolmentRefused.
    """
    _, server_key = _keys(secret.reveal() if isinstance(secret, SecretBytes) else secret)
    mac = purposed_mac(server_key, b"enrolment-by-server", _encoded(transcript))
    if not hmac.compare_digest(bytes((TICKET_SCRAM_SHA256,)) + mac, proof):
        raise EnrolmentRefused("server proof")


def six_digits(transcript: Transcript) -> str:
    """Return the six digits that both screens show, over the whole transcript."""
    digest = purposed_hash(b"enrolment-digits", _encoded(transcript))
    return f"{int.from_bytes(digest[1:17], 'big') % 1_000_000:06d}"


def _encoded(transcript: Transcript) -> bytes:
    # MessagePack puts the length before each part, so no two transcripts share their bytes.
    return msgspec.msgpack.encode(transcript)


def _keys(secret: bytes) -> tuple[bytes, bytes]:
    return (
        purposed_mac(secret, b"ticket-tablet-key", b""),
        purposed_mac(secret, b"ticket-server-key", b""),
    )


def _mask(stored_key: bytes, transcript: Transcript) -> bytes:
    return purposed_mac(stored_key, b"enrolment-by-tablet", _encoded(transcript))


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))
