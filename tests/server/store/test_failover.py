# SPDX-License-Identifier: Apache-2.0
"""A primary that dies while tablets upload, and the standby that takes its place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from client_sdk.errors import TabletError
from client_sdk.tablet import Tablet
from fixtures.district import Process, add_team, district_settings
from fixtures.postgres import Postgres
from fixtures.waiting import WAIT_SECONDS_MAX, until
from server.errors import StoreUnsure
from server.office import reading
from server.setup import init_server
from server.store.postgres import BEGIN_WRITE, TAKE_TURN, PostgresStore
from server.verify import verify_store
from tests.server.store.processes import TEAM, VALUES, tablet_behind_the_back

pytestmark = pytest.mark.slow
TABLETS = 3
RECEIPTS_MIN = 12


class Cluster:
    """A primary and the standby without which no commit returns."""

    def __init__(self) -> None:
        with ExitStack() as stack:
            self.primary = Postgres()
            stack.callback(self.primary.remove)
            self.primary.start()
            self.standby = Postgres(primary=self.primary)
            stack.callback(self.standby.remove)
            self.standby.start()
            self.primary.wait_for_standby()
            self.dsn = self.primary.dsn(standby=self.standby, connect_timeout="10")
            self.close = stack.pop_all().close


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.close()


class Worker(threading.Thread):
    """A tablet that writes and syncs until it is told to stop, and notes what has a receipt."""

    def __init__(self, tablet: Tablet, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.tablet = tablet
        self.stop = stop
        self.wrote: list[str] = []
        self.receipted: list[str] = []
        self.told = 0
        self.codes: set[str] = set()

    def run(self) -> None:
        while not self.stop.is_set():
            self.wrote.append(self.tablet.create_record("household", dict(VALUES)))
            self.try_once()

    def try_once(self) -> None:
        try:
            self.tablet.sync()
        except TabletError as error:
            self.codes.add(error.code)
        if not self.tablet.unsent():
            self.receipted = list(self.wrote)
            self.told += 1


def records_in(store: PostgresStore) -> set[str]:
    with store.read() as tx:
        return {row[0] for row in tx.rows("SELECT id FROM records")}


def test_nothing_with_a_receipt_is_lost_when_the_primary_dies(
    cluster: Cluster, tmp_path: Path
) -> None:
    settings = district_settings(tmp_path / "a", store_dsn=cluster.dsn, disk_free_bytes_min=0)
    init_server(settings)
    add_team(settings, TEAM, {f"w{n}": f"工{n}" for n in range(TABLETS)})
    process, stop = Process(settings), threading.Event()
    process.start()
    with ExitStack() as stack:
        stack.callback(process.stop)
        workers = []
        for number in range(TABLETS):
            tablet = tablet_behind_the_back(settings, tmp_path, number, process.port)
            stack.callback(tablet.close)
            workers.append(Worker(tablet, stop))
        for one in workers:
            one.start()
        until(lambda: sum(len(one.receipted) for one in workers) >= RECEIPTS_MIN)
        with cluster.standby.deaf():
            # The primary goes on with a standby that hears nothing of it.
            before = [one.told for one in workers]
            cluster.primary.wait_for_waiting_commit()
            until(lambda: all(len(one.wrote) > len(one.receipted) for one in workers))
            told_meanwhile = [one.told - told for one, told in zip(workers, before, strict=True)]
            cluster.primary.crash()
        stop.set()
        under_way = {record for one in workers for record in set(one.wrote) - set(one.receipted)}
        cluster.standby.promote()
        for one in workers:
            one.join(WAIT_SECONDS_MAX)
            assert not one.is_alive()
        receipted = {record for one in workers for record in one.receipted}
        there = PostgresStore(cluster.dsn)
        stack.callback(there.close)
        assert max(told_meanwhile) <= 1  # what was on its way back to the tablet
        assert len(under_way) >= TABLETS
        assert receipted <= records_in(there)
        # The same process goes on with the standby; tablets bring what had no receipt.
        for one in workers:
            one.try_once()
            one.try_once()
        assert all(one.receipted == one.wrote for one in workers)
        assert records_in(there) == {record for one in workers for record in one.wrote}
        codes = set().union(*(one.codes for one in workers))
        assert codes <= {"server/store-unreachable", "server/store-unsure", "server/busy"}
    with reading(settings) as desk, desk.store.read() as tx:
        verdict = verify_store(tx, desk.schema, desk.keys.sign.public)
        assert verdict.problems == []
        assert tx.rows("SELECT count(*) FROM forks") == [(0,)]


def test_another_s_commit_on_the_standby_is_not_taken_for_one_s_own(cluster: Cluster) -> None:
    store = PostgresStore(cluster.dsn)
    with cluster.standby.deaf(), store._lines.line() as line:
        # A transaction that the standby never hears of.
        line.connection.execute(BEGIN_WRITE.encode())
        _, xid = line.connection.execute(TAKE_TURN.encode()).fetchall()[0]
        life = line.life
        cluster.primary.crash()
    cluster.standby.promote()
    other = PostgresStore(cluster.dsn)
    given = 0
    while given < int(xid):
        with other.write() as tx:
            tx.next_seq()
            given = int(tx.rows("SELECT pg_current_xact_id()::text")[0][0])
    assert other.ask("SELECT pg_xact_status(%s::xid8)", [str(xid)]) == [("committed",)]
    with pytest.raises(StoreUnsure):
        store._lines.find_out(str(xid), life)
    store.close()
    other.close()
