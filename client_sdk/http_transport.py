# SPDX-License-Identifier: Apache-2.0
"""Bytes to the server over TLS, with the server's key pinned and every request signed.

What lives here: signatures, nonces, what an error answer means, over a line (``sync.carry.line``).
What must not: what the bodies mean. Invariant: a nonce that was lost is asked for, a few times at
most.
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import msgspec

from client_sdk.errors import NotFound, Revoked, ServerRefused, Unreachable
from crypto.errors import PinMismatch
from crypto.identity import DeviceKey
from crypto.request import sign_request
from sync.carry.line import (
    ANSWER_BYTES_MAX,
    BINARY,
    NONCE_HEADER,
    UNAUTHORIZED,
    Answer,
    Line,
    held_bytes,
    numbers_in,
)
from sync.carry.standing import ask_standing
from sync.decoding import MALFORMED


class Signing(NamedTuple):
    """What signing needs, read anew for each request: the key may change, the nonce does.

    ``key`` gives the present key, ``nonce`` the nonce for the next request, ``keep`` stores one;
    ``server`` gives the receiver's replica id, ``pin`` that of its TLS key. ``follow`` goes by what
    the server says of its keys, and by the pin it shows; True where that is worth asking again.
    """

    key: Callable[[], DeviceKey]
    nonce: Callable[[], bytes]
    keep: Callable[[bytes], None]
    server: Callable[[], bytes]
    pin: Callable[[], bytes]
    follow: Callable[[list[bytes], bytes], bool] = lambda statements, seen: False


REFUSED = "crypto/request-refused"
"""How a server refuses what is addressed to a root that it no longer has, among others."""

NONCE_TRIES_MAX = 5
"""Tries of one request: a copy of this tablet that is not told apart yet has the same nonce, and
may use it up first whenever both ask at the same moment."""
BUSY_SECONDS_MAX = 600
"""How long one request waits in all for a busy district; then the worker is told, and all is kept.
"""


class Connection(Line):
    """A line of the tablet: one that does not carry raises Unreachable."""

    def __init__(self, addresses: Sequence[str], pin: bytes | None) -> None:
        super().__init__(addresses, pin, Unreachable)


class HttpTransport:
    """The transport of an enrolled tablet."""

    def __init__(
        self,
        addresses: Sequence[str],
        signing: Signing,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._addresses = list(addresses)
        self._pin = signing.pin()
        self._connection = Connection(addresses, self._pin)
        self._signing = signing
        self._followed = False
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
        return held_bytes(answer)

    def put_blob(self, name: str, offset: int, total: int, piece: bytes) -> int:
        """Send one piece; returns how many bytes the server has now."""
        path = f"/v1/blobs/{name}?offset={offset}&total={total}"
        return numbers_in(self._signed("PUT", path, piece), 2)[1]

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
        try:
            answer = self._patiently(method, path, body)
            if answer.status != UNAUTHORIZED or _code_of(answer) != REFUSED:
                return good(answer)
        except PinMismatch:
            if not self._find_again():
                raise
        else:
            if not self._find_again():
                return good(answer)
        return good(self._patiently(method, path, body))

    def _find_again(self) -> bool:
        """Ask the server under which keys it stands, once for each connection: its TLS key or its
        root may have been replaced while this tablet was away."""
        if self._followed:
            return False
        self._followed = True
        self._connection.close()
        said = ask_standing(self._addresses, Unreachable)
        told = self._signing.follow(said.statements, said.seen)
        # A teammate or a stick may have told of the new key since this connection was made.
        before, self._pin = self._pin, self._signing.pin()
        self._connection = Connection(self._addresses, self._pin)
        return told or self._pin != before

    def _patiently(self, method: str, path: str, body: bytes) -> Answer:
        answer = self._asked(method, path, body)
        left = BUSY_SECONDS_MAX
        while (seconds := seconds_told(answer)) and seconds <= left:
            # Nothing was taken, and the district named a moment: nobody has to press a button.
            left -= seconds
            with self._waiting():
                self._sleep(seconds)
            answer = self._asked(method, path, body)
        return answer

    def _asked(self, method: str, path: str, body: bytes) -> Answer:
        for _ in range(NONCE_TRIES_MAX):
            answer = self._try(method, path, body)
            if answer.status != UNAUTHORIZED or NONCE_HEADER not in answer.headers:
                break
            # The nonce was used or lost on the way: the answer brought a fresh one.
        return answer

    def _try(self, method: str, path: str, body: bytes) -> Answer:
        signing = self._signing
        # Without a nonce any one is signed: the server's refusal carries the first.
        nonce = signing.nonce() or b"\0"
        server = signing.server()
        headers = sign_request(signing.key(), method, path, body, nonce, server=server)
        headers["content-type"] = BINARY
        cuts = self._connection.cuts
        try:
            with self._waiting():
                answer = self._connection.request(method, path, headers, body)
        except Unreachable as error:
            error.cut = self._connection.cuts > cuts
            raise
        fresh = answer.headers.get(NONCE_HEADER)
        if fresh:
            with contextlib.suppress(ValueError):
                signing.keep(bytes.fromhex(fresh))
        return answer


BARE_SECONDS = 15
"""When a tablet comes back to a server that is full and does not say when."""


class Refusal(msgspec.Struct):
    """What an error answer says of itself."""

    code: str = ""
    detail: str = ""
    revocation: bytes = b""
    reply: bytes = b""


def _code_of(answer: Answer) -> str:
    try:
        return msgspec.msgpack.decode(answer.body, type=Refusal).code
    except MALFORMED:
        return ""


def seconds_told(answer: Answer) -> int:
    """In how many seconds a busy district wants to be asked again; 0 where it is not busy."""
    told = answer.headers.get("retry-after", "")
    busy = answer.status == http.client.SERVICE_UNAVAILABLE
    if busy and not told:
        # More connections than the server holds: cut short before it could say when.
        return BARE_SECONDS
    return max(1, int(told)) if busy and told.isdecimal() and len(told) < 6 else 0


def good(answer: Answer) -> Answer:
    """The answer if it is one; else the error it tells of."""
    if answer.status < http.client.BAD_REQUEST:
        return answer
    try:
        refusal = msgspec.msgpack.decode(answer.body, type=Refusal)
    except MALFORMED:
        refusal = Refusal()
    if answer.status == http.client.NOT_FOUND:
        raise NotFound(refusal.code)
    if refusal.code == "server/device-revoked":
        raise Revoked(answer.status, refusal.code, refusal.revocation, refusal.reply)
    raise ServerRefused(answer.status, refusal.code)
