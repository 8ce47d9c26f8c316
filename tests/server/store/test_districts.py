# SPDX-License-Identifier: Apache-2.0
"""Three districts on three database servers, asked as one from the first of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from click.testing import CliRunner

from crypto.identity import DeviceKey
from crypto.seal import BoxKey
from fixtures.postgres import PORT, ROLE, Postgres
from server.cli import main
from server.district import District
from server.errors import (
    AlreadyInitialised,
    ConfigurationWrong,
    NotFound,
    StoreTooNew,
    StoreUnreachable,
)
from server.store import postgres_migrations
from server.store.migrations import MIGRATIONS
from server.store.postgres import PostgresStore
from server.store.postgres_districts import Connection, Place, opened, places, take_in, take_out
from server.store.postgres_migrations import PARTITIONED
from server.views import refresh_views
from sync.collections import SCHEMA

pytestmark = pytest.mark.slow
HOMES = {"liwan": 2, "yuexiu": 3, "haizhu": 4}
BY_DISTRICT = "SELECT district, count(*) FROM districts.household GROUP BY district ORDER BY 1"
BY_COMMUNITY = (
    "SELECT left(area, 12), count(*), count(phone) FROM districts.household"
    " WHERE district = ANY(%s) AND voided = 0 GROUP BY 1"
)

DISTRIBUTED = (
    "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'district'"
    " AND NOT attisdropped"
)
KEYS_WITHOUT = (
    "SELECT i.indexrelid::regclass FROM pg_index i WHERE i.indrelid = to_regclass(%s)"
    " AND i.indisunique AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = i.indrelid"
    " AND a.attname = 'district' AND a.attnum = ANY(i.indkey))"
)
VIEWS = (
    "SELECT viewname::text, pg_get_viewdef((schemaname || '.' || quote_ident(viewname))::regclass)"
    " FROM pg_views WHERE schemaname = 'districts'"
)
KEYS_LEADING_OUT = (
    "SELECT c.conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
    " JOIN pg_class f ON f.oid = c.confrelid WHERE c.contype = 'f'"
    " AND t.relnamespace = %(schema)s::regnamespace AND f.relnamespace <> t.relnamespace"
)
VIEWS_LEADING_OUT = (
    "SELECT v.relname::text FROM pg_class v JOIN pg_rewrite w ON w.ev_class = v.oid"
    " JOIN pg_depend d ON d.objid = w.oid AND d.classid = 'pg_rewrite'::regclass"
    " JOIN pg_class f ON f.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass"
    " WHERE v.relnamespace = %(schema)s::regnamespace AND f.relnamespace <> v.relnamespace"
)


class Three:
    """The first server holds its district itself, and the others as foreign tables."""

    def __init__(self, stack: ExitStack) -> None:
        self.servers = dict(zip(HOMES, (Postgres() for _ in HOMES), strict=True))
        self.stores = {}
        for server in self.servers.values():
            stack.callback(server.remove)
            server.start()
        for at, (name, server) in enumerate(self.servers.items()):
            store = self.stores[name] = PostgresStore(server.dsn(), name)
            stack.callback(store.close)
            district = District(store, SCHEMA, DeviceKey.generate(), BoxKey.generate(), lambda: 1)
            for home in range(HOMES[name]):
                values = {"area": f"44010{at}019003", "phone": f"1260000000{home}"}
                district.write("office", "household", None, dict(values))
        self.db: Connection = stack.enter_context(opened(self.servers["liwan"].dsn()))
        self.db.execute("CREATE EXTENSION postgres_fdw")
        for name in ("yuexiu", "haizhu"):
            reached = f"host '{self.servers[name].folder}', port '{PORT}', dbname 'postgres'"
            self.db.execute(
                f"CREATE SERVER at_{name} FOREIGN DATA WRAPPER postgres_fdw"
                f" OPTIONS ({reached}, keep_connections 'off')".encode()
            )
            self.db.execute(
                f"CREATE USER MAPPING FOR {ROLE} SERVER at_{name} OPTIONS (user '{ROLE}')".encode()
            )
        for name in HOMES:
            take_in(self.db, name, "" if name == "liwan" else f"at_{name}", SCHEMA)
        for setting in ("enable_partitionwise_join", "enable_partitionwise_aggregate"):
            self.db.execute(f"SET {setting} = on".encode())

    def plan(self, query: str, values: list[list[str]]) -> str:
        explained = self.db.execute(f"EXPLAIN (VERBOSE) {query}".encode(), values).fetchall()
        return "\n".join(row[0] for row in explained)


@pytest.fixture(scope="module")
def three() -> Iterator[Three]:
    with ExitStack() as stack:
        yield Three(stack)


def test_a_query_goes_over_all_districts(three: Three) -> None:
    assert three.db.execute(BY_DISTRICT).fetchall() == sorted(HOMES.items())
    assert places(three.db) == [
        Place("haizhu", "at_haizhu"),
        Place("liwan", ""),
        Place("yuexiu", "at_yuexiu"),
    ]


def test_one_district_is_asked_where_it_lies_and_nowhere_else(three: Three) -> None:
    asked, answer = [["yuexiu"]], [("440101019003", 3, 3)]
    plan = three.plan(BY_COMMUNITY, asked)
    # Joined there: one question, and nothing but what is counted comes back.
    assert len(re.findall("Foreign Scan", plan)) == 1
    assert "INNER JOIN yuexiu.homes" in plan
    assert "haizhu" not in plan
    assert "liwan" not in plan
    assert three.db.execute(BY_COMMUNITY, asked).fetchall() == answer
    plain = BY_COMMUNITY.replace("ANY(%s)", "%s")
    three.servers["haizhu"].stop()
    try:
        assert three.db.execute(BY_COMMUNITY, asked).fetchall() == answer
        assert three.db.execute(plain.encode(), ["yuexiu"]).fetchall() == answer
        with pytest.raises(psycopg.OperationalError):
            three.db.execute(BY_DISTRICT)
    finally:
        three.servers["haizhu"].start()
    assert three.db.execute(BY_DISTRICT).fetchall() == sorted(HOMES.items())


def test_rows_find_their_district_and_sets_of_them_are_updated_there(three: Three) -> None:
    """In a transaction that is undone: the record itself is written by its district's server."""
    with three.db.transaction(force_rollback=True):
        with (
            three.db.cursor() as cursor,
            cursor.copy(
                "COPY districts.homes (district, n, id, area, seq, digest) FROM STDIN"
            ) as copy,
        ):
            for name in HOMES:
                copy.write_row((name, 1_000, "new", "44", 1, 1))
        three.db.execute("CREATE TEMP TABLE came (district text, n bigint, area text)")
        for name in HOMES:
            three.db.execute(
                "INSERT INTO came VALUES (%s, 1000, '45'), (%s, 1001, '45')", [name] * 2
            )
        three.db.execute(
            "UPDATE districts.homes h SET area = c.area FROM came c"
            " WHERE h.district = c.district AND h.n = c.n"
        )
        three.db.execute(
            "INSERT INTO districts.homes (district, n, id, area, seq, digest)"
            " SELECT c.district, c.n, 'newer', c.area, 1, 1 FROM came c WHERE NOT EXISTS"
            " (SELECT 1 FROM districts.homes h WHERE h.district = c.district AND h.n = c.n)"
        )
        found = three.db.execute(
            "SELECT district, id, area FROM districts.homes WHERE n >= 1000 ORDER BY district, n"
        ).fetchall()
    assert found == [(d, i, "45") for d in sorted(HOMES) for i in ("new", "newer")]
    with pytest.raises(psycopg.errors.CheckViolation):
        three.db.execute(
            "INSERT INTO districts.homes (district, n, id, area, seq, digest)"
            " VALUES ('nowhere', 1, 'x', '', 1, 1)"
        )


def test_a_district_goes_on_writing_while_it_is_one_of_many(three: Three) -> None:
    for store in three.stores.values():
        with store.write() as tx:
            seq = tx.next_seq()
            tx.run("UPDATE homes SET seq = ?", [seq])
    found = dict(three.db.execute("SELECT district, max(seq) FROM districts.homes GROUP BY 1"))
    for name, store in three.stores.items():
        with store.read() as tx:
            assert tx.rows("SELECT max(seq) FROM homes") == [(found[name],)]


def test_a_district_is_left_out_and_taken_in_again_unharmed(three: Three) -> None:
    for name, server in (("liwan", ""), ("yuexiu", "at_yuexiu")):
        take_out(three.db, name)
        rest = sorted((n, count) for n, count in HOMES.items() if n != name)
        assert three.db.execute(BY_DISTRICT).fetchall() == rest
        with pytest.raises(NotFound):
            take_out(three.db, name)
        with three.stores[name].read() as tx:
            assert tx.rows("SELECT count(*) FROM records") == [(HOMES[name],)]
        take_in(three.db, name, server, SCHEMA)
        with pytest.raises(AlreadyInitialised):
            take_in(three.db, name, server, SCHEMA)
    assert three.db.execute(BY_DISTRICT).fetchall() == sorted(HOMES.items())


def test_every_key_and_every_join_over_all_districts_names_the_district(three: Three) -> None:
    """What an engine asks that distributes tables by a column: Citus, for one."""
    for table in PARTITIONED:
        parent = [f"districts.{table}"]
        assert three.db.execute(DISTRIBUTED, parent).fetchall() == [("district",)]
        assert three.db.execute(KEYS_WITHOUT, parent).fetchall() == []
    views = three.db.execute(VIEWS).fetchall()
    assert len(views) == len(SCHEMA.collections)
    for name, text in views:
        aliases = re.findall(r"districts\.(?:homes|records|kinds|conflicts) (\w+)", text)
        joined = set(re.findall(r"\((\w+)\.district = r\.district\)", text))
        assert {"r", *joined} == set(aliases), name
        assert len(aliases) == 3, name


def test_nothing_of_a_district_leads_out_of_its_schema(three: Three) -> None:
    """So that it can lie anywhere whole: by Citus, which may place each schema on a server."""
    assert "household" in refresh_views(three.stores["liwan"], SCHEMA)
    for query in (KEYS_LEADING_OUT, VIEWS_LEADING_OUT):
        assert three.db.execute(query.encode(), {"schema": "liwan"}).fetchall() == []
    with three.db.transaction(force_rollback=True):
        three.db.execute("CREATE VIEW liwan.out AS SELECT * FROM districts.homes")
        found = three.db.execute(VIEWS_LEADING_OUT.encode(), {"schema": "liwan"}).fetchall()
    assert set(found) == {("out",)}


def test_what_is_no_district_is_refused(three: Three) -> None:
    for name, server in (("nobody", ""), ("nobody", "at_yuexiu"), ("haizhu2", "no_server")):
        with pytest.raises(NotFound):
            take_in(three.db, name, server, SCHEMA)
    for name in ("districts", 'a"b', "Liwan"):
        with pytest.raises(ConfigurationWrong):
            take_in(three.db, name, "", SCHEMA)
    with pytest.raises(ConfigurationWrong):
        PostgresStore(three.servers["liwan"].dsn(), "districts")


def test_tables_of_another_version_are_not_mixed(three: Three) -> None:
    other = PostgresStore(three.servers["liwan"].dsn(), "tianhe")
    with other.write() as tx:
        tx.define("ALTER TABLE homes ADD COLUMN later INTEGER")
    with pytest.raises(StoreTooNew):
        take_in(three.db, "tianhe", "", SCHEMA)
    other.close()


def test_an_update_of_its_tables_takes_a_district_out_by_itself(
    three: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = ("9999-later", "ALTER TABLE homes ADD COLUMN later INTEGER;\n")
    with monkeypatch.context() as patch:
        patch.setattr(postgres_migrations, "MIGRATIONS", (*MIGRATIONS, later))
        PostgresStore(three.servers["liwan"].dsn(), "liwan").close()
    assert Place("liwan", "") not in places(three.db)
    with pytest.raises(StoreTooNew):
        take_in(three.db, "liwan", "", SCHEMA)
    three.db.execute("ALTER TABLE liwan.homes DROP COLUMN later")
    three.db.execute("DELETE FROM liwan.migrations WHERE name = '9999-later'")
    take_in(three.db, "liwan", "", SCHEMA)
    assert three.db.execute(BY_DISTRICT).fetchall() == sorted(HOMES.items())


def test_the_command_takes_in_lists_and_leaves_out(
    three: Three, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOORSTEP_STORE_DSN", three.servers["liwan"].dsn())
    monkeypatch.setenv("DOORSTEP_LANG", "en")
    run = CliRunner()
    assert "at_haizhu" in run.invoke(main, ["districts", "list"]).output
    assert run.invoke(main, ["districts", "remove", "haizhu"]).exit_code == 0
    assert "haizhu" not in run.invoke(main, ["districts", "list"]).output
    assert run.invoke(main, ["districts", "add", "haizhu", "--server", "nowhere"]).exit_code == 1
    assert run.invoke(main, ["districts", "add", "haizhu", "--server", "at_haizhu"]).exit_code == 0
    assert three.db.execute(BY_DISTRICT).fetchall() == sorted(HOMES.items())


def test_a_database_that_is_not_there_has_its_code() -> None:
    with pytest.raises(StoreUnreachable), opened("host=/nowhere"):
        pass
