# SPDX-License-Identifier: Apache-2.0
"""One line between two tablets on a local network: TLS 1.3, and who is at the other end.

What lives here: listening, calling, frames with limits, mutual proof. What must not: what is
exchanged (``lan_meeting.py``), how tablets find one another (``lan_finding.py``).

Invariants: the listener's TLS key is made for the occasion; each side signs that key, both nonces
and both roles with its device key, so that nobody sits between; nothing but proofs is said before
both have shown a certificate that leads to the district and was not revoked; every frame and every
meeting has a limit in bytes and seconds.
"""

from __future__ import annotations

import hmac
import os
import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from client_sdk.devices import learn, public_of, statements_for
from client_sdk.errors import MeetingRefused, PeerUnknown, Unreachable
from client_sdk.revoked import check_not_revoked, keep_revocations, revocations_known
from client_sdk.roots import root_words
from client_sdk.store.base import Store
from crypto.errors import SignatureRefused
from crypto.identity import verify
from crypto.tls import check_tls_pin, make_tls_identity, tls_pin, with_password
from sync.carry.line import close_unfinished
from sync.decoding import MALFORMED
from sync.feed import Replica
from sync.messages import PROTOCOL, encode

CONNECT_SECONDS_MAX = 10.0
FRAME_SECONDS_MAX = 30.0
"""For one frame to arrive or to go: teammates stand beside each other."""
MEETING_SECONDS_MAX = 15 * 60.0
"""For a whole meeting: two tablets that never met, over the slowest of hot spots."""
FRAME_BYTES_MAX = 9 * 1024 * 1024
"""One frame: the largest message and what names it."""
MEETING_BYTES_MAX = 512 * 1024 * 1024
"""All frames of a meeting, in one direction: years of a district's work."""
NONCE_BYTES = 32
LISTENER, CALLER = b"meeting-listener", b"meeting-caller"
"""Purposes of the signatures: one side's proof is never the other's."""

Waiting = Callable[[], AbstractContextManager[None]]
"""What surrounds every wait for the other side (``TabletBase.waiting``)."""

_M = TypeVar("_M", bound=msgspec.Struct)


class Call(msgspec.Struct, array_like=True, frozen=True):
    """The caller's first word: a nonce, and what it wants: ``meet`` or ``outbox``."""

    protocol: int
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    what: Annotated[str, Meta(max_length=16)]


class Proof(msgspec.Struct, array_like=True, frozen=True):
    """Who I am: statements that lead from the district to my key, and my signature."""

    protocol: int
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    replica: Replica
    statements: Annotated[list[Annotated[bytes, Meta(max_length=8 * 1024)]], Meta(max_length=512)]
    revocations: Annotated[
        list[Annotated[bytes, Meta(max_length=8 * 1024)]], Meta(max_length=1_000)
    ]
    signature: Annotated[bytes, Meta(max_length=128)]


class Line:
    """An open TLS connection that carries frames."""

    def __init__(self, sock: ssl.SSLSocket, pin: bytes, waiting: Waiting) -> None:
        self._sock = sock
        self._waiting = waiting
        self.pin = pin
        self.sent_bytes = 0
        self.received_bytes = 0
        self._ends_s = time.monotonic() + MEETING_SECONDS_MAX
        sock.settimeout(FRAME_SECONDS_MAX)

    def send(self, data: bytes) -> None:
        """Send one frame. Raises Unreachable, MeetingRefused beyond a limit."""
        self.sent_bytes += len(data)
        if len(data) > FRAME_BYTES_MAX or self.sent_bytes > MEETING_BYTES_MAX:
            raise MeetingRefused("too much to send")
        try:
            with self._waiting():
                self._sock.sendall(len(data).to_bytes(4, "big") + data)
        except OSError as error:
            raise Unreachable(type(error).__name__) from error

    def receive(self, bytes_max: int = FRAME_BYTES_MAX) -> bytes:
        """One frame. Raises Unreachable where the line breaks, MeetingRefused beyond a limit."""
        until = min(self._ends_s, time.monotonic() + FRAME_SECONDS_MAX)
        with self._waiting():
            size = int.from_bytes(self._exactly(4, until), "big")
            self.received_bytes += size
            if size > bytes_max or self.received_bytes > MEETING_BYTES_MAX:
                raise MeetingRefused("a frame beyond its limit")
            return self._exactly(size, until)

    def _exactly(self, size: int, until: float) -> bytes:
        out = bytearray()
        try:
            while len(out) < size:
                left = until - time.monotonic()
                if left <= 0:
                    raise Unreachable("too slow")
                self._sock.settimeout(left)
                part = self._sock.recv(min(size - len(out), 1 << 16))
                if not part:
                    raise Unreachable("the other side hung up")
                out += part
        except OSError as error:
            raise Unreachable(type(error).__name__) from error
        finally:
            self._sock.settimeout(FRAME_SECONDS_MAX)
        return bytes(out)

    def say(self, message: msgspec.Struct) -> None:
        """Send one message as a frame."""
        self.send(encode(message))

    def hear(self, kind: type[_M], bytes_max: int = FRAME_BYTES_MAX) -> _M:
        """Receive one message. Raises MeetingRefused where it is another."""
        try:
            return msgspec.msgpack.decode(self.receive(bytes_max), type=kind)
        except MALFORMED as error:
            raise MeetingRefused(f"{kind.__name__}: malformed") from error

    def close(self) -> None:
        """Hang up."""
        self._sock.close()


# ---- listening and calling ----------------------------------------------------------------------


def listening_context(certificate_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    """TLS 1.3 with a key of one's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The library loads keys from files alone: this one is gone again at once, and has a password
    # that nobody but this process knows.
    password = os.urandom(16).hex().encode()
    with tempfile.TemporaryDirectory(prefix="line-") as folder:
        path = Path(folder) / "key"
        path.write_bytes(certificate_pem + with_password(key_pem, password))
        context.load_cert_chain(path, password=password)
    return context


class Listening:
    """A listening socket with a TLS key made for the occasion; ``pin`` is what callers check."""

    def __init__(self, host: str, port: int, waiting: Waiting = nullcontext) -> None:
        self._waiting = waiting
        identity = make_tls_identity(["doorstep.invalid"])
        self.pin = identity.tls_pin
        self._context = listening_context(
            identity.certificate_pem, identity.private_key_pem.reveal()
        )
        self._socket = socket.create_server((host, port), backlog=4)
        self.port: int = self._socket.getsockname()[1]

    def accept(self, seconds: float) -> Line | None:
        """The next caller, None where none came in time or its handshake failed."""
        self._socket.settimeout(seconds)
        with self._waiting():
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return None
            plain.settimeout(CONNECT_SECONDS_MAX)
            try:
                sock = self._context.wrap_socket(plain, server_side=True)
            except OSError as error:
                plain.close()
                close_unfinished(error)
                return None
        return Line(sock, self.pin, self._waiting)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


def call(address: str, pin: bytes | None, waiting: Waiting = nullcontext) -> Line:
    """Connect to a listener (``host:port``). ``pin``: what its code says, None where found by name.

    Raises Unreachable, PinMismatch.
    """
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The key is made for the occasion: what it proves is signed by the device key afterwards.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        plain = socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS_MAX)
    except (OSError, ValueError) as error:
        raise Unreachable(type(error).__name__) from error
    try:
        sock = context.wrap_socket(plain)
    except OSError as error:
        plain.close()
        close_unfinished(error)
        raise Unreachable(type(error).__name__) from error
    certificate: Any = sock.getpeercert(binary_form=True)
    try:
        if pin is not None:
            check_tls_pin(certificate, pin)
        return Line(sock, tls_pin(certificate), waiting)
    except BaseException:
        sock.close()
        raise


# ---- who is at the other end --------------------------------------------------------------------


class Peer(NamedTuple):
    """Whoever proved itself: its replica id."""

    replica: bytes


def prove_as_caller(line: Line, store: Store, expected: bytes | None) -> Peer:
    """Say who I am once the listener has; ``expected`` is the replica its code named.

    Raises PeerUnknown, PeerRevoked, MeetingRefused.
    """
    mine = os.urandom(NONCE_BYTES)
    line.say(Call(PROTOCOL, mine, "meet"))
    theirs = line.hear(Proof, 8 * 1024 * 1024)
    _check(store, theirs, LISTENER, line.pin + mine + theirs.nonce)
    if expected is not None and not _goes_on_from(store, theirs.replica, expected):
        raise PeerUnknown("another tablet than the code named")
    message = line.pin + mine + theirs.nonce + theirs.replica
    line.say(_proof(store, theirs.nonce, CALLER, message))
    return Peer(theirs.replica)


def prove_as_listener(line: Line, store: Store, called: Call) -> Peer:
    """Say who I am first, since a caller may have a code that names me; then hear who calls.

    Raises PeerUnknown, PeerRevoked, MeetingRefused.
    """
    mine = os.urandom(NONCE_BYTES)
    line.say(_proof(store, mine, LISTENER, line.pin + called.nonce + mine))
    theirs = line.hear(Proof, 8 * 1024 * 1024)
    if not hmac.compare_digest(theirs.nonce, mine):
        raise MeetingRefused("another nonce")
    message = line.pin + called.nonce + mine + store.chain.replica
    _check(store, theirs, CALLER, message)
    return Peer(theirs.replica)


def _proof(store: Store, nonce: bytes, purpose: bytes, message: bytes) -> Proof:
    replica = store.chain.replica
    return Proof(
        PROTOCOL,
        nonce,
        replica,
        [*root_words(store), *statements_for(store, [replica])],
        revocations_known(store),
        store.key.sign(purpose, message + replica),
    )


def _check(store: Store, proof: Proof, purpose: bytes, message: bytes) -> None:
    if proof.protocol != PROTOCOL:
        raise MeetingRefused("protocol")
    with store.transaction():
        learn(store, proof.statements)
        public = public_of(store, proof.replica)
        try:
            verify(public, purpose, message + proof.replica, proof.signature)
        except SignatureRefused:
            raise PeerUnknown("signature") from None
        keep_revocations(store, proof.revocations)
        check_not_revoked(store, proof.replica)


def _goes_on_from(store: Store, replica: bytes, named: bytes) -> bool:
    """Is this the replica that was named, or one that goes on from it?"""
    at, seen = replica, set[bytes]()
    while at and at not in seen:
        if at == named:
            return True
        seen.add(at)
        found = store.one("SELECT parent FROM devices WHERE replica = ?", (at,))
        at = found[0] if found else b""
    return False


Until = Callable[[], bool]
"""Asked between callers: True ends the listening."""
