# SPDX-License-Identifier: Apache-2.0
"""Archives that were away when something was erased: remembered, and seen to when they are back.

What lives here: which case waits for which archive, looking through one that is back, how each
stands. What must not: overwriting files (``archives.py``), saying what is erased (``erasing.py``).
Invariants
- A case waits for an archive from the transaction on that could not look into it; nothing is read
  out of it (``feeds.whole``) until every change of every erased record in it is named.
- It is looked through outside the transaction that names what was found; what was erased meanwhile
  lets it be looked through again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from server.archive_errors import ArchiveMissing
from server.archives import ArchiveFiles, archives_of
from server.blanks import archives_with, erased_dots
from server.erasing_rows import blobs_in
from server.feeds import open_stored
from server.store.base import Transaction
from sync.clock import Dot

if TYPE_CHECKING:
    from server.district import District


class Erased(NamedTuple):
    """What is erased at one moment: the case of each record, and of each change."""

    records: dict[str, int]
    changes: dict[Dot, int]


class Content(NamedTuple):
    """What an archive still holds of one case: changes, and the attachments they may name."""

    dots: set[Dot]
    blobs: set[str]


def wait_for(tx: Transaction, n: int, archives: Collection[str], now_ms: int) -> None:
    """Let a case wait for archives that are not here; each is to be looked through."""
    tx.run_many(
        "INSERT INTO erasure_archives (erasure, archive, away_at_ms) VALUES (?, ?, ?)"
        " ON CONFLICT (erasure, archive) DO UPDATE SET searched_at_ms = NULL, done_at_ms = NULL",
        [(n, name, now_ms) for name in sorted(archives)],
    )


def waits_of(tx: Transaction, n: int) -> list[dict[str, Any]]:
    """How each archive stands that a case had to wait for."""
    found = tx.rows(
        "SELECT archive, away_at_ms, done_at_ms, changes FROM erasure_archives WHERE erasure = ?"
        " ORDER BY archive",
        [n],
    )
    return [
        {"name": str(name), "away_at_ms": int(away), "done_at_ms": done, "changes": int(changes)}
        for name, away, done, changes in found
    ]


def away_for(tx: Transaction, case: bytes) -> list[str]:
    """The archives that a case waits for, by the case's id."""
    found = tx.rows(
        "SELECT a.archive FROM erasure_archives a JOIN erasures e ON e.n = a.erasure"
        " WHERE e.id = ? AND a.done_at_ms IS NULL ORDER BY a.archive",
        [case],
    )
    return [str(name) for (name,) in found]


def is_back(tx: Transaction) -> bool:
    """Is an archive here that some case waits for?"""
    found = tx.rows("SELECT DISTINCT archive FROM erasure_archives WHERE done_at_ms IS NULL")
    return any(tx.archives.here(str(name)) for (name,) in found)


def look_through(district: District) -> None:
    """Name what archives that are back hold of erased records, so that it goes from them too."""
    files = district.store.archives
    with district.store.read() as tx:
        waiting = tx.rows(
            "SELECT DISTINCT archive FROM erasure_archives WHERE searched_at_ms IS NULL"
        )
        keys = archives_of(tx)
        erased = _erased(tx) if waiting else Erased({}, {})
    for (name,) in waiting:
        if not isinstance(files, ArchiveFiles):
            return
        try:
            found = _contents(files, str(name), keys[str(name)], erased)
        except (ArchiveMissing, KeyError):
            continue
        with district.writing() as tx:
            if _erased(tx) == erased:
                district.erasing.found_in(tx, str(name), found, district.clock())
                erased = _erased(tx)


def _erased(tx: Transaction) -> Erased:
    records = {str(r): int(n) for r, n in tx.rows("SELECT record, erasure FROM erased")}
    changes = {
        bytes(replica) + int(counter).to_bytes(8, "big") + bytes(tag): int(n)
        for replica, counter, tag, n in tx.rows(
            "SELECT replica, counter, tag, erasure FROM erased_changes"
        )
    }
    return Erased(records, changes)


def _contents(files: ArchiveFiles, name: str, key: bytes, erased: Erased) -> dict[int, Content]:
    """What of each case still stands in an archive. Raises ArchiveMissing."""
    out: dict[int, Content] = {}
    for kind, body in files.runs(name, key):
        for entry in open_stored(kind, body):
            n = erased.changes.get(entry.dot) or erased.records.get(entry.record)
            if n is not None:
                content = out.setdefault(n, Content(set(), set()))
                content.dots.add(entry.dot)
                content.blobs.update(blobs_in([entry.raw.decode("utf-8", "replace")]))
    return out


def overwrite(district: District, cases: Collection[int]) -> None:
    """Take what these cases erased out of all archives that are here; they wait for the others."""
    files, now_ms = district.store.archives, district.clock()
    with district.store.read() as tx:
        named = archives_of(tx)
        dots = {n: erased_dots(tx, [n]) for n in cases}
        holding = {n: archives_with(tx, some) & named.keys() for n, some in dots.items()}
    rid: set[str] = set()
    if isinstance(files, ArchiveFiles):
        rid = files.blank({d for some in dots.values() for d in some}, named)
    with district.store.write() as tx:
        for n in cases:
            tx.run_many(
                # All that it has of the case is named: that it is still there is what is left.
                "INSERT INTO erasure_archives (erasure, archive, away_at_ms, searched_at_ms)"
                " VALUES (?, ?, ?, ?) ON CONFLICT (erasure, archive) DO UPDATE"
                " SET done_at_ms = NULL",
                [(n, name, now_ms, now_ms) for name in sorted(holding[n] - rid)],
            )
            tx.run_many(
                "UPDATE erasure_archives SET done_at_ms = ? WHERE erasure = ? AND archive = ?"
                " AND searched_at_ms IS NOT NULL AND done_at_ms IS NULL",
                [(now_ms, n, name) for name in sorted(rid)],
            )


def waiting_cases(tx: Transaction) -> list[int]:
    """The cases that wait for an archive."""
    found = tx.rows("SELECT DISTINCT erasure FROM erasure_archives WHERE done_at_ms IS NULL")
    return [int(n) for (n,) in found]
