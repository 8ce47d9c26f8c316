# SPDX-License-Identifier: Apache-2.0
"""The console's query layer on both stores: what an area holds is found, and nothing else."""

import threading

import pytest

from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from fixtures.waiting import WAIT_SECONDS_MAX
from server.accounts import Account, accounts_in, add_account, new_account
from server.audit import Filter
from server.district import District
from server.duplicates import Proposal
from server.errors import NotFound
from server.people import Area as Place
from server.people import add_team, add_worker, assign_area, store_areas
from server.readers import READERS, Readers
from server.store.base import Store
from server.web import care, lookup
from server.web.access import read_log
from server.web.scoped import Scoped
from sync.collections import SCHEMA
from sync.links import Broken
from tests.server.pens import START_MS, Office, Pen

HERE, ELSEWHERE = "440103019003", "440104001001"


def account(area: str) -> Account:
    return new_account("liang", "梁主管", "supervisor", area)._replace(fresh=False)


@pytest.fixture
def office(store: Store) -> Office:
    key = DeviceKey.generate()
    now = [START_MS]
    made = Office.around(District(store, SCHEMA, key, BoxKey.generate(), lambda: now[0]), key)
    with store.write() as tx:
        for code in ("440103", "440103019", HERE, "440104", ELSEWHERE):
            store_areas(tx, [Place(code, "x", f"区划{code}")], "t", 0)
        add_team(tx, "near", "近组", "t", 0)
        assign_area(tx, "near", HERE, "t", 0)
        add_worker(tx, "w", "工人", "near", "worker", "t", 0)
        add_account(tx, account("440103"), "t", 0)
    return made


def clash(office: Office, area: str, name: str) -> str:
    one, two = Pen(office, f"a{area}", "甲"), Pen(office, f"b{area}", "乙")
    home = one.write(None, area=area, head_name=name, address=f"东漖{name}路", phone="12600000000")
    one.sync()
    two.sync()
    one.write(home, phone="12600000001")
    two.write(home, phone="12600000002")
    one.push()
    two.push()
    return home


def test_pages_at_work_keep_no_upload_waiting(store: Store, office: Office) -> None:
    held = threading.Barrier(READERS + 1, timeout=WAIT_SECONDS_MAX)
    over = threading.Event()

    def look(page: Store) -> int:
        with page.read() as tx:
            tx.rows("SELECT count(*) FROM homes")
            held.wait()
            over.wait(WAIT_SECONDS_MAX)
            return int(tx.rows("SELECT count(*) FROM homes")[0][0])

    readers = Readers(store)
    try:
        pages = [readers.submit(look) for _ in range(READERS)]
        held.wait()
        one = Pen(office, "pen", "甲")
        one.write(None, area=HERE, head_name="陈秀英")
        one.sync()
        assert not any(page.done() for page in pages)
        with store.read() as tx:
            assert tx.rows("SELECT count(*) FROM homes")[0][0] == 1
        over.set()
        assert all(page.result(WAIT_SECONDS_MAX) in (0, 1) for page in pages)
    finally:
        over.set()
        readers.close()


def test_each_method_gives_what_is_of_the_area_and_nothing_else(
    store: Store, office: Office
) -> None:
    mine, theirs = clash(office, HERE, "陈秀英"), clash(office, ELSEWHERE, "黄伟")
    while lookup.step(store, SCHEMA):
        pass
    with store.write() as tx:
        scoped = Scoped(tx, SCHEMA, account("440103"))
        everyone = Scoped(tx, SCHEMA, account(""))
        page = scoped.conflicts(Filter(state="open", area="44"), 50, None)
        assert [line.record for line in page.lines] == [mine]
        assert len(everyone.conflicts(Filter(state="open"), 50, None).lines) == 2
        assert scoped.conflict_counts(Filter())["open"] == 1
        assert scoped.conflict_counts(Filter(area=ELSEWHERE)) == {}
        number = page.lines[0].n
        other = next(n for n in (1, 2) if n != number)
        assert scoped.conflict(number).record == mine
        assert scoped.conflict_area(number) == HERE
        assert len(scoped.untold(number)) == 2
        assert everyone.next_open(number, newer=other > number) == other
        assert scoped.next_open(number) is None
        care.hand_on(tx, number, "liang", "2026-12-01", "t", 0)
        assert scoped.conflicts(Filter(assignee="liang", due="2026-12-01"), 50, None).lines
        assert scoped.history(mine)[1] is not None
        assert [c[0] for c in scoped.conflicts_of(mine)] == [number]
        for refused in (
            lambda: scoped.conflict(other),
            lambda: scoped.history(theirs),
            lambda: scoped.record(theirs),
            lambda: scoped.records_of(theirs),
            lambda: scoped.conflicts_of(theirs),
            lambda: scoped.team("nobody"),
            lambda: scoped.tablet("nobody"),
            lambda: scoped.quarantined_one("00" * 28),
            lambda: scoped.ticket("00" * 16),
        ):
            with pytest.raises(NotFound):
                refused()
        assert {team.id for team in scoped.teams()} == {"near", "t"}
        assert scoped.own_team("near").areas == (HERE,)
        assert scoped.tablets_holding(mine)
        assert scoped.waiting() == []
        assert scoped.forked() == []
        assert scoped.marks() == []
        assert scoped.quarantine(10, b"", released=True) == []
        assert [held[0] for held in scoped.held_by(f"a{HERE}")] in ([], [mine])
        assert everyone.lost(f"a{HERE}", START_MS).unsent.missing == 0
        assert everyone.plan("near", ELSEWHERE, taking=False, now_ms=START_MS).homes == 1
        assert {read.home for read in scoped.reads} == {mine}
        assert [a.code for a in scoped.areas_near()] == ["440103", "440103019", HERE]
        assert accounts_in(tx, "4401")[0].id == "liang"
        assert read_log(tx, "440103") == []


def test_the_search_finds_by_characters_pinyin_and_initials_within_the_area(
    store: Store, office: Office
) -> None:
    mine, theirs = clash(office, HERE, "陈秀英"), clash(office, ELSEWHERE, "陈秀英")
    while lookup.step(store, SCHEMA):
        pass
    holds = store.holds_sql("words")
    with store.read() as tx:
        assert lookup.behind(tx) == 0
        scoped, everyone = Scoped(tx, SCHEMA, account("440103")), Scoped(tx, SCHEMA, account(""))
        for typed in ("陈秀英", "chenxiuying", "chen xiu", "cxy", "东漖", "1260000000"):
            words = lookup.asked_of(typed)
            assert [hit.record for hit in scoped.search(holds, words, 0, 10)] == [mine], typed
            assert {hit.record for hit in everyone.search(holds, words, 0, 10)} == {mine, theirs}
        assert scoped.search(holds, "%", 0, 10) == []
        pair = Proposal(mine, theirs, 4.0, ())
        assert everyone.still_doubles([pair], 5) == [pair]
        assert scoped.still_doubles([pair], 5) == []
        broken = [Broken(one, "household", one, "area", HERE, "missing") for one in (mine, theirs)]
        assert scoped.still_broken(broken, 5) == broken[:1]
        assert scoped.amounts(mine) == {}
        assert scoped.joined() == []


def test_another_connection_reads_what_was_committed_and_writes_nothing(
    store: Store, office: Office
) -> None:
    clash(office, HERE, "陈秀英")
    other = store.another()
    try:
        with other.read() as tx:
            assert tx.rows("SELECT count(*) FROM conflicts")[0][0] == 1
        if type(store).__name__ == "SqliteStore":
            with pytest.raises(Exception, match="readonly"), other.write() as tx:
                tx.run("DELETE FROM conflicts")
    finally:
        other.close()
