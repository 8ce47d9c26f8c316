# SPDX-License-Identifier: Apache-2.0
"""How two tablets find each other: a code on the screen, or a name on the local network.

What lives here: the text of the code, announcing and looking for a service. What must not: the
connection. Invariant: neither says who works here or where; whom one has found is proved on the
line.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from client_sdk.errors import MeetingRefused
from crypto.identity import REPLICA_BYTES
from crypto.tls import PIN_BYTES

PREFIX = "DOORSTEP-MEET-"
CODE_CHARACTERS_MAX = 400
SERVICE = "_doorstep._tcp.local."
FIND_SECONDS = 3.0
"""How long is looked: answers on a local network come within one."""
FOUND_MAX = 50
_FORMAT = 1


class Meetable(NamedTuple):
    """Where a teammate listens: ``host:port``, the pin of its TLS key, its replica id if known."""

    address: str
    pin: bytes
    replica: bytes | None


def code_of(address: str, pin: bytes, replica: bytes) -> str:
    """The text of the QR code that a listener shows."""
    body = bytes((_FORMAT,)) + pin + replica + address.encode()
    return PREFIX + base64.b32encode(body).decode().rstrip("=")


def read_code(text: str) -> Meetable:
    """Read the text of a listener's code. Raises MeetingRefused."""
    text = text.strip().upper()
    if not text.startswith(PREFIX) or len(text) > CODE_CHARACTERS_MAX:
        raise MeetingRefused("not the code of a meeting")
    body = text[len(PREFIX) :]
    try:
        raw = base64.b32decode(body + "=" * (-len(body) % 8))
        address = raw[1 + PIN_BYTES + REPLICA_BYTES :].decode("ascii")
    except ValueError as error:
        # Letters outside base32, outside ASCII, or bytes that are no text: each tells it otherwise.
        raise MeetingRefused("not the code of a meeting") from error
    host, _, port = address.rpartition(":")
    if not raw or raw[0] != _FORMAT or not host or not port.isdigit():
        raise MeetingRefused("not the code of a meeting")
    pin = raw[1 : 1 + PIN_BYTES]
    return Meetable(address, pin, raw[1 + PIN_BYTES : 1 + PIN_BYTES + REPLICA_BYTES])


def own_address() -> str:
    """The address of this device on its local network; loopback where it has none."""
    return own_addresses()[0]


def own_addresses() -> list[str]:
    """The addresses (IPv4) of this device, the one that leads out first; loopback for none.

    A tablet that is a hot spot without signal has a network of its own and no way out.
    """
    import ifaddr

    every = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    found = [a for a in every if not ipaddress.ip_address(a).is_loopback]
    # Nothing is sent: connecting a datagram socket only asks which way it would go.
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with contextlib.closing(probe), contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        found.insert(0, str(probe.getsockname()[0]))
    private = [a for a in found if ipaddress.ip_address(a).is_private]
    return list(dict.fromkeys([*found[:1], *private, *found])) or ["127.0.0.1"]


@contextlib.contextmanager
def announced(host: str, port: int, pin: bytes) -> Iterator[None]:
    """Announce a listener on the local network while the context lasts, under a random name."""
    from zeroconf import ServiceInfo, Zeroconf

    name = os.urandom(6).hex()
    info = ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        addresses=[ipaddress.ip_address(host).packed],
        port=port,
        properties={"v": str(_FORMAT), "pin": pin.hex()},
        server=f"{name}.local.",
    )
    zeroconf = Zeroconf(interfaces=[host])
    try:
        zeroconf.register_service(info)
        yield
    finally:
        zeroconf.unregister_service(info)
        zeroconf.close()


def find(host: str, seconds: float = FIND_SECONDS, enough: int = FOUND_MAX) -> list[Meetable]:
    """Listeners on the local network of ``host``; ends early where ``enough`` were found."""
    from zeroconf import ServiceBrowser, ServiceListener, Zeroconf

    found: dict[str, Meetable] = {}
    full = threading.Event()

    class Looking(ServiceListener):
        """Keeps what is announced."""

        def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
            info = zc.get_service_info(type_, name, timeout=int(seconds * 1000))
            meetable = _meetable(info) if info is not None else None
            if meetable is not None and len(found) < FOUND_MAX:
                found[name] = meetable
                if len(found) >= enough:
                    full.set()

        def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
            self.add_service(zc, type_, name)

        def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
            found.pop(name, None)

    zeroconf = Zeroconf(interfaces=[host])
    try:
        browser = ServiceBrowser(zeroconf, SERVICE, Looking())
        full.wait(seconds)
        browser.cancel()
    finally:
        zeroconf.close()
    return sorted(found.values())


def _meetable(info: Any) -> Meetable | None:
    pin = (info.properties.get(b"pin") or b"").decode("ascii", "replace")
    addresses = info.parsed_addresses()
    if len(pin) != 2 * PIN_BYTES or not addresses:
        return None
    try:
        return Meetable(f"{addresses[0]}:{info.port}", bytes.fromhex(pin), None)
    except ValueError:
        return None
