# SPDX-License-Identifier: Apache-2.0
"""Phones that open this tablet's pages over its hot spot: each has a port, a gate and a lock.

What lives here: letting one in, and sending it away. What must not: pages, the lock. Invariants
- Only a worker who has the tablet unlocked lets a phone in, and only from its own browser.
- A phone gets the same as the tablet's own browser: TLS with this tablet's key, an address that is
  good once, a PIN, two idle minutes. What it shows it must not keep.
- When the tablet's own pages end, so do the phones'.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from client_sdk.errors import Unreachable
from client_sdk.lan_link import listening_context
from client_sdk.sharing import PageKey
from crypto.tls import pem_to_der

if TYPE_CHECKING:
    import ssl

    from client_sdk.app.serve import App

PHONES_MAX = 4
"""A team's; each that is unlocked may ask at any moment, and one at a time is answered."""
START_SECONDS_MAX = 10.0
STOP_SECONDS_MAX = 30.0


class Phone(NamedTuple):
    """One phone's way in: ``address`` is good once, ``mark`` what its browser shows of the
    certificate (SHA-256), ``pin`` the hash of its key."""

    app: App
    thread: threading.Thread
    address: str
    mark: str
    pin: bytes


class Phones:
    """The phones of one app. ``make`` puts an app together for a host, with TLS."""

    def __init__(self, make: Callable[[str, ssl.SSLContext], App]) -> None:
        self._make = make
        self._phones: list[Phone] = []

    def listed(self) -> list[Phone]:
        """Those that are let in, in the order in which they were."""
        return list(self._phones)

    def let_in(self, host: str, key: PageKey) -> Phone | None:
        """Serve the pages at one more port; None where there are enough.

        Raises Unreachable where this device has no such address.
        """
        if len(self._phones) >= PHONES_MAX:
            return None
        try:
            app = self._make(host, listening_context(key.certificate_pem, key.key_pem))
        except OSError as error:
            raise Unreachable(type(error).__name__) from error
        ready = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(app.serve(ready.set)), daemon=True)
        thread.start()
        ready.wait(START_SECONDS_MAX)
        mark = hashlib.sha256(pem_to_der(key.certificate_pem)).hexdigest()
        phone = Phone(app, thread, app.address(), mark, key.pin)
        self._phones.append(phone)
        return phone

    def send_away(self, port: int) -> None:
        """Serve one phone no longer."""
        for phone in self.listed():
            if phone.app.port == port:
                self._phones.remove(phone)
                phone.app.stop()
                phone.thread.join(STOP_SECONDS_MAX)

    def stop_all(self) -> None:
        """Serve none any more."""
        for phone in self.listed():
            self.send_away(phone.app.port)
