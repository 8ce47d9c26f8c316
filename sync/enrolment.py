# SPDX-License-Identifier: Apache-2.0
"""What a tablet and its server say to each other when the tablet is enrolled or changes its key.

What lives here: the forms and their limits, and what both sides put into the transcript. What must
not: proofs and digits (``crypto.ticket``), stores, transport. Invariants: arrays that begin with
the protocol version, sizes checked before decoding.

    POST /v1/enrol/begin     Begin   → Offer
    POST /v1/enrol           Prove   → 202 Waiting, or 200 Enrolled
    GET  /v1/enrol/{ticket}          → 202 Waiting, or 200 Enrolled      (ticket id in hex)
    POST /v1/succeed         Succeed → 200 Succeeded
    GET  /v1/keys                    → 200 Keys                          (which the roots signed)
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from sync.decoding import MALFORMED
from sync.errors import LimitExceeded, MessageMalformed
from sync.messages import PROTOCOL

ENROLMENT_BYTES_MAX = 16 * 1024
"""One message to the server: two public keys, a proof and a statement need 5 KB."""
ENROLLED_BYTES_MAX = 2 * 1024 * 1024
"""The server's answer: it may carry a whole schema."""

TicketId = Annotated[bytes, Meta(min_length=16, max_length=16)]
SignPublic = Annotated[bytes, Meta(min_length=32, max_length=32)]
BoxPublic = Annotated[bytes, Meta(min_length=1216, max_length=1216)]
Nonce32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Proof = Annotated[bytes, Meta(min_length=33, max_length=33)]
Statement = Annotated[bytes, Meta(max_length=8 * 1024)]
TabletName = Annotated[str, Meta(min_length=1, max_length=80)]
Version = Annotated[int, Meta(ge=PROTOCOL, le=PROTOCOL)]


KEYS_MAX = 80
"""Roots of a long life, and the word of the last."""
INTRODUCED_MAX = 80
"""Statements from a server of the tree to a key that comes as a guest, roots in between."""


class Begin(msgspec.Struct, array_like=True, frozen=True):
    """The tablet binds itself to its keys and nonce before it sees the server's nonce."""

    protocol: Version
    ticket: TicketId
    commitment: Proof


class Offer(msgspec.Struct, array_like=True, frozen=True):
    """The server's keys and its nonce for this enrolment."""

    protocol: Version
    server_public: SignPublic
    server_box_public: BoxPublic
    server_nonce: Nonce32


class Prove(msgspec.Struct, array_like=True, frozen=True):
    """The tablet's keys, its nonce, its name, and the proof that it knows the ticket's secret.

    ``succession`` is the statement by which an earlier key of this tablet names the new one, or
    None.
    """

    protocol: Version
    ticket: TicketId
    proof: Proof
    sign_public: SignPublic
    box_public: BoxPublic
    name: TabletName
    succession: Statement | None
    nonce: Nonce32


class Waiting(msgspec.Struct, array_like=True, frozen=True):
    """The proof holds; a person at the server has not yet compared the six digits."""

    protocol: Version
    state: str
    server_proof: Proof


class Enrolled(msgspec.Struct, array_like=True, frozen=True):
    """The tablet belongs to the district.

    ``certificate`` is the tablet's own; ``server_certificate`` that of the district by its
    upstream, empty where there is none; ``nonce`` is for the first request; ``workers`` are (id,
    name) of the team; ``schema`` is JSON of ``sync.schema.Schema``, None for the built-in one.
    """

    protocol: Version
    certificate: Statement
    server_public: SignPublic
    server_box_public: BoxPublic
    server_certificate: Statement
    nonce: Annotated[bytes, Meta(max_length=48)]
    team: str
    workers: list[tuple[str, str]]
    schema: bytes | None
    server_proof: Proof


class Succeed(msgspec.Struct, array_like=True, frozen=True):
    """A store that was copied or set back goes on under a new key: the doubly signed statement."""

    protocol: Version
    succession: Statement


class Succeeded(msgspec.Struct, array_like=True, frozen=True):
    """The certificate of the new key, and a nonce for its first request."""

    protocol: Version
    certificate: Statement
    nonce: Annotated[bytes, Meta(max_length=48)]


class Introduce(msgspec.Struct, array_like=True, frozen=True):
    """A store comes to a server that did not enrol it: the statements that lead to its key."""

    protocol: Version
    replica: Annotated[bytes, Meta(min_length=16, max_length=16)]
    statements: Annotated[list[Statement], Meta(max_length=INTRODUCED_MAX)]


class Introduced(msgspec.Struct, array_like=True, frozen=True):
    """The server knows the key now: who it is, and a nonce for the first request."""

    protocol: Version
    server: Annotated[bytes, Meta(min_length=16, max_length=16)]
    nonce: Annotated[bytes, Meta(max_length=48)]


class Keys(msgspec.Struct, array_like=True, frozen=True):
    """Under which keys a server stands now: statements that lead there from any root it had."""

    protocol: Version
    statements: Annotated[list[Statement], Meta(max_length=KEYS_MAX)]


encode = msgspec.msgpack.Encoder().encode
_M = TypeVar("_M", bound=msgspec.Struct)


def decode(data: bytes, kind: type[_M]) -> _M:
    """Read one of these messages. Raises LimitExceeded, MessageMalformed."""
    limit = ENROLLED_BYTES_MAX if kind in (Enrolled, Keys, Introduce) else ENROLMENT_BYTES_MAX
    if len(data) > limit:
        raise LimitExceeded(f"enrolment message of {len(data)} bytes, at most {limit}")
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except MALFORMED as error:
        raise MessageMalformed(f"enrolment: {error}") from error


def enrolment_context(name: str, succession: bytes | None) -> bytes:
    """What else commitment, proofs and digits cover: the tablet's name and its succession."""
    return encode((name, succession))
