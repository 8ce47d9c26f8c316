# SPDX-License-Identifier: Apache-2.0
"""The lease: without contact for too long the store does not open, and later its keys go.

What lives here: how much of the lease is spent, kept in the store and once more outside it. What
must not: signatures (``crypto.statement``), erasing (``ending.py``). Invariants
- Time only adds up: a clock set back spends nothing and gives nothing back; the clock that counts
  is the wall clock's way forward since the last look, from whatever it showed then.
- Keys are erased only after the store was found closed once and the further time passed since: one
  clock that jumps by years closes the store, and contact opens it again.
- The sealed outbox is never touched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from client_sdk.store.base import Store
from crypto.identity import SIGNATURE_BYTES
from crypto.statement import Lease
from sync.carry.files import write_durably
from sync.decoding import MALFORMED

LEASE_FILE = "lease"
FILE_BYTES_MAX = 16 * 1024
_KEY = "lease"


class Spent(msgspec.Struct, array_like=True, frozen=True):
    """A lease and how much of it is spent.

    ``spent_ms`` since the contact that gave it, ``clock_ms`` what the clock showed at the last
    look, ``closed_ms`` how much was spent when the store was first found closed, -1 before.
    """

    statement: bytes
    spent_ms: int
    clock_ms: int
    closed_ms: int = -1

    @property
    def lease(self) -> Lease:
        """What the district granted; its signature was checked when it came."""
        return msgspec.msgpack.decode(self.statement[SIGNATURE_BYTES:], type=Lease)

    def at(self, now_ms: int) -> Spent:
        """The same, looked at now."""
        spent_ms = self.spent_ms + max(0, now_ms - self.clock_ms)
        closed_ms = self.closed_ms
        if closed_ms < 0 and 0 < self.lease.open_ms <= spent_ms:
            closed_ms = spent_ms
        return Spent(self.statement, spent_ms, now_ms, closed_ms)

    @property
    def state(self) -> Literal["open", "closed", "over"]:
        """Does the store open; or only with contact; or are its keys to go?"""
        if self.closed_ms < 0:
            return "open"
        erase_ms = self.lease.erase_ms
        return "over" if 0 < erase_ms <= self.spent_ms - self.closed_ms else "closed"

    def left_ms(self) -> int | None:
        """What is left before the store closes; None without a limit."""
        open_ms = self.lease.open_ms
        return max(0, open_ms - self.spent_ms) if open_ms else None


def begin(store: Store, statement: bytes, now_ms: int) -> None:
    """A lease that was checked begins; inside a transaction."""
    store.put(_KEY, msgspec.to_builtins(Spent(statement, 0, now_ms), builtin_types=(bytes,)))


def in_store(store: Store) -> Spent | None:
    """The lease as the store knows it."""
    found = store.get(_KEY)
    return msgspec.convert(found, Spent) if found else None


def outside(directory: Path) -> Spent | None:
    """The lease as the file beside the store has it; None where there is none to be read."""
    path = directory / LEASE_FILE
    try:
        with path.open("rb") as file:
            found = msgspec.msgpack.decode(file.read(FILE_BYTES_MAX), type=Spent)
        # A statement that is none is found out here and nowhere else.
        return found if found.lease.open_ms >= 0 else None
    except (*MALFORMED, OSError):
        return None


def look_outside(directory: Path, now_ms: int) -> Spent | None:
    """Look at the lease before the store is opened, and keep what is spent by now."""
    found = outside(directory)
    if found is None:
        return None
    now = found.at(now_ms)
    write_durably(directory / LEASE_FILE, msgspec.msgpack.encode(now))
    return now


def look(store: Store, now_ms: int) -> Spent | None:
    """Look at the lease of an open store; what file and store know counts, whichever is more.

    Whoever removes the file gains nothing: the store remembers.
    """
    kept = in_store(store)
    if kept is None:
        return None
    beside = outside(store.directory)
    if (
        beside is not None
        and beside.statement == kept.statement
        and beside.spent_ms > kept.spent_ms
    ):
        kept = beside
    now = kept.at(now_ms)
    with store.transaction():
        store.put(_KEY, msgspec.to_builtins(now, builtin_types=(bytes,)))
    write_durably(store.directory / LEASE_FILE, msgspec.msgpack.encode(now))
    return now
