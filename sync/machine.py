# SPDX-License-Identifier: Apache-2.0
"""What a tablet tells of itself: its program's version, and the room on it.

What lives here: the statement of kind ``tablet`` in a request, and its form. What must not:
measuring, storing. Invariants
- It is shown to people and decides nothing: whoever signed the request says it.
- A server that does not know the kind leaves it out.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sync.decoding import MALFORMED
from sync.errors import MessageMalformed

TABLET = "tablet"
"""The kind of this statement in a request."""
VERSION_CHARS_MAX = 32
STORE_STEP_BYTES = 1024 * 1024
FREE_STEP_BYTES = 256 * 1024 * 1024
"""Figures are told in whole steps: what grows by a visit is not told with every visit."""
_BYTES_MAX = 2**53

_Bytes = Annotated[int, Meta(ge=0, le=_BYTES_MAX)]


class Machine(msgspec.Struct, array_like=True, frozen=True):
    """``version`` of the program; ``used_bytes`` of store, outbox and photos; ``free_bytes`` left
    on the disk that they lie on."""

    version: Annotated[str, Meta(max_length=VERSION_CHARS_MAX)]
    used_bytes: _Bytes
    free_bytes: _Bytes


_decoder = msgspec.msgpack.Decoder(Machine)


def machine_of(version: str, used_bytes: int, free_bytes: int) -> Machine:
    """What is told, in whole steps: what is used rounded up, what is free rounded down."""
    return Machine(
        version[:VERSION_CHARS_MAX],
        min(_BYTES_MAX, -(-used_bytes // STORE_STEP_BYTES) * STORE_STEP_BYTES),
        min(_BYTES_MAX, free_bytes // FREE_STEP_BYTES * FREE_STEP_BYTES),
    )


def encode_machine(machine: Machine) -> bytes:
    """The bytes of the statement."""
    return msgspec.msgpack.encode(machine)


def decode_machine(data: bytes) -> Machine:
    """What the statement says. Raises MessageMalformed."""
    try:
        return _decoder.decode(data)
    except MALFORMED as error:
        raise MessageMalformed(f"{TABLET}: {error}") from error
