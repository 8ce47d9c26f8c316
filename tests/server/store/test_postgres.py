# SPDX-License-Identifier: Apache-2.0
"""What only a database across a line can do to a store: refuse, break, come back."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fixtures.postgres import Postgres
from server.errors import (
    AlreadyInitialised,
    ConfigurationWrong,
    StoreContended,
    StoreUnfit,
    StoreUnreachable,
)
from server.office import writing
from server.settings import Settings
from server.setup import init_server
from server.store.postgres import PostgresStore
from tests.server.store.processes import until_somebody_waits

pytestmark = pytest.mark.slow


class Relay:
    """A line to the server that breaks at the next commit: before or after it got through."""

    def __init__(self, server: Postgres, folder: Path) -> None:
        self._target = str(server.folder / ".s.PGSQL.5432")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / ".s.PGSQL.5432"))
        self._listening.listen()
        self.dsn = server.dsn().replace(str(server.folder), str(folder))
        self.breaks = ""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            threading.Thread(target=self._up, args=(near, far), daemon=True).start()
            threading.Thread(target=self._down, args=(far, near), daemon=True).start()

    def _up(self, near: socket.socket, far: socket.socket) -> None:
        while data := _read(near):
            # The whole statement: the word alone is in others too.
            if self.breaks and b"COMMIT\0" in data:
                if self.breaks == "after":
                    _end(near)
                    far.sendall(data)
                self.breaks = ""
                break
            far.sendall(data)
        _end(near)
        _end(far)

    def _down(self, far: socket.socket, near: socket.socket) -> None:
        while data := _read(far):
            try:
                near.sendall(data)
            except OSError:
                return
        _end(near)

    def close(self) -> None:
        self._listening.close()


def _end(end: socket.socket) -> None:
    # Closing alone would not wake the thread that reads from it.
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _read(end: socket.socket) -> bytes:
    try:
        return end.recv(65_536)
    except OSError:
        return b""


@pytest.fixture
def relay(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    made = Relay(postgres, tmp_path_factory.mktemp("r"))
    yield made
    made.close()


def end_all_lines(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def areas(store: PostgresStore) -> list[str]:
    with store.read() as tx:
        return [row[0] for row in tx.rows("SELECT code FROM areas ORDER BY code")]


def add(store: PostgresStore, code: str) -> None:
    with store.write() as tx:
        tx.run("INSERT INTO areas VALUES (?, '', '')", [code])


@pytest.mark.parametrize("value", ["off", "local", "remote_write"])
def test_it_refuses_a_database_that_forgets_what_it_committed(
    postgres: Postgres, district_name: str, value: str
) -> None:
    dsn = postgres.dsn(options=f"-c synchronous_commit={value}")
    with pytest.raises(StoreUnfit, match=value):
        PostgresStore(dsn, district_name)


@pytest.mark.parametrize(
    "dsn", ["host=x password=secret1", "postgresql://u:secret1@h/d", "no such thing secret1"]
)
def test_a_dsn_that_is_refused_is_not_repeated(dsn: str) -> None:
    with pytest.raises(ConfigurationWrong) as caught:
        PostgresStore(dsn)
    assert "secret1" not in f"{caught.value!r} {caught.value} {caught.value.__cause__}"


def test_a_database_that_is_not_there_has_its_code(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable):
        PostgresStore(f"host={tmp_path}")


def test_a_name_that_is_no_schema_is_refused(postgres: Postgres) -> None:
    for name in ("", "Aa", 'a"; DROP', "pg_temp", "a" * 41):
        with pytest.raises(ConfigurationWrong):
            PostgresStore(postgres.dsn(), name)


def test_idle_lines_that_died_are_replaced_unseen(postgres: Postgres, district_name: str) -> None:
    store = PostgresStore(postgres.dsn(), district_name)
    add(store, "1")
    end_all_lines(postgres)
    add(store, "2")
    end_all_lines(postgres)
    assert areas(store) == ["1", "2"]
    store.close()


def test_a_line_that_breaks_inside_a_transaction_keeps_nothing(
    postgres: Postgres, district_name: str
) -> None:
    store = PostgresStore(postgres.dsn(), district_name)

    def fail() -> None:
        with store.write() as tx:
            tx.run("INSERT INTO areas VALUES ('1', '', '')")
            end_all_lines(postgres)
            tx.run("INSERT INTO areas VALUES ('2', '', '')")

    with pytest.raises(StoreUnreachable):
        fail()
    assert areas(store) == []
    add(store, "3")
    assert areas(store) == ["3"]
    store.close()


def test_a_commit_whose_answer_was_lost_is_found_out(relay: Relay, district_name: str) -> None:
    store = PostgresStore(relay.dsn, district_name)
    relay.breaks = "after"
    add(store, "1")
    assert relay.breaks == ""
    assert areas(store) == ["1"]
    store.close()


def test_a_commit_that_never_arrived_is_not_taken_for_one(relay: Relay, district_name: str) -> None:
    store = PostgresStore(relay.dsn, district_name)
    relay.breaks = "before"
    with pytest.raises(StoreUnreachable):
        add(store, "1")
    assert areas(store) == []
    store.close()


def test_a_failure_that_was_swallowed_is_not_committed(
    postgres: Postgres, district_name: str
) -> None:
    store = PostgresStore(postgres.dsn(), district_name)

    def swallow() -> None:
        with store.write() as tx:
            tx.run("INSERT INTO areas VALUES ('1', '', '')")
            with pytest.raises(psycopg.errors.UniqueViolation):
                tx.run("INSERT INTO areas VALUES ('1', '', '')")

    # COMMIT itself reports no error here.
    with pytest.raises(StoreContended):
        swallow()
    assert areas(store) == []
    store.close()


def test_two_stores_on_one_district_share_names_and_sequence(
    postgres: Postgres, district_name: str
) -> None:
    one, two = (PostgresStore(postgres.dsn(), district_name) for _ in range(2))
    with one.write() as tx:
        kind, number, seq = tx.kind_of("household"), tx.number_of(b"r" * 16), tx.next_seq()
    with two.write() as tx:
        assert (tx.kind_of("household"), tx.number_of(b"r" * 16)) == (kind, number)
        assert tx.next_seq() == seq + 1
    one.close()
    two.close()


def test_a_writer_waits_for_the_one_before_it(postgres: Postgres, district_name: str) -> None:
    one, two = (PostgresStore(postgres.dsn(), district_name) for _ in range(2))
    seen: list[int] = []

    def second() -> None:
        with two.write() as tx:
            seen.append(tx.next_seq())

    thread = threading.Thread(target=second)
    with one.write() as tx:
        first = tx.next_seq()
        thread.start()
        until_somebody_waits(postgres)
        assert seen == []
    thread.join()
    assert seen == [first + 1]
    one.close()
    two.close()


def test_districts_of_one_database_do_not_meet(postgres: Postgres, district_name: str) -> None:
    one = PostgresStore(postgres.dsn(), district_name)
    two = PostgresStore(postgres.dsn(), district_name + "_b")
    with one.write() as tx:
        tx.run("INSERT INTO areas VALUES ('1', '', '')")
        # Nor does the turn of one hold up the other.
        add(two, "2")
    assert (areas(one), areas(two)) == (["1"], ["2"])
    one.close()
    two.close()


def test_a_server_is_made_and_opened_by_its_dsn(
    postgres: Postgres, district_name: str, tmp_path: Path
) -> None:
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        store_dsn=postgres.dsn(),
        store_district=district_name,
    )
    init_server(settings)
    with writing(settings) as desk:
        record = desk.writer.write("gsy", "household", None, {"area": "440103"})
        with desk.store.read() as tx:
            assert list(tx.causal_of([record])) == [record]
            assert tx.rows("SELECT area FROM household") == [("440103",)]
    assert not settings.store_path.exists()
    other = Settings(
        data_dir=str(tmp_path / "other"), store_dsn=postgres.dsn(), store_district=district_name
    )
    # Other keys must not be put over records that are bound to these.
    with pytest.raises(AlreadyInitialised):
        init_server(other)
