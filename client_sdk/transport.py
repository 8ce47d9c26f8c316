# SPDX-License-Identifier: Apache-2.0
"""How bytes reach the server.

What lives here: what a transport is. What must not: what the bytes mean. The one over TLS is in
``http_transport.py``; tests bring one that calls a server in the same process.
"""

from __future__ import annotations

from typing import Protocol


class Exchanger(Protocol):
    """Carries requests to one server and its replies back."""

    def exchange(self, body: bytes) -> bytes:
        """``POST /v1/sync``: an encoded ``sync.messages.Request``; returns an encoded ``Reply``."""
        ...


class Transport(Exchanger, Protocol):
    """Carries bytes to one server and its answers back.

    Every method raises Unreachable where the server cannot be reached, Revoked where it took this
    tablet's certificate back, ServerRefused for any other refusal.
    """

    def succeed(self, body: bytes) -> bytes:
        """``POST /v1/succeed``: an encoded ``sync.enrolment.Succeed``; returns ``Succeeded``."""
        ...

    def wiped(self, proof: bytes) -> None:
        """``POST /v1/wiped``: the signed proof that this tablet was wiped."""
        ...

    def outbox(self, body: bytes) -> bytes:
        """``POST /v1/outbox``: one file of a sealed outbox that is carried for another tablet."""
        ...

    def blob_bytes(self, name: str) -> int:
        """How many bytes of a blob the server has; 0 for none."""
        ...

    def put_blob(self, name: str, offset: int, total: int, piece: bytes) -> int:
        """Send one piece of a blob; returns how many bytes the server has now."""
        ...

    def get_blob(self, name: str) -> bytes:
        """A whole blob. Raises NotFound."""
        ...

    def close(self) -> None:
        """Let the connection go."""
        ...
