# SPDX-License-Identifier: Apache-2.0
"""An exchange of which the database kept nothing is tried once more, and no oftener."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from fixtures.postgres import Postgres
from server.again import TRIES_MAX, again
from server.errors import StoreContended, StoreUnreachable, StoreUnsure
from server.store.base import Transaction
from server.store.postgres import PostgresStore
from tests.server.pens import Office, Pen
from tests.server.store.test_district import office_on

GIVES_WAY = "DO 'BEGIN RAISE EXCEPTION USING ERRCODE = ''40001''; END'"
ENDS_LINES = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


def failing(office: Office, fail: Callable[[Transaction], object], times: int) -> list[int]:
    """Let so many exchanges fail in the middle of their transaction; counts them."""
    inner, seen = office.district.ingest, list[int]()

    def ingest(tx: Transaction, *more: Any) -> Any:
        seen.append(len(seen))
        if len(seen) <= times:
            fail(tx)
        return inner(tx, *more)

    vars(office.district)["ingest"] = ingest
    return seen


def gives_way(tx: Transaction) -> None:
    tx.run(GIVES_WAY)


@pytest.mark.slow
def test_a_tablet_hears_nothing_of_a_database_that_gave_way_once(
    postgres: Postgres, district_name: str
) -> None:
    store = PostgresStore(postgres.dsn(), district_name)
    office = office_on(store)
    pen = Pen(office, "zx", "张霞")
    pen.sync()

    def ends_lines(tx: Transaction) -> None:
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute(ENDS_LINES)

    for number, fail in enumerate((gives_way, ends_lines), 1):
        seen = failing(office, fail, 1)
        pen.write(None, phone=str(number))
        pen.sync()
        assert len(seen) >= 2
        assert office.rows("SELECT count(*) FROM records") == [(number,)]
        del vars(office.district)["ingest"]
    assert office.verify().problems == []
    store.close()


@pytest.mark.slow
def test_one_that_gives_way_again_and_again_is_told(postgres: Postgres, district_name: str) -> None:
    store = PostgresStore(postgres.dsn(), district_name)
    office = office_on(store)
    pen = Pen(office, "zx", "张霞")
    pen.sync()
    seen = failing(office, gives_way, 100)
    pen.write(None, phone="1")
    with pytest.raises(StoreContended):
        pen.sync()
    assert len(seen) == TRIES_MAX
    assert office.rows("SELECT count(*) FROM records") == [(0,)]
    store.close()


@pytest.mark.parametrize("error", [StoreContended, StoreUnreachable])
def test_work_of_which_nothing_was_kept_is_done_again(error: type[Exception]) -> None:
    tried: list[int] = []

    def work() -> int:
        tried.append(1)
        if len(tried) < TRIES_MAX:
            raise error
        return 7

    assert again(work) == 7
    assert len(tried) == TRIES_MAX


def test_work_of_which_something_may_have_been_kept_is_not() -> None:
    tried: list[int] = []

    def work() -> None:
        tried.append(1)
        raise StoreUnsure

    with pytest.raises(StoreUnsure):
        again(work)
    assert tried == [1]
