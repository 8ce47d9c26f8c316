# SPDX-License-Identifier: Apache-2.0
"""Enrolling this server at its upstream, by a ticket that is good once, as a tablet does.

What lives here: the steps of the side that asks, and the rows they end in. What must not: tickets
(``enrolment.py``), proofs (``crypto.ticket``). Invariants
- Nothing is stored before the upstream has proved that it made the ticket and a person there has
  compared six digits.
- A server has one upstream. Giving it up keeps all that came from it; what it vouched for before
  stays known, and vouches for nothing new.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from crypto.certificate import check_certificate
from crypto.errors import CryptoError, EnrolmentRefused
from crypto.identity import replica_of
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
from server.errors import LinkDown, LinkRefused, LinkWrong, NameTaken, NotFound
from server.keys import ServerKeys
from server.line import code_of
from server.store.base import Transaction
from server.tiers import vouch
from server.trust import SERVER, UPSTREAM, Trust
from server.uplinks import UPSTREAM as UP
from server.uplinks import Link, NewLink, add_link, links
from sync.carry.line import BINARY, Answer, Line
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
"""As long as a ticket lives: after that the upstream makes a new one."""
OK, ACCEPTED = 200, 202
_HEADERS = {"content-type": BINARY}

_M = TypeVar("_M", bound=msgspec.Struct)


class Invitation(NamedTuple):
    """What a ticket says: where the upstream is, its pin (None with a typed code), the secret."""

    addresses: tuple[str, ...]
    pin: bytes | None
    secret: bytes

    def __repr__(self) -> str:
        return f"Invitation(addresses={self.addresses})"


def read_invitation(code: str, address: str = "") -> Invitation:
    """Read a ticket's text, or a typed code together with the upstream's address.

    Raises TicketUnreadable, NotFound where a typed code comes without an address.
    """
    if code.strip().upper().startswith("DOORSTEP-"):
        ticket = decode_ticket(code)
        addresses = (address, *ticket.addresses) if address else ticket.addresses
        return Invitation(addresses, ticket.tls_pin, ticket.secret)
    if not address:
        raise NotFound("a typed code needs the upstream's address")
    return Invitation((address,), None, read_typed_code(code))


def join(
    keys: ServerKeys, invitation: Invitation, name: str, show_digits: Callable[[str], None]
) -> NewLink:
    """Go through all steps; returns when somebody at the upstream has confirmed the digits.

    Raises LinkDown, LinkRefused, LinkWrong, PinMismatch, EnrolmentRefused.
    """
    line = Line(invitation.addresses, invitation.pin, LinkDown)
    try:
        number, nonce = ticket_id(invitation.secret), new_enrolment_nonce()
        context = enrolment_context(name, None)
        mine = keys.sign.public, keys.box.public
        commitment = enrolment_commitment(number, *mine, nonce, context)
        begin = encode(Begin(PROTOCOL, number, commitment))
        offer = _read(line.request("POST", "/v1/enrol/begin", _HEADERS, begin), Offer)
        pin = tls_pin(line.seen_certificate or b"")
        transcript = Transcript(
            number,
            pin,
            *mine,
            nonce,
            offer.server_public,
            offer.server_box_public,
            offer.server_nonce,
            context,
        )
        proof = enrolment_proof(invitation.secret, transcript)
        prove = Prove(PROTOCOL, number, proof, *mine, name, None, nonce)
        answer = line.request("POST", "/v1/enrol", _HEADERS, encode(prove))
        enrolled = _wait(line, answer, invitation.secret, transcript, show_digits)
    finally:
        line.close()
    try:
        said = check_certificate(enrolled.certificate, offer.server_public)
    except CryptoError as error:
        raise LinkWrong(error.code) from error
    if said.public != keys.sign.public or said.role != SERVER:
        raise LinkWrong("a certificate of another kind: the ticket is for a tablet")
    return NewLink(
        UP,
        "",
        offer.server_public,
        offer.server_box_public,
        tuple(dict.fromkeys(invitation.addresses)),
        pin,
        enrolled.certificate,
        said.area,
        enrolled.nonce,
    )


def _wait(
    line: Line,
    answer: Answer,
    secret: bytes,
    transcript: Transcript,
    show_digits: Callable[[str], None],
) -> Enrolled:
    path, waited, shown = f"/v1/enrol/{transcript.ticket_id.hex()}", 0.0, False
    while True:
        done = answer.status == OK
        said: Enrolled | Waiting = _read(answer, Enrolled) if done else _read(answer, Waiting)
        # The digits are shown only to whom the upstream has proved itself.
        check_server_proof(secret, transcript, said.server_proof)
        if not shown:
            show_digits(six_digits(transcript))
            shown = True
        if isinstance(said, Enrolled):
            return said
        if waited >= WAIT_SECONDS_MAX:
            raise EnrolmentRefused("nobody confirmed the digits")
        time.sleep(POLL_SECONDS)
        waited += POLL_SECONDS
        answer = line.request("GET", path, _HEADERS, b"")


def _read(answer: Answer, kind: type[_M]) -> _M:
    if answer.status not in (OK, ACCEPTED):
        raise LinkRefused(code_of(answer) or str(answer.status))
    return decode(answer.body, kind)


# ---- rows ----------------------------------------------------------------------------------------


def keep_upstream(tx: Transaction, keys: ServerKeys, new: NewLink, now_ms: int) -> None:
    """Store the link, and vouch for the upstream to those below; a running server is to reload.

    Raises NameTaken where another upstream is there.
    """
    server = replica_of(new.public)
    found = upstream_of(tx)
    if found is not None and found.server != server:
        raise NameTaken("this server has another upstream; remove it first")
    tx.run("DELETE FROM links WHERE server = ?", [server])
    add_link(tx, new, now_ms)
    tx.run("DELETE FROM known_keys WHERE replica = ?", [server])
    name = new.addresses[0] if new.addresses else "upstream"
    word = vouch(tx, keys.sign, name, "", new.public, new.box_public, now_ms)
    trust = Trust(keys.sign.public, [root.public for root in keys.roots.keys[:-1]])
    trust.load(tx)
    trust.learn(tx, [word], now_ms)


def told_serial(tx: Transaction, server: bytes, serial: int) -> bool:
    """Is a server's word on its keys the newest so far? It is kept in mind then."""
    key = f"keys of {server.hex()}"
    found = tx.rows("SELECT value FROM meta WHERE key = ?", [key])
    if found and int(found[0][0]) > serial:
        return False
    tx.run(
        "INSERT INTO meta (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [key, serial],
    )
    return True


def upstream_of(tx: Transaction) -> Link | None:
    """The link to the upstream, None where there is none."""
    return next((link for link in links(tx) if link.kind == UP), None)


def need_upstream(tx: Transaction) -> Link:
    """The link to the upstream. Raises NotFound where there is none."""
    link = upstream_of(tx)
    if link is None:
        raise NotFound("upstream")
    return link


def remove_upstream(tx: Transaction) -> Link:
    """Give the upstream up; all that came from it stays. Raises NotFound where there is none."""
    link = need_upstream(tx)
    tx.run("DELETE FROM links WHERE server = ?", [link.server])
    tx.run("DELETE FROM peer_points WHERE peer = ?", [f"above {link.server.hex()}"])
    tx.run("UPDATE known_keys SET role = ? WHERE role = ?", [SERVER, UPSTREAM])
    return link
