# SPDX-License-Identifier: Apache-2.0
"""An open tablet: its store, its parts, how it comes to be and how it ends.

What lives here: making, opening and closing with keys that are at hand. What must not: PINs and
enrolment (``tablet.py``), and what an app does with an open tablet (``tablet_*.py``).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Self

import msgspec

from client_sdk import roots
from client_sdk.beside import keep_beside
from client_sdk.blobs import Blobs
from client_sdk.devices import District, learn, name_of, succeed
from client_sdk.effecting import Effecting
from client_sdk.entering import Entering
from client_sdk.outbox import Outbox, OutsideCounter
from client_sdk.reading import Reader
from client_sdk.readings import ReadingLog
from client_sdk.store.base import Chain, Clock, Entropy, Store
from client_sdk.transport import Transport
from client_sdk.writing import Writer
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.secret import SecretBytes
from sync.clock import Stamp
from sync.collections import SCHEMA
from sync.feed import genesis
from sync.schema import Schema


def now_ms() -> int:
    """The wall clock of this machine in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who a new store writes as, and for whom.

    ``certificate`` is the district's word on ``device_key``, needed to meet teammates; without
    ``district`` nothing is sealed and nothing can be synced. ``workers`` are (id, name).
    ``everything``: teammates may show this tablet all households. ``addresses``, ``pin`` and
    ``nonce`` are for the connection to the server. ``schema`` is stored where it is not the
    built-in one.
    """

    device_key: DeviceKey
    box_key: BoxKey
    district: District | None = None
    certificate: bytes | None = None
    name: str = ""
    workers: tuple[tuple[str, str], ...] = ()
    everything: bool = False
    addresses: tuple[str, ...] = ()
    pin: bytes = b""
    nonce: bytes = b""
    schema: Schema | None = None

    def __repr__(self) -> str:
        return f"Identity(name={self.name!r}, replica={self.device_key.replica.hex()})"

    def keep(self, store: Store) -> None:
        """Store all of it in a new store; inside a transaction."""
        key = self.device_key
        store.set_chain(Chain(key.replica, 0, genesis(key.replica), Stamp(0, 0)))
        store.run(
            "INSERT INTO replicas (replica, private, statement) VALUES (?, ?, ?)",
            (key.replica, key.private, self.certificate or b""),
        )
        store.put("box", self.box_key.private)
        store.put("name", self.name)
        store.put("workers", [list(pair) for pair in self.workers])
        store.put("everything", self.everything)
        store.put("addresses", list(self.addresses))
        store.put("pin", self.pin)
        store.put("nonce", self.nonce)
        if self.schema is not None and self.schema is not SCHEMA:
            store.put("schema", msgspec.json.encode(self.schema))
        district = self.district
        if district is not None:
            store.put("district", [district.public, district.box_public, district.name])
        if self.certificate is not None:
            store.put("certificate", self.certificate)
            learn(store, [self.certificate])


class TabletBase:
    """What every part of a ``Tablet`` stands on."""

    def __init__(
        self,
        store: Store,
        *,
        worker: str,
        schema: Schema,
        clock: Clock,
        transport: Transport | None,
        checked: bool,
    ) -> None:
        self.worker = worker
        self.schema = schema
        self.directory = store.directory
        self.transport = transport
        self.waiting: Callable[[], AbstractContextManager[None]] = nullcontext
        """What surrounds every wait for the network: an app whose pages and sync take turns at one
        tablet lets others in there, since between two round trips the store is whole."""
        self._store = store
        self._clock = clock
        district = store.get("district")
        self._outbox = Outbox(store.directory, district[1], store.entropy) if district else None
        self._blobs = Blobs(store)
        self._outside = OutsideCounter(store.directory)
        if self._outside.is_ahead(store):
            # The store was set back behind what this tablet wrote: it goes on as a new replica.
            with store.transaction():
                succeed(store)
        if self.transport is None and store.get("addresses") and district:
            self.transport = self._connection()
        if store.get("addresses"):
            keep_beside(store.directory, store.get("addresses"), store.get("pin", b""))
        self._keep_identity()
        self._writer = Writer(store, self._outbox, self._outside, schema, clock)
        self._checked = checked
        self._entering = Entering(schema, checked=checked)
        self._effecting = Effecting(store, schema, self._writer, clock)
        self._reader = Reader(store, schema)
        self._readings = ReadingLog(store, clock)

    @classmethod
    def create(
        cls,
        directory: Path,
        store_key: SecretBytes,
        identity: Identity,
        *,
        worker: str,
        clock: Clock = now_ms,
        entropy: Entropy = os.urandom,
        transport: Transport | None = None,
        checked: bool = True,
    ) -> Self:
        """Make a store from keys that are at hand, without enrolment and without a PIN.

        For enrolment itself, tests and simulations. ``store_key`` is what
        ``crypto.unlock.store_key`` gives; ``checked=False`` lets values through that no
        declaration allows. Raises StoreExists.
        """
        store = Store(Path(directory), store_key, create=True, entropy=entropy)
        try:
            with store.transaction():
                identity.keep(store)
        except BaseException:
            store.close()
            raise
        return cls(
            store,
            worker=worker,
            schema=identity.schema or SCHEMA,
            clock=clock,
            transport=transport,
            checked=checked,
        )

    @classmethod
    def open_with(
        cls,
        directory: Path,
        store_key: SecretBytes,
        *,
        worker: str,
        schema: Schema | None = None,
        clock: Clock = now_ms,
        entropy: Entropy = os.urandom,
        transport: Transport | None = None,
        checked: bool = True,
    ) -> Self:
        """Open a store with its key, without a PIN.

        Raises StoreMissing, StoreBusy, StoreKeyWrong, StoreTooNew.
        """
        store = Store(Path(directory), store_key, create=False, entropy=entropy)
        if schema is None:
            stored = store.get("schema")
            schema = msgspec.json.decode(stored, type=Schema) if stored else SCHEMA
        return cls(
            store,
            worker=worker,
            schema=schema,
            clock=clock,
            transport=transport,
            checked=checked,
        )

    def _connection(self) -> Transport:
        """The connection to the district this tablet is enrolled with; opened at first use."""
        from client_sdk.http_transport import HttpTransport, Signing

        store = self._store

        def keep(nonce: bytes) -> None:
            with store.transaction():
                store.put("nonce", nonce)

        def follow(statements: list[bytes], seen: bytes) -> bool:
            found = roots.follow(store, statements, seen)
            keep_beside(store.directory, store.get("addresses"), store.get("pin", b""))
            return found

        signing = Signing(
            lambda: store.key,
            lambda: store.get("nonce", b""),
            keep,
            lambda: District(*store.get("district")).replica,
            lambda: store.get("pin"),
            follow,
        )
        return HttpTransport(store.get("addresses"), signing, self._around_waits)

    def _keep_identity(self) -> None:
        """Who this tablet is, a second time. A full disk must not keep anybody from working."""
        with contextlib.suppress(OSError):
            self._store.safe.keep(self._store.rows)

    def _around_waits(self) -> AbstractContextManager[None]:
        """Looked up at each wait: an app may say what it wants after the connection was made."""
        return self.waiting()

    def set_server(self, addresses: Iterable[str], pin: bytes | None = None) -> None:
        """Tell where the district answers now (``host:port``, tried in this order).

        For a server that moved, and for tablets made without a ticket; ``pin`` is what
        ``crypto.tls.tls_pin`` gives for its certificate, kept as it is where None is given.
        """
        with self._store.transaction():
            self._store.put("addresses", list(addresses))
            if pin is not None:
                self._store.put("pin", pin)
        if self.transport is not None:
            self.transport.close()
        self.transport = self._connection() if self._store.get("addresses") else None
        keep_beside(self.directory, self._store.get("addresses"), self._store.get("pin", b""))

    def close(self) -> None:
        """Close the store and forget the keys; doing so twice does no harm."""
        if self._outbox is not None:
            self._outbox.close()
        self._outside.close()
        if self.transport is not None:
            self.transport.close()
        self._store.close()

    def lock(self) -> None:
        """Lock the tablet: everything asked of this object from now on raises Locked."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def replica(self) -> bytes:
        """The id under which this tablet writes now, 16 bytes; it changes where a copy is found
        out."""
        return self._store.chain.replica

    @property
    def name(self) -> str:
        """What this tablet is called."""
        return name_of(self._store, self.replica) or str(self._store.get("name", ""))
