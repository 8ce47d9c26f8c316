# SPDX-License-Identifier: Apache-2.0
"""What a tablet and its district tell each other under signature, beside certificates.

Lives here: the lease under which a store opens without contact, the proof that a store was wiped,
the keys a server uses now, and the word by which a server's root names its successor.
Must not live here: what follows from them, clocks.

Invariants: those of `certificate`: signature (65 bytes) ‖ MessagePack, checked over the bytes as
received before they are decoded; the bytes are what is stored. A statement that is newer than
another of its kind counts, by its serial; an older one never comes back.
"""

from typing import Final

import msgspec

from crypto.certificate import STATEMENT_FORMAT
from crypto.decoding import Count, WallClock
from crypto.errors import KeyRefused, SignatureRefused, StatementRefused
from crypto.identity import REPLICA_BYTES, SIGNATURE_BYTES, DeviceKey, replica_of, verify
from crypto.seal import check_box_public
from crypto.signed import claimed_word, open_word, sign_word, sound

LEASE: Final = b"lease"
WIPED: Final = b"wiped"
KEYS: Final = b"server-keys"
HELD: Final = b"held"
REACH: Final = b"reach"
ROOT_OLD: Final = b"root-by-old"
ROOT_NEW: Final = b"root-by-new"
DAY_MS: Final = 86_400_000
LEASE_DAYS_MAX: Final = 3_650
PINS_MAX: Final = 4  # the key in use and those that may follow it
PIN_BYTES: Final = 32
PLACES_MAX: Final = 32  # the last keys of one tablet, each at the upstream and in the backup
ROOTS_MAX: Final = 64  # a new root every year of a long life


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """For how long a tablet's store opens without contact, and how long after that it lives.

    `issued_at_ms` is the issuer's clock and the serial of leases; `open_ms` 0 means no limit.
    """

    replica: bytes
    issuer: bytes
    issued_at_ms: WallClock
    open_ms: int
    erase_ms: int
    format: int = STATEMENT_FORMAT


class Wiped(msgspec.Struct, frozen=True, array_like=True):
    """A tablet's word, signed before its keys went, that it erases itself on a revocation.

    `serial` is that of the revocation; `counter` and `head` are where its feed stood, `left` how
    many of its changes only the sealed outbox still has; `at_ms` is the tablet's own clock.
    """

    replica: bytes
    serial: Count
    at_ms: WallClock
    counter: Count
    head: bytes
    left: Count
    format: int = STATEMENT_FORMAT


class ServerKeys(msgspec.Struct, frozen=True, array_like=True):
    """What a server uses now: its box key, until when it opens earlier ones, its TLS keys.

    `serial` rises with every change; `pins` are SHA-256 of the TLS keys it may show.
    """

    public: bytes
    serial: Count
    issued_at_ms: WallClock
    box_public: bytes
    pins: tuple[bytes, ...]
    format: int = STATEMENT_FORMAT


class Root(msgspec.Struct, frozen=True, array_like=True):
    """A server's root is replaced: the old key names the new one, and the new one agrees."""

    old_public: bytes
    new_public: bytes
    serial: Count
    at_ms: WallClock
    format: int = STATEMENT_FORMAT


class Held(msgspec.Struct, frozen=True, array_like=True):
    """Where else the feeds of one tablet are: all of it that the issuer knows, replacing what it
    said before.

    ``places`` are (kind of place, replica that holds, writer's replica, counter, head);
    ``issued_at_ms`` is the issuer's clock.
    """

    replica: bytes
    issuer: bytes
    issued_at_ms: WallClock
    places: tuple[tuple[str, bytes, bytes, Count, bytes], ...]
    format: int = STATEMENT_FORMAT


class Reach(msgspec.Struct, frozen=True, array_like=True):
    """How far copies of the issuer's store reach, for servers below it; replaces what it said
    before.

    ``places`` are (kind of place, replica that holds, the issuer's commit up to which it does).
    """

    issuer: bytes
    issued_at_ms: WallClock
    places: tuple[tuple[str, bytes, Count], ...]
    format: int = STATEMENT_FORMAT


def issue_reach(issuer: DeviceKey, reach: Reach) -> bytes:
    """Sign how far a server's store reaches. Raises StatementRefused beyond a limit."""
    _check_reach(reach, issuer.public)
    return sign_word(issuer, REACH, reach)


def check_reach(data: bytes, issuer_public: bytes) -> Reach:
    """Check it against the issuer's key; what it says. Raises StatementRefused."""
    reach = open_word(data, issuer_public, REACH, Reach)
    _check_reach(reach, issuer_public)
    return reach


def _check_reach(reach: Reach, issuer_public: bytes) -> None:
    sound(
        reach.format == STATEMENT_FORMAT
        and reach.issuer == replica_of(issuer_public)
        and len(reach.places) <= PLACES_MAX
        and all(len(holder) == REPLICA_BYTES and seq >= 0 for _, holder, seq in reach.places)
    )


def issue_held(issuer: DeviceKey, held: Held) -> bytes:
    """Sign where a tablet's feeds are; 90 bytes a place. Raises StatementRefused beyond a limit."""
    _check_held(held, issuer.public)
    return sign_word(issuer, HELD, held)


def check_held(data: bytes, issuer_public: bytes) -> Held:
    """Check it against the issuer's key; what it says. Raises StatementRefused."""
    held = open_word(data, issuer_public, HELD, Held)
    _check_held(held, issuer_public)
    return held


def _check_held(held: Held, issuer_public: bytes) -> None:
    sound(
        held.format == STATEMENT_FORMAT
        and len(held.replica) == REPLICA_BYTES
        and held.issuer == replica_of(issuer_public)
        and len(held.places) <= PLACES_MAX
    )


def issue_lease(
    issuer: DeviceKey, replica: bytes, at_ms: int, open_ms: int, erase_ms: int
) -> bytes:
    """Sign a lease; about 140 bytes. Raises StatementRefused beyond a limit."""
    body = Lease(replica, issuer.replica, at_ms, open_ms, erase_ms)
    _check_lease(body, issuer.public)
    return sign_word(issuer, LEASE, body)


def check_lease(data: bytes, issuer_public: bytes) -> Lease:
    """Check a lease against the issuer's key; what it says. Raises StatementRefused."""
    lease = open_word(data, issuer_public, LEASE, Lease)
    _check_lease(lease, issuer_public)
    return lease


def _check_lease(lease: Lease, issuer_public: bytes) -> None:
    sound(
        lease.format == STATEMENT_FORMAT
        and len(lease.replica) == REPLICA_BYTES
        and lease.issuer == replica_of(issuer_public)
        and 0 <= lease.open_ms <= LEASE_DAYS_MAX * DAY_MS
        and 0 <= lease.erase_ms <= LEASE_DAYS_MAX * DAY_MS
    )


def issue_wiped(
    key: DeviceKey, serial: int, at_ms: int, counter: int, head: bytes, left: int
) -> bytes:
    """Sign a proof of wipe with the tablet's own key, before that key is erased."""
    return sign_word(key, WIPED, Wiped(key.replica, serial, at_ms, counter, head, left))


def check_wiped(data: bytes, public: bytes) -> Wiped:
    """Check a proof of wipe against the tablet's key. Raises StatementRefused."""
    wiped = open_word(data, public, WIPED, Wiped)
    sound(wiped.format == STATEMENT_FORMAT and wiped.replica == replica_of(public))
    return wiped


def wiped_replica(data: bytes) -> bytes:
    """Whose proof of wipe it claims to be; nothing is checked yet. Raises StatementRefused."""
    return bytes(claimed_word(data, Wiped).replica)


def issue_server_keys(key: DeviceKey, keys: ServerKeys) -> bytes:
    """Sign what keys a server uses. Raises StatementRefused beyond a limit."""
    _check_keys(keys, key.public)
    return sign_word(key, KEYS, keys)


def check_server_keys(data: bytes, public: bytes) -> ServerKeys:
    """Check what keys a server says it uses, against its root. Raises StatementRefused."""
    keys = open_word(data, public, KEYS, ServerKeys)
    _check_keys(keys, public)
    return keys


def _check_keys(keys: ServerKeys, public: bytes) -> None:
    try:
        check_box_public(keys.box_public)
    except KeyRefused as error:
        raise StatementRefused(error.detail) from None
    sound(
        keys.format == STATEMENT_FORMAT
        and keys.public == public
        and keys.serial > 0
        and 0 < len(keys.pins) <= PINS_MAX
        and all(len(pin) == PIN_BYTES for pin in keys.pins)
    )


def issue_root(old: DeviceKey, new: DeviceKey, serial: int, at_ms: int) -> bytes:
    """Let the old root name the new one; both sign."""
    body = Root(old.public, new.public, serial, at_ms)
    return new.sign(ROOT_NEW, msgspec.msgpack.encode(body)) + sign_word(old, ROOT_OLD, body)


def check_root(data: bytes, old_public: bytes) -> Root:
    """Check that a root known so far names its successor and that the successor agrees.

    Raises StatementRefused.
    """
    root = open_word(data[SIGNATURE_BYTES:], old_public, ROOT_OLD, Root)
    try:
        verify(root.new_public, ROOT_NEW, data[2 * SIGNATURE_BYTES :], data[:SIGNATURE_BYTES])
    except (SignatureRefused, KeyRefused) as error:
        raise StatementRefused(error.detail) from None
    sound(
        root.format == STATEMENT_FORMAT
        and root.old_public == old_public
        and root.new_public != old_public
        and root.serial > 0
    )
    return root
