# SPDX-License-Identifier: Apache-2.0
"""Requests signed by the device: HTTP message signatures (RFC 9421) with a content digest (RFC
9530).

Lives here: making and checking three headers. Must not live here: which nonces were given out or
used, which devices are known or revoked.

Invariants: a signature covers the method, the request target with its query, the digest of the
body, the device, the receiving server and a nonce that server gave. No time is looked at.
Everything that goes into the signature base is checked to hold no line break or quote.

Not covered: `@authority`, because a tablet reaches one server under several names and addresses.
The server's replica id in `tag` takes its place: a server or teammate that passes a request on
cannot use it.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from crypto.errors import KeyRefused, RequestRefused, SignatureRefused
from crypto.identity import REPLICA_BYTES, DeviceKey, verify_raw

REQUEST_NONCE_BYTES: Final = 16
NONCE_BYTES_MAX: Final = 48
TARGET_CHARACTERS_MAX: Final = 2048
HEADER_CHARACTERS_MAX: Final = 1024  # ours have 55, 170 and 93; more is not ours
LABEL: Final = "ds"
TAG: Final = "doorstep"

_COVERED: Final = ("@method", "@request-target", "content-digest")
_METHOD: Final = re.compile(r"[A-Z]{3,10}\Z")
_TARGET: Final = re.compile(r"/[!-~]*\Z")
_INPUT: Final = re.compile(
    r"(?P<label>[a-z*][a-z0-9_.*-]{0,31})="
    r'(?P<params>\((?P<covered>"[a-z@-]+"(?: "[a-z@-]+")*)\)'
    r'(?P<pairs>(?:;[a-z]+=(?:"[A-Za-z0-9_./=-]*"|[0-9]{1,15}))*))\Z'
)
_PAIR: Final = re.compile(r';([a-z]+)=(?:"([^"]*)"|([0-9]+))')
_KNOWN: Final = frozenset({"keyid", "alg", "nonce", "tag", "created", "expires"})
_SIGNATURE: Final = re.compile(
    r"(?P<label>[a-z*][a-z0-9_.*-]{0,31})=:(?P<base64>[A-Za-z0-9+/]{86}==):\Z"
)


class Verified(NamedTuple):
    """A request that holds: who signed it, and the nonce that the caller must now spend."""

    replica: bytes
    nonce: bytes


def new_nonce() -> bytes:
    """Return a nonce for the server to give out and store: 16 random bytes."""
    return os.urandom(REQUEST_NONCE_BYTES)


def content_digest(body: bytes) -> str:
    """Return the `content-digest` header of a body (RFC 9530); an empty one has one too."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


def signature_base(components: list[tuple[str, str]], params: str) -> bytes:
    """Return the bytes that are signed (RFC 9421 2.5): one line for each component, then the
    parameters.
    """
    lines = [f'"{name}": {value}' for name, value in components]
    lines.append(f'"@signature-params": {params}')
    return "\n".join(lines).encode("ascii")


def sign_request(
    key: DeviceKey, method: str, path: str, body: bytes, nonce: bytes, *, server: bytes
) -> dict[str, str]:
    """Sign a request; returns the headers `content-digest`, `signature-input` and `signature`.

    `path` is the request target as it goes on the wire, query included; `nonce` what the server
    gave (1 to 48 bytes); `server` the replica id (16 bytes) of the receiver, from its certificate.
    About 350 bytes of headers. Raises RequestRefused for a target or nonce that cannot be signed.
    """
    _check_line(method, path)
    if not 1 <= len(nonce) <= NONCE_BYTES_MAX or len(server) != REPLICA_BYTES:
        raise RequestRefused("nonce or server")
    digest = content_digest(body)
    covered = " ".join(f'"{name}"' for name in _COVERED)
    params = (
        f'({covered});keyid="{key.replica.hex()}";alg="ed25519"'
        f';nonce="{_b64url(nonce)}";tag="{_tag(server)}"'
    )
    values = (method, path, digest)
    base = signature_base(list(zip(_COVERED, values, strict=True)), params)
    signature = base64.b64encode(key.sign_raw(base)).decode("ascii")
    return {
        "content-digest": digest,
        "signature-input": f"{LABEL}={params}",
        "signature": f"{LABEL}=:{signature}:",
    }


def check_request(
    public_for: Callable[[bytes], bytes],
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    server: bytes,
) -> Verified:
    """Check a signed request; returns who signed it and the nonce.

    `public_for(replica)` gives the device's public key and raises LookupError for one not known;
    `headers` have lower-case names, each once (a repeated header is joined by a comma and refused
    here); `server` is the receiver's own replica id. The caller then spends the nonce: it must be
    one it gave to this device and not yet used. Raises RequestRefused for anything that does not
    hold.
    """
    _check_line(method, path)
    params, covered, pairs, label = _read_input(_header(headers, "signature-input"))
    signature = _read_signature(_header(headers, "signature"), label)
    digest = _header(headers, "content-digest")
    if not hmac.compare_digest(digest.encode(), content_digest(body).encode()):
        raise RequestRefused("content digest")
    if pairs.get("alg") != "ed25519":
        raise RequestRefused("algorithm")
    if pairs.get("tag") != _tag(server):
        raise RequestRefused("for another server")
    replica, nonce = _read_replica(pairs.get("keyid", "")), _read_nonce(pairs.get("nonce", ""))
    values = {"@method": method, "@request-target": path, "content-digest": digest}
    base = signature_base([(name, values[name]) for name in covered], params)
    try:
        verify_raw(public_for(replica), base, signature)
    except LookupError:
        raise RequestRefused("unknown device") from None
    except (SignatureRefused, KeyRefused):
        raise RequestRefused("signature") from None
    return Verified(replica, nonce)


def _check_line(method: str, path: str) -> None:
    """A line break in either would let a signer or a proxy slip another line into the base."""
    if not _METHOD.match(method):
        raise RequestRefused("method")
    if len(path) > TARGET_CHARACTERS_MAX or not _TARGET.match(path):
        raise RequestRefused("target")


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise RequestRefused(f"no {name}")
    if len(value) > HEADER_CHARACTERS_MAX or not value.isascii():
        raise RequestRefused(f"{name} too long")
    return value


def _read_input(value: str) -> tuple[str, list[str], dict[str, str], str]:
    """Read the one shape of `signature-input` that is ours, parameters in any order, each once."""
    match = _INPUT.match(value)
    if match is None:
        raise RequestRefused("signature-input")
    covered = [name.strip('"') for name in match["covered"].split(" ")]
    # Leaving one out would leave it unsigned; naming one twice is forbidden by the standard.
    if sorted(covered) != sorted(_COVERED):
        raise RequestRefused("covered components")
    found = _PAIR.findall(match["pairs"])
    pairs = {name: text or number for name, text, number in found}
    if len(pairs) != len(found) or not _KNOWN.issuperset(pairs):
        raise RequestRefused("parameters")
    return match["params"], covered, pairs, match["label"]


def _read_signature(value: str, label: str) -> bytes:
    match = _SIGNATURE.match(value)
    if match is None or match["label"] != label:
        raise RequestRefused("signature shape")
    return base64.b64decode(match["base64"])


def _read_replica(keyid: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]{32}", keyid):
        raise RequestRefused("keyid")
    return bytes.fromhex(keyid)


def _read_nonce(text: str) -> bytes:
    try:
        nonce = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise RequestRefused("nonce") from None
    # Only one spelling of a nonce, or a replay could wear another.
    if not 1 <= len(nonce) <= NONCE_BYTES_MAX or _b64url(nonce) != text:
        raise RequestRefused("nonce")
    return nonce


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode("ascii").rstrip("=")


def _tag(server: bytes) -> str:
    return f"{TAG}/{server.hex()}"
