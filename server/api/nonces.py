# SPDX-License-Identifier: Apache-2.0
"""The nonces that devices sign with: each good for one request of one device.

What lives here: giving them out and spending them. What must not: signatures. Invariants
- A nonce that was spent is never good again, not even after the process was killed. Of one process
  over an embedded store they live in memory, and the column in the store holds them only between a
  clean stop and the next start, which takes them out before it serves. Several processes over one
  database share them there, in a table that a crash, a restore and a standby's promotion leave
  empty. In every case each device is asked once for a new try.
- A wrong nonce does not burn the one that is out: whoever replays a request hinders nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from crypto.request import new_nonce
from server.errors import NonceSpent
from server.store.base import Store


class Nonces(Protocol):
    """One outstanding nonce for each device."""

    def issue(self, device: str) -> bytes:
        """A new nonce (16 bytes) for a device; the one before is void."""

    def current(self, device: str) -> bytes:
        """The nonce that is out for a device; a new one where there is none."""

    def spend(self, device: str, nonce: bytes) -> None:
        """Use a nonce up. Raises NonceSpent, which names the one that is out, for any other."""

    def close(self) -> None:
        """At a clean stop."""


@runtime_checkable
class Asking(Protocol):
    """A store that processes share: it is asked beside transactions."""

    def ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one statement, committed by itself."""


def nonces_of(store: Store) -> Nonces:
    """The nonces of a store: shared by processes where the store is."""
    return SharedNonces(store) if isinstance(store, Asking) else OwnNonces(store)


class OwnNonces:
    """Those of one process."""

    def __init__(self, store: Store | None = None) -> None:
        self._out: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._store = store
        if store is not None:
            self._take_from(store)

    def __repr__(self) -> str:
        return f"OwnNonces({len(self._out)} devices)"

    def issue(self, device: str) -> bytes:
        """A new nonce for a device."""
        nonce = new_nonce()
        with self._lock:
            self._out[device] = nonce
        return nonce

    def current(self, device: str) -> bytes:
        """The nonce that is out for a device; a new one where there is none."""
        with self._lock:
            return self._out.setdefault(device, new_nonce())

    def spend(self, device: str, nonce: bytes) -> None:
        """Use a nonce up. Raises NonceSpent for any but the one that is out."""
        with self._lock:
            if self._out.get(device) != nonce:
                raise NonceSpent(self._out.setdefault(device, new_nonce()))
            del self._out[device]

    def _take_from(self, store: Store) -> None:
        """At the start: take the nonces of the last clean stop out of the store."""
        with store.write() as tx:
            for device, nonce in tx.rows("SELECT id, nonce FROM devices WHERE nonce IS NOT NULL"):
                self._out[device] = bytes(nonce)
            tx.run("UPDATE devices SET nonce = NULL WHERE nonce IS NOT NULL")

    def close(self) -> None:
        """At a clean stop: put the outstanding nonces into the store."""
        if self._store is None:
            return
        with self._lock, self._store.write() as tx:
            tx.run_many(
                "UPDATE devices SET nonce = ? WHERE id = ?",
                [(nonce, device) for device, nonce in self._out.items()],
            )
            self._out.clear()


class SharedNonces:
    """Those of all processes over one database: given out by one, they are good at any, once."""

    def __init__(self, store: Asking) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"SharedNonces({self._store!r})"

    def issue(self, device: str) -> bytes:
        """A new nonce for a device."""
        nonce = new_nonce()
        self._store.ask(
            "INSERT INTO nonces VALUES (%s, %s)"
            " ON CONFLICT (device) DO UPDATE SET nonce = excluded.nonce",
            [device, nonce],
        )
        return nonce

    def current(self, device: str) -> bytes:
        """The nonce that is out for a device; a new one where there is none."""
        found = self._store.ask(
            "INSERT INTO nonces AS n VALUES (%s, %s)"
            " ON CONFLICT (device) DO UPDATE SET nonce = n.nonce RETURNING nonce",
            [device, new_nonce()],
        )
        return bytes(found[0][0])

    def spend(self, device: str, nonce: bytes) -> None:
        """Use a nonce up. Raises NonceSpent for any but the one that is out."""
        # One statement finds and takes it away: of two processes one alone gets the row.
        taken = self._store.ask(
            "DELETE FROM nonces WHERE device = %s AND nonce = %s RETURNING 1", [device, nonce]
        )
        if not taken:
            raise NonceSpent(self.current(device))

    def close(self) -> None:
        """They stay where they are: other processes go on."""
