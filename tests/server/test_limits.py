# SPDX-License-Identifier: Apache-2.0
"""What breaks the limits of its field goes to quarantine, and a newer program's fields do not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.world import HOUSEHOLD, World
from server.audit_words import why_aside
from server.resolving import quarantined, release


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


def test_a_value_beyond_its_limits_waits_for_the_auditor_and_is_not_merged(world: World) -> None:
    good, bad = world.tablet("a"), world.tablet("b", checked=False)
    home = good.create_record("household", HOUSEHOLD)
    world.sync(good, bad)
    bad.edit(home, phone="call the neighbour", gas="bottled")
    bad.edit(home, people_count=3)
    good.edit(home, head_name="单通")
    world.sync(bad, good)
    shown = world.sql(
        f"SELECT phone, gas, people_count, head_name FROM household WHERE id='{home}'"
    )
    assert shown == [("13800138000", None, None, "单通")]
    assert good.read(home)["phone"] == "13800138000"
    with world.store.read() as tx:
        (aside,) = quarantined(tx)
    assert (aside.reason, aside.behind, aside.entry.record) == ("limits", 1, home)
    for lang, words in (("zh", "内容超出栏目限制 “电话”的写法不对"), ("en", "“Phone” is not")):
        assert words in why_aside(world.district.schema, aside.reason, aside.entry.change, lang)
    # The tablet has its receipt: the change is held here, and nothing of it is lost.
    assert bad.is_sent(home)


def test_the_auditor_can_bring_in_what_was_beyond_the_limits(world: World) -> None:
    bad = world.tablet("b", checked=False)
    home = bad.create_record("household", HOUSEHOLD)
    bad.sync()
    bad.edit(home, phone="only by the neighbour")
    bad.sync()
    with world.store.read() as tx:
        dot = quarantined(tx)[0].entry.dot.hex()
    release(world.district, dot, officer="li", reason="asked the neighbour")
    assert world.sql("SELECT phone FROM household") == [("only by the neighbour",)]
    with world.store.read() as tx:
        assert quarantined(tx) == []


def test_a_record_whose_first_change_breaks_a_limit_is_kept_whole_in_quarantine(
    world: World,
) -> None:
    bad = world.tablet("b", checked=False)
    home = bad.create_record("household", {**HOUSEHOLD, "floor": 9_999})
    bad.edit(home, gas="piped")
    bad.sync()
    assert world.sql("SELECT id FROM household") == []
    with world.store.read() as tx:
        (aside,) = quarantined(tx)
    assert (aside.entry.record, aside.behind) == (home, 1)


def test_fields_labels_and_collections_of_a_newer_program_are_merged(world: World) -> None:
    newer = world.tablet("n", checked=False)
    home = newer.create_record("household", {**HOUSEHOLD, "cool_room": 7, "gas": "solar"})
    pet = newer.create_record("pet", {"household": home, "name": "阿黄"})
    newer.sync()
    assert world.sql(f"SELECT gas FROM household WHERE id='{home}'") == [("solar",)]
    with world.store.read() as tx:
        assert quarantined(tx) == []
        assert pet in tx.bodies_of([pet])
