# SPDX-License-Identifier: Apache-2.0
"""Two tablets meet: what each takes in, what it may not read, copies that find each other."""

from typing import Any

import pytest

from client_sdk.errors import MeetingRefused, PeerUnknown
from crypto.errors import SignatureRefused
from sync.errors import SyncError


def test_two_edits_that_did_not_know_of_each_other_both_stay(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    a.meet(b)
    a.edit(home, phone="13900139000")
    b.edit(home, phone="13700137000")
    a.meet(b)
    for tablet in (a, b):
        shown = tablet.read(home).fields["phone"]
        assert shown.conflict
        assert shown.open
        assert [s.value for s in shown.siblings] == ["13900139000", "13700137000"]
        first = shown.siblings[0]
        assert first.by.device == "a"
        assert [w.device for w in first.had_seen] == ["a"]
        assert [w.device for w in first.had_not_seen] == ["b"]
    b.resolve(home, "phone", "13700137000", reason="问过本人")
    a.meet(b)
    assert a.conflicts() == b.conflicts() == []
    assert a.read(home)["phone"] == "13700137000"


def test_a_teammate_carries_what_it_may_not_read_to_the_district(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a", "team one"), world.tablet("b", "team two")
    home = a.create_record("household", fields)
    taken = a.give_to(b)
    assert (taken.changes, taken.carried) == (0, 1)
    assert not b.holds(home)
    rows = b._store.rows("SELECT raw, record FROM feed")
    assert rows == [(None, None)]
    b.sync()
    with world.store.read() as tx:
        assert [r[0] for r in tx.rows("SELECT id FROM records")] == [home]
    assert b.status().carried == 0


def test_what_was_carried_blank_is_read_once_the_household_is_held(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a", "team one"), world.tablet("b", "team two")
    home = a.create_record("household", fields)
    a.give_to(b)
    b.assign([home])
    a.give_to(b)
    assert b.read(home)["phone"] == fields["phone"]


def test_a_second_meeting_brings_nothing_twice(world: Any, fields: dict[str, Any]) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    a.create_record("household", fields)
    assert a.meet(b).given == 1
    again = a.meet(b)
    assert (again.given, again.taken, again.records) == (0, 0, 0)


def test_two_copies_of_one_store_go_on_under_new_keys_and_lose_nothing(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.close()
    world.copy("a", "twin")
    a, twin = world.open("a"), world.open("a", "twin")
    assert a.replica == twin.replica
    a.edit(home, phone="13900139000")
    twin.edit(home, phone="13700137000")
    a.meet(twin)
    assert a.replica != twin.replica
    for tablet in (a, twin):
        values = {s.value for s in tablet.read(home).fields["phone"].siblings}
        assert values == {"13900139000", "13700137000"}
    a.edit(home, phone="13600136000")
    a.meet(twin)
    assert twin.read(home)["phone"] == "13600136000"


def test_a_tablet_without_a_certificate_gets_and_gives_nothing(
    world: Any, fields: dict[str, Any]
) -> None:
    a, stranger = world.tablet("a"), world.tablet("stranger", certified=False)
    a.create_record("household", fields)
    with pytest.raises((PeerUnknown, MeetingRefused)):
        a.give_to(stranger)
    stranger.create_record("household", fields)
    with pytest.raises((PeerUnknown, MeetingRefused)):
        stranger.give_to(a)
    assert len(a.records()) == 1


def test_an_altered_gift_is_refused_whole(world: Any, fields: dict[str, Any]) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    for _ in range(3):
        a.create_record("household", fields)
    greeting = a.greet(b.replica)
    given = a.give(b.greet(a.replica))
    at = given.index(fields["phone"].encode())
    altered = given[:at] + b"9" + given[at + 1 :]
    with pytest.raises((SyncError, SignatureRefused, PeerUnknown)):
        b.take(greeting, altered)
    assert b.records() == []
    assert b.take(greeting, given).changes == 3


def test_a_teammate_passes_on_what_it_was_given(world: Any, fields: dict[str, Any]) -> None:
    a, b, c = world.tablet("a"), world.tablet("b"), world.tablet("c")
    home = a.create_record("household", fields)
    a.meet(b)
    b.edit(home, phone="13900139000")
    b.meet(c)
    assert c.read(home)["phone"] == "13900139000"
    assert c.read(home).fields["address"].siblings[0].by.device == "a"


def test_one_who_holds_a_part_of_a_feed_gives_little_of_it_back(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    for _ in range(20):
        a.create_record("household", fields)
    a.meet(b)
    for _ in range(3):
        a.create_record("household", fields)
    report = a.meet(b)
    assert report.given == 3
    assert b.give_to(a).changes == 0
    assert len(a.greet(b.replica)) < 5_000


def test_what_is_given_names_only_households_that_the_other_holds_too(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a", "one"), world.tablet("b", "two")
    shared = a.create_record("household", {**fields, "address": "共同东路1号"})
    own = a.create_record("household", {**fields, "address": "本组西路2号"})
    a.assign([shared, own])
    b.assign([shared])
    given = a.give(b.greet(a.replica))
    assert "共同东路1号".encode() in given
    assert "本组西路2号".encode() not in given
