# SPDX-License-Identifier: Apache-2.0
"""Upgrades with data: a district as each released program left it, and tablets months behind."""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from server.district import District
from server.errors import StoreTooNew
from server.store import migrations
from server.store.base import Transaction
from server.store.sqlite import SqliteStore
from server.store.sqlite_file import connect
from server.web import lookup
from tests.conftest import SEED
from tests.server.pens import HOUR_MS, SCHEMA, Office, Pen
from tests.server.test_verify import decide_something, step

KEY = "ab" * 32
MONTHS_MS = 200 * 24 * HOUR_MS
SEARCHED = (
    "SELECT l.record, l.area, w.area, w.words FROM lookup l JOIN lookup_words w ON w.n = l.n"
    " ORDER BY l.record"
)
NAMES = [name for name, _ in migrations.MIGRATIONS]


def as_left_by(path: Path, old: Path, upto: int) -> None:
    """A store of today as the program with so many steps would have it: its tables, its columns."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:upto])
        SqliteStore(old, KEY).close()
    with closing(connect(path, KEY)) as here, closing(connect(old, KEY)) as there:
        there.execute("BEGIN")
        for (table,) in there.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " AND name <> 'migrations'"
        ).fetchall():
            named = [str(row[1]) for row in there.execute(f"PRAGMA table_info({table})")]
            columns, marks = ", ".join(named), ", ".join("?" * len(named))
            # What is searched stood in one table once.
            apart = table == "lookup" and "words" in named
            source = "lookup JOIN lookup_words USING (n, area)" if apart else table
            rows = here.execute(f"SELECT {columns} FROM {source}").fetchall()
            there.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)
        there.execute("COMMIT")


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, list[Pen]]]:
    """A district with conflicts and decisions; every second tablet has unsent work and has not come
    since."""
    rng = random.Random(SEED)
    office = Office(tmp_path_factory.mktemp("office"))
    pens = [Pen(office, f"w{i}", f"工{i}") for i in range(6)]
    homes: list[str] = []
    for _ in range(3):
        for _ in range(60):
            step(rng, office, pens, homes)
        for pen in pens:
            pen.sync()
        decide_something(rng, office)
    for pen in pens[::2]:
        for _ in range(4):
            pen.write(rng.choice(sorted(pen.records)), phone=str(rng.random()))
    for pen in pens[1::2]:
        pen.sync()
    while lookup.step(office.store, office.schema):
        pass
    yield office, pens
    office.store.close()


def record_of(tx: Transaction) -> list[tuple[object, ...]]:
    return tx.rows("SELECT id, causal, body FROM records ORDER BY id")


@pytest.mark.parametrize("upto", range(1, len(NAMES) + 1), ids=NAMES)
def test_a_district_of_each_released_program_goes_on_with_all_its_data(
    worked: tuple[Office, list[Pen]], tmp_path: Path, upto: int
) -> None:
    office, _ = worked
    office.store.overwrite_freed()
    as_left_by(office.store.path, tmp_path / "old.db", upto)
    with office.store.read() as tx:
        before, searched = record_of(tx), tx.rows(SEARCHED)
    assert searched
    with closing(SqliteStore(tmp_path / "old.db", KEY, made=True)) as store:
        district = District(
            store, SCHEMA, office.first_key, office.district.boxes, lambda: office.now_ms
        )
        with store.read() as tx:
            assert record_of(tx) == before
            # From an older program's table the search is filled anew.
            assert tx.rows(SEARCHED) == (searched if "0007-lookup" in NAMES[:upto] else [])
        again = Office.around(district, office.first_key)
        assert again.verify().problems == []
        new = Pen(again, "neu", "新")
        new.sync()
        home = new.write(None, area="440103019003", phone="1")
        new.sync()
        with store.read() as tx:
            assert {row[0] for row in record_of(tx)} == {row[0] for row in before} | {home}
        assert again.verify().problems == []


def test_after_an_upgrade_tablets_that_are_months_behind_bring_all_they_have(
    worked: tuple[Office, list[Pen]], tmp_path: Path
) -> None:
    office, pens = worked
    behind = pens[::2]
    unsent = {entry.dot for pen in behind for entry in pen.unsent}
    assert len(unsent) == 12
    office.store.overwrite_freed()
    old, backup = tmp_path / "old.db", tmp_path / "backup.db"
    as_left_by(office.store.path, old, 1)
    backup.write_bytes(old.read_bytes())
    office.now_ms += MONTHS_MS
    with closing(SqliteStore(old, KEY, made=True)) as store:
        district = District(
            store, SCHEMA, office.first_key, office.district.boxes, lambda: office.now_ms
        )
        again = Office.around(district, office.first_key)
        for pen in pens * 2:
            pen.office = again
            pen.sync()
        with store.read() as tx:
            held = {
                (bytes(r), int(c))
                for r, c in tx.rows(
                    "SELECT r.replica, l.counter FROM leaves l JOIN replicas r ON r.n = l.replica"
                )
            }
            homes = {str(row[0]) for row in record_of(tx)}
        assert {(pen.key.replica, pen.counter) for pen in pens} <= held
        assert all(set(pen.records) == homes for pen in pens)
        assert again.verify().problems == []
    # The way back is the backup from before: the older program opens it, and refuses the newer.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1])
        SqliteStore(backup, KEY, made=True).close()
        with pytest.raises(StoreTooNew):
            SqliteStore(old, KEY, made=True)
