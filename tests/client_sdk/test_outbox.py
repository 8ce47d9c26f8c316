# SPDX-License-Identifier: Apache-2.0
"""The sealed outbox: what the district can read from it when the tablet is gone."""

from typing import Any

import msgspec

from client_sdk.outbox import FILE_BYTES_MAX
from crypto.seal import BoxKey, read_sealed_stream
from sync.feed import Segment, verify_segment
from sync.sealing import OUTBOX_INFO


def opened(box: BoxKey, tablet: Any) -> list[Any]:
    """All changes in the outbox, in order, each checked like any upload."""
    found = []
    for path in tablet.outbox_files():
        for item in read_sealed_stream(box, OUTBOX_INFO, path.read_bytes()):
            segment = msgspec.msgpack.decode(item, type=Segment)
            entries, _ = verify_segment(segment, lambda replica, message, signature: None)
            found += entries
    return found


def test_the_district_reads_every_unsent_change_without_the_tablet(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.edit(home, phone="13900139000")
    a.close()
    a = world.open("a")
    a.edit(home, phone="13700137000")
    a.close()
    entries = opened(world.box, a)
    assert [e.record for e in entries] == [home] * 3
    assert entries[-1].change.values == ["13700137000"]
    assert len(a.outbox_files()) == 2


def test_nothing_of_the_outbox_goes_before_its_receipt(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    a.sync(pull_only=True)
    assert len(opened(world.box, a)) == 1
    a.sync()
    assert a.outbox_files() == []
    home = a.create_record("household", fields)
    assert [e.record for e in opened(world.box, a)] == [home]


def test_a_wiped_tablet_leaves_its_outbox(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.attach(b"x" * 100, household=home, media_type="image/jpeg")
    a.wipe()
    assert opened(world.box, a)[0].record == home
    left = {p.name for p in a.directory.rglob("*") if p.is_file()}
    assert left == {a.outbox_files()[0].name, "store.lock"}


def test_a_torn_outbox_still_gives_what_was_whole(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    for _ in range(3):
        a.create_record("household", fields)
    path = a.outbox_files()[0]
    path.write_bytes(path.read_bytes()[:-7])
    assert len(opened(world.box, a)) == 2
    assert path.stat().st_size < FILE_BYTES_MAX
