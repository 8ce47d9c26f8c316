# SPDX-License-Identifier: Apache-2.0
"""Sealed fields between tablets and their district: who reads, where it lies, who merges."""

from __future__ import annotations

from typing import Any

import pytest

from client_sdk.errors import EntryRefused
from fixtures.world import World
from server import field_readers
from sync.sealing import is_sealed
from tests.client_sdk.readers import (
    ILLNESS,
    NUMBER,
    PLANTED,
    allow,
    assign,
    at_server,
    on_tablet,
    person,
    reading,
    shown,
)

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


def test_what_was_not_kept_of_a_sealed_field_is_told_in_words_to_who_may_read(
    world: World, fields: dict[str, Any]
) -> None:
    a, b = reading(world, "a"), reading(world, "b")
    home = a.create_record("household", fields)
    one = person(a, home)
    world.sync(a, b)
    a.edit(one, illness="高血压")
    b.edit(one, illness="糖尿病")
    world.sync(a, b)
    b.resolve(one, "illness", "糖尿病", reason="看过病历")
    world.sync(b, a)
    (told,) = a.notices()
    assert (told.notice.yours, told.notice.kept) == ("高血压", "糖尿病")
    # Also when both were overwritten since, and not to whom the class was taken from.
    b.edit(one, illness="中风")
    world.sync(b, a)
    (told,) = a.notices()
    assert (told.notice.yours, told.notice.kept) == ("高血压", "糖尿病")
    with world.store.write() as tx:
        field_readers.withdraw_team(tx, "team", "illness", "office", world.clock())
    a.sync()
    (told,) = a.notices()
    assert is_sealed(told.notice.yours)
    assert is_sealed(told.notice.kept)
