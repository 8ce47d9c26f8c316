# SPDX-License-Identifier: Apache-2.0
"""Serving: uvicorn on TLS, signals, a clean start and a clean stop.

What lives here: the life of the process. What must not: endpoints, rules. Invariants
- A stop finishes the requests that run, then leaves nonces and counter, then closes the store.
- The address in use is written to ``address`` in the data folder once connections are accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from server.app import build_app, keep_counter, opened_district, wall_clock_ms
from server.backing import Backing
from server.backup_keys import Forgetting
from server.climbing import Climbing
from server.compacting import Compacting
from server.control import SOCKET_NAME, Control
from server.erasing_keeping import KEEPING_LOOK_SECONDS, Keeping
from server.jobs import Doing, Job
from server.keys import TLS_CERTIFICATE, TLS_KEY, ServerKeys
from server.logs import log, set_up_logs
from server.renewing import Renewing
from server.reports.background import KeepingUp
from server.service import Service
from server.serving_address import ADDRESS_NAME
from server.settings import Settings
from server.web.rendering import FIRST, make_ready, template_names
from sync.schema import Schema

PAGES_READY_AFTER_SECONDS = 60
"""The templates are compiled when the tablets that waited for a start have been heard."""
PAGES_APART_SECONDS = 0.3
"""Between two of them: who asks for a page meanwhile waits for one at most."""
KEEP_ALIVE_SECONDS = 75
COLLECT_AFTER_OBJECTS = 200_000
"""Objects between two looks for cycles: some uploads, a few dozen megabytes at most."""


class _Uvicorn(uvicorn.Server):
    """Uvicorn raises a caught signal again after it stopped, which would end the process before the
    store is closed; here signals only ask it to stop."""

    def __init__(
        self, config: uvicorn.Config, told: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._told = told
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and tell."""
        await super().startup(sockets)
        self._told()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut connections on which nothing runs, then let the others finish.

        A plain close would wait half a minute for the other end's TLS goodbye, which a tablet that
        keeps its connection for later does not send. What listens for news is told to end.
        """
        self._stopping()
        for connection in list(self.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            transport = getattr(connection, "transport", None)
            if transport is not None and (cycle is None or cycle.response_complete):
                transport.abort()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def uvicorn_config(service: Service, keys_folder: Path) -> uvicorn.Config:
    """How uvicorn runs the application: TLS 1.3, the server's own certificate, no access log."""
    settings = service.settings
    config = uvicorn.Config(
        build_app(service),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=settings.connections_at_once_max,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds_max,
        ssl_keyfile=str(keys_folder / TLS_KEY),
        ssl_certfile=str(keys_folder / TLS_CERTIFICATE),
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return config


def listen(settings: Settings) -> socket.socket:
    """A listening socket at the address of the settings; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((settings.host, settings.port))
    except OSError:
        found.close()
        raise
    return found


async def _make_pages_ready() -> None:
    """Compile the console's templates: the first of each page would otherwise wait for that.

    Not all at once: a server that starts again has tablets waiting, and this takes a second of the
    processor.
    """
    await asyncio.to_thread(make_ready, FIRST)
    await asyncio.sleep(PAGES_READY_AFTER_SECONDS)
    for name in template_names():
        await asyncio.to_thread(make_ready, [name])
        await asyncio.sleep(PAGES_APART_SECONDS)


class Serving:
    """A district being served; ``run`` blocks until ``stop`` or a signal."""

    def __init__(self, service: Service, keys: ServerKeys) -> None:
        self.service = service
        self.keys = keys
        self._uvicorn = _Uvicorn(
            uvicorn_config(service, keys.folder), self._tell_started, self._tell_stopping
        )
        self._listening = listen(service.settings)
        held = self._uvicorn.server_state.connections
        service.metrics.connections = lambda: len(held)
        self.host, self.port = self._listening.getsockname()[:2]
        self.started = threading.Event()

    def stop(self) -> None:
        """Ask it to stop; running requests are finished."""
        self._uvicorn.should_exit = True

    async def _run(self) -> None:
        data = self.service.settings.data
        control = Control(self.service, self.keys)
        await control.start(data / SOCKET_NAME)
        tasks = [asyncio.create_task(one) for one in self.beside()]
        try:
            await self._uvicorn.serve(sockets=[self._listening])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await control.stop()

    def beside(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on beside the answers to requests, until the server stops."""
        service, data = self.service, self.service.settings.data
        return [
            Climbing(service).run(),
            Renewing(service).run(),
            Doing(service, Keeping(data), KEEPING_LOOK_SECONDS).run(),
            *(Doing(service, job).run() for job in self._jobs()),
            KeepingUp(service).run(),
            _make_pages_ready(),
        ]

    def _jobs(self) -> list[Job]:
        """What is done in the background, by one process of all."""
        settings = self.service.settings
        forgetting = Forgetting(settings, self.keys)
        if not settings.backup_dir:
            return [forgetting]
        compacting = [Compacting(settings)] if settings.compact_days else []
        return [Backing(settings, self.keys), *compacting, forgetting]

    def _tell_started(self) -> None:
        address = self.service.settings.data / ADDRESS_NAME
        address.write_text(f"{self.host}:{self.port}\n", "utf-8")
        log("listening", port=self.port)
        self.started.set()

    def _tell_stopping(self) -> None:
        self.service.stopping = True

    def run(self) -> None:
        """Serve until asked to stop; then everything is finished and the service closed."""
        import uvloop

        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run())
        finally:
            for name in (SOCKET_NAME, ADDRESS_NAME):
                (self.service.settings.data / name).unlink(missing_ok=True)
            self._listening.close()
            self.service.close()
            keep_counter(self.service.district, self.keys)


def spare_the_collector() -> None:
    """Let Python look for cycles rarely: an upload makes many objects and no cycles, and looking
    through them again and again took a quarter of its time. What lives for good is never looked at.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 50)


def serve(
    settings: Settings,
    schema: Schema | None = None,
    clock: Callable[[], int] = wall_clock_ms,
    told: Callable[[Serving], None] | None = None,
) -> None:
    """Serve a district in this process until a signal says stop.

    Raises ServerRunning, NotInitialised, KeyFileWrong, StoreDamaged before anything is served.
    """
    set_up_logs(settings)
    with opened_district(settings, schema, clock) as (district, keys):
        # Nothing is counted here: a start takes as long over ten million records as over none.
        log("start")
        serving = Serving(Service(district, settings, keys.tls.tls_pin), keys)
        spare_the_collector()
        if told:
            told(serving)
        serving.run()
    log("stop")
