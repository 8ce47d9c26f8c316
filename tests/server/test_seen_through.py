# SPDX-License-Identifier: Apache-2.0
"""Quarantine makes no hole: nobody waits for it but its own writer, and not after a release."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.world import HOUSEHOLD, World
from server import devices
from server.resolving import release
from server.verify import verify_store


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


def waiting(world: World) -> int:
    with world.store.read() as tx:
        return int(tx.rows("SELECT count(*) FROM waiting")[0][0])


def quarantined(world: World) -> list[bytes]:
    with world.store.read() as tx:
        return [bytes(r[0]) for r in tx.rows("SELECT dot FROM quarantine ORDER BY dot")]


def value(world: World, record: str, field: str) -> Any:
    import msgspec

    with world.store.read() as tx:
        return msgspec.json.decode(tx.bodies_of([record])[record]).get(field)


def holds(world: World) -> bool:
    with world.store.read() as tx:
        verdict = verify_store(tx, world.district.schema, world.district.key.public)
    assert verdict.problems == []
    return True


def revoke(world: World, tablet: Any) -> None:
    with world.store.write() as tx:
        devices.revoke(tx, world.district.key, tablet.replica.hex(), "lost", 0)


@pytest.fixture
def shared(world: World) -> tuple[Any, Any, str]:
    """Two tablets of one team that hold the same household."""
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", dict(HOUSEHOLD))
    a.sync()
    b.sync()
    b.sync()
    return a, b, home


@pytest.mark.parametrize("later", [False, True])
def test_a_teammate_who_saw_a_quarantined_edit_is_not_held_up_by_it(
    world: World, shared: tuple[Any, Any, str], later: bool
) -> None:
    a, b, home = shared
    a.edit(home, phone="13700137000")
    a.meet(b)
    b.edit(home, phone="13600136000")
    revoke(world, a)
    if later:
        # The edit that saw it arrives first, and waits; then what it saw goes to quarantine.
        with b._store.transaction():
            b._store.run("UPDATE feed SET receipted = 1 WHERE own = 0")
        b.sync()
        assert waiting(world) == 1
        with b._store.transaction():
            b._store.run("UPDATE feed SET receipted = 0 WHERE own = 0")
    b.sync()
    assert len(quarantined(world)) == 1
    assert waiting(world) == 0
    assert value(world, home, "phone") == "13600136000"
    assert holds(world)


def test_its_own_writers_later_changes_wait_until_it_is_released(
    world: World, shared: tuple[Any, Any, str]
) -> None:
    a, _, home = shared
    a._entering._checked = False
    a.edit(home, phone="9" * 300)
    a.edit(home, phone="13700137000")
    a.edit(home, head_name="陈桂兰")
    a.sync()
    assert len(quarantined(world)) == 1
    assert waiting(world) == 2
    assert holds(world)
    release(world.district, quarantined(world)[0].hex(), officer="w", reason="看过", over=["phone"])
    assert waiting(world) == 0
    # What its writer wrote later had seen it: there is no conflict with what released it.
    assert value(world, home, "phone") == "13700137000"
    assert value(world, home, "head_name") == "陈桂兰"
    with world.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM conflicts WHERE state = 'open'") == [(0,)]
    assert holds(world)


def test_who_saw_it_and_writes_after_the_release_overwrites_what_released_it(
    world: World, shared: tuple[Any, Any, str]
) -> None:
    a, b, home = shared
    a.edit(home, phone="13700137000")
    a.meet(b)
    revoke(world, a)
    b.sync()
    release(world.district, quarantined(world)[0].hex(), officer="w", reason="看过")
    assert value(world, home, "phone") == "13700137000"
    b.edit(home, phone="13600136000")
    b.sync()
    assert waiting(world) == 0
    assert value(world, home, "phone") == "13600136000"
    with world.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM conflicts WHERE state = 'open'") == [(0,)]
    assert holds(world)
