# SPDX-License-Identifier: Apache-2.0
"""What a server says about a device: this is its key; it is revoked; and what a device says of
itself: my key is succeeded by that one.

Lives here: certificates, revocations, successions: MessagePack bodies under a signature.
Must not live here: whom to trust, and what follows from a revocation.

Invariants: a statement is `signature (65 bytes) ‖ body`, checked over the bytes as received,
before they are decoded; whoever stores a statement stores those bytes. No validity hangs on a
clock: a certificate holds until it is revoked. Why not X.509: decisions/0003-certificates.md.
"""

from typing import Final, Literal

import msgspec

from crypto.decoding import Count, WallClock
from crypto.errors import (
    CertificateRefused,
    KeyRefused,
    RevocationRefused,
    SignatureRefused,
    SuccessionRefused,
)
from crypto.identity import REPLICA_BYTES, SIGNATURE_BYTES, DeviceKey, replica_of, verify
from crypto.seal import check_box_public
from crypto.signed import open_word, sign_word

STATEMENT_FORMAT: Final = 1
NAME_CHARACTERS_MAX: Final = 80
WORKERS_MAX: Final = 64
AREA_DIGITS_MAX: Final = 18  # 12 digits to a village or community, then a grid
HEAD_BYTES_MAX: Final = 64
SERIAL_MAX: Final = 2**63 - 1
CERTIFICATE: Final = b"certificate"
REVOCATION: Final = b"revocation"
SUCCESSION_OLD: Final = b"succession-by-old"
SUCCESSION_NEW: Final = b"succession-by-new"


class Certificate(msgspec.Struct, frozen=True, array_like=True):
    """A device: its keys, what it is called, who uses it, where; and who says so.

    `replica` 16 bytes, `public` 32, `box_public` 1,216; `area` a division code; `issued_at_ms` is
    the issuer's clock, for people; `serial` counts the issuer's certificates; `issuer` 16 bytes.
    `role`: a tablet; a server below the issuer; or the server above it, for whom the issuer vouches
    to those below.
    """

    replica: bytes
    public: bytes
    box_public: bytes
    name: str
    area: str
    serial: Count
    issued_at_ms: WallClock
    issuer: bytes
    role: Literal["tablet", "server", "upstream"] = "tablet"
    team: str = ""
    workers: tuple[str, ...] = ()
    format: int = STATEMENT_FORMAT


class Revocation(msgspec.Struct, frozen=True, array_like=True):
    """The issuer takes a device's certificate back. It covers the device's successors.

    `wipe` orders the tablet to hand over its sealed outbox and then erase its keys.
    """

    replica: bytes
    serial: Count
    revoked_at_ms: WallClock
    issuer: bytes
    reason: str
    wipe: bool = True
    format: int = STATEMENT_FORMAT


class Succession(msgspec.Struct, frozen=True, array_like=True):
    """A copied or set-back store goes on under a new key, which the old one signs.

    `last_counter` and `head` (the chain's hash there) are where the old feed ends for this store.
    """

    old_public: bytes
    new_public: bytes
    new_box_public: bytes
    last_counter: int
    head: bytes
    format: int = STATEMENT_FORMAT

    @property
    def old_replica(self) -> bytes:
        """The replica id that ends."""
        return replica_of(self.old_public)

    @property
    def new_replica(self) -> bytes:
        """The replica id that begins."""
        return replica_of(self.new_public)


def issue_certificate(issuer_key: DeviceKey, certificate: Certificate) -> bytes:
    """Sign a certificate; returns its bytes, about 1.4 KB.

    Raises CertificateRefused when it breaks a limit, names another issuer than the key, or its
    replica id is not that of its public key; KeyRefused for a bad key in it.
    """
    _check_certificate_body(certificate, issuer_key.public)
    return sign_word(issuer_key, CERTIFICATE, certificate)


def check_certificate(data: bytes, issuer_public: bytes) -> Certificate:
    """Check a certificate against the issuer's public key and return what it says.

    Raises CertificateRefused. Whether it was revoked since is for the caller to know.
    """
    certificate = open_word(data, issuer_public, CERTIFICATE, Certificate, CertificateRefused)
    try:
        _check_certificate_body(certificate, issuer_public)
    except KeyRefused as error:
        raise CertificateRefused(error.detail) from None
    return certificate


def _check_certificate_body(certificate: Certificate, issuer_public: bytes) -> None:
    if certificate.replica != replica_of(certificate.public):
        raise CertificateRefused("replica is not that of the key")
    check_box_public(certificate.box_public)
    if certificate.issuer != replica_of(issuer_public):
        raise CertificateRefused("another issuer")
    sound = (
        certificate.format == STATEMENT_FORMAT
        and 0 < len(certificate.name) <= NAME_CHARACTERS_MAX
        and len(certificate.team) <= NAME_CHARACTERS_MAX
        and len(certificate.workers) <= WORKERS_MAX
        and all(0 < len(worker) <= NAME_CHARACTERS_MAX for worker in certificate.workers)
        and _is_area(certificate.area)
        and 0 < certificate.serial <= SERIAL_MAX
    )
    if not sound:
        raise CertificateRefused("format or limit")


def _is_area(area: str) -> bool:
    return len(area) <= AREA_DIGITS_MAX and (area == "" or (area.isascii() and area.isdigit()))


def issue_revocation(issuer_key: DeviceKey, revocation: Revocation) -> bytes:
    """Sign a revocation; returns its bytes. Raises RevocationRefused when it breaks a limit."""
    _check_revocation_body(revocation, issuer_key.public)
    return sign_word(issuer_key, REVOCATION, revocation)


def check_revocation(data: bytes, issuer_public: bytes, replica: bytes | None = None) -> Revocation:
    """Check a revocation against the issuer's public key and return what it says.

    With `replica`, it must be about that device: a tablet gives its own id, and that of the key it
    succeeded. Raises RevocationRefused.
    """
    revocation = open_word(data, issuer_public, REVOCATION, Revocation, RevocationRefused)
    _check_revocation_body(revocation, issuer_public)
    if replica is not None and revocation.replica != replica:
        raise RevocationRefused("another device")
    return revocation


def _check_revocation_body(revocation: Revocation, issuer_public: bytes) -> None:
    if revocation.issuer != replica_of(issuer_public):
        raise RevocationRefused("another issuer")
    sound = (
        revocation.format == STATEMENT_FORMAT
        and len(revocation.replica) == REPLICA_BYTES
        and 0 < revocation.serial <= SERIAL_MAX
        and len(revocation.reason) <= 4 * NAME_CHARACTERS_MAX
    )
    if not sound:
        raise RevocationRefused("format or limit")


def issue_succession(
    old_key: DeviceKey, new_key: DeviceKey, new_box_public: bytes, last_counter: int, head: bytes
) -> bytes:
    """Let the old key say that the new one goes on from (last_counter, head); returns about 1.5 KB.

    The new key signs too: else anyone could declare somebody else's key the successor of a bad one.
    Raises SuccessionRefused when a limit is broken or both keys are one.
    """
    body = Succession(old_key.public, new_key.public, new_box_public, last_counter, head)
    _check_succession_body(body)
    return new_key.sign(SUCCESSION_NEW, msgspec.msgpack.encode(body)) + sign_word(
        old_key, SUCCESSION_OLD, body
    )


def check_succession(data: bytes, old_public: bytes) -> Succession:
    """Check that `old_public` (the key known so far) names its successor, and that the successor
    agrees.

    Raises SuccessionRefused.
    """
    succession = open_word(
        data[SIGNATURE_BYTES:], old_public, SUCCESSION_OLD, Succession, SuccessionRefused
    )
    if succession.old_public != old_public:
        raise SuccessionRefused("another old key")
    body = data[2 * SIGNATURE_BYTES :]
    try:
        verify(succession.new_public, SUCCESSION_NEW, body, data[:SIGNATURE_BYTES])
        _check_succession_body(succession)
    except (SignatureRefused, KeyRefused) as error:
        raise SuccessionRefused(error.detail) from None
    return succession


def _check_succession_body(succession: Succession) -> None:
    check_box_public(succession.new_box_public)
    sound = (
        succession.format == STATEMENT_FORMAT
        and succession.old_public != succession.new_public
        and 0 <= succession.last_counter <= SERIAL_MAX
        and len(succession.head) <= HEAD_BYTES_MAX
    )
    if not sound:
        raise SuccessionRefused("format or limit")
