# SPDX-License-Identifier: Apache-2.0
"""A photo on its way to the upstream over a line that breaks off in the middle."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from crypto.blob import blob_name
from fixtures.road import Lane, Road
from fixtures.tree import Tier, raised
from fixtures.waiting import until
from server.blobs import GET_BYTES_MAX, put_piece
from server.store.sqlite import SqliteStore

pytestmark = pytest.mark.slow

PIECES = 4
BESIDE_BYTES = 256 * 1024
"""What goes up beside the photo meanwhile: handshakes, exchanges once a second, their heads."""


@pytest.fixture
def way(tmp_path: Path) -> Iterator[tuple[Tier, Tier, Lane]]:
    """A city, a district below it, and the only way between them."""
    with ExitStack() as stack:
        tiers = raised(tmp_path, (("city", "4401"), ("district", "440103")), stack)
        city, district = tiers["city"], tiers["district"]
        road = Road(1, city.process.port)
        stack.callback(road.close)
        with closing(store_of(district)) as store, store.write() as tx:
            tx.run("UPDATE links SET addresses = ?", [f'["{road.address(0)}"]'])
        until(lambda: road.lanes[0].up > 0)
        yield city, district, road.lanes[0]


def store_of(tier: Tier) -> SqliteStore:
    return SqliteStore(tier.settings.store_path, tier.keys.store_hex)


def attach(tier: Tier, photo: bytes) -> str:
    """What a tablet's upload of a photo leaves in the store."""
    name = blob_name(photo)
    with closing(store_of(tier)) as store:
        for at in range(0, len(photo), GET_BYTES_MAX):
            put_piece(store, name, at, len(photo), photo[at : at + GET_BYTES_MAX], 1)
    return name.hex()


def test_a_photo_broken_off_in_the_middle_goes_on_from_the_pieces_that_arrived(
    way: tuple[Tier, Tier, Lane], rng: random.Random
) -> None:
    city, district, lane = way
    photo = rng.randbytes(PIECES * GET_BYTES_MAX - 1000)
    before = lane.up
    lane.cut_after(up=2 * GET_BYTES_MAX + GET_BYTES_MAX // 2)
    name = attach(district, photo)
    until(lane.is_cut)
    assert city.rows("SELECT received, complete FROM blobs") == [(2 * GET_BYTES_MAX, 0)]
    lane.mend()
    until(lambda: city.rows("SELECT complete FROM blobs") == [(1,)])
    # What was on its way when the line broke goes again, and nothing else of it.
    assert lane.cuts > 0
    assert len(photo) < lane.up - before < len(photo) + GET_BYTES_MAX + BESIDE_BYTES
    parts = city.rows("SELECT body FROM blob_pieces ORDER BY start")
    assert blob_name(b"".join(bytes(row[0]) for row in parts)).hex() == name
    until(lambda: district.rows("SELECT name FROM relayed_blobs") == [(name,)])
