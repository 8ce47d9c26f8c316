# SPDX-License-Identifier: Apache-2.0
"""Keys of sealed fields follow the households, end with a loss, and open nothing altered."""

from __future__ import annotations

from typing import Any

import pytest

from client_sdk import field_keys as of_tablet
from client_sdk.field_keys import hear, ring_of, secrets_of, told_to_teammate
from crypto.field import key_id
from fixtures.world import World
from server import devices, field_readers
from server.bundles import Lines, take_bundle
from sync.errors import ChangeInvalid
from sync.sealing import key_named, sealed_bytes, sealed_text
from tests.client_sdk.readers import (
    CLASSES,
    NUMBER,
    PLANTED,
    allow,
    assign,
    on_tablet,
    person,
    raw_of,
    reading,
    shown,
    unassign,
)

# ---- keys follow the households --------------------------------------------------------------


def test_a_reader_who_comes_later_opens_the_old_values(
    world: World, fields: dict[str, Any]
) -> None:
    a = reading(world, "a")
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    a.sync()
    late = world.tablet("late")
    late.sync()
    assert shown(late, one) == PLANTED


def test_a_household_brings_its_keys_to_the_team_that_is_given_it_and_no_others(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = reading(world, "a", "one"), reading(world, "b", "two")
    home, kept = (a.create_record("household", fields) for _ in range(2))
    one, stays = person(a, home, **PLANTED), person(a, kept, **PLANTED)
    a.sync()
    assign(world, "two", home)
    b.sync()
    assert shown(b, one) == PLANTED
    assert not b.holds(stays)
    unassign(world, "one", home)
    world.sync(a, b)
    # What the first team writes elsewhere from now on is not for the second, whoever shows it.
    a.edit(stays, illness="中风")
    b.edit(one, illness="糖尿病")
    world.sync(a, b)
    sealed = {t: raw_of(t, r, "illness") for t, r in ((a, stays), (b, one))}
    ids = {t: {key_id(secret) for secret in secrets_of(t._store)} for t in (a, b)}
    assert key_named(sealed[a]) in ids[a]
    assert key_named(sealed[a]) not in ids[b]
    assert key_named(sealed[b]) in ids[b]
    assert key_named(sealed[b]) not in ids[a]
    assert shown(b, one) == PLANTED | {"illness": "糖尿病"}


def test_nobody_is_given_a_key_for_a_household_that_is_not_theirs(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = reading(world, "a", "one"), reading(world, "b", "two")
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    a.sync()
    wanted = key_named(raw_of(a, one, "illness"))
    with b._store.transaction():
        b._store.put("field_keys_wanted", [[wanted, one]])
    b.sync()
    assert wanted not in {key_id(secret) for secret in secrets_of(b._store)}
    # Nor for one of its own in which that key seals nothing.
    own = b.create_record("household", fields)
    b.sync()
    with b._store.transaction():
        b._store.put("field_keys_wanted", [[wanted, own]])
    b.sync()
    assert wanted not in {key_id(secret) for secret in secrets_of(b._store)}


def test_a_class_that_is_withdrawn_takes_keys_and_search_texts_along(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = reading(world, "a", "one"), reading(world, "b", "two")
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    a.sync()
    assign(world, "two", home)
    b.sync()
    assert [hit.id for hit in b.search(NUMBER)] == [home]
    before = ring_of(a._store)
    with world.store.write() as tx:
        for readers in CLASSES:
            assert field_readers.withdraw_team(tx, "two", readers, "office", world.clock())
            assert not field_readers.withdraw_team(tx, "two", readers, "office", world.clock())
    world.sync(a, b)
    assert secrets_of(b._store) == []
    assert shown(b, one) == {}
    assert b.search(NUMBER) == []
    folded = NUMBER.lower()
    assert on_tablet(world, "b", [folded]) == {folded: 0}
    # What the first team writes from now on has keys that the second never had.
    after = ring_of(a._store)
    assert before is not None
    assert after is not None
    assert set(before.writes().values()).isdisjoint(after.writes().values())
    assert set(before.ids()) <= set(after.ids())


def test_a_lost_tablet_cannot_open_what_is_written_after_it_was_revoked(
    world: World, fields: dict[str, Any]
) -> None:
    a, lost = reading(world, "a"), reading(world, "lost")
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    world.sync(a, lost)
    assert shown(lost, one) == PLANTED
    stolen = secrets_of(lost._store)
    with world.store.write() as tx:
        devices.revoke(tx, world.district.key, devices.find(tx, "lost"), "lost", world.clock())
    world.district.reload()
    a.sync()
    a.edit(one, illness="糖尿病")
    a.sync()
    assert key_named(raw_of(a, one, "illness")) not in {key_id(secret) for secret in stolen}
    fresh = world.tablet("fresh")
    fresh.sync()
    assert shown(fresh, one) == PLANTED | {"illness": "糖尿病"}
    assert len({key_id(s) for s in secrets_of(fresh._store)}) > len(stolen)


# ---- other ways ------------------------------------------------------------------------------


def test_keys_come_by_stick(world: World, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    allow(world, "team")
    lines = Lines(world.folder / "office")
    for _ in range(2):
        a.import_bundle(take_bundle(world.district, lines, a.export_bundle()).answer)
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    assert shown(a, one) == PLANTED


def test_keys_come_from_a_teammate_and_to_nobody_else(world: World, fields: dict[str, Any]) -> None:
    a = reading(world, "a")
    b, other = world.tablet("b"), world.tablet("other", "second")
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    a.assign([home])
    for tablet in (b, other):
        tablet.assign([home])
        a.meet(tablet)
        assert tablet.holds(one)
    assert shown(b, one) == PLANTED
    assert shown(other, one) == {}
    assert secrets_of(other._store) == []
    assert told_to_teammate(a._store, other.replica) == []
    b.edit(one, illness="糖尿病")
    a.meet(b)
    assert a.read(one)["illness"] == "糖尿病"


def test_a_revoked_teammate_and_a_stranger_are_given_no_key(world: World) -> None:
    a, lost = reading(world, "a"), world.tablet("lost")
    with world.store.write() as tx:
        devices.revoke(tx, world.district.key, devices.find(tx, "lost"), "lost", world.clock())
    a.sync()
    assert told_to_teammate(a._store, lost.replica) == []
    assert told_to_teammate(a._store, b"s" * 16) == []
    assert told_to_teammate(a._store, None) == []


def test_a_ring_or_key_of_somebody_else_changes_nothing(world: World) -> None:
    a, b = reading(world, "a"), world.tablet("b")
    c = reading(world, "c", "second")
    a.meet(b)
    brought = told_to_teammate(a._store, b.replica)
    assert [kind for kind, _ in brought] == ["field-ring", "field-keys"]
    before = (ring_of(c._store), secrets_of(c._store))
    spoilt = [(kind, data[:-1] + bytes([data[-1] ^ 1])) for kind, data in brought]
    with c._store.transaction():
        hear(c._store, [*brought, *spoilt], [c._store.box])
    assert (ring_of(c._store), secrets_of(c._store)) == before


# ---- altered, moved, put in the clear --------------------------------------------------------


def test_a_sealed_value_put_elsewhere_or_altered_is_shown_as_sealed_and_as_a_conflict(
    world: World, fields: dict[str, Any]
) -> None:
    """A worker who holds the household and may not read copies values about, on a tablet whose
    program was changed."""
    a = reading(world, "a")
    rogue = world.tablet("rogue", "second", checked=False)
    home = a.create_record("household", fields)
    one, two = person(a, home, **PLANTED), person(a, home, illness="高血压")
    a.sync()
    assign(world, "second", home)
    world.sync(a, rogue)
    copied = raw_of(rogue, one, "illness")
    rogue._writer._sealed._fields = {}
    rogue.set_fields(two, {"illness": copied})
    rogue.set_fields(one, {"protection": copied})
    broken = bytearray(sealed_bytes(raw_of(rogue, one, "identity_number")))
    broken[-1] ^= 1
    a.edit(one, identity_number=NUMBER)
    rogue.set_fields(one, {"identity_number": sealed_text(bytes(broken))})
    world.sync(rogue, a)
    assert shown(a, two) == {}
    assert "protection" not in shown(a, one)
    # The mark is the honest one's, so that no server sees a conflict; a reader does.
    number = a.read(one).fields["identity_number"]
    assert number.conflict
    assert {s.by.worker for s in number.siblings} == {"w-a", "w-rogue"}
    assert NUMBER in [s.value for s in number.siblings]


def test_what_comes_in_the_clear_waits_for_the_auditor_and_is_not_merged(
    world: World, fields: dict[str, Any]
) -> None:
    a = reading(world, "a")
    old = world.tablet("old", checked=False)
    home = a.create_record("household", fields)
    one = person(a, home)
    world.sync(a, old)
    old._writer._sealed._fields = {}
    old.set_fields(one, {"illness": "高血压"})
    world.sync(old, a)
    assert a.read(one)["illness"] is None
    with world.store.read() as tx:
        assert [r[0] for r in tx.rows("SELECT reason FROM quarantine")] == ["limits"]


@pytest.mark.parametrize("text", ["sealed/1:", "sealed/1:AAAA", "sealed/1:" + "!" * 200])
def test_a_text_that_only_looks_sealed_is_none(text: str) -> None:
    with pytest.raises(ChangeInvalid):
        sealed_bytes(text)


def test_an_older_program_syncs_as_before_and_is_told_of_no_keys(
    world: World, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    a = reading(world, "a")
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    a.sync()
    old = world.tablet("old")
    monkeypatch.setattr(of_tablet, "said", lambda store: ("unknown-kind", b""))
    old.sync()
    assert old.holds(one)
    assert ring_of(old._store) is None
    assert shown(old, one) == {}
