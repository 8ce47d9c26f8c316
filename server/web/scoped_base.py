# SPDX-License-Identifier: Apache-2.0
"""The query layer of the console: a transaction that shows one area, and notes what it showed.

What lives here: the one place where an account's area is enforced, and where what was seen of
households is collected for the access log. What must not: words, pages. Invariants
- Every query of the console goes through a method here; what lies outside the area is NotFound,
  the same as what does not exist.
- Whatever is given out of a household is in ``reads`` afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from crypto.errors import TicketRefused
from server import enrolment
from server.accounts import Account
from server.area_names import UNNAMED, AreaNames
from server.audit import Names
from server.audit_show import title_of
from server.errors import NotFound
from server.field_keys import FieldKeys
from server.field_reading import FieldReader
from server.history import ChangeReader, History, Stored, read_history, stored_record
from server.lost import Lost, lost
from server.moves import Plan, plan
from server.people import Area, Team, areas_below, teams
from server.store.base import Transaction
from server.unsent import Unsent, unsent_of
from server.web.errors import RightMissing
from sync.clock import Dot
from sync.schema import Schema


def end_of(prefix: str) -> str:
    """The first text behind all that begin with a prefix, so that an index answers for them."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


_load = msgspec.json.Decoder(dict[str, Any]).decode


OPENED = "opened:"
"""Before the name of a sealed field in the access log: it was opened and shown."""


class Read(NamedTuple):
    """What was shown of one record: the names of fields, "*" for all."""

    area: str
    home: str
    record: str
    fields: str


class ScopedBase:
    """A transaction as one account sees it: areas, records, teams and tablets."""

    def __init__(
        self,
        tx: Transaction,
        schema: Schema,
        account: Account,
        keys: FieldKeys | None = None,
        areas: AreaNames = UNNAMED,
    ) -> None:
        self._area_names = areas
        self.sealed = FieldReader(tx, schema, keys, account.id) if keys is not None else None
        self.tx = tx
        self.schema = schema
        self.account = account
        self.area = account.area
        self.reads: dict[Read, None] = {}

    @cached_property
    def reader(self) -> ChangeReader:
        """Finds changes; what it unpacked for one record serves the next."""
        return ChangeReader(self.tx)

    @cached_property
    def names(self) -> Names:
        """Who is who."""
        return Names(self.tx, self._area_names)

    def holds(self, area: str) -> bool:
        """Does an area lie within the account's?"""
        return area.startswith(self.area)

    def narrowed(self, area: str) -> str | None:
        """An area that was asked for, no wider than the account's; None where they are apart."""
        if area.startswith(self.area):
            return area
        return self.area if self.area.startswith(area) else None

    def saw(self, area: str, home: str, record: str, fields: Iterable[str] = ("*",)) -> None:
        """Note what is about to be shown."""
        self.reads[Read(area, home, record, " ".join(fields))] = None

    def opened(self, collection: str, record: str, field: str, d: Dot, value: Any) -> Any:
        """A value of a record that was found in the account's area, opened if it is sealed and the
        account may read it; that is noted as a reading of its own."""
        if self.sealed is None:
            return value
        found = self.sealed.value(collection, record, field, d, value)
        self.note_opened()
        return found

    def note_opened(self) -> None:
        """Note what was opened since: each a line of the access log that names the field."""
        if self.sealed is None:
            return
        for record, field in self.sealed.opened:
            home, area = self.place(record)
            self.saw(area, home, record, [f"{OPENED}{field}"])
        self.sealed.opened.clear()

    # ---- areas -----------------------------------------------------------------------------------

    def areas(self) -> list[Area]:
        """The account's area and those below it, for choosing."""
        found = self.tx.rows(
            "SELECT code, level, name FROM areas WHERE substr(code, 1, ?) = ? ORDER BY code",
            [len(self.area), self.area],
        )
        return [Area(*row) for row in found]

    def areas_near(self) -> list[Area]:
        """The account's area and two levels below it: what a list to choose from can hold."""
        digits = [4, 6, 9, 12, 15]
        deeper = [n for n in digits if n > len(self.area)][:2]
        deepest = deeper[-1] if deeper else len(self.area)
        found = self.tx.rows(
            "SELECT code, level, name FROM areas WHERE substr(code, 1, ?) = ?"
            " AND length(code) <= ? ORDER BY code",
            [len(self.area), self.area, deepest],
        )
        return [Area(*row) for row in found]

    def areas_below(self, area: str) -> list[Area]:
        """The areas one level below one. Raises NotFound outside the account's."""
        if not self.holds(area):
            raise NotFound("area")
        return areas_below(self.tx, area)

    # ---- households and records ------------------------------------------------------------------

    def home_area(self, home: str) -> str:
        """The area of a home. Raises NotFound outside the account's."""
        found = self.tx.rows("SELECT area FROM homes WHERE id = ?", [home])
        if not found or not self.holds(str(found[0][0])):
            raise NotFound("household")
        return str(found[0][0])

    def _places(self, record: str) -> list[tuple[str, str]]:
        """The homes of a record and their areas."""
        found = self.tx.rows(
            "SELECT h.id, h.area FROM records r JOIN homes h ON h.n = r.home WHERE r.id = ?",
            [record],
        )
        also = self.tx.rows(
            "SELECT h.id, h.area FROM also a JOIN homes h ON h.id = a.home"
            " WHERE a.record = ? AND a.until_seq IS NULL",
            [record],
        )
        return [(str(home), str(area)) for home, area in [*found, *also]]

    def place(self, record: str) -> tuple[str, str]:
        """The home and area of a record within the account's area. Raises NotFound."""
        for home, area in self._places(record):
            if self.holds(area):
                return home, area
        if not self.area and self.tx.rows("SELECT 1 FROM waiting WHERE record = ?", [record]):
            return record, ""
        if not self.area and self.tx.rows("SELECT 1 FROM quarantine WHERE record = ?", [record]):
            return record, ""
        raise NotFound("record")

    def record(self, record: str) -> Stored:
        """A record as it is held. Raises NotFound."""
        home, area = self.place(record)
        found = stored_record(self.tx, record)
        if found is None:
            raise NotFound("record")
        self.saw(area, home, record)
        return found

    def history(self, record: str) -> tuple[History, Stored | None]:
        """Every change of a record, and the record. Raises NotFound."""
        home, area = self.place(record)
        self.saw(area, home, record)
        return read_history(self.tx, record), stored_record(self.tx, record)

    def records_of(self, home: str, limit: int = 200) -> list[Stored]:
        """The records of a household, newest first, those of people first. Raises NotFound."""
        area = self.home_area(home)
        found = self.tx.rows(
            "SELECT r.id, k.collection FROM records r JOIN homes h ON h.n = r.home"
            " JOIN kinds k ON k.kind = r.kind WHERE h.id = ? AND r.id <> ?"
            " ORDER BY CASE k.collection WHEN 'person' THEN 0 WHEN 'need' THEN 1 ELSE 2 END,"
            " r.n DESC LIMIT ?",
            [home, home, limit],
        )
        out = []
        for record, _ in found:
            stored = stored_record(self.tx, str(record))
            if stored:
                self.saw(area, home, stored.record)
                out.append(stored)
        return out

    def titles(self, records: Sequence[str]) -> dict[str, str]:
        """What people call these records, which were found in the account's area."""
        found = self.tx.rows_in(
            "SELECT r.id, k.collection, r.body FROM records r JOIN kinds k ON k.kind = r.kind"
            " WHERE r.id IN (?*)",
            list(dict.fromkeys(records)),
        )
        return {
            str(record): title_of(self.schema, str(kind), _load(body))
            for record, kind, body in found
        }

    def last_visits(self, home: str, limit: int = 3) -> list[Stored]:
        """The newest visits of a household. Raises NotFound."""
        return self._of_kind(home, "visit", limit)

    def photos(self, home: str, record: str) -> list[Stored]:
        """The newest pictures of a household, those of this record first. Raises NotFound."""
        found = [
            one
            for one in self._of_kind(home, "attachment", 24)
            if str(one.body.get("media_type", "")).startswith("image/")
        ]
        found.sort(key=lambda one: one.body.get("about_record") != record)
        return found[:6]

    def _of_kind(self, home: str, collection: str, limit: int) -> list[Stored]:
        area = self.home_area(home)
        found = self.tx.rows(
            "SELECT r.id FROM records r JOIN homes h ON h.n = r.home"
            " JOIN kinds k ON k.kind = r.kind WHERE h.id = ? AND k.collection = ?"
            " AND r.voided = 0 ORDER BY r.n DESC LIMIT ?",
            [home, collection, limit],
        )
        out = [stored for row in found if (stored := stored_record(self.tx, str(row[0])))]
        for one in out:
            self.saw(area, home, one.record)
        return out

    # ---- teams and tablets -----------------------------------------------------------------------

    def teams(self) -> list[Team]:
        """The teams that hold something in the account's area, or nothing anywhere yet."""
        if not self.area:
            return teams(self.tx)
        return [team for team in teams(self.tx) if self._sees(team)]

    def team_names(self, ids: Iterable[str]) -> dict[str, str]:
        """What teams are called that were found in something the account sees."""
        wanted = sorted(filter(None, set(ids)))
        return dict(self.tx.rows_in("SELECT id, name FROM teams WHERE id IN (?*)", wanted))

    def _sees(self, team: Team) -> bool:
        """Does a team hold something in the account's area, or nothing anywhere?"""
        if any(self.holds(area) or self.area.startswith(area) for area in team.areas):
            return True
        if not team.homes:
            return not team.areas
        found = self.tx.rows(
            "SELECT 1 FROM assigned a JOIN homes h ON h.id = a.home WHERE a.team = ?"
            " AND h.area || '' >= ? AND h.area || '' < ? LIMIT 1",
            [team.id, self.area, end_of(self.area)],
        )
        return bool(found)

    def team(self, team: str) -> Team:
        """One team. Raises NotFound."""
        for one in self.teams():
            if one.id == team:
                return one
        raise NotFound("team")

    def own_team(self, team: str) -> Team:
        """A team that holds nothing outside the account's area: one that may be acted upon.

        Raises NotFound, RightMissing.
        """
        found = self.team(team)
        if self.area:
            end = end_of(self.area)
            beyond = self.tx.rows(
                "SELECT 1 FROM assigned a JOIN homes h ON h.id = a.home"
                " WHERE a.team = ? AND (h.area < ? OR h.area >= ?) LIMIT 1",
                [team, self.area, end],
            )
            if beyond or not all(self.holds(area) for area in found.areas):
                raise RightMissing("the team also works in another area")
        return found

    def tablets_holding(self, home: str) -> list[str]:
        """The names of the tablets that read a household."""
        found = self.tx.rows(
            "SELECT DISTINCT d.name FROM devices d WHERE d.state = 'active' AND (d.team IN"
            " (SELECT team FROM assigned WHERE home = ?) OR d.team IN (SELECT t.team FROM"
            " team_areas t JOIN homes h ON h.id = ? AND substr(h.area, 1, length(t.area)) = t.area"
            ")) ORDER BY d.name",
            [home, home],
        )
        return [str(row[0]) for row in found]

    def tablets(self, teams: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The tablets of the teams the account sees, newest first."""
        wanted = {team.id for team in self.teams()} if teams is None else set(teams)
        found = self.tx.rows(
            "SELECT d.id, d.name, d.team, d.state, d.enrolled_at_ms, d.last_contact_ms,"
            " d.offset_ms, d.version, d.revoked_at_ms, d.wiped_at_ms, d.leased, d.copy_of,"
            " (SELECT count(*) FROM device_keys k WHERE k.device = d.id),"
            " (SELECT count(*) FROM held h WHERE h.device = d.id AND h.state = 0),"
            " d.used_bytes, d.free_bytes"
            " FROM devices d ORDER BY d.enrolled_at_ms DESC, d.id"
        )
        names = (
            "id name team state enrolled_at_ms last_contact_ms offset_ms version revoked_at_ms"
            " wiped_at_ms leased copy_of keys held used_bytes free_bytes"
        ).split()
        return [dict(zip(names, row, strict=True)) for row in found if row[2] in wanted]

    def tablet(self, device: str) -> dict[str, Any]:
        """One tablet. Raises NotFound."""
        for one in self.tablets():
            if one["id"] == device:
                return one
        raise NotFound("tablet")

    def unsent(self, tablets: Sequence[dict[str, Any]], now_ms: int) -> dict[str, Unsent]:
        """What of the work of these tablets, which the account sees, is not here."""
        return {one["id"]: unsent_of(self.tx, one["id"], now_ms) for one in tablets}

    def lost(self, device: str, now_ms: int) -> Lost:
        """What could be read on a tablet, and what of its work is missing.

        Raises NotFound, RightMissing where its team also works in another area.
        """
        self.own_team(str(self.tablet(device)["team"]))
        return lost(self.tx, device, now_ms)

    def plan(self, team: str, area: str, *, taking: bool, now_ms: int) -> Plan:
        """What giving an area to a team would do, or taking it. Raises NotFound, RightMissing."""
        self.own_team(team)
        return plan(self.tx, team, [], [area], taking, now_ms)

    def held_by(self, device: str, limit: int = 2_000) -> list[tuple[str, str, int, int | None]]:
        """The households that a tablet holds or held: home, title, since, until (None: still)."""
        area, bounds = self._area_sql("h.area")
        found = self.tx.rows(
            "SELECT t.home, t.since_ms, t.until_ms, h.area FROM (SELECT home, since_ms,"
            " NULL AS until_ms FROM held WHERE device = ? UNION ALL SELECT home, since_ms,"
            " until_ms FROM held_before WHERE device = ?) t JOIN homes h ON h.id = t.home"
            f" WHERE 1 = 1{area} ORDER BY t.until_ms IS NOT NULL, t.since_ms, t.home LIMIT ?",
            [device, device, *bounds, limit],
        )
        titles = self.titles([str(row[0]) for row in found])
        for home, _, _, place in found:
            self.saw(str(place), str(home), str(home), ("address", "head_name"))
        return [
            (
                str(home),
                titles.get(str(home), ""),
                int(since),
                None if until is None else int(until),
            )
            for home, since, until, _ in found
        ]

    def ticket(self, name: str) -> enrolment.Progress:
        """Where an enrolment stands. Raises NotFound outside the account's area."""
        try:
            key = bytes.fromhex(name)
        except ValueError:
            raise NotFound("ticket") from None
        try:
            found = enrolment.look_in(self.tx, key)
        except TicketRefused:
            raise NotFound("ticket") from None
        self.team(found.team)
        return found

    def _area_sql(self, column: str) -> tuple[str, list[Any]]:
        if not self.area:
            return "", []
        return f" AND {column} >= ? AND {column} < ?", [self.area, end_of(self.area)]
