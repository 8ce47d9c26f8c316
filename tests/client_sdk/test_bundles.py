# SPDX-License-Identifier: Apache-2.0
"""The exchange by hand: tablets, teammates and the district over sealed files alone."""

from pathlib import Path
from typing import Any

import pytest

from client_sdk.errors import PeerRevoked, PeerUnknown
from crypto.bundle import read_head
from crypto.errors import BundleForeign, BundleIncomplete, BundleRefused
from server import devices
from server.bundles import Lines, TakenBundle, make, take_bundle
from server.errors import DeviceUnknown
from sync.errors import BundleLate, BundleRepeated
from sync.parcel import parcel


class Office:
    """The district's end of the sticks."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.lines = Lines(world.folder / "office")

    def take(self, data: bytes) -> TakenBundle:
        return take_bundle(self.world.district, self.lines, data)

    def round(self, tablet: Any) -> Any:
        """There and back until nothing more is to be said."""
        while True:
            report = tablet.import_bundle(self.take(tablet.export_bundle()).answer)
            if not report.more:
                return report


@pytest.fixture
def office(world: Any) -> Office:
    return Office(world)


def records_of(world: Any) -> set[str]:
    with world.store.read() as tx:
        return {row[0] for row in tx.rows("SELECT id FROM records")}


def held(world: Any) -> tuple[Any, ...]:
    """All that a refused bundle must leave alone at the server."""
    with world.store.read() as tx:
        tables = ("records", "segments", "leaves", "quarantine", "waiting", "device_keys")
        return tuple(tx.rows(f"SELECT count(*) FROM {table}") for table in tables)


def test_a_stick_brings_visits_in_and_receipts_and_households_back(
    world: Any, office: Office, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    data = a.export_bundle()
    assert fields["head_name"].encode() not in data
    taken = office.take(data)
    assert (taken.name, taken.sequence, taken.missing, taken.branch) == ("a", 1, (0, 0), False)
    assert records_of(world) == {home}
    report = a.import_bundle(taken.answer)
    assert not a.unsent()
    assert (report.entered, report.more, report.stale) == (1, False, False)
    assert office.round(b).entered == 1
    b.edit(home, phone="13900139000")
    office.round(b)
    assert office.round(a).records == 1
    assert a.read(home)["phone"] == "13900139000"
    assert a.sync().agrees


def test_a_whole_first_download_comes_back_on_one_stick(
    world: Any, office: Office, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    for _ in range(30):
        a.create_record("household", fields)
    a.sync()
    monkeypatch.setattr("server.pull.REPLY_HOMES_MAX", 4)
    taken = office.take(b.export_bundle())
    report = b.import_bundle(taken.answer)
    assert (report.entered, report.records, report.more) == (30, 30, False)
    synced = b.sync()
    assert (synced.agrees, synced.rounds, synced.entered) == (True, 1, ())


def test_a_lost_bundle_costs_nothing_and_is_named(
    world: Any, office: Office, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    homes = set()
    lost = []
    for _ in range(3):
        homes.add(a.create_record("household", fields))
        lost.append(a.export_bundle())
    taken = office.take(lost.pop())
    assert taken.missing == (1, 2)
    assert records_of(world) == homes
    for late in reversed(lost):
        before = held(world)
        with pytest.raises(BundleLate):
            office.take(late)
        assert held(world) == before
    assert not a.import_bundle(taken.answer).stale
    assert not a.unsent()


def test_a_repeated_bundle_is_refused_at_both_ends(
    world: Any, office: Office, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    data = a.export_bundle()
    taken = office.take(data)
    with pytest.raises(BundleRepeated):
        office.take(data)
    a.import_bundle(taken.answer)
    with pytest.raises(BundleRepeated):
        a.import_bundle(taken.answer)


def test_nothing_of_an_altered_foreign_or_cut_bundle_is_applied(
    world: Any, office: Office, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    a.create_record("household", fields)
    data, before = a.export_bundle(), held(world)
    for at in range(0, len(data), 37):
        altered = bytearray(data)
        altered[at] ^= 4
        with pytest.raises((BundleRefused, DeviceUnknown)):
            office.take(bytes(altered))
    with pytest.raises(BundleIncomplete):
        office.take(data[:-1])
    with pytest.raises(BundleForeign):
        b.import_bundle(data)
    assert held(world) == before
    answer = office.take(data).answer
    for wrong in (answer[:-1], answer[:-1] + b"\0"):
        with pytest.raises(BundleRefused):
            a.import_bundle(wrong)
    with pytest.raises(BundleForeign):
        b.import_bundle(answer)
    assert len(a.unsent()) == 1


def test_a_bundle_of_nobody_known_is_refused(
    world: Any, office: Office, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    data = a.export_bundle()
    with world.store.write() as tx:
        tx.run("DELETE FROM device_keys")
    world.district.reload()
    with pytest.raises(DeviceUnknown):
        office.take(data)


def test_a_late_answer_never_says_what_has_changed_since(
    world: Any, office: Office, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    a.sync()
    old = office.take(b.export_bundle()).answer
    b.sync()
    world.unassign("team", home)
    b.sync()
    report = b.import_bundle(old)
    assert (report.stale, report.entered) == (True, 0)
    assert not b.holds(home)


def test_the_first_of_two_questions_may_be_answered_last(
    world: Any, office: Office, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    first = office.take(a.export_bundle())
    a.create_record("household", fields)
    second = office.take(a.export_bundle())
    assert not a.import_bundle(second.answer).stale
    assert not a.unsent()
    with pytest.raises(BundleLate):
        a.import_bundle(first.answer)


def test_a_copied_tablet_is_found_out_by_stick_and_nothing_is_lost(
    world: Any, office: Office, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    office.round(a)
    a.close()
    world.copy("a", "twin")
    a, twin = world.open("a"), world.open("a", "twin")
    a.edit(home, phone="13900139000")
    twin.edit(home, phone="13700137000")
    office.round(a)
    taken = office.take(twin.export_bundle())
    assert taken.branch
    before = twin.replica
    report = twin.import_bundle(taken.answer)
    assert report.succeeded
    assert twin.replica != before
    assert report.more
    office.round(twin)
    office.round(a)
    for tablet in (a, twin):
        values = {s.value for s in tablet.read(home).fields["phone"].siblings}
        assert values == {"13900139000", "13700137000"}
    twin.edit(home, phone="13600136000")
    office.round(twin)
    office.round(a)
    assert a.read(home)["phone"] == "13600136000"
    assert world.district.forks


def test_teammates_exchange_by_stick_once_the_district_named_them(
    world: Any, office: Office, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    with pytest.raises(PeerUnknown):
        a.teammate_of("b")
    office.round(a)
    office.round(b)
    assert a.teammates() == {b.replica: "b"}
    home = a.create_record("household", fields)
    greeting = a.export_for_teammate(b.replica)
    assert b.import_bundle(greeting).more
    a.import_bundle(b.export_for_teammate(a.replica))
    report = b.import_bundle(a.export_for_teammate(b.replica))
    assert (report.sender, report.changes, report.missing) == ("a", 1, (0, 0))
    assert b.read(home)["phone"] == fields["phone"]
    b.sync()
    assert records_of(world) == {home}
    assert a.sync().sent == 1


def test_two_copies_that_write_to_each_other_by_stick_go_on_under_new_keys(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.close()
    world.copy("a", "twin")
    a, twin = world.open("a"), world.open("a", "twin")
    a.edit(home, phone="13900139000")
    twin.edit(home, phone="13700137000")
    twin.import_bundle(a.export_for_teammate(twin.replica))
    a.learn_card(twin.card())
    for _ in range(2):
        a.import_bundle(twin.export_for_teammate(a.replica))
        twin.import_bundle(a.export_for_teammate(twin.replica))
    assert a.replica != twin.replica
    for tablet in (a, twin):
        values = {s.value for s in tablet.read(home).fields["phone"].siblings}
        assert values == {"13900139000", "13700137000"}


def test_a_revoked_tablet_hands_over_by_stick_and_gets_its_wipe_order(
    world: Any, office: Office, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    office.round(b)
    home = a.create_record("household", fields)
    device = world.district.device_of(a.replica)
    with world.store.write() as tx:
        devices.revoke(tx, world.district.key, device, "lost", 1)
    taken = office.take(a.export_bundle())
    assert taken.revoked
    with world.store.read() as tx:
        assert tx.rows("SELECT record FROM quarantine") == [(home,)]
    report = a.import_bundle(taken.answer)
    assert not a.unsent()
    assert a.teammates() == {}
    a.obey(report.wipe)
    assert not (world.folder / "a" / "store.db").exists()
    known = world.district.devices
    assert office.round(b).wipe == b""
    with pytest.raises(PeerRevoked):
        b.export_for_teammate(next(r for r, (d, _) in known.items() if d == device))


def test_a_number_is_spent_before_a_bundle_is_handed_out(world: Any, office: Office) -> None:
    a = world.tablet("a")
    box = a._store.box.public
    numbers = [
        make(world.district, lines, a.replica, box, parcel(1))[0]
        for lines in (office.lines, Lines(world.folder / "office"))
    ]
    assert numbers == [1, 2]


def test_a_bundle_says_in_the_clear_only_who_writes_to_whom(
    world: Any, fields: dict[str, Any], tmp_path: Path
) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    data = a.export_bundle()
    head = read_head(data)
    assert (head.sender, head.receiver) == (a.replica, world.district.key.replica)
    for secret in (fields["address"], fields["phone"], "zhangxia", "team"):
        assert secret.encode() not in data
