# SPDX-License-Identifier: Apache-2.0
"""Moved households: work done meanwhile arrives, is credited, and nothing of them stays behind."""

from pathlib import Path
from typing import Any

from client_sdk.store.opening import PAGE_BYTES
from fixtures.pages import count_of, plain_pages
from fixtures.world import World
from server import people
from server.moved import moved_work
from server.moves import plan
from server.verify import verify_store

PLANTED = {
    "head_name": "欧阳若兰甲",
    "address": "龙津东路九百九十九号",
    "phone": "13912345678",
    "medication": "腿脚不便须敲三下门",
}


def move(world: World, home: str, source: str, target: str) -> None:
    with world.store.write() as tx:
        people.assign_homes(tx, target, [home], "office", world.now_ms)
        people.unassign_homes(tx, source, [home], "office", world.now_ms)


def words_in(world: World, name: str) -> dict[str, int]:
    raw = bytes.fromhex(world.keys[name].reveal()[2:-1].decode())
    path = Path(world.folder / name / "store.db")
    words = [*PLANTED.values(), "敲门无人应答二次"]
    return count_of(words, plain_pages(path, raw, PAGE_BYTES))


def filled(world: World, fields: dict[str, Any]) -> tuple[Any, Any, str]:
    """Two tablets of two teams, and a household of the first with a visit, a photo, a conflict."""
    a, b = world.tablet("a", "one"), world.tablet("b", "two")
    home = a.create_record("household", fields | PLANTED)
    a.create_record(
        "visit",
        {
            "household": home,
            "at_ms": 1_780_963_200_000,
            "mode": "door",
            "outcome": "met",
            "notes": ["敲门无人应答二次"],
        },
    )
    a.attach(b"photo" * 99, household=home, media_type="image/jpeg")
    for n in range(30):
        a.create_record("household", fields | {"address": f"{n}号"})
    a.sync()
    a.search("欧阳")
    return a, b, home


def test_nothing_of_a_purged_household_stays_on_any_page(
    world: Any, fields: dict[str, Any]
) -> None:
    a, _, home = filled(world, fields)
    before = words_in(world, "a")
    assert all(before.values()), before
    move(world, home, "one", "two")
    a.sync()
    assert not a.holds(home)
    after = words_in(world, "a")
    assert not any(after.values()), after
    a.close()
    assert not any(words_in(world, "a").values())
    assert list((world.folder / "a" / "blobs").iterdir()) == []


def test_a_household_is_purged_only_after_its_work_has_receipts(
    world: Any, fields: dict[str, Any]
) -> None:
    a, _, home = filled(world, fields)
    a.edit(home, phone="13700137000")
    move(world, home, "one", "two")
    a.sync(pull_only=True)
    assert a.holds(home)
    assert all(words_in(world, "a").values())
    a.sync()
    assert not a.holds(home)
    with world.store.read() as tx:
        assert b"13700137000" in tx.bodies_of([home])[home]


def test_work_on_a_household_that_moved_arrives_once_and_is_credited(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b, home = filled(world, fields)
    b.sync()
    move(world, home, "one", "two")
    b.sync()
    # Both are offline now: the old team still visits, the new one has begun.
    visit = {"household": home, "at_ms": 1_780_963_200_000, "mode": "door", "outcome": "met"}
    mine = a.create_record("visit", visit)
    theirs = b.create_record("visit", visit)
    a.edit(home, phone="13700137000")
    b.edit(home, phone="13600136000")
    a.meet(b)
    b.sync()
    a.sync()
    b.sync()
    with world.store.read() as tx:
        found = moved_work(tx)
        assert tx.rows("SELECT count(*) FROM records WHERE id IN (?, ?)", [mine, theirs]) == [(2,)]
    assert {(m.worker, m.team, m.record, m.home) for m in found} == {
        ("w-a", "one", mine, home),
        ("w-a", "one", home, home),
    }
    assert not a.holds(home)
    assert b.sync().agrees
    assert [s.by.worker for s in b.read(home).fields["phone"].siblings] == ["w-a", "w-b"]
    with world.store.read() as tx:
        verdict = verify_store(tx, world.district.schema, world.district.key.public)
    assert verdict.problems == []


def test_an_edit_of_a_visit_on_a_household_that_moved_is_marked_too(
    world: Any, fields: dict[str, Any]
) -> None:
    a, _, home = filled(world, fields)
    (visit,) = (one.id for one in a.of_household(home, "visit"))
    move(world, home, "one", "two")
    # It names the visit alone: whose household that is, the record tells.
    a.edit(visit, outcome="no_answer")
    a.sync(push_only=True)
    with world.store.read() as tx:
        found = moved_work(tx)
    assert [(one.record, one.home, one.worker) for one in found] == [(visit, home, "w-a")]


def test_a_household_that_comes_back_as_an_older_copy_makes_a_new_writer(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b, home = filled(world, fields)
    move(world, home, "one", "two")
    b.sync()
    a.edit(home, phone="13700137000")
    a.sync()
    assert not a.holds(home)
    move(world, home, "two", "one")
    a.assign([home])
    b.give_to(a)
    replica = a.replica
    a.edit(home, head_name="陈桂兰")
    assert a.replica != replica
    a.sync()
    with world.store.read() as tx:
        body = tx.bodies_of([home])[home]
    assert b"13700137000" in body
    assert "陈桂兰".encode() in body


def test_a_plan_names_tablets_bytes_and_unsent_work_and_changes_nothing(
    world: Any, fields: dict[str, Any]
) -> None:
    a, _, home = filled(world, fields)
    a.sync()
    a.edit(home, phone="13700137000")
    world.now_ms += 2 * 86_400_000
    with world.store.read() as tx:
        before = tx.rows("SELECT * FROM assigned ORDER BY home")
        found = plan(tx, "one", [home], [], True, world.now_ms)
        other = plan(tx, "two", [home], [], False, world.now_ms)
        assert tx.rows("SELECT * FROM assigned ORDER BY home") == before
    assert (found.homes, found.records) == (1, 3)
    assert found.bytes > 500
    assert [(t.name, t.homes) for t in found.tablets] == [("a", 1)]
    assert found.tablets[0].unsent.likely > 0
    assert [(t.name, t.homes) for t in other.tablets] == [("b", 0)]
