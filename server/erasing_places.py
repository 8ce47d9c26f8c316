# SPDX-License-Identifier: Apache-2.0
"""Where what is erased may still lie: tablets and servers that are told, until each has answered.

What lives here: what was said, who is to be told, what has not been answered, how each stands.
What must not: erasing. Invariant: a place stays on the list until it has answered under its own
signature, or is known to have wiped itself.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from crypto.erasure import Erasure, statement_digest
from server.store.base import Transaction
from server.trust import TABLET

TABLETS, SERVERS = "tablet", "server"
TOLD_MAX = 8
"""Statements of one message: at most 64 KiB; what is left is told at once after their answers."""
ASK_WAITING_AGAIN_MS = 3_600_000
"""Who waits for an archive of its own is asked once an hour: the others are told meanwhile."""
DONE, ASKED, WAITS, WIPED, REVOKED = "done", "asked", "waits", "wiped", "revoked"


class Place(NamedTuple):
    """One tablet or server and one case: its state, and when it was asked, heard of, and done."""

    place: str
    kind: str
    name: str
    state: str
    asked_at_ms: int
    contact_ms: int | None
    done_at_ms: int | None
    proofs: tuple[bytes, ...]


def keep_part(tx: Transaction, n: int, part: Erasure, data: bytes, now_ms: int) -> int:
    """Store one statement and what it names; its number."""
    digest = statement_digest(data)
    tx.run(
        "INSERT INTO erasure_parts (erasure, at_ms, digest, area, body) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [n, now_ms, digest, part.area, data],
    )
    tx.run_many(
        "INSERT INTO erased VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(record, n) for record in part.records],
    )
    tx.run_many(
        "INSERT INTO erased_changes VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(replica, counter, tag, n) for replica, counter, tag in part.dots()],
    )
    return int(tx.rows("SELECT n FROM erasure_parts WHERE digest = ?", [digest])[0][0])


def homes_of(tx: Transaction, records: Collection[str]) -> set[str]:
    """The households that these records belong to or belonged to, and the records themselves."""
    found = tx.rows_in(
        "SELECT h.id FROM records r JOIN homes h ON h.n = r.home WHERE r.id IN (?*)", list(records)
    )
    also = tx.rows_in("SELECT home FROM also WHERE record IN (?*)", list(records))
    return {str(row[0]) for row in [*found, *also]} | set(records)


def ask_places(
    tx: Transaction,
    parts: Collection[int],
    homes: Collection[str],
    writers: Collection[bytes],
    area: str,
    issuer: bytes,
    now_ms: int,
    *,
    like: int = 0,
) -> None:
    """Put on the list whoever may hold it: tablets that hold, held or may fetch these homes, or
    wrote of them, with their teams; the upstream, and servers whose area meets this one.

    ``issuer`` itself is not told; ``like`` names a case whose places are told too.
    """
    if not parts:
        return
    seq = tx.next_seq()
    rows = {(place, TABLETS) for place in _tablets(tx, homes, writers, area)}
    servers = tx.rows("SELECT id, area FROM devices WHERE role <> ? AND state = 'active'", [TABLET])
    rows |= {(str(i), SERVERS) for i, at in servers if area.startswith(at) or at.startswith(area)}
    rows |= {(bytes(r[0]).hex(), SERVERS) for r in tx.rows("SELECT server FROM links")}
    if like:
        rows |= {
            (str(place), str(kind))
            for place, kind in tx.rows(
                "SELECT DISTINCT e.place, e.kind FROM erasure_places e JOIN erasure_parts p"
                " ON p.n = e.part WHERE p.erasure = ?",
                [like],
            )
        }
    tx.run_many(
        "INSERT INTO erasure_places (part, place, kind, asked_at_ms, seq) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [
            (part, place, kind, now_ms, seq)
            for part in parts
            for place, kind in sorted(rows)
            if place != issuer.hex()
        ],
    )


def _tablets(
    tx: Transaction, homes: Collection[str], writers: Collection[bytes], area: str
) -> set[str]:
    listed = sorted(homes)
    found = {
        str(row[0])
        for table in ("held", "held_before")
        for row in tx.rows_in(f"SELECT device FROM {table} WHERE home IN (?*)", listed)
    }
    for writer in writers:
        rows = tx.rows("SELECT device FROM device_keys WHERE replica = ?", [writer])
        found |= {str(row[0]) for row in rows}
    teams = {
        str(r[0]) for r in tx.rows_in("SELECT team FROM assigned WHERE home IN (?*)", listed)
    } | {
        str(r[0])
        for r in tx.rows("SELECT team, area FROM team_areas")
        if homes and area.startswith(str(r[1]))
    }
    teams |= {
        str(r[0]) for r in tx.rows_in("SELECT team FROM devices WHERE id IN (?*)", sorted(found))
    }
    # A teammate may have been shown what another tablet of the team wrote.
    return {
        str(row[0])
        for row in tx.rows(
            "SELECT id, team FROM devices WHERE role = ? AND wiped_at_ms IS NULL", [TABLET]
        )
        if row[0] in found or (row[1] and row[1] in teams)
    }


def ask_again(tx: Transaction, place: str, erasures: Collection[int]) -> None:
    """What a place answered of these erasures no longer counts."""
    for n in erasures:
        tx.run(
            "UPDATE erasure_places SET done_at_ms = NULL, proof = NULL WHERE place = ?"
            " AND part IN (SELECT n FROM erasure_parts WHERE erasure = ?)",
            [place, n],
        )


def ask_like(tx: Transaction, place: str, other: str, now_ms: int) -> None:
    """Ask a place whatever ``other`` was asked: a copy may hold all that its original held,
    whatever either of them answered before they were told apart."""
    tx.run(
        "INSERT INTO erasure_places (part, place, kind, asked_at_ms, seq)"
        " SELECT part, ?, kind, ?, seq FROM erasure_places WHERE place = ? ON CONFLICT DO NOTHING",
        [place, now_ms, other],
    )


def ask_behind(tx: Transaction, place: str, seq: int) -> None:
    """What a place answered of later erasures than the sequence up to which who speaks for it now
    was served no longer counts: it was another copy, or this one before it was set back."""
    tx.run(
        "UPDATE erasure_places SET done_at_ms = NULL, proof = NULL WHERE place = ?"
        " AND done_at_ms IS NOT NULL AND seq > ?",
        [place, seq],
    )


def told_to(tx: Transaction, place: str, now_ms: int, limit: int = TOLD_MAX) -> list[bytes]:
    """The statements that a place has not answered, oldest first; of what it waits with, those
    that it was not asked about for a while."""
    found = tx.rows(
        "SELECT p.body FROM erasure_places e JOIN erasure_parts p ON p.n = e.part"
        " WHERE e.place = ? AND e.done_at_ms IS NULL"
        " AND (e.waits_at_ms IS NULL OR e.waits_at_ms <= ?) ORDER BY p.n LIMIT ?",
        [place, now_ms - ASK_WAITING_AGAIN_MS, limit],
    )
    return [bytes(row[0]) for row in found]


def places_of(tx: Transaction, n: int) -> list[Place]:
    """How each place stands with a case, those that have not answered first."""
    rows: dict[str, list[tuple[str, int, int | None, bytes | None]]] = {}
    waiting: set[str] = set()
    for place, kind, asked, done, proof, waits in tx.rows(
        "SELECT e.place, e.kind, e.asked_at_ms, e.done_at_ms, e.proof, e.waits_at_ms"
        " FROM erasure_places e JOIN erasure_parts p ON p.n = e.part WHERE p.erasure = ?"
        " ORDER BY e.place, e.part",
        [n],
    ):
        rows.setdefault(str(place), []).append((str(kind), int(asked), done, proof))
        if done is None and waits is not None:
            waiting.add(str(place))
    devices = {
        str(i): (str(name), str(state), contact, wiped)
        for i, name, state, contact, wiped in tx.rows(
            "SELECT id, name, state, last_contact_ms, wiped_at_ms FROM devices"
        )
    }
    links = {
        bytes(server).hex(): (str(name), met)
        for server, name, met in tx.rows("SELECT server, name, met_at_ms FROM links")
    }
    out = []
    for place, parts in rows.items():
        name, state, contact, wiped = devices.get(place, (place, "active", None, None))
        if place in links:
            name, contact = links[place]
        done = [at for _, _, at, _ in parts]
        proofs = tuple(bytes(p) for _, _, _, p in parts if p is not None)
        asked = min(at for _, at, _, _ in parts)
        if all(at is not None for at in done):
            last = max(int(at) for at in done if at is not None)
            out.append(Place(place, parts[0][0], name, DONE, asked, contact, last, proofs))
        else:
            unwiped = REVOKED if state == "revoked" else WAITS if place in waiting else ASKED
            how = WIPED if wiped else unwiped
            out.append(Place(place, parts[0][0], name, how, asked, contact, wiped, proofs))
    return sorted(out, key=lambda p: (p.state == DONE, p.kind, p.name))
