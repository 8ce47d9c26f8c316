# SPDX-License-Identifier: Apache-2.0
"""The server's root: the key that signs for it now, those it had before, and the words that join
them.

What lives here: reading them from the key folder, replacing the root, following another server's
new root. What must not: whom else to trust (``trust.py``). Invariants
- A root is replaced by a successor that both sign; whoever trusts one of them is led to the other.
- The old key stays in the key folder: bundles addressed to it are read. It signs nothing new.
- A key without its word counts for nothing: a replacement that broke off did not happen.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from crypto.certificate import Certificate, issue_certificate
from crypto.errors import CryptoError, StatementRefused
from crypto.identity import DeviceKey, replica_of
from crypto.statement import ROOTS_MAX, check_root, issue_root
from server.devices import add_key
from server.journal import note
from server.key_files import KEY_BYTES, read_file, read_key, write_file
from server.store.base import Transaction
from server.trust import SERVER, Trust, note_servers, root_said

FIRST: Final = "sign.key"


class Roots:
    """All roots, oldest first; ``words`` join each to the next."""

    def __init__(self, keys: Sequence[DeviceKey], words: Sequence[bytes] = (), at_ms: int = 0):
        self.keys = list(keys)
        self.words = list(words)
        self.at_ms = at_ms

    def __repr__(self) -> str:
        return f"Roots({self.present.replica.hex()}, {len(self.keys)})"

    @classmethod
    def read(cls, folder: Path) -> Roots:
        """Those of a key folder. Raises KeyFileWrong, KeyRefused."""
        found = cls([DeviceKey.from_private(read_key(folder / FIRST))])
        for at_ms in sorted(int(p.name.split(".")[1]) for p in folder.glob("root.*.word")):
            word = bytes.fromhex(read_file(folder / f"root.{at_ms}.word").decode("ascii"))
            key = DeviceKey.from_private(read_key(folder / f"root.{at_ms}.key"))
            check_root(word, found.present.public)
            found = cls([*found.keys, key], [*found.words, word], at_ms)
        return found

    @property
    def present(self) -> DeviceKey:
        """The root that signs now."""
        return self.keys[-1]

    @property
    def replicas(self) -> list[bytes]:
        """The ids of all of them, the present one first."""
        return [key.replica for key in reversed(self.keys)]

    def renew(self, folder: Path, now_ms: int) -> Roots:
        """Make a successor of the root, durably. Raises StatementRefused beyond a limit."""
        if len(self.words) >= ROOTS_MAX:
            raise StatementRefused("too many roots")
        at_ms = max(now_ms, self.at_ms + 1)
        private = secrets.token_bytes(KEY_BYTES)
        key = DeviceKey.from_private(private)
        word = issue_root(self.present, key, len(self.keys) + 1, at_ms)
        write_file(folder / f"root.{at_ms}.key", private.hex().encode() + b"\n")
        write_file(folder / f"root.{at_ms}.word", word.hex().encode())
        return Roots([*self.keys, key], [*self.words, word], at_ms)


def keep_earlier(tx: Transaction, roots: Roots, now_ms: int) -> None:
    """Note the roots before the present one in the store: what they signed is verified by it."""
    after = list(zip(roots.keys[:-1], roots.keys[1:], roots.words, strict=True))
    for old, new, word in reversed(after):
        if tx.rows("SELECT 1 FROM known_keys WHERE replica = ?", [old.replica]):
            continue
        number = int(tx.rows("SELECT coalesce(max(n), 0) FROM known_keys")[0][0]) + 1
        me = roots.present.replica.hex()
        tx.run(
            "INSERT INTO known_keys (replica, n, public, box_public, parent, role, line, device,"
            " name, team, area, statement, since_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, 'first', ?, '', '', '', ?, ?)",
            [old.replica, number, old.public, b"", new.replica, SERVER, me, word, now_ms],
        )


def follow_roots(
    tx: Transaction, key: DeviceKey, trust: Trust, statements: Iterable[bytes], now_ms: int
) -> bool:
    """Certify the new roots of servers below this one, who show that the old one names them.

    True if devices are to be read again. What does not hold is left out.
    """
    changed = False
    for statement in statements:
        said = root_said(statement)
        if said is None:
            continue
        old = replica_of(said.old_public)
        found = tx.rows(
            "SELECT k.public, d.id, d.name, d.area, d.box_public FROM device_keys k JOIN devices d"
            " ON d.id = k.device WHERE k.replica = ? AND d.role = 'server' AND d.state = 'active'",
            [old],
        )
        known = tx.rows(
            "SELECT 1 FROM device_keys WHERE replica = ?", [replica_of(said.new_public)]
        )
        if not found or known or trust.signs_pages(old) is None:
            continue
        public, device, name, area, box_public = found[0]
        try:
            check_root(statement, bytes(public))
        except CryptoError:
            continue
        _certify(tx, key, str(device), (name, area, bytes(box_public)), said.new_public, now_ms)
        note(tx, now_ms, "", "root-followed", str(device), replica_of(said.new_public).hex())
        changed = True
    return changed


def _certify(
    tx: Transaction,
    key: DeviceKey,
    device: str,
    row: tuple[str, str, bytes],
    public: bytes,
    now_ms: int,
) -> None:
    name, area, box_public = row
    serial = int(tx.rows("SELECT count(*) FROM device_keys")[0][0]) + 1
    body = Certificate(
        replica_of(public),
        public,
        box_public,
        name,
        area,
        serial,
        now_ms,
        key.replica,
        SERVER,
    )
    certificate = issue_certificate(key, body)
    add_key(tx, replica_of(public), device, public, certificate, None, now_ms)
    note_servers(tx)
