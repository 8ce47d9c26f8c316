# SPDX-License-Identifier: Apache-2.0
"""A household moves to another district: who is given the keys of what was sealed, and who not."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from client_sdk.field_keys import secrets_of
from client_sdk.tablet import Tablet
from crypto.errors import SealRefused, StatementRefused
from crypto.field import key_id
from crypto.field_words import FieldAsk, FieldGiven, check_ask, check_given, issue_ask, issue_given
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from fixtures.district import new_district
from fixtures.world import HOUSEHOLD, World
from server import field_handing, field_readers, people
from server.cli import main
from server.district import District
from server.doctor_rights import rights_findings
from server.errors import NotFound
from server.field_handing import allow_server, askers, withdraw_server
from server.field_keys import FieldKeys
from server.history import stored_record
from server.linking import Linking
from server.reorganising import homes_of, writes_for
from server.store.sqlite import SqliteStore
from server.tiers import admit_server, vouch
from server.uplinks import UPSTREAM, NewLink, add_link
from server.verify import verify_store
from sync.collections import SCHEMA
from sync.messages import Relay, decode_request, encode_exchange
from sync.sealing import is_sealed, key_named

pytestmark = pytest.mark.slow

OLD, NEW = "440103019003", "440105021003"
ONE, TWO = "帕金森综合征", "脑梗塞后遗症"
BY = "office"


class Below(NamedTuple):
    """A district under the city."""

    world: World
    city: District

    @property
    def district(self) -> District:
        return self.world.district

    @property
    def id(self) -> str:
        return self.district.key.replica.hex()

    def exchange(self, body: bytes) -> bytes:
        request = decode_request(body)
        reply = self.city.relaying.answer(self.id, request, request.relay or Relay())
        return encode_exchange(reply)

    def climb(self) -> None:
        Linking(self.district, self.city.key.replica).run(self)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.world.store.read() as tx:
            return [tuple(row) for row in tx.rows(sql)]

    def sealed(self, record: str) -> dict[str, bytes]:
        """Each sibling of a person's illness as this server reads it, and its key."""
        out = {}
        with self.world.store.read() as tx:
            held = stored_record(tx, record)
            assert held is not None
            for d, value in held.state.registers["illness"].items():
                plain = self.district.fields.open(tx, record, "illness", d, value)
                out[str(plain)] = key_named(str(value))
        return out

    def reading(self, name: str, area: str) -> Tablet:
        """A tablet of a team that holds an area and reads illnesses there."""
        tablet = self.world.tablet(name, name)
        with self.world.store.write() as tx:
            people.assign_area(tx, name, area, BY, self.world.clock())
            field_readers.allow_team(tx, SCHEMA, name, "illness", BY, self.world.clock())
        tablet.sync()
        return tablet


class Town(NamedTuple):
    """A city and two districts, each with a team of readers."""

    city: District
    west: Below
    east: Below
    a: Tablet
    b: Tablet

    def climb(self, times: int = 1) -> None:
        for _ in range(times):
            for one in (self.west, self.east):
                one.climb()

    def move(self) -> None:
        """The city gives all of the old area to the new one; all servers hear of it."""
        with self.city.store.read() as tx:
            writes = writes_for(tx, SCHEMA, homes_of(tx, OLD), OLD, NEW)
        self.city.write_many(BY, writes)
        self.climb(2)

    def person(self, illness: str) -> str:
        home = self.a.create_record("household", HOUSEHOLD | {"area": OLD})
        one = self.a.create_record(
            "person", {"household": home, "name": "陈秀英", "illness": illness}
        )
        self.a.sync()
        self.climb()
        return one


def below(folder: Path, city: District, name: str, area: str) -> Below:
    """A district of its own below the city."""
    folder.mkdir()
    world = World(folder)
    here = world.district
    with city.store.write() as tx:
        public, box = here.key.public, here.box.public
        _, certificate = admit_server(tx, city.key, name, area, public, box, 1)
    city.reload()
    with here.writing() as tx:
        public, box = city.key.public, city.box.public
        add_link(tx, NewLink(UPSTREAM, "city", public, box, certificate=certificate, area=area), 1)
        here.learn(tx, [vouch(tx, here.key, "广州市", "", public, box, 1)], 1)
    return Below(world, city)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with ExitStack() as stack:
        store = SqliteStore(tmp_path / "city.db", secrets.token_hex(32))
        stack.callback(store.close)
        clock = iter(range(1_700_000_000_000, 1_800_000_000_000)).__next__
        city = District(store, SCHEMA, DeviceKey.generate(), BoxKey.generate(), clock)
        west = below(tmp_path / "west", city, "west", "440103")
        east = below(tmp_path / "east", city, "east", "440105")
        for one in (west, east):
            stack.callback(one.world.close)
        town = Town(city, west, east, west.reading("west", OLD), east.reading("east", NEW))
        town.climb(2)
        yield town


def ids(tablet: Tablet) -> set[bytes]:
    return {key_id(secret) for secret in secrets_of(tablet._store)}


def allow(giver: Below, asker: Below) -> None:
    with giver.world.store.write() as tx:
        allow_server(tx, asker.id, BY, giver.world.clock())


def test_a_household_that_moves_is_read_at_the_new_place_and_its_later_values_no_longer_at_the_old(
    town: Town,
) -> None:
    west, east, a, b = town.west, town.east, town.a, town.b
    one = town.person(ONE)
    old = west.sealed(one)[ONE]
    town.move()
    b.sync()
    assert is_sealed(b.read(one)["illness"])
    town.climb(2)
    # Nobody is given anything before an officer of the old district named the new one by its id.
    assert [(x.server, x.name, x.due, x.allowed_at_ms) for x in named(west)] == [
        (east.id, "east", 1, None)
    ]
    assert old not in ids(b)
    assert [graded(here, "field-keys") for here in (west, east)] == ["warning", "warning"]
    allow(west, east)
    town.climb(2)
    assert [graded(here, "field-keys") for here in (west, east)] == ["good", "good"]
    b.sync()
    assert b.read(one)["illness"] == ONE
    assert east.sealed(one) == {ONE: old}
    # No server between the two reads it, nor anything of the words on their way.
    with town.city.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM field_words") == [(2,)]
        assert FieldKeys(town.city.boxes).named(tx, old) is None
    # A conflict of what both places wrote is read and settled at the new place.
    a.edit(one, illness=TWO)
    b.edit(one, illness="高血压")
    a.sync()
    a.sync()
    assert not a.holds(one)
    town.climb(2)
    b.sync()
    assert {s.value for s in b.read(one).fields["illness"].siblings} == {TWO, "高血压"}
    b.resolve(one, "illness", TWO, reason="看过病历")
    b.sync()
    town.climb()
    # What is written there has a key that the old place never had, and the other way round.
    home = a.create_record("household", HOUSEHOLD | {"area": "440103019004"})
    stays = a.create_record("person", {"household": home, "name": "何", "illness": ONE})
    a.sync()
    assert east.sealed(one)[TWO] not in ids(a)
    assert west.sealed(stays)[ONE] not in ids(b) | {old}
    for district in (town.city, west.district, east.district):
        with district.store.read() as tx:
            assert verify_store(tx, SCHEMA, district.key.public).holds


def graded(here: Below, name: str) -> str:
    """What the doctor says of one check."""
    with here.world.store.read() as tx:
        return next(one.grade for one in rights_findings(tx, 1) if one.name == name)


def named(here: Below) -> list[field_handing.Asker]:
    with here.world.store.read() as tx:
        return list(askers(tx, here.district.trust))


def test_a_server_gets_no_key_of_a_household_that_is_not_in_its_area(town: Town) -> None:
    west, east = town.west, town.east
    one = town.person(ONE)
    key = west.sealed(one)[ONE]
    said = FieldAsk(east.district.key.replica, 5, east.district.box.public, ((key, one),))
    with west.district.writing() as tx:
        field_handing.hear_words(tx, west.district, [issue_ask(east.district.key, said)], 5)
    allow(west, east)
    # Nor does the city, whose area has both, and which above all holds the record.
    said = FieldAsk(town.city.key.replica, 6, town.city.box.public, ((key, one),))
    with west.district.writing() as tx:
        field_handing.hear_words(tx, west.district, [issue_ask(town.city.key, said)], 6)
        allow_server(tx, town.city.key.replica.hex(), BY, 6)
    town.climb(3)
    assert [(x.due, x.given, x.asked) for x in named(west)] == [(0, 0, 1)] * 2
    town.move()
    town.climb(2)
    given = {x.server: x.given for x in named(west)}
    assert given == {east.id: 1, town.city.key.replica.hex(): 0}
    # Of another record of that household, in which the key seals nothing, neither.
    with west.district.store.read() as tx:
        assert key not in field_handing.keys_in(tx, "another")


def test_a_server_that_has_none_above_gives_to_the_district_that_was_put_below_it(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        (tmp_path / "top").mkdir()
        world = World(tmp_path / "top")
        stack.callback(world.close)
        top = Below(world, world.district)
        east = below(tmp_path / "east", top.district, "east", "440105")
        stack.callback(east.world.close)
        a, b = top.reading("west", OLD), east.reading("east", NEW)
        homes = [a.create_record("household", HOUSEHOLD | {"area": OLD}) for _ in range(2)]
        said = {"name": "陈秀英", "illness": ONE}
        one = a.create_record("person", said | {"household": homes[0]})
        a.sync()
        old = top.sealed(one)[ONE]
        # A household of the top server's own team goes to the new district; the other one stays.
        stays = a.create_record("person", said | {"household": homes[1]})
        a.sync()
        with top.district.store.read() as tx:
            writes = writes_for(tx, SCHEMA, homes[:1], OLD, NEW)
        top.district.write_many(BY, writes)
        for _ in range(2):
            east.climb()
        b.sync()
        assert is_sealed(b.read(one)["illness"])
        assert [(x.server, x.due, x.given) for x in named(top)] == [(east.id, 1, 0)]
        allow(top, east)
        for _ in range(2):
            east.climb()
        b.sync()
        assert b.read(one)["illness"] == ONE
        assert [(x.due, x.given) for x in named(top)] == [(0, 1)]
        # The top server goes on with a key of its own, and asks nobody below for theirs.
        b.edit(one, illness=TWO)
        b.sync()
        east.climb()
        with pytest.raises(SealRefused):
            top.sealed(one)
        assert top.rows("SELECT count(*) FROM field_wants") == [(0,)]
        for _ in range(2):
            a.edit(stays, illness=TWO)
            a.sync()
        assert top.sealed(stays)[TWO] != old


def test_what_the_office_wrote_goes_along_and_it_goes_on_with_another_key(town: Town) -> None:
    west, east = town.west, town.east
    home, other = (
        west.district.write(BY, "household", None, HOUSEHOLD | {"area": area})
        for area in (OLD, "440103019009")
    )
    with west.world.store.write() as tx:
        field_readers.withdraw_team(tx, "west", "illness", BY, 7)
    said = {"name": "陈秀英", "illness": ONE}
    one = west.district.write(BY, "person", None, said | {"household": home})
    town.climb()
    town.move()
    town.climb(2)
    allow(west, east)
    town.climb(2)
    assert set(east.sealed(one)) == {ONE}
    later = west.district.write(BY, "person", None, said | {"household": other})
    assert west.sealed(later)[ONE] != west.sealed(one)[ONE]


def test_a_leave_taken_back_gives_nothing_further_and_is_in_the_journal(town: Town) -> None:
    west, east = town.west, town.east
    one = town.person(ONE)
    town.move()
    town.climb(2)
    allow(west, east)
    with west.world.store.write() as tx:
        withdraw_server(tx, east.id, BY, 7)
        with pytest.raises(NotFound):
            withdraw_server(tx, east.id, BY, 7)
        with pytest.raises(NotFound):
            allow_server(tx, "00", BY, 7)
    town.climb(2)
    assert east.rows("SELECT count(*) FROM field_foreign") == [(0,)]
    with pytest.raises(SealRefused):
        east.sealed(one)
    found = west.rows("SELECT what FROM journal WHERE what LIKE 'field-server%' ORDER BY n")
    assert found == [("field-server-allow",), ("field-server-withdraw",)]


def test_a_word_that_is_not_its_signers_or_was_altered_changes_nothing(town: Town) -> None:
    east = town.east
    stranger, box = DeviceKey.generate(), BoxKey.generate().public
    said = FieldAsk(stranger.replica, 5, box, ((b"k" * 8, "r"),))
    given = FieldGiven(stranger.replica, 5, east.district.key.replica, b"w")
    for whole, check in (
        (issue_ask(stranger, said), check_ask),
        (issue_given(stranger, given), check_given),
    ):
        assert check(whole, stranger.public)
        for wrong in (whole[:-1], whole[:70] + b"\0" + whole[71:], b"", whole + b"\0" * 9_000):
            with pytest.raises(StatementRefused):
                check(wrong, stranger.public)
        with east.district.writing() as tx:
            field_handing.hear_words(tx, east.district, [whole, b"", b"x" * 90], 5)
    with pytest.raises(StatementRefused):
        issue_given(DeviceKey.generate(), given)
    assert east.rows("SELECT count(*) FROM field_words") == [(0,)]


def test_the_office_lists_who_asked_and_names_whom_it_gives_to(tmp_path: Path) -> None:
    settings = new_district(tmp_path / "one")
    call = ["--lang", "en", "--data-dir", settings.data_dir, "fields"]
    found = CliRunner().invoke(main, [*call, "asked"])
    assert (found.exit_code, "This server: " in found.output) == (0, True)
    for command in ("give", "keep"):
        found = CliRunner().invoke(main, [*call, command, "00", "--by", BY])
        assert (found.exit_code, "server/not-found" in found.output) == (1, True)
