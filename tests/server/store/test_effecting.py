# SPDX-License-Identifier: Apache-2.0
"""What officers write brings what it brings on a tablet, on both stores, whatever way it goes."""

import json
from pathlib import Path
from typing import Any

import pytest

from client_sdk.tablet import Tablet
from client_sdk.views import Record
from fixtures.world import HOUSEHOLD, World
from server.audit import EVERYTHING, list_conflicts
from server.audit_errors import ValueRefused
from server.effecting import Office
from server.errors import ImportRefused
from server.imports import begun, check_rows, check_steps, in_parts, plan, read_rows
from server.own import Write
from server.resolving import resolve
from server.store.base import Store
from server.views import refresh_views
from sync.change import ADD
from sync.collections import SCHEMA
from sync.effects import Moment
from tests.server.reports.record import NOW_MS, Book

POOR = {"grade": "poor", "reasons": ["alone"]}


@pytest.fixture
def book(store: Store) -> Book:
    refresh_views(store, SCHEMA)
    return Book(store)


def rows(book: Book, collection: str, *columns: str) -> list[tuple[Any, ...]]:
    with book.store.read() as tx:
        found = tx.rows(f"SELECT {', '.join(columns)} FROM {collection}")
    # A view of PostgreSQL gives every value as text.
    return sorted(tuple(None if value is None else str(value) for value in row) for row in found)


def a_write(collection: str, record: str | None = None, **values: Any) -> Write:
    fields = SCHEMA.collections[collection].fields
    sets = {n: v for n, v in values.items() if fields[n].policy != "union"}
    return collection, record, sets, [(ADD, n, values[n]) for n in values.keys() - sets.keys()]


def test_a_grade_of_poor_opens_a_need_that_names_the_assessment(book: Book) -> None:
    office, home = Office(book.district), book.household()
    made = office.write_many("li", [a_write("assessment", household=home, **POOR)], "by telephone")
    (need,) = rows(book, "need", "home", "kind", "status", "urgency", "assessments")
    assert need[:4] == (home, "care", "open", "urgent")
    assert json.loads(need[4]) == made
    (found,) = rows(book, "assessment", "at_ms", "assessors")
    assert (found[0], json.loads(found[1])) == (str(NOW_MS), ["li"])
    # Found again it is the same need; and solved, it comes back.
    office.write_many("li", [a_write("assessment", household=home, **POOR)])
    ((need_id, _),) = rows(book, "need", "id", "status")
    office.write_many("li", [a_write("need", need_id, status="solved")])
    assert rows(book, "need", "solved_at_ms") == [(str(NOW_MS),)]
    office.write_many("li", [a_write("assessment", made[0], grade="fair")])
    office.write_many("li", [a_write("assessment", made[0], grade="poor")])
    assert rows(book, "need", "id", "status", "reopened_count") == [(need_id, "reopened", "1")]


def test_what_several_of_one_batch_bring_is_one_record(book: Book) -> None:
    office, home = Office(book.district), book.household()
    visits = [
        a_write("visit", household=home, mode="door", outcome="met", shortages=lacking)
        for lacking in (["rice"], ["rice", "gas"])
    ]
    ids = office.write_many("li", visits)
    assert len(ids) == 2
    assert sorted(goods for (goods,) in rows(book, "shortage", "goods")) == ['["gas"]', '["rice"]']
    # What is brought follows in the same run, and brings on.
    (shortage, *_) = [one[0] for one in rows(book, "shortage", "id")]
    parcel = a_write("parcel", household=home, goods=["gas"], shortages=[shortage], status="asked")
    (made,) = office.write_many("li", [parcel])
    office.write_many("li", [a_write("parcel", made, status="on_the_way")])
    assert (shortage, "on_the_way") in rows(book, "shortage", "id", "status")


def test_a_step_that_may_not_be_taken_yet_writes_nothing(book: Book) -> None:
    office, home = Office(book.district), book.household()
    need = book.write("need", household=home, kind="rice", status="open")
    before = rows(book, "need", "id", "status")
    with pytest.raises(ValueRefused, match="Confirmed by"):
        office.write_many(
            "li", [a_write("need", need, status="confirmed"), a_write("visit", household=home)]
        )
    assert rows(book, "need", "id", "status") == before
    assert rows(book, "visit", "id") == []
    office.write_many("li", [a_write("need", need, status="confirmed", confirmed_by="陈桂兰")])


def bring_in(book: Book, path: Path, collection: str, given: list[dict[str, Any]]) -> int:
    """As ``doorstep import`` does it."""
    path.write_text(json.dumps(given), "utf-8")
    declared = SCHEMA.collections[collection]
    with book.store.read() as tx:
        found, known = begun(tx, read_rows(path, declared), declared, Moment(NOW_MS, "li"))
        check_rows(found, declared, known, "en")
        check_steps(tx, found, SCHEMA, collection, "en")
        writes = plan(tx, found, declared)
    for part in in_parts(writes, lambda _: None):
        Office(book.district).write_many("li", part, "import")
    return len(writes)


def test_what_a_file_brings_in_brings_the_same(book: Book, tmp_path: Path) -> None:
    home, file = book.household(), tmp_path / "rows.json"
    assert bring_in(book, file, "assessment", [{"household": home, **POOR}] * 2) == 2
    assert rows(book, "need", "kind", "status") == [("care", "open")]
    # Where there is one record a key, the file finds it, and says nothing new the second time.
    helper = [{"household": home, "helper": "王志豪", "role": "official"}]
    assert bring_in(book, file, "helper_assignment", helper) == 1
    assert bring_in(book, file, "helper_assignment", helper) == 0
    assert len(rows(book, "helper_assignment", "id")) == 1
    # What was begun on paper is complete; what was confirmed by nobody is refused with its line.
    needs: list[dict[str, Any]] = [{"household": home, "kind": "rice"}]
    assert bring_in(book, file, "need", needs) == 1
    assert ("rice", "open", str(NOW_MS)) in rows(book, "need", "kind", "status", "found_at_ms")
    needs = [{"household": home, "kind": "gas"}, {**needs[0], "status": "confirmed"}]
    with pytest.raises(ImportRefused, match=r"2: .*Confirmed by"):
        bring_in(book, file, "need", needs)
    assert "gas" not in {kind for (kind,) in rows(book, "need", "kind")}
    with pytest.raises(ImportRefused, match="the same record"):
        bring_in(book, file, "helper_assignment", helper * 2)


def _kind(one: Record) -> tuple[str, str, str]:
    return one.collection, str(one["kind"]), str(one["goods"])


def told(tablet: Tablet, home: str) -> list[tuple[str, dict[str, Any]]]:
    """What a household's records show, but for who and which."""
    names = {home: "home"}
    records = sorted(tablet.of_household(home), key=_kind)
    names |= {one.id: f"{one.collection} {at}" for at, one in enumerate(records)}

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return sorted(str(plain(one)) for one in value)
        if isinstance(value, int) and value > 10**12:
            return "a moment"
        return names.get(value, "worker" if value in ("w-a", "li") else value)

    return [
        (one.collection, {n: plain(v) for n, v in sorted(one.values.items())})
        for one in records
        if one.collection != "household"
    ]


def test_an_officer_and_a_worker_who_write_the_same_come_to_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    tablet = world.tablet("a")
    mine, theirs = (tablet.create_record("household", HOUSEHOLD) for _ in range(2))
    world.sync(tablet)
    given: list[tuple[str, dict[str, Any]]] = [
        ("assessment", dict(POOR)),
        ("visit", {"mode": "door", "outcome": "not_opened", "shortages": ["rice", "gas"]}),
        ("daily_form", {"health": "well", "shortages": ["rice"]}),
        ("child_check", {"mode": "door", "safety": "in_danger"}),
        ("guardian_notice", {"guardian": "陈桂兰", "guardian_state": "isolated"}),
        ("journey", {"kind": "dialysis"}),
    ]
    office = Office(world.district)
    for collection, values in given:
        tablet.create_record(collection, {"household": mine, **values})
        office.write_many("li", [a_write(collection, household=theirs, **values)])
    world.sync(tablet)
    assert told(tablet, theirs) == told(tablet, mine)
    assert len(told(tablet, mine)) > len(given) + 3
    world.close()


def test_a_conflict_that_is_settled_brings_what_the_value_brings(tmp_path: Path) -> None:
    world = World(tmp_path)
    one, two = world.tablet("a"), world.tablet("b")
    home = one.create_record("household", HOUSEHOLD)
    visit = one.create_record("visit", {"household": home, "mode": "door", "outcome": "met"})
    world.sync(one, two)
    one.edit(visit, outcome="met")
    two.edit(visit, outcome="refused")
    one.edit(visit, outcome="moved")
    world.sync(one, two)
    with world.store.read() as tx:
        (line,) = list_conflicts(tx, EVERYTHING).lines
    resolve(world.district, line.n, officer="li", reason="rang them", seen="", value="not_opened")
    world.sync(one, two)
    shown = one.read(visit)
    assert (shown["outcome"], shown["follow_up"]) == ("not_opened", "tomorrow")
    world.close()
