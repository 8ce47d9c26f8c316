# SPDX-License-Identifier: Apache-2.0
"""The server's key files: store key, signing key, box key, TLS; and the counter outside the store.

What lives here: making, reading and writing these files. What must not: what the keys are used for.
Invariants
- Files are 0600 in a 0700 folder; one that others may read is refused, not quietly used.
- Keys are never overwritten; every write is new file, fsync, rename, fsync of the folder.
- ``counter`` says how far this server's own feed had come: a store that counts less was set back.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import NamedTuple

from crypto.errors import KeyRefused, PinMismatch, StatementRefused
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.secret import SecretBytes
from crypto.tls import TlsIdentity, make_tls_identity, pem_to_der, tls_pin
from server.boxes import Boxes
from server.errors import AlreadyInitialised, KeyFileWrong
from server.key_files import KEY_BYTES, read_file, write_file
from server.roots import Roots
from server.store_keyring import StoreKeyring

STORE, SIGN, BOX, TLS_KEY, TLS_CERTIFICATE = "store", "sign", "box", "tls.key.pem", "tls.pem"
TLS_AT = "tls.at"
COUNTER = "counter"


class ServerKeys(NamedTuple):
    """Everything secret a server has."""

    store: StoreKeyring
    roots: Roots
    boxes: Boxes
    tls: TlsIdentity
    folder: Path

    @property
    def store_hex(self) -> str:
        """The raw key of the store (SQLCipher) as it takes it; for that one call."""
        return self.store.present.reveal().hex()

    @property
    def sign(self) -> DeviceKey:
        """The root that signs now."""
        return self.roots.present

    @property
    def box(self) -> BoxKey:
        """The box key that is sealed to now."""
        return self.boxes.present

    def __repr__(self) -> str:
        return f"ServerKeys(replica={self.sign.replica.hex()})"


def make_keys(folder: Path, names: tuple[str, ...]) -> ServerKeys:
    """Make all keys of a new server; ``names`` are host names and addresses for the certificate.

    Raises AlreadyInitialised where any key file is there.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise AlreadyInitialised(folder.name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in (STORE, SIGN, BOX):
        write_file(folder / f"{name}.key", secrets.token_bytes(KEY_BYTES).hex().encode() + b"\n")
    _make_tls(folder, names)
    return read_keys(folder)


def _make_tls(folder: Path, names: tuple[str, ...]) -> None:
    made = make_tls_identity(names)
    write_file(folder / TLS_KEY, made.private_key_pem.reveal())
    write_file(folder / TLS_CERTIFICATE, made.certificate_pem)


def read_keys(folder: Path) -> ServerKeys:
    """Read all keys. Raises KeyFileWrong, naming the file and nothing of what is in it."""
    try:
        certificate, private = read_file(folder / TLS_CERTIFICATE), read_file(folder / TLS_KEY)
        pin = tls_pin(pem_to_der(certificate))
        roots = Roots.read(folder)
        return ServerKeys(
            StoreKeyring(folder),
            roots,
            Boxes.read(folder, pin, (roots.at_ms, read_at(folder))),
            TlsIdentity(certificate, SecretBytes(private), pin),
            folder,
        )
    except (KeyRefused, PinMismatch, StatementRefused) as error:
        raise KeyFileWrong(error.code) from None


def renew_tls(folder: Path, names: tuple[str, ...], now_ms: int) -> None:
    """Make a new TLS key and certificate; a server that runs uses the old ones until its next
    start. Who pinned the old key is led to the new one by the server's word on its keys."""
    write_file(folder / TLS_AT, f"{max(now_ms, read_at(folder) + 1)}\n".encode("ascii"))
    _make_tls(folder, names)


def read_at(folder: Path) -> int:
    """Since when the TLS key is in use, by the server's clock; 0 for the first."""
    path = folder / TLS_AT
    text = read_file(path).decode("ascii", "replace").strip() if path.exists() else "0"
    if not text.isdigit():
        raise KeyFileWrong(f"{TLS_AT}: not a number")
    return int(text)


def read_counter(folder: Path, replica: bytes) -> int:
    """How far this replica's own feed had come, by the word outside the store; 0 if unknown."""
    path = folder / COUNTER
    if not path.exists():
        return 0
    whose, _, count = read_file(path).decode("ascii", "replace").strip().partition(" ")
    if whose != replica.hex():
        return 0
    if not count.isdigit():
        raise KeyFileWrong(f"{COUNTER}: not a number")
    return int(count)


def write_counter(folder: Path, replica: bytes, counter: int) -> None:
    """Store the counter outside; it never goes back for one replica."""
    if counter > read_counter(folder, replica):
        write_file(folder / COUNTER, f"{replica.hex()} {counter}\n".encode("ascii"))
