# SPDX-License-Identifier: Apache-2.0
"""The lists of a day's work on a tablet: zones, doors, calls, the day's table, stock, hours.

What lives here: the public methods that count from what is held, and those that deal calls and join
households. What must not: the counting (``sync.fieldwork``). All of it works without a server.
"""

from __future__ import annotations

from typing import Any

from client_sdk.errors import NotFound
from client_sdk.joined import joins_of
from client_sdk.store.records import from_json, row_of
from client_sdk.tablet_writing import TabletWriting
from sync import fieldwork
from sync.collections.declare import ENDED
from sync.effects import day_of, record_of
from sync.fieldwork import Clock, Daily, Dealt, Doors, InZone, Row
from sync.joining import JOINED_INTO, JOINED_SEEN, seen_text
from sync.links import Broken, broken_links
from sync.packing import vector_of


class TabletFieldwork(TabletWriting):
    """The methods of a ``Tablet`` that count and deal."""

    def rows(self, collection: str) -> list[Row]:
        """The records of a collection that are not void, each with the home it counts for."""
        joined = joins_of(self._store)
        sql = (
            "SELECT id, home, body, conflicts FROM records"
            " WHERE collection = ? AND voided = 0 ORDER BY id"
        )
        return [
            Row(record, joined.of(home), from_json(body), conflicts > 0)
            for record, home, body, conflicts in self._store.rows(sql, (collection,))
            if record not in joined.survivor
        ]

    def today(self) -> str:
        """The date in China by this tablet's clock."""
        return day_of(self._clock())

    def in_zones(self, on: str = "") -> list[InZone]:
        """Who is in a closed, controlled or watched zone on a date (today)."""
        return fieldwork.in_zones(self.rows("household"), self.rows("zone"), on or self.today())

    def doors(self, from_day: str, until_day: str = "") -> Doors:
        """What became of every household held in the days of a round."""
        until = until_day or self.today()
        return fieldwork.doors(self.rows("household"), self.rows("visit"), from_day, until)

    def deal_calls(self, on: str = "") -> list[Dealt]:
        """Deal all running call lists for a day: one call record for each household, made here or
        found here. Tablets that deal without meeting make the same records."""
        day, joined = on or self.today(), joins_of(self._store)
        lists = [
            row._replace(
                values={
                    **row.values,
                    "households": [joined.of(h) for h in row.get("households") or []],
                }
            )
            for row in self.rows("call_list")
        ]
        dealt = fieldwork.deal(lists, day)
        for one in dealt:
            fields: dict[str, Any] = {"household": one.home, "due_on": day}
            record = record_of(self.schema.collections["call"], fields)
            if record is None or row_of(self._store, record) is None:
                fields |= {"caller": one.caller, "call_list": one.call_list}
                self.create_record("call", fields)
        return dealt

    def my_calls(self, on: str = "") -> list[Row]:
        """The calls of a day that are the worker's to make, those promised first."""
        day = on or self.today()
        mine = [
            row
            for row in self.rows("call")
            if row.get("caller") == self.worker
            and row.get("due_on") == day
            and row.get("status") not in ENDED
        ]
        return sorted(mine, key=lambda row: (row.get("status") != "call_back", row.id))

    def daily(self, on: str = "") -> list[Daily]:
        """The table of a day, filled from visits and calls; who is missing stands first."""
        homes, visits, calls = (self.rows(name) for name in ("household", "visit", "call"))
        return fieldwork.daily(homes, visits, calls, self.rows("daily_form"), on or self.today())

    def stock(self) -> dict[tuple[str, str], int]:
        """(Stock point, goods) → what must be on the shelf."""
        return fieldwork.stock(self.rows("stock_movement"), self.rows("parcel"))

    def hours(self) -> dict[str, int]:
        """Volunteer → minutes that can be redeemed."""
        return fieldwork.hours(self.rows("service_hours"))

    def without(self, collection: str, **wanted: Any) -> list[str]:
        """Households of which no record of a collection shows what is wanted."""
        return fieldwork.without(self.rows("household"), self.rows(collection), **wanted)

    def clocks(self) -> list[tuple[Row, Clock]]:
        """The needs that are not solved, those past their deadline first, then the longest open."""
        now_ms = self._clock()
        found = [(need, fieldwork.clock(need, now_ms)) for need in self.rows("need")]
        left = [(need, at) for need, at in found if at.state.startswith("open")]
        return sorted(left, key=lambda pair: (not pair[1].overdue, -pair[1].hours, pair[0].id))

    def broken_links(self) -> list[Broken]:
        """References of what is held that lead nowhere any more, or elsewhere than they should."""
        return broken_links(self.schema, self._linked(), joins_of(self._store))

    def _linked(self) -> dict[str, tuple[str, str, bool, dict[str, Any]]]:
        sql = "SELECT id, collection, home, voided, body FROM records"
        return {
            record: (collection, home, bool(voided), from_json(body))
            for record, collection, home, voided, body in self._store.rows(sql)
        }

    # ---- one household entered twice -------------------------------------------------------------

    def join(self, away: str, into: str, reason: str) -> None:
        """Say that a household is another one entered twice: ``away`` is read as ``into``.

        Raises NotFound where one of them is not held.
        """
        row = row_of(self._store, away)
        if row is None or row_of(self._store, into) is None:
            raise NotFound()
        seen = seen_text(vector_of(row.causal))
        self.set_fields(away, {JOINED_INTO: into, JOINED_SEEN: seen}, reason=reason)

    def part(self, away: str, reason: str) -> None:
        """Take a join back: both households are read as before."""
        self.set_fields(away, {JOINED_INTO: None, JOINED_SEEN: None}, reason=reason)
