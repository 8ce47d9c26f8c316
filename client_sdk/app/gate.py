# SPDX-License-Identifier: Apache-2.0
"""The gate before the pages: only the browser that was let in at the start gets an answer.

What lives here: who may ask at all, and the headers of every answer. What must not: pages, PINs.

Invariants
- A start address is good once. It gives a browser two secrets: a cookie, and a path under which the
  pages lie. Cookies do not know ports, so that a browser would show them to another program on this
  machine; but to a path that the program does not know it never sends them.
- Whoever lacks either secret, names another host (a rebound name) or comes from another origin
  learns nothing, not even whether a page exists.
- Nothing that is shown may be kept by the browser, but for the style and the script.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

COOKIE = "doorstep"
SECRET_BYTES = 32
PATH_BYTES = 16
SAFE = frozenset({"GET", "HEAD"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # With no-referrer a browser would hide the origin of forms too, which is checked here.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), geolocation=(self), microphone=(self)"),
)
REFUSAL = "此地址只供本平板的页面使用。 / This address is for the tablet's own pages.\n"
_LET_IN = (
    '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
    '<meta http-equiv="refresh" content="0;url={path}/"><title>Doorstep</title>'
    '<a href="{path}/">Doorstep</a></html>'
)


class Gate:
    """Stands before an ASGI application on one port.

    ``on_entry`` is called when a browser was let in: whoever it is must unlock anew. ``scheme``:
    ``https`` where a phone asks over a hot spot.
    """

    def __init__(
        self, inside: App, host: str, on_entry: Callable[[], None], scheme: str = "http"
    ) -> None:
        self._inside = inside
        self._host = host
        self.origin = f"{scheme}://{host}"
        self._secure = "; Secure" if scheme == "https" else ""
        self._on_entry = on_entry
        self._start = b""
        self._again = b""
        self._cookie = b""
        self.base = ""

    def open(self) -> str:
        """A new start address, good once; an earlier one that was not used is void."""
        token = secrets.token_urlsafe(SECRET_BYTES)
        self._start = _digest(token)
        return f"{self.origin}/{token}"

    @property
    def awaits_entry(self) -> bool:
        """Is there a start address that nobody has used yet?"""
        return bool(self._start)

    def key_for_again(self) -> str:
        """What the command that is called a second time asks with for a new start address.

        It opens nothing by itself: whoever comes in by a start address must show the PIN.
        """
        key = secrets.token_urlsafe(SECRET_BYTES)
        self._again = _digest(key)
        return key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in, or refuse."""
        if scope["type"] == "lifespan":
            await self._inside(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        if not self._is_ours(scope):
            await _answer(send, 403, REFUSAL.encode(), b"text/plain; charset=utf-8")
            return
        path = str(scope["path"])
        if scope["method"] == "GET" and _is(path.removeprefix("/"), self._start):
            await self._let_in(send)
            return
        if scope["method"] == "GET" and _is(path.removeprefix("/"), self._again):
            await _answer(send, 200, self.open().encode(), b"text/plain; charset=utf-8")
            return
        if not self._has_secrets(scope, path):
            await _answer(send, 403, REFUSAL.encode(), b"text/plain; charset=utf-8")
            return
        inner = dict(scope)
        inner["path"] = path[len(self.base) :] or "/"
        inner["raw_path"] = inner["path"].encode()
        await self._inside(inner, receive, _with_headers(send))

    def _is_ours(self, scope: Scope) -> bool:
        """Asked by this host's own name, and from no other origin."""
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in headers and name in (b"host", b"origin"):
                return False
            headers[name] = value
        if headers.get(b"host") != self._host.encode():
            return False
        site = headers.get(b"sec-fetch-site")
        if site not in (None, b"same-origin", b"none"):
            return False
        origin = headers.get(b"origin")
        if origin is not None:
            return origin == self.origin.encode()
        return scope["method"] in SAFE or site == b"same-origin"

    def _has_secrets(self, scope: Scope, path: str) -> bool:
        if not self.base or not path.startswith(self.base + "/"):
            return False
        given = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        try:
            found = SimpleCookie(given.decode("latin-1")).get(COOKIE)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(_digest(found.value), self._cookie)

    async def _let_in(self, send: Send) -> None:
        cookie = secrets.token_urlsafe(SECRET_BYTES)
        self._start, self._cookie = b"", _digest(cookie)
        self.base = "/" + secrets.token_urlsafe(PATH_BYTES)
        self._on_entry()
        setting = f"{COOKIE}={cookie}; Path={self.base}/; HttpOnly; SameSite=Strict{self._secure}"
        body = _LET_IN.format(path=self.base).encode()
        cookies = ((b"set-cookie", setting.encode()),)
        await _answer(send, 200, body, b"text/html; charset=utf-8", cookies)


def _is(given: str, wanted: bytes) -> bool:
    return bool(wanted) and hmac.compare_digest(_digest(given), wanted)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _with_headers(send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            if not any(name.lower() == b"cache-control" for name, _ in given):
                given.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*given, *HEADERS]}
        await send(message)

    return answer


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    kind: bytes,
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *HEADERS,
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
