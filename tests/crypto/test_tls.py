# SPDX-License-Identifier: Apache-2.0
"""The server's TLS certificate: a real handshake in memory, the pin, and other keys refused."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from crypto.errors import KeyRefused, PinMismatch
from crypto.tls import (
    NAMES_MAX,
    TlsIdentity,
    check_tls_pin,
    make_tls_identity,
    pem_to_der,
    tls_pin,
    with_password,
)

NAMES = ["doorstep.local", "192.168.1.20", "::1", "localhost"]
IDENTITY = make_tls_identity(NAMES)


def handshake(identity: TlsIdentity, client: ssl.SSLContext, name: str, folder: Path) -> bytes:
    """Shake hands in memory; returns the certificate the client saw."""
    (folder / "cert.pem").write_bytes(identity.certificate_pem)
    (folder / "key.pem").write_bytes(identity.private_key_pem.reveal())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    far = server.wrap_bio(to_server, to_client, server_side=True)
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    for side in (near, far, near, far):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    seen = near.getpeercert(binary_form=True)
    assert seen is not None
    return seen


def test_a_client_that_only_pins_sees_the_pinned_key(tmp_path: Path) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    seen = handshake(IDENTITY, client, "any.name", tmp_path)
    check_tls_pin(seen, IDENTITY.tls_pin)
    with pytest.raises(PinMismatch):
        check_tls_pin(seen, make_tls_identity(NAMES).tls_pin)


@pytest.mark.parametrize("name", NAMES)
def test_openssl_takes_the_certificate_for_each_of_its_names(name: str, tmp_path: Path) -> None:
    client = ssl.create_default_context(cadata=IDENTITY.certificate_pem.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    handshake(IDENTITY, client, name, tmp_path)


def test_openssl_refuses_the_certificate_for_another_name(tmp_path: Path) -> None:
    client = ssl.create_default_context(cadata=IDENTITY.certificate_pem.decode())
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(IDENTITY, client, "elsewhere.local", tmp_path)


def test_the_certificate_holds_whatever_a_tablets_clock_says() -> None:
    certificate = x509.load_pem_x509_certificate(IDENTITY.certificate_pem)
    assert certificate.not_valid_before_utc.year == 1950
    assert certificate.not_valid_after_utc.year == 9999
    assert certificate.subject.rfc4514_string() == "CN=Doorstep"
    assert certificate.issuer == certificate.subject
    for kind in (x509.ExtendedKeyUsage, x509.SubjectAlternativeName):
        assert not certificate.extensions.get_extension_for_class(kind).critical
    for kind in (x509.KeyUsage, x509.BasicConstraints):
        assert certificate.extensions.get_extension_for_class(kind).critical


def test_a_certificate_made_anew_for_other_names_keeps_the_pin() -> None:
    again = make_tls_identity(["new.local"], IDENTITY.private_key_pem.reveal())
    assert again.tls_pin == IDENTITY.tls_pin
    assert again.certificate_pem != IDENTITY.certificate_pem
    assert tls_pin(pem_to_der(again.certificate_pem)) == again.tls_pin


def test_a_key_of_another_kind_is_refused() -> None:
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for pem in (other, b"not a key"):
        with pytest.raises(KeyRefused):
            make_tls_identity(NAMES, pem)


@pytest.mark.parametrize("names", [[], ["a b"], ["区.local"], ["-"] * 33, ["x" * 64]])
def test_a_certificate_for_no_name_or_a_bad_one_is_not_made(names: list[str]) -> None:
    with pytest.raises(ValueError, match="name"):
        make_tls_identity(names)


@pytest.mark.parametrize("certificate", [None, b"", b"garbage", bytes(20_000)])
def test_what_is_no_certificate_matches_no_pin(certificate: bytes | None) -> None:
    with pytest.raises(PinMismatch):
        check_tls_pin(certificate, IDENTITY.tls_pin)
    with pytest.raises(PinMismatch):
        pem_to_der(b"garbage")


def test_the_private_key_is_not_shown() -> None:
    assert "PRIVATE" not in repr(IDENTITY)


def test_a_key_under_a_password_opens_with_it_alone() -> None:
    pem = IDENTITY.private_key_pem.reveal()
    locked = with_password(pem, b"for a moment")
    assert locked.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    opened = load_pem_private_key(locked, b"for a moment")
    assert opened.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) == pem
    with pytest.raises(ValueError, match="password"):
        load_pem_private_key(locked, b"another")
    with pytest.raises(KeyRefused):
        with_password(b"no key", b"for a moment")


def test_an_address_may_stand_in_brackets() -> None:
    pem = make_tls_identity(["[::1]", "localhost"]).certificate_pem
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert [str(name) for name in names.value.get_values_for_type(x509.IPAddress)] == ["::1"]
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]


def test_a_certificate_names_up_to_its_most_names_and_signs_and_nothing_else() -> None:
    names = [f"a{n}.local" for n in range(NAMES_MAX)]
    made = x509.load_pem_x509_certificate(make_tls_identity(names).certificate_pem)
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature is True
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    assert not any(getattr(usage, name) for name in (*others, "key_cert_sign", "crl_sign"))
    marks = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier, x509.SubjectAlternativeName)
    for kind in marks:
        assert not made.extensions.get_extension_for_class(kind).critical
    with pytest.raises(ValueError, match="name"):
        make_tls_identity([*names, "one.more"])
