# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a tablet: forgotten, revoked, copied, set back, newer, with a mad clock."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from client_sdk.errors import EnrolmentFailed, Revoked, StoreKeyWrong
from client_sdk.tablet import Tablet
from crypto.errors import UnlockErased, UnlockRefused, UnlockWait
from fixtures.district import make_ticket
from fixtures.kill_tablet import SECRET
from server import devices
from server.audit_show import show_conflict
from server.recovery import recover
from sync.collections import SCHEMA
from sync.schema import Collection, Field, Label, Schema
from tests.faults.conftest import TEAM, Place

YEARS_30_MS = 30 * 31_557_600_000
WRONG = "wrong-wrong-wrong-wrong"


def worked(place: Place) -> tuple[Tablet, str]:
    """A tablet with a household and three visits, none of it sent."""
    tablet = place.tablet()
    home = place.home(tablet)
    for number in range(3):
        place.visit(tablet, home, f"第{number}次")
    return tablet, home


def outbox_of(folder: Path) -> list[bytes]:
    """The sealed files of a tablet, opened by nobody."""
    return [path.read_bytes() for path in sorted((folder / "outbox").glob("*.sealed"))]


def closed(place: Place, tablet: Tablet) -> Path:
    """Close a tablet and strike it off the list of those that sync."""
    tablet.close()
    place.tablets.remove(tablet)
    return tablet.directory


def test_a_wrong_passphrase_costs_a_wait_and_nothing_else(place: Place) -> None:
    tablet, _ = worked(place)
    folder = closed(place, tablet)
    with pytest.raises(UnlockRefused) as caught:
        place.open(folder, "w0", WRONG, clock=lambda: 1_000)
    assert caught.value.code == "crypto/unlock-refused"
    with pytest.raises(UnlockWait):
        place.open(folder, "w0", SECRET, clock=lambda: 2_000)
    again = place.open(folder, "w0", SECRET, clock=lambda: 120_000)
    place.tablets.append(again)
    assert len(again.unsent()) == 4
    place.heal()


def test_a_locked_out_tablet_loses_no_unsent_visit(place: Place) -> None:
    tablet, _ = worked(place)
    folder = closed(place, tablet)
    times = iter(range(0, 10**9, 3_700_000))
    for _ in range(9):
        with pytest.raises(UnlockRefused):
            place.open(folder, "w0", WRONG, clock=lambda: next(times))
    with pytest.raises(UnlockErased) as caught:
        place.open(folder, "w0", WRONG, clock=lambda: next(times))
    assert caught.value.code == "crypto/unlock-erased"
    with pytest.raises(UnlockErased):
        place.open(folder, "w0", SECRET, clock=lambda: 10**9)
    assert not place.held()
    found = [recover(place.server.district, data) for data in outbox_of(folder)]
    assert (sum(f.changes for f in found), sum(f.refused for f in found)) == (4, 0)
    place.heal()


def test_a_damaged_store_loses_no_unsent_visit(place: Place) -> None:
    tablet, _ = worked(place)
    folder = closed(place, tablet)
    for name in ("store.db", "store.db-wal"):
        if (folder / name).exists():
            (folder / name).write_bytes(os.urandom(8192))
    with pytest.raises(StoreKeyWrong) as caught:
        place.open(folder, "w0")
    assert caught.value.code == "tablet/store-key"
    for data in outbox_of(folder):
        recover(place.server.district, data)
    place.heal()


def test_a_revoked_tablet_is_wiped_and_what_it_had_goes_to_quarantine(place: Place) -> None:
    tablet, home = worked(place)
    tablet.sync()
    late = place.visit(tablet, home, "停用以后")
    place.saved.remove(late)
    district = place.server.district
    with district.store.write() as tx:
        devices.revoke(tx, district.key, tablet.replica.hex(), "丢失", 0)
    place.server.service.reload()
    with pytest.raises(Revoked) as caught:
        tablet.sync()
    assert (caught.value.status, caught.value.server_code) == (403, "server/device-revoked")
    # It obeyed at once, and what it said last is a proof of that.
    folder = tablet.directory
    place.tablets.remove(tablet)
    assert not (folder / "store.db").exists()
    assert not (folder / "vault").exists()
    # The upload that met the refusal was taken to quarantine; with its receipt nothing is left in
    # the outbox.
    with district.store.read() as tx:
        rows = tx.rows("SELECT record, reason FROM quarantine")
    assert rows == [(late, "revoked")]
    assert outbox_of(folder) == []
    assert late not in place.held()
    other = place.tablet()
    place.heal()
    assert not other.holds(late)


def test_an_expired_and_a_used_ticket_enrol_nobody(place: Place, tmp_path: Path) -> None:
    from client_sdk.enrolment import enrol, read_invitation
    from crypto.ticket import encode_ticket

    ticket = make_ticket(place.server.settings, TEAM, place.server.port)
    code = encode_ticket(ticket)
    enrol(read_invitation(code), "一号", lambda digits: None)
    with pytest.raises(EnrolmentFailed, match="crypto/ticket-used"):
        enrol(read_invitation(code), "二号", lambda digits: None)
    late = make_ticket(place.server.settings, TEAM, place.server.port)
    with place.server.district.store.write() as tx:
        secret = tx.rows("SELECT secret FROM tickets WHERE state = 'open'")[0][0]
        issued = msgspec.msgpack.decode(secret)
        issued[0][-1] = 1
        tx.run(
            "UPDATE tickets SET secret = ?, expires_at_ms = 1 WHERE state = 'open'",
            [msgspec.msgpack.encode(issued)],
        )
    with pytest.raises(EnrolmentFailed, match="crypto/ticket-expired"):
        enrol(read_invitation(encode_ticket(late)), "三号", lambda digits: None)
    assert not (tmp_path / "tablet-0").exists()
    worked(place)
    place.heal()


def test_a_copied_store_goes_on_as_a_new_replica_and_both_keep_their_work(place: Place) -> None:
    tablet, home = worked(place)
    tablet.sync()
    folder, copy = closed(place, tablet), place.folder / "copy"
    shutil.copytree(folder, copy)
    one, two = place.open(folder, "w0"), place.open(copy, "w0")
    place.tablets += [one, two]
    for number in range(3):
        place.visit(one, home, f"原机{number}")
        place.visit(two, home, f"副本{number}")
    one.count(home, "rice_given_kg", 5)
    two.count(home, "rice_given_kg", 7)
    place.heal()
    assert one.replica != two.replica
    assert place.body(home)["rice_given_kg"] == 12
    with place.server.district.store.read() as tx:
        # The old key's feed has forked now, so that neither of the two goes on under it; each
        # store is a device of its own from here on.
        assert tx.rows("SELECT count(DISTINCT device), count(*) FROM device_keys") == [(2, 3)]


def test_a_store_put_back_from_yesterday_loses_nothing_that_was_sent(place: Place) -> None:
    tablet, home = worked(place)
    folder = closed(place, tablet)
    yesterday = place.folder / "yesterday"
    shutil.copytree(folder, yesterday)
    again = place.open(folder, "w0")
    sent = place.visit(again, home, "昨天以后")
    again.sync()
    again.close()
    shutil.rmtree(folder)
    shutil.copytree(yesterday, folder)
    back = place.open(folder, "w0")
    place.tablets.append(back)
    place.visit(back, home, "放回以后")
    place.heal()
    assert back.holds(sent)


def newer() -> Schema:
    """A schema of years to come: one collection more, one field more."""
    own = {"name": Field(policy="latest"), "household": Field(refers_to="household")}
    pets = Collection(name="pet", label=Label(zh="宠物"), fields=own)
    household = SCHEMA.collections["household"]
    fields = {**household.fields, "cool_room": Field(policy="latest", kind="text")}
    grown = msgspec.structs.replace(household, fields=fields)
    return Schema({**SCHEMA.collections, "household": grown, "pet": pets}, version=99)


def test_what_a_newer_tablet_writes_is_kept_and_passed_on(place: Place) -> None:
    new, old, other = place.tablet(schema=newer()), place.tablet(), place.tablet(schema=newer())
    home = place.home(new, cool_room="有")
    pet = new.create_record("pet", {"name": "阿黄", "household": home})
    place.saved.append(pet)
    place.heal()
    assert place.body(home)["cool_room"] == "有"
    assert place.body(pet)["name"] == "阿黄"
    # The old tablet keeps what it does not know, edits beside it, and takes nothing of it away.
    assert old.read(pet)["name"] == "阿黄"
    old.edit(home, phone="12600000009")
    place.heal()
    assert other.read(home)["cool_room"] == "有"
    assert other.read(home)["phone"] == "12600000009"


@pytest.mark.parametrize("off_ms", [-YEARS_30_MS, YEARS_30_MS], ids=["behind", "ahead"])
def test_a_clock_thirty_years_off_syncs_at_once_and_the_audit_shows_it(
    place: Place, off_ms: int
) -> None:
    right, home = worked(place)
    right.sync()

    def mad() -> int:
        return place.server.district.clock() + off_ms

    odd = place.tablet(clock=mad)
    assert odd.sync().rounds == 1
    right.edit(home, phone="12600000001")
    odd.edit(home, phone="12600000002")
    place.heal()
    number = place.conflicts()[0].n
    with place.server.district.store.read() as tx:
        sides = show_conflict(tx, SCHEMA, number).sides
    offsets = {side.value: side.offset_ms for side in sides}
    assert abs((offsets["12600000002"] or 0) - off_ms) < 5_000
    assert abs(offsets["12600000001"] or 0) < 5_000
    assert place.body(home)["phone"] in offsets


def test_a_reassigned_household_keeps_what_was_written_on_it_meanwhile(place: Place) -> None:
    from fixtures.district import add_team
    from server.people import unassign_homes

    tablet, home = worked(place)
    tablet.sync()
    add_team(place.server.settings, "t02")
    with place.server.district.store.write() as tx:
        unassign_homes(tx, TEAM, [home], "何主任", 0)
    late = place.visit(tablet, home, "调走以后")
    tablet.sync()
    place.heal()
    assert not tablet.holds(home)
    with place.server.district.store.read() as tx:
        marks = tx.rows("SELECT kind, record FROM marks")
    assert ("reassigned", late) in marks
