# SPDX-License-Identifier: Apache-2.0
"""A teammate carries what was written under a key that the server, set back, does not know."""

from typing import Any

import msgspec
import pytest

from client_sdk.devices import succeed
from client_sdk.tablet import Tablet
from fixtures.world import World
from server import devices
from server.district import District
from server.store.sqlite import SqliteStore


def set_back(world: World) -> None:
    """The server's program ends and starts on the backup beside its store."""
    path = world.folder / "district.db"
    key = world.store_key
    world.store.close()
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    (world.folder / "backup.db").replace(path)
    world.store = SqliteStore(path, key)
    world.district = District(
        world.store, world.district.schema, world.district.key, world.box, world.clock
    )
    for tablet in world.tablets.values():
        tablet.transport.district = world.district


def goes_on(tablet: Tablet) -> None:
    with tablet._store.transaction():
        succeed(tablet._store)


def phones(world: World) -> set[str]:
    with world.store.read() as tx:
        found = tx.rows("SELECT body FROM records")
    return {msgspec.json.decode(row[0])["phone"] for row in found}


def device_of(world: World, replica: bytes) -> str:
    return world.district.device_of(replica)


@pytest.fixture
def carried(world: World, fields: dict[str, Any]) -> World:
    """t5 goes on under a second key, syncs, writes, meets t3; the server is set back to before; t5
    is lost."""
    t3, t5 = world.tablet("t3"), world.tablet("t5")
    home = t5.create_record("household", fields)
    world.sync(t5, t3)
    world.store.backup(str(world.folder / "backup.db"), None)
    goes_on(t5)
    t5.sync()
    t5.edit(home, phone="13700137000")
    t3.take(t5.greet(t3.replica), t5.give(t3.greet(t5.replica)))
    set_back(world)
    return world


def test_what_a_lost_teammate_wrote_under_a_key_the_server_forgot_arrives_by_its_carrier(
    carried: World,
) -> None:
    t3, t5 = carried.tablets["t3"], carried.tablets["t5"]
    t3.sync()
    assert phones(carried) == {"13700137000"}
    assert t3.status().carried == 0
    # It is the same tablet's work, under whichever of its keys.
    with carried.store.read() as tx:
        first = tx.rows("SELECT id FROM devices WHERE name = 't5'")[0][0]
    assert device_of(carried, t5.replica) == first


def test_a_revocation_covers_the_key_of_which_only_a_carrier_told(carried: World) -> None:
    t3 = carried.tablets["t3"]
    with carried.store.write() as tx:
        devices.revoke(tx, carried.district.key, devices.find(tx, "t5"), "lost", 1)
    carried.district.reload()
    t3.sync()
    assert phones(carried) == {"13800138000"}
    with carried.store.read() as tx:
        assert tx.rows("SELECT reason FROM quarantine") == [("revoked",)]


def test_the_tablet_that_comes_home_after_its_carrier_is_at_home(carried: World) -> None:
    t3, t5 = carried.tablets["t3"], carried.tablets["t5"]
    t3.sync()
    t5.sync()
    t5.edit(t5.households()[0].id, phone="13600136000")
    t5.sync()
    assert phones(carried) == {"13600136000"}
