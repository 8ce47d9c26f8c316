# SPDX-License-Identifier: Apache-2.0
"""Sessions of the console, behind Litestar's session middleware, kept in the store.

What lives here: the cookie, finding and storing a session, its ends. What must not: signing in.
Invariants
- A session's id is made here, at random, when someone signs in; one that a browser brings and that
  is not known is never taken up.
- It ends after IDLE_MS without a request, after LIFE_MS in any case, and with its account.
- The store holds only the SHA-256 of an id.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.middleware.session.base import BaseBackendConfig, BaseSessionBackend

from server.store.base import Store, Transaction

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.types import Message, ScopeSession

    from server.service import Service

COOKIE = "__Host-session"
KNOWN = "__Host-known"
"""Names a browser in which an account signed in before: wrong tries elsewhere do not hold it up."""
KNOWN_SECONDS = 180 * 86_400
LIVE_HEADER = "doorstep-live"
"""Sent with requests that a page's script makes by itself."""
IDLE_MS = 15 * 60_000
LIFE_MS = 12 * 3_600_000
TOUCH_MS = 30_000
"""A session's last use is written at most this often: reading pages writes little."""


def named(secret: str) -> str:
    """What the store knows of a secret that a cookie holds."""
    return hashlib.sha256(b"doorstep/session/1\0" + secret.encode()).hexdigest()


def host_cookie(key: str, value: str, max_age: int | None = None) -> Cookie:
    """A cookie of this host alone, for TLS alone, that no script reads and no other site sends."""
    return Cookie(
        key=key,
        value=value,
        path="/",
        max_age=max_age,
        secure=True,
        httponly=True,
        samesite="strict",
    )


@dataclass
class SessionConfig(BaseBackendConfig["Sessions"]):
    """What Litestar's middleware asks of a session's configuration."""

    _backend_class: Any = None
    key: str = COOKIE
    max_age: int = IDLE_MS // 1000
    scopes: Any = frozenset({"http"})
    path: str = "/"
    domain: str | None = None
    secure: bool = True
    httponly: bool = True
    samesite: Any = "strict"
    exclude: Any = None
    exclude_opt_key: str = "skip_session"

    def __post_init__(self) -> None:
        self._backend_class = Sessions


class Sessions(BaseSessionBackend[SessionConfig]):
    """Finds and stores sessions. What a session holds is a plain dictionary:

    ``account``; ``step`` (``code``, ``fresh`` or ``in``); ``sure_until_ms`` after a code was asked
    again; ``totp`` while a second factor is set up; ``challenge`` that a passkey is to sign;
    ``flash``, what the next page says first.
    """

    def get_session_id(self, connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
        """The id that the browser brought."""
        return connection.cookies.get(COOKIE)

    async def load_from_connection(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> dict[str, Any]:
        """The session of a request; empty where there is none, or it has ended."""
        brought = connection.cookies.get(COOKIE)
        if not brought:
            return {}
        service, key = _service(connection), named(brought)
        now_ms = service.district.clock()

        def look(store: Store) -> dict[str, Any]:
            with store.read() as tx:
                return load(tx, key, now_ms)

        found = await service.readers.run(look)
        # What a page's script asks by itself is no sign of a person.
        by_person = LIVE_HEADER not in connection.headers
        if found and by_person and now_ms - found["seen_at_ms"] > TOUCH_MS:
            await service.run(lambda: _touch(service.district.store, key, now_ms))
        connection.scope.setdefault("state", {})["session_before"] = dict(found)
        return found

    async def store_in_message(
        self,
        scope_session: ScopeSession,
        message: Message,
        connection: ASGIConnection[Any, Any, Any, Any],
    ) -> None:
        """Keep what changed; a session that is new, or whose account changed, gets a new id."""
        before = connection.scope.get("state", {}).get("session_before", {})
        now: dict[str, Any] = dict(scope_session) if isinstance(scope_session, dict) else {}
        if now == before:
            return
        service = _service(connection)
        brought = connection.cookies.get(COOKIE) or ""
        fresh = bool(now) and (
            not before
            or (before.get("account"), before.get("step")) != (now["account"], now["step"])
        )
        name = secrets.token_hex(32) if fresh else brought
        now_ms = service.district.clock()
        await service.run(
            lambda: _keep(service.district.store, brought, name if now else "", now, now_ms)
        )
        headers = MutableScopeHeaders.from_message(message)
        if fresh:
            headers.add("Set-Cookie", host_cookie(COOKIE, name).to_header(header=""))
        elif not now:
            headers.add("Set-Cookie", host_cookie(COOKIE, "", 0).to_header(header=""))


def _service(connection: ASGIConnection[Any, Any, Any, Any]) -> Service:
    service: Service = connection.app.state["service"]
    return service


def load(tx: Transaction, key: str, now_ms: int) -> dict[str, Any]:
    """The session of a stored name that has not ended, {} if there is none."""
    found = tx.rows(
        "SELECT s.body, s.made_at_ms, s.seen_at_ms FROM sessions s JOIN accounts a"
        " ON a.id = s.account WHERE s.id = ? AND a.state = 'active'",
        [key],
    )
    if not found:
        return {}
    body, made_at_ms, seen_at_ms = found[0]
    if now_ms - seen_at_ms > IDLE_MS or now_ms - made_at_ms > LIFE_MS:
        return {}
    session: dict[str, Any] = msgspec.json.decode(body)
    return session | {"seen_at_ms": seen_at_ms}


def _touch(store: Store, key: str, now_ms: int) -> None:
    with store.write() as tx:
        tx.run("UPDATE sessions SET seen_at_ms = ? WHERE id = ?", [now_ms, key])


def _keep(store: Store, old: str, new: str, body: dict[str, Any], now_ms: int) -> None:
    plain = {name: value for name, value in body.items() if name != "seen_at_ms"}
    text = msgspec.json.encode(plain).decode()
    with store.write() as tx:
        if old and old != new:
            tx.run("DELETE FROM sessions WHERE id = ?", [named(old)])
        tx.run("DELETE FROM sessions WHERE seen_at_ms < ?", [now_ms - LIFE_MS])
        if new and old == new:
            tx.run("UPDATE sessions SET body = ? WHERE id = ?", [text, named(old)])
        elif new:
            tx.run(
                "INSERT INTO sessions (id, account, body, made_at_ms, seen_at_ms)"
                " VALUES (?, ?, ?, ?, ?)",
                [named(new), body["account"], text, now_ms, now_ms],
            )
