# SPDX-License-Identifier: Apache-2.0
"""What ``server/app.py`` takes of the console: its routes, middleware and answers to errors.

What lives here: putting the console's parts in one place. What must not: pages, rules.
"""

from __future__ import annotations

import os
from typing import Any

from litestar import MediaType, Request, Response, Router, get
from litestar.config.csrf import CSRFConfig
from litestar.exceptions import HTTPException, PermissionDeniedException
from litestar.params import FromPath

from server.errors import NotFound, ServerError
from server.store.base import Store
from server.web import (
    access_pages,
    approvals,
    board,
    bulk,
    conflicts,
    doubles,
    handing,
    joined,
    links,
    live,
    own_account,
    people,
    records,
    repair,
    reports,
    rights,
    search,
    sign_in,
    tablets,
)
from server.web.console import Console
from server.web.errors import PageTooOld
from server.web.frame import CONSOLE_HEADERS
from server.web.rendering import KINDS, STATIC
from server.web.routing import API, PUBLIC, ROUTES, error_page
from server.web.sessions import SessionConfig

PAGES = (
    sign_in,
    board,
    conflicts,
    bulk,
    live,
    records,
    repair,
    doubles,
    joined,
    links,
    reports,
    rights,
    search,
    tablets,
    handing,
    people,
    own_account,
    access_pages,
    approvals,
)
"""The modules whose import makes the routes."""
STATIC_SECONDS = 365 * 86_400
CSRF_COOKIE = "__Host-form"


@get(
    "/static/{name:str}",
    opt={"right": PUBLIC, "console": True, "skip_session": True, "exclude_from_csrf": True},
    include_in_schema=False,
)
async def static(name: FromPath[str]) -> Response[bytes]:
    """A static file; the address of a page names its version."""
    body = STATIC.get(name)
    if body is None:
        return Response(b"", status_code=404, media_type=MediaType.TEXT)
    kind = KINDS["." + name.rpartition(".")[2]]
    headers = CONSOLE_HEADERS | {"cache-control": f"public, max-age={STATIC_SECONDS}, immutable"}
    return Response(body, headers=headers, media_type=kind)


def router() -> Router:
    """All routes of the console, behind its sessions."""
    middleware = [SessionConfig().middleware]
    return Router("/", route_handlers=[static, *ROUTES], middleware=middleware)


def csrf(store: Store) -> CSRFConfig:
    """Litestar's check of forms, with a secret that outlives a restart; tablets have no forms."""
    return CSRFConfig(
        secret=_secret(store).hex(),
        cookie_name=CSRF_COOKIE,
        cookie_secure=True,
        cookie_httponly=True,
        cookie_samesite="strict",
        exclude=f"^{API}",
    )


def _secret(store: Store) -> bytes:
    with store.write() as tx:
        tx.run(
            "INSERT INTO console_keys VALUES ('forms', ?) ON CONFLICT DO NOTHING", [os.urandom(32)]
        )
        return bytes(tx.rows("SELECT value FROM console_keys WHERE name = 'forms'")[0][0])


def new_console() -> Console:
    """The console's memory, for one running server."""
    return Console()


def console_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes] | None:
    """An error as a page, where a person asked; None where a tablet did."""
    if request.url.path.startswith(API):
        return None
    status = error.status_code if isinstance(error, HTTPException) else 500
    known: ServerError = NotFound() if status < 500 else ServerError()
    if isinstance(error, PermissionDeniedException):
        known = PageTooOld()
    request.scope.setdefault("session", {})
    return error_page(request, known)
