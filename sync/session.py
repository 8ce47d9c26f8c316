# SPDX-License-Identifier: Apache-2.0
"""The exchange as pure functions: digests, signatures' inputs, and what a chain point means.

What lives here: what both sides of an exchange compute from what they hold. What must not: stores,
keys, transport. Invariant: heads are compared before anything is joined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sync.errors import MessageMalformed
from sync.feed import Verify, genesis
from sync.kernel import sums
from sync.messages import Handed, Known, Page, Receipts, encode

HOME_FIELD = "household"
"""The field of any record that names the household it belongs to."""
DIGEST_MASK = 2**48 - 1
HELD_MASK = 2**63 - 1

# A copy of a hash that was begun costs half of what making one does.
_OF_STATE = b"doorstep/record-state/1\0"
_RECORD_STATE = hashlib.sha256(_OF_STATE)
_HELD = hashlib.sha256(b"doorstep/held/1\0")


def home_of(record: str, body: Mapping[str, object]) -> str:
    """The household a record belongs to by its shown values; a record that names none is its
    own."""
    home = body.get(HOME_FIELD)
    return home if isinstance(home, str) and home else record


def homes_of(record: str, values: Iterable[object]) -> set[str]:
    """All homes that the siblings of ``household`` name.

    A sibling that names none, and a record without siblings, make the record its own home, as
    ``home_of`` has it for the shown one.
    """
    return {v if isinstance(v, str) and v else record for v in values} or {record}


def record_digest(record: str, vector: bytes) -> int:
    """48 bits over a record and its vector: summed over a scope they show whether two stores agree.

    A vector names, by tag, the content of what it has seen; equal vectors mean equal states.
    """
    found = _RECORD_STATE.copy()
    found.update(record.encode() + b"\0" + vector)
    return int.from_bytes(found.digest()[:6], "big")


def record_digests(records: list[str], vectors: list[bytes]) -> list[int]:
    """``record_digest`` of many."""
    return sums(_OF_STATE, records, vectors)


def held_sum(homes: Iterable[str]) -> int:
    """63 bits over a set of homes, by adding: it follows additions and removals one by one."""
    return sum(held_part(home) for home in homes) & HELD_MASK


def held_part(home: str) -> int:
    """What one home adds to ``held_sum``."""
    found = _HELD.copy()
    found.update(home.encode())
    return int.from_bytes(found.digest()[:8], "big")


def state_digest(raw: bytes) -> bytes:
    """What a page's signature covers of one state (32 bytes)."""
    return hashlib.sha256(b"doorstep/state/1\0" + raw).digest()


def page_message(server: bytes, incarnation: bytes, seq: int, digests: bytes) -> bytes:
    """What a page's signature covers: server, incarnation, sequence, the digests of its states."""
    return (
        server
        + len(incarnation).to_bytes(1, "big")
        + incarnation
        + seq.to_bytes(8, "big")
        + digests
    )


def receipts_message(server: bytes, incarnation: bytes, body: bytes) -> bytes:
    """What the signature of receipts covers."""
    return server + len(incarnation).to_bytes(1, "big") + incarnation + body


def sign_receipts(
    server: bytes, incarnation: bytes, known: Sequence[Known], sign: Callable[[bytes], bytes]
) -> Receipts:
    """Receipts over points of feeds; to be made only after a durable commit (Law 3)."""
    body = encode(list(known))
    return Receipts(server, incarnation, body, sign(receipts_message(server, incarnation, body)))


class SignedStates(NamedTuple):
    """A page that was checked: its digests, joined, and its states with their places."""

    server: bytes
    incarnation: bytes
    seq: int
    digests: bytes
    signature: bytes
    states: list[tuple[int, bytes]]


def open_page(page: Page, verify: Verify) -> SignedStates:
    """Check the signature of a page; its states. Raises what ``verify`` raises,
    MessageMalformed."""
    digests = b"".join(state_digest(raw) for raw in page.states)
    verify(
        page.server, page_message(page.server, page.incarnation, page.seq, digests), page.signature
    )
    return SignedStates(
        page.server,
        page.incarnation,
        page.seq,
        digests,
        page.signature,
        list(enumerate(page.states)),
    )


def open_handed(handed: Handed, verify: Verify) -> SignedStates:
    """Check states handed on: each has its place in a page that a server signed."""
    message = page_message(handed.server, handed.incarnation, handed.seq, handed.digests)
    verify(handed.server, message, handed.signature)
    for place, raw in handed.states:
        if handed.digests[place * 32 : place * 32 + 32] != state_digest(raw) or place < 0:
            raise MessageMalformed("a state does not stand where its page says")
    return SignedStates(
        handed.server,
        handed.incarnation,
        handed.seq,
        handed.digests,
        handed.signature,
        handed.states,
    )


def off_my_chain(
    known: Iterable[Known],
    replica: bytes,
    counter: int,
    head_at: Callable[[int], bytes | None],
    tag_at: Callable[[int], bytes | None],
) -> bool:
    """Does someone know a point of my feed that is not on my chain?

    Then this store is a copy, or was set back, and goes on as a new replica. ``head_at`` and
    ``tag_at`` give my own head and tag at a counter, None where I no longer know them.
    """
    for point in known:
        if point.replica != replica:
            continue
        if point.counter > counter:
            return True
        if point.counter == 0:
            if point.mark and point.mark != genesis(replica):
                return True
            continue
        mine = head_at(point.counter) if len(point.mark) == 32 else tag_at(point.counter)
        if mine is not None and mine != point.mark:
            return True
    return False
