# SPDX-License-Identifier: Apache-2.0
"""Writing on a tablet: durable, all or nothing, under the right replica."""

from typing import Any

import pytest

from client_sdk.errors import EntryRefused, NotFound, OperationMisplaced, StoreFull


def test_what_was_saved_is_there_after_reopening(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields | {"categories": ["dibao"], "rice_given_kg": 5})
    a.edit(home, phone="13900139000")
    a.add(home, "categories", "disabled")
    a.count(home, "rice_given_kg", 3)
    a.append(home, "notes", "敲门未应")
    a.close()
    shown = world.open("a").read(home)
    assert shown["phone"] == "13900139000"
    assert shown["categories"] == ["dibao", "disabled"]
    assert shown["rice_given_kg"] == 8
    assert shown["notes"] == ["敲门未应"]


def test_every_change_names_the_worker_who_unlocked(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.worker = "w-other"
    a.edit(home, phone="13900139000")
    shown = a.read(home)
    assert shown.fields["phone"].siblings[0].by.worker == "w-other"
    assert shown.fields["address"].siblings[0].by.worker == "w-a"
    assert shown.fields["address"].siblings[0].by.worker_name == "工作人员a"


def test_a_value_the_form_forbids_changes_nothing(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    written = a.status().written
    with pytest.raises(EntryRefused) as refused:
        a.edit(home, phone="no phone")
    assert [p.field for p in refused.value.problems] == ["phone"]
    with pytest.raises(OperationMisplaced):
        a.edit(home, categories=["dibao"])
    with pytest.raises(OperationMisplaced):
        a.add(home, "phone", "1")
    with pytest.raises(NotFound):
        a.edit("nowhere", phone="13900139000")
    assert a.status().written == written
    assert a.read(home)["phone"] == fields["phone"]


def test_a_disk_that_refuses_the_outbox_undoes_the_change(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    folder = a.directory / "outbox"
    folder.write_text("in the way")
    with pytest.raises(StoreFull):
        a.create_record("household", fields)
    assert (a.status().written, a.records()) == (0, [])
    folder.unlink()
    home = a.create_record("household", fields)
    a.edit(home, phone="13900139000")
    assert [u.counter for u in a.unsent()] == [1, 2]
    assert a.sync().agrees


def test_a_void_hides_and_an_edit_that_did_not_know_revives(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    a.meet(b)
    a.void(home, "重复登记")
    assert a.read(home).voided
    assert a.read(home).void_reason == "重复登记"
    b.edit(home, phone="13900139000")
    a.meet(b)
    assert not a.read(home).voided
    assert a.read(home)["phone"] == "13900139000"


def test_a_tablet_that_purged_a_household_writes_on_it_as_a_new_replica(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    a.meet(b)
    a.edit(home, phone="13900139000")
    a.unassign([home], at_once=True)
    assert not a.holds(home)
    b.give_to(a)
    assert a.read(home)["phone"] == fields["phone"]
    before = a.replica
    a.edit(home, phone="13700137000")
    assert a.replica != before
    a.sync()
    b.sync()
    values = {s.value for s in b.read(home).fields["phone"].siblings}
    assert values == {"13900139000", "13700137000"}
