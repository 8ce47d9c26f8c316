# SPDX-License-Identifier: Apache-2.0
"""The server's box keys: the one that is sealed to now, and those before it.

What lives here: reading them from the key folder, renewing, the signed word on the present one.
What must not: opening, and which tablet is told (``statements.py``). Invariants
- No box key is ever removed: what lies sealed on a tablet or a stick opens whenever it comes.
- A bundle is a message and not a store: one sealed to a key whose grace has passed is refused.
- The folder says which key is the newest; another process that renews is noticed at the next look.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final, NamedTuple

from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.statement import DAY_MS, ServerKeys, issue_server_keys
from server.key_files import read_key, write_file

FIRST: Final = "box.key"
RENEW_MS: Final = 90 * DAY_MS
"""After so long a new box key is made: a stolen one opens a quarter of a year, and no more."""
GRACE_MS: Final = 45 * DAY_MS
"""So long a bundle sealed to the key before is taken: sticks travel for weeks."""


class Made(NamedTuple):
    """A box key and since when it is in use, by the server's clock; 0 for the first."""

    key: BoxKey
    at_ms: int

    def __repr__(self) -> str:
        return f"Made(at_ms={self.at_ms})"


class Boxes:
    """All box keys, oldest first. ``pin`` is that of the TLS key, which the word names too;
    ``others_ms`` are when that one and the root were last changed, 0 for never."""

    def __init__(
        self,
        keys: list[Made],
        pin: bytes = bytes(32),
        folder: Path | None = None,
        others_ms: tuple[int, ...] = (0,),
    ):
        self._keys = keys
        self._pin = pin
        self._others_ms = others_ms
        self._folder = folder
        self._seen_ns = 0
        self._word = b""

    def __repr__(self) -> str:
        return f"Boxes({len(self._keys)})"

    @classmethod
    def of(cls, key: BoxKey) -> Boxes:
        """One key that is never renewed: a server without a folder."""
        return cls([Made(key, 0)])

    @classmethod
    def read(cls, folder: Path, pin: bytes, others_ms: tuple[int, ...] = (0,)) -> Boxes:
        """Those of a key folder. Raises KeyFileWrong, KeyRefused."""
        found = cls([], pin, folder, others_ms)
        found._look()
        return found

    def _look(self) -> list[Made]:
        if self._folder is None:
            return self._keys
        seen_ns = self._folder.stat().st_mtime_ns
        if seen_ns != self._seen_ns:
            paths = [(0, self._folder / FIRST)]
            for path in self._folder.glob("box.*.key"):
                number = path.name.split(".")[1]
                if number.isdigit():
                    paths.append((int(number), path))
            self._keys = [Made(BoxKey.from_private(read_key(p)), at) for at, p in sorted(paths)]
            self._seen_ns, self._word = seen_ns, b""
        return self._keys

    @property
    def present(self) -> BoxKey:
        """The key that is sealed to now."""
        return self._look()[-1].key

    def all(self) -> list[BoxKey]:
        """Every key there ever was, the newest first."""
        return [made.key for made in reversed(self._look())]

    def in_grace(self, now_ms: int) -> list[BoxKey]:
        """The present key, and those that were succeeded less than ``GRACE_MS`` ago."""
        keys = self._look()
        out = [keys[-1].key]
        for made, after in zip(reversed(keys[:-1]), reversed(keys[1:]), strict=True):
            if now_ms - after.at_ms <= GRACE_MS:
                out.append(made.key)
        return out

    def word(self, key: DeviceKey) -> tuple[bytes, int]:
        """What the server's root says of its present keys, and since when; empty where all are
        those it was made with."""
        made = self._look()[-1]
        at_ms = max(made.at_ms, *self._others_ms)
        if not at_ms:
            return b"", 0
        if not self._word:
            # The sum rises with each of them, also where a clock was set back in between.
            serial = made.at_ms + sum(self._others_ms)
            body = ServerKeys(key.public, serial, at_ms, made.key.public, (self._pin,))
            self._word = issue_server_keys(key, body)
        return self._word, at_ms

    def is_due(self, now_ms: int) -> bool:
        """Is it time for a new key?"""
        made_ms = self._look()[-1].at_ms
        if not made_ms and self._folder is not None:
            made_ms = (self._folder / FIRST).stat().st_mtime_ns // 1_000_000
        return self._folder is not None and now_ms - made_ms >= RENEW_MS

    def renew(self, now_ms: int) -> int:
        """Make a new key; since when it is in use. A clock that went back changes no order."""
        at_ms = max(now_ms, self._look()[-1].at_ms + 1)
        if self._folder is None:
            self._keys.append(Made(BoxKey.generate(), at_ms))
            self._word = b""
            return at_ms
        data = secrets.token_bytes(32).hex().encode() + b"\n"
        write_file(self._folder / f"box.{at_ms}.key", data)
        self._seen_ns = 0
        return at_ms
