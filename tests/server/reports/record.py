# SPDX-License-Identifier: Apache-2.0
"""Records for the tests of reports: a district on any store, and what is written into it."""

from typing import Any

from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from fixtures.events import operations
from fixtures.large import Building, Size
from fixtures.large_days import LAST_DAY_MS
from server import reports
from server.district import District
from server.reports.folding import FORM
from server.reports.running import Behind, Result
from server.store.base import Store
from sync.collections import SCHEMA

DAY = "2026-06-18"
FIRST = "2026-03-11"
NOW_MS = LAST_DAY_MS + 12 * 3_600_000
HOUR_MS = 3_600_000
GRID, OTHER_GRID = "440103019003001", "440103014001001"


class Book:
    """A district whose record a test writes and reads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now_ms = NOW_MS
        self.district = self._around(store)

    def _around(self, store: Store) -> District:
        key, box = DeviceKey.generate(), BoxKey.generate()
        return District(store, SCHEMA, key, box, lambda: self.now_ms)

    def fill(self, households: int, visits: int, seed: int) -> None:
        """A small large district."""
        building = Building(Size(households, visits, seed), quiet=True)
        building.fill(self.district)

    def write(self, collection: str, **values: Any) -> str:
        """A new record."""
        ops = operations(collection, values)
        sets = {field: value for op, field, value in ops if op == "set"}
        others = [one for one in ops if one[0] != "set"]
        return self.district.write("office", collection, None, sets, others)

    def edit(self, collection: str, record: str, **sets: Any) -> None:
        self.district.write("office", collection, record, sets)

    def void(self, collection: str, record: str) -> None:
        self.district.write("office", collection, record, {}, [("void", "", "误登记")])

    def household(self, area: str = GRID, **more: Any) -> str:
        values = {"area": area, "address": "龙津西路1号", "head_name": "陈桂兰", **more}
        return self.write("household", **values)

    def visit(self, home: str, at_ms: int, outcome: str = "met", mode: str = "door") -> str:
        return self.write("visit", household=home, at_ms=at_ms, outcome=outcome, mode=mode)

    def run(self, name: str, scope: str = "", **params: Any) -> Result:
        """A report, as of the last day where nothing else is said."""
        reports.refresh(self.store, SCHEMA)
        asked = reports.Params(**{"until": DAY} | params)
        with self.store.read() as tx:
            return reports.run(tx, name, asked, scope, now_ms=NOW_MS)

    def total(self, name: str, **params: Any) -> dict[str, Any]:
        return self.run(name, **params).total.values

    def behind(self, name: str, figure: str, key: str | None = None, **params: Any) -> list[Behind]:
        asked = reports.Params(**{"until": DAY} | params)
        with self.store.read() as tx:
            return reports.records(tx, name, figure, asked, now_ms=NOW_MS, key=key)

    def facts(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows that reports count from."""
        with self.store.read() as tx:
            names = [n for n, (kind, _) in tx.relations().items() if kind == "table"]
            tables = sorted(name for name in names if name.startswith("facts_"))
            return {t: sorted(tx.rows(f"SELECT * FROM {t}"), key=repr) for t in tables}

    def forget(self) -> None:
        """Let the next report go through the whole record again."""
        with self.store.write() as tx:
            tx.run("UPDATE meta SET value = 0 WHERE key = ?", [FORM])
