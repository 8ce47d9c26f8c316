# SPDX-License-Identifier: Apache-2.0
"""A district played on both stores: what tablets and officers do, then verify and the audit."""

import random

import pytest

from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from server.audit import EVERYTHING, count_by_policy, count_conflicts, list_conflicts
from server.district import District
from server.store.base import Store
from server.store.postgres import PostgresStore
from server.verify import verify_store
from tests.conftest import SEED
from tests.server.pens import SCHEMA, START_MS, Office, Pen
from tests.server.test_verify import decide_something, step


def office_on(store: Store) -> Office:
    offices: list[Office] = []

    def clock() -> int:
        return offices[0].now_ms if offices else START_MS

    key = DeviceKey.generate()
    district = District(store, SCHEMA, key, BoxKey.generate(), clock)
    offices.append(Office.around(district, key))
    return offices[0]


@pytest.mark.parametrize("turn", range(2))
def test_it_holds_after_random_concurrent_work_on_either_store(store: Store, turn: int) -> None:
    rng = random.Random(SEED + turn)
    office = office_on(store)
    pens = [Pen(office, f"w{i}", f"工{i}") for i in range(4)]
    homes: list[str] = []
    for _ in range(5):
        for _ in range(60):
            step(rng, office, pens, homes)
        decide_something(rng, office)
    for pen in pens * 2:
        pen.sync()
    with store.read() as tx:
        verdict = verify_store(tx, SCHEMA, office.first_key.public)
        listed = list_conflicts(tx, EVERYTHING, 1_000)
        counted = count_conflicts(tx)
        by_policy = count_by_policy(tx)
    assert verdict.problems == []
    assert verdict.changes == sum(verdict.fates.values()) > 150
    assert verdict.conflicts == listed.total == sum(counted.values()) > 0
    assert sum(sum(states.values()) for states in by_policy.values()) == listed.total
    # Everybody who synced last holds the same of what the office holds.
    assert pens[-1].records.keys() == {h for p in pens for h in p.records}


def test_what_a_tablet_may_write_is_stored_whatever_it_is(store: Store) -> None:
    office = office_on(store)
    a, b = Pen(office, "zx", "张\0霞"), Pen(office, "cyx", "陈宇轩")
    # Fields that only a newer program declares have no limits here but those of a change.
    odd = ["a\0b", "\x1a", 1e22, -0.0, 1.7e308, 2**63 - 1, {"x\0": [None, True, "\0"]}, " 1e22"]
    homes = [a.write(None, newer=value, other="m", area="4401") for value in odd]
    a.sync()
    for home in homes:
        a.write(home, other="n\0")
    a.sync()
    b.sync()
    shown = [next(iter(b.records[home].registers["newer"].values())) for home in homes]
    assert [repr(v) for v in shown] == [repr(v) for v in odd]
    assert {next(iter(b.records[h].registers["other"].values())) for h in homes} == {"n\0"}
    assert office.verify().problems == []


def test_its_own_feed_goes_on_where_the_store_ends(store: Store) -> None:
    office = office_on(store)
    first = office.district.write("gsy", "household", None, {"phone": "1"})
    own = office.district.own
    own.counter, head = 0, own.head
    own.head = b"\0" * 32
    second = office.district.write("gsy", "household", None, {"phone": "2"})
    assert own.counter == 2
    assert own.head != head
    assert office.rows("SELECT count(*) FROM forks") == [(0,)]
    assert office.verify().problems == []
    assert first != second
    if isinstance(store, PostgresStore):
        assert store.numbers[own.key.replica] >= 1
