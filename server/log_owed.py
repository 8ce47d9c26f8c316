# SPDX-License-Identifier: Apache-2.0
"""Feeds that a server below brought and has not shown to stand in its log: asked for, in turn.

What lives here: the list of them above, the question in a reply, remembering it below. What must
not: judging a word (``log_below.py``), the word's form (``log_words.py``). Invariants
- A word shows a few leaves however many feeds came with it; each of the others stays on the list,
  the oldest first, until a leaf at or behind its point was shown: every feed has its turn.
- A point that was asked for stays until it is shown, whatever newer ones come meanwhile.
- The list is the one above's alone: after a lost answer, a restore or a late stick it asks again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from msgspec.msgpack import encode

from crypto.logword import ASKED, PROOFS_MAX
from server.points import holds
from server.store.base import Transaction
from sync.errors import SyncError
from sync.messages import Known, Statement, decode_known


class Leaf(NamedTuple):
    """A leaf that was shown: how far it reaches in its feed, and the head there."""

    last: int
    head: bytes


# ---- above ---------------------------------------------------------------------------------------


def owed_by(tx: Transaction, log: bytes, upto: int | None = None) -> list[Known]:
    """The points that a log still has to show, the oldest first; with ``upto`` those alone that
    were asked for before that commit."""
    found = tx.rows(
        "SELECT replica, counter, head, asked_seq FROM log_owed WHERE log = ?"
        " ORDER BY seq, replica",
        [log],
    )
    return [
        Known(bytes(replica), int(counter), bytes(head))
        for replica, counter, head, asked in found
        if upto is None or (asked is not None and int(asked) < upto)
    ]


def note_shown(tx: Transaction, log: bytes, shown: dict[bytes, Leaf], seq: int) -> None:
    """Take off the list what was shown; of a feed that went on meanwhile the newest point comes to
    its end. ``shown``: by feed; ``seq``: this commit."""
    for point in owed_by(tx, log):
        leaf = shown.get(point.replica)
        if leaf is None or leaf.last < point.counter:
            continue
        where = [log, point.replica]
        if leaf.head != point.mark and not holds(tx, Known(point.replica, *leaf)):
            continue
        tx.run(
            "DELETE FROM log_owed WHERE log = ? AND replica = ? AND newest <= ?",
            [*where, leaf.last],
        )
        tx.run(
            "UPDATE log_owed SET counter = newest, head = newest_head, seq = ?, asked_seq = NULL"
            " WHERE log = ? AND replica = ?",
            [seq, *where],
        )


def note_owed(tx: Transaction, log: bytes, points: Iterable[Known], seq: int) -> None:
    """Put points that were brought and not shown on the list."""
    tx.run_many(
        "INSERT INTO log_owed (log, replica, counter, head, newest, newest_head, seq)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (log, replica) DO UPDATE SET"
        " newest = excluded.newest, newest_head = excluded.newest_head"
        " WHERE log_owed.newest < excluded.newest",
        [
            (log, p.replica, p.counter, p.mark, p.counter, p.mark, seq)
            for p in points
            if holds(tx, p)
        ],
    )


def forget_owed(tx: Transaction, log: bytes) -> None:
    """A log that was set back and owned up to it has other leaves now."""
    tx.run("DELETE FROM log_owed WHERE log = ?", [log])


def ask_for(tx: Transaction, log: bytes, seq: int) -> list[Statement]:
    """The question for the oldest points on the list; nothing where there are none."""
    points = owed_by(tx, log)[:PROOFS_MAX]
    for point in points:
        tx.run(
            "UPDATE log_owed SET asked_seq = ? WHERE log = ? AND replica = ? AND asked_seq IS NULL",
            [seq, log, point.replica],
        )
    return [(ASKED, encode(points))] if points else []


# ---- below ---------------------------------------------------------------------------------------


def hear_asked(tx: Transaction, above: bytes, statements: Iterable[Statement]) -> bool:
    """Remember what the one above asks to be shown, in place of what it asked before; True where
    it is another question."""
    found = [data for kind, data in statements if kind == ASKED]
    body = found[0] if found else b""
    before = tx.rows("SELECT points FROM log_asked WHERE server = ?", [above])
    if body == (bytes(before[0][0]) if before else b""):
        return False
    tx.run(
        "INSERT INTO log_asked (server, points) VALUES (?, ?)"
        " ON CONFLICT (server) DO UPDATE SET points = excluded.points",
        [above, body],
    )
    return bool(body)


def asked_by(tx: Transaction, above: bytes) -> list[Known]:
    """What the one above asked last; what cannot be read is nothing."""
    found = tx.rows("SELECT points FROM log_asked WHERE server = ?", [above])
    try:
        return decode_known(bytes(found[0][0]))[:PROOFS_MAX] if found and found[0][0] else []
    except SyncError:
        return []


def in_turn(asked: Collection[Known], brought: Collection[Known]) -> list[Known]:
    """Which feeds a word shows first: those asked for, at their newest point, then the others."""
    newest = {point.replica: point for point in asked}
    for point in brought:
        if point.replica not in newest or point.counter >= newest[point.replica].counter:
            newest[point.replica] = point
    return list(newest.values())
