# SPDX-License-Identifier: Apache-2.0
"""What is new, told to pages that are open: server-sent events.

What lives here: one stream for each open inbox. What must not: what is new itself; the page asks
for that. Invariants
- A stream says no more than that something changed, and ends with its session and with the server.
- There are at most STREAMS_MAX: further pages stay as they are, which is no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from litestar import Response, get
from litestar.response import Stream

from server.accounts import READ, find_account
from server.service import Service
from server.store.base import Store
from server.web.console import Console
from server.web.frame import CONSOLE_HEADERS
from server.web.routing import ROUTES, AnyRequest
from server.web.scoped import Scoped
from server.web.sessions import COOKIE, load, named

STREAMS_MAX = 60
"""Open inboxes: each holds one of the connections that are served at once."""
LOOK_SECONDS = 1.0
ALIVE_EVERY = 20
"""Looks between two signs of life: what stands between browser and server closes silent lines."""


@get(
    "/conflicts/live",
    opt={"right": READ, "sure": False, "console": True},
    name="console /conflicts/live",
    include_in_schema=False,
)
async def inbox_news(request: AnyRequest) -> Response[Any]:
    """Tell an open inbox that its list may have changed."""
    service = cast("Service", request.app.state["service"])
    console = cast("Console", request.app.state["console"])
    key = named(request.cookies.get(COOKIE, ""))
    mark = (request.query_params.get("mark") or "")[:64]
    if not await service.readers.run(lambda store: _may(store, key, service)):
        return Response(b"", status_code=403, headers=CONSOLE_HEADERS, media_type="text/plain")
    if console.streams >= STREAMS_MAX:
        return Response(b"", status_code=204, headers=CONSOLE_HEADERS, media_type="text/plain")
    return Stream(
        _news(service, console, key, mark), headers=CONSOLE_HEADERS, media_type="text/event-stream"
    )


ROUTES.append(inbox_news)


def _may(store: Store, key: str, service: Service) -> bool:
    """Is there a session, wholly signed in, of an account that reads?"""
    with store.read() as tx:
        session = load(tx, key, service.district.clock())
        account = find_account(tx, str(session.get("account", "")))
    return session.get("step") == "in" and account is not None and account.may(READ)


def _mark(store: Store, key: str, service: Service) -> str | None:
    """What changes with the list; None once the session is over."""
    if not _may(store, key, service):
        return None
    with store.read() as tx:
        session = load(tx, key, service.district.clock())
        account = find_account(tx, str(session["account"])) if session else None
        if account is None:
            return None
        scoped = Scoped(tx, service.district.schema, account)
        return "-".join(map(str, scoped.conflict_mark()))


async def _news(service: Service, console: Console, key: str, mark: str) -> AsyncIterator[bytes]:
    console.streams += 1
    looks = 0
    try:
        yield b": here\n\n"
        while not service.stopping:
            found = await service.readers.run(lambda store: _mark(store, key, service))
            if found is None:
                yield b"event: over\ndata: \n\n"
                return
            if found != mark:
                mark = found
                yield f"event: changed\ndata: {found}\n\n".encode()
            looks += 1
            if looks % ALIVE_EVERY == 0:
                yield b": here\n\n"
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        console.streams -= 1
