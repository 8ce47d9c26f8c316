# SPDX-License-Identifier: Apache-2.0
"""Households entered twice and links that broke, on both stores: proposed, joined, undone, told
apart, listed for repair."""

import pytest

from server.audit import Filter
from server.duplicates import propose, read_entries
from server.effecting import Office
from server.errors import JoinRefused, NotFound
from server.joined_audit import joined_conflicts
from server.joined_conflicts import late_in, settling
from server.joining import both, joining, joins_in, parting, share_teams, telling_apart
from server.links import broken_in
from server.own import Write
from server.people import add_team
from server.reports import refresh
from server.scope import add_home
from server.store.base import Store
from server.views import refresh_views
from sync.collections import SCHEMA
from tests.server.reports.record import GRID, NOW_MS, OTHER_GRID, Book


@pytest.fixture
def book(store: Store) -> Book:
    refresh_views(store, SCHEMA)
    return Book(store)


def twice(book: Book) -> tuple[str, str]:
    """One family entered by two teams: another way of writing the address, the same telephone."""
    one = book.household(address="龙津东路12号3栋501房", head_name="陈桂兰", phone="12612345678")
    two = book.household(address="龙津东路１２号三栋501", head_name="陈桂兰", phone="12612345678")
    book.household(OTHER_GRID, address="多宝路8号", head_name="何小明", phone="12600000000")
    return one, two


def pairs(book: Book, under: str = "") -> list[set[str]]:
    with book.store.read() as tx:
        return [{one.first, one.second} for one in propose(read_entries(tx, under))]


def say(book: Book, writes: list[Write]) -> None:
    book.district.write_many("li", writes, "seen at the door")


def test_a_family_entered_twice_is_proposed_with_reasons_in_its_area_only(book: Book) -> None:
    one, two = twice(book)
    with book.store.read() as tx:
        (found,) = propose(read_entries(tx))
    assert {found.first, found.second} == {one, two}
    assert [why.kind for why in found.reasons] == ["address-same", "head-same", "phone-same"]
    assert pairs(book, GRID[:9]) == [{one, two}]
    assert pairs(book, OTHER_GRID[:9]) == []


def test_joined_they_are_read_as_one_and_undone_they_are_two(book: Book) -> None:
    one, two = twice(book)
    with book.store.read() as tx:
        writes = joining(tx, two, one)
    # Written before the join is: its writer had not seen it, so it is not settled by it.
    book.edit("household", two, phone="12699999999")
    say(book, writes)
    assert pairs(book) == []
    with book.store.read() as tx:
        assert (joins_in(tx).of(two), joins_in(tx).aliases(one)) == (one, [two])
        found = both(tx, SCHEMA, two, one)
        assert found.one["phone"] == "12699999999"
        assert found.shown["phone"].conflict
        assert not found.shown["address"].conflict
        undo = parting(tx, two)
    say(book, undo)
    assert pairs(book) == [{one, two}]
    with book.store.read() as tx, pytest.raises(JoinRefused):
        parting(tx, two)


def test_joins_are_found_whatever_the_figures_have_taken_in(book: Book) -> None:
    homes = [book.household(head_name=f"户{n}") for n in range(6)]

    def found() -> dict[str, str]:
        with book.store.read() as tx:
            return joins_in(tx).survivor

    book.edit("household", homes[0], joined_into=homes[1])
    assert found() == {homes[0]: homes[1]}
    refresh(book.store, SCHEMA)
    assert found() == {homes[0]: homes[1]}
    # Later ones, one that is taken back, and one that is void, which the figures leave out.
    book.edit("household", homes[2], joined_into=homes[3])
    book.edit("household", homes[4], joined_into=homes[3])
    book.void("household", homes[2])
    book.edit("household", homes[0], joined_into=None)
    wanted = {homes[2]: homes[3], homes[4]: homes[3]}
    assert found() == wanted
    refresh(book.store, SCHEMA)
    assert found() == wanted
    book.edit("household", homes[4], joined_into=homes[5])
    assert found() == wanted | {homes[4]: homes[5]}


def test_what_would_make_a_circle_or_is_no_household_is_refused(book: Book) -> None:
    one, two = twice(book)
    with book.store.read() as tx:
        say_it = joining(tx, two, one)
    say(book, say_it)
    visit = book.visit(one, NOW_MS)
    with book.store.read() as tx:
        for away, into in ((one, two), (one, one)):
            with pytest.raises(JoinRefused):
                joining(tx, away, into)
        for nobody in ("nobody", visit):
            with pytest.raises(NotFound):
                joining(tx, nobody, one)


def test_two_families_told_apart_are_not_proposed_again(book: Book) -> None:
    one, two = twice(book)
    with book.store.read() as tx:
        writes = telling_apart(tx, one, two)
    say(book, writes)
    assert pairs(book) == []


def test_a_team_that_holds_one_of_two_joined_households_holds_both(book: Book) -> None:
    one, two = twice(book)
    with book.store.write() as tx:
        add_team(tx, "t1", "龙津一组", "li", NOW_MS)
        add_home(tx, "t1", two, NOW_MS)
        share_teams(tx, two, one, NOW_MS)
        held = {home for (home,) in tx.rows("SELECT home FROM assigned WHERE team = 't1'")}
    assert held == {one, two}


@pytest.mark.parametrize("part", [1, 2, 2_000])
def test_links_that_broke_are_listed_by_area(
    book: Book, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However small the parts are in which the record is gone through, nothing falls between them.
    monkeypatch.setattr("server.store.walking.PART_RECORDS", part)
    one, two = twice(book)
    assert pairs(book) == [{one, two}]
    person = book.write("person", household=one, name="陈小明")
    need = book.write("need", household=one, person=person, kind="papers")
    visit = book.visit(two, NOW_MS)
    grid = book.write("grid", area=OTHER_GRID, name="一", team="t9")
    gone = book.write("need", household="nobody-is-here------1", kind="rice")
    book.edit("person", person, household=two)
    book.void("household", two)
    with book.store.read() as tx:
        found = {(b.record, b.field, b.wrong) for b in broken_in(tx, SCHEMA)}
        there = {(b.record, b.wrong) for b in broken_in(tx, SCHEMA, OTHER_GRID[:9])}
    assert found == {
        (need, "person", "moved"),
        (person, "household", "voided"),
        (visit, "household", "voided"),
        (grid, "team", "dissolved"),
        (gone, "household", "missing"),
    }
    assert there == {(grid, "dissolved")}
    book.edit("household", one, joined_into=two)
    book.edit("household", two, joined_into=one)
    with book.store.read() as tx:
        circles = {b.record for b in broken_in(tx, SCHEMA) if b.wrong == "circle"}
    assert circles == {one, two}


def test_what_was_written_late_is_listed_and_settled_on_both(book: Book) -> None:
    one, two = twice(book)
    with book.store.read() as tx:
        writes = joining(tx, two, one)
        assert late_in(tx, SCHEMA) == []
    book.edit("household", two, phone="12699999999", notes="狗")
    say(book, writes)
    with book.store.read() as tx:
        (late,) = late_in(tx, SCHEMA)
        assert late_in(tx, SCHEMA, OTHER_GRID[:9]) == []
        assert (late.home, late.field, late.policy) == (one, "phone", "ask")
        values = {s.value: s.dot.hex() for s in late.siblings}
        assert set(values) == {"12612345678", "12699999999"}
        with pytest.raises(NotFound):
            settling(tx, SCHEMA, one, "phone", "")
        write = settling(tx, SCHEMA, one, "phone", values["12699999999"])
    Office(book.district).write_many("li", [write], "rang it")
    with book.store.read() as tx:
        assert late_in(tx, SCHEMA) == []
        (kept,) = joined_conflicts(tx, SCHEMA, Filter(state="settled"))
        assert (kept.name, kept.state) == (f"{one}/phone", "office")
        assert [(j.away, j.into, j.worker) for j in kept.joins] == [(two, one, "li")]
        assert {s.value: s.record for s in kept.sides} == {"12612345678": one, "12699999999": two}
        found = both(tx, SCHEMA, one, two)
        assert (found.one["phone"], found.two["phone"]) == ("12699999999", "12699999999")
    # What is written on the survivor otherwise leaves the joined-away household alone.
    Office(book.district).write("li", "household", one, {"gas": "bottled"})
    with book.store.read() as tx:
        assert both(tx, SCHEMA, one, two).two.get("gas") is None
