# SPDX-License-Identifier: Apache-2.0
"""Erasures on a tablet: what the district says is gone goes here too, and stays gone.

What lives here: carrying out a signed erasure, and answering for it. What must not: who may say so
beyond the signature of a server of the tree. Invariants
- What was written here and no server has yet goes up first: sealed to the district, it is no longer
  readable on this tablet, and the district erases it when it comes.
- Places in feeds stay, with their digests; salts go, and the seeds they follow from.
- An erased record is taken in from nobody again, by whatever way it comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from client_sdk.authority import authority
from client_sdk.scope import FILES_GONE, SCRUB, purge
from client_sdk.store.base import Store
from client_sdk.store.feeds import RESEED
from client_sdk.store.records import in_parts
from crypto.erasure import (
    ERASED,
    Erased,
    Erasure,
    check_erasure,
    issue_erased,
    issuer_of,
    statement_digest,
)
from crypto.errors import CryptoError
from sync.messages import Statement

ANSWERS_MAX = 8
"""Answers of one request: as many as one reply tells."""


def take_erasure(store: Store, data: bytes, now_ms: int) -> bool:
    """Carry out one erasure; inside a transaction. False for one that is known, or no server's."""
    try:
        issuer = authority(store, issuer_of(data))
        if issuer is None:
            return False
        said = check_erasure(data, issuer.public)
    except CryptoError:
        return False
    digest = statement_digest(data)
    if store.one("SELECT 1 FROM erasures WHERE digest = ?", (digest,)) is not None:
        # Told again: the answer did not arrive.
        store.run("UPDATE erasures SET answered = 0 WHERE digest = ?", (digest,))
        return False
    counts = _carry_out(store, said)
    store.run(
        "INSERT INTO erasures (digest, statement, at_ms, records, changes, others, answered) "
        "VALUES (?, ?, ?, ?, ?, ?, 0)",
        (digest, data, now_ms, *counts),
    )
    return True


def _carry_out(store: Store, said: Erasure) -> tuple[int, int, int]:
    records = set(said.records)
    store.run_many(
        "INSERT OR IGNORE INTO erased (record) VALUES (?)", ((record,) for record in said.records)
    )
    there = _count(store, "SELECT count(*) FROM records WHERE id IN (?)", records)
    texts = "SELECT count(*) FROM search WHERE home IN (SELECT home FROM records WHERE id IN (?))"
    others = _count(store, texts, records)
    named = []
    for replica, counter, tag in said.dots():
        rows = store.rows(
            "SELECT counter, head, digest FROM feed WHERE replica = ? AND counter = ?",
            (replica, counter),
        )
        named += [(replica, c, head) for c, head, digest in rows if digest[:4] == tag]
    changes = sum(_blank(store, *one) for one in named)
    changes += _blank_receipted(store, records)
    others += _forget_beside(store, records)
    # What is left of these records no server has: it goes up sealed.
    purge(store, records)
    _take_back_seeds(store, said)
    _drop_parts(store)
    store.put(SCRUB, True)
    return there, changes, others


def _count(store: Store, sql: str, records: Iterable[str]) -> int:
    total = 0
    for marks, part in in_parts(records):
        found = store.one(sql.replace("?", marks), part)
        total += int(found[0]) if found else 0
    return total


def _blank(store: Store, replica: bytes, counter: int, head: bytes) -> int:
    """Empty one place of a feed; 1 where something readable stood there."""
    found = store.run(
        "UPDATE feed SET raw = NULL, salt = NULL, record = NULL "
        "WHERE replica = ? AND counter = ? AND head = ? AND raw IS NOT NULL",
        (replica, counter, head),
    )
    store.run(
        "UPDATE feed SET sealed = NULL WHERE replica = ? AND counter = ? AND head = ?",
        (replica, counter, head),
    )
    return int(found.rowcount)


def _blank_receipted(store: Store, records: Iterable[str]) -> int:
    total = 0
    for marks, part in in_parts(records):
        found = store.run(
            "UPDATE feed SET raw = NULL, salt = NULL, record = NULL, sealed = NULL "
            f"WHERE record IN ({marks}) AND receipted = 1 AND raw IS NOT NULL",
            part,
        )
        total += int(found.rowcount)
    return total


def _forget_beside(store: Store, records: set[str]) -> int:
    """Drafts that name the record, and files of attachments, sent or not."""
    total = 0
    for draft, body in store.rows("SELECT id, body FROM drafts"):
        if any(record in body for record in records):
            store.run("DELETE FROM drafts WHERE id = ?", (draft,))
            total += 1
    for marks, part in in_parts(records):
        names = [
            n for (n,) in store.rows(f"SELECT name FROM blobs WHERE record IN ({marks})", part)
        ]
        store.run(f"DELETE FROM blobs WHERE record IN ({marks})", part)
        store.put(FILES_GONE, [*store.get(FILES_GONE, []), *names])
        total += len(names)
    return total


def _take_back_seeds(store: Store, said: Erasure) -> None:
    """From a seed the salt of an erased change follows, and from salt and digest what it said may
    be guessed: the other changes of the block keep their salts beside them."""
    for replica, counter, _ in said.dots():
        store.run(
            "DELETE FROM blocks WHERE replica = ? AND first = "
            "(SELECT max(first) FROM blocks WHERE replica = ? AND first <= ?)",
            (replica, replica, counter),
        )
    store.put(RESEED, store.get(RESEED, 0) + 1)


def _drop_parts(store: Store) -> None:
    """Sealed parts that no change names any more."""
    named: set[int] = set()
    for (packed,) in store.rows("SELECT DISTINCT sealed FROM feed WHERE sealed IS NOT NULL"):
        named |= {int.from_bytes(packed[i : i + 4], "big") for i in range(0, len(packed), 4)}
    for (number,) in store.rows("SELECT id FROM sealed_parts"):
        if number not in named:
            store.run("DELETE FROM sealed_parts WHERE id = ?", (number,))


def erased_among(store: Store, records: Iterable[str]) -> set[str]:
    """Those of these records that were erased."""
    if store.one("SELECT 1 FROM erased LIMIT 1") is None:
        return set()
    found: set[str] = set()
    for marks, part in in_parts(set(records)):
        sql = f"SELECT record FROM erased WHERE record IN ({marks})"
        found |= {record for (record,) in store.rows(sql, part)}
    return found


# -- answering --------------------------------------------------------------------------------


def answers(store: Store) -> list[Statement]:
    """What a request answers: the erasures carried out here, signed."""
    rows = store.rows(
        "SELECT digest, at_ms, records, changes, others FROM erasures WHERE answered = 0 LIMIT ?",
        (ANSWERS_MAX,),
    )
    me: Any = store.chain.replica
    return [
        (ERASED, issue_erased(store.key, Erased(me, digest, at_ms, (records, changes, others))))
        for digest, at_ms, records, changes, others in rows
    ]


def mark_answered(store: Store, count: int) -> None:
    """The first of what is unanswered reached the district."""
    store.run(
        "UPDATE erasures SET answered = 1 WHERE digest IN "
        "(SELECT digest FROM erasures WHERE answered = 0 LIMIT ?)",
        (count,),
    )
