# SPDX-License-Identifier: Apache-2.0
"""The only place where things are wired: keys, store, district, service, application.

What lives here: putting the parts together, and taking them apart in order. What must not: rules.
Invariants: one process at a time has the store for writing, by a lock on its folder; the counter
outside the store is compared before anything is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from litestar import Litestar, Request, Response, asgi
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Operation, PathItem

from server import __version__
from server.api.body import Receive, Scope, Send
from server.api.replies import SECURITY_HEADERS, error_answer
from server.api.sync import PATH, SyncEndpoint
from server.api.watching import ENDPOINTS
from server.archives import ArchiveFiles
from server.district import District
from server.erasing_keeping import hear_outside
from server.errors import NotFound, ServerError
from server.forms import known_schema
from server.keys import ServerKeys, read_counter, read_keys, write_counter
from server.lock import store_lock
from server.logs import log_fault
from server.rekeying import open_file, settle
from server.service import Service
from server.settings import Settings, need_store
from server.store.base import Store
from server.store.shared import shared_store
from server.views import refresh_views
from server.web.wiring import console_error, csrf, new_console, router
from sync.schema import Schema


def wall_clock_ms() -> int:
    """Milliseconds since 1970 by this machine's clock."""
    return time.time_ns() // 1_000_000


def open_store(settings: Settings, keys: ServerKeys) -> Store:
    """Open the store: PostgreSQL where a DSN is set, else the file with its key.

    Raises StoreDamaged, StoreTooOld, StoreUnreachable, StoreUnfit, NotInitialised.
    """
    need_store(settings)
    store: Store
    if settings.store_dsn:
        store = shared_store(settings.store_dsn, settings.store_district, made=True)
    else:
        store = open_file(settings.store_path, keys.store)
    store.archives = ArchiveFiles(settings.archive_folders)
    return store


@contextmanager
def opened_district(
    settings: Settings,
    schema: Schema | None = None,
    clock: Callable[[], int] = wall_clock_ms,
) -> Iterator[tuple[District, ServerKeys]]:
    """A district that this process alone writes to, closed at the end.

    Raises ServerRunning where another process has it, and what opening raises.
    """
    need_store(settings)
    with store_lock(settings.data):
        keys = read_keys(settings.keys)
        settle(settings, keys.store)
        store = open_store(settings, keys)
        schema = known_schema(settings) if schema is None else schema
        try:
            district = District(store, schema, keys.roots, keys.boxes, clock)
            check_counter(district, keys)
            hear_outside(district, settings.data)
            refresh_views(store, schema)
            try:
                yield district, keys
            finally:
                keep_counter(district, keys)
        finally:
            store.close()


def check_counter(district: District, keys: ServerKeys) -> None:
    """A store that counts less of its own feed than the counter outside was set back: it goes on
    under a new key, so that no dot is given twice."""
    own = district.own
    if read_counter(keys.folder, own.key.replica) > own.counter:
        district.go_on_as_new_writer()


def keep_counter(district: District, keys: ServerKeys) -> None:
    """Store the counter of the server's own feed outside the store."""
    write_counter(keys.folder, district.own.key.replica, district.own.counter)


def build_app(service: Service) -> Litestar:
    """The application over a service."""
    exchange = SyncEndpoint(service)

    @asgi(PATH, copy_scope=False)
    async def sync(scope: Scope, receive: Receive, send: Send) -> None:
        await exchange(scope, receive, send)

    app = Litestar(
        [sync, *ENDPOINTS, router()],
        csrf_config=csrf(service.district.store),
        openapi_config=OpenAPIConfig(
            title="Doorstep",
            version=__version__,
            path="/v1/openapi",
            # The schema alone: pages that draw it would load scripts from elsewhere.
            render_plugins=[JsonRenderPlugin(path="/")],
            use_handler_docstrings=True,
        ),
        logging_config=None,
        exception_handlers={Exception: unforeseen},
        response_headers={name.decode(): value.decode() for name, value in SECURITY_HEADERS},
        debug=False,
        pdb_on_exception=False,
    )
    app.state["service"] = service
    app.state["console"] = new_console()
    _describe_sync(app)
    return app


def unforeseen(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A path or method that is not there, or a fault of the program: told without its cause."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    known = NotFound() if status < 500 else ServerError()
    if status >= 500:
        log_fault(error, known.code)
    if page := console_error(request, error):
        return page
    answer = error_answer(known)
    headers = {k.decode(): v.decode() for k, v in SECURITY_HEADERS}
    return Response(
        answer.body, status_code=status, headers=headers, media_type="application/msgpack"
    )


def _describe_sync(app: Litestar) -> None:
    """The exchange is a bare ASGI endpoint, which Litestar does not describe by itself."""
    operation = Operation(
        operation_id="sync",
        summary="The exchange",
        description=(
            "MessagePack ``Request`` → ``Reply`` (sync/messages.py), signed by the device"
            " (RFC 9421). 401 with ``Doorstep-Nonce``: sign again with that nonce."
        ),
    )
    paths: dict[str, Any] = app.openapi_schema.paths or {}
    paths[PATH] = PathItem(post=operation)
    app.openapi_schema.paths = paths
