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

from crypto.certificate import check_certificate
from crypto.errors import CryptoError, EnrolmentRefused
from crypto.identity import replica_of
from server.errors import LinkDown, LinkRefused, LinkWrong, NameTaken, NotFound
from server.keys import ServerKeys
from server.store.base import Transaction
from server.tiers import vouch
from server.trust import SERVER, UPSTREAM, Trust
from server.uplinks import UPSTREAM as UP
from server.uplinks import Link, NewLink, add_link, links
from sync.carry.enrolling import Asking, Invitation, ShowDigits, go_through, invitation
from sync.carry.line import Line


def read_invitation(code: str, address: str = "") -> Invitation:
    """Read a ticket's text, or a typed code together with the upstream's address.

    Raises TicketUnreadable, NotFound where a typed code comes without an address.
    """
    return invitation(code, address, NotFound)


def join(keys: ServerKeys, invited: Invitation, name: str, show_digits: ShowDigits) -> NewLink:
    """Go through all steps; returns when somebody at the upstream has confirmed the digits.

    Raises LinkDown, LinkRefused, LinkWrong, PinMismatch, EnrolmentRefused.
    """
    who = Asking(
        keys.sign.public,
        keys.box.public,
        name,
        None,
        lambda status, told: LinkRefused(told or str(status)),
        EnrolmentRefused,
        LinkDown,
    )
    line = Line(invited.addresses, invited.pin, LinkDown)
    try:
        enrolled, transcript = go_through(line, invited.secret, who, show_digits)
    finally:
        line.close()
    try:
        said = check_certificate(enrolled.certificate, transcript.server_public)
    except CryptoError as error:
        raise LinkWrong(error.code) from error
    if said.public != keys.sign.public or said.role != SERVER:
        raise LinkWrong("a certificate of another kind: the ticket is for a tablet")
    return NewLink(
        UP,
        "",
        transcript.server_public,
        transcript.server_box_public,
        tuple(dict.fromkeys(invited.addresses)),
        transcript.tls_pin,
        enrolled.certificate,
        said.area,
        enrolled.nonce,
    )


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
