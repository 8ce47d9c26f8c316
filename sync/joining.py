# SPDX-License-Identifier: Apache-2.0
"""One household entered twice: which record speaks for it, and how the two are read as one.

What lives here: following ``joined_into``, and combining what two records show. What must not:
finding duplicates, storage. Invariants
- References are never rewritten: reading follows the join, undoing it sets everything back.
- What the joiner had seen of the joined-away record (``joined_seen``) is settled by the join and
  only fills gaps; what was written on it without the joiner having seen it stands beside the
  survivor's value as a sibling.
- Joins that make a circle join nothing: each of its records speaks for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sync.clock import DOT_BYTES, Chains, Dot, VersionVector
from sync.errors import SyncError
from sync.record import RecordState

JOINED_INTO = "joined_into"
JOINED_SEEN = "joined_seen"
SEEN_CHARS_MAX = 5_600
"""A hundred writers on one household; beyond it all that the other record shows counts as late."""
FIELDS_OF_JOINING = frozenset({JOINED_INTO, JOINED_SEEN})


class Joins(NamedTuple):
    """``survivor``: record that was joined away → the one that speaks for it; ``circles``: ids."""

    survivor: dict[str, str]
    circles: tuple[tuple[str, ...], ...]

    def of(self, record: str) -> str:
        """The record that speaks for one: itself unless it was joined away."""
        return self.survivor.get(record, record)

    def aliases(self, record: str) -> list[str]:
        """The records that were joined into one, in order."""
        return sorted(away for away, into in self.survivor.items() if into == record)


def joins(joined_into: Mapping[str, str | None], known: Iterable[str] | None = None) -> Joins:
    """Follow every join to its end. ``known`` are the records held: a join into one that is not
    held is not followed, so that what is here stays in sight."""
    held = None if known is None else set(known)
    into = {
        away: to
        for away, to in joined_into.items()
        if to and to != away and (held is None or to in held)
    }
    survivor: dict[str, str] = {}
    circles: set[tuple[str, ...]] = set()
    for start, first in into.items():
        path, at = [start], first
        while at in into and at not in path:
            path.append(at)
            at = into[at]
        if at in path:
            circles.add(tuple(sorted(path[path.index(at) :])))
            at = path[path.index(at)]
            if start in path[path.index(at) :]:
                continue
        survivor[start] = at
    return Joins(survivor, tuple(sorted(circles)))


def seen_text(vector: bytes) -> str:
    """A vector as the field ``joined_seen`` holds it; "" where it is too long."""
    text = vector.hex()
    return text if len(text) <= SEEN_CHARS_MAX else ""


def _seen(text: object) -> VersionVector:
    try:
        packed = bytes.fromhex(text) if isinstance(text, str) else b""
        return VersionVector(packed) if len(packed) % DOT_BYTES == 0 else VersionVector()
    except (ValueError, SyncError):
        return VersionVector()


def combined(
    survivor: RecordState,
    aliases: Iterable[tuple[RecordState, object]],
    forks: set[bytes],
) -> RecordState:
    """A state that shows a household and what was joined into it as one; for reading only.

    ``aliases`` come with their shown ``joined_seen``. The vector is the survivor's own.
    """
    out = RecordState()
    out.vector, out.edits, out.stamp = survivor.vector, survivor.edits, survivor.stamp
    out.voids, out.preds = dict(survivor.voids), dict(survivor.preds)
    out.writes = dict(survivor.writes)
    out.registers = {name: dict(by_dot) for name, by_dot in survivor.registers.items()}
    out.elements = {name: dict(by_dot) for name, by_dot in survivor.elements.items()}
    out.counts = {name: dict(by_dot) for name, by_dot in survivor.counts.items()}
    out.appends = {name: dict(by_dot) for name, by_dot in survivor.appends.items()}
    for state, text in aliases:
        seen, chains = _seen(text), Chains(forks, state.preds)
        for name, by_dot in state.registers.items():
            if name in FIELDS_OF_JOINING:
                continue
            late = {d: v for d, v in by_dot.items() if not seen.covers(d, chains)}
            own = [v for v in survivor.registers.get(name, {}).values() if v not in (None, "")]
            out.registers.setdefault(name, {}).update(late if own else {**by_dot, **late})
        for element, adds in state.elements.items():
            out.elements.setdefault(element, {}).update(adds)
        for name, counts in state.counts.items():
            out.counts.setdefault(name, {}).update(counts)
        for name, entries in state.appends.items():
            out.appends.setdefault(name, {}).update(entries)
        out.writes.update(state.writes)
    return out


def late_fields(state: RecordState, text: object, forks: set[bytes]) -> set[str]:
    """The register fields of a joined-away record that were written unseen by the joiner."""
    seen, chains = _seen(text), Chains(forks, state.preds)

    def unseen(dots: Iterable[Dot]) -> bool:
        return any(not seen.covers(d, chains) for d in dots)

    return {n for n, by_dot in state.registers.items() if unseen(by_dot)} - FIELDS_OF_JOINING
