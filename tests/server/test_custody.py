# SPDX-License-Identifier: Apache-2.0
"""Custody beyond the district: the upstream and the backup, shown to worker and officer."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crypto.errors import StatementRefused
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from crypto.statement import PLACES_MAX, Held, check_held, issue_held
from fixtures.world import HOUSEHOLD, World
from server.bundles import Lines, make_for_upstream, take_bundle
from server.cli import main
from server.custody import custody_of
from server.custody_places import PROVINCE, note_backup
from server.district import District
from server.linking import Linking
from server.reach import Far, beyond, note_mark
from server.store.sqlite import SqliteStore
from server.tiers import admit_server, vouch
from server.uplinks import UPSTREAM, NewLink, add_link
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


@pytest.fixture
def city(world: World, tmp_path: Path) -> Iterator[Hand]:
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


def climb(hand: Hand) -> None:
    Linking(hand.below, hand.above.key.replica).run(hand)


def backed_up(world: World) -> None:
    with world.store.write() as tx:
        note_backup(tx, world.district.lineage.last_seq(tx), world.clock())


def kinds(tablet: Any, record: str) -> list[list[str]]:
    """Of each change, the newest first, in the order of the alphabet."""
    return [sorted(place.kind for place in one.places) for one in tablet.custody(record)]


def test_a_change_is_seen_at_the_city_and_in_the_backup_only_once_it_is_there(
    world: World, city: Hand
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", HOUSEHOLD)
    a.sync()
    a.sync()
    assert kinds(a, home) == [["district", "tablet"]]
    climb(city)
    a.edit(home, phone="13700137000")
    a.sync()
    assert kinds(a, home) == [["district", "tablet"], ["city", "district", "tablet"]]
    backed_up(world)
    a.edit(home, phone="13600136000")
    a.sync()
    new, second, first = kinds(a, home)
    assert set(new) == {"tablet", "district"}
    assert set(second) == {"tablet", "district", "backup"}
    assert set(first) == {"tablet", "district", "city", "backup"}
    with world.store.read() as tx:
        seen = custody_of(tx, world.district.key.replica, home)
    assert [set(one.places) for one in seen] == [{"city", "backup"}, {"backup"}, set()]
    assert {(one.writer, one.carrier) for one in seen} == {("a", "")}


def test_the_officer_sees_who_carried_it(world: World) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", HOUSEHOLD)
    b.take(a.greet(b.replica), a.give(b.greet(a.replica)))
    b.sync()
    with world.store.read() as tx:
        (seen,) = custody_of(tx, world.district.key.replica, home)
    assert (seen.writer, seen.carrier, seen.places) == ("a", "b", ())


def test_a_city_that_was_set_back_holds_what_the_district_says_now(
    world: World, city: Hand
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", HOUSEHOLD)
    a.sync()
    climb(city)
    a.sync()
    assert "city" in kinds(a, home)[0]
    with world.store.write() as tx:
        tx.run("DELETE FROM peer_points")
    a.sync()
    assert kinds(a, home) == [["district", "tablet"]]


def test_only_the_districts_word_on_places_holds() -> None:
    key = DeviceKey.generate()
    places = (("city", bytes(16), bytes(16), 1, bytes(32)),)
    word = issue_held(key, Held(bytes(16), key.replica, 1, places))
    assert check_held(word, key.public).places == places
    with pytest.raises(StatementRefused):
        check_held(word, DeviceKey.generate().public)
    with pytest.raises(StatementRefused):
        check_held(word[:-1] + bytes([word[-1] ^ 1]), key.public)
    with pytest.raises(StatementRefused):
        issue_held(key, Held(bytes(16), key.replica, 1, places * (PLACES_MAX + 1)))


def test_the_command_tells_an_officer_of_the_backup(tmp_path: Path) -> None:
    base = ["--data-dir", str(tmp_path / "d"), "--lang", "en"]

    def doorstep(*arguments: str, code: int = 0) -> str:
        found = CliRunner().invoke(main, [*base, *arguments])
        assert found.exit_code == code, found.output
        return found.output

    doorstep("init")
    source = tmp_path / "h.json"
    source.write_text(json.dumps([HOUSEHOLD | {"id": "h1"}]))
    doorstep("areas", "import", "fixtures/areas.csv")
    doorstep("import", str(source))
    assert "no verified backup" in doorstep("custody", "h1")
    doorstep("backup", str(tmp_path / "b.db"))
    assert "backup" in doorstep("custody", "h1").split("The last verified")[0]
    doorstep("custody", "nobody", code=1)


def test_a_place_beyond_the_upstream_counts_once_the_upstream_says_so(
    world: World, city: Hand
) -> None:
    above, province = city.above.key.replica, b"p" * 16
    with world.store.write() as tx:
        for own, theirs in ((5, 10), (9, 20)):
            note_mark(tx, above, own, theirs)
        for reached, own_there in ((9, []), (10, [5]), (15, [5]), (20, [9])):
            tx.run("DELETE FROM reaches")
            tx.run(
                "INSERT INTO reaches (server, kind, holder, seq) VALUES (?, ?, ?, ?)",
                [above, PROVINCE, province, reached],
            )
            assert beyond(tx) == [Far(PROVINCE, province, own) for own in own_there], reached


def test_an_answer_on_a_stick_that_an_exchange_by_line_overtook_changes_nothing(
    world: World, city: Hand, tmp_path: Path
) -> None:
    below, above = Lines(tmp_path / "below"), Lines(tmp_path / "above")
    tablet = world.tablet("a")

    def link() -> list[tuple[Any, ...]]:
        with world.store.read() as tx:
            return tx.rows("SELECT incarnation, seq, after, up_seq, met_at_ms FROM links")

    tablet.create_record("household", HOUSEHOLD)
    tablet.sync()
    _, _, asked = make_for_upstream(city.below, below)
    answer = take_bundle(city.above, above, asked).answer
    tablet.create_record("household", HOUSEHOLD)
    tablet.sync()
    climb(city)
    before = link()
    told = take_bundle(city.below, below, answer)
    assert (told.above, told.records, told.more) == (True, 0, False)
    assert link() == before
    # The same question, where nothing came in between, takes its answer.
    _, _, asked = make_for_upstream(city.below, below)
    take_bundle(city.below, below, take_bundle(city.above, above, asked).answer)
    assert link() != before
