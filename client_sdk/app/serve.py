# SPDX-License-Identifier: Apache-2.0
"""The app put together and served: one port, one browser, until it is stopped.

What lives here: wiring, the life of the process, the lock that falls by itself. What must not:
pages. Invariants: it listens on 127.0.0.1 alone, on a port the system chose, but for a phone that a
worker lets in (``phones.py``), and then with TLS; a request that finds the tablet locked is led to
the PIN, whatever it asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath
from litestar.response import Response

from client_sdk.app import (
    attached,
    custody,
    entry,
    household,
    near,
    opening,
    outside,
    today,
    visit,
)
from client_sdk.app.desk import BODY_BYTES_MAX, Desk, desk_of, sentences
from client_sdk.app.gate import Gate
from client_sdk.app.keeper import Keeper
from client_sdk.app.phones import Phones
from client_sdk.errors import Locked, NotFound, TabletError, Unreachable
from crypto.errors import CryptoError
from sync.errors import SyncError

HOST = "127.0.0.1"
STOP_SECONDS_MAX = 20.0
"""For a sync that runs when the program is stopped; it may be broken off, it goes on next time."""
_Request = Request[Any, Any, Any]
_OPEN = ("/unlock", "/enrol", "/language", "/idle", "/seen", "/static/", "/lock")
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_log = logging.getLogger("doorstep.tablet")


@get("/static/{version:str}/{name:str}", sync_to_thread=False)
def static(request: _Request, version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """The style and the script: the only things a browser may keep."""
    found = desk_of(request).static.get(name)
    if found is None:
        raise NotFoundException()
    return Response(
        found,
        media_type=_KINDS["." + name.rpartition(".")[2]],
        headers={"cache-control": "private, max-age=604800, immutable"},
    )


def _before(request: _Request) -> Response[Any] | None:
    """Lock where time is up; lead to the PIN; note where the worker is and that one is there."""
    desk = desk_of(request)
    path = request.scope["path"]
    if path.startswith(_OPEN):
        return None
    if desk.keeper.lock_if_left():
        if request.method == "GET" and "doorstep-script" not in request.headers:
            desk.back_to = path
        return desk.go("/unlock")
    desk.keeper.touch()
    return None


def _refused(request: _Request, error: Exception) -> Response[Any]:
    """An error as a page: three sentences and the way back."""
    desk = desk_of(request)
    if isinstance(error, Locked):
        return desk.go("/unlock")
    status = 404 if isinstance(error, NotFound) else 503 if isinstance(error, Unreachable) else 400
    return desk.page("error.html", status=status, text=sentences(error, desk.lang))


def _not_found(request: _Request, error: HTTPException) -> Response[Any]:
    desk = desk_of(request)
    if error.status_code == 404:
        text = sentences(NotFound(), desk.lang)
    else:
        text = sentences(TabletError(), desk.lang)
    return desk.page("error.html", status=error.status_code, text=text)


def _fault(request: _Request, error: Exception) -> Response[Any]:
    """A fault of the program: its kind and place go to the log, nothing of what was entered."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    _log.error("fault %s at %s", type(error).__name__, place)
    desk = desk_of(request)
    return desk.page("error.html", status=500, text=sentences(TabletError(), desk.lang))


PAGES = [
    handler
    for module in (opening, today, household, visit, entry, attached, outside, near, custody)
    for handler in module.HANDLERS
]
"""Every route of the app but its static files."""


def build(desk: Desk) -> Litestar:
    """The application of one desk."""
    return Litestar(
        route_handlers=[*PAGES, static],
        state=State({"desk": desk}),
        before_request=_before,
        openapi_config=None,
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
        exception_handlers={
            TabletError: _refused,
            CryptoError: _refused,
            SyncError: _refused,
            HTTPException: _not_found,
            Exception: _fault,
        },
    )


class _Uvicorn(uvicorn.Server):
    """Tells when it accepts connections, and sleeps until somebody asks or it is stopped.

    Uvicorn's own loop wakes up ten times a second to see whether it should end: that keeps a
    processor from its deep sleep for a whole day. Here whoever ends it wakes it.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told: Callable[[], None] = _nothing
        self._over = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and tell."""
        await super().startup(sockets)
        self.told()

    async def main_loop(self) -> None:
        """Wait for the end."""
        self._loop = asyncio.get_running_loop()
        if not await self.on_tick(0):
            await self._over.wait()
        self._loop = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The system's word that it should end."""
        super().handle_exit(sig, frame)
        self._wake()

    def end(self) -> None:
        """Ask it to end, from any thread."""
        self.should_exit = True
        self._wake()

    def _wake(self) -> None:
        # Asked for before the loop began, it is seen there at once.
        loop = self._loop
        if loop is not None:
            _told(loop, self._over)


def _nothing() -> None:
    """Nobody is told."""


def _told(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """Set an event of a loop from any thread."""
    loop.call_soon_threadsafe(event.set)


class App:
    """The pages of one tablet on one port; ``address`` is good for one browser, once.

    ``host`` and ``tls``: where a phone asks, and with what it is answered.
    """

    def __init__(
        self,
        keeper: Keeper,
        lang: str = "zh",
        *,
        host: str = HOST,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.keeper = keeper
        self.phones = None if tls else Phones(self._for_a_phone)
        self.desk = Desk(keeper, lang, self.phones)
        pages = build(self.desk)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind((host, 0))
        self.port: int = self._socket.getsockname()[1]
        where = f"{host}:{self.port}"
        self.gate = Gate(pages, where, self._entered, "https" if tls else "http")
        self.desk.gate = self.gate
        self._server = _Uvicorn(
            uvicorn.Config(
                self.gate,
                http="httptools",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=5,
                ssl_context_factory=(lambda *_: tls) if tls else None,
            )
        )

    def _for_a_phone(self, host: str, tls: ssl.SSLContext) -> App:
        return App(self.keeper.beside(), self.desk.lang, host=host, tls=tls)

    def _entered(self) -> None:
        """Whoever comes in by a start address shows the PIN, even while the tablet was unlocked."""
        self.keeper.lock()
        self.desk.back_to = "/"

    def address(self) -> str:
        """A new start address."""
        return self.gate.open()

    async def serve(self, told: Callable[[], None] = _nothing) -> None:
        """Serve until ``stop``; then lock."""
        watching = asyncio.create_task(self._watch())
        self._server.told = told
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            self.keeper.on_sooner = _nothing
            self._socket.close()
            if self.phones is None:
                self.keeper.leave()
            else:
                await asyncio.to_thread(self.phones.stop_all)
                self.keeper.meeting.stop()
                self.keeper.meeting.wait(STOP_SECONDS_MAX)
                self.keeper.syncing.wait(STOP_SECONDS_MAX)
                self.keeper.lock()

    def stop(self) -> None:
        """Ask it to end."""
        self._server.end()

    async def _watch(self) -> None:
        """Sleep until the tablet must lock, or the keeper says that it may be sooner.

        While it is locked nothing wakes it up. Whatever is asked for first locks too, so that a
        sleep of the device, in which this one stands still, shows nothing to anybody.
        """
        loop, sooner = asyncio.get_running_loop(), asyncio.Event()
        self.keeper.on_sooner = lambda: _told(loop, sooner)
        while True:
            sooner.clear()
            left = None if self.keeper.locked else max(0.1, self.keeper.seconds_left())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(sooner.wait(), left)
            if not self.keeper.locked and self.keeper.seconds_left() <= 0:
                await asyncio.to_thread(self.keeper.lock_if_left)
