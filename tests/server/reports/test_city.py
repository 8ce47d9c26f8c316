# SPDX-License-Identifier: Apache-2.0
"""The figures that were published of a city, counted by the reports from its records."""

from pathlib import Path
from typing import Any

import pytest

from fixtures.events import Create, operations, with_ids
from fixtures.ledger import Ledger
from fixtures.neighbourhood import CITY, CITY_PEOPLE, neighbourhood
from server.store.sqlite import SqliteStore
from sync.feed import SEGMENT_CHANGES_MAX
from tests.conftest import SEED
from tests.server.reports.record import Book


@pytest.mark.slow
def test_a_city_comes_to_its_published_figures(tmp_path: Path) -> None:
    made = neighbourhood(people=CITY_PEOPLE, seed=SEED)
    ledger = Ledger(made.town).read(made.events)
    book = Book(SqliteStore(tmp_path / "district.db", "ab" * 32))
    ids: dict[str, str] = {}

    def write(collection: str, rows: list[tuple[str, dict[str, Any]]]) -> None:
        for at in range(0, len(rows), SEGMENT_CHANGES_MAX):
            part = rows[at : at + SEGMENT_CHANGES_MAX]
            writes = []
            for _, values in part:
                ops = operations(collection, with_ids(collection, values, ids))
                sets = {field: value for op, field, value in ops if op == "set"}
                writes.append((collection, None, sets, [o for o in ops if o[0] != "set" and o[2]]))
            found = book.district.write_many("office", writes)
            ids.update(zip((key for key, _ in part), found, strict=True))

    write("household", [(home.key, home.values) for home in made.town.homes])
    write("person", [(member.key, member.values) for member in made.town.members])
    created = [e.action for e in made.events if isinstance(e.action, Create)]
    write("visit", [(c.key, c.values) for c in created if c.collection == "visit"])
    needs = [(c.key, c.values) for c in created if c.collection == "need"]
    write("need", [(k, v | {"status": ledger.shown("need", k, "status")}) for k, v in needs])
    total = book.total("totals")
    book.store.close()
    assert (total["people"], total["visits"]) == (CITY_PEOPLE, CITY.visits) == (6_200, 13_242)
    assert (total["needs"], total["solved"]) == (CITY.needs, CITY.solved) == (3_395, 3_080)
    assert total["solved_share"] == 90.7
