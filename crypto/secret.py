# SPDX-License-Identifier: Apache-2.0
"""A wrapper for bytes that must not be seen.

Lives here: `SecretBytes`, whose repr, str and format say nothing, which does not pickle, copy or
hash. Must not live here: what the bytes mean.

Wiping is best effort: Python may hold copies made by `reveal`, and swap is not ours to control.
"""

import hmac
from typing import NoReturn, Self


class SecretBytes:
    """Secret bytes with a redacted face.

    `reveal()` gives the bytes to the one call that needs them. `wipe()` overwrites this object's
    own buffer; afterwards `reveal` raises ValueError. As a context manager it wipes at the end.
    """

    __slots__ = ("_buffer", "_wiped")

    def __init__(self, value: bytes | bytearray) -> None:
        self._buffer = bytearray(value)
        self._wiped = False

    def reveal(self) -> bytes:
        """Return a copy of the bytes. Raises ValueError after `wipe`."""
        if self._wiped:
            raise ValueError("the secret was wiped")
        return bytes(self._buffer)

    def wipe(self) -> None:
        """Overwrite the bytes held here with zeros."""
        for index in range(len(self._buffer)):
            self._buffer[index] = 0
        self._wiped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __len__(self) -> int:
        return len(self._buffer)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretBytes):
            return NotImplemented
        return hmac.compare_digest(self.reveal(), other.reveal())

    def __hash__(self) -> int:
        # A hash would be a fingerprint of the secret that any dictionary shows.
        raise TypeError("a secret is never hashed")

    def __repr__(self) -> str:
        return "SecretBytes(…)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "SecretBytes(…)"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is never pickled or copied")
