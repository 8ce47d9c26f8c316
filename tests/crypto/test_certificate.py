# SPDX-License-Identifier: Apache-2.0
"""Certificates, revocations and successions: who signed what about whom."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.certificate import (
    NAME_CHARACTERS_MAX,
    SERIAL_MAX,
    Certificate,
    Revocation,
    check_certificate,
    check_revocation,
    check_succession,
    issue_certificate,
    issue_revocation,
    issue_succession,
)
from crypto.errors import (
    CertificateRefused,
    KeyRefused,
    RevocationRefused,
    SuccessionRefused,
)
from crypto.identity import DeviceKey
from crypto.seal import BoxKey

SERVER, TABLET, NEXT, STRANGER = (DeviceKey.from_private(bytes([n]) * 32) for n in range(1, 5))
BOX = BoxKey.from_private(bytes(32))
CERTIFICATE = Certificate(
    replica=TABLET.replica,
    public=TABLET.public,
    box_public=BOX.public,
    name="龙津平板 3",
    area="440103019",
    serial=7,
    issued_at_ms=1_700_000_000_000,
    issuer=SERVER.replica,
    team="龙津一队",
    workers=("zhangxia", "chenyuxuan"),
)
REVOCATION = Revocation(TABLET.replica, 8, 1_700_000_000_001, SERVER.replica, "遗失")
DATA = issue_certificate(SERVER, CERTIFICATE)


def changed(**fields: object) -> Certificate:
    return msgspec.structs.replace(CERTIFICATE, **fields)


def signed_anyway(body: msgspec.Struct, purpose: bytes, key: DeviceKey = SERVER) -> bytes:
    encoded = msgspec.msgpack.encode(body)
    return key.sign(purpose, encoded) + encoded


def test_a_certificate_says_what_was_signed_and_stays_small() -> None:
    assert check_certificate(DATA, SERVER.public) == CERTIFICATE
    assert DATA[0] == 1
    assert len(DATA) < 1500


def test_a_certificate_of_a_foreign_server_is_refused() -> None:
    with pytest.raises(CertificateRefused):
        check_certificate(DATA, STRANGER.public)
    foreign = issue_certificate(STRANGER, changed(issuer=STRANGER.replica))
    with pytest.raises(CertificateRefused):
        check_certificate(foreign, SERVER.public)
    with pytest.raises(CertificateRefused):
        issue_certificate(STRANGER, CERTIFICATE)


@given(st.integers(0, len(DATA) - 1), st.integers(0, 7))
def test_a_certificate_with_any_changed_bit_is_refused(at: int, bit: int) -> None:
    altered = bytearray(DATA)
    altered[at] ^= 1 << bit
    with pytest.raises(CertificateRefused):
        check_certificate(bytes(altered), SERVER.public)


@pytest.mark.parametrize(
    "fields",
    [
        {"replica": STRANGER.replica},
        {"public": bytes(32)},
        {"box_public": b"short"},
        {"name": ""},
        {"name": "x" * 81},
        {"team": "x" * 81},
        {"workers": ("x" * 81,)},
        {"workers": ("w",) * 65},
        {"area": "44O103"},
        {"area": "4" * 19},
        {"serial": 0},
        {"workers": ("",)},
        {"format": 2},
        {"issuer": STRANGER.replica},
    ],
)
def test_a_certificate_with_a_false_or_oversized_field_is_neither_issued_nor_taken(
    fields: dict[str, object],
) -> None:
    with pytest.raises((CertificateRefused, KeyRefused)):
        issue_certificate(SERVER, changed(**fields))
    with pytest.raises(CertificateRefused):
        check_certificate(signed_anyway(changed(**fields), b"certificate"), SERVER.public)


def test_a_certificate_is_taken_up_to_its_limits() -> None:
    longest = "x" * NAME_CHARACTERS_MAX
    most = changed(name=longest, team=longest, workers=(longest,), area="4" * 18, serial=1)
    many = changed(team="", workers=("w",) * 64)
    for said in (most, many):
        assert check_certificate(issue_certificate(SERVER, said), SERVER.public) == said


def test_a_signed_body_that_is_no_certificate_is_refused() -> None:
    for body in (b"", b"\xc1", msgspec.msgpack.encode([1, 2]), bytes(9000)):
        with pytest.raises(CertificateRefused):
            check_certificate(SERVER.sign(b"certificate", body) + body, SERVER.public)


def test_a_certificate_of_a_newer_version_with_more_fields_is_still_read() -> None:
    body = msgspec.msgpack.encode(
        [*msgspec.to_builtins(CERTIFICATE, builtin_types=(bytes,)), "new"]
    )
    assert check_certificate(SERVER.sign(b"certificate", body) + body, SERVER.public) == CERTIFICATE


def test_a_revocation_names_its_device_and_its_issuer() -> None:
    data = issue_revocation(SERVER, REVOCATION)
    assert check_revocation(data, SERVER.public, TABLET.replica) == REVOCATION
    with pytest.raises(RevocationRefused):
        check_revocation(data, SERVER.public, NEXT.replica)
    with pytest.raises(RevocationRefused):
        check_revocation(data, STRANGER.public)
    with pytest.raises(RevocationRefused):
        check_revocation(data[:-1] + b"\x00", SERVER.public)
    with pytest.raises(RevocationRefused):
        issue_revocation(STRANGER, REVOCATION)


def test_a_certificate_cannot_be_passed_off_as_a_wipe_order_nor_the_reverse() -> None:
    with pytest.raises(RevocationRefused):
        check_revocation(DATA, SERVER.public)
    with pytest.raises(CertificateRefused):
        check_certificate(issue_revocation(SERVER, REVOCATION), SERVER.public)


def test_a_succession_is_signed_by_the_old_key_and_the_new() -> None:
    data = issue_succession(TABLET, NEXT, BOX.public, 41, b"h" * 33)
    succession = check_succession(data, TABLET.public)
    assert (succession.old_replica, succession.new_replica) == (TABLET.replica, NEXT.replica)
    assert (succession.last_counter, succession.head) == (41, b"h" * 33)
    with pytest.raises(SuccessionRefused):
        check_succession(data, STRANGER.public)


def test_nobody_can_declare_a_strangers_key_their_successor() -> None:
    honest = issue_succession(TABLET, NEXT, BOX.public, 41, b"")
    body = msgspec.msgpack.encode(
        msgspec.structs.replace(check_succession(honest, TABLET.public), new_public=STRANGER.public)
    )
    forged = NEXT.sign(b"succession-by-new", body) + TABLET.sign(b"succession-by-old", body) + body
    with pytest.raises(SuccessionRefused):
        check_succession(forged, TABLET.public)


def test_nobody_can_end_a_strangers_feed() -> None:
    honest = issue_succession(TABLET, NEXT, BOX.public, 41, b"")
    body = honest[130:]
    forged = NEXT.sign(b"succession-by-new", body) + NEXT.sign(b"succession-by-old", body) + body
    with pytest.raises(SuccessionRefused):
        check_succession(forged, TABLET.public)
    with pytest.raises(SuccessionRefused):
        check_succession(forged, NEXT.public)


def test_a_key_cannot_succeed_itself_nor_a_counter_be_negative() -> None:
    with pytest.raises(SuccessionRefused):
        issue_succession(TABLET, TABLET, BOX.public, 1, b"")
    with pytest.raises(SuccessionRefused):
        issue_succession(TABLET, NEXT, BOX.public, -1, b"")
    with pytest.raises(SuccessionRefused):
        issue_succession(TABLET, NEXT, BOX.public, 1, bytes(65))
    longest = issue_succession(TABLET, NEXT, BOX.public, 0, bytes(64))
    assert check_succession(longest, TABLET.public).head == bytes(64)
    for cut in (0, 64, 65, 130, 140):
        with pytest.raises(SuccessionRefused):
            check_succession(
                issue_succession(TABLET, NEXT, BOX.public, 1, b"")[:cut], TABLET.public
            )


@pytest.mark.parametrize(
    ("change", "sound"),
    [
        ({"serial": 1}, True),
        ({"reason": "因" * 4 * NAME_CHARACTERS_MAX}, True),
        ({"serial": 0}, False),
        ({"serial": SERIAL_MAX + 1}, False),
        ({"reason": "因" * (4 * NAME_CHARACTERS_MAX + 1)}, False),
        ({"replica": b"r" * 15}, False),
        ({"format": 2}, False),
        ({"issuer": STRANGER.replica}, False),
    ],
)
def test_a_revocation_is_taken_up_to_its_limits_and_not_beyond(
    change: dict[str, object], sound: bool
) -> None:
    body = msgspec.structs.replace(REVOCATION, **change)
    data = signed_anyway(body, b"revocation")
    if sound:
        assert issue_revocation(SERVER, body) == data
        assert check_revocation(data, SERVER.public) == body
        return
    with pytest.raises(RevocationRefused):
        issue_revocation(SERVER, body)
    with pytest.raises(RevocationRefused):
        check_revocation(data, SERVER.public)


def test_a_name_may_be_of_one_character() -> None:
    short = msgspec.structs.replace(CERTIFICATE, name="东")
    assert check_certificate(issue_certificate(SERVER, short), SERVER.public) == short
