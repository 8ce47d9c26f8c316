# SPDX-License-Identifier: Apache-2.0
"""Whose signatures hold: the chain of statements from this server's key to any writer of its tree.

What lives here: learning certificates and successions of others, and finding those that lead to a
writer. What must not: what a signature is over, and this server's own tablets (``devices.py``).
Invariants
- A key is used only after a statement was checked that leads to this server's own key.
- Below a server stands whom it certified; above this server whom it vouches for itself, and whom
  one above it vouches for. Nobody below can say who stands above.
- Pages and certificates are signed by a server's first key alone, never by one that succeeded it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from crypto.certificate import Certificate, Succession, check_certificate, check_succession
from crypto.errors import CryptoError
from crypto.identity import SIGNATURE_BYTES, replica_of, verify
from crypto.signed import STATEMENT_BYTES_MAX
from crypto.statement import Root, check_root
from server.errors import DeviceUnknown
from server.store.base import Transaction
from sync.decoding import MALFORMED

TABLET: Final = "tablet"
SERVER: Final = "server"
UPSTREAM: Final = "upstream"
FIRST, LATER = "first", "later"
"""A certified key, and one that a succession names."""
SERVERS_SEQ = "servers_seq"
SERVERS_MAX = 2_000
"""Servers of one tree: a province has about 150 districts, and some 1,500 streets."""
KEYS_LEARNED_MAX = 1_000_000
"""Keys of a province's tablets over many years; more are not taken in."""


class Key(NamedTuple):
    """A key that holds. ``device`` names its line: the first replica, in hexadecimal."""

    replica: bytes
    public: bytes
    role: str
    line: str
    device: str
    name: str
    team: str
    area: str


class Trust:
    """All keys this server knows, and by what."""

    def __init__(self, public: bytes, earlier: Iterable[bytes] = ()) -> None:
        self.me = replica_of(public)
        self._own = Key(self.me, public, SERVER, FIRST, self.me.hex(), "", "", "")
        roots = [self._own._replace(replica=replica_of(one), public=one) for one in earlier]
        self._roots = {key.replica: key for key in [self._own, *roots]}
        """The server's present root, and those it succeeded: what they signed holds."""
        self.keys: dict[bytes, Key] = dict(self._roots)

    def load(self, tx: Transaction) -> None:
        """Read all keys again."""
        keys = dict(self._roots)
        for replica, public in tx.rows("SELECT replica, public FROM server_keys"):
            key = self._own._replace(replica=bytes(replica), public=bytes(public), line=LATER)
            keys.setdefault(key.replica, key)
        for replica, public, device, name, team, role, area, succession in tx.rows(
            "SELECT k.replica, k.public, k.device, d.name, d.team, d.role, d.area, k.succession"
            " FROM device_keys k JOIN devices d ON d.id = k.device"
        ):
            # A server's new root has a certificate of its own; what a succession names has not.
            renewed = role == SERVER and succession is None
            line = FIRST if renewed or bytes(replica).hex() == device else LATER
            key = Key(bytes(replica), bytes(public), role, line, device, name, team, area)
            keys.setdefault(key.replica, key)
        for replica, public, role, line, device, name, team, area in tx.rows(
            "SELECT replica, public, role, line, device, name, team, area FROM known_keys"
        ):
            key = Key(bytes(replica), bytes(public), role, line, device, name, team, area)
            keys.setdefault(key.replica, key)
        self.keys = keys

    def signs_pages(self, replica: bytes) -> bytes | None:
        """The public key of a server of the tree, None for anyone else."""
        found = self.keys.get(replica)
        if found is None or found.line != FIRST or found.role == TABLET:
            return None
        return found.public

    def knows(self, replica: bytes) -> bool:
        """Is this replica's key known?"""
        return replica in self.keys

    def verify_feed(self, replica: bytes, message: bytes, signature: bytes) -> None:
        """Check the signature of a feed's head, by a tablet or a server of the tree."""
        found = self.keys.get(replica)
        if found is None:
            raise DeviceUnknown(replica.hex())
        verify(found.public, b"segment", message, signature)

    def verify_page(self, replica: bytes, message: bytes, signature: bytes) -> None:
        """Check the signature of a page, by a server of the tree."""
        self._verify_server(b"page", replica, message, signature)

    def verify_receipts(self, replica: bytes, message: bytes, signature: bytes) -> None:
        """Check the signature of receipts, by a server of the tree."""
        self._verify_server(b"receipts", replica, message, signature)

    def _verify_server(
        self, purpose: bytes, replica: bytes, message: bytes, signature: bytes
    ) -> None:
        public = self.signs_pages(replica)
        if public is None:
            raise DeviceUnknown(replica.hex())
        verify(public, purpose, message, signature)

    def line_of(self, device: str) -> list[bytes]:
        """All replicas that one tablet or server is known to have written as."""
        return [key.replica for key in self.keys.values() if key.device == device]

    # ---- learning --------------------------------------------------------------------------------

    def learn(self, tx: Transaction, statements: Iterable[bytes], now_ms: int) -> bool:
        """Take in what leads to this server's key; anything else is left out. True if some did.

        Inside a transaction; where that is undone, ``load`` is to be called.
        """
        number = -1
        for statement in statements:
            found = self._read(statement)
            if found is None or found[0].replica in self.keys:
                continue
            key, parent, box_public = found
            if len(self.keys) >= KEYS_LEARNED_MAX:
                break
            if number < 0:
                number = int(tx.rows("SELECT coalesce(max(n), 0) FROM known_keys")[0][0])
            number += 1
            tx.run(
                "INSERT INTO known_keys (replica, n, public, box_public, parent, role, line,"
                " device, name, team, area, statement, since_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    key.replica,
                    number,
                    key.public,
                    box_public,
                    parent,
                    key.role,
                    key.line,
                    key.device,
                    key.name,
                    key.team,
                    key.area,
                    statement,
                    now_ms,
                ],
            )
            self.keys[key.replica] = key
            if key.role != TABLET and key.line == FIRST:
                note_servers(tx)
        return number >= 0

    def _read(self, statement: bytes) -> tuple[Key, bytes, bytes] | None:
        """A statement that holds: the key, whose word it is, the box key; else None."""
        if len(statement) > STATEMENT_BYTES_MAX:
            return None
        try:
            said = msgspec.msgpack.decode(statement[SIGNATURE_BYTES:], type=Certificate)
        except MALFORMED:
            return self._read_succession(statement)
        issuer = self.keys.get(said.issuer)
        if issuer is None or not self._may_say(issuer, said):
            return None
        try:
            check_certificate(statement, issuer.public)
        except CryptoError:
            return None
        key = Key(
            said.replica,
            said.public,
            said.role,
            FIRST,
            said.replica.hex(),
            said.name,
            said.team,
            said.area,
        )
        return key, issuer.replica, said.box_public

    def _may_say(self, issuer: Key, said: Certificate) -> bool:
        if issuer.line != FIRST or issuer.role == TABLET:
            return False
        if said.role == UPSTREAM:
            return issuer.replica in self._roots or issuer.role == UPSTREAM
        # A tablet has a team and no area of its own.
        return said.role == TABLET or said.area.startswith(issuer.area)

    def _read_succession(self, statement: bytes) -> tuple[Key, bytes, bytes] | None:
        try:
            said = msgspec.msgpack.decode(statement[2 * SIGNATURE_BYTES :], type=Succession)
            old = self.keys.get(said.old_replica)
            if old is None:
                return None
            said = check_succession(statement, old.public)
        except MALFORMED:
            return self._read_root(statement)
        except CryptoError:
            return None
        key = old._replace(replica=said.new_replica, public=said.new_public, line=LATER)
        return key, old.replica, said.new_box_public

    def _read_root(self, statement: bytes) -> tuple[Key, bytes, bytes] | None:
        """A server's root and its successor, who both signed: from either to the other."""
        said = root_said(statement)
        if said is None:
            return None
        for known, other in (
            (said.old_public, said.new_public),
            (said.new_public, said.old_public),
        ):
            try:
                found = self.keys.get(replica_of(known))
                if found is None or found.line != FIRST or found.role == TABLET:
                    continue
                if replica_of(other) in self.keys:
                    return None
                check_root(statement, said.old_public)
            except CryptoError:
                # Also a key that nobody may use: its replica is not even asked for.
                return None
            key = found._replace(replica=replica_of(other), public=other)
            return key, found.replica, b""
        return None


def root_said(statement: bytes) -> Root | None:
    """What a statement says if it is a word on a root; nothing is checked yet."""
    try:
        return msgspec.msgpack.decode(statement[2 * SIGNATURE_BYTES :], type=Root)
    except MALFORMED:
        return None


def note_servers(tx: Transaction) -> None:
    """A server became known: those who stand before this commit are to hear of all again."""
    tx.run(
        "INSERT INTO meta (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [SERVERS_SEQ, tx.next_seq()],
    )


def servers_after(tx: Transaction, me: bytes, seq: int) -> list[bytes]:
    """The statements of all servers of the tree, where one became known after this commit."""
    found = tx.rows("SELECT value FROM meta WHERE key = ?", [SERVERS_SEQ])
    if not found or int(found[0][0]) <= seq:
        return []
    known = tx.rows(
        "SELECT replica FROM known_keys WHERE role != ? AND line = ? ORDER BY n LIMIT ?",
        [TABLET, FIRST, SERVERS_MAX],
    )
    below = tx.rows("SELECT id FROM devices WHERE role = ? AND state = 'active'", [SERVER])
    replicas = [bytes(r[0]) for r in known] + [bytes.fromhex(r[0]) for r in below]
    return keys_for(tx, me, replicas)


def keys_for(tx: Transaction, me: bytes, replicas: Sequence[bytes]) -> list[bytes]:
    """The statements that lead from this server's key to these replicas, each after what it rests
    on."""
    out: dict[bytes, bytes] = {}
    for replica in replicas:
        line: list[tuple[bytes, bytes]] = []
        at: bytes | None = replica
        while at is not None and at != me and at not in out:
            statement, parent = _statement(tx, at)
            if statement is None:
                break
            line.append((at, statement))
            at = parent
        for one, statement in reversed(line):
            out[one] = statement
    return list(out.values())


def _statement(tx: Transaction, replica: bytes) -> tuple[bytes | None, bytes | None]:
    """The statement that names a replica, and whose word it is; no parent where it is ours."""
    found = tx.rows("SELECT certificate FROM device_keys WHERE replica = ?", [replica])
    if found:
        return bytes(found[0][0]), None
    found = tx.rows("SELECT statement, parent FROM known_keys WHERE replica = ?", [replica])
    if found:
        return bytes(found[0][0]), bytes(found[0][1])
    found = tx.rows("SELECT proof FROM server_keys WHERE replica = ?", [replica])
    if found and found[0][0] is not None:
        proof = bytes(found[0][0])
        said = msgspec.msgpack.decode(proof[2 * SIGNATURE_BYTES :], type=Succession)
        return proof, said.old_replica
    return None, None
