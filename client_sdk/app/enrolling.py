# SPDX-License-Identifier: Apache-2.0
"""Enrolment beside the pages: it waits for the officer while the page shows six digits.

What lives here: the thread and where it stands. What must not: the steps (``enrolment.py``).
Invariant: the PIN chosen is held in memory only until the keys are wrapped with it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from client_sdk.errors import TabletError
from client_sdk.keys import Keys, system_keyring
from client_sdk.tablet import AUTO_KEYRING, Tablet
from crypto.errors import CryptoError
from sync.errors import SyncError

if TYPE_CHECKING:
    from client_sdk.app.keeper import Keeper

REFUSALS = (TabletError, CryptoError, SyncError)


class Enrolling:
    """The enrolment of one keeper's tablet."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._thread: threading.Thread | None = None
        self.digits = ""
        self.error: Exception | None = None

    @property
    def running(self) -> bool:
        """Is one under way?"""
        return self._thread is not None and self._thread.is_alive()

    @property
    def needs_passphrase(self) -> bool:
        """Is there no key store, so that a PIN would be too weak?"""
        return self._keyring() is None

    def _keyring(self) -> object:
        given = self._keeper.keyring
        return system_keyring() if given == AUTO_KEYRING else given

    def start(self, code: str, address: str, name: str, worker: str, secret: str) -> None:
        """Start. Raises SecretTooWeak at once: a ticket is good once and shall not be wasted."""
        if self.running:
            return
        Keys(self._keeper.directory, self._keyring()).check(worker, secret)
        self.digits, self.error = "", None
        given = (code, address, name, worker, secret)
        self._thread = threading.Thread(target=self._run, args=given, daemon=True)
        self._thread.start()

    def _run(self, code: str, address: str, name: str, worker: str, secret: str) -> None:
        try:
            tablet = Tablet.enrol(
                self._keeper.directory,
                code,
                name=name,
                worker=worker,
                secret=secret,
                show_digits=self._show,
                address=address,
                keyring=self._keyring(),
            )
        except REFUSALS as error:
            self.error = error
        else:
            self._keeper.take(tablet)
            self._keeper.syncing.start(blobs=True)
        self.digits = ""

    def _show(self, digits: str) -> None:
        self.digits = digits
