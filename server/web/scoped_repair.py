# SPDX-License-Identifier: Apache-2.0
"""The query layer of the console: what wants repair, as one account sees it.

What lives here: changes that wait, forks, work after a reassignment, households entered twice,
links that broke. What must not: words, pages, finding doubles and links in the whole record, which
takes long and is done apart (``duplicates``, ``links``). Invariant: as in ``scoped_base``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from server.duplicates import Entry, Proposal, compare, entry_of
from server.errors import NotFound
from server.history import Stored
from server.joining import Both, as_joined
from server.web.scoped_base import ScopedBase
from sync.joining import JOINED_INTO
from sync.links import Broken

LOOKS_MAX = 5_000
"""Changes that are looked through for those of an area."""
MARKS_FIRST, MARKS_MAX = 500, 1_000_000
"""Marks that are looked through for those of an area, at first and then."""


class Joined(NamedTuple):
    """A household that was joined into another."""

    record: str
    into: str


class ScopedRepair(ScopedBase):
    """A transaction as one account sees it: what wants repair."""

    def waiting(self, limit: int = 50) -> list[tuple[str, int, int]]:
        """Records with changes that wait for others: record, how many, since when."""
        found = self.tx.rows(
            "SELECT record, count(*), min(since_ms) FROM waiting GROUP BY record"
            " ORDER BY min(since_ms) LIMIT ?",
            [LOOKS_MAX],
        )
        out = []
        for record, count, since_ms in found:
            try:
                home, area = self.place(str(record))
            except NotFound:
                continue
            self.saw(area, home, str(record), ())
            out.append((str(record), int(count), int(since_ms)))
            if len(out) == limit:
                break
        return out

    def forked(self) -> list[tuple[str, str, int]]:
        """Tablets whose chain forked: device, name, when it was found."""
        mine = {one["id"]: one["name"] for one in self.tablets()}
        found = self.tx.rows(
            "SELECT k.device, f.at_ms FROM forks f JOIN device_keys k ON k.replica = f.replica"
            " ORDER BY f.at_ms DESC"
        )
        return [(str(d), str(mine[d]), int(at_ms)) for d, at_ms in found if d in mine]

    def marks(self, limit: int = 50) -> list[tuple[str, str, int]]:
        """Work on households that were another team's by then: record, home, when."""
        area, values = self._area_sql("h.area")
        sql = (
            "SELECT m.record, m.home, m.at_ms, h.area"
            " FROM (SELECT record, home, at_ms FROM marks WHERE kind = 'reassigned'"
            " ORDER BY at_ms DESC LIMIT ?) m JOIN homes h ON h.id = m.home"
            f" WHERE 1 = 1{area} ORDER BY m.at_ms DESC LIMIT ?"
        )
        # The newest of all mostly hold enough of the area; the homes of all are found only where
        # they do not.
        for looks in (MARKS_FIRST, MARKS_MAX):
            found = self.tx.rows(sql, [looks, *values, limit])
            if len(found) == limit:
                break
        for record, home, _, place in found:
            self.saw(str(place), str(home), str(record), ())
        return [(str(r), str(h), int(at)) for r, h, at, _ in found]

    # ---- households entered twice ----------------------------------------------------------------

    def household(self, home: str) -> Stored:
        """One household. Raises NotFound, also for a record of another kind."""
        found = self.record(home)
        if found.collection != "household":
            raise NotFound("household")
        return found

    def as_joined(self, away: str, into: str) -> Both:
        """Two households, and one as it would be with the other joined into it. Raises NotFound."""
        self.household(away)
        self.household(into)
        return as_joined(self.tx, self.schema, away, into)

    def amounts(self, home: str) -> dict[str, int]:
        """How many records of each collection a household has. Raises NotFound."""
        self.home_area(home)
        found = self.tx.rows(
            "SELECT k.collection, count(*) FROM records r JOIN homes h ON h.n = r.home"
            " JOIN kinds k ON k.kind = r.kind WHERE h.id = ? AND r.voided = 0 AND r.id <> ?"
            " GROUP BY 1 ORDER BY 1",
            [home, home],
        )
        return {str(name): int(count) for name, count in found}

    def compared(self, one: str, two: str) -> Proposal:
        """What speaks for two households being one, and what against. Raises NotFound."""
        return compare(self._entry(one), self._entry(two))

    def _entry(self, home: str) -> Entry:
        stored = self.household(home)
        people = [one.body for one in self._of_kind(home, "person", 50)]
        told = [(str(p.get("name") or ""), str(p.get("phone") or "")) for p in people]
        return entry_of(home, stored.body, told)

    def sequence(self) -> int:
        """Counts the commits: what was read of the record is as it stands while this is."""
        found = self.tx.rows("SELECT value FROM meta WHERE key = 'seq'")
        return int(found[0][0]) if found else 0

    def still_doubles(self, found: Iterable[Proposal], limit: int) -> list[Proposal]:
        """Those that nobody has joined or told apart since they were proposed."""
        out: list[Proposal] = []
        for one in found:
            try:
                first, second = self.household(one.first), self.household(one.second)
            except NotFound:
                continue
            apart = _apart(first, one.second) or _apart(second, one.first)
            gone = first.voided or second.voided
            if not (apart or gone or _into(first) or _into(second)):
                out.append(one)
            if len(out) == limit:
                break
        return out

    def joined(self, limit: int = 50) -> list[Joined]:
        """Households that were joined into others, as far as the figures know of them."""
        if "facts_household" not in self.tx.relations():
            return []
        area, values = self._area_sql("h.area")
        found = self.tx.rows(
            "SELECT h.id, f.joined_into, h.area FROM facts_household f JOIN homes h ON h.n = f.own"
            f" WHERE f.joined_into <> ''{area} ORDER BY f.n DESC LIMIT ?",
            [*values, limit],
        )
        for home, _, place in found:
            self.saw(str(place), str(home), str(home), ("address", "head_name"))
        return [Joined(str(home), str(into)) for home, into, _ in found]

    # ---- links that broke ------------------------------------------------------------------------

    def still_broken(self, found: Iterable[Broken], limit: int) -> list[Broken]:
        """Those whose field still leads there."""
        out: list[Broken] = []
        for one in found:
            try:
                stored = self.record(one.record)
            except NotFound:
                continue
            if one.to in targets(stored.body.get(one.field)) and not stored.voided:
                out.append(one)
            if len(out) == limit:
                break
        return out

    def link_choices(self, home: str, collection: str) -> list[tuple[str, str]]:
        """Records of a household that a link may lead to: id and title. Raises NotFound."""
        found = [one for one in self._of_kind(home, collection, 50) if not one.voided]
        titles = self.titles([one.record for one in found])
        return [(one.record, titles.get(one.record, "")) for one in found]


def targets(value: Any) -> Sequence[str]:
    """What a link leads to."""
    many = value if isinstance(value, list) else [value]
    return [to for to in many if isinstance(to, str) and to]


def _apart(one: Stored, other: str) -> bool:
    return other in (one.body.get("known_apart") or [])


def _into(one: Stored) -> bool:
    return bool(one.body.get(JOINED_INTO))
