# SPDX-License-Identifier: Apache-2.0
"""Bytes to a server over TLS, with the server's key pinned: a line of tablets and of servers.

What lives here: one HTTP/1.1 connection that stays open. What must not: signatures, what the bodies
mean. Invariants: the pin is checked after the handshake and before the first byte is sent; no name,
date or authority of the certificate is looked at, since the clock here may be decades off.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from crypto.tls import check_tls_pin, tls_pin
from sync.decoding import MALFORMED
from sync.errors import MessageMalformed

CONNECT_SECONDS_MAX = 10.0
"""For one address; then the next one is tried."""
ANSWER_SECONDS_MAX = 120.0
"""For the largest first upload on a loaded server."""
ANSWER_BYTES_MAX = 16 * 1024 * 1024
"""More than the largest message or blob."""
NONCE_HEADER = "doorstep-nonce"
UNAUTHORIZED = 401
BINARY = "application/msgpack"


class Answer(NamedTuple):
    """A response: status, headers (lower-case names), body."""

    status: int
    headers: dict[str, str]
    body: bytes


_Number = Annotated[int, Meta(ge=0, le=2**53)] | bool
_numbers = msgspec.msgpack.Decoder(tuple[_Number, ...]).decode
_HELD_TEXT_BYTES_MAX = 16


def numbers_in(answer: Answer, least: int) -> tuple[int, ...]:
    """The numbers that an answer is made of, at least so many. Raises MessageMalformed."""
    try:
        found = _numbers(answer.body)
    except MALFORMED as error:
        raise MessageMalformed(f"answer: {error}") from error
    if len(found) < least:
        raise MessageMalformed("answer: too short")
    return found


def held_bytes(answer: Answer) -> int:
    """How many bytes of an attachment the other has, by the head of its answer; 0 where it does
    not say. Raises MessageMalformed."""
    text = answer.headers.get("doorstep-received", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= _HELD_TEXT_BYTES_MAX):
        raise MessageMalformed("answer: no number")
    return int(text)


class Line:
    """One pinned TLS connection to whichever address answers; opened at first use.

    ``down`` makes the error of a line that does not carry. ``cuts`` counts how often it broke after
    something was sent.
    """

    def __init__(
        self, addresses: Sequence[str], pin: bytes | None, down: Callable[[str], Exception]
    ) -> None:
        self._down = down
        self._addresses = list(addresses)
        self._pin = pin
        self._connection: http.client.HTTPSConnection | None = None
        self.seen_certificate: bytes | None = None
        self.up_bytes = 0
        self.down_bytes = 0
        self.cuts = 0

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send one request and read its answer. Raises what ``down`` makes, PinMismatch.

        A connection that the server let go while it was idle is opened once more; a request that
        may have arrived is not sent twice.
        """
        fresh = self._connection is None
        connection = self._connection or self._open()
        try:
            connection.request(method, path, body=body or None, headers=headers)
        except (OSError, http.client.HTTPException) as error:
            self._cut()
            if fresh:
                raise self._down(type(error).__name__) from error
            return self.request(method, path, headers, body)
        try:
            response = connection.getresponse()
            data = response.read(ANSWER_BYTES_MAX + 1)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
            self._cut()
            if fresh:
                raise self._down(type(error).__name__) from error
            # Idle connections are closed by servers at any time. Sync requests may be repeated:
            # what
            # is held already is held once.
            return self.request(method, path, headers, body)
        except (OSError, http.client.HTTPException) as error:
            self._cut()
            raise self._down(type(error).__name__) from error
        announced = response.getheader("content-length", "")
        if method != "HEAD" and announced.isdigit() and len(data) < int(announced):
            # Reading up to a limit does not tell by itself that the line broke in the middle.
            self._cut()
            raise self._down("cut off")
        if len(data) > ANSWER_BYTES_MAX:
            self.close()
            raise self._down("answer too long")
        found = {name.lower(): value for name, value in response.getheaders()}
        # Bodies and heads; the handshake of a fresh connection is not among them.
        self.up_bytes += len(body) + len(method) + len(path) + 12 + _head_bytes(headers)
        self.down_bytes += len(data) + 17 + _head_bytes(found)
        return Answer(response.status, found, data)

    @property
    def seen_pin(self) -> bytes:
        """The pin (32 bytes) of the key that the server showed. Raises PinMismatch before that."""
        return tls_pin(self.seen_certificate or b"")

    def _cut(self) -> None:
        self.cuts += 1
        self.close()

    def _open(self) -> http.client.HTTPSConnection:
        last: Exception | None = None
        for address in self._addresses:
            host, _, port = address.rpartition(":")
            connection = http.client.HTTPSConnection(
                host.strip("[]"), int(port), timeout=CONNECT_SECONDS_MAX, context=_context()
            )
            try:
                connection.connect()
            except (OSError, ssl.SSLError) as error:
                connection.close()
                close_unfinished(error)
                last = error
                continue
            self._check(connection)
            self._connection = connection
            return connection
        raise self._down(type(last).__name__ if last else "no address") from last

    def _check(self, connection: http.client.HTTPSConnection) -> None:
        sock: Any = connection.sock
        certificate = sock.getpeercert(binary_form=True)
        try:
            if self._pin is not None:
                check_tls_pin(certificate, self._pin)
        except BaseException:
            connection.close()
            raise
        self.seen_certificate = certificate
        sock.settimeout(ANSWER_SECONDS_MAX)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def close_unfinished(error: BaseException) -> None:
    """Close the socket that was to speak TLS when its line was reset before the handshake.

    ``ssl.SSLSocket`` raises then before anybody else holds it, and does not close it: the traceback
    alone leads to it, and until the collector comes by it stays open.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        made = frame.f_locals.get("self")
        if isinstance(made, ssl.SSLSocket):
            made.close()


def _head_bytes(headers: dict[str, str]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.items()) + 2


def _context() -> ssl.SSLContext:
    # The key is pinned and checked after the handshake: authority, name and dates decide nothing.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
