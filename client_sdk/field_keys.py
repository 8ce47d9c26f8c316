# SPDX-License-Identifier: Apache-2.0
"""The field keys of this tablet: asked for, taken in, passed to teammates, dropped.

What lives here: the statements of requests, replies and greetings that are about them, and what the
store keeps. What must not: sealing and opening (``sealed.py``). Invariants
- What this tablet may have is what the newest ring says that the district signed for its team; a
  key that it does not name is dropped, and search texts made with it are made anew.
- A key counts by its id, which commits to it: whoever hands it over, it is the one the ring names.
- A teammate is given keys only with its team's ring, wrapped for the box key of its certificate,
  and none that was revoked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from client_sdk.devices import certificate_of
from client_sdk.revoked import is_revoked
from client_sdk.roots import root_by
from client_sdk.scope import SCRUB
from client_sdk.store.base import Store
from client_sdk.store.records import drop_stale_texts, from_json
from crypto.certificate import Certificate, check_certificate
from crypto.errors import CryptoError, SealRefused
from crypto.field import KEYS_WRAPPED_MAX, FieldKey, key_id, unwrap_keys, wrap_keys
from crypto.ring import Ring, check_ring
from crypto.seal import BoxKey
from sync.errors import ChangeInvalid
from sync.messages import Statement
from sync.sealing import (
    FIELD_KEYS,
    FIELD_RING,
    LACKING_MAX,
    SEALED,
    WANTED_MAX,
    FieldKeysSaid,
    encode_value,
    is_sealed,
    key_named,
)

_RING, _KEYS, _WANTED = "field_ring", "field_keys", "field_keys_wanted"


def ring_of(store: Store) -> Ring | None:
    """The ring this tablet goes by; None before it has one."""
    data = store.get(_RING)
    return msgspec.msgpack.decode(data[1], type=Ring) if data else None


def secrets_of(store: Store) -> list[bytes]:
    """The keys held, 32 bytes each."""
    found: list[bytes] = store.get(_KEYS, [])
    return found


# -- the exchange with the district -----------------------------------------------------------


def said(store: Store) -> Statement:
    """What a request says: the ring held, keys it names that are lacking, keys met and not
    named."""
    ring = ring_of(store)
    digest, lacking = b"", list[bytes]()
    if ring is not None:
        digest, have = ring.digest(), {key_id(secret) for secret in secrets_of(store)}
        lacking = [one for one in ring.ids() if one not in have][:LACKING_MAX]
    wanted = [(one, record) for one, record in store.get(_WANTED, [])][:WANTED_MAX]
    return FIELD_KEYS, encode_value(FieldKeysSaid(digest, lacking, wanted))


def take_ring(store: Store, data: bytes) -> bool:
    """Go by a ring, if it is newer than the one held and this team's. Raises StatementRefused.

    Inside a transaction. True if it is another than the one held.
    """
    ring, held = check_ring(data, root_by(store, data, 1)), ring_of(store)
    certificate = certificate_of(store)
    if certificate is None or ring.team != certificate.team:
        return False
    if held is not None and held.issued_at_ms >= ring.issued_at_ms:
        return False
    store.put(_RING, [data, msgspec.msgpack.encode(ring)])
    if held is None or held.digest() != ring.digest():
        named = ring.ids()
        store.put(_KEYS, [s for s in secrets_of(store) if key_id(s) in named])
        _look_again(store)
        return True
    return False


def take_keys(store: Store, box_keys: Iterable[BoxKey], data: bytes) -> int:
    """Take in keys wrapped for this tablet, those its ring names; how many are new.

    Raises SealRefused where it is wrapped for none of its box keys.
    """
    ring = ring_of(store)
    named = ring.ids() if ring is not None else {}
    found: list[FieldKey] | None = None
    for box in box_keys:
        try:
            found = unwrap_keys(box, data, named)
            break
        except SealRefused:
            continue
    if found is None:
        raise SealRefused("field keys of another tablet")
    held = secrets_of(store)
    fresh = [key.secret for key in found if key.secret not in held]
    if fresh:
        store.put(_KEYS, [*held, *fresh])
        _look_again(store)
    return len(fresh)


def _look_again(store: Store) -> None:
    """What can be read of sealed values changed: search texts, and which keys are wanted.

    Texts made with a key that went go at once, and from the write-ahead log after the commit.
    """
    sealed = "SELECT home FROM records WHERE instr(body, ?) > 0"
    store.run(f"INSERT OR IGNORE INTO search_stale (home) {sealed}", (f'"{SEALED}',))
    drop_stale_texts(store)
    store.put(SCRUB, True)
    store.put(_WANTED, [])
    rows = store.rows("SELECT id, body FROM records WHERE instr(body, ?) > 0", (f'"{SEALED}',))
    want(store, ((record, from_json(body)) for record, body in rows))


def want(store: Store, records: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Remember keys of sealed values in these shown values which this tablet lacks.

    Only while it has a ring: to a tablet without one nobody gives a key.
    """
    ring = ring_of(store)
    if ring is None:
        return
    named, wanted = ring.ids(), dict(store.get(_WANTED, []))
    before = len(wanted)
    for record, values in records:
        for value in values.values():
            if not is_sealed(value) or len(wanted) >= WANTED_MAX:
                continue
            try:
                one = key_named(value)
            except ChangeInvalid:
                continue
            if one not in named and one not in wanted:
                wanted[one] = record
    if len(wanted) != before:
        store.put(_WANTED, [[one, record] for one, record in wanted.items()])


def asks_on(store: Store, asked: Sequence[Statement]) -> bool:
    """Did this answer bring values under keys that are worth asking for at once?

    Only where the request spoke of keys: else the next one would not either.
    """
    return bool(store.get(_WANTED, [])) and any(kind == FIELD_KEYS for kind, _ in asked)


def forget_wanted(store: Store, asked: Sequence[Statement]) -> None:
    """The district was asked for these and answered; what it did not give it does not give."""
    known = {one for kind, data in asked if kind == FIELD_KEYS for one in _wanted_of(data)}
    if known and store.get(_WANTED, []):
        store.put(_WANTED, [row for row in store.get(_WANTED) if row[0] not in known])


def _wanted_of(data: bytes) -> list[bytes]:
    return [one for one, _ in msgspec.msgpack.decode(data, type=FieldKeysSaid).wanted]


# -- teammates ---------------------------------------------------------------------------------


def told_to_teammate(store: Store, other: bytes | None) -> list[Statement]:
    """What a greeting brings a teammate of the own team: the ring, and its keys wrapped for it."""
    held, own = store.get(_RING), certificate_of(store)
    if not held or own is None or other is None or is_revoked(store, other):
        return []
    theirs = _certificate(store, other)
    if theirs is None or theirs.team != own.team:
        return []
    out: list[Statement] = [(FIELD_RING, held[0])]
    secrets = secrets_of(store)
    for at in range(0, len(secrets), KEYS_WRAPPED_MAX):
        part = [FieldKey(secret) for secret in secrets[at : at + KEYS_WRAPPED_MAX]]
        out.append((FIELD_KEYS, wrap_keys(theirs.box_public, part)))
    return out


def hear(store: Store, statements: Iterable[Statement], box_keys: Sequence[BoxKey]) -> None:
    """Take in what a teammate's greeting brought; what does not hold is left, nothing else is."""
    for kind, data in statements:
        try:
            if kind == FIELD_RING:
                take_ring(store, data)
            elif kind == FIELD_KEYS:
                take_keys(store, box_keys, data)
        except CryptoError:
            continue


def _certificate(store: Store, replica: bytes) -> Certificate | None:
    found = store.one("SELECT statement FROM devices WHERE replica = ?", (replica,))
    if found is None:
        return None
    try:
        return check_certificate(bytes(found[0]), root_by(store, bytes(found[0]), 7))
    except CryptoError:
        return None
