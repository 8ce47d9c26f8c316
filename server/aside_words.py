# SPDX-License-Identifier: Apache-2.0
"""What one server set aside, the servers above and below set aside as well.

What lives here: the signed word that goes with runs to another server and says which of their
changes are in quarantine because their tablet was revoked; hearing it. What must not: quarantine
itself (``set_aside.py``), who is revoked (``devices.py``). Invariants
- The word goes in the same message as the runs it is about: whoever takes the runs knows it.
- Nobody's word counts about a tablet that was enrolled here: its own office decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from crypto.errors import CryptoError
from crypto.identity import DeviceKey, verify
from server.store.base import Transaction
from server.trust import Trust
from sync.clock import COUNTER_BYTES, Dot, counter_of
from sync.decoding import MALFORMED
from sync.feed import Partial, Segment
from sync.messages import Statement

ASIDE = "aside"
REVOKED = "revoked"
"""The reason of a quarantine that other servers cannot find out by themselves."""
SPANS_MAX = 200
"""Of one word: as many replicas' counters as 8 KiB hold. A revoked tablet's are one span a run."""
WORDS_MAX = 2
SIGNATURE_BYTES = 65

Replica = Annotated[bytes, Meta(min_length=16, max_length=16)]
Counter = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class Span(msgspec.Struct, array_like=True, frozen=True):
    """Consecutive changes of one feed."""

    replica: Replica
    first: Counter
    last: Counter


_Spans = Annotated[list[Span], Meta(max_length=SPANS_MAX)]
_decode = msgspec.msgpack.Decoder(_Spans).decode
_encode = msgspec.msgpack.Encoder().encode


class Asides(NamedTuple):
    """What another server set aside of what it brings."""

    spans: tuple[Span, ...] = ()

    def has(self, d: Dot) -> bool:
        """Is this change among it?"""
        counter = counter_of(d)
        return any(s.replica == d[:16] and s.first <= counter <= s.last for s in self.spans)


def aside_words(
    tx: Transaction, key: DeviceKey, runs: Iterable[Segment | Partial]
) -> list[Statement]:
    """The words about runs that are about to be sent, signed; none where nothing is aside."""
    if not tx.rows("SELECT 1 FROM quarantine WHERE reason = ? LIMIT 1", [REVOKED]):
        return []
    spans: list[Span] = []
    for run in runs:
        low, high = (
            run.replica + counter.to_bytes(COUNTER_BYTES, "big")
            for counter in (run.first, run.last + 1)
        )
        found = tx.rows(
            "SELECT dot FROM quarantine WHERE reason = ? AND dot >= ? AND dot < ? ORDER BY dot",
            [REVOKED, low, high],
        )
        spans += _spans(run.replica, [counter_of(bytes(row[0])) for row in found])
    out: list[Statement] = []
    for start in range(0, min(len(spans), WORDS_MAX * SPANS_MAX), SPANS_MAX):
        body = _encode(spans[start : start + SPANS_MAX])
        out.append((ASIDE, key.sign(ASIDE.encode(), body) + body))
    return out


def _spans(replica: bytes, counters: Sequence[int]) -> list[Span]:
    spans: list[Span] = []
    for counter in counters:
        if spans and counter <= spans[-1].last + 1:
            spans[-1] = msgspec.structs.replace(spans[-1], last=counter)
        else:
            spans.append(Span(replica, counter, counter))
    return spans


def hear_asides(
    tx: Transaction, trust: Trust, server: str, statements: Iterable[Statement]
) -> Asides:
    """What the server of this device id says it set aside; a word that does not hold says
    nothing."""
    spans: list[Span] = []
    for kind, statement in statements:
        if kind == ASIDE:
            spans += _read(trust, server, statement)
    if not spans:
        return Asides()
    sql = "SELECT 1 FROM device_keys WHERE replica = ?"
    own = {one for one in {span.replica for span in spans} if tx.rows(sql, [one])}
    return Asides(tuple(span for span in spans if span.replica not in own))


def _read(trust: Trust, server: str, statement: bytes) -> list[Span]:
    signature, body = statement[:SIGNATURE_BYTES], statement[SIGNATURE_BYTES:]
    for replica in trust.line_of(server):
        public = trust.signs_pages(replica)
        if public is None:
            continue
        try:
            verify(public, ASIDE.encode(), body, signature)
            return _decode(body)
        except (*MALFORMED, CryptoError):
            continue
    return []
