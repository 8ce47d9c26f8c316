# SPDX-License-Identifier: Apache-2.0
"""Reading a request's body within limits, and answering, on the bare ASGI interface.

What lives here: size and time limits while the body arrives, and the bytes all bodies may take
together. What must not: what the bytes mean. Invariant: no body is read beyond its limit, and a
length that is announced above it is refused before the first byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from server.api.replies import SECURITY_HEADERS, Answer
from server.errors import BodyTooLarge, BodyTooSlow, ServerBusy

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

BODIES_BYTES_MAX = 64 * 1024 * 1024
"""All bodies that are being read or worked on, together: the memory that callers can claim."""

HEADERS_BYTES_MAX = 16 * 1024
"""All headers of one request: a signed one has 400 bytes."""


class Bodies:
    """The bytes of request bodies held at this moment."""

    def __init__(self, bytes_max: int = BODIES_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self.held = 0

    async def read(self, scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes:
        """The whole body; ``release`` it afterwards.

        Raises BodyTooLarge, BodyTooSlow, ServerBusy; then nothing is held of it.
        """
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > limit):
                raise BodyTooLarge(f"at most {limit} bytes")
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyTooSlow("the sender went away")
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            self._claim(len(body), len(body), limit)
            return body
        try:
            async with asyncio.timeout(seconds):
                return await self._rest(body, receive, limit)
        except TimeoutError:
            raise BodyTooSlow(f"within {seconds:.0f} s") from None

    async def _rest(self, first: bytes, receive: Receive, limit: int) -> bytes:
        parts, size, more = [first], len(first), True
        claimed = 0
        try:
            self._claim(size, size, limit)
            claimed = size
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BodyTooSlow("the sender went away")
                part: bytes = message.get("body", b"")
                size += len(part)
                self._claim(len(part), size, limit)
                claimed = size
                parts.append(part)
                more = message.get("more_body", False)
        except BaseException:
            self.held -= claimed
            raise
        return b"".join(parts)

    def _claim(self, more: int, size: int, limit: int) -> None:
        if size > limit:
            raise BodyTooLarge(f"at most {limit} bytes")
        if self.held + more > self.bytes_max:
            raise ServerBusy("too many uploads at once")
        self.held += more

    def release(self, body: bytes) -> None:
        """The body is no longer needed."""
        self.held -= len(body)


async def send_answer(send: Send, answer: Answer) -> None:
    """Send status, headers and body."""
    headers = [
        (b"content-type", answer.kind),
        (b"content-length", str(len(answer.body)).encode()),
        *SECURITY_HEADERS,
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def headers_of(scope: Scope) -> dict[str, str]:
    """Headers with lower-case names; a repeated one is joined by a comma, and refused later.

    Raises BodyTooLarge above HEADERS_BYTES_MAX.
    """
    found: dict[str, str] = {}
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > HEADERS_BYTES_MAX:
        raise BodyTooLarge(f"headers of {size} bytes, at most {HEADERS_BYTES_MAX}")
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        text = value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def target_of(scope: Scope) -> str:
    """The request target as it came, query included: what the signature covers."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return (path + b"?" + query if query else path).decode("latin-1")
