# SPDX-License-Identifier: Apache-2.0
"""Whose signatures hold: certificates of the district, and the successions that follow them.

What lives here: the chain from the district's key to the key of any writer, and going on under a
new key of one's own. What must not: what a signature is over. Invariant: a public key is used only
after a statement that leads to the district was checked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import msgspec

from client_sdk.authority import TABLET, authority, checked_certificate, known_server
from client_sdk.errors import NotEnrolled, PeerUnknown
from client_sdk.roots import root_by, roots_of, take_keys
from client_sdk.store.base import Chain, Store
from crypto.certificate import (
    Certificate,
    Succession,
    check_certificate,
    check_succession,
    issue_succession,
)
from crypto.errors import CryptoError
from crypto.identity import SIGNATURE_BYTES, DeviceKey, replica_of, verify
from sync.decoding import MALFORMED
from sync.feed import Verify, genesis

SEGMENT, PAGE, RECEIPTS = b"segment", b"page", b"receipts"
STATEMENTS_MAX = 512
"""Statements one teammate may show: a district's tablets and their successions."""
SUCCESSIONS = "successions"
SUCCESSIONS_MAX = 128
"""Successions of teammates kept beside the certificates that followed them, the newest: keys of the
feeds one tablet carries."""
_BODY_AT = 2 * SIGNATURE_BYTES


class District(msgspec.Struct, frozen=True, array_like=True):
    """The server a tablet belongs to: its signing key (32 bytes) and its box key (1,216 bytes)."""

    public: bytes
    box_public: bytes
    name: str = ""

    @property
    def replica(self) -> bytes:
        """Its replica id, 16 bytes."""
        return replica_of(self.public)


def district_of(store: Store) -> District:
    """The district this tablet is enrolled with. Raises NotEnrolled."""
    found = store.get("district")
    if found is None:
        raise NotEnrolled("district")
    return District(found[0], found[1], found[2])


def certificate_of(store: Store) -> Certificate | None:
    """This tablet's own certificate, or None where it has none."""
    found = store.get("certificate")
    return check_certificate(found, root_by(store, found, 7)) if found else None


def learn(store: Store, statements: Iterable[bytes]) -> list[bytes]:
    """Check statements, each resting on the district or one before it; returns replicas now known.

    Raises PeerUnknown for one that does not hold.
    """
    learnt = []
    for number, statement in enumerate(statements):
        if number >= STATEMENTS_MAX:
            raise PeerUnknown("too many statements")
        if take_keys(store, statement):
            continue
        found = store.one("SELECT replica FROM devices WHERE statement = ?", (statement,))
        if found is not None:
            learnt.append(found[0])
            continue
        learnt.append(_learn_succession(store, statement) or _learn_one(store, statement))
    return learnt


def _learn_succession(store: Store, statement: bytes) -> bytes | None:
    """Keep a succession whose new key is certified already: a server that is set back to before it
    knows the tablet by the old key alone, and the certificate does not name that one."""
    kept = [bytes(one) for one in store.get(SUCCESSIONS, [])]
    try:
        named = msgspec.msgpack.decode(statement[_BODY_AT:], type=Succession)
    except MALFORMED:
        return None
    sql = "SELECT 1 FROM devices WHERE replica = ? AND told = 1"
    if store.one(sql, (named.new_replica,)) is None:
        return None
    if statement not in kept:
        _succession_row(store, statement)
        store.put(SUCCESSIONS, [*kept, statement][-SUCCESSIONS_MAX:])
    return named.new_replica


def successions_to(store: Store, replicas: Iterable[bytes]) -> list[bytes]:
    """The successions heard of that lead to these keys, each after the one it rests on."""
    by_new: dict[bytes, tuple[bytes, bytes]] = {}
    for statement in store.get(SUCCESSIONS, []):
        named = msgspec.msgpack.decode(statement[_BODY_AT:], type=Succession)
        by_new[named.new_replica] = (named.old_replica, statement)
    out: list[bytes] = []
    for replica in replicas:
        line, at = [], replica
        while at in by_new:
            at, statement = by_new.pop(at)
            line.append(statement)
        out += reversed(line)
    return out


def learn_server(store: Store, statement: bytes) -> None:
    """Take in a server of the tree that the district names; one whose statement rests on a server
    not known here is left out. Inside a transaction."""
    try:
        said = checked_certificate(store, statement)
    except CryptoError:
        return
    if said.role != TABLET:
        _learn_one(store, statement)


def _learn_one(store: Store, statement: bytes) -> bytes:
    known = known_server(store, statement)
    if known is not None:
        # Two who vouch for one server do so in different words; one that holds is enough.
        return known
    try:
        said = checked_certificate(store, statement)
        parent = b"" if said.issuer in roots_of(store) else said.issuer
        row = (said.replica, said.public, parent, said.name, statement, 1)
    except CryptoError:
        row = (*_succession_row(store, statement), 0)
    store.run(
        "INSERT OR REPLACE INTO devices (replica, public, parent, name, statement, told) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        row,
    )
    return row[0]


def _succession_row(store: Store, statement: bytes) -> tuple[bytes, bytes, bytes, str, bytes]:
    try:
        named = msgspec.msgpack.decode(statement[_BODY_AT:], type=Succession)
        known = store.one(
            "SELECT public, name, replica FROM devices WHERE replica = ?", (named.old_replica,)
        )
        if known is None:
            raise PeerUnknown("no certificate")
        succession = check_succession(statement, known[0])
    except (*MALFORMED, CryptoError) as error:
        raise PeerUnknown("statement") from error
    return succession.new_replica, succession.new_public, known[2], known[1], statement


def public_of(store: Store, replica: bytes) -> bytes:
    """The checked public key of a replica. Raises PeerUnknown."""
    root = roots_of(store).get(replica)
    if root is not None:
        return root
    found = store.one("SELECT public FROM devices WHERE replica = ?", (replica,))
    if found is None:
        raise PeerUnknown(replica.hex())
    return bytes(found[0])


def box_public_of(store: Store, replica: bytes) -> bytes:
    """The box key of a replica, from the statement that was checked. Raises PeerUnknown."""
    district = district_of(store)
    if replica == district.replica:
        return district.box_public
    found = store.one("SELECT statement FROM devices WHERE replica = ?", (replica,))
    if found is None:
        raise PeerUnknown(replica.hex())
    # It was checked when it was learnt, by whichever server of the tree issued it; a succession has
    # two signatures before its body.
    with contextlib.suppress(*MALFORMED):
        named = msgspec.msgpack.decode(found[0][SIGNATURE_BYTES:], type=Certificate)
        return named.box_public
    return msgspec.msgpack.decode(found[0][_BODY_AT:], type=Succession).new_box_public


def verifier(store: Store, purpose: bytes) -> Verify:
    """A function that checks signatures under one purpose, of anyone known here.

    Pages and receipts are signed by servers alone.
    """

    def check(replica: bytes, message: bytes, signature: bytes) -> None:
        if purpose == SEGMENT:
            public = public_of(store, replica)
        else:
            server = authority(store, replica)
            if server is None:
                raise PeerUnknown(replica.hex())
            public = server.public
        verify(public, purpose, message, signature)

    return check


def statements_for(store: Store, replicas: Iterable[bytes]) -> list[bytes]:
    """The statements that lead from the district to these replicas, in an order that can be
    checked."""
    out: list[bytes] = []
    done: set[bytes] = set()
    for replica in replicas:
        line = []
        at = replica
        while at and at not in done:
            found = store.one("SELECT parent, statement FROM devices WHERE replica = ?", (at,))
            if found is None:
                break
            done.add(at)
            line.append(found[1])
            at = found[0]
        out += reversed(line)
    return out


def name_of(store: Store, replica: bytes) -> str:
    """What a replica's device is called; empty where it is not known."""
    found = store.one("SELECT name FROM devices WHERE replica = ?", (replica,))
    if found:
        return str(found[0])
    known = store.get("district")
    if known is not None and replica_of(known[0]) == replica:
        return str(known[2])
    return ""


def succeed(store: Store) -> Chain:
    """Go on as a new replica: a new key, signed by the old one, and an empty feed of its own.

    For a store that is a copy or was set back, and for Law 5. Inside a transaction.
    """
    old_key, old = store.key, store.chain
    new_key = DeviceKey.from_private(store.entropy(32))
    statement = issue_succession(old_key, new_key, store.box.public, old.counter, old.head)
    store.run(
        "INSERT INTO replicas (replica, private, statement) VALUES (?, ?, ?)",
        (new_key.replica, new_key.private, statement),
    )
    store.run(
        "INSERT INTO devices (replica, public, parent, name, statement) VALUES (?, ?, ?, ?, ?)",
        (new_key.replica, new_key.public, old.replica, name_of(store, old.replica), statement),
    )
    chain = Chain(new_key.replica, 0, genesis(new_key.replica), old.stamp)
    store.set_chain(chain)
    store.forget_key()
    return chain


def untold_successions(store: Store) -> list[bytes]:
    """Successions the server was not yet told of, oldest first.

    Those of tablets of other districts are not for this one to certify.
    """
    replicas = [
        row[0]
        for row in store.rows("SELECT replica FROM devices WHERE told = 0 AND parent != x''")
        if _is_of_district(store, row[0])
    ]
    certificates = {
        row[0] for row in store.rows("SELECT statement FROM devices WHERE parent = x'' OR told = 1")
    }
    return [s for s in statements_for(store, replicas) if s not in certificates]


def _is_of_district(store: Store, replica: bytes) -> bool:
    at = replica
    while at:
        found = store.one("SELECT parent FROM devices WHERE replica = ?", (at,))
        if found is None or authority(store, at) is not None:
            return False
        at = found[0]
    return True


def mark_certified(store: Store, certificate: Certificate, statement: bytes) -> None:
    """The district itself says now what a succession said: keep its checked certificate instead."""
    store.run(
        "UPDATE devices SET told = 1, parent = x'', name = ?, statement = ? WHERE replica = ?",
        (certificate.name, statement, certificate.replica),
    )


def own_replicas(store: Store) -> list[bytes]:
    """All replicas this store wrote as, the present one included."""
    return [row[0] for row in store.rows("SELECT replica FROM replicas")]


def own_successions(store: Store) -> list[bytes]:
    """The successions that lead to the present key, oldest first, told or not."""
    by_new: dict[bytes, tuple[bytes, bytes]] = {}
    for replica, statement in store.rows("SELECT replica, statement FROM replicas"):
        try:
            named = msgspec.msgpack.decode(statement[_BODY_AT:], type=Succession)
        except MALFORMED:
            # The first key has a certificate, or nothing, in place of a succession.
            continue
        by_new[replica] = (named.old_replica, statement)
    out: list[bytes] = []
    at = store.chain.replica
    while at in by_new:
        at, statement = by_new.pop(at)
        out.append(statement)
    return out[::-1]
