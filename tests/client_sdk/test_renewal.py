# SPDX-License-Identifier: Apache-2.0
"""Renewed certificates: what the district says of a tablet changes, and tablets go on meeting."""

from typing import Any

from client_sdk.devices import certificate_of
from fixtures.world import World
from server import people

YEAR_MS = 366 * 86_400_000


def join_team(world: World, worker: str) -> None:
    with world.store.write() as tx:
        people.add_worker(tx, worker, "新人", "team", "worker", "office", 1)


def test_a_certificate_follows_the_team_and_is_told_once(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    a.sync()
    before = certificate_of(a._store)
    assert before is not None
    join_team(world, "w9")
    a.sync()
    after = certificate_of(a._store)
    assert after is not None
    assert (before.workers, after.workers) == ((), ("w9",))
    assert after.public == before.public
    a.create_record("household", fields)
    assert a.meet(b).given == 1
    world.now_ms += 8 * 86_400_000
    a.sync()
    sizes = [a.sync().bytes_down for _ in range(2)]
    assert max(sizes) < 300


def test_a_tablet_that_was_away_for_years_comes_home_with_a_fresh_certificate(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    world.now_ms += 3 * YEAR_MS
    join_team(world, "w9")
    assert a.sync().agrees
    found = certificate_of(a._store)
    assert found is not None
    assert found.issued_at_ms > 1_700_000_000_000 + 2 * YEAR_MS
    assert a.is_sent(home)
    a.edit(home, phone="13700137000")
    a.meet(b)
    assert b.sync().agrees
    assert b.read(home)["phone"] == "13700137000"


def test_an_answer_that_told_of_it_and_was_lost_is_told_again(world: Any) -> None:
    a = world.tablet("a")
    a.sync()
    join_team(world, "w9")
    body = a.transport.requests[-1]
    a.transport.exchange(body)
    a.sync()
    found = certificate_of(a._store)
    assert found is not None
    assert found.workers == ("w9",)
