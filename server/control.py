# SPDX-License-Identifier: Apache-2.0
"""Office commands while the server runs: the few that must happen inside its process.

What lives here: the Unix socket in the data folder, both ends. What must not: any rule. Invariants
- The record has one writer at a time: while a server runs, it writes what the command line asks.
- The socket is 0600 in the data folder: whoever may use it may read the keys as well.
- A frame is four bytes of length and MessagePack; FRAME_BYTES_MAX bounds it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from crypto.errors import CryptoError
from server.api.replies import TOLD, error_answer
from server.bundles import Lines, TakenBundle, make_for_upstream, take_bundle
from server.effecting import Office
from server.erasing_keeping import erase_here
from server.errors import ServerError
from server.joined_deciding import decide
from server.keys import ServerKeys
from server.own import Write
from server.recovery import Recovered, recover
from server.rekeying import Renewing
from server.service import Service
from sync.change import Value
from sync.errors import SyncError

SOCKET_NAME = "control"
FRAME_BYTES_MAX = 80 * 1024 * 1024
"""One call: 2,000 households of an import are 4 MB, the largest bundle is 72 MB."""
ANSWER_SECONDS_MAX = 120.0
ASK_AGAIN_S = 0.2


def _bound(path: Path) -> socket.socket:
    """A socket at ``path``; one left by a killed server is replaced (the lock says it is dead)."""
    path.unlink(missing_ok=True)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    found.bind(str(path))
    path.chmod(0o600)
    return found


class Control:
    """The server's end."""

    def __init__(self, service: Service, keys: ServerKeys) -> None:
        self.service = service
        self._renewing = Renewing(service, keys.store)
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, sock=_bound(path))

    async def stop(self) -> None:
        """Stop listening, and wait for what was begun."""
        if self._server:
            self._server.close()
        await asyncio.to_thread(self._renewing.end)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                if size > FRAME_BYTES_MAX:
                    return
                call = msgspec.msgpack.decode(await reader.readexactly(size))
                answer = await self.service.run(partial(self._answer, call))
                writer.write(len(answer).to_bytes(4, "big") + answer)
                await writer.drain()
        except (
            asyncio.IncompleteReadError,
            ConnectionError,
            msgspec.DecodeError,
            UnicodeDecodeError,
        ):
            return
        finally:
            writer.close()

    def _answer(self, call: Any) -> bytes:
        try:
            name, arguments = call
            return msgspec.msgpack.encode([True, self._do(name, arguments)])
        except TOLD as error:
            return msgspec.msgpack.encode([False, msgspec.msgpack.decode(error_answer(error).body)])

    def _do(self, name: str, arguments: list[Any]) -> Any:
        beside: dict[str, Callable[..., Any]] = {
            "renew_store": self._renewing.begin,
            "renewing_store": self._renewing.stand,
        }
        if name in beside:
            return beside[name](*arguments)
        if name == "write_many":
            worker, writes, reason = arguments
            plain = [(w[0], w[1], w[2], [tuple(o) for o in w[3]]) for w in writes]
            return Office(self.service.district).write_many(worker, plain, reason)
        if name == "reload":
            self.service.reload()
            return None
        if name == "recover":
            return recover(self.service.district, arguments[0])
        if name == "erase":
            return erase_here(self.service.district, self.service.settings.data, *arguments)
        if name == "take_bundle":
            district, settings = self.service.district, self.service.settings
            taken = take_bundle(district, Lines(settings.data), arguments[0])
            self.service.reload()
            return taken
        if name == "bundle_up":
            return make_for_upstream(self.service.district, Lines(self.service.settings.data))
        if name == "decide":
            return decide(self.service.district, *arguments)
        raise ServerError(f"no such operation: {name[:20]}")


class Caller:
    """The command line's end: a district that runs in another process."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_SECONDS_MAX)
        self._socket.connect(str(path))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def write_many(self, worker: str, writes: Sequence[Write], reason: str = "") -> list[str]:
        """As ``Office.write_many``, inside the server."""
        found: list[str] = self.ask("write_many", worker, list(writes), reason)
        return found

    def write(
        self,
        worker: str,
        collection: str,
        record: str | None,
        sets: dict[str, Value],
        others: Sequence[tuple[str, str, Value]] = (),
        reason: str = "",
    ) -> str:
        """As ``Office.write``, inside the server."""
        return self.write_many(worker, [(collection, record, sets, list(others))], reason)[0]

    def recover(self, data: bytes) -> Recovered:
        """As ``recovery.recover``, inside the server."""
        return Recovered(*self.ask("recover", data))

    def take_bundle(self, data: bytes) -> TakenBundle:
        """As ``bundles.take_bundle``, inside the server."""
        found = TakenBundle(*self.ask("take_bundle", data))
        return found._replace(missing=(found.missing[0], found.missing[1]))

    def make_for_upstream(self) -> tuple[bytes, int, bytes]:
        """As ``bundles.make_for_upstream``, inside the server."""
        server, number, data = self.ask("bundle_up")
        return server, number, data

    def decide(self, what: str, arguments: dict[str, Any]) -> list[Any]:
        """As ``joined_deciding.decide``, inside the server."""
        found: list[Any] = self.ask("decide", what, arguments)
        return found

    def renew_store(self, by: str, progress: Callable[[int, int], None]) -> tuple[str, str]:
        """As ``rekeying.renew_store_key``, inside the server; asks until it is done."""
        self.ask("renew_store", by)
        while True:
            done, total, before, after = self.ask("renewing_store")
            progress(done, total)
            if after:
                return before, after
            time.sleep(ASK_AGAIN_S)

    def reload(self) -> None:
        """Let the server read devices and revocations again."""
        self.ask("reload")

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call and wait. Raises the error the server answered with."""
        frame = msgspec.msgpack.encode([name, list(arguments)])
        self._socket.sendall(len(frame).to_bytes(4, "big") + frame)
        size = int.from_bytes(self._exactly(4), "big")
        fine, result = msgspec.msgpack.decode(self._exactly(size))
        if not fine:
            raise error_of(result["code"], result["detail"])
        return result

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(min(size - len(parts), 1 << 20))
            if not part:
                raise ServerError("the server hung up")
            parts += part
        return bytes(parts)


def error_of(code: str, detail: str) -> Exception:
    """The error of a code, as its package raises it."""
    waiting: list[type[Exception]] = [ServerError, SyncError, CryptoError]
    while waiting:
        kind = waiting.pop()
        if getattr(kind, "code", None) == code:
            return kind(detail)
        waiting += kind.__subclasses__()
    return ServerError(f"{code} {detail}")
