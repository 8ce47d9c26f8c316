# SPDX-License-Identifier: Apache-2.0
"""Is something wrong with this tablet? Files, every page of the store, the sealed outbox.

What lives here: looking. What must not: mending (``mending.py``), sentences (``texts_mending.py``).
Invariants
- Nothing is written, migrated or made anew; a store that is damaged stays as it is.
- Without a secret everything is looked at that needs no key.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal, NamedTuple

import sqlcipher3

from client_sdk.beside import read_beside
from client_sdk.errors import KeyStoreFailed, NotEnrolled, StoreDamaged, StoreMissing
from client_sdk.keys import Keys
from client_sdk.outbox import sealed_files
from client_sdk.safekeeping import Safe
from client_sdk.store.opening import PAGE_BYTES, STORE_FILE
from crypto.errors import CryptoError
from crypto.secret import SecretBytes

ASIDE = "damaged-"
"""Folders of stores that were set aside begin so."""
FREE_BYTES_MIN = 64 * 1024 * 1024
"""Below this a day's photos may not find room."""

Grade = Literal["good", "warning", "wrong"]


class Finding(NamedTuple):
    """One check: its stable name, how it stands, a number to tell (bytes, pages, files)."""

    name: str
    grade: Grade
    number: int = 0


def examine(directory: Path, keys: Keys, store_key: SecretBytes | None = None) -> list[Finding]:
    """Every check, in a fixed order; those of pages only with the key of the store."""
    found = [_disk(directory), _vault(keys), _district(directory)]
    found.append(Finding("outbox", "good", len(sealed_files(directory))))
    path = directory / STORE_FILE
    if not path.is_file():
        found.append(Finding("store-missing", "wrong"))
    elif path.stat().st_size == 0:
        found.append(Finding("store-empty", "wrong"))
    elif store_key is None:
        found.append(Finding("store-unread", "good", path.stat().st_size))
    else:
        wrong = damage(path, store_key)
        found.append(
            Finding("store-damaged", "wrong", len(wrong))
            if wrong
            else Finding("store", "good", path.stat().st_size)
        )
    if store_key is not None:
        found.append(_identity(directory, store_key))
    aside = [one for one in directory.glob(ASIDE + "*") if one.is_dir()]
    if aside:
        found.append(Finding("set-aside", "warning", len(aside)))
    return found


def damage(path: Path, store_key: SecretBytes) -> list[str]:
    """Read every page of a store: what is wrong, by SQLCipher's sums and SQLite's own check.

    Empty for a sound one. Words of the library alone, no content.
    """
    if path.stat().st_size == 0:
        return ["empty"]
    connection = sqlcipher3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
    try:
        connection.execute(f'PRAGMA key = "{store_key.reveal().decode("ascii")}"')
        connection.execute(f"PRAGMA cipher_page_size = {PAGE_BYTES}")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        found = [str(row[0]) for row in connection.execute("PRAGMA cipher_integrity_check")]
        if not found:
            told = [str(row[0]) for row in connection.execute("PRAGMA quick_check")]
            found = [] if told == ["ok"] else told
        if not found and not connection.execute("PRAGMA user_version").fetchone()[0]:
            found = ["no tables"]
        return found
    except sqlcipher3.DatabaseError as error:
        return [str(error)]
    finally:
        connection.close()


def _disk(directory: Path) -> Finding:
    if not directory.is_dir():
        return Finding("disk", "wrong")
    free = shutil.disk_usage(directory).free
    return Finding("disk", "good" if free >= FREE_BYTES_MIN else "warning", free)


def _vault(keys: Keys) -> Finding:
    try:
        workers = keys.workers()
        keys.secret.load()
    except (CryptoError, KeyStoreFailed, StoreMissing):
        return Finding("vault-damaged", "wrong")
    return Finding("vault", "good", len(workers))


def _district(directory: Path) -> Finding:
    try:
        return Finding("district", "good", len(read_beside(directory).addresses))
    except NotEnrolled:
        return Finding("district-unknown", "warning")


def _identity(directory: Path, store_key: SecretBytes) -> Finding:
    try:
        return Finding("identity", "good", len(Safe(directory, store_key).read().keys))
    except StoreDamaged:
        return Finding("identity-missing", "warning")
