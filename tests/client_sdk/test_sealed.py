# SPDX-License-Identifier: Apache-2.0
"""Sealed fields between tablets and their district: who reads, who merges, what a loss ends."""

from __future__ import annotations

from typing import Any

import pytest

from client_sdk import field_keys as of_tablet
from client_sdk.errors import EntryRefused
from client_sdk.field_keys import hear, ring_of, secrets_of, told_to_teammate
from client_sdk.store.opening import PAGE_BYTES
from client_sdk.tablet import Tablet
from crypto.field import key_id
from fixtures.pages import count_of, plain_pages
from fixtures.world import World
from server import devices, field_readers, people
from server.bundles import Lines, take_bundle
from sync.errors import ChangeInvalid
from sync.sealing import SEALED, is_sealed, key_named, sealed_bytes, sealed_text

CLASSES = ("identity", "illness", "child")
NUMBER, ILLNESS, CHILD = "44010319520706123X", "帕金森综合征合并脑梗塞", "手臂有淤青，孩子不敢回家"
PLANTED = {"identity_number": NUMBER, "illness": ILLNESS, "protection": CHILD}


def allow(world: World, team: str, *classes: str) -> None:
    with world.store.write() as tx:
        for readers in classes or CLASSES:
            field_readers.allow_team(
                tx, world.district.schema, team, readers, "office", world.clock()
            )


def reading(world: World, name: str, team: str = "team") -> Tablet:
    """A tablet of a team that reads all classes, with its keys."""
    tablet = world.tablet(name, team)
    allow(world, team)
    tablet.sync()
    return tablet


def person(tablet: Tablet, home: str, **more: Any) -> str:
    return tablet.create_record("person", {"household": home, "name": "陈秀英", **more})


def assign(world: World, team: str, *homes: str) -> None:
    with world.store.write() as tx:
        people.assign_homes(tx, team, list(homes), "office", world.clock())


def unassign(world: World, team: str, *homes: str) -> None:
    with world.store.write() as tx:
        people.unassign_homes(tx, team, list(homes), "office", world.clock())


def shown(tablet: Tablet, record: str) -> dict[str, Any]:
    """What a tablet shows of the planted fields; those it cannot read are left out."""
    values = tablet.read(record).values
    return {n: values[n] for n in PLANTED if n in values and not is_sealed(values[n])}


def on_tablet(world: World, name: str, words: list[str]) -> dict[str, int]:
    """How often these words stand in the pages of a tablet's store, as a finder of its key has
    them, and in the files beside it."""
    folder = world.folder / name
    raw = bytes.fromhex(world.keys[name].reveal()[2:-1].decode())
    found = count_of(words, plain_pages(folder / "store.db", raw, PAGE_BYTES))
    for file in folder.rglob("*"):
        for word in words:
            found[word] += file.read_bytes().count(word.encode()) if file.is_file() else 0
    return found


def at_server(world: World, words: list[str]) -> dict[str, int]:
    """The same in the pages of the district's store, with its key."""
    path, key = world.folder / "district.db", bytes.fromhex(world.store_key)
    return count_of(words, plain_pages(path, key, 8192, "sha256"))


# ---- who reads -------------------------------------------------------------------------------


def test_a_teammate_reads_what_is_sealed_and_finds_people_by_it(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = reading(world, "a"), reading(world, "b")
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    world.sync(a, b)
    assert shown(a, one) == shown(b, one) == PLANTED
    for tablet in (a, b):
        assert [hit.id for hit in tablet.search(NUMBER[3:12])] == [home]
    b.edit(one, illness="高血压")
    world.sync(b, a)
    assert a.read(one)["illness"] == "高血压"
    a.edit(one, illness=None)
    world.sync(a, b)
    assert b.read(one)["illness"] is None


def test_a_worker_who_may_not_read_holds_it_merges_it_and_cannot_write_or_find_it(
    world: World, fields: dict[str, Any]
) -> None:
    a, other = reading(world, "a"), world.tablet("other", "second")
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    a.sync()
    assign(world, "second", home)
    world.sync(a, other)
    assert shown(other, one) == {}
    assert other.search(NUMBER) == []
    with pytest.raises(EntryRefused) as refused:
        other.edit(one, illness="高血压")
    assert [p.code for p in refused.value.problems] == ["value/no-key"]
    assert "疾病" in refused.value.problems[0].message()
    # What it may write it writes, and the sealed values go through its hands unread.
    other.edit(one, phone="12600000009")
    world.sync(other, a)
    assert a.read(one)["phone"] == "12600000009"
    assert shown(a, one) == PLANTED


def test_each_class_has_its_own_readers(world: World, fields: dict[str, Any]) -> None:
    a, half = reading(world, "a"), world.tablet("half", "second")
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    a.sync()
    assign(world, "second", home)
    allow(world, "second", "identity")
    world.sync(a, half)
    assert shown(half, one) == {"identity_number": NUMBER}
    assert [hit.id for hit in half.search(NUMBER)] == [home]


def test_nothing_in_the_clear_is_written_by_a_tablet_without_a_key_and_the_worker_is_told(
    world: World, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    written = a.status().written
    with pytest.raises(EntryRefused) as refused:
        person(a, home, **PLANTED)
    assert {p.field for p in refused.value.problems} == set(PLANTED)
    assert a.status().written == written
    assert "no key" in refused.value.problems[0].message("en")


# ---- where it lies ---------------------------------------------------------------------------


def test_no_page_of_another_tablet_or_of_the_server_has_it_and_the_same_scan_finds_it_unsealed(
    world: World, fields: dict[str, Any]
) -> None:
    """The district's store stands for every other server: those above and beside hold the same
    records, and no key in any of them."""
    a, other = reading(world, "a"), world.tablet("other", "second")
    home = a.create_record("household", fields)
    one = person(a, home, **PLANTED)
    a.append(one, "notes", "对照：这一句没有封存")
    a.sync()
    assign(world, "second", home)
    world.sync(a, other)
    b = reading(world, "b")
    a.edit(one, illness=ILLNESS + "加重")
    b.edit(one, illness=ILLNESS + "好转")
    world.sync(a, b, other)
    assert other.read(one).fields["illness"].conflict
    words, control = list(PLANTED.values()), "对照：这一句没有封存"
    for found in (
        on_tablet(world, "other", [*words, control]),
        at_server(world, [*words, control]),
    ):
        assert found.pop(control) > 0
        assert found == dict.fromkeys(words, 0)


def test_the_readers_own_store_has_no_plain_value_but_in_what_it_searches(
    world: World, fields: dict[str, Any]
) -> None:
    a = reading(world, "a")
    home = a.create_record("household", fields)
    person(a, home, **PLANTED)
    a.sync()
    assert on_tablet(world, "a", list(PLANTED.values())) == dict.fromkeys(PLANTED.values(), 0)
    a.search("x")
    folded = NUMBER.lower()
    assert on_tablet(world, "a", [folded])[folded] > 0


# ---- merging unread --------------------------------------------------------------------------


def test_two_equal_values_are_no_conflict_and_two_different_ones_are_one_for_everybody(
    world: World, fields: dict[str, Any]
) -> None:
    a, b, other = reading(world, "a"), reading(world, "b"), world.tablet("other", "second")
    home = a.create_record("household", fields)
    one = person(a, home)
    a.sync()
    assign(world, "second", home)
    world.sync(a, b, other)
    for tablet in (a, b):
        tablet.edit(one, identity_number=NUMBER)
    a.edit(one, illness="高血压")
    b.edit(one, illness="糖尿病")
    world.sync(a, b, other)
    for tablet in (a, b, other):
        found = tablet.read(one).fields
        assert len(found["identity_number"].siblings) == 2
        assert not found["identity_number"].conflict
        assert found["illness"].conflict
        assert found["illness"].open
        assert [record.id for record in tablet.conflicts()] == [one]
    assert [hit.conflicts for hit in other.households()] == [0]
    with world.store.read() as tx:
        rows = tx.rows("SELECT field FROM conflicts WHERE state = 'open'")
    assert rows == [("illness",)]
    values = {s.by.worker: s.value for s in a.read(one).fields["illness"].siblings}
    assert values == {"w-a": "高血压", "w-b": "糖尿病"}
    writers = {s.by.worker for s in other.read(one).fields["illness"].siblings}
    assert writers == {"w-a", "w-b"}
    # Overwriting the one of two equal siblings leaves the other with its own ciphertext.
    a.resolve(one, "illness", "糖尿病", reason="问过本人")
    world.sync(a, b, other)
    assert other.conflicts() == []
    assert b.read(one)["illness"] == "糖尿病"


def test_the_one_of_two_equal_values_that_stays_still_opens(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = reading(world, "a"), reading(world, "b")
    home = a.create_record("household", fields)
    one = person(a, home)
    world.sync(a, b)
    a.edit(one, illness="高血压")
    b.edit(one, illness="高血压")
    # b overwrites its own before it hears of a's.
    b.edit(one, illness="中风")
    world.sync(a, b)
    values = {s.by.worker: s.value for s in a.read(one).fields["illness"].siblings}
    assert values == {"w-a": "高血压", "w-b": "中风"}


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


def raw_of(tablet: Tablet, record: str, field: str) -> str:
    """The value of a field as it is stored."""
    found = tablet._store.one(
        "SELECT json_extract(body, '$.' || ?) FROM records WHERE id = ?", (field, record)
    )
    assert found is not None
    assert str(found[0]).startswith(SEALED)
    return str(found[0])


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
