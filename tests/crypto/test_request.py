# SPDX-License-Identifier: Apache-2.0
"""Signed requests: RFC 9421's own example, and everything that must not pass."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import RequestRefused
from crypto.identity import DeviceKey
from crypto.request import (
    TARGET_CHARACTERS_MAX,
    Verified,
    check_request,
    content_digest,
    new_nonce,
    sign_request,
    signature_base,
)

KEY, OTHER, SERVER = (DeviceKey.from_private(bytes([n]) * 32) for n in (1, 2, 3))
KEYS = {KEY.replica: KEY.public, OTHER.replica: OTHER.public}
NONCE, BODY = bytes(range(16)), b"\x28\xb5\x2f\xfd body"


def signed(
    method: str = "POST", path: str = "/v1/sync?more=1", body: bytes = BODY, nonce: bytes = NONCE
) -> dict[str, str]:
    return sign_request(KEY, method, path, body, nonce, server=SERVER.replica)


def check(
    headers: dict[str, str],
    method: str = "POST",
    path: str = "/v1/sync?more=1",
    body: bytes = BODY,
    server: bytes = SERVER.replica,
) -> Verified:
    return check_request(KEYS.__getitem__, method, path, headers, body, server=server)


def test_the_signature_base_and_signature_are_those_of_rfc_9421_b_2_6() -> None:
    seed = base64.urlsafe_b64decode("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU=")
    params = (
        '("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    base = signature_base(
        [
            ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("@method", "POST"),
            ("@path", "/foo"),
            ("@authority", "example.com"),
            ("content-type", "application/json"),
            ("content-length", "18"),
        ],
        params,
    )
    assert base64.b64encode(DeviceKey.from_private(seed).sign_raw(base)).decode() == (
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )


def test_the_content_digest_is_that_of_rfc_9530() -> None:
    assert content_digest(b'{"hello": "world"}\n') == (
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    )


def test_a_signed_request_tells_who_sent_it_and_its_nonce() -> None:
    assert check(signed()) == Verified(KEY.replica, NONCE)
    assert check(signed(body=b""), body=b"") == Verified(KEY.replica, NONCE)


def test_the_headers_of_a_request_stay_small() -> None:
    assert sum(len(name) + len(value) + 4 for name, value in signed().items()) < 400


def test_an_altered_method_target_body_or_receiver_is_refused() -> None:
    headers = signed()
    with pytest.raises(RequestRefused):
        check(headers, method="PUT")
    with pytest.raises(RequestRefused):
        check(headers, path="/v1/sync")
    with pytest.raises(RequestRefused):
        check(headers, body=BODY + b"x")
    with pytest.raises(RequestRefused):
        check(headers, server=OTHER.replica)


def test_a_body_swapped_together_with_its_digest_is_refused() -> None:
    with pytest.raises(RequestRefused):
        check(signed() | {"content-digest": content_digest(b"x")}, body=b"x")


def test_a_request_in_anothers_name_or_of_an_unknown_device_is_refused() -> None:
    for replica in (OTHER.replica, SERVER.replica):
        headers = signed()
        named = headers["signature-input"].replace(KEY.replica.hex(), replica.hex())
        with pytest.raises(RequestRefused):
            check(headers | {"signature-input": named})


@pytest.mark.parametrize("missing", ["content-digest", "signature-input", "signature"])
def test_a_request_without_one_of_its_headers_is_refused(missing: str) -> None:
    headers = signed()
    del headers[missing]
    with pytest.raises(RequestRefused):
        check(headers)


def resigned(old: str, new: str) -> dict[str, str]:
    """The request with its parameters changed and signed again by the true key."""
    headers = signed()
    params = headers["signature-input"].removeprefix("ds=").replace(old, new)
    values = {"@method": "POST", "@request-target": "/v1/sync?more=1"}
    names = [name.strip('"') for name in params[1 : params.index(")")].split(" ")]
    values["content-digest"] = headers["content-digest"]
    base = signature_base([(name, values.get(name, "")) for name in names], params)
    signature = base64.b64encode(KEY.sign_raw(base)).decode()
    return headers | {"signature-input": f"ds={params}", "signature": f"ds=:{signature}:"}


def test_a_client_may_order_its_parameters_and_components_as_it_likes() -> None:
    assert check(resigned("", "")) == Verified(KEY.replica, NONCE)
    swapped = resigned('"@method" "@request-target"', '"@request-target" "@method"')
    assert check(swapped).replica == KEY.replica
    assert check(resigned(';alg="ed25519"', ';created=1618884473;alg="ed25519"')).nonce == NONCE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (' "content-digest"', ""),
        ('"@method" ', ""),
        ('"@method" ', '"@method" "@method" '),
        (' "content-digest"', ' "content-digest" "date"'),
        ('alg="ed25519"', 'alg="hmac-sha256"'),
        (';alg="ed25519"', ""),
        (';alg="ed25519"', ';alg="ed25519";alg="ed25519"'),
        (';alg="ed25519"', ';alg="ed25519";sf="1"'),
        (';tag="doorstep/' + SERVER.replica.hex() + '"', ""),
        ('tag="doorstep/', 'tag="doorstap/'),
        (';nonce="AAECAwQFBgcICQoLDA0ODw"', ""),
        (f';keyid="{KEY.replica.hex()}"', ""),
        ('nonce="AAECAwQFBgcICQoLDA0ODw"', 'nonce=""'),
        ('nonce="AAECAwQFBgcICQoLDA0ODw"', 'nonce="AAECAwQFBgcICQoLDA0ODx"'),
        ('nonce="AAECAwQFBgcICQoLDA0ODw"', 'nonce="AAECAwQFBgcICQoLDA0ODw=="'),
        (KEY.replica.hex(), KEY.replica.hex().upper()),
    ],
)
def test_a_well_signed_request_of_the_wrong_shape_is_refused(old: str, new: str) -> None:
    assert old in signed()["signature-input"]
    with pytest.raises(RequestRefused):
        check(resigned(old, new))


@pytest.mark.parametrize("path", ['/a\n"@method": GET', "/a b", "a", "", "/é", "/" + "x" * 2048])
def test_a_target_that_could_break_the_signature_base_is_refused(path: str) -> None:
    with pytest.raises(RequestRefused):
        signed(path=path)
    with pytest.raises(RequestRefused):
        check(signed(), path=path)


def test_a_nonce_or_method_that_cannot_be_signed_is_refused() -> None:
    for nonce in (b"", bytes(49)):
        with pytest.raises(RequestRefused):
            signed(nonce=nonce)
    with pytest.raises(RequestRefused):
        signed(method="post")
    assert len(new_nonce()) == 16
    assert new_nonce() != new_nonce()


@given(st.sampled_from(["content-digest", "signature-input", "signature"]), st.text(max_size=300))
def test_no_garbage_in_a_header_gets_past_or_breaks_the_check(name: str, value: str) -> None:
    with pytest.raises(RequestRefused):
        check(signed() | {name: value})
    with pytest.raises(RequestRefused):
        check(signed() | {name: signed()[name] + "," + value})


@given(
    st.integers(0, 85), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz/+")
)
def test_a_signature_with_any_changed_character_is_refused(at: int, symbol: str) -> None:
    headers = signed()
    value = headers["signature"]
    altered = value[: 4 + at] + symbol + value[5 + at :]
    # The last character carries two bits of the signature; its other four must be zero.
    if base64.b64decode(altered[4:-1]) != base64.b64decode(value[4:-1]):
        with pytest.raises(RequestRefused):
            check(headers | {"signature": altered})


def test_a_nonce_is_taken_up_to_its_limit() -> None:
    for nonce in (b"n", b"n" * 48):
        assert check(signed(nonce=nonce)).nonce == nonce
    for nonce in (b"", b"n" * 49):
        with pytest.raises(RequestRefused):
            signed(nonce=nonce)


@pytest.mark.parametrize("value", ["garbage", "", "ds=", "ds=::x", "other=:AA==:", "ds=:A:"])
def test_a_header_that_holds_no_signature_is_refused(value: str) -> None:
    with pytest.raises(RequestRefused):
        check(signed() | {"signature": value})


def test_a_nonce_may_hold_any_bytes() -> None:
    for nonce in (b"\xfb\xff\xfe", b"\xff" * 16, bytes(range(240, 256))):
        headers = signed(nonce=nonce)
        assert {"-", "_"} & set(headers["signature-input"].partition("nonce=")[2])
        assert check(headers).nonce == nonce
    assert check(signed(nonce=b"\0\0\x17")).nonce == b"\0\0\x17", "it ends with an X"


def test_a_target_is_as_long_as_it_may_be() -> None:
    path = "/" + "x" * (TARGET_CHARACTERS_MAX - 1)
    assert check(signed(path=path), path=path).nonce == NONCE


def test_a_header_longer_than_any_of_ours_is_refused_though_it_is_well_signed() -> None:
    for letters, good in ((100, True), (1100, False)):
        longer = resigned(';alg="ed25519"', f';alg="ed25519";expires="{"9" * letters}"')
        if good:
            assert check(longer).nonce == NONCE
        else:
            with pytest.raises(RequestRefused, match="too long"):
                check(longer)
