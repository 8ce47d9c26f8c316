# SPDX-License-Identifier: Apache-2.0
"""The nonces that devices sign with: each good for one request of one device.

What lives here: giving them out and spending them. What must not: signatures. Invariants
- A nonce that was spent is never good again, not even after the process was killed: nonces live in
  memory, and the column in the store holds them only between a clean stop and the next start, which
  takes them out before it serves. After a kill every device is asked once for a new try.
- A wrong nonce does not burn the one that is out: whoever replays a request hinders nobody.
"""

from __future__ import annotations

import threading

from crypto.request import new_nonce
from server.errors import NonceSpent
from server.store.base import Store


class Nonces:
    """One outstanding nonce for each device."""

    def __init__(self) -> None:
        self._out: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Nonces({len(self._out)} devices)"

    def issue(self, device: str) -> bytes:
        """A new nonce (16 bytes) for a device; the one before is void."""
        nonce = new_nonce()
        with self._lock:
            self._out[device] = nonce
        return nonce

    def current(self, device: str) -> bytes:
        """The nonce that is out for a device; a new one where there is none."""
        with self._lock:
            return self._out.setdefault(device, new_nonce())

    def spend(self, device: str, nonce: bytes) -> None:
        """Use a nonce up. Raises NonceSpent, which names the one that is out, for any other."""
        with self._lock:
            if self._out.get(device) != nonce:
                raise NonceSpent(self._out.setdefault(device, new_nonce()))
            del self._out[device]

    def take_from(self, store: Store) -> None:
        """At the start: take the nonces of the last clean stop out of the store."""
        with store.write() as tx:
            for device, nonce in tx.rows("SELECT id, nonce FROM devices WHERE nonce IS NOT NULL"):
                self._out[device] = bytes(nonce)
            tx.run("UPDATE devices SET nonce = NULL WHERE nonce IS NOT NULL")

    def leave_in(self, store: Store) -> None:
        """At a clean stop: put the outstanding nonces into the store."""
        with self._lock, store.write() as tx:
            tx.run_many(
                "UPDATE devices SET nonce = ? WHERE id = ?",
                [(nonce, device) for device, nonce in self._out.items()],
            )
            self._out.clear()
