# SPDX-License-Identifier: Apache-2.0
"""Reports on both stores: figures, the records behind them, and facts that follow the record."""

import random
from pathlib import Path

import pytest

from fixtures.postgres import Postgres
from server.reports import REPORTS, folding, refresh
from server.reports.params import Params
from server.reports.running import run
from server.reports.sheets import notice_of
from server.store.base import Store
from server.store.postgres import PostgresStore
from server.store.sqlite import SqliteStore
from sync.collections import SCHEMA
from sync.collections.need import SOLVED, STAGES
from tests.conftest import SEED
from tests.server.reports.record import DAY, FIRST, GRID, HOUR_MS, NOW_MS, OTHER_GRID, Book

ODD = (
    "=1+1",
    "a\0b",
    "\x1a0",
    "'; DROP TABLE records; --",
    "%s ? :area",
    "\u202e[bold]",
    "x" * 119,
)
WHOLE = 10**18


def hostile(book: Book) -> None:
    """Values of other kinds than declared, and text that SQL, JSON or a screen might trip over."""
    for text in ODD:
        home = book.household(head_name=text, address=text, categories=[text, "dibao"])
        book.write("need", household=home, kind=text, status=text, urgency=text, found_at_ms=text)
        book.visit(home, NOW_MS, outcome=text, mode=text)
        book.write("letter", household=home, title=text, status=text, handed_at_ms=NOW_MS)
    home = book.household(area="not an area ' OR 1", gps="91.0,200.0")
    for number in (WHOLE, -WHOLE, WHOLE - 1, 1.5, 1e22, True, None, [1], {"a": 1}):
        book.write("visit", household=home, at_ms=number, outcome="met", mode="door")


def test_every_need_stands_in_one_stage_and_is_solved_or_not(store: Store) -> None:
    book = Book(store)
    home = book.household()
    stages = [stage.value for stage in STAGES]
    for status in (*stages, None, "elsewhere"):
        said = {} if status is None else {"status": status}
        book.write("need", household=home, kind="papers", **said)
    found = book.total("stages")
    assert found.pop("found") == len(stages) + 2
    assert found == {**dict.fromkeys(stages, 1), "no_stage": 2}
    unsolved = book.total("open-needs")["open"]
    assert unsolved == book.total("totals")["open"] == len(stages) + 2 - len(SOLVED)


def test_every_figure_is_the_number_of_the_records_behind_it(store: Store) -> None:
    book = Book(store)
    book.fill(60, 500, SEED)
    hostile(book)
    asked = {"since": FIRST, "level": "community"}
    for name, report in REPORTS.items():
        result = book.run(name, **asked)
        for figure in report.figures:
            found = book.behind(name, figure.name, **asked)
            assert sum(one.amount for one in found) == result.total.values[figure.name], figure
            assert len({one.record for one in found}) == len(found)
        for row in [row for row in result.rows if row.area.isdigit()][:6]:
            for figure in report.figures:
                key = row.key if report.dimension else None
                some = book.behind(name, figure.name, key, **asked | {"area": row.area})
                assert sum(one.amount for one in some) == row.values[figure.name], (name, row)


@pytest.mark.slow
def test_both_stores_come_to_the_same_figures(
    postgres: Postgres, district_name: str, tmp_path: Path
) -> None:
    one = Book(SqliteStore(tmp_path / "district.db", "ab" * 32))
    two = Book(PostgresStore(postgres.dsn(), district_name))
    for book in (one, two):
        book.fill(80, 800, SEED)
        hostile(book)
    for name in REPORTS:
        for asked in ({}, {"since": FIRST, "level": "grid"}, {"days": 3, "area": "440103"}):
            a, b = one.run(name, **asked), two.run(name, **asked)
            assert a.rows == b.rows, name
            assert a.total == b.total
            assert a.scope_name == b.scope_name
    one.store.close()
    two.store.close()


@pytest.mark.parametrize(
    ("few_homes", "walked_part"),
    [(3, 1_000), (1_000, 0), (1, 0)],
    ids=["walking", "at once", "one by one"],
)
def test_facts_that_follow_the_record_are_those_made_from_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, few_homes: int, walked_part: int
) -> None:
    monkeypatch.setattr(folding, "FEW_HOMES", few_homes)
    monkeypatch.setattr(folding, "WALKED_PART", walked_part)
    monkeypatch.setattr(folding, "PART_RECORDS", 7)
    monkeypatch.setattr(folding, "PART_HOMES", 2)
    monkeypatch.setattr(folding, "STEP_SECONDS", 0.0)
    book, rng = Book(store), random.Random(SEED)
    steps = folding.Folding(store, SCHEMA)
    homes = [book.household(categories=["dibao"]) for _ in range(12)]
    others: list[tuple[str, str]] = []
    for _ in range(12):
        for _ in range(8):
            home = rng.choice(homes)
            if rng.random() < 0.5:
                # Whoever shows a page takes a step, in the middle of other work.
                steps.step()
            match rng.randrange(8):
                case 0:
                    book.edit("household", home, joined_into=rng.choice([*homes, "", "nobody"]))
                case 1:
                    book.edit("household", home, area=rng.choice([GRID, OTHER_GRID]))
                case 2:
                    book.void("household", home)
                case 3:
                    book.edit("household", home, helper="梁海燕")
                case 4 if others:
                    book.void(*rng.choice(others))
                case 5 if others:
                    kind, record = rng.choice(others)
                    book.edit(kind, record, household=rng.choice(homes))
                case 6:
                    homes.append(book.household(rng.choice([GRID, OTHER_GRID])))
                case _:
                    others.append(("visit", book.visit(home, NOW_MS)))
                    others.append(
                        ("need", book.write("need", household=home, kind="rice", status="open"))
                    )
        refresh(store, SCHEMA)
        followed = book.facts()
        book.forget()
        refresh(store, SCHEMA)
        assert followed == book.facts()
    assert len(followed["facts_visit"]) > 10


def test_a_step_is_short_and_says_how_far_the_figures_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "FEW_HOMES", 3)
    monkeypatch.setattr(folding, "PART_RECORDS", 10)
    monkeypatch.setattr(folding, "STEP_SECONDS", 0.0)
    book = Book(store)
    book.fill(20, 200, SEED)
    steps, seen = folding.Folding(store, SCHEMA), []
    while steps.step():
        with store.read() as tx:
            seen.append(folding.progress_of(tx))
            result = run(tx, "totals", Params(until=DAY), now_ms=NOW_MS)
        assert result.folding
        assert ("台账整理中" in notice_of(result, "zh"), "of" in notice_of(result, "en")) == (
            True,
        ) * 2
    assert len({one.done for one in seen}) > 20
    with store.read() as tx:
        assert not run(tx, "totals", Params(until=DAY), now_ms=NOW_MS).folding
    # What came since then, and no step was taken for, is said too.
    book.household()
    with store.read() as tx:
        found = run(tx, "totals", Params(until=DAY), now_ms=NOW_MS)
    assert found.folding.changed == 1
    assert notice_of(found, "en").startswith("1 household")


def test_what_is_voided_counts_nowhere_and_comes_back_with_an_edit(store: Store) -> None:
    book = Book(store)
    home, other = book.household(), book.household()
    visit = book.visit(home, NOW_MS)
    book.visit(other, NOW_MS)
    assert book.total("daily")["visits"] == 2
    book.void("visit", visit)
    book.void("household", other)
    assert book.total("totals") | {"visits": 1, "households": 1} == book.total("totals")
    book.edit("visit", visit, outcome="refused")
    assert book.total("coverage")["refused"] == 1
    assert book.total("totals")["visits"] == 2


def test_a_household_joined_into_another_counts_as_that_one(store: Store) -> None:
    book = Book(store)
    kept, twice, third = book.household(), book.household(OTHER_GRID), book.household(OTHER_GRID)
    book.visit(twice, NOW_MS)
    book.write("need", household=third, kind="rice", status="open", found_at_ms=NOW_MS)
    book.edit("household", twice, joined_into=kept)
    book.edit("household", third, joined_into=twice)
    result = book.run("coverage")
    assert [(row.area, row.values["due"], row.values["done"]) for row in result.rows] == [
        (GRID, 1, 1)
    ]
    assert [row.area for row in book.run("open-needs", level="grid").rows] == [GRID]
    # What comes to the one that is gone still counts, for the one that lives on.
    book.visit(twice, NOW_MS + 1, outcome="refused")
    assert book.run("daily", level="grid").rows[0].values["visits"] == 2
    # Undone, each counts for itself again.
    book.edit("household", twice, joined_into="")
    found = {row.area: row.values for row in book.run("coverage").rows}
    assert (found[GRID]["due"], found[GRID]["missing"]) == (1, 1)
    assert (found[OTHER_GRID]["due"], found[OTHER_GRID]["done"]) == (1, 1)


def test_households_joined_in_a_circle_are_both_shown(store: Store) -> None:
    book = Book(store)
    a, b = book.household(), book.household()
    book.edit("household", a, joined_into=b)
    book.edit("household", b, joined_into=a)
    assert book.total("totals")["households"] == 2
    book.void("household", b)
    assert book.total("totals")["households"] == 1


def test_a_need_that_was_reopened_is_open(store: Store) -> None:
    book = Book(store)
    home = book.household()
    found = {"household": home, "kind": "rice", "urgency": "urgent", "found_at_ms": NOW_MS}
    need = book.write("need", status="solved", solved_at_ms=NOW_MS + HOUR_MS, **found)
    assert book.total("clearing")["same_day"] == 1
    book.edit("need", need, status="reopened")
    total = book.total("clearing")
    assert (total["same_day"], total["overnight"], total["carried"]) == (0, 1, 1)
    assert book.total("totals")["open"] == 1
    # Solved again later, it is solved then and not when it first was.
    later = NOW_MS + 30 * HOUR_MS
    book.district.write("office", "need", need, {}, [("count", "reopened_count", 1)])
    book.edit("need", need, status="solved", handled_at_ms=later)
    total = book.total("clearing")
    assert (total["same_day"], total["overnight"], total["still_open"]) == (0, 1, 0)
    assert book.total("daily")["solved"] == 0
    assert book.total("daily", until="2026-06-19")["solved"] == 1


def test_a_day_begins_at_midnight_in_guangzhou(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    book = Book(store)
    home = book.household()
    midnight = NOW_MS - 12 * HOUR_MS
    for at in (midnight - 1, midnight, midnight + 24 * HOUR_MS - 1, midnight + 24 * HOUR_MS):
        book.visit(home, at)
    counts = [book.total("daily", until=day)["visits"] for day in ("2026-06-17", DAY, "2026-06-19")]
    assert counts == [1, 2, 1]
    assert book.total("daily", since="2026-06-17", until="2026-06-19")["visits"] == 4
    hours = {row.key: row.values["visits"] for row in book.run("coverage-hours").rows}
    assert hours == {"0": 1, "23": 1}


def test_an_area_holds_what_lies_in_it_and_nothing_else(store: Store) -> None:
    book = Book(store)
    for area in (GRID, OTHER_GRID, "440104001001001", GRID[:12]):
        book.household(area)
    assert book.total("totals", area="440103")["households"] == 3
    assert book.total("totals", area=GRID[:12])["households"] == 2
    assert book.run("totals", scope="440103").total.values["households"] == 3
    assert book.run("totals", scope="440103", area="44").total.values["households"] == 3
    assert [r.area for r in book.run("totals", level="grid", area=GRID[:12]).rows] == [
        GRID[:12],
        GRID,
    ]
