# SPDX-License-Identifier: Apache-2.0
"""Both stores, each new and empty for its test; one PostgreSQL for all tests of a process."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.postgres import Postgres
from server.store.base import Store
from server.store.postgres import PostgresStore
from server.store.sqlite import SqliteStore

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def district_name() -> str:
    """A district of its own in the one database: making a database takes seconds."""
    return f"t{next(_numbers)}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the store; once more, after closing it, the same store."""
    stores: list[Store] = []
    if request.param == "sqlite":

        def make() -> Store:
            return SqliteStore(tmp_path / "district.db", "ab" * 32)

    else:
        server: Postgres = request.getfixturevalue("postgres")
        name: str = request.getfixturevalue("district_name")

        def make() -> Store:
            return PostgresStore(server.dsn(), name)

    def one() -> Store:
        for store in stores:
            store.close()
        stores[:] = [make()]
        return stores[0]

    yield one
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], Store]) -> Store:
    return opened()
