# SPDX-License-Identifier: Apache-2.0
"""Several server processes over one database: any tablet may talk to any of them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from client_sdk.errors import TabletError
from client_sdk.tablet import Tablet
from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from fixtures.district import Process, add_team, district_settings
from fixtures.postgres import Postgres
from fixtures.waiting import WAIT_SECONDS_MAX
from server.api.nonces import SharedNonces
from server.district import District
from server.errors import NonceSpent
from server.office import reading
from server.settings import Settings
from server.setup import init_server
from server.store.postgres import PostgresStore
from server.verify import Verdict, verify_store
from tests.server.pens import SCHEMA, Office, Pen
from tests.server.store.processes import (
    TEAM,
    VALUES,
    tablet_behind_the_back,
    until_somebody_waits,
)

pytestmark = pytest.mark.slow
ROUNDS = 6


class Pair:
    """Two processes on one database; ``turn`` says which of them a tablet asks."""

    def __init__(self, postgres: Postgres, name: str, folder: Path) -> None:
        shared = {"store_dsn": postgres.dsn(), "store_district": name, "disk_free_bytes_min": 0}
        first = district_settings(folder / "a", **shared)
        init_server(first)
        (folder / "b").mkdir()
        second = district_settings(folder / "b", key_dir=str(first.keys), **shared)
        self.folder = folder
        self.settings: tuple[Settings, Settings] = (first, second)
        self.processes = tuple(Process(one) for one in self.settings)
        for one in self.processes:
            one.start()

    def admit(self, number: int) -> Tablet:
        """Enrol a tablet behind the back of both processes: nobody tells them."""
        port = self.processes[0].port
        return tablet_behind_the_back(self.settings[0], self.folder, number, port)

    def turn(self, tablet: Tablet, number: int) -> None:
        process = self.processes[number % 2]
        tablet.set_server([f"127.0.0.1:{process.port}"], process.keys.tls.tls_pin)

    def verify(self) -> Verdict:
        with reading(self.settings[1]) as desk, desk.store.read() as tx:
            return verify_store(tx, desk.schema, desk.keys.sign.public)

    def close(self) -> None:
        for one in self.processes:
            one.stop()


@pytest.fixture
def pair(postgres: Postgres, district_name: str, tmp_path: Path) -> Iterator[Pair]:
    made = Pair(postgres, district_name, tmp_path)
    yield made
    made.close()


def write_of(pair: Pair, number: int, values: dict[str, str]) -> str:
    caller = pair.processes[number].caller()
    try:
        return caller.write("office", "household", None, dict(values))
    finally:
        caller.close()


def test_tablets_that_ask_either_process_lose_nothing_when_one_is_killed(pair: Pair) -> None:
    # The server's own feed is one, whichever process writes it.
    homes = [write_of(pair, n % 2, VALUES) for n in range(4)]
    add_team(pair.settings[0], TEAM, {f"w{n}": f"工{n}" for n in range(3)})
    with reading(pair.settings[0]) as desk, desk.store.write() as tx:
        for home in homes:
            tx.run("INSERT INTO assigned VALUES (?, ?, 0)", [TEAM, home])
        tx.run("UPDATE teams SET scope_version = scope_version + 1")
    wrote: dict[str, str] = {}
    half = threading.Barrier(4, timeout=WAIT_SECONDS_MAX)
    faults: list[str] = []

    def work(number: int) -> None:
        with ExitStack() as stack:
            tablet = pair.admit(number)
            stack.callback(tablet.close)
            pair.turn(tablet, number)
            tablet.sync()
            for at in range(ROUNDS):
                if at == ROUNDS // 2:
                    half.wait()
                address = f"龙津西路{number}-{at}号"
                wrote[tablet.create_record("household", {**VALUES, "address": address})] = address
                tablet.set_fields(homes[at % 4], {"phone": f"1380000{number}{at:03d}"})
                pair.turn(tablet, number + at)
                try:
                    tablet.sync()
                except TabletError as error:
                    faults.append(error.code)
            half.wait()
            for at in range(4):
                pair.turn(tablet, number + at)
                tablet.sync()
            shown = {r: tablet.read(r).values.get("address") for r in wrote}
            if shown != wrote:
                faults.append(f"{number}: {len(shown)} of {len(wrote)}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for one in threads:
        one.start()
    half.wait()
    pair.processes[0].kill()
    pair.processes[0].start()
    half.wait()
    for one in threads:
        one.join()
    assert [f for f in faults if f not in ("tablet/unreachable", "network/unreachable")] == []
    verdict = pair.verify()
    assert verdict.problems == []
    assert verdict.changes == 4 + 3 * ROUNDS * 2
    with reading(pair.settings[0]) as desk, desk.store.read() as tx:
        assert tx.rows("SELECT count(*) FROM forks") == [(0,)]
        assert tx.rows("SELECT count(*) FROM server_keys") == [(0,)]
        assert tx.rows("SELECT count(*) FROM records") == [(4 + 3 * ROUNDS,)]


def test_a_nonce_given_by_one_process_is_good_at_another_and_once(
    postgres: Postgres, district_name: str
) -> None:
    stores = [PostgresStore(postgres.dsn(), district_name) for _ in range(2)]
    here, there = (SharedNonces(store) for store in stores)
    nonce = here.issue("t")
    assert there.current("t") == nonce
    there.spend("t", nonce)
    with pytest.raises(NonceSpent) as refused:
        here.spend("t", nonce)
    assert refused.value.fresh not in ("", nonce)
    here.spend("t", refused.value.fresh)
    for store in stores:
        store.close()


def test_nonces_are_gone_after_a_crash(district_name: str) -> None:
    server = Postgres()
    try:
        server.start()
        store = PostgresStore(server.dsn(), district_name)
        nonce = SharedNonces(store).issue("t")
        server.kill()
        server.start()
        with pytest.raises(NonceSpent):
            SharedNonces(store).spend("t", nonce)
        store.close()
    finally:
        server.remove()


@pytest.fixture
def twins(postgres: Postgres, district_name: str) -> Iterator[tuple[Office, Office]]:
    """Two districts over one database, as two processes would have them."""
    key, box = DeviceKey.generate(), BoxKey.generate()
    stores = [PostgresStore(postgres.dsn(), district_name) for _ in range(2)]
    clock: Callable[[], int] = iter(range(1_780_000_000_000, 1_790_000_000_000)).__next__
    one, two = (Office.around(District(s, SCHEMA, key, box, clock), key) for s in stores)
    yield one, two
    for store in stores:
        store.close()


def test_cursors_of_either_process_are_placed_by_both(twins: tuple[Office, Office]) -> None:
    one, two = twins
    pen = Pen(one, "zx", "张霞")
    home = pen.write(None, phone="1")
    for at in range(4):
        pen.office = twins[at % 2]
        pen.sync()
        pen.write(home, phone=str(at))
        incarnation, seq, _ = pen.cursor
        for office in twins:
            office.district.refresh()
            assert office.district.lineage.places(incarnation, seq)
    assert one.district.lineage.incarnation == two.district.lineage.incarnation
    assert one.verify().problems == []


def test_a_fork_that_one_process_saw_is_known_to_the_other(twins: tuple[Office, Office]) -> None:
    one, two = twins
    with one.store.write() as tx:
        tx.run("INSERT INTO forks VALUES (?, 1, 0)", [b"f" * 16])
    with two.district.writing():
        assert two.district.forks == {b"f" * 16}


def test_the_own_feed_is_written_by_either_without_a_fork(twins: tuple[Office, Office]) -> None:
    for at in range(6):
        twins[at % 2].district.write("gsy", "household", None, {"phone": str(at)})
    # Each goes on where the store ends, not where its own memory did.
    pen = Pen(twins[0], "zx", "张霞")
    for office in twins * 2:
        pen.office = office
        pen.sync()
    assert twins[0].rows("SELECT count(*) FROM forks") == [(0,)]
    assert twins[0].rows("SELECT count(*) FROM server_keys") == [(0,)]
    own = twins[0].district.own.key.replica
    with twins[1].store.read() as tx:
        leaves = tx.rows("SELECT counter FROM leaves WHERE replica = ?", [tx.number_of(own)])
    assert leaves == [(6,)]
    assert twins[1].verify().problems == []


def test_no_reader_steps_over_a_commit_that_comes_late(
    twins: tuple[Office, Office], postgres: Postgres
) -> None:
    one, two = twins
    seqs: list[int] = []

    def second() -> None:
        with two.store.write() as tx:
            seqs.append(tx.next_seq())

    thread = threading.Thread(target=second)
    with one.store.write() as tx:
        first = tx.next_seq()
        with two.store.read() as meanwhile:
            seen_meanwhile = two.district.lineage.last_seq(meanwhile)
        # The other one asks for its number while this one is not committed.
        thread.start()
        until_somebody_waits(postgres)
        assert seqs == []
    thread.join()
    assert seen_meanwhile < first < seqs[0]


def test_a_job_is_one_process_s_at_a_time(postgres: Postgres, district_name: str) -> None:
    one, two = (PostgresStore(postgres.dsn(), district_name) for _ in range(2))
    with one.lease("backup") as mine:
        assert mine
        with two.lease("backup") as theirs:
            assert not theirs
        with two.lease("other") as other:
            assert other
    with two.lease("backup") as later:
        assert later
    one.close()
    two.close()
