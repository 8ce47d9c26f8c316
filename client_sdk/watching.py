# SPDX-License-Identifier: Apache-2.0
"""What this tablet remembers of its district's log, and what it makes of the district's next word.

What lives here: the last signed head, heads heard of from teammates, evidence. What must not:
judging (``crypto.logword``), texts. Invariants
- Whatever is found, the exchange goes on: nothing anybody wrote hangs on the log.
- Two signed heads that do not fit stay here as they were received, and go to whoever is met next.
- A head heard of from a teammate is shown to the district, which must lead it to its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from client_sdk.authority import authority
from client_sdk.devices import District, district_of
from client_sdk.store.base import Store
from client_sdk.store.feeds import own_point
from crypto.errors import CryptoError, LogRefused
from crypto.log import check_tree_head
from crypto.logword import (
    EVIDENCE,
    FORKED,
    FRAUD,
    GROWN,
    SHOWN,
    UNPROVEN,
    WORD,
    Evidence,
    Judged,
    Word,
    check_evidence,
    check_run,
    contradict,
    encode,
    judge,
    log_of,
    read_evidence,
    read_word,
)
from sync.messages import PROTOCOL, Reply, Request, Statement, decode_known

_HEAD, _HEARD, _EVIDENCE, _READ = "log-head", "log-heard", "log-evidence", "log-read"
EVIDENCE_KEPT_MAX = 32
EVIDENCE_TOLD_MAX = 4
"""Pieces of one message, 0.5 KB each."""


class LogNotice(NamedTuple):
    """One finding about a server's log. ``finding`` as in ``crypto.logword``; ``fraud``: nobody
    honest says both; ``server`` and ``by`` are replicas in hexadecimal; the heads as received."""

    finding: str
    fraud: bool
    server: str
    at_ms: int
    by: str
    first: bytes
    second: bytes


def shown(store: Store) -> list[Statement]:
    """What a request says: the head remembered, one heard of, evidence the district lacks."""
    out: list[Statement] = []
    for key in (_HEAD, _HEARD):
        head = store.get(key, b"")
        if head:
            out.append((SHOWN, head))
    untold = [data for data, told in store.get(_EVIDENCE, []) if not told]
    return out + [(EVIDENCE, data) for data in untold[:EVIDENCE_TOLD_MAX]]


def watch(store: Store, request: Request, reply: Reply, now_ms: int) -> str:
    """Judge the district's word against what the request showed it; inside the transaction of the
    reply. Returns the finding, ``grown`` where all is well."""
    if reply.protocol == PROTOCOL:
        return GROWN
    _mark_told(store, request)
    district = district_of(store)
    remembered = [data for kind, data in request.statements if kind == SHOWN]
    receipted = _receipted(request, reply)
    words = [data for kind, data in reply.statements if kind == WORD]
    if not words:
        if not (remembered and receipted):
            return GROWN
        return _found(store, UNPROVEN, remembered[0], b"", now_ms)
    try:
        word = read_word(words[0])
        judged = judge(district.public, remembered, word)
    except CryptoError:
        # Not signed by the district: there is nothing to hold against it, and nothing to remember.
        return UNPROVEN
    finding, against = judged.finding, judged.against
    if finding == GROWN and receipted and not _is_shown(store, word, judged, request, receipted):
        finding, against = UNPROVEN, (remembered or [b""])[0]
    if _denies(store, district, judged):
        finding, against = FORKED, store.get(_HEAD, b"")
    _remember(store, district, judged)
    return finding if finding == GROWN else _found(store, finding, against, judged.head, now_ms)


def _receipted(request: Request, reply: Reply) -> int:
    """How far the reply's receipts, which were checked, reach in the request's own feed."""
    points = decode_known(reply.receipts.body) if reply.receipts is not None else []
    return max((p.counter for p in points if p.replica == request.replica), default=0)


def _is_shown(store: Store, word: Word, judged: Judged, request: Request, receipted: int) -> bool:
    """Does a leaf of the log name the feed as it was written here?"""
    try:
        *_, last, _, head = check_run(word, judged.said, request.replica, receipted)
    except LogRefused:
        return False
    mine = own_point(store, last) if request.replica == store.chain.replica else None
    return mine is None or mine[0] == head


def _denies(store: Store, district: District, judged: Judged) -> bool:
    """Does it contradict a head that came by another way since the request was made?"""
    held = store.get(_HEAD, b"")
    return bool(held) and contradict(check_tree_head(held, district.public), judged.said)


def _remember(store: Store, district: District, judged: Judged) -> None:
    held = store.get(_HEAD, b"")
    if held:
        before = check_tree_head(held, district.public)
        late = (judged.said.epoch, judged.said.size) < (before.epoch, before.size)
        # An answer that comes late, by stick, moves nothing back; one that was shown the head held
        # here and says less is a finding, and the next one is judged by what it says now.
        if late and judged.finding == GROWN:
            return
    store.put(_HEAD, judged.head)
    if store.get(_HEARD, b""):
        store.put(_HEARD, b"")


def _found(store: Store, finding: str, first: bytes, second: bytes, now_ms: int) -> str:
    data = encode(Evidence(finding, first, second, now_ms, store.chain.replica))
    _keep(store, data, told=False)
    return finding


def _keep(store: Store, data: bytes, *, told: bool) -> bool:
    known = store.get(_EVIDENCE, [])
    said = read_evidence(data)
    for held, _ in known:
        other = read_evidence(held)
        if other.finding == said.finding and {other.first, other.second} == {
            said.first,
            said.second,
        }:
            return False
    if len(known) >= EVIDENCE_KEPT_MAX:
        return False
    store.put(_EVIDENCE, [*known, [data, told]])
    return True


def _mark_told(store: Store, request: Request) -> None:
    told = {data for kind, data in request.statements if kind == EVIDENCE}
    if told:
        held = store.get(_EVIDENCE, [])
        store.put(_EVIDENCE, [[data, was or data in told] for data, was in held])


# ---- teammates -----------------------------------------------------------------------------------


def told_to_teammate(store: Store) -> list[Statement]:
    """What a teammate is told: the district's last head as known here, and all evidence."""
    head = store.get(_HEAD, b"")
    out: list[Statement] = [(SHOWN, head)] if head else []
    return out + [(EVIDENCE, data) for data, _ in store.get(_EVIDENCE, [])[-EVIDENCE_TOLD_MAX:]]


def hear(store: Store, statements: Iterable[Statement], now_ms: int) -> str:
    """Take in what a teammate knows of the district's log; the finding. Inside a transaction."""
    worst = GROWN
    for kind, data in statements:
        if kind == SHOWN:
            worst = max(worst, _hear_head(store, data, now_ms), key=_weight)
        elif kind == EVIDENCE:
            worst = max(worst, _hear_evidence(store, data), key=_weight)
    return worst


def _weight(finding: str) -> int:
    return (finding != GROWN) + (finding in FRAUD)


def _hear_head(store: Store, data: bytes, now_ms: int) -> str:
    public = district_of(store).public
    try:
        heard = check_tree_head(data, public)
    except LogRefused:
        # Of another district's log, or of nobody's.
        return GROWN
    held = store.get(_HEAD, b"")
    if not held:
        store.put(_HEAD, data)
        return GROWN
    mine = check_tree_head(held, public)
    if contradict(mine, heard):
        return _found(store, FORKED, held, data, now_ms)
    if (mine.epoch, mine.size) != (heard.epoch, heard.size):
        store.put(_HEARD, data)
    return GROWN


def _hear_evidence(store: Store, data: bytes) -> str:
    try:
        said = read_evidence(data)
        one = said.second or said.first
        server = authority(store, log_of(one))
        if server is None:
            return GROWN
        if said.finding == UNPROVEN:
            check_tree_head(one, server.public)
        else:
            check_evidence(data, server.public)
    except CryptoError:
        return GROWN
    return said.finding if _keep(store, data, told=False) else GROWN


def notices(store: Store) -> list[LogNotice]:
    """All that was found about servers' logs, oldest first."""
    out = []
    for data, _ in store.get(_EVIDENCE, []):
        said = read_evidence(data)
        server = log_of(said.second or said.first)
        out.append(
            LogNotice(
                said.finding,
                said.finding in FRAUD,
                server.hex(),
                said.at_ms,
                said.by.hex(),
                said.first,
                said.second,
            )
        )
    return out


def unread(store: Store) -> int:
    """How many of these a worker has not read of."""
    return max(0, len(store.get(_EVIDENCE, [])) - int(store.get(_READ, 0)))


def mark_read(store: Store) -> None:
    """A worker has read of all there are; the evidence stays."""
    with store.transaction():
        store.put(_READ, len(store.get(_EVIDENCE, [])))


def worst_of(findings: Sequence[str]) -> str:
    """The gravest of some findings; ``grown`` for none."""
    return max(findings, key=_weight, default=GROWN)
