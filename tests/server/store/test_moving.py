# SPDX-License-Identifier: Apache-2.0
"""A district moved from the file to PostgreSQL and back, and going on at each end."""

import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crypto.seal import BoxKey
from fixtures.district import district_settings
from fixtures.postgres import Postgres
from server.cli import main
from server.custody_places import last_backup, note_backup
from server.district import District
from server.errors import AlreadyInitialised
from server.moving import move, rows_in, tables_of
from server.office import writing
from server.setup import init_server
from server.store.base import Store
from server.store.postgres import PostgresStore
from server.store.sqlite import SqliteStore
from tests.conftest import SEED
from tests.server.pens import SCHEMA, Office, Pen
from tests.server.test_verify import decide_something, step

pytestmark = pytest.mark.slow


def held(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but shown values, whose order of names is the store's own."""
    out = {}
    with store.read() as tx:
        for name in tables_of(tx, tx):
            columns = [c for c in tx.columns_of(name) if (name, c) != ("records", "body")]
            rows = [row for part in tx.stream(name, columns) for row in part]
            plain = [tuple(bytes(v) if isinstance(v, bytes) else v for v in r) for r in rows]
            out[name] = sorted((r for r in plain if r[0] != "known"), key=repr)
    out.pop("nonces", None)
    return out


def test_a_district_moves_to_postgres_and_back_and_goes_on(
    postgres: Postgres, district_name: str, tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    office = Office(tmp_path)
    pens = [Pen(office, f"w{i}", f"工\0{i}") for i in range(3)]
    homes: list[str] = []
    for _ in range(200):
        step(rng, office, pens, homes)
    decide_something(rng, office)
    odd = pens[0].write(None, newer=1e22, other="a\0b", area="4401")
    pens[0].sync()
    public = office.first_key.public

    there = PostgresStore(postgres.dsn(), district_name)
    counted: list[int] = []
    moved = move(office.store, there, SCHEMA, public, counted.append)
    assert moved.rows == sum(counted) > 200
    assert held(there) == held(office.store)
    with pytest.raises(AlreadyInitialised):
        move(office.store, there, SCHEMA, public)

    gone_on = Office.around(
        District(there, SCHEMA, office.first_key, BoxKey.generate(), lambda: office.now_ms),
        office.first_key,
    )
    for pen in pens:
        pen.office = gone_on
    pens[1].write(odd, phone="13800000000")
    pens[1].write(None, phone="2", area="4401")
    for pen in pens * 2:
        pen.sync()
    gone_on.district.write("gsy", "household", None, {"phone": "3"})
    assert gone_on.verify().problems == []

    back = SqliteStore(tmp_path / "back.db", "cd" * 32)
    move(there, back, SCHEMA, public)
    assert held(back) == held(there)
    with back.read() as tx:
        assert rows_in(tx, ["records"]) > 0
    back.close()
    there.close()


def test_the_command_moves_there_and_back_and_each_end_verifies(
    postgres: Postgres, district_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = district_settings(tmp_path / "data", store_district=district_name)
    init_server(settings)
    with writing(settings) as desk:
        homes = [desk.writer.write("office", "household", None, {"area": "44"}) for _ in range(3)]
        with desk.store.write() as tx:
            note_backup(tx, 1, 2)
    monkeypatch.setenv("DOORSTEP_DATA_DIR", settings.data_dir)
    monkeypatch.setenv("DOORSTEP_STORE_DISTRICT", district_name)

    def run(*arguments: str) -> None:
        done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code == 0, done.output

    run("verify")
    run("move", "--to", postgres.dsn())
    settings.store_path.unlink()
    monkeypatch.setenv("DOORSTEP_STORE_DSN", postgres.dsn())
    run("verify")
    there = district_settings(
        tmp_path / "data", store_dsn=postgres.dsn(), store_district=district_name
    )
    with writing(there) as desk:
        homes.append(desk.writer.write("office", "household", None, {"area": "44"}))
    run("move", "--to", str(settings.store_path))
    monkeypatch.delenv("DOORSTEP_STORE_DSN")
    run("verify")
    with writing(settings) as desk, desk.store.read() as tx:
        assert sorted(row[0] for row in tx.rows("SELECT id FROM household")) == sorted(homes)
        assert last_backup(tx) == (1, 2)
    with writing(settings) as desk:
        desk.writer.write("office", "household", None, {"area": "44"})
