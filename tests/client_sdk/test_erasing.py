# SPDX-License-Identifier: Apache-2.0
"""An erasure reaches the tablets at their next contact: no page of theirs shows anything of it, and
what was written meanwhile goes up, and goes."""

from typing import Any

from client_sdk.store.opening import PAGE_BYTES
from fixtures.pages import count_of, plain_pages
from fixtures.world import World
from server.erasing_places import DONE, places_of
from server.erasing_plan import plan_erasure
from server.feeds import open_stored
from server.store.sqlite_file import PAGE_BYTES as SERVER_PAGE_BYTES
from server.verify import verify_store

PLANTED = ["欧阳若兰甲", "13912345678", "腿脚不便须敲三下门", "敲门无人应答二次"]
LATE = "夜里发作须尽快送医"


def on_tablet(world: World, name: str, words: list[str]) -> dict[str, int]:
    raw = bytes.fromhex(world.keys[name].reveal()[2:-1].decode())
    return count_of(words, plain_pages(world.folder / name / "store.db", raw, PAGE_BYTES))


def on_server(world: World, words: list[str]) -> dict[str, int]:
    assert world.store.overwrite_freed()
    key = bytes.fromhex(world.store_key)
    found = count_of(words, plain_pages(world.store.path, key, SERVER_PAGE_BYTES, "sha256"))
    with world.store.read() as tx:
        runs = tx.rows("SELECT kind, body FROM segments")
        raws = b"".join(e.raw for kind, body in runs for e in open_stored(str(kind), bytes(body)))
    return {word: n + raws.count(word.encode()) for word, n in found.items()}


def erase(world: World, subject: str) -> bytes:
    with world.store.read() as tx:
        plan = plan_erasure(tx, world.district.schema, subject, "request", "本人要求", "周")
    return world.district.erasing.carry_out(plan.case)


def a_household(world: World, fields: dict[str, Any]) -> tuple[Any, Any, str, str]:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields | {"head_name": PLANTED[0], "phone": PLANTED[1]})
    person = a.create_record("person", {"household": home, "name": PLANTED[0]})
    a.create_record("visit", {
        "household": home, "at_ms": 1_780_963_200_000, "mode": "door", "outcome": "met",
        "notes": [PLANTED[3]],
    })  # fmt: skip
    a.set_fields(home, {"phone": PLANTED[1] + "9"})
    a.append(home, "notes", PLANTED[2])
    a.attach(b"photo" * 99, household=home, media_type="image/jpeg")
    a.create_record("household", fields | {"address": "九号"})
    world.sync(a, b)
    assert b.search("欧阳")
    return a, b, home, person


def test_nothing_of_an_erased_household_stays_on_tablets_or_server(
    world: World, fields: dict[str, Any]
) -> None:
    a, b, home, _ = a_household(world, fields)
    assert all(on_server(world, PLANTED).values())
    assert all(on_tablet(world, "a", PLANTED).values())
    # Offline when it is erased: one writes on it, the other does not come for long.
    a.append(home, "notes", LATE)
    erase(world, home)
    a.sync()
    assert not a.holds(home)
    assert not any(on_tablet(world, "a", [*PLANTED, LATE]).values())
    assert any(on_tablet(world, "b", PLANTED).values())
    with world.store.read() as tx:
        assert {p.name: p.state for p in places_of(tx, 1)} == {"a": DONE, "b": "asked"}
    b.sync()
    assert not any(on_tablet(world, "b", [*PLANTED, LATE]).values())
    assert not any(on_server(world, [*PLANTED, LATE]).values())
    with world.store.read() as tx:
        assert {p.name: p.state for p in places_of(tx, 1)} == {"a": DONE, "b": DONE}
        verdict = verify_store(tx, world.district.schema, world.district.key.public)
    assert verdict.problems == []
    assert verdict.fates["erased"] > 5
    assert list((world.folder / "a" / "blobs").iterdir()) == []
    assert not list((world.folder / "a" / "outbox").glob("*.sealed"))


def test_a_tablet_goes_on_writing_after_an_erasure(world: World, fields: dict[str, Any]) -> None:
    a, b, home, _ = a_household(world, fields)
    other = a.households()[0].id if a.households()[0].id != home else a.households()[1].id
    a.set_fields(other, {"phone": "13700000001"})
    erase(world, home)
    a.sync()
    a.set_fields(other, {"phone": "13700000002"})
    world.sync(a, b)
    assert b.read(other)["phone"] == "13700000002"
    with world.store.read() as tx:
        verdict = verify_store(tx, world.district.schema, world.district.key.public)
    assert verdict.problems == []


def test_what_teammates_carry_does_not_bring_it_back(world: World, fields: dict[str, Any]) -> None:
    a, b, home, _ = a_household(world, fields)
    b.append(home, "notes", LATE)
    erase(world, home)
    a.sync()
    # The one that has not heard shows it to the one that has, and goes home only afterwards.
    a.meet(b)
    assert not a.holds(home)
    assert not any(on_tablet(world, "a", [*PLANTED, LATE]).values())
    world.sync(a, b)
    assert not any(on_server(world, [*PLANTED, LATE]).values())
    assert not any(on_tablet(world, "a", [*PLANTED, LATE]).values())
    assert not any(on_tablet(world, "b", [*PLANTED, LATE]).values())


def test_what_a_teammate_had_ready_before_the_erasure_is_taken_sealed(
    world: World, fields: dict[str, Any]
) -> None:
    a, b, home, _ = a_household(world, fields)
    b.append(home, "notes", LATE)
    # Asked for while both still held it, given after the one that asked has heard.
    greeting = a.greet(b.replica)
    given = b.give(greeting)
    erase(world, home)
    a.sync()
    a.take(b.greet(a.replica), given)
    assert not a.holds(home)
    assert not any(on_tablet(world, "a", [*PLANTED, LATE]).values())
    a.sync()
    assert not any(on_server(world, [*PLANTED, LATE]).values())


def test_one_person_of_a_household_goes_and_the_others_stay(
    world: World, fields: dict[str, Any]
) -> None:
    a, b, home, person = a_household(world, fields)
    with world.store.read() as tx:
        plan = plan_erasure(tx, world.district.schema, person, "consent", "撤回同意", "周")
    assert [one.record for one in plan.records] == [person]
    assert {one.why for one in plan.kept} == {"mention"}
    world.district.erasing.carry_out(plan.case)
    world.sync(a, b)
    assert a.holds(home)
    assert not a.holds(person)
    assert not b.holds(person)
    with world.store.read() as tx:
        verdict = verify_store(tx, world.district.schema, world.district.key.public)
    assert verdict.problems == []
