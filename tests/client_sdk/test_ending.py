# SPDX-License-Identifier: Apache-2.0
"""Lost tablets: revoked and wiped with a proof, closed and erased by their lease."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client_sdk.enrolment import Ready
from client_sdk.errors import LeaseClosed, LeaseErased, Revoked, StoreMissing, Unreachable
from client_sdk.keys import Keys
from client_sdk.lease import LEASE_FILE
from client_sdk.tablet import Tablet
from crypto.errors import StatementRefused
from crypto.statement import DAY_MS, check_wiped, issue_wiped
from crypto.unlock import Cost
from fixtures.district import Local, add_team, admit, local_district
from fixtures.world import InProcess, World
from server import devices
from server.recovery import recover
from server.statements import Terms

PASSPHRASE = "雨夜敲门三百次也不停"
CHEAP = Cost(64, 1, 1)


class Cut(InProcess):
    """A district that cannot be reached."""

    def exchange(self, body: bytes) -> bytes:
        raise Unreachable("no signal")

    def wiped(self, proof: bytes) -> None:
        raise Unreachable("no signal")


class Leased:
    """One tablet with a vault and a clock of its own, of a district that grants ten days."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.district.terms = Terms.of_days(10, 20)
        self.folder = world.folder / "leased"
        self.now_ms = world.now_ms
        found = admit(world.district, "leased", "team")
        ready = Ready(
            found.key,
            found.box,
            found.certificate,
            found.server_public,
            found.server_box_public,
            "",
            b"",
            (),
            b"",
            "team",
            "leased",
            [("w1", "张霞")],
            None,
        )
        keys = Keys(self.folder)
        Tablet.make(self.folder, ready, keys, worker="w1", secret=PASSPHRASE, cost=CHEAP).close()
        with self.open() as tablet:
            tablet.sync()

    def clock(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def open(self, *, cut: bool = False) -> Tablet:
        transport = Cut(self.world.district) if cut else InProcess(self.world.district)
        return Tablet.open(
            self.folder, "w1", PASSPHRASE, keyring=None, transport=transport, clock=self.clock
        )

    def days(self, count: float) -> None:
        self.now_ms += int(count * DAY_MS)


@pytest.fixture
def leased(world: Any) -> Leased:
    return Leased(world)


def test_a_store_without_contact_closes_after_the_lease_and_opens_with_contact(
    leased: Leased,
) -> None:
    leased.days(9)
    leased.open(cut=True).close()
    leased.days(2)
    with pytest.raises(LeaseClosed):
        leased.open(cut=True)
    leased.open().close()
    leased.open(cut=True).close()


def test_a_clock_set_back_gives_nothing_back(leased: Leased) -> None:
    leased.days(6)
    leased.open(cut=True).close()
    leased.days(-30)
    leased.open(cut=True).close()
    leased.days(6)
    with pytest.raises(LeaseClosed):
        leased.open(cut=True)
    leased.days(-300)
    with pytest.raises(LeaseClosed):
        leased.open(cut=True)


@pytest.mark.parametrize("remove", [False, True])
def test_removing_the_file_beside_the_store_gains_nothing(leased: Leased, remove: bool) -> None:
    leased.days(6)
    leased.open(cut=True).close()
    if remove:
        (leased.folder / LEASE_FILE).unlink()
    else:
        (leased.folder / LEASE_FILE).write_bytes(b"\x94\xc4\x01x\x00\x00\xff")
    leased.days(5)
    with pytest.raises(LeaseClosed):
        leased.open(cut=True)


def test_after_the_further_time_the_keys_go_and_the_outbox_stays(
    leased: Leased, fields: dict[str, Any]
) -> None:
    with leased.open() as tablet:
        home = tablet.create_record("household", fields)
        outbox = [path.read_bytes() for path in tablet.outbox_files()]
    leased.days(11)
    with pytest.raises(LeaseClosed):
        leased.open(cut=True)
    leased.days(21)
    with pytest.raises(LeaseErased):
        leased.open(cut=True)
    assert not (leased.folder / "vault").exists()
    assert not (leased.folder / "store.db").exists()
    with pytest.raises(StoreMissing):
        leased.open()
    files = sorted((leased.folder / "outbox").glob("*.sealed"))
    assert [path.read_bytes() for path in files] == outbox
    for path in files:
        assert recover(leased.world.district, path.read_bytes()).changes == 1
    with leased.world.store.read() as tx:
        assert tx.rows("SELECT id FROM records") == [(home,)]


def test_a_clock_that_jumps_thirty_years_closes_but_does_not_erase(leased: Leased) -> None:
    leased.days(365 * 30)
    for _ in range(3):
        with pytest.raises(LeaseClosed):
            leased.open(cut=True)
    leased.days(-365 * 30)
    leased.open().close()
    leased.open(cut=True).close()


def test_a_district_that_grants_no_limit_any_more_lifts_the_lease(leased: Leased) -> None:
    leased.world.district.terms = Terms()
    with leased.open() as tablet:
        tablet.sync()
    leased.days(1_000)
    leased.open(cut=True).close()


def test_a_lease_of_another_tablet_is_refused(world: Any) -> None:
    world.district.terms = Terms.of_days(10, 20)
    a, b = world.tablet("a"), world.tablet("b")
    told: list[bytes] = []

    def keep(answer: bytes) -> bytes:
        told.append(answer)
        return answer

    a.transport.alter = keep
    a.sync()
    b.transport.alter = lambda answer: told[0]
    with pytest.raises(StatementRefused):
        b.sync()


def revoke(district: Any, tablet: Tablet) -> None:
    with district.store.write() as tx:
        devices.revoke(tx, district.key, tablet.replica.hex(), "lost", 0)


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with local_district(tmp_path / "district") as local:
        add_team(local.settings, "team", {"w1": "张霞"})
        local.service.reload()
        yield local


@pytest.fixture
def enrolled(server: Local, tmp_path: Path) -> Callable[[], Tablet]:
    from fixtures.district import ticket_text

    return lambda: Tablet.enrol(
        tmp_path / "t",
        ticket_text(server.settings, "team", server.port),
        name="tablet 1",
        worker="w1",
        secret=PASSPHRASE,
        show_digits=lambda digits: None,
        keyring=None,
    )


@pytest.mark.slow
def test_a_revoked_tablet_hands_over_is_wiped_and_proves_it(
    server: Local, tmp_path: Path, enrolled: Callable[[], Tablet], fields: dict[str, Any]
) -> None:
    tablet = enrolled()
    home = tablet.create_record("household", fields)
    photo = bytes(range(256)) * 200
    tablet.attach(photo, household=home, media_type="image/jpeg")
    revoke(server.district, tablet)
    server.service.reload()
    public = tablet._store.key.public
    with pytest.raises(Revoked):
        tablet.sync()
    left = {path.name for path in (tmp_path / "t").iterdir()}
    assert left <= {"outbox", "blobs", "store.lock", "district"}
    assert tablet.outbox_files() == []
    with server.district.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM quarantine") == [(2,)]
        assert tx.rows("SELECT complete FROM blobs") == [(1,)]
        proof = bytes(tx.rows("SELECT wiped FROM devices")[0][0])
        shown = devices.devices(tx)[0]
    said = check_wiped(proof, public)
    assert (said.counter, said.left) == (2, 0)
    assert shown.wiped_at_ms is not None


def test_a_proof_that_does_not_hold_is_not_kept(world: Any) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    key, other = a._store.key, b._store.key
    good = issue_wiped(key, 1, 0, 0, b"", 0)

    def keep(proof: bytes) -> None:
        with world.store.write() as tx:
            devices.keep_proof(tx, proof, 1)

    with pytest.raises(StatementRefused):
        keep(good)  # nobody revoked it
    revoke(world.district, a)
    forged = issue_wiped(other, 1, 0, 0, b"", 0)[:65] + good[65:]
    for bad in (forged, issue_wiped(key, 2, 0, 0, b"", 0), b"x" * 200):
        with pytest.raises(StatementRefused):
            keep(bad)
    keep(good)


def test_a_wipe_out_of_reach_leaves_its_proof_for_the_office(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    revoke(world.district, a)
    with world.store.read() as tx:
        order = bytes(tx.rows("SELECT revocation FROM devices WHERE state = 'revoked'")[0][0])
    a.transport = Cut(world.district)
    a.obey(order)
    proof = (world.folder / "a" / "wiped.proof").read_bytes()
    with world.store.write() as tx:
        devices.keep_proof(tx, proof, 5)
    assert len(a.outbox_files()) == 1
