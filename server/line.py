# SPDX-License-Identifier: Apache-2.0
"""The line to another server: signed requests over pinned TLS.

What lives here: carrying the bytes of an exchange. What must not: what they mean, when it is done.
Invariant: requests are signed with the server's first key, by which others know it; the key that
its feed is written under is shown inside.
"""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Sequence

from crypto.identity import DeviceKey
from crypto.request import sign_request
from server.errors import LinkDown, LinkRefused, LinkWrong
from sync import enrolment
from sync.carry.enrolling import code_of
from sync.carry.line import (
    BINARY,
    NONCE_HEADER,
    UNAUTHORIZED,
    Answer,
    Line,
    held_bytes,
    numbers_in,
)
from sync.messages import PROTOCOL

PATH = "/v1/sync"
UNKNOWN = frozenset({"crypto/request-refused", "server/device-unknown"})
"""How a server refuses a key that it does not know, or knows no more since it was set back."""


class ServerLine:
    """Carries exchanges to one server. ``statements`` lead from that server to this one's key."""

    def __init__(
        self,
        addresses: Sequence[str],
        pin: bytes,
        key: DeviceKey,
        server: bytes,
        statements: Sequence[bytes],
    ) -> None:
        self._line = Line(addresses, pin, LinkDown)
        self._key = key
        self._server = server
        self._statements = list(statements)
        self._nonce = b"\0"

    def exchange(self, body: bytes) -> bytes:
        """``POST /v1/sync``. Raises LinkDown, LinkRefused, LinkWrong, PinMismatch."""
        answer = self._signed("POST", PATH, body)
        if answer.status in (UNAUTHORIZED, http.client.FORBIDDEN) and code_of(answer) in UNKNOWN:
            self._introduce()
            answer = self._signed("POST", PATH, body)
        if answer.status != http.client.OK:
            raise LinkRefused(code_of(answer) or str(answer.status))
        return answer.body

    def blob_bytes(self, name: str) -> int:
        """How many bytes of an attachment the other has. Raises LinkDown, LinkRefused."""
        answer = self._signed("HEAD", f"/v1/blobs/{name}", b"")
        if answer.status == http.client.NOT_FOUND:
            return 0
        if answer.status != http.client.OK:
            raise LinkRefused(str(answer.status))
        return held_bytes(answer)

    def put_blob(self, name: str, offset: int, total: int, piece: bytes) -> int:
        """Send one piece; how many bytes the other has now. Raises LinkDown, LinkRefused."""
        path = f"/v1/blobs/{name}?offset={offset}&total={total}"
        answer = self._signed("PUT", path, piece)
        if answer.status != http.client.OK:
            raise LinkRefused(code_of(answer) or str(answer.status))
        return numbers_in(answer, 2)[1]

    def _signed(self, method: str, path: str, body: bytes) -> Answer:
        answer = self._try(method, path, body)
        if answer.status == UNAUTHORIZED and NONCE_HEADER in answer.headers:
            # The nonce was used or lost on the way: the answer brought a fresh one.
            answer = self._try(method, path, body)
        return answer

    def _try(self, method: str, path: str, body: bytes) -> Answer:
        headers = sign_request(self._key, method, path, body, self._nonce, server=self._server)
        headers["content-type"] = BINARY
        answer = self._line.request(method, path, headers, body)
        with contextlib.suppress(ValueError):
            self._nonce = bytes.fromhex(answer.headers.get(NONCE_HEADER, "")) or b"\0"
        return answer

    def _introduce(self) -> None:
        message = enrolment.Introduce(PROTOCOL, self._key.replica, self._statements)
        headers = {"content-type": BINARY}
        answer = self._line.request("POST", "/v1/introduce", headers, enrolment.encode(message))
        if answer.status != http.client.OK:
            raise LinkRefused(code_of(answer) or str(answer.status))
        said = enrolment.decode(answer.body, enrolment.Introduced)
        if said.server != self._server:
            raise LinkWrong("another server answered")
        self._nonce = said.nonce

    def keep_nonce(self, nonce: bytes) -> None:
        """Use this nonce for the next request: the last reply brought it."""
        self._nonce = nonce or self._nonce

    def close(self) -> None:
        """Let the connection go."""
        self._line.close()
