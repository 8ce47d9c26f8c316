# SPDX-License-Identifier: Apache-2.0
"""``doorstep-tablet app``: serve the tablet's own pages to this machine's browser.

What lives here: starting them once, and letting a browser in again while they run. What must not:
the pages (``app/``). Invariant: the file that lets a browser in is readable by its owner alone,
goes when the program ends, and opens nothing but the page that asks for the PIN.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from sync.carry.files import open_own
from sync.decoding import MALFORMED

if TYPE_CHECKING:
    from client_sdk.app.serve import App

RUNNING_FILE = "app.running"
ASK_SECONDS_MAX = 3.0


class Running(msgspec.Struct):
    """Where the pages of this tablet are served, and what asks for a new start address there."""

    port: int
    key: str


def add_to(main: click.Group) -> None:
    """Add the command."""

    @main.command(name="app")
    @click.option(
        "--open/--no-open", "opens", default=True, help="用浏览器打开 / open it in the browser"
    )
    @click.pass_obj
    def app(obj: Any, opens: bool) -> None:
        """在浏览器里打开平板的页面。 / Open the tablet's pages in the browser."""
        serve(obj.directory, obj.words.lang, obj.say, opens=opens)


def serve(directory: Path, lang: str, say: Callable[..., None], *, opens: bool) -> None:
    """Serve until Ctrl+C; where they are served already, open them once more."""

    def show(address: str) -> None:
        say("app-address", address=address)
        if opens and not webbrowser.open(address):
            say("app-no-browser")

    again = address_again(directory)
    if again:
        show(again)
        return
    from client_sdk.app.keeper import Keeper
    from client_sdk.app.serve import App

    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    pages = App(Keeper(directory), lang)
    say("app-stop")
    try:
        asyncio.run(pages.serve(lambda: _begin(directory, pages, show)))
    except KeyboardInterrupt:
        say("app-stopped")
    finally:
        (directory / RUNNING_FILE).unlink(missing_ok=True)


def _begin(directory: Path, pages: App, show: Callable[[str], None]) -> None:
    running = msgspec.json.encode(Running(pages.port, pages.gate.key_for_again()))
    path = directory / RUNNING_FILE
    path.unlink(missing_ok=True)
    found = open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.write(found, running)
    finally:
        os.close(found)
    show(pages.address())


def address_again(directory: Path) -> str:
    """A new start address of pages that run already; empty where none do."""
    try:
        running = msgspec.json.decode((directory / RUNNING_FILE).read_bytes(), type=Running)
        where = http.client.HTTPConnection("127.0.0.1", running.port, timeout=ASK_SECONDS_MAX)
        with contextlib.closing(where) as connection:
            connection.request("GET", f"/{running.key}")
            answer = connection.getresponse()
            text = answer.read(1000).decode()
    except (*MALFORMED, OSError, http.client.HTTPException):
        return ""
    return text.strip() if answer.status == http.client.OK else ""
