# SPDX-License-Identifier: Apache-2.0
"""What the endpoints share: the district, its settings, nonces, revocations, one worker thread.

What lives here: state that lives as long as the process serves. What must not: HTTP, rules.
Invariants
- All work on the store runs in one thread: a transaction never waits for another inside the
  process, and the event loop goes on with TLS and uploads meanwhile.
- ``reload`` follows every change to devices that was made outside an exchange.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from server.api.body import Bodies
from server.api.nonces import nonces_of
from server.district import District
from server.errors import StoreFull
from server.metrics import Metrics
from server.outboxes import Turns
from server.places import Places
from server.readers import Readers
from server.revocations import revoked_elsewhere
from server.settings import Settings
from server.statements import Terms

T = TypeVar("T")


class Service:
    """One served district."""

    def __init__(self, district: District, settings: Settings, tls_pin: bytes) -> None:
        self.district = district
        self.settings = settings
        self.tls_pin = tls_pin
        district.terms = Terms.of_days(settings.lease_days, settings.lease_erase_days)
        self.nonces = nonces_of(district.store)
        self.bodies = Bodies()
        self.metrics = Metrics()
        self.places = Places(settings.requests_at_once_max)
        self.revoked: dict[str, bytes] = {}
        self.outbox_turns = Turns()
        self.readers = Readers(district.store)
        self.counters = Readers(district.store, 1, "counter")
        self.exporters = Readers(district.store, 1, "exporter")
        self.stopping = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="district")
        self.opener = ThreadPoolExecutor(1, thread_name_prefix="opener")
        self._loads = -1
        self._load_revoked()

    def __repr__(self) -> str:
        return f"Service({self.district!r})"

    def reload(self) -> None:
        """Read devices, forks and revocations again."""
        self.district.reload()
        self._load_revoked()

    def refresh(self) -> None:
        """Read again what another process changed; cheap where none did."""
        self.district.refresh()
        if self.district.loads != self._loads:
            self._load_revoked()

    def _load_revoked(self) -> None:
        self._loads = self.district.loads
        with self.district.store.read() as tx:
            self.revoked = revoked_elsewhere(tx, self.district.trust) | {
                device: bytes(statement or b"")
                for device, statement in tx.rows(
                    "SELECT id, revocation FROM devices WHERE state = 'revoked'"
                )
            }

    async def run(self, work: Callable[[], T]) -> T:
        """Run work on the store in its thread."""
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """The same, for threads of their own that wait for it; never for one that pages run in."""
        return self._worker.submit(work)

    def check_disk(self) -> None:
        """Refuse uploads before the disk is full: a full one could not even be cleaned up.

        Raises StoreFull.
        """
        found = os.statvfs(self.settings.data_dir)
        if found.f_bavail * found.f_frsize < self.settings.disk_free_bytes_min:
            raise StoreFull(f"less than {self.settings.disk_free_bytes_min} bytes free")

    def close(self) -> None:
        """Wait for running work, put the nonces away. The store is the caller's."""
        self.stopping = True
        for readers in (self.readers, self.counters, self.exporters):
            readers.close()
        self._worker.shutdown(wait=True)
        self.opener.shutdown(wait=True)
        self.nonces.close()
