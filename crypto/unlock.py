# SPDX-License-Identifier: Apache-2.0
"""Unlocking a tablet: one random master key, wrapped once for each worker.

Lives here: the vault of wrapped keys, tries and waits, and what is derived from the master key.
Must not live here: the file the vault is kept in, the key store, the clock.

Invariants: a try is counted and stored before the secret is stretched and compared. Ten wrong
tries of a worker erase that worker's wrapped key. A clock set back never shortens a wait. Nothing
here touches the sealed outbox: whoever is locked out loses no unsent visit.

The trap: counting after comparing. Argon2id takes a fifth of a second; a thief who cuts the power
when no welcome comes would try for ever without a single try being counted. So `begin_try` counts,
the caller stores durably (file and folder synced), and only then does `finish_try` compare; a
power cut between the two costs a try. `unlock` does all of it in this order, given a function that
stores.
"""

import os
from collections.abc import Callable
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.algorithms import UNLOCK_ARGON2ID_AES_256_GCM_SIV, prefix
from crypto.decoding import MALFORMED
from crypto.errors import (
    MINUTE_MS,
    UnlockErased,
    UnlockError,
    UnlockRefused,
    UnlockUnknown,
    UnlockWait,
    VaultRefused,
)
from crypto.pin import SecretStore, check_secret, folded
from crypto.secret import SecretBytes

MASTER_BYTES: Final = 32
DEVICE_SECRET_BYTES: Final = 32
SALT_BYTES: Final = 16  # RFC 9106 3.1
NONCE_BYTES: Final = 12
WRAPPED_BYTES: Final = 1 + MASTER_BYTES + 16  # algorithm byte, key, tag
WRONG_TRIES_MAX: Final = 10
WAITS_MS: Final = (1 * MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS)
WORKERS_MAX: Final = 16  # a team is three; more workers would be more guesses for a thief
WORKER_CHARACTERS_MAX: Final = 64
VAULT_BYTES_MAX: Final = 16 * 1024
VAULT_FORMAT: Final = 1
MEMORY_KIB: Final = 64 * 1024
MEMORY_KIB_MAX: Final = 256 * 1024  # a doctored vault must not take the tablet's memory
ITERATIONS: Final = 3
ITERATIONS_MAX: Final = 10
# RFC 9106's second recommendation whole: 64 MiB, three passes, four lanes. Four lanes cost a
# guesser the same memory and work as one, and a tablet with four cores could share them out.
LANES: Final = 4
LANES_MAX: Final = 8


class Cost(msgspec.Struct, frozen=True, array_like=True):
    """What one guess costs: memory in KiB, passes, lanes. The default is for every real tablet."""

    memory_kib: int = MEMORY_KIB
    iterations: int = ITERATIONS
    lanes: int = LANES


DEFAULT_COST: Final = Cost()


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One worker's wrapped master key, and the tries and the wait that guard it.

    `wrapped` is empty once erased. `wait_ms` is what was left of the wait when the clock showed
    `clock_ms`. `trying` is true between `begin_try` and `finish_try`.
    """

    worker: str
    salt: bytes
    nonce: bytes
    wrapped: bytes
    cost: Cost
    wrong_tries: int = 0
    wait_ms: int = 0
    clock_ms: int = 0
    trying: bool = False

    def __repr__(self) -> str:
        return f"Entry(worker={self.worker!r}, wrong_tries={self.wrong_tries})"


class Vault(msgspec.Struct, frozen=True, array_like=True):
    """The wrapped keys of one tablet, immutable: every function returns a new one to be stored."""

    format: int
    secret_store: SecretStore
    entries: tuple[Entry, ...] = ()

    def workers(self) -> tuple[str, ...]:
        """The workers that can still unlock, in the order they were added."""
        return tuple(entry.worker for entry in self.entries if entry.wrapped)


def new_vault(secret_store: SecretStore) -> Vault:
    """Return a vault without workers; `secret_store` says where the device secret is kept."""
    return Vault(VAULT_FORMAT, secret_store)


def new_master() -> SecretBytes:
    """Make a new master key: 32 random bytes."""
    return SecretBytes(os.urandom(MASTER_BYTES))


def new_device_secret() -> SecretBytes:
    """Make a new device secret: 32 random bytes for the key store or the 0600 file."""
    return SecretBytes(os.urandom(DEVICE_SECRET_BYTES))


def encode_vault(vault: Vault) -> bytes:
    """Return the bytes to store: `doorstep/vault`, NUL, MessagePack. They hold no usable key."""
    return prefix(b"vault") + msgspec.msgpack.encode(vault)


def decode_vault(data: bytes) -> Vault:
    """Read what `encode_vault` wrote. Raises VaultRefused for anything else or beyond a limit."""
    head = prefix(b"vault")
    if len(data) > VAULT_BYTES_MAX or not data.startswith(head):
        raise VaultRefused("not a vault")
    try:
        vault = msgspec.msgpack.decode(memoryview(data)[len(head) :], type=Vault)
    except MALFORMED:
        raise VaultRefused("malformed") from None
    if vault.format != VAULT_FORMAT or len(vault.entries) > WORKERS_MAX:
        raise VaultRefused("format or size")
    names = [entry.worker for entry in vault.entries]
    if len(set(names)) != len(names) or not all(_is_sound(entry) for entry in vault.entries):
        raise VaultRefused("entry")
    return vault


def _is_sound(entry: Entry) -> bool:
    return (
        0 < len(entry.worker) <= WORKER_CHARACTERS_MAX
        and len(entry.wrapped) in (0, WRAPPED_BYTES)
        and (not entry.wrapped or len(entry.salt) == SALT_BYTES)
        and (not entry.wrapped or len(entry.nonce) == NONCE_BYTES)
        and _is_sound_cost(entry.cost)
        and 0 <= entry.wrong_tries <= WRONG_TRIES_MAX
        and 0 <= entry.wait_ms <= WAITS_MS[-1]
    )


def _is_sound_cost(cost: Cost) -> bool:
    return (
        1 <= cost.lanes <= LANES_MAX
        and 8 * cost.lanes <= cost.memory_kib <= MEMORY_KIB_MAX
        and 1 <= cost.iterations <= ITERATIONS_MAX
    )


def add_worker(
    vault: Vault,
    master: SecretBytes,
    worker: str,
    secret: str,
    device_secret: SecretBytes,
    *,
    cost: Cost = DEFAULT_COST,
) -> Vault:
    """Wrap the master key for one more worker, or anew for one whose key was erased or forgotten.

    Takes about 0.2 s and 64 MiB. Raises SecretTooWeak with the reason, VaultRefused for too many
    workers or a bad name. `cost` is lowered only by simulations of many tablets.
    """
    if not 0 < len(worker) <= WORKER_CHARACTERS_MAX or not _is_sound_cost(cost):
        raise VaultRefused("worker or cost")
    others = tuple(entry for entry in vault.entries if entry.worker != worker)
    if len(others) >= WORKERS_MAX:
        raise VaultRefused("too many workers")
    check_secret(secret, worker, vault.secret_store)
    entry = Entry(worker, os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES), b"", cost)
    key = _stretch(entry, secret, device_secret)
    wrapped = AESGCMSIV(key).encrypt(entry.nonce, master.reveal(), _bound(entry))
    sealed = bytes((UNLOCK_ARGON2ID_AES_256_GCM_SIV,)) + wrapped
    return msgspec.structs.replace(
        vault, entries=(*others, msgspec.structs.replace(entry, wrapped=sealed))
    )


def remove_worker(vault: Vault, worker: str) -> Vault:
    """Take a worker's wrapped key away. Raises UnlockUnknown when there is none."""
    _entry(vault, worker)
    return msgspec.structs.replace(
        vault, entries=tuple(entry for entry in vault.entries if entry.worker != worker)
    )


def wait_left_ms(vault: Vault, worker: str, now_ms: int) -> int:
    """Return how long this worker must still wait before a try, in milliseconds; 0 when not at
    all.
    """
    return _ticked(_entry(vault, worker), now_ms).wait_ms


def begin_try(vault: Vault, worker: str, now_ms: int) -> Vault:
    """Count a try before it is made; the caller stores the vault durably, then calls `finish_try`.

    Raises UnlockWait while a wait runs (no try is counted), UnlockErased after the tenth wrong try,
    UnlockUnknown. An error's `vault`, when not None, is to be stored as well.
    """
    entry = _ticked(_entry(vault, worker), now_ms)
    if not entry.wrapped or entry.wrong_tries >= WRONG_TRIES_MAX:
        # The power was cut during the tenth try: it counts as wrong.
        raise UnlockErased(vault=_with(vault, _erased(entry)))
    if entry.wait_ms > 0:
        raise UnlockWait(entry.wait_ms, vault=_with(vault, entry))
    wrong_tries = entry.wrong_tries + 1
    wait_ms = WAITS_MS[min(wrong_tries, len(WAITS_MS)) - 1]
    counted = msgspec.structs.replace(entry, wrong_tries=wrong_tries, wait_ms=wait_ms, trying=True)
    return _with(vault, counted)


def finish_try(
    vault: Vault, worker: str, secret: str, device_secret: SecretBytes
) -> tuple[Vault, SecretBytes]:
    """Make the try that `begin_try` counted; returns the vault with the count cleared, and the
    master.

    Raises UnlockRefused (tries left, wait), UnlockErased at the tenth wrong one (its `vault` has
    the key erased: store it, overwriting the old file), VaultRefused when no try was begun.
    """
    entry = _entry(vault, worker)
    if not entry.trying or not entry.wrapped:
        raise VaultRefused("no try was begun")
    key = _stretch(entry, secret, device_secret)
    try:
        master = AESGCMSIV(key).decrypt(entry.nonce, entry.wrapped[1:], _bound(entry))
    except InvalidTag:
        if entry.wrong_tries >= WRONG_TRIES_MAX:
            raise UnlockErased(vault=_with(vault, _erased(entry))) from None
        after = _with(vault, msgspec.structs.replace(entry, trying=False))
        left = WRONG_TRIES_MAX - entry.wrong_tries
        raise UnlockRefused(left, entry.wait_ms, vault=after) from None
    cleared = msgspec.structs.replace(entry, wrong_tries=0, wait_ms=0, trying=False)
    return _with(vault, cleared), SecretBytes(master)


def unlock(
    vault: Vault,
    worker: str,
    secret: str,
    device_secret: SecretBytes,
    now_ms: int,
    *,
    store: Callable[[Vault], None],
) -> tuple[Vault, SecretBytes]:
    """Unlock in the safe order: count, `store`, compare, `store`. Returns the vault and the master
    key.

    `store` must not return before the vault is durable. Raises what `begin_try` and `finish_try`
    do; the vault to keep has been stored by then. When UnlockErased leaves `workers()` empty, the
    caller deletes the device secret too.
    """
    try:
        counted = begin_try(vault, worker, now_ms)
        store(counted)
        done, master = finish_try(counted, worker, secret, device_secret)
    except UnlockError as error:
        if isinstance(error.vault, Vault):
            store(error.vault)
        raise
    store(done)
    return done, master


def change_secret(
    vault: Vault,
    worker: str,
    old: str,
    new: str,
    device_secret: SecretBytes,
    now_ms: int,
    *,
    store: Callable[[Vault], None],
) -> Vault:
    """Wrap the master key under a new PIN or passphrase; needs the old one, as a counted try.

    A weak new secret is refused before a try is spent. Raises SecretTooWeak and what `unlock`
    raises.
    """
    check_secret(new, worker, vault.secret_store)
    cost = _entry(vault, worker).cost
    vault, master = unlock(vault, worker, old, device_secret, now_ms, store=store)
    with master:
        changed = add_worker(vault, master, worker, new, device_secret, cost=cost)
    store(changed)
    return changed


def derive(master: SecretBytes, purpose: bytes, length: int) -> SecretBytes:
    """Derive a key from the master key for one purpose (HKDF-SHA256); `length` 1 to 8,160 bytes."""
    hkdf = HKDF(algorithm=SHA256(), length=length, salt=None, info=prefix(purpose))
    return SecretBytes(hkdf.derive(master.reveal()))


def store_key(master: SecretBytes) -> SecretBytes:
    """Return SQLCipher's raw key as ASCII: `x'`, 64 hexadecimal digits, `'`.

    Goes into `PRAGMA key = "…"`. A raw key skips SQLCipher's own PBKDF2: the stretching is
    Argon2id's.
    """
    with derive(master, b"store-key", 32) as key:
        return SecretBytes(b"x'" + key.reveal().hex().encode() + b"'")


def _entry(vault: Vault, worker: str) -> Entry:
    for entry in vault.entries:
        if entry.worker == worker:
            return entry
    raise UnlockUnknown()


def _with(vault: Vault, changed: Entry) -> Vault:
    entries = tuple(changed if e.worker == changed.worker else e for e in vault.entries)
    return msgspec.structs.replace(vault, entries=entries)


def _erased(entry: Entry) -> Entry:
    """The entry without its key. Its salt goes too: without it, not even the right PIN helps a
    copy.
    """
    return msgspec.structs.replace(
        entry,
        salt=b"",
        nonce=b"",
        wrapped=b"",
        wrong_tries=WRONG_TRIES_MAX,
        wait_ms=0,
        trying=False,
    )


def _ticked(entry: Entry, now_ms: int) -> Entry:
    """Take the time that has passed off the wait.

    The clock may lie. When it went back, nothing has passed and we count on from the new reading:
    else a clock that was once years ahead would lock the worker out for years. When it went
    forward we cannot tell a lie from a night: what holds then is the limit of ten tries, which no
    clock touches.
    """
    passed_ms = max(0, now_ms - entry.clock_ms)
    return msgspec.structs.replace(
        entry, wait_ms=max(0, entry.wait_ms - passed_ms), clock_ms=now_ms
    )


def _bound(entry: Entry) -> bytes:
    """What the wrapped key is bound to: its purpose, the worker, the cost."""
    return prefix(b"unlock") + msgspec.msgpack.encode((entry.worker, entry.cost))


def _stretch(entry: Entry, secret: str, device_secret: SecretBytes) -> bytes:
    argon = Argon2id(
        salt=entry.salt,
        length=32,
        iterations=entry.cost.iterations,
        lanes=entry.cost.lanes,
        memory_cost=entry.cost.memory_kib,
        ad=_bound(entry),
        secret=device_secret.reveal(),
    )
    return argon.derive(folded(secret).encode("utf-8", "surrogatepass"))
