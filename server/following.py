# SPDX-License-Identifier: Apache-2.0
"""Keys of the servers above and below as they are renewed: told with an exchange, or found again.

What lives here: the words that go up and down, going by them. What must not: when an exchange is
tried (``climbing.py``). Invariant: only the words of a root that was known before count.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from crypto.certificate import Certificate, check_certificate, issue_certificate
from crypto.errors import CryptoError, PinMismatch
from crypto.identity import SIGNATURE_BYTES, replica_of
from crypto.statement import ServerKeys, check_root, check_server_keys
from server.devices import RENEWED_AFTER_MS
from server.errors import LinkRefused, LinkWrong
from server.journal import note
from server.roots import Roots
from server.statements import AGAIN_MS, CERTIFICATE, SERVER_KEYS
from server.store.base import Transaction
from server.tiers import vouch
from server.trust import SERVER, Trust, note_servers
from server.uplinks import Link
from server.upstream import need_upstream, told_serial
from sync.carry.standing import Standing
from sync.messages import Statement

if TYPE_CHECKING:
    from server.district import District

LOST = frozenset({PinMismatch.code, LinkRefused.code, LinkWrong.code})
"""What an exchange with an upstream comes to that has other keys than are known here."""


def follow_upstream(
    tx: Transaction, roots: Roots, statements: Sequence[bytes], seen: bytes, now_ms: int
) -> bool:
    """Go on with an upstream that has another root, TLS key or box key, by its own words.

    ``seen`` is the pin of the key that its server shows, empty where that is not known. True if
    the link is another now; nothing changes where the words do not lead there from what is known.
    """
    link = need_upstream(tx)
    public = link.public
    word: ServerKeys | None = None
    for statement in statements:
        with suppress(CryptoError):
            public = check_root(statement, public).new_public
            continue
        with suppress(CryptoError):
            word = check_server_keys(statement, public)
    pin, box = link.pin, link.box_public
    # An older word never comes back: who stole the key that it names would be believed again.
    if word is not None and told_serial(tx, link.server, word.serial):
        pin, box = (seen if seen in word.pins else word.pins[0]), word.box_public
    if (public, pin, box) == (link.public, link.pin, link.box_public):
        return False
    server = replica_of(public)
    tx.run(
        "UPDATE links SET server = ?, public = ?, box_public = ?, pin = ? WHERE server = ?",
        [server, public, box, pin, link.server],
    )
    if server != link.server:
        peers = [f"above {server.hex()}", f"above {link.server.hex()}"]
        tx.run("UPDATE peer_points SET peer = ? WHERE peer = ?", peers)
        if word is not None:
            told_serial(tx, server, word.serial)
        trust = Trust(roots.present.public, [root.public for root in roots.keys[:-1]])
        trust.load(tx)
        # The old root stays known by the word for the new one: what it signed holds.
        name = link.addresses[0] if link.addresses else "upstream"
        said = vouch(tx, roots.present, name, "", public, box, now_ms)
        trust.learn(tx, [said], now_ms)
        note_servers(tx)
    note(tx, now_ms, "", "upstream-keys", link.server.hex(), server.hex())
    return True


def find_again(district: District, said: Standing) -> Link | None:
    """The link by what the upstream says of its keys; None where that tells nothing new."""
    with district.writing() as tx:
        now_ms = district.clock()
        if not follow_upstream(tx, district.roots, said.statements, said.seen, now_ms):
            return None
        link = need_upstream(tx)
    district.reload()
    return link


# ---- with every exchange -------------------------------------------------------------------------


def told_above(district: District) -> list[Statement]:
    """What this server says of its keys to the one above."""
    word, _ = district.boxes.word(district.key)
    return [(SERVER_KEYS, word)] if word else []


def told_below(tx: Transaction, district: District, device: str, now_ms: int) -> list[Statement]:
    """What a server below is told: this one's keys, and its own certificate, issued anew after a
    year or under another root."""
    out = told_above(district)
    found = tx.rows(
        "SELECT k.replica, k.certificate, d.name, d.area, d.box_public FROM device_keys k"
        " JOIN devices d ON d.id = k.device WHERE d.id = ? AND d.role = 'server'"
        " AND k.succession IS NULL ORDER BY k.since_ms DESC LIMIT 1",
        [device],
    )
    for replica, statement, name, area, box_public in found:
        said = msgspec.msgpack.decode(bytes(statement)[SIGNATURE_BYTES:], type=Certificate)
        same = (said.name, said.area, said.box_public) == (name, area, bytes(box_public))
        age_ms = now_ms - said.issued_at_ms
        if same and said.issuer == district.key.replica and age_ms < RENEWED_AFTER_MS:
            # The reply that told of it may have been lost.
            return [*out, (CERTIFICATE, bytes(statement))] if age_ms < AGAIN_MS else out
        serial = int(tx.rows("SELECT count(*) FROM device_keys")[0][0]) + 1
        body = msgspec.structs.replace(
            said,
            box_public=bytes(box_public),
            name=name,
            area=area,
            serial=serial,
            issued_at_ms=now_ms,
            issuer=district.key.replica,
        )
        fresh = issue_certificate(district.key, body)
        tx.run("UPDATE device_keys SET certificate = ? WHERE replica = ?", [fresh, replica])
        out.append((CERTIFICATE, fresh))
    return out


def hear_above(
    tx: Transaction, district: District, link: Link, statements: Sequence[Statement], now_ms: int
) -> Link:
    """Take in what the upstream says of its keys and of this server; the link as it is then."""
    for kind, data in statements:
        if kind == SERVER_KEYS:
            with suppress(CryptoError):
                word = check_server_keys(data, link.public)
                if told_serial(tx, link.server, word.serial):
                    link = link._replace(box_public=word.box_public)
        elif kind == CERTIFICATE:
            with suppress(CryptoError):
                said = check_certificate(data, link.public)
                if said.public == district.key.public and said.role == SERVER:
                    link = link._replace(certificate=data, area=said.area)
    tx.run(
        "UPDATE links SET box_public = ?, certificate = ?, area = ? WHERE server = ?",
        [link.box_public, link.certificate, link.area, link.server],
    )
    return link


def hear_below(tx: Transaction, device: str, statements: Sequence[Statement]) -> None:
    """Take in what a server below says of its keys: what is sealed to it is sealed to the present
    one."""
    found = tx.rows(
        "SELECT public FROM device_keys WHERE device = ? AND succession IS NULL"
        " ORDER BY since_ms DESC LIMIT 1",
        [device],
    )
    public = bytes(found[0][0]) if found else b""
    for kind, data in statements:
        if kind == SERVER_KEYS:
            with suppress(CryptoError):
                word = check_server_keys(data, public)
                if told_serial(tx, bytes.fromhex(device), word.serial):
                    tx.run(
                        "UPDATE devices SET box_public = ? WHERE id = ? AND role = 'server'",
                        [word.box_public, device],
                    )
