# SPDX-License-Identifier: Apache-2.0
"""Two wrote different fields of one household apart: both get both, and nobody is asked."""

from pathlib import Path

from fixtures.world import HOUSEHOLD, World
from server.verify import verify_store


def test_who_wrote_last_gets_what_was_written_beside_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        a, b = world.tablet("a"), world.tablet("b")
        home = a.create_record("household", dict(HOUSEHOLD))
        for tablet in (a, b, b):
            tablet.sync()
        a.edit(home, phone="13700137000")
        b.edit(home, head_name="陈桂兰")
        a.sync()
        # The last writer holds another state than the district: it must be sent what it lacks.
        b.sync()
        shown = b.read(home)
        assert (shown["phone"], shown["head_name"]) == ("13700137000", "陈桂兰")
        a.sync()
        assert a.read(home)["head_name"] == "陈桂兰"
        with world.store.read() as tx:
            assert tx.rows("SELECT count(*) FROM conflicts") == [(0,)]
            assert verify_store(tx, world.district.schema, world.district.key.public).problems == []
    finally:
        world.close()
