# SPDX-License-Identifier: Apache-2.0
"""What this server says of its log to whoever exchanges with it, and what it makes of others'.

What lives here: the statements about logs in requests and replies, heads remembered of other
servers, evidence. What must not: the tree (``log_tree.py``), judging (``crypto.logword``).
Invariants
- A word is made in the transaction whose leaves it shows, and handed out only after its commit.
- A head of this server's own that lies beyond its log means that it was set back: it says so by a
  leaf before it answers.
- Nothing found here stops an exchange: both heads are kept, the journal says so, work goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from crypto.errors import CryptoError, LogRefused
from crypto.identity import DeviceKey
from crypto.log import (
    NodeAt,
    TreeHead,
    check_tree_head,
    consistency_path,
    inclusion_path,
)
from crypto.logword import (
    EVIDENCE,
    FRAUD,
    GROWN,
    PROOFS_MAX,
    SHOWN,
    SHOWN_MAX,
    TURNS_MAX,
    UNPROVEN,
    WORD,
    WORD_BYTES_MAX,
    Evidence,
    Proven,
    Word,
    check_evidence,
    check_run,
    encode,
    judge,
    log_of,
    read_evidence,
    read_word,
)
from server.journal import note
from server.log_tree import (
    Stand,
    begin_epoch,
    bodies_of,
    root_at,
    signed_head,
    stand_of,
    with_nodes,
)
from server.replying import Done
from server.store.base import Transaction
from server.trust import Trust
from server.uplinks import Link
from sync.decoding import MALFORMED
from sync.messages import PROTOCOL, Known, Reply, Request, Statement, decode_known

HEADS_KNOWN = 256
"""Heads whose signature need not be checked again: those of the requests of a minute."""
EVIDENCE_KEPT_MAX = 200
"""Pieces of evidence of one store: one is enough to act upon."""
EVIDENCE_TOLD_MAX = 4
"""Of one message."""


class Shown(NamedTuple):
    """The heads of this server's log that a request showed, as received and as read."""

    data: list[bytes]
    heads: list[TreeHead]


def shown_in(key: DeviceKey, statements: Iterable[Statement]) -> Shown:
    """The heads that this server itself signed; anything else is left out."""
    out = Shown([], [])
    for kind, data in statements:
        if kind != SHOWN or len(out.data) == SHOWN_MAX:
            continue
        head = _signed_by(key.public, data)
        if head is not None:
            out.data.append(data)
            out.heads.append(head)
    return out


@lru_cache(HEADS_KNOWN)
def _signed_by(public: bytes, data: bytes) -> TreeHead | None:
    """A head that this key signed; None for anything else. One request is asked of twice."""
    try:
        return check_tree_head(data, public)
    except LogRefused:
        return None


def own_up(tx: Transaction, key: DeviceKey, statements: Iterable[Statement], now_ms: int) -> None:
    """Begin a new epoch where somebody shows a head of this log that it no longer leads to."""
    for head in shown_in(key, statements).heads:
        stand = stand_of(tx)
        if head.epoch < stand.epoch:
            # What that epoch came to was said by the leaf that began the next one.
            continue
        within = head.epoch == stand.epoch and head.size <= stand.size
        if within and root_at(tx, head.size) == head.root:
            continue
        epoch = begin_epoch(tx, head, now_ms)
        note(tx, now_ms, "", "log-set-back", str(epoch), f"{head.epoch} {head.size} {stand.size}")


def look_at_logs(
    tx: Transaction, key: DeviceKey, trust: Trust, statements: Sequence[Statement], now_ms: int
) -> None:
    """What a request says of this server's log, and carries against others'."""
    if statements:
        own_up(tx, key, statements, now_ms)
        take_evidence(tx, trust, statements, now_ms)


def add_words(
    tx: Transaction, key: DeviceKey, pairs: Iterable[tuple[Request, Done]], now_ms: int
) -> None:
    """Give every exchange of one commit the word on the log as it is at that commit."""
    for request, done in pairs:
        done.statements.extend(words_for(tx, key, request, done.out.receipts, now_ms))


def words_for(
    tx: Transaction, key: DeviceKey, request: Request, receipts: Sequence[Known], now_ms: int
) -> list[Statement]:
    """This server's word, where its log grew since the head shown or something was taken in."""
    if request.protocol == PROTOCOL:
        return []
    shown = shown_in(key, request.statements)
    stand = stand_of(tx)
    last = [(head.size, head.epoch) for head in shown.heads]
    if not receipts and last and all(one == stand for one in last):
        return []
    leaves = leaves_of_ends(tx, ends_of(request.replica, receipts))
    return [(WORD, word_of(tx, key, shown, stand, leaves, now_ms))]


def word_of(
    tx: Transaction,
    key: DeviceKey,
    shown: Shown,
    stand: Stand,
    leaves: Sequence[int],
    now_ms: int,
) -> bytes:
    """The word on the log as it stands: how it grew from the heads shown, and these leaves."""
    oldest = min((head.epoch for head in shown.heads), default=stand.epoch)
    turns = [
        int(row[0])
        for row in tx.rows(
            "SELECT leaf FROM log_turns WHERE epoch > ? AND leaf < ? ORDER BY epoch DESC LIMIT ?",
            [oldest, stand.size, TURNS_MAX],
        )
    ]
    sizes = [head.size for head in shown.heads]

    def paths(node_at: NodeAt) -> tuple[list[list[bytes]], dict[int, list[bytes]]]:
        grown = [consistency_path(s, stand.size, node_at) if s <= stand.size else [] for s in sizes]
        return grown, {n: inclusion_path(n, stand.size, node_at) for n in {*leaves, *turns}}

    grown, of_leaf = with_nodes(tx, paths)
    bodies = bodies_of(tx, [*leaves, *turns])
    proven = {n: Proven(n, bodies[n], path) for n, path in of_leaf.items()}
    head = signed_head(tx, key, now_ms, stand)
    proofs = [proven[n] for n in leaves]
    while True:
        word = encode(Word(head, grown, [proven[n] for n in turns], proofs))
        if len(word) <= WORD_BYTES_MAX or not proofs:
            return word
        proofs = proofs[:-1]


def ends_of(writer: bytes, points: Sequence[Known]) -> list[Known]:
    """The feeds among these points, each by its last one, the sender's own first: a leaf names the
    head, and a head names all that came before it."""
    ends: dict[bytes, Known] = {}
    for point in sorted(points, key=lambda p: (p.counter, p.replica)):
        ends[point.replica] = point
    return sorted(ends.values(), key=lambda p: p.replica != writer)


def leaves_of_ends(tx: Transaction, ends: Sequence[Known]) -> list[int]:
    """The leaf of the run that each of these points lies in, of as many as a word shows."""
    out: list[int] = []
    for point in ends:
        if len(out) == PROOFS_MAX:
            break
        found = tx.rows(
            "SELECT leaf FROM segments WHERE replica = ? AND last >= ? AND first <= ?"
            " AND leaf IS NOT NULL ORDER BY CASE WHEN head = ? THEN 0 ELSE 1 END, last LIMIT 1",
            [tx.number_of(point.replica), point.counter, point.counter, point.mark],
        )
        out += [int(row[0]) for row in found]
    return out


# ---- what is remembered of other servers ---------------------------------------------------------


def shown_to(tx: Transaction, server: bytes) -> list[Statement]:
    """What a request to another server says: its head as remembered here, and evidence."""
    found = tx.rows("SELECT head FROM log_seen WHERE server = ?", [server])
    out: list[Statement] = [(SHOWN, bytes(row[0])) for row in found]
    told = tx.rows("SELECT body FROM log_evidence ORDER BY n DESC LIMIT ?", [EVIDENCE_TOLD_MAX])
    return out + [(EVIDENCE, bytes(row[0])) for row in told]


class Heard(NamedTuple):
    """What another server's reply is judged by: its key, what was shown to it, the own feed and how
    far it was receipted by that reply (0: nothing new)."""

    public: bytes
    shown: Sequence[Statement]
    feed: bytes
    receipted: int


def hear(tx: Transaction, heard: Heard, reply: Reply, me: bytes, now_ms: int) -> str:
    """Judge and remember another server's word; the finding, which the journal has too."""
    words = [data for kind, data in reply.statements if kind == WORD]
    # What a request says of its sender's own log is nobody's to answer for but the sender's.
    theirs = reply.server
    shown = [data for kind, data in heard.shown if kind == SHOWN and log_of(data) == theirs]
    if not words:
        if not (shown and heard.receipted):
            return GROWN
        # It kept a log, took something in, and says nothing of it.
        return keep_finding(tx, UNPROVEN, (shown[0], b""), reply.server, me, now_ms)
    try:
        word = read_word(words[0])
        judged = judge(heard.public, shown, word)
    except CryptoError:
        return UNPROVEN
    tx.run(
        "INSERT INTO log_seen (server, head, at_ms) VALUES (?, ?, ?) ON CONFLICT (server)"
        " DO UPDATE SET head = excluded.head, at_ms = excluded.at_ms",
        [reply.server, judged.head, now_ms],
    )
    finding, against = judged.finding, judged.against
    if finding == GROWN and heard.receipted:
        try:
            check_run(word, judged.said, heard.feed, heard.receipted)
        except LogRefused:
            finding, against = UNPROVEN, shown[0] if shown else b""
    if finding == GROWN:
        return finding
    return keep_finding(tx, finding, (against, judged.head), reply.server, me, now_ms)


def hear_linked(tx: Transaction, link: Link, request: Request, reply: Reply, now_ms: int) -> str:
    """Judge the word of a linked server; of what it took in, this server's own feed is looked
    for."""
    points = decode_known(reply.receipts.body) if reply.receipts is not None else []
    receipted = max((p.counter for p in points if p.replica == request.replica), default=0)
    heard = Heard(link.public, request.statements, request.replica, receipted)
    return hear(tx, heard, reply, request.replica, now_ms)


def keep_finding(
    tx: Transaction,
    finding: str,
    heads: tuple[bytes, bytes],
    server: bytes,
    me: bytes,
    now_ms: int,
) -> str:
    """Keep both heads against a server, and say so in the journal; the finding."""
    body = encode(Evidence(finding, *heads, now_ms, me))
    _keep(tx, server, finding, body, now_ms)
    return finding


def _keep(tx: Transaction, server: bytes, finding: str, body: bytes, now_ms: int) -> None:
    if int(tx.rows("SELECT count(*) FROM log_evidence")[0][0]) >= EVIDENCE_KEPT_MAX:
        return
    added = tx.run(
        "INSERT INTO log_evidence (server, finding, at_ms, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [server, finding, now_ms, body],
    )
    if added:
        what = "log-evidence" if finding in FRAUD else "log-set-back-seen"
        note(tx, now_ms, "", what, server.hex(), finding)


def take_evidence(
    tx: Transaction, trust: Trust, statements: Iterable[Statement], now_ms: int
) -> None:
    """Keep what somebody carried here against a server of the tree, this one included."""
    for kind, data in statements:
        if kind != EVIDENCE:
            continue
        try:
            said = read_evidence(data)
            server = log_of(said.second or said.first)
            public = trust.signs_pages(server)
            if public is None:
                continue
            if said.finding != UNPROVEN:
                check_evidence(data, public)
            else:
                check_tree_head(said.second or said.first, public)
        except (*MALFORMED, CryptoError):
            continue
        _keep(tx, server, said.finding, data, now_ms)


class Found(NamedTuple):
    """One piece of evidence: whose log, what, since when, by whom, and both heads."""

    server: bytes
    finding: str
    at_ms: int
    by: bytes
    first: bytes
    second: bytes


def evidence_in(tx: Transaction) -> list[Found]:
    """All evidence held here, newest first."""
    out = []
    for server, finding, at_ms, body in tx.rows(
        "SELECT server, finding, at_ms, body FROM log_evidence ORDER BY n DESC"
    ):
        said = read_evidence(bytes(body))
        out.append(Found(bytes(server), str(finding), int(at_ms), said.by, said.first, said.second))
    return out
