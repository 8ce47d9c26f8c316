# SPDX-License-Identifier: Apache-2.0
"""Answers as bytes: what is sent with every answer, and errors in the form the caller reads.

What lives here: headers, error bodies. What must not: status numbers, which stand in
``server/errors.py``. Invariant: an answer to something unforeseen says nothing of its cause.
"""

from __future__ import annotations

import errno
from typing import Any, NamedTuple

import msgspec
import sqlcipher3

from crypto.errors import CryptoError
from server.errors import ServerError, StoreFull, status_of
from sync.errors import SyncError

MSGPACK, JSON = b"application/msgpack", b"application/json"
NONCE_HEADER = b"doorstep-nonce"

TOLD = (SyncError, CryptoError, ServerError, sqlcipher3.Error, OSError)
"""What an endpoint answers itself; anything else is a fault of the program, answered with 500."""

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
)
"""Sent with every answer that a browser could show; tablets check none of them."""


class Answer(NamedTuple):
    """Status, further headers, content type, body; ``code`` is for the log."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    kind: bytes = MSGPACK
    code: str = ""
    device: str = ""


def known_error(error: BaseException) -> Exception | None:
    """The error to tell a caller about; None for one that is a fault of the program."""
    if isinstance(error, (SyncError, CryptoError, ServerError)):
        return error
    # The store's library has its own exceptions; a full disk is the one that callers must know.
    if isinstance(error, sqlcipher3.Error) and "disk is full" in str(error):
        return StoreFull()
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StoreFull()
    return None


def error_answer(
    error: BaseException,
    as_json: bool = False,
    more: dict[str, Any] | None = None,
    nonce: bytes | None = None,
    device: str = "",
) -> Answer:
    """What is told of an error: ``{code, zh, en, detail}`` as MessagePack, or JSON where asked."""
    known = known_error(error)
    shown: Any = known or ServerError()
    body: dict[str, Any] = {
        "code": shown.code,
        "zh": shown.message("zh"),
        "en": shown.message("en"),
        "detail": shown.detail if known else "",
    }
    body |= more or {}
    encode = msgspec.json.encode if as_json else msgspec.msgpack.encode
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if nonce:
        headers += ((NONCE_HEADER, nonce.hex().encode()),)
    if isinstance(known, ServerError) and known.seconds:
        headers += ((b"retry-after", str(known.seconds).encode()),)
    return Answer(
        status_of(shown), encode(body), headers, JSON if as_json else MSGPACK, shown.code, device
    )
