# SPDX-License-Identifier: Apache-2.0
"""How far copies of this server's store reach: at the upstream, above it, in backups of each.

What lives here: what a server signs about that for those below, and what it makes of the word of
the one above. What must not: showing (``custody.py``). Invariants
- A server's word is about its own commits: "all that I had committed up to here is there". Whoever
  has its receipts knows which of them hold the own work.
- What is known of the upstream's commits counts only up to an exchange that ended: all that was
  here before it began is among them.
- A word replaces the one before: a server that was set back holds less, and those below hear so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crypto.errors import CryptoError
from crypto.statement import REACH, Reach, check_reach, issue_reach
from server.custody_places import ABOVE, BACKUP, CITY, PROVINCE, last_backup, upstream_kind
from server.store.base import Transaction
from server.uplinks import Link
from sync.messages import Statement

if TYPE_CHECKING:
    from server.district import District

MARKS_MAX = 5_000
"""Exchanges that are remembered with how far each side had come: days of one a minute."""
KINDS = (ABOVE, CITY, PROVINCE, BACKUP)


class Far(NamedTuple):
    """All of this store's commits up to ``seq`` are at ``holder``; ``kind`` says what that is."""

    kind: str
    holder: bytes
    seq: int


def note_mark(tx: Transaction, server: bytes, own_seq: int, their_seq: int) -> None:
    """An exchange ended: what was here up to ``own_seq`` is among their commits up to
    ``their_seq``."""
    tx.run(
        "INSERT INTO reach_marks (server, own_seq, their_seq) VALUES (?, ?, ?)"
        " ON CONFLICT (server, own_seq) DO NOTHING",
        [server, own_seq, their_seq],
    )
    tx.run(
        "DELETE FROM reach_marks WHERE server = ? AND own_seq < (SELECT min(own_seq) FROM (SELECT"
        " own_seq FROM reach_marks WHERE server = ? ORDER BY own_seq DESC LIMIT ?) AS newest)",
        [server, server, MARKS_MAX],
    )


def forget_marks(tx: Transaction, server: bytes) -> None:
    """The other was set back: its commits are counted otherwise now."""
    tx.run("DELETE FROM reach_marks WHERE server = ?", [server])
    tx.run("DELETE FROM reaches WHERE server = ?", [server])


def beyond(tx: Transaction) -> list[Far]:
    """Where this store's commits are behind the upstream, by its word."""
    above = upstream_kind(tx)
    if above is None:
        return []
    out = []
    for kind, holder, seq in tx.rows(
        "SELECT kind, holder, seq FROM reaches WHERE server = ? ORDER BY kind, holder", [above[1]]
    ):
        found = tx.rows(
            "SELECT max(own_seq) FROM reach_marks WHERE server = ? AND their_seq <= ?",
            [above[1], seq],
        )
        if found[0][0] is not None:
            out.append(Far(str(kind), bytes(holder), int(found[0][0])))
    return out


def reach_of(tx: Transaction, me: bytes) -> list[Far]:
    """All places that hold this store's commits, and how many of them."""
    out = []
    seq, _ = last_backup(tx)
    if seq:
        out.append(Far(BACKUP, me, seq))
    above = upstream_kind(tx)
    if above is not None:
        found = tx.rows("SELECT up_seq FROM links WHERE server = ? AND compare = 0", [above[1]])
        if found and int(found[0][0]):
            out.append(Far(above[0], above[1], int(found[0][0])))
    return out + beyond(tx)


def told_reach(tx: Transaction, district: District, now_ms: int) -> list[Statement]:
    """What a server below is told."""
    found = reach_of(tx, district.key.replica)
    if not found:
        return []
    said = Reach(district.key.replica, now_ms, tuple((f.kind, f.holder, f.seq) for f in found))
    return [(REACH_KIND, issue_reach(district.key, said))]


REACH_KIND = REACH.decode()


def hear_reach(tx: Transaction, link: Link, statements: list[Statement]) -> None:
    """Take in the upstream's word; what does not hold is left out."""
    for kind, data in statements:
        if kind != REACH_KIND:
            continue
        try:
            said = check_reach(data, link.public)
        except CryptoError:
            continue
        tx.run("DELETE FROM reaches WHERE server = ?", [link.server])
        tx.run_many(
            "INSERT INTO reaches (server, kind, holder, seq) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            [(link.server, k, holder, seq) for k, holder, seq in said.places if k in KINDS],
        )
