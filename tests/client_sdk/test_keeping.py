# SPDX-License-Identifier: Apache-2.0
"""What a tablet gave back stays sealed on it until a second store has it, or half a year."""

from typing import Any

from client_sdk.keeping import DAY_MS, KEEP_MS
from server.custody_places import note_backup


def kept(tablet: Any) -> int:
    """Sealed parts that the tablet still has."""
    return int(tablet._store.one("SELECT count(*) FROM sealed_parts")[0])


def given_back(world: Any, fields: dict[str, Any]) -> Any:
    """A tablet that gave two households back, one after the other; the newest part always stays."""
    tablet = world.tablet("a")
    for _ in range(2):
        home = tablet.create_record("household", fields)
        tablet.sync()
        world.unassign("team", home)
        tablet.sync()
    assert kept(tablet) == 2
    return tablet


def test_it_stays_until_the_district_says_that_its_backup_has_it(
    world: Any, fields: dict[str, Any]
) -> None:
    tablet = given_back(world, fields)
    world.now_ms += 2 * DAY_MS
    tablet.sync()
    assert kept(tablet) == 2
    with world.store.write() as tx:
        note_backup(tx, tx.next_seq(), world.now_ms)
    tablet.sync()
    world.now_ms += 2 * DAY_MS
    tablet.sync()
    assert kept(tablet) == 1


def test_without_a_second_store_it_stays_half_a_year_and_unsent_work_for_ever(
    world: Any, fields: dict[str, Any]
) -> None:
    tablet = given_back(world, fields)
    unsent = tablet.create_record("household", fields)
    tablet.unassign([unsent], at_once=True)
    assert kept(tablet) == 3
    world.now_ms += 2 * DAY_MS
    tablet.sync(pull_only=True)
    world.now_ms += KEEP_MS
    tablet.sync(pull_only=True)
    assert kept(tablet) == 1
    # The last one is only here: it is brought, and then kept as the others were.
    tablet.sync()
    assert tablet.status().unsent == 0
