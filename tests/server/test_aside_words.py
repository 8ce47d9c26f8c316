# SPDX-License-Identifier: Apache-2.0
"""What a district set aside of a lost tablet is set aside in the city too, and nowhere merged."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from fixtures.world import HOUSEHOLD, World
from server import devices
from server.aside_words import ASIDE, REVOKED, Span, aside_words, hear_asides
from server.district import District
from server.linking import Linking
from server.store.sqlite import SqliteStore
from server.tiers import admit_server, vouch
from server.uplinks import UPSTREAM, NewLink, add_link
from server.verify import verify_store
from sync.clock import dot
from sync.collections import SCHEMA
from sync.messages import Relay, decode_request, encode_exchange


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.close()


class Hand:
    """Hands the district's requests to the city."""

    def __init__(self, below: District, above: District) -> None:
        self.below, self.above = below, above

    def exchange(self, body: bytes) -> bytes:
        request = decode_request(body)
        device = self.below.key.replica.hex()
        return encode_exchange(
            self.above.relaying.answer(device, request, request.relay or Relay())
        )

    def climb(self) -> None:
        Linking(self.below, self.above.key.replica).run(self)


@pytest.fixture
def hand(world: World, tmp_path: Path) -> Iterator[Hand]:
    """A city over the district."""
    store = SqliteStore(tmp_path / "city.db", secrets.token_hex(32))
    above = District(store, SCHEMA, DeviceKey.generate(), BoxKey.generate(), world.clock)
    below = world.district
    with store.write() as tx:
        public, box = below.key.public, below.box.public
        _, certificate = admit_server(tx, above.key, "below", "440103", public, box, 1)
    above.reload()
    with below.writing() as tx:
        public, box = above.key.public, above.box.public
        new = NewLink(UPSTREAM, "city", public, box, certificate=certificate, area="440103")
        add_link(tx, new, 1)
        below.learn(tx, [vouch(tx, below.key, "广州市", "", public, box, 1)], 1)
    yield Hand(below, above)
    store.close()


def lose(world: World, name: str) -> None:
    """Revoke a tablet, as its office does."""
    with world.store.write() as tx:
        device = world.tablets[name].replica.hex()
        devices.revoke(tx, world.district.key, device, "lost", world.clock())
    world.district.reload()


def of(district: District, sql: str) -> list[tuple[object, ...]]:
    with district.store.read() as tx:
        return [tuple(row) for row in tx.rows(sql)]


HOMES = "SELECT id, digest FROM homes ORDER BY id"
QUARANTINE = "SELECT dot, reason FROM quarantine ORDER BY dot"


def test_what_a_lost_tablet_brings_late_is_merged_neither_in_the_district_nor_in_the_city(
    world: World, hand: Hand
) -> None:
    tablet = world.tablet("a")
    home = tablet.create_record("household", dict(HOUSEHOLD))
    tablet.sync()
    hand.climb()
    for number in range(3):
        tablet.edit(home, phone=f"1380013800{number}")
    lose(world, "a")
    tablet.sync()
    hand.climb()
    assert len(of(hand.below, QUARANTINE)) == 3
    assert of(hand.above, QUARANTINE) == of(hand.below, QUARANTINE)
    assert of(hand.above, HOMES) == of(hand.below, HOMES)
    for district in (hand.above, hand.below):
        with district.store.read() as tx:
            assert verify_store(tx, SCHEMA, district.key.public).holds


def test_what_was_brought_in_time_is_merged_in_the_city_though_it_goes_up_after_the_loss(
    world: World, hand: Hand
) -> None:
    tablet = world.tablet("a")
    home = tablet.create_record("household", dict(HOUSEHOLD))
    tablet.sync()
    lose(world, "a")
    tablet.edit(home, phone="13800138001")
    tablet.sync()
    hand.climb()
    assert [row[0] for row in of(hand.above, HOMES)] == [home]
    assert of(hand.above, HOMES) == of(hand.below, HOMES)
    assert of(hand.above, QUARANTINE) == of(hand.below, QUARANTINE)


def test_a_word_counts_from_the_server_that_signed_it_and_about_others_tablets_alone(
    world: World, hand: Hand
) -> None:
    tablet = world.tablet("a")
    home = tablet.create_record("household", dict(HOUSEHOLD))
    lose(world, "a")
    tablet.edit(home, phone="13800138001")
    tablet.sync()
    hand.climb()
    below = hand.below
    with below.store.read() as tx:
        rows = tx.rows("SELECT dot FROM quarantine WHERE reason = ?", [REVOKED])
        runs = [Span(tablet.replica, 1, len(rows))]
        ((kind, word),) = aside_words(tx, below.key, runs)
        assert kind == ASIDE
        (mine,) = aside_words(tx, DeviceKey.generate(), runs)
    with hand.above.store.read() as tx:
        trust, device = hand.above.trust, below.key.replica.hex()
        heard = hear_asides(tx, trust, device, [(kind, word)])
        assert heard.has(dot(tablet.replica, 1, b"\0" * 4))
        assert not heard.has(dot(tablet.replica, len(rows) + 1, b"\0" * 4))
        other = hand.above.key.replica.hex()
        for statement in (mine[1], word[:-1] + bytes([word[-1] ^ 1]), b""):
            assert hear_asides(tx, trust, device, [(kind, statement)]).spans == ()
        assert hear_asides(tx, trust, other, [(kind, word)]).spans == ()
    with below.store.read() as tx:
        # A city that said so of the district's own tablet would not be believed.
        (turned,) = aside_words(tx, hand.above.key, runs)
        above = hand.above.key.replica.hex()
        assert hear_asides(tx, below.trust, above, [turned]).spans == ()
