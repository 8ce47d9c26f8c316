# SPDX-License-Identifier: Apache-2.0
"""The end of a store: erasing it, and the signed proof that it was erased.

What lives here: what goes and in which order, and the file of a proof that the district has not got
yet. What must not: whether it is to end. Invariants: keys go first; the sealed outbox stays; a
proof is signed while there is a key, and kept until the district has it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from client_sdk.blobs import remove_all
from client_sdk.errors import TabletError
from client_sdk.examining import ASIDE
from client_sdk.keys import Keys
from client_sdk.lease import LEASE_FILE
from client_sdk.outbox import COUNTER_FILE
from client_sdk.safekeeping import IDENTITY_FILE
from client_sdk.store.base import Store
from client_sdk.store.opening import STORE_FILE
from client_sdk.transport import Transport
from crypto.statement import issue_wiped
from sync.carry.files import write_durably, write_over

PROOF_FILE = "wiped.proof"


def wipe(directory: Path, keys: Keys) -> None:
    """Erase a tablet that is closed: wrapped keys first, then everything but the sealed outbox."""
    keys.erase()
    for suffix in ("", "-wal", "-shm"):
        path = directory / (STORE_FILE + suffix)
        if path.exists():
            # Without its key the file is noise; overwriting its head spares doubts.
            os.truncate(path, 0)
            path.unlink()
    remove_all(directory)
    for folder in directory.glob(ASIDE + "*"):
        shutil.rmtree(folder)
    for name in (COUNTER_FILE, LEASE_FILE, IDENTITY_FILE):
        if (directory / name).exists():
            write_over(directory / name)


def sign_proof(store: Store, serial: int, now_ms: int) -> bytes:
    """Sign and keep the proof of a wipe that follows at once."""
    found = store.one("SELECT count(*) FROM feed WHERE own = 1 AND receipted = 0")
    left = int(found[0]) if found else 0
    chain = store.chain
    proof = issue_wiped(store.key, serial, now_ms, chain.counter, chain.head, left)
    write_durably(store.directory / PROOF_FILE, proof)
    return proof


def tell_proof(directory: Path, transport: Transport | None) -> bool:
    """Bring the district the proof that is kept here; False where it could not be reached.

    The office can also take the file: ``doorstep wiped``.
    """
    path = directory / PROOF_FILE
    if transport is None or not path.exists():
        return False
    with contextlib.suppress(TabletError):
        transport.wiped(path.read_bytes())
        path.unlink()
        return True
    return False
