# SPDX-License-Identifier: Apache-2.0
"""The server's own TLS key and certificate, and the pin by which tablets know it.

Lives here: making both, and the pin. Must not live here: files, sockets, `ssl` contexts.

Invariants: tablets trust the key, not a name, a date or an authority: the pin is over the public
key, so the certificate can be made anew for other names without enrolling anyone again. It is
dated 1950 to 9999 because no clock is trusted: a tablet whose clock is 30 years off must connect
at the first try. P-256, because Chromium, which shows the console, does not speak Ed25519
certificates.
"""

import datetime
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crypto.errors import KeyRefused, PinMismatch
from crypto.secret import SecretBytes

PIN_BYTES: Final = 32
NAMES_MAX: Final = 32
CERTIFICATE_BYTES_MAX: Final = 16 * 1024

_NO_CERTIFICATE: Final = (ValueError, x509.InvalidVersion)
"""What the library raises: it keeps versions that nobody has defined apart from other errors."""
_NOT_BEFORE: Final = datetime.datetime(1950, 1, 1, tzinfo=datetime.UTC)
_NOT_AFTER: Final = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
_NAME: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9-]{1,63}\Z"
)


class TlsIdentity(NamedTuple):
    """A server's TLS certificate and key, both PEM, and the pin (32 bytes) that tickets carry."""

    certificate_pem: bytes
    private_key_pem: SecretBytes
    tls_pin: bytes


def make_tls_identity(names: Sequence[str], private_key_pem: bytes | None = None) -> TlsIdentity:
    """Make a self-signed certificate for 1 to 32 host names and IP addresses.

    Without `private_key_pem` a new P-256 key is made; with it the certificate is made anew for the
    same key, and the pin stays. Raises KeyRefused for another kind of key, ValueError for a bad
    name.
    """
    if not 1 <= len(names) <= NAMES_MAX:
        raise ValueError("1 to 32 names")
    key = _load(private_key_pem) if private_key_pem else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Doorstep")])
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(_key_usage(), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False)
    )
    certificate = builder.sign(key, SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return TlsIdentity(
        certificate.public_bytes(Encoding.PEM),
        SecretBytes(pem),
        tls_pin(certificate.public_bytes(Encoding.DER)),
    )


def tls_pin(certificate_der: bytes) -> bytes:
    """Return the pin of a certificate: SHA-256 of its public key (SubjectPublicKeyInfo), 32 bytes.

    This is RFC 7469's pin, without its algorithm name. Raises PinMismatch for what is no
    certificate.
    """
    if len(certificate_der) > CERTIFICATE_BYTES_MAX:
        raise PinMismatch("too long")
    try:
        public = x509.load_der_x509_certificate(certificate_der).public_key()
    except (*_NO_CERTIFICATE, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm):
        # A key of a kind that nobody here knows is not the pinned one either.
        raise PinMismatch("not a certificate") from None
    info = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).digest()


def check_tls_pin(certificate_der: bytes | None, pin: bytes) -> None:
    """Refuse a server whose key is not the pinned one. To be called after the handshake, which has
    proved that the server holds the key, and before the first byte is sent. Raises PinMismatch.
    """
    if certificate_der is None or not hmac.compare_digest(tls_pin(certificate_der), pin):
        raise PinMismatch()


def pem_to_der(certificate_pem: bytes) -> bytes:
    """Return the DER bytes of a PEM certificate. Raises PinMismatch for what is no certificate."""
    try:
        return x509.load_pem_x509_certificate(certificate_pem).public_bytes(Encoding.DER)
    except _NO_CERTIFICATE:
        raise PinMismatch("not a certificate") from None


def with_password(private_key_pem: bytes, password: bytes) -> bytes:
    """The same key as PEM that only a password opens, for the moment a library reads it from a
    file. Raises KeyRefused."""
    how = BestAvailableEncryption(password)
    return _load(private_key_pem).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def _load(private_key_pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(private_key_pem, None)
    except (ValueError, TypeError):
        raise KeyRefused("not a key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyRefused("not P-256")
    return key


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        if not _NAME.match(name):
            raise ValueError("a name is a host name or an IP address") from None
        return x509.DNSName(name)


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
