# SPDX-License-Identifier: Apache-2.0
"""One family entered twice: proposed with reasons, joined, read as one, and parted again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client_sdk.tablet import Tablet
from fixtures.duplicates import PRECISION_MIN, RECALL_MIN, measure
from fixtures.world import HOUSEHOLD, World
from server.duplicates import compare, entry_of, normalised, phone_key, propose, read_entries
from server.errors import JoinRefused
from server.joining import both, joining, parting, telling_apart
from server.links import broken_in
from server.own import Write


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    found.sql("SELECT 1")  # makes the views
    yield found
    found.close()


@pytest.mark.parametrize(
    "address",
    [
        "龙津东路12号3栋501房",
        "龙津东路 12 号 3 栋 501",
        "广州市荔湾区龙津东路12号3幢501室",
        "龙津东路十二号三栋五零一房",
        "龙津东路１２号３栋５０１",
        "龙津东路12号3-501",
    ],
)
def test_an_address_is_the_same_however_it_was_written(address: str) -> None:
    assert normalised(address) == ("龙津东路", ("12", "3", "501"))


def test_a_telephone_is_the_same_however_it_was_said() -> None:
    assert {phone_key(p) for p in ("126 0000 1111", "+8612600001111", "126-00001111")} == {
        "12600001111"
    }
    assert phone_key("无") == ""


def test_two_families_in_one_flat_are_not_proposed() -> None:
    one = entry_of("a", {**HOUSEHOLD}, [("单雄信", "")])
    two = entry_of("b", {**HOUSEHOLD, "head_name": "陈桂兰", "phone": "12611112222"}, [])
    assert [r.kind for r in compare(one, two).reasons] == [
        "address-same",
        "name-other",
        "phone-other",
    ]
    assert propose([one, two]) == []


def test_planted_pairs_are_found_and_little_else() -> None:
    found = measure(households=4_000, pairs=100, alike=100)
    assert found.recall >= RECALL_MIN
    assert found.precision >= PRECISION_MIN
    assert found.planted == 100


def twice(world: World) -> tuple[Tablet, Tablet, str, str]:
    """Two tablets that registered one household without knowing of each other."""
    one, two = world.tablet("a"), world.tablet("b")
    first = one.create_record("household", HOUSEHOLD)
    again = {**HOUSEHOLD, "address": "龙津东路 12 号 301 室", "gas": "bottled"}
    second = two.create_record("household", again)
    two.create_record("visit", {"household": second, "mode": "door", "outcome": "met"})
    two.create_record("need", {"household": second, "kind": "rice"})
    two.count(second, "meals_given", 2)
    one.count(first, "meals_given", 3)
    world.sync(one, two)
    return one, two, first, second


def write(world: World, writes: list[Write]) -> None:
    world.district.write_many("li", writes, "seen at the door")


def test_a_family_entered_twice_is_proposed_joined_and_read_as_one(world: World) -> None:
    one, two, first, second = twice(world)
    with world.store.read() as tx:
        (found,) = propose(read_entries(tx))
        assert {found.first, found.second} == {first, second}
        assert [r.kind for r in found.reasons] == ["address-same", "head-same", "phone-same"]
        writes = joining(tx, second, first)
    # Before it hears of the join, a tablet edits what is being joined away.
    two.edit(second, phone="12611112222")
    write(world, writes)
    world.sync(one, two)
    for tablet in (one, two):
        assert [hit.id for hit in tablet.households()] == [first]
        assert [hit.id for hit in tablet.search("单雄信")] == [first]
        held = {r.collection for r in tablet.of_household(first)}
        assert held == {"household", "visit", "need"}
        assert tablet.of_household(second, "visit")[0]["household"] == second
        shown = tablet.read(first)
        assert shown["address"] == HOUSEHOLD["address"]
        assert shown["gas"] == "bottled"
        assert shown["meals_given"] == 5
        # What the officer had not seen stands beside the survivor's value.
        assert shown.fields["phone"].open
        assert {s.value for s in shown.fields["phone"].siblings} == {
            "12611112222",
            HOUSEHOLD["phone"],
        }
    with world.store.read() as tx:
        assert propose(read_entries(tx)) == []
        shown_here = both(tx, world.district.schema, first, second).shown
        assert shown_here["phone"].conflict
        assert not shown_here["address"].conflict
    one.resolve(first, "phone", "12611112222", reason="rang it")
    world.sync(one, two)
    for tablet in (one, two):
        assert tablet.read(first)["phone"] == "12611112222"
        assert not tablet.read(first).fields["phone"].open


def test_undoing_a_join_sets_both_back(world: World) -> None:
    one, two, first, second = twice(world)
    with world.store.read() as tx:
        writes = joining(tx, second, first)
    write(world, writes)
    world.sync(one, two)
    with world.store.read() as tx:
        writes = parting(tx, second)
    write(world, writes)
    world.sync(one, two)
    for tablet in (one, two):
        assert {hit.id for hit in tablet.households()} == {first, second}
        assert (tablet.read(first)["gas"], tablet.read(second)["gas"]) == (None, "bottled")
        assert tablet.of_household(first, "visit") == []
        assert tablet.read(first)["meals_given"] == 3
    with world.store.read() as tx:
        assert len(propose(read_entries(tx))) == 1
        with pytest.raises(JoinRefused):
            parting(tx, second)


def test_two_joins_in_a_circle_join_nothing_and_are_listed(world: World) -> None:
    one, two, first, second = twice(world)
    one.join(first, second, "the same family")
    two.join(second, first, "the same family")
    world.sync(one, two)
    for tablet in (one, two):
        assert {hit.id for hit in tablet.households()} == {first, second}
        assert {(b.record, b.wrong) for b in tablet.broken_links()} == {
            (first, "circle"),
            (second, "circle"),
        }
    one.part(first, "the other one stays")
    world.sync(one, two)
    assert [hit.id for hit in two.households()] == [first]
    assert two.broken_links() == []
    with world.store.read() as tx, pytest.raises(JoinRefused):
        joining(tx, first, second)


def test_two_that_were_told_apart_are_not_proposed_again(world: World) -> None:
    _, _, first, second = twice(world)
    with world.store.read() as tx:
        writes = telling_apart(tx, first, second)
    write(world, writes)
    with world.store.read() as tx:
        assert propose(read_entries(tx)) == []


def test_links_that_broke_are_kept_shown_and_listed(world: World) -> None:
    one, two, first, second = twice(world)
    person = one.create_record("person", {"household": first, "name": "陈小明"})
    world.sync(one, two)
    need = one.create_record("need", {"household": first, "person": person, "kind": "papers"})
    grid = one.create_record("grid", {"area": "440103019003", "name": "一", "team": "t9"})
    two.edit(person, household=second)
    one.void(second, "never lived there")
    world.sync(one, two)
    (visit,) = two.of_household(second, "visit")
    expected = {
        (need, "person", "moved"),
        (visit.id, "household", "voided"),
        (person, "household", "voided"),
        (two.of_household(second, "need")[0].id, "household", "voided"),
    }
    for tablet in (one, two):
        assert {(b.record, b.field, b.wrong) for b in tablet.broken_links()} == expected
        assert tablet.read(need)["person"] == person
    with world.store.read() as tx:
        found = {(b.record, b.field, b.wrong) for b in broken_in(tx, world.district.schema)}
    assert found == expected | {(grid, "team", "dissolved")}
