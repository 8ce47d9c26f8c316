# SPDX-License-Identifier: Apache-2.0
"""The tablet: the public API on which apps are built.

What lives here: enrolling and unlocking; the class that joins all parts. What must
not: SQL, rules, drawing. Invariants: all but enrolment and sync works without a server; nothing
here ever touches the sealed outbox but the exchange that has its receipts.

A ``Tablet`` is for one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from client_sdk.devices import District
from client_sdk.enrolment import Ready, enrol, read_invitation
from client_sdk.errors import Locked, StoreExists
from client_sdk.keys import Keys, key_of_store, system_keyring
from client_sdk.safekeeping import IDENTITY_FILE
from client_sdk.store.opening import STORE_FILE
from client_sdk.tablet_base import Identity, TabletBase, now_ms
from client_sdk.tablet_day import TabletDay
from client_sdk.tablet_fieldwork import TabletFieldwork
from client_sdk.tablet_meeting import TabletMeeting
from client_sdk.tablet_reading import TabletReading
from client_sdk.tablet_visiting import TabletVisiting
from client_sdk.transport import Transport
from crypto.unlock import DEFAULT_COST, Cost, new_master
from sync.carry.enrolling import ShowDigits

__all__ = ["Identity", "Tablet", "TabletBase", "now_ms"]

AUTO_KEYRING = "auto"
"""Use the operating system's key store where there is a real one."""


class Tablet(TabletFieldwork, TabletReading, TabletDay, TabletMeeting, TabletVisiting):
    """One open tablet. Make one with ``enrol``, open it with ``open``.

    Every change names ``worker``, who unlocked the tablet. Closing it (``close``, ``lock``, or the
    end of a ``with``) forgets the keys. ``create`` and ``open_with`` take keys directly.
    """

    @classmethod
    def enrol(
        cls,
        directory: Path,
        code: str,
        *,
        name: str,
        worker: str,
        secret: str,
        show_digits: ShowDigits,
        address: str = "",
        keyring: Any = AUTO_KEYRING,
    ) -> Self:
        """Enrol this tablet with a district and open it.

        ``code`` is the text of the QR code, or the typed code together with ``address``
        (``host:port``). ``show_digits`` is called with six digits that the worker compares with the
        officer's screen. ``secret`` is the PIN (six digits or more) or, where the device has no key
        store, a passphrase of at least ten characters. Raises StoreExists, SecretTooWeak,
        TicketUnreadable, EnrolmentFailed, Unreachable, PinMismatch.
        """
        directory = Path(directory)
        if (directory / STORE_FILE).exists() or (directory / IDENTITY_FILE).exists():
            # An identity without its store is a tablet to be repaired, not to be replaced.
            raise StoreExists()
        keys = Keys(directory, _keyring(keyring))
        # The choice of a secret is checked before the ticket is spent.
        keys.check(worker, secret)
        ready = enrol(read_invitation(code, address), name, show_digits)
        return cls.make(directory, ready, keys, worker=worker, secret=secret)

    @classmethod
    def make(
        cls,
        directory: Path,
        ready: Ready,
        keys: Keys,
        *,
        worker: str,
        secret: str,
        cost: Cost = DEFAULT_COST,
    ) -> Self:
        """Make the store of an enrolment that came to its end; ``enrol`` does so itself."""
        with new_master() as master:
            keys.begin(master, worker, secret, cost=cost)
            identity = Identity(
                device_key=ready.device_key,
                box_key=ready.box_key,
                district=District(ready.server_public, ready.server_box_public, ready.server_name),
                certificate=ready.certificate,
                name=ready.name,
                workers=tuple(ready.workers),
                addresses=ready.addresses,
                pin=ready.pin,
                nonce=ready.nonce,
                schema=ready.schema,
            )
            with key_of_store(master) as key:
                tablet = cls.create(directory, key, identity, worker=worker)
        tablet._keys = keys
        return tablet

    @classmethod
    def open(
        cls,
        directory: Path,
        worker: str,
        secret: str,
        *,
        keyring: Any = AUTO_KEYRING,
        transport: Transport | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> Self:
        """Unlock the tablet for one worker; every change from now on names that worker.

        Takes about 0.2 s and 64 MiB for a moment. Raises UnlockRefused (tries left, wait),
        UnlockWait, UnlockErased after the tenth wrong try, UnlockUnknown, StoreMissing, StoreBusy,
        LeaseClosed where the district was not reached for too long and is not now, LeaseErased.
        """
        keys = Keys(Path(directory), _keyring(keyring))
        cls._look_before(Path(directory), keys, clock())
        with keys.unlock(worker, secret, clock()) as master, key_of_store(master) as key:
            tablet = cls.open_with(
                Path(directory), key, worker=worker, transport=transport, clock=clock
            )
        tablet._keys = keys
        tablet._keep_lease()
        return tablet

    @staticmethod
    def workers_of(directory: Path) -> tuple[str, ...]:
        """The workers who can unlock the tablet in a directory. Raises StoreMissing."""
        return Keys(Path(directory)).workers()

    # -- who may unlock -----------------------------------------------------------------------

    def add_worker(self, own_secret: str, worker: str, secret: str) -> None:
        """Let another worker unlock this tablet, with a PIN or passphrase of their own.

        ``own_secret`` is that of the worker who is at it now, as a counted try. Raises
        UnlockRefused, SecretTooWeak with the reason, VaultRefused.
        """
        keys = self._unlocking()
        with keys.unlock(self.worker, own_secret, self._clock()) as master:
            keys.add(master, worker, secret)

    def remove_worker(self, worker: str) -> None:
        """Let a worker unlock this tablet no longer. Raises UnlockUnknown."""
        self._unlocking().remove(worker)

    def change_secret(self, old: str, new: str) -> None:
        """Change the PIN or passphrase of the worker at it. Raises UnlockRefused, SecretTooWeak."""
        self._unlocking().change(self.worker, old, new, self._clock())

    def check_secret(self, worker: str, secret: str) -> None:
        """Check a worker's PIN or passphrase, as a counted try. Raises UnlockRefused, UnlockWait.

        For an app that locks its pages while a sync still has the store open.
        """
        with self._unlocking().unlock(worker, secret, self._clock()):
            return

    def _unlocking(self) -> Keys:
        if self._keys is None:
            raise Locked("opened without a vault")
        return self._keys


def _keyring(given: Any) -> Any:
    return system_keyring() if given == AUTO_KEYRING else given
