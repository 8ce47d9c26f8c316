# SPDX-License-Identifier: Apache-2.0
"""One family entered twice and joined: what a late edit brought is settled at the door for good."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.world import HOUSEHOLD, World
from server.joined_conflicts import late_in
from server.joining import joining
from server.verify import verify_store


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


def late(world: World) -> list[str]:
    with world.store.read() as tx:
        return [one.field for one in late_in(tx, world.district.schema)]


def test_a_value_given_late_to_the_joined_away_household_is_settled_at_the_door(
    world: World,
) -> None:
    knows, away = world.tablet("a"), world.tablet("b")
    one = knows.create_record("household", dict(HOUSEHOLD))
    two = knows.create_record("household", {**HOUSEHOLD, "phone": "12600000009"})
    for tablet in (knows, away, away):
        tablet.sync()
    with world.store.read() as tx:
        writes = joining(tx, two, one)
    world.district.write_many("office", writes, "同一家人")
    knows.sync()
    away.edit(two, phone="12600000002")
    away.sync()
    knows.sync()
    assert late(world) == ["phone"]
    assert knows.read(one).fields["phone"].conflict
    knows.resolve(one, "phone", "12600000003", reason="打过电话")
    assert not knows.read(one).fields["phone"].conflict
    knows.sync()
    away.sync()
    assert late(world) == []
    assert knows.read(one)["phone"] == away.read(one)["phone"] == "12600000003"
    with world.store.read() as tx:
        assert verify_store(tx, world.district.schema, world.district.key.public).problems == []
