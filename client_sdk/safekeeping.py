# SPDX-License-Identifier: Apache-2.0
"""Who this tablet is, a second time outside its store: for the day on which the store is damaged.

What lives here: the file ``identity``. What must not: mending (``mending.py``). Invariants
- It is encrypted under the store's key, and opens for whoever unlocks the tablet and nobody else.
- It holds keys, names and the district's word on them; nothing of any household.
- It never makes a store by itself: what is made from it goes on under a new key.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from client_sdk.errors import StoreDamaged
from crypto.blob import blob_name, decrypt_blob, encrypt_blob
from crypto.errors import BlobRefused, SealRefused
from crypto.secret import SecretBytes
from crypto.wrapping import KEY_BYTES, WRAPPED_BYTES, unwrap_key, wrap_key
from sync.carry.files import write_durably
from sync.decoding import MALFORMED

IDENTITY_FILE = "identity"
FILE_BYTES_MAX = 1024 * 1024
_META = (
    "box",
    "name",
    "workers",
    "everything",
    "addresses",
    "pin",
    "schema",
    "district",
    "certificate",
    "root-words",
    "roots",
    "server_keys_serial",
    "server_keys_word",
)
"""The small values that make a tablet the one it is."""

Ask = Callable[[str], list[tuple[Any, ...]]]
"""Rows of a query on a store, or on what is left of one."""


class Kept(msgspec.Struct, array_like=True, frozen=True):
    """Own keys (replica, private, statement), where the own feed stood (replica, counter, head),
    small values as they are packed, and the number of the last line of the reading log."""

    keys: list[tuple[bytes, bytes, bytes]]
    chain: tuple[bytes, int, bytes]
    meta: dict[str, bytes]
    readings: int

    def __repr__(self) -> str:
        return f"Kept({len(self.keys)} keys)"


_kept = msgspec.msgpack.Decoder(Kept)


def gather(ask: Ask) -> Kept | None:
    """Who a store is; None for one that was never enrolled. Raises what ``ask`` raises."""
    chain = ask("SELECT replica, counter, head FROM chain WHERE id = 1")
    if not chain:
        return None
    meta = {str(key): bytes(value) for key, value in ask("SELECT key, value FROM meta")}
    keys = ask("SELECT replica, private, statement FROM replicas")
    ((last,),) = ask("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'reading_log'")
    return Kept(
        [(bytes(r), bytes(private), bytes(said)) for r, private, said in keys],
        (bytes(chain[0][0]), int(chain[0][1]), bytes(chain[0][2])),
        {key: meta[key] for key in _META if key in meta},
        int(last),
    )


class Safe:
    """The file of one tablet. ``store_key`` is the raw key as the store takes it."""

    def __init__(self, directory: Path, store_key: SecretBytes) -> None:
        self._path = directory / IDENTITY_FILE
        self._under = SecretBytes(bytes.fromhex(store_key.reveal()[2 : 2 + 2 * KEY_BYTES].decode()))
        self._last: Kept | None = None

    def __repr__(self) -> str:
        return "Safe()"

    def keep(self, ask: Ask) -> None:
        """Write down who the store is, where that changed but for its counters. Raises OSError."""
        found = gather(ask)
        if found is None or (self._path.exists() and self._same(found)):
            return
        _, key, ciphertext = encrypt_blob(msgspec.msgpack.encode(found))
        write_durably(self._path, wrap_key(self._under, SecretBytes(key)) + ciphertext)
        self._last = found

    def _same(self, found: Kept) -> bool:
        try:
            last = self._last = self._last or self.read()
        except StoreDamaged:
            return False
        # The file ``counter`` says where the feed stands, at every change.
        return (found.keys, found.meta) == (last.keys, last.meta)

    def read(self) -> Kept:
        """What was written. Raises StoreDamaged where it is missing, or not of this key."""
        try:
            with self._path.open("rb") as file:
                data = file.read(FILE_BYTES_MAX)
            key = unwrap_key(self._under, data[:WRAPPED_BYTES])
            ciphertext = data[WRAPPED_BYTES:]
            return _kept.decode(decrypt_blob(blob_name(ciphertext), key.reveal(), ciphertext))
        except (OSError, SealRefused, BlobRefused, *MALFORMED) as error:
            raise StoreDamaged(f"{IDENTITY_FILE}: {type(error).__name__}") from None
