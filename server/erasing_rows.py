# SPDX-License-Identifier: Apache-2.0
"""Taking records and their changes out of every table of a store.

What lives here: the tables that hold values, and what goes of them. What must not: which records
these are, and who may say so (``erasing.py``). Invariants
- The digest of each home moves by exactly what its records amounted to.
- Feeds keep their places (``blanks.py``); journal and access log keep their lines, without detail
  where a line tells of an erased record: its leaf stands by the digest alone.
- All of it is one transaction of the caller's; ``secure_delete`` overwrites what is freed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NamedTuple

from server.blanks import take_out
from server.errors import NotFound
from server.history import ChangeReader, read_history
from server.store.base import Transaction
from server.store.rows import HomeRow
from server.views import quoted
from sync.clock import Dot, dots_of
from sync.packing import vector_of
from sync.session import DIGEST_MASK, record_digest

COUNTS = (
    "records",
    "changes",
    "conflicts",
    "waiting",
    "quarantine",
    "states",
    "notices",
    "search",
    "files",
)
"""What an erasure counts, in the order a certificate tells it."""
_BY_RECORD = (
    ("waiting", "waiting"),
    ("quarantine", "quarantine"),
    ("joined_states", "states"),
    ("lookup", "search"),
    ("also", ""),
    ("marks", ""),
)
_BY_CONFLICT = (
    ("conflict_sides", ""),
    ("decisions", ""),
    ("conflict_care", ""),
    ("conflict_comments", ""),
    ("notices", "notices"),
)
_BLOB = re.compile(r"[0-9a-f]{64}")


class Removed(NamedTuple):
    """What went: how much of each kind, and the dots that were in feeds or are known to be;
    ``away`` are the archives in which there may be more."""

    counts: dict[str, int]
    dots: set[Dot]
    away: set[str]


def changes_of(tx: Transaction, records: Collection[str], away: set[str]) -> set[Dot]:
    """All changes that are known here of records: their tips, and what the feeds have behind them.

    Another server's erasure names what that server knew; here there may be more. What is found
    does not end at an archive that is not here: that is added to ``away``.
    """
    found = tx.rows_in("SELECT causal FROM records WHERE id IN (?*)", list(records))
    out = {d for (causal,) in found for d in dots_of(vector_of(bytes(causal)))}
    reader = ChangeReader(tx, away)
    for record in records:
        with suppress(NotFound):
            history = read_history(tx, record, reader)
            out |= {moment.dot for moment in history.moments} | set(history.missing)
    return out


def remove(tx: Transaction, records: Collection[str], dots: Iterable[Dot]) -> Removed:
    """Take records away, and the content of these changes out of their feeds."""
    counts = dict.fromkeys(COUNTS, 0)
    listed = sorted(records)
    away: set[str] = set()
    known = set(dots) | changes_of(tx, listed, away)
    texts = [str(row[0]) for row in tx.rows_in("SELECT body FROM records WHERE id IN (?*)", listed)]
    aside = tx.rows_in("SELECT dot FROM quarantine WHERE record IN (?*)", listed)
    known |= {bytes(row[0]) for row in aside}
    for d in sorted({bytes(row[0]) for row in aside}):
        tx.run("DELETE FROM releases WHERE dot = ?", [d])
    _remove_conflicts(tx, listed, counts)
    homes = _remove_rows(tx, listed, counts)
    for record in listed:
        found = "SELECT n FROM lookup WHERE record = ?"
        tx.run(f"DELETE FROM lookup_words WHERE n IN ({found})", [record])
    for table, name in _BY_RECORD:
        for record in listed:
            gone = tx.run(f"DELETE FROM {table} WHERE record = ?", [record])
            if name:
                counts[name] += gone
    for record in listed:
        tx.run(
            "UPDATE journal SET detail = '', salt = NULL WHERE target = ?"
            " AND what NOT LIKE 'erasure%' AND what NOT LIKE 'hold%'",
            [record],
        )
    _remove_homes(tx, homes)
    taken = take_out(tx, known, away)
    counts["changes"] = len(taken)
    texts += [entry.raw.decode("utf-8", "replace") for entry in taken]
    counts["files"] = remove_blobs(tx, blobs_in(texts))
    return Removed(counts, known, away)


def _remove_conflicts(tx: Transaction, records: list[str], counts: dict[str, int]) -> None:
    found = tx.rows_in("SELECT n FROM conflicts WHERE record IN (?*)", records)
    counts["conflicts"] = len(found)
    for (n,) in found:
        for table, name in _BY_CONFLICT:
            gone = tx.run(f"DELETE FROM {table} WHERE conflict = ?", [n])
            if name:
                counts[name] += gone
        tx.run("DELETE FROM conflicts WHERE n = ?", [n])


def _remove_rows(tx: Transaction, records: list[str], counts: dict[str, int]) -> list[int]:
    """Delete the records themselves; the numbers of those homes that are among them."""
    found = tx.rows_in(
        "SELECT r.id, r.n, r.home, h.id, r.causal FROM records r JOIN homes h ON h.n = r.home"
        " WHERE r.id IN (?*)",
        records,
    )
    also = tx.rows_in(
        "SELECT a.record, a.home FROM also a JOIN homes h ON h.id = a.home"
        " WHERE a.until_seq IS NULL AND a.record IN (?*)",
        records,
    )
    counts["records"] = len(found)
    less: dict[str, int] = {}
    digests: dict[str, int] = {}
    for record, _, _, home, causal in found:
        digests[record] = record_digest(record, vector_of(bytes(causal)))
        less[home] = less.get(home, 0) - digests[record]
    for record, home in also:
        less[home] = less.get(home, 0) - digests.get(record, 0)
    seq = tx.next_seq()
    tx.touch_homes([HomeRow(home, "", seq, by & DIGEST_MASK) for home, by in sorted(less.items())])
    facts = [
        name
        for name, (kind, _) in tx.relations().items()
        if kind == "table" and name.startswith("facts_") and name != "facts_home"
    ]
    for _, n, _, _, _ in found:
        tx.run("DELETE FROM records WHERE n = ?", [n])
        for table in facts:
            tx.run(f"DELETE FROM {quoted(table)} WHERE n = ?", [n])
    return [int(n) for (n,) in tx.rows_in("SELECT n FROM homes WHERE id IN (?*)", records)]


def _remove_homes(tx: Transaction, homes: list[int]) -> None:
    """A home that was erased and holds nothing any more is nobody's."""
    for n in homes:
        if tx.rows("SELECT 1 FROM records WHERE home = ? LIMIT 1", [n]):
            continue
        (home,) = tx.rows("SELECT id FROM homes WHERE n = ?", [n])[0]
        for (team,) in tx.rows("SELECT team FROM assigned WHERE home = ?", [home]):
            tx.run("UPDATE teams SET scope_version = scope_version + 1 WHERE id = ?", [team])
        tx.run("DELETE FROM assigned WHERE home = ?", [home])
        tx.run("DELETE FROM homes WHERE n = ?", [n])
        if "facts_home" in tx.relations():
            tx.run("DELETE FROM facts_home WHERE n = ?", [n])


def blobs_in(texts: Iterable[str]) -> set[str]:
    """What may be the name of an attachment in these contents."""
    return {name for text in texts for name in _BLOB.findall(text)}


def remove_blobs(tx: Transaction, named: Collection[str]) -> int:
    """Delete the attachments that erased contents name: their keys went with them."""
    asked = "SELECT name FROM blobs WHERE name IN (?*)"
    found = [str(row[0]) for row in tx.rows_in(asked, sorted(named))]
    for name in found:
        tx.run("DELETE FROM blob_pieces WHERE name = ?", [name])
        tx.run("DELETE FROM blobs WHERE name = ?", [name])
    return len(found)
