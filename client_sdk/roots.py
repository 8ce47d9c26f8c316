# SPDX-License-Identifier: Apache-2.0
"""The district's root: the one it signs with now, those it had, and going from one to the next.

What lives here: remembering roots and the words that join them, following a new one, the newest
word on the district's keys. What must not: what a root signs (``statements.py``). Invariants
- A root is followed only where the one known so far names it and it agrees.
- What an earlier root signed holds on; whatever is new is signed by the present one.
- The words are kept as they were received, and shown to teammates: one who meets the district
  brings the others there.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from client_sdk.errors import NotEnrolled
from client_sdk.store.base import Store
from crypto.errors import CryptoError, StatementRefused
from crypto.identity import SIGNATURE_BYTES, replica_of
from crypto.statement import ROOTS_MAX, Root, ServerKeys, check_root, check_server_keys
from sync.decoding import MALFORMED
from sync.messages import Statement

ROOT, SERVER_KEYS = "root", "server-keys"
_WORDS, _EARLIER = "root-words", "roots"
_SERIAL, _WORD = "server_keys_serial", "server_keys_word"
_GONE_WITH_ROOT = ("log-head", "log-heard")
"""Heads of the district's log that the old root signed: its successor goes on with the same log,
and the next word on it is remembered anew."""


def roots_of(store: Store) -> dict[bytes, bytes]:
    """Replica → public key of the district's present root and those it had. Raises NotEnrolled."""
    found = store.get("district")
    if found is None:
        raise NotEnrolled("district")
    earlier = [bytes(one) for one in store.get(_EARLIER, [])]
    return {replica_of(public): public for public in [*earlier, bytes(found[0])]}


def root_by(store: Store, statement: bytes, issuer_at: int) -> bytes:
    """The public key of the root that a statement names as its issuer; the present one where it
    names none of them, so that checking fails as it should.

    ``issuer_at`` is the place of the issuer's id among the fields.
    """
    roots = roots_of(store)
    try:
        said = msgspec.msgpack.decode(statement[SIGNATURE_BYTES:])
        return roots.get(said[issuer_at], bytes(store.get("district")[0]))
    except (*MALFORMED, TypeError, LookupError):
        return bytes(store.get("district")[0])


def is_root(statement: bytes) -> bool:
    """Does it look like a word on a root? Nothing is checked."""
    try:
        msgspec.msgpack.decode(statement[2 * SIGNATURE_BYTES :], type=Root)
    except MALFORMED:
        return False
    return True


def take_root(store: Store, statement: bytes) -> bool:
    """Follow a word to the district's new root; True if it is another now. In a transaction.

    One that is known changes nothing. Raises StatementRefused.
    """
    public, box_public, *name = store.get("district")
    words = [bytes(one) for one in store.get(_WORDS, [])]
    if statement in words:
        return False
    if len(words) >= ROOTS_MAX:
        raise StatementRefused("too many roots")
    said = check_root(statement, bytes(public))
    store.put("district", [said.new_public, box_public, *name])
    store.put(_EARLIER, [*store.get(_EARLIER, []), bytes(public)])
    store.put(_WORDS, [*words, statement])
    old, new = replica_of(bytes(public)), replica_of(said.new_public)
    store.run("UPDATE OR REPLACE custody SET holder = ? WHERE holder = ?", (new, old))
    for key in _GONE_WITH_ROOT:
        store.put(key, b"")
    return True


def take_server_keys(store: Store, data: bytes) -> ServerKeys | None:
    """The district's word on its keys, if it is the newest: what is sealed from now on is sealed to
    its box key, and its TLS key is known by its pin. None where it is not. In a transaction.

    Raises StatementRefused for anyone else's.
    """
    public, _, *name = store.get("district")
    said = check_server_keys(data, bytes(public))
    if said.serial <= store.get(_SERIAL, 0):
        return None
    store.put("district", [public, said.box_public, *name])
    store.put(_SERIAL, said.serial)
    store.put(_WORD, data)
    if store.get("pin", b"") and store.get("pin") not in said.pins and any(said.pins[0]):
        store.put("pin", said.pins[0])
    return said


def take_keys(store: Store, statement: bytes) -> bool:
    """Is it a word on the district's root or keys? It is gone by then, where it holds."""
    try:
        if is_root(statement):
            take_root(store, statement)
            return True
        msgspec.msgpack.decode(statement[SIGNATURE_BYTES:], type=ServerKeys)
        take_server_keys(store, statement)
    except StatementRefused:
        # Of another district, or from before the root that is known here.
        return True
    except MALFORMED:
        return False
    return True


def told_to_teammate(store: Store) -> list[Statement]:
    """What leads a teammate to the district's present keys."""
    out: list[Statement] = [(ROOT, bytes(word)) for word in store.get(_WORDS, [])]
    word = store.get(_WORD, b"")
    return [*out, (SERVER_KEYS, word)] if word else out


def root_words(store: Store) -> list[bytes]:
    """The words that lead from the root this tablet was enrolled under to the present one."""
    return [bytes(word) for word in store.get(_WORDS, [])]


def hear(store: Store, statements: Iterable[Statement]) -> None:
    """Take in what a teammate knows of the district's keys; what does not hold is left."""
    for kind, data in statements:
        try:
            if kind == ROOT:
                take_root(store, data)
            elif kind == SERVER_KEYS:
                take_server_keys(store, data)
        except CryptoError:
            continue


def follow(store: Store, statements: Iterable[bytes], seen: bytes) -> bool:
    """Go by what the district's server says of its keys; True if it is worth asking it again.

    ``seen`` is the pin of the TLS key it shows: it is believed only where a word names it.
    """
    changed = False
    with store.transaction():
        for statement in statements:
            try:
                if is_root(statement):
                    changed |= take_root(store, statement)
                    continue
                said = take_server_keys(store, statement)
                named = said or check_server_keys(statement, bytes(store.get("district")[0]))
                known = named.serial == store.get(_SERIAL, 0)
                if known and seen in named.pins and store.get("pin") != seen:
                    store.put("pin", seen)
                changed |= said is not None
            except CryptoError:
                continue
    return changed
