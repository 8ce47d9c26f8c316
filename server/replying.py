# SPDX-License-Identifier: Apache-2.0
"""From what an exchange came to, to the reply that says it.

What lives here: filling in the reply in the version it was asked for, and signing receipts. What
must not: stores, merging. Invariant: called after the commit only (Law 3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from server.incarnations import Lineage
from server.ingest import Outcome
from server.pull import Pulled
from sync.messages import Known, Reply, Request, Statement, decode_notice, pack_pages
from sync.session import sign_receipts


class Done(NamedTuple):
    """What one exchange came to, before it is signed."""

    known: list[Known]
    out: Outcome
    pulled: Pulled | None
    notices: list[bytes]
    lineage: list[tuple[bytes, int]]
    seq: int
    statements: list[Statement]


class Speaker(NamedTuple):
    """Who replies: the replica that signs, the one it writes as, its incarnations, its signature
    for receipts."""

    replica: bytes
    feed: bytes
    lineage: Lineage
    sign_receipts: Callable[[bytes], bytes]


def reply_of(done: Done, request: Request, who: Speaker, nonce: bytes, now_ms: int) -> Reply:
    """The reply to a request, in its version."""
    pulled, incarnation = done.pulled, who.lineage.incarnation
    receipts = None
    if done.out.receipts:
        receipts = sign_receipts(who.replica, incarnation, done.out.receipts, who.sign_receipts)
    none: list[Any] = []
    return Reply(
        request.protocol,
        who.replica,
        who.feed,
        incarnation,
        done.seq,
        pulled.after if pulled else request.after,
        now_ms,
        pulled.digest if pulled else 0,
        done.known,
        done.lineage,
        receipts,
        pack_pages(pulled.pages) if pulled else b"",
        pulled.entered if pulled else none,
        pulled.left if pulled else none,
        pulled.gone if pulled else none,
        [decode_notice(raw) for raw in done.notices],
        pulled.wanted if pulled else False,
        pulled.more if pulled else False,
        nonce,
        pulled.told.ranges if pulled else none,
        pulled.told.homes if pulled else none,
        done.statements,
    )
