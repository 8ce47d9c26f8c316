# SPDX-License-Identifier: Apache-2.0
"""A server of TLS that does what a test says with each connection: it answers, breaks off, lies.

What must not live here: what the bodies mean.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from crypto.tls import TlsIdentity, make_tls_identity

SECONDS_MAX = 10.0
"""For one test's connection: what hangs is to fail."""
Serve = Callable[[ssl.SSLSocket], None]


def head_of(sock: ssl.SSLSocket) -> bytes:
    """A request, read to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65_536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
    wanted = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < wanted:
        body += sock.recv(65_536)
    return head + b"\r\n\r\n" + body


def answer(body: bytes, status: int = 200, **headers: str) -> bytes:
    """The bytes of an answer."""
    named = {
        "content-length": str(len(body)),
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Listening:
    """Serves its connections one after the other, each by the next of ``serves``."""

    def __init__(self, *serves: Serve, identity: TlsIdentity | None = None) -> None:
        self.identity = identity or make_tls_identity(["localhost"])
        self.asked: list[bytes] = []
        self._serves = list(serves)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(SECONDS_MAX)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Listening:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "server.pem"
            secret = self.identity.private_key_pem.reveal()
            file.write_bytes(self.identity.certificate_pem + secret)
            self._context.load_cert_chain(file)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._thread.join(SECONDS_MAX)

    def _run(self) -> None:
        for serve in self._serves:
            with contextlib.suppress(OSError):
                plain, _ = self._socket.accept()
                plain.settimeout(SECONDS_MAX)
                with self._context.wrap_socket(plain, server_side=True) as sock:
                    serve(sock)

    def says(self, *answers: bytes) -> Serve:
        """Answers requests on one connection one after the other, then closes it."""

        def serve(sock: ssl.SSLSocket) -> None:
            for one in answers:
                found = head_of(sock)
                if not found:
                    return
                self.asked.append(found)
                sock.sendall(one)

        return serve
