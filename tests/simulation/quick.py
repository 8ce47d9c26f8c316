# SPDX-License-Identifier: Apache-2.0
"""What makes many runs in one process quick, and changes nothing that they do.

What lives here: signatures that are remembered, and when garbage is collected. What must not:
anything that a step or a check decides. Invariant: only a signature that held is remembered, by
key, message and its own bytes: it would hold again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from crypto import identity

SIGNATURES_REMEMBERED_MAX = 20_000


class Remembered:
    """A public key that checks each signature once."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self._held: set[tuple[bytes, bytes]] = set()

    def verify(self, signature: bytes, message: bytes) -> None:
        """As the real key does."""
        found = (bytes(signature), bytes(message))
        if found in self._held:
            return
        self._real.verify(signature, message)
        if len(self._held) >= SIGNATURES_REMEMBERED_MAX:
            self._held.clear()
        self._held.add(found)


_real: Any = identity._parsed


@lru_cache(maxsize=identity.KEYS_CACHED_MAX)
def _remembering(public: bytes) -> Remembered:
    return Remembered(_real(public))


@contextmanager
def quick() -> Iterator[None]:
    """Within it, a signature is checked once, and garbage is collected at its end alone."""
    identity._parsed = _remembering
    gc.disable()
    try:
        yield
    finally:
        identity._parsed = _real
        gc.enable()
        gc.collect()
