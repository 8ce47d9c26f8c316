# SPDX-License-Identifier: Apache-2.0
"""The query layer of the console, whole: what ``scoped_base`` has, and conflicts and quarantine.

What lives here: conflicts and quarantine as one account sees them. What must not: words, pages.
Invariant: as in ``scoped_base``: nothing outside the account's area, everything shown is noted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from server.audit import Filter, Page, count_conflicts, list_conflicts
from server.audit_show import Conflict, row_of, show_conflict
from server.custody import Seen, custody_in, held_beyond
from server.errors import NotFound
from server.history import History
from server.resolving import Quarantined, quarantined
from server.web.scoped_base import Read, end_of
from server.web.scoped_repair import ScopedRepair
from sync.clock import DOT_BYTES

__all__ = ["Read", "Scoped"]

QUARANTINE_LOOKS_MAX = 5_000
"""Changes in quarantine that are looked through for those of an area."""


class Hit(NamedTuple):
    """Something the search found."""

    n: int
    record: str
    home: str
    area: str
    collection: str
    title: str


class Scoped(ScopedRepair):
    """A transaction as one account sees it."""

    def _within(self, wanted: Filter) -> Filter | None:
        area = self.narrowed(wanted.area)
        return None if area is None else wanted._replace(area=area)

    def conflicts(self, wanted: Filter, limit: int, after: int | None) -> Page:
        """One page of conflicts in the account's area."""
        within = self._within(wanted)
        if within is None:
            return Page([], 0, None)
        page = list_conflicts(self.tx, within, limit, after, total=False)
        for line in page.lines:
            self.saw(line.area, line.home, line.record, [line.field])
        return page

    def conflict_counts(self, wanted: Filter) -> dict[str, int]:
        """State → how many, in the account's area."""
        within = self._within(wanted)
        return {} if within is None else count_conflicts(self.tx, within)

    def conflict_counts_by_area(self, area: str) -> dict[str, int]:
        """State → how many, in one area within the account's."""
        return self.conflict_counts(Filter(area=area))

    def check_conflict(self, n: int) -> None:
        """Raises NotFound for a conflict outside the account's area."""
        found = self.tx.rows(
            "SELECT coalesce(h.area, '') FROM conflicts c LEFT JOIN homes h ON h.id = c.home"
            " WHERE c.n = ?",
            [n],
        )
        if not found or not self.holds(str(found[0][0])):
            raise NotFound("conflict")

    def conflict(self, n: int, *, brief: bool = False) -> Conflict:
        """One conflict in full, or ``brief`` (``show_conflict``). Raises NotFound."""
        self.check_conflict(n)
        found = show_conflict(self.tx, self.schema, n, (self.names, self.reader), brief=brief)
        self.saw(found.area, found.home, found.record, [found.field])
        if self.sealed is not None:
            found = self.sealed.conflict(found)
            self.note_opened()
        return found

    def conflict_state(self, n: int) -> str:
        """The state of a conflict in one word. Raises NotFound."""
        self.check_conflict(n)
        return row_of(self.tx, n).word

    def conflict_mark(self) -> tuple[int, int, int]:
        """Changes whenever the list of conflicts may have: newest, settled, decisions."""
        found = self.tx.rows(
            "SELECT (SELECT coalesce(max(n), 0) FROM conflicts),"
            " (SELECT count(*) FROM conflicts WHERE state = 'settled'),"
            " (SELECT coalesce(max(n), 0) FROM decisions)"
        )
        return int(found[0][0]), int(found[0][1]), int(found[0][2])

    def conflict_area(self, n: int) -> str:
        """The area of a conflict. Raises NotFound."""
        self.check_conflict(n)
        found = self.tx.rows(
            "SELECT h.area FROM conflicts c JOIN homes h ON h.id = c.home WHERE c.n = ?", [n]
        )
        return str(found[0][0]) if found else ""

    def conflict_collections(self) -> set[str]:
        """The collections that had a conflict."""
        one = "SELECT 1 FROM conflicts WHERE collection = ? LIMIT 1"
        return {name for name in self.schema.collections if self.tx.rows(one, [name])}

    def next_open(self, n: int, *, newer: bool = False) -> int | None:
        """The open conflict of the area that stands next in the list; None at its end."""
        area = ""
        values: list[Any] = [n]
        if self.area:
            area = " AND h.area >= ? AND h.area < ?"
            values += [self.area, end_of(self.area)]
        found = self.tx.rows(
            "SELECT c.n FROM conflicts c LEFT JOIN homes h ON h.id = c.home"
            f" WHERE c.state = 'open' AND c.n {'>' if newer else '<'} ?{area}"
            f" ORDER BY c.n {'ASC' if newer else 'DESC'} LIMIT 1",
            values,
        )
        return int(found[0][0]) if found else None

    def conflicts_of(self, record: str) -> list[tuple[int, str, str]]:
        """The conflicts of a record: number, field, state. Raises NotFound."""
        self.place(record)
        found = list_conflicts(self.tx, Filter(record=record), 50)
        return [(line.n, line.field, line.state) for line in found.lines]

    def untold(self, n: int) -> set[bytes]:
        """The values of a conflict whose tablets have not been told that they lost."""
        self.check_conflict(n)
        found = self.tx.rows("SELECT dot FROM conflict_sides WHERE conflict = ? AND told = 0", [n])
        return {bytes(row[0]) for row in found}

    def answers_for_all(self) -> bool:
        """Does no team of this server work outside the account's area?"""
        if not self.area:
            return True
        # From the households outside, of which there are few: each team by itself takes seconds.
        for beyond, area in (("<", self.area), (">=", end_of(self.area))):
            if self.tx.rows(
                f"SELECT 1 FROM homes h WHERE h.area {beyond} ?"
                " AND EXISTS (SELECT 1 FROM assigned a WHERE a.home = h.id) LIMIT 1",
                [area],
            ):
                return False
        areas = self.tx.rows("SELECT DISTINCT area FROM team_areas")
        every = int(self.tx.rows("SELECT count(*) FROM teams")[0][0])
        return all(self.holds(str(area)) for (area,) in areas) and len(self.teams()) == every

    # ---- custody ---------------------------------------------------------------------------------

    def custody(self, history: History, me: bytes) -> list[Seen]:
        """Who carried each change of a record here, and where it is beside this server."""
        return custody_in(self.tx, me, history)

    def held_beyond(self, device: str, me: bytes) -> tuple[int, dict[str, int]]:
        """Changes of a tablet here, and kind of place → how many of them. Raises NotFound."""
        return held_beyond(self.tx, me, str(self.tablet(device)["id"]))

    # ---- quarantine ------------------------------------------------------------------------------

    def area_of_change(self, entry: Any) -> tuple[str, str] | None:
        """The home and area of a change that is set aside; None outside the account's area."""
        for home, area in self._places(entry.record):
            if self.holds(area):
                return home, area
        values = dict(zip(entry.change.names, entry.change.values, strict=True))
        named = values.get("household")
        if isinstance(named, str) and (found := self._places(named)):
            return next((place for place in found if self.holds(place[1])), None)
        if self._places(entry.record):
            return None
        said = values.get("area")
        if isinstance(said, str) and said and self.holds(said):
            return entry.record, said
        # Nothing says where it belongs: only who sees everything sees it.
        return (entry.record, "") if not self.area else None

    def quarantine(self, limit: int, after: bytes, *, released: bool) -> list[Quarantined]:
        """Changes in quarantine of the account's area, by dot, from past ``after``."""
        out: list[Quarantined] = []
        looked = 0
        while len(out) < limit and looked < QUARANTINE_LOOKS_MAX:
            page = quarantined(self.tx, limit, after, released=released)
            for one in page:
                place = self.area_of_change(one.entry)
                if place is not None and len(out) < limit:
                    self.saw(place[1], place[0], one.entry.record, one.entry.change.names)
                    out.append(one)
            looked += len(page)
            if len(page) < limit:
                break
            after = page[-1].entry.dot
        return out

    def quarantined_one(self, dot: str) -> Quarantined:
        """One change in quarantine by its name in hex. Raises NotFound."""
        try:
            name = bytes.fromhex(dot)
        except ValueError:
            raise NotFound("change") from None
        if len(name) != DOT_BYTES or not any(name):
            raise NotFound("change")
        # ``quarantined`` lists what comes after a dot: the one just before finds this one first.
        before = (int.from_bytes(name, "big") - 1).to_bytes(DOT_BYTES, "big")
        found = quarantined(self.tx, 1, before, released=True)
        if not found or found[0].entry.dot != name:
            raise NotFound("change")
        place = self.area_of_change(found[0].entry)
        if place is None:
            raise NotFound("change")
        self.saw(place[1], place[0], found[0].entry.record, found[0].entry.change.names)
        return found[0]

    # ---- search ----------------------------------------------------------------------------------

    def search(self, holds: str, words: str, after: int, limit: int) -> list[Hit]:
        """Households and people whose words hold these, in the order they came, past ``after``.

        ``holds`` is the store's condition for that (``holds_sql``).
        """
        area, values = self._area_sql("area")
        # What is searched is read by itself; the rows are fetched of what was found.
        found = self.tx.rows(
            "SELECT l.n, l.record, l.home, l.area, l.collection, l.title FROM"
            f" (SELECT n FROM lookup_words WHERE n > ?{area} AND {holds} ORDER BY n LIMIT ?) w"
            " JOIN lookup l ON l.n = w.n ORDER BY l.n",
            [after, *values, words, limit],
        )
        hits = [Hit(*row) for row in found]
        for hit in hits:
            self.saw(hit.area, hit.home, hit.record, ("name", "address"))
        return hits
