# SPDX-License-Identifier: Apache-2.0
"""Bytes to the server over TLS, with the server's key pinned and every request signed.

What lives here: one HTTP/1.1 connection that stays open, signatures, nonces, what an error answer
means. What must not: what the bodies mean. Invariants: the pin is checked after the handshake and
before the first byte is sent; no name, date or authority of the certificate is looked at, since a
tablet's clock may be decades off; a nonce that was lost is asked for once, never twice.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import msgspec

from client_sdk.errors import NotFound, Revoked, ServerRefused, Unreachable
from crypto.identity import DeviceKey
from crypto.request import sign_request
from crypto.tls import check_tls_pin

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


class Signing(NamedTuple):
    """What signing needs, read anew for each request: the key may change, the nonce does.

    ``key`` gives the present key, ``nonce`` the nonce for the next request, ``keep`` stores one;
    ``server`` is the receiver's replica id.
    """

    key: Callable[[], DeviceKey]
    nonce: Callable[[], bytes]
    keep: Callable[[bytes], None]
    server: bytes


class Connection:
    """One pinned TLS connection to whichever address answers; opened at first use."""

    def __init__(self, addresses: Sequence[str], pin: bytes | None) -> None:
        self._addresses = list(addresses)
        self._pin = pin
        self._connection: http.client.HTTPSConnection | None = None
        self.seen_certificate: bytes | None = None
        self.up_bytes = 0
        self.down_bytes = 0

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send one request and read its answer. Raises Unreachable, PinMismatch.

        A connection that the server let go while it was idle is opened once more; a request that
        may have arrived is not sent twice.
        """
        fresh = self._connection is None
        connection = self._connection or self._open()
        try:
            connection.request(method, path, body=body or None, headers=headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if fresh:
                raise Unreachable(type(error).__name__) from error
            return self.request(method, path, headers, body)
        try:
            response = connection.getresponse()
            data = response.read(ANSWER_BYTES_MAX + 1)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
            self.close()
            if fresh:
                raise Unreachable(type(error).__name__) from error
            # Idle connections are closed by servers at any time. Sync requests may be repeated:
            # what
            # is held already is held once.
            return self.request(method, path, headers, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unreachable(type(error).__name__) from error
        announced = response.getheader("content-length", "")
        if method != "HEAD" and announced.isdigit() and len(data) < int(announced):
            # Reading up to a limit does not tell by itself that the line broke in the middle.
            self.close()
            raise Unreachable("cut off")
        if len(data) > ANSWER_BYTES_MAX:
            self.close()
            raise ServerRefused(response.status, "answer too long")
        found = {name.lower(): value for name, value in response.getheaders()}
        # Bodies and heads; the handshake of a fresh connection is not among them.
        self.up_bytes += len(body) + len(method) + len(path) + 12 + _head_bytes(headers)
        self.down_bytes += len(data) + 17 + _head_bytes(found)
        return Answer(response.status, found, data)

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
                last = error
                continue
            self._check(connection)
            self._connection = connection
            return connection
        raise Unreachable(type(last).__name__ if last else "no address") from last

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


def _head_bytes(headers: dict[str, str]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.items()) + 2


def _context() -> ssl.SSLContext:
    # The key is pinned and checked after the handshake: authority, name and dates decide nothing.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


class HttpTransport:
    """The transport of an enrolled tablet."""

    def __init__(
        self,
        addresses: Sequence[str],
        pin: bytes,
        signing: Signing,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._connection = Connection(addresses, pin)
        self._signing = signing
        self._waiting = waiting

    def exchange(self, body: bytes) -> bytes:
        """``POST /v1/sync``. Raises Unreachable, Revoked, ServerRefused, PinMismatch."""
        return self._signed("POST", "/v1/sync", body).body

    def succeed(self, body: bytes) -> bytes:
        """``POST /v1/succeed``: the statement carries its own signatures."""
        headers = {"content-type": BINARY}
        with self._waiting():
            answer = self._connection.request("POST", "/v1/succeed", headers, body)
        return good(answer).body

    def wiped(self, proof: bytes) -> None:
        """``POST /v1/wiped``: the proof carries its own signature."""
        headers = {"content-type": BINARY}
        good(self._connection.request("POST", "/v1/wiped", headers, proof))

    def outbox(self, body: bytes) -> bytes:
        """``POST /v1/outbox``: sealed and signed inside, so it is not signed here."""
        headers = {"content-type": BINARY}
        return good(self._connection.request("POST", "/v1/outbox", headers, body)).body

    def blob_bytes(self, name: str) -> int:
        """How many bytes of a blob the server has; 0 for none."""
        try:
            answer = self._signed("HEAD", f"/v1/blobs/{name}", b"")
        except NotFound:
            return 0
        return int(answer.headers.get("doorstep-received", "0"))

    def put_blob(self, name: str, offset: int, total: int, piece: bytes) -> int:
        """Send one piece; returns how many bytes the server has now."""
        path = f"/v1/blobs/{name}?offset={offset}&total={total}"
        received = msgspec.msgpack.decode(self._signed("PUT", path, piece).body)
        return int(received[1])

    def get_blob(self, name: str) -> bytes:
        """A whole blob, piece by piece. Raises NotFound."""
        out = b""
        while len(out) < ANSWER_BYTES_MAX:
            piece = self._signed("GET", f"/v1/blobs/{name}?offset={len(out)}", b"").body
            if not piece:
                break
            out += piece
        return out

    @property
    def used_bytes(self) -> tuple[int, int]:
        """Bytes sent and received so far, heads and bodies."""
        return self._connection.up_bytes, self._connection.down_bytes

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    def _signed(self, method: str, path: str, body: bytes) -> Answer:
        answer = self._try(method, path, body)
        if answer.status == UNAUTHORIZED and NONCE_HEADER in answer.headers:
            # The nonce was used or lost on the way: the answer brought a fresh one.
            answer = self._try(method, path, body)
        return good(answer)

    def _try(self, method: str, path: str, body: bytes) -> Answer:
        signing = self._signing
        # Without a nonce any one is signed: the server's refusal carries the first.
        nonce = signing.nonce() or b"\0"
        headers = sign_request(signing.key(), method, path, body, nonce, server=signing.server)
        headers["content-type"] = BINARY
        with self._waiting():
            answer = self._connection.request(method, path, headers, body)
        fresh = answer.headers.get(NONCE_HEADER)
        if fresh:
            with contextlib.suppress(ValueError):
                signing.keep(bytes.fromhex(fresh))
        return answer


class Refusal(msgspec.Struct):
    """What an error answer says of itself."""

    code: str = ""
    detail: str = ""
    revocation: bytes = b""
    reply: bytes = b""


def good(answer: Answer) -> Answer:
    """The answer if it is one; else the error it tells of."""
    if answer.status < http.client.BAD_REQUEST:
        return answer
    try:
        refusal = msgspec.msgpack.decode(answer.body, type=Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        refusal = Refusal()
    if answer.status == http.client.NOT_FOUND:
        raise NotFound(refusal.code)
    if refusal.code == "server/device-revoked":
        raise Revoked(answer.status, refusal.code, refusal.revocation, refusal.reply)
    raise ServerRefused(answer.status, refusal.code)
