# SPDX-License-Identifier: Apache-2.0
"""Lost and copied tablets, as the district sees them."""

import time
from typing import Any

from fixtures.world import World
from server import devices
from server.journal import lines
from server.lost import lost


def journal(world: World) -> list[str]:
    with world.store.read() as tx:
        return [line.what for line in lines(tx)]


def revoke(world: World, tablet: Any) -> None:
    with world.store.write() as tx:
        devices.revoke(tx, world.district.key, tablet.replica.hex(), "lost", 0)


def test_the_report_on_a_lost_tablet_tells_what_lay_there_and_what_is_missing(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    first = a.create_record("household", fields)
    second = a.create_record("household", fields | {"address": "2号"})
    a.sync()
    a.sync()
    b.sync()
    device = a.replica.hex()
    world.unassign("team", second)
    a.sync()
    a.sync()
    # Two more edits, of which a teammate saw the first and built on it; neither feed arrived.
    a.edit(first, phone="13700137000")
    a.edit(first, phone="13700137001")
    a.meet(b)
    b.edit(first, head_name="陈桂兰")
    world.now_ms += 3 * 86_400_000
    with b._store.transaction():
        b._store.run("UPDATE feed SET receipted = 1 WHERE own = 0")
    b.sync()
    with world.store.read() as tx:
        found = lost(tx, device, world.now_ms)
    homes = {home.home: home for home in found.homes}
    assert set(homes) == {first, second}
    assert homes[first].until_ms is None
    assert homes[second].until_ms is not None
    assert homes[first].since_ms > 1_700_000_000_000
    assert [(f.collection, f.records) for f in found.readable] == [("household", 2)]
    assert {"phone", "head_name", "address"} <= set(found.readable[0].fields)
    assert found.unsent.missing == 2
    assert found.waiting == [(first, 1)]
    assert found.unsent.likely > 0


def test_a_report_on_thousands_of_households_takes_less_than_five_seconds(world: Any) -> None:
    a = world.tablet("a")
    writes: list[Any] = [
        ("household", None, {"area": "440103019003", "address": f"{n}号"}, []) for n in range(4_000)
    ]
    homes = world.district.write_many("office", writes[:2_000])
    homes += world.district.write_many("office", writes[2_000:])
    with world.store.write() as tx:
        tx.run_many(
            "INSERT INTO held (device, home, state, since_ms) VALUES (?, ?, 0, 5)",
            [(a.replica.hex(), home) for home in homes],
        )
    start = time.perf_counter()
    with world.store.read() as tx:
        found = lost(tx, a.replica.hex(), world.now_ms)
    assert len(found.homes) == 4_000
    assert time.perf_counter() - start < 5


def test_a_revoked_writers_work_goes_to_quarantine_whoever_carries_it(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    a.meet(b)
    theirs = b.create_record("household", fields)
    revoke(world, a)
    b.sync()
    with world.store.read() as tx:
        assert tx.rows("SELECT record, reason FROM quarantine") == [(home, "revoked")]
        assert tx.rows("SELECT id FROM records") == [(theirs,)]


def copied(world: World, fields: dict[str, Any]) -> tuple[Any, Any, str]:
    """A tablet that synced, and a copy of its store that went on by itself."""
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.sync()
    a.close()
    world.copy("a", "twin")
    a, twin = world.open("a"), world.open("a", "twin")
    a.edit(home, phone="13700137000")
    twin.edit(home, phone="13600136000")
    a.sync()
    twin.sync()
    return a, twin, home


def test_two_copies_become_two_devices_and_both_writings_stay(
    world: Any, fields: dict[str, Any]
) -> None:
    a, twin, home = copied(world, fields)
    a.edit(home, head_name="陈桂兰")
    a.sync()
    twin.sync()
    assert a.sync().agrees
    assert twin.sync().agrees
    for tablet in (a, twin):
        shown = tablet.read(home).fields["phone"]
        assert {s.value for s in shown.siblings} == {"13700137000", "13600136000"}
    with world.store.read() as tx:
        found = devices.devices(tx)
    original, copy = sorted(found, key=lambda d: d.copy_of)
    assert (original.copy_of, copy.copy_of) == ("", original.id)
    assert copy.name == "a·2"
    assert world.district.device_of(a.replica) != world.district.device_of(twin.replica)
    assert {"device-copied", "device-went-on"} <= set(journal(world))
    # Told apart, neither has to list its households again.
    a.transport.requests.clear()
    twin.transport.requests.clear()
    a.sync()
    twin.sync()
    assert len(a.transport.requests) + len(twin.transport.requests) == 2


def test_two_copies_that_both_go_on_are_told_apart(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.close()
    world.copy("a", "twin")
    a, twin = world.open("a"), world.open("a", "twin")
    a.edit(home, phone="13700137000")
    twin.edit(home, phone="13600136000")
    # They meet each other first: both go on under new keys.
    a.meet(twin)
    a.sync()
    twin.sync()
    with world.store.read() as tx:
        assert len(devices.devices(tx)) == 2
    assert a.sync().agrees
    assert twin.sync().agrees


def test_a_store_that_was_put_back_is_seen_and_nothing_of_it_is_lost(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.sync()
    a.close()
    world.copy("a", "older")
    a = world.open("a")
    a.edit(home, phone="13700137000")
    a.sync()
    a.close()
    older = world.open("a", "older")
    assert older.sync().succeeded
    assert older.read(home)["phone"] == "13700137000"
    assert "device-went-on" in journal(world)


def test_revoking_a_tablet_revokes_its_copies(world: Any, fields: dict[str, Any]) -> None:
    a, twin, _ = copied(world, fields)
    a.sync()
    with world.store.read() as tx:
        original = min(devices.devices(tx), key=lambda d: d.copy_of).id
    with world.store.write() as tx:
        devices.revoke(tx, world.district.key, original, "lost", 0)
    with world.store.read() as tx:
        orders = dict(tx.rows("SELECT id, revocation FROM devices"))
    assert len(orders) == 2
    twin.obey(orders[world.district.device_of(twin.replica)])
    assert twin._store.closed
