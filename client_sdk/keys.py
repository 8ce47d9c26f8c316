# SPDX-License-Identifier: Apache-2.0
"""The keys of a tablet outside its store: the vault of wrapped master keys, the device secret.

What lives here: where both are kept and how they are written durably. What must not: stretching and
wrapping (``crypto.unlock``). Invariants: a try is on the disk before it is made; the device secret
lies in the operating system's key store where there is a real one, else in a 0600 file, and then a
passphrase is demanded instead of a PIN.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from client_sdk.errors import KeyStoreFailed, StoreMissing
from crypto.errors import UnlockErased
from crypto.pin import SecretStore, check_secret
from crypto.secret import SecretBytes
from crypto.unlock import (
    DEFAULT_COST,
    DEVICE_SECRET_BYTES,
    Cost,
    Vault,
    add_worker,
    change_secret,
    decode_vault,
    encode_vault,
    new_device_secret,
    new_vault,
    remove_worker,
    store_key,
    unlock,
)
from sync.carry.files import write_durably, write_over

VAULT_FILE = "vault"
SECRET_FILE = "device.secret"
SERVICE = "doorstep-tablet"
"""The name under which the key store keeps the device secret."""


def system_keyring() -> Any:
    """The operating system's key store through ``keyring``, or None where there is no real one."""
    try:
        import keyring
        from keyring.backends import chainer, fail, null
    except ImportError:
        return None
    found = keyring.get_keyring()
    if isinstance(found, (fail.Keyring, null.Keyring)):
        return None
    if isinstance(found, chainer.ChainerBackend) and not found.backends:
        return None
    # A plain-text file calls itself a key store too; it is none.
    return None if "plaintext" in type(found).__module__.lower() else found


def _keyring_errors() -> tuple[type[Exception], ...]:
    from keyring.errors import KeyringError

    return (KeyringError, OSError, RuntimeError, ValueError)


class DeviceSecret:
    """The device secret of one tablet, wherever it is kept.

    ``keyring``: a key store with ``get_password``, ``set_password``, ``delete_password``, or None
    for the file.
    """

    def __init__(self, directory: Path, keyring: Any) -> None:
        self._path = directory / SECRET_FILE
        self._name = str(directory.resolve())
        self._keyring = keyring

    @property
    def place(self) -> SecretStore:
        """``keystore`` or ``file``: what the choice of a PIN or a passphrase hangs on."""
        return "file" if self._keyring is None else "keystore"

    def make(self) -> SecretBytes:
        """Make and keep a new device secret. Raises KeyStoreFailed."""
        secret = new_device_secret()
        if self._keyring is None:
            write_durably(self._path, secret.reveal())
            return secret
        try:
            self._keyring.set_password(SERVICE, self._name, secret.reveal().hex())
        except _keyring_errors() as error:
            # Their texts may hold paths and user names.
            raise KeyStoreFailed(type(error).__name__) from None
        return secret

    def load(self) -> SecretBytes:
        """The device secret. Raises KeyStoreFailed where it is not to be had."""
        if self._keyring is None:
            try:
                raw = self._path.read_bytes()
            except OSError as error:
                raise KeyStoreFailed(error.strerror or "") from None
        else:
            try:
                raw = bytes.fromhex(self._keyring.get_password(SERVICE, self._name) or "")
            except _keyring_errors() as error:
                raise KeyStoreFailed(type(error).__name__) from None
        if len(raw) != DEVICE_SECRET_BYTES:
            raise KeyStoreFailed("device secret")
        return SecretBytes(raw)

    def erase(self) -> None:
        """Forget the device secret: without it no PIN opens anything."""
        if self._keyring is not None:
            try:
                self._keyring.delete_password(SERVICE, self._name)
            except _keyring_errors() as error:
                raise KeyStoreFailed(type(error).__name__) from None
        elif self._path.exists():
            write_over(self._path)


class Keys:
    """The vault and the device secret of the tablet in one directory."""

    def __init__(self, directory: Path, keyring: Any = None) -> None:
        self._directory = directory
        self._path = directory / VAULT_FILE
        self.secret = DeviceSecret(directory, keyring)

    @property
    def exists(self) -> bool:
        """Is there a vault?"""
        return self._path.exists()

    def vault(self) -> Vault:
        """The vault as it is stored. Raises StoreMissing, VaultRefused."""
        try:
            return decode_vault(self._path.read_bytes())
        except FileNotFoundError:
            raise StoreMissing() from None

    def workers(self) -> tuple[str, ...]:
        """The workers who can unlock."""
        return self.vault().workers()

    def check(self, worker: str, pin: str) -> None:
        """Refuse a PIN or passphrase that is too weak for where the secret is kept."""
        check_secret(pin, worker, self.secret.place)

    def begin(
        self, master: SecretBytes, worker: str, pin: str, *, cost: Cost = DEFAULT_COST
    ) -> None:
        """Make device secret and vault for the first worker.

        Raises SecretTooWeak with the reason, KeyStoreFailed.
        """
        self.check(worker, pin)
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret = self.secret.make()
        vault = new_vault(self.secret.place)
        self._store(add_worker(vault, master, worker, pin, secret, cost=cost))

    def unlock(self, worker: str, pin: str, now_ms: int) -> SecretBytes:
        """The master key. The try is counted on the disk before it is made.

        Raises UnlockRefused, UnlockWait, UnlockErased, UnlockUnknown, KeyStoreFailed.
        """
        vault = self.vault()
        try:
            secret = self.secret.load()
        except KeyStoreFailed:
            if not vault.workers():
                # It went with the last wrapped key: what is to be told is why.
                raise UnlockErased(vault=vault) from None
            raise
        try:
            _, master = unlock(vault, worker, pin, secret, now_ms, store=self._store)
        finally:
            if self._path.exists() and not self.vault().workers():
                # Nobody can unlock any more: then the secret has no use but to a thief.
                self.secret.erase()
        return master

    def add(self, master: SecretBytes, worker: str, pin: str, *, cost: Cost = DEFAULT_COST) -> None:
        """Let one more worker unlock, or give one a new PIN. Raises SecretTooWeak, VaultRefused."""
        self._store(add_worker(self.vault(), master, worker, pin, self.secret.load(), cost=cost))

    def remove(self, worker: str) -> None:
        """Let a worker unlock no longer. Raises UnlockUnknown."""
        self._store(remove_worker(self.vault(), worker))

    def change(self, worker: str, old: str, new: str, now_ms: int) -> None:
        """Change a worker's PIN or passphrase; the old one is a counted try."""
        change_secret(self.vault(), worker, old, new, self.secret.load(), now_ms, store=self._store)

    def erase(self) -> None:
        """Erase wrapped keys and device secret: the store can never be opened again."""
        if self._path.exists():
            write_over(self._path)
        self.secret.erase()

    def _store(self, vault: Vault) -> None:
        write_durably(self._path, encode_vault(vault))


def key_of_store(master: SecretBytes) -> SecretBytes:
    """The raw key of the store that belongs to a master key."""
    return store_key(master)
