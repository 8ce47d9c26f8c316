# SPDX-License-Identifier: Apache-2.0
"""Enrolling by ticket: the states a ticket goes through, from its making to a device's certificate.

What lives here: the rows of tickets and the order of steps. What must not: HTTP, drawing of codes,
cryptography (``crypto.ticket``). Invariants
- A ticket is good once: it is bound to the first commitment it sees, spent by a proof that does not
  hold, and used up in the transaction that stores the device.
- Of its secret only hashes are stored.

    open → begun → proved → done            (an officer compares six digits between the last two)
      └──────┴────────┴──→ spent            (a second commitment, a wrong proof, the officer's no)
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from crypto.errors import CryptoError, EnrolmentRefused, TicketRefused, TicketUsed
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.ticket import (
    Ticket,
    TicketVerifier,
    Transcript,
    check_commitment,
    check_enrolment_proof,
    check_usable,
    new_enrolment_nonce,
    new_ticket,
    server_proof,
    six_digits,
)
from server.devices import admit, old_replica_of, succeed
from server.errors import NotFound
from server.journal import note
from server.store.base import Store, Transaction
from server.tiers import admit_server
from server.trust import SERVER, TABLET
from sync.enrolment import Begin, Prove, enrolment_context

OPEN, BEGUN, PROVED, DONE, SPENT = "open", "begun", "proved", "done", "spent"


class Issued(msgspec.Struct, array_like=True, frozen=True):
    """What is stored of a ticket when it is made. ``unattended`` tickets need no officer's yes."""

    verifier: TicketVerifier
    unattended: bool
    by: str
    role: str = TABLET
    area: str = ""


class Asked(msgspec.Struct, array_like=True, frozen=True):
    """What a tablet has said so far under a ticket."""

    commitment: bytes
    server_nonce: bytes
    public: bytes = b""
    box_public: bytes = b""
    name: str = ""
    server_proof: bytes = b""
    succession: bytes | None = None


class Row(NamedTuple):
    """A ticket as it is stored."""

    issued: Issued
    team: str
    state: str
    digits: str
    asked: Asked | None
    device: str


class Progress(NamedTuple):
    """Where an enrolment stands; ``device`` is set once it is done."""

    state: str
    digits: str
    name: str
    team: str
    device: str
    server_proof: bytes


class Server(NamedTuple):
    """What enrolment needs of the server."""

    key: DeviceKey
    box: BoxKey
    tls_pin: bytes


def make_ticket(
    tx: Transaction,
    team: str,
    addresses: tuple[str, ...],
    tls_pin: bytes,
    now_ms: int,
    life_ms: int,
    by: str,
    unattended: bool = False,
) -> tuple[Ticket, str]:
    """Make a ticket for a tablet of a team; the ticket and its id in hex.

    Raises NotFound for an unknown team, TicketRefused for addresses that do not fit.
    """
    if not tx.rows("SELECT 1 FROM teams WHERE id = ?", [team]):
        raise NotFound("team")
    made = new_ticket(addresses, tls_pin, now_ms, life_ms)
    return _keep_ticket(tx, made, Issued(made[1], unattended, by), team, now_ms)


def make_server_ticket(
    tx: Transaction,
    area: str,
    addresses: tuple[str, ...],
    tls_pin: bytes,
    now_ms: int,
    life_ms: int,
    by: str,
    unattended: bool = False,
) -> tuple[Ticket, str]:
    """Make a ticket for a server below this one; ``area`` is what it may read, "" everything.

    Raises TicketRefused for addresses that do not fit.
    """
    made = new_ticket(addresses, tls_pin, now_ms, life_ms)
    return _keep_ticket(tx, made, Issued(made[1], unattended, by, SERVER, area), "", now_ms)


def _keep_ticket(
    tx: Transaction, made: tuple[Ticket, TicketVerifier], issued: Issued, team: str, now_ms: int
) -> tuple[Ticket, str]:
    ticket, verifier = made
    name = verifier.ticket_id.hex()
    tx.run(
        "INSERT INTO tickets (id, secret, team, expires_at_ms, state) VALUES (?, ?, ?, ?, ?)",
        [
            name,
            msgspec.msgpack.encode(issued),
            team,
            verifier.expires_at_ms,
            OPEN,
        ],
    )
    note(tx, now_ms, issued.by, "ticket-made", name, team or issued.area)
    return ticket, name


def _row(tx: Transaction, ticket: bytes) -> Row:
    found = tx.rows(
        "SELECT secret, team, state, digits, request, device FROM tickets WHERE id = ?",
        [ticket.hex()],
    )
    if not found:
        raise TicketRefused("unknown")
    secret, team, state, digits, request, device = found[0]
    return Row(
        msgspec.msgpack.decode(bytes(secret), type=Issued),
        team,
        state,
        digits or "",
        msgspec.msgpack.decode(bytes(request), type=Asked) if request else None,
        device or "",
    )


def _spend(tx: Transaction, ticket: bytes) -> None:
    tx.run("UPDATE tickets SET state = ? WHERE id = ?", [SPENT, ticket.hex()])


def begin(store: Store, message: Begin, now_ms: int) -> bytes:
    """Bind a ticket to a tablet's commitment; the server's nonce (32 bytes).

    The same commitment again gets the same nonce. Raises TicketUsed, TicketExpired, TicketRefused.
    """
    error: CryptoError | None = None
    nonce = b""
    with store.write() as tx:
        row = _row(tx, message.ticket)
        check_usable(row.issued.verifier, now_ms, row.state in (DONE, SPENT))
        if row.asked is None:
            nonce = new_enrolment_nonce()
            tx.run(
                "UPDATE tickets SET state = ?, request = ? WHERE id = ?",
                [
                    BEGUN,
                    msgspec.msgpack.encode(Asked(message.commitment, nonce)),
                    message.ticket.hex(),
                ],
            )
        elif row.asked.commitment == message.commitment:
            nonce = row.asked.server_nonce
        else:
            # Two tablets, or somebody between: nobody gets in with this ticket any more. It is
            # stored before it is told, hence no exception inside the transaction.
            _spend(tx, message.ticket)
            error = TicketUsed("a second commitment")
    if error:
        raise error
    return nonce


def prove(store: Store, server: Server, message: Prove, now_ms: int) -> Progress:
    """Check the tablet's keys and proof, and show six digits; done at once where unattended.

    Raises EnrolmentRefused (the ticket is then spent), TicketUsed, TicketExpired, TicketRefused.
    """
    error: CryptoError | None = None
    with store.write() as tx:
        row = _row(tx, message.ticket)
        if row.state not in (PROVED, DONE):
            check_usable(row.issued.verifier, now_ms, row.state == SPENT)
        if row.asked is None:
            raise EnrolmentRefused("no commitment")
        transcript = Transcript(
            message.ticket,
            server.tls_pin,
            message.sign_public,
            message.box_public,
            message.nonce,
            server.key.public,
            server.box.public,
            row.asked.server_nonce,
            enrolment_context(message.name, message.succession),
        )
        try:
            check_commitment(row.asked.commitment, transcript)
            check_enrolment_proof(row.issued.verifier, transcript, message.proof)
        except CryptoError as refused:
            if row.state == BEGUN:
                _spend(tx, message.ticket)
            error = refused
        else:
            if row.state == BEGUN:
                _keep_proof(tx, row, message, transcript)
                if row.issued.unattended:
                    confirm(tx, server.key, message.ticket.hex(), row.issued.by, now_ms)
    if error:
        raise error
    return progress(store, message.ticket)


def _keep_proof(tx: Transaction, row: Row, message: Prove, transcript: Transcript) -> None:
    if row.asked is None:
        raise EnrolmentRefused("no commitment")
    asked = Asked(
        row.asked.commitment,
        row.asked.server_nonce,
        message.sign_public,
        message.box_public,
        message.name,
        server_proof(row.issued.verifier, transcript),
        message.succession,
    )
    tx.run(
        "UPDATE tickets SET state = ?, digits = ?, request = ? WHERE id = ?",
        [PROVED, six_digits(transcript), msgspec.msgpack.encode(asked), message.ticket.hex()],
    )


def confirm(tx: Transaction, key: DeviceKey, ticket: str, by: str, now_ms: int) -> str:
    """The officer says that the digits agree: the device's id. Raises TicketUsed, TicketExpired."""
    row = _row(tx, bytes.fromhex(ticket))
    check_usable(row.issued.verifier, now_ms, row.state != PROVED)
    if row.asked is None:
        raise TicketRefused("nothing to confirm")
    asked = row.asked
    if asked.succession and _is_known(tx, asked.succession):
        # The tablet goes on under a new key: it stays the device it was.
        device, _ = succeed(tx, key, asked.succession, now_ms)
    elif row.issued.role == SERVER:
        area, public, box_public = row.issued.area, asked.public, asked.box_public
        device, _ = admit_server(tx, key, asked.name, area, public, box_public, now_ms)
    else:
        device, _ = admit(tx, key, asked.name, row.team, asked.public, asked.box_public, now_ms)
    tx.run(
        "UPDATE tickets SET state = ?, used_at_ms = ?, device = ? WHERE id = ?",
        [DONE, now_ms, device, ticket],
    )
    note(tx, now_ms, by, "device-enrolled", device, row.team)
    return device


def _is_known(tx: Transaction, succession: bytes) -> bool:
    old = old_replica_of(succession)
    return bool(tx.rows("SELECT 1 FROM device_keys WHERE replica = ?", [old]))


def refuse(tx: Transaction, ticket: str, by: str, now_ms: int) -> None:
    """The officer says that the digits differ: the ticket is spent."""
    _spend(tx, bytes.fromhex(ticket))
    note(tx, now_ms, by, "enrolment-refused", ticket, "")


def look(store: Store, ticket: bytes) -> Progress:
    """Where an enrolment stands, for the officer. Raises TicketRefused for an unknown ticket."""
    with store.read() as tx:
        return look_in(tx, ticket)


def look_in(tx: Transaction, ticket: bytes) -> Progress:
    """As ``look``, inside a transaction."""
    row = _row(tx, ticket)
    asked = row.asked
    return Progress(
        row.state,
        row.digits,
        asked.name if asked else "",
        row.team,
        row.device,
        asked.server_proof if asked else b"",
    )


def progress(store: Store, ticket: bytes) -> Progress:
    """Where an enrolment stands, for the tablet.

    Raises TicketRefused for an unknown ticket, TicketUsed for a spent one and for one whose tablet
    has been heard of since: it has what it needs, and nobody else should learn the team's names.
    """
    found = look(store, ticket)
    with store.read() as tx:
        heard = found.device and tx.rows(
            "SELECT 1 FROM devices WHERE id = ? AND last_contact_ms IS NOT NULL", [found.device]
        )
    if found.state == SPENT or heard:
        raise TicketUsed("spent")
    return found
