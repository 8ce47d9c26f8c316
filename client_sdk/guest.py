# SPDX-License-Identifier: Apache-2.0
"""The line of a tablet to a server that is not its district's.

What lives here: showing the keys that lead there, signing. What must not: what the bodies mean
(``visiting.py``). Invariant: the server's key is the one that the district named, not the one that
answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from client_sdk.http_transport import Connection, good
from crypto.identity import DeviceKey
from crypto.request import sign_request
from sync import enrolment
from sync.carry.line import BINARY, NONCE_HEADER, UNAUTHORIZED, Answer
from sync.messages import PROTOCOL


class GuestLine:
    """Carries the exchanges of one visit.

    ``key`` gives the key that signs, ``statements`` those that lead to it.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        pin: bytes,
        server: bytes,
        key: Callable[[], DeviceKey],
        statements: Callable[[], list[bytes]],
    ) -> None:
        self._connection = Connection(addresses, pin)
        self._server = server
        self._key = key
        self._statements = statements
        self._introduced = b""
        self._nonce = b"\0"

    def exchange(self, body: bytes) -> bytes:
        """``POST /v1/sync``. Raises Unreachable, ServerRefused, PinMismatch."""
        key = self._key()
        if self._introduced != key.replica:
            self._introduce(key)
        answer = self._try(key, body)
        if answer.status == UNAUTHORIZED and NONCE_HEADER in answer.headers:
            answer = self._try(key, body)
        return good(answer).body

    def _introduce(self, key: DeviceKey) -> None:
        message = enrolment.Introduce(PROTOCOL, key.replica, self._statements())
        headers = {"content-type": BINARY}
        found = self._connection.request(
            "POST", "/v1/introduce", headers, enrolment.encode(message)
        )
        self._nonce = enrolment.decode(good(found).body, enrolment.Introduced).nonce or b"\0"
        self._introduced = key.replica

    def _try(self, key: DeviceKey, body: bytes) -> Answer:
        headers = sign_request(key, "POST", "/v1/sync", body, self._nonce, server=self._server)
        headers["content-type"] = BINARY
        answer = self._connection.request("POST", "/v1/sync", headers, body)
        fresh = answer.headers.get(NONCE_HEADER)
        if fresh:
            self._nonce = bytes.fromhex(fresh)
        return answer

    def keep_nonce(self, nonce: bytes) -> None:
        """Use this nonce for the next request: the last reply brought it."""
        self._nonce = nonce or self._nonce

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()
