# SPDX-License-Identifier: Apache-2.0
"""Readings as leaves: they are in the log, they are counted, and browsing stands out."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.district import district_settings
from server.app import opened_district
from server.cli import main
from server.log_access import (
    HOMES_PER_HOUR_MAX,
    HOUR_MS,
    Reading,
    by_household,
    by_officer,
    note_readings,
)
from server.log_export import ALTERED, REMOVED, Problem, check_beside
from server.log_tree import stand_of
from tests.server.pens import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def read(office: Office, who: str, homes: range, every_ms: int) -> None:
    with office.store.write() as tx:
        for number in homes:
            office.now_ms += every_ms
            one = Reading(who, "440103", f"h{number}", f"h{number}", "id_number", "history")
            note_readings(tx, office.now_ms, [one])


def test_browsing_stands_out_and_the_same_over_a_day_does_not(office: Office) -> None:
    many = HOMES_PER_HOUR_MAX + 1
    read(office, "browses", range(many), HOUR_MS // (many + 1))
    read(office, "works", range(many), HOUR_MS // 4)
    read(office, "returns", range(1), 1)
    for _ in range(many):
        read(office, "returns", range(1), 1)
    with office.store.read() as tx:
        found = {count.name: count for count in by_officer(tx)}
        homes = by_household(tx)
    assert {name for name, count in found.items() if count.unusual} == {"browses"}
    assert found["browses"].most == many
    assert found["works"].homes == many
    assert (found["returns"].lines, found["returns"].most) == (many + 1, 1)
    assert (homes[0].name, homes[0].readers) == ("h0", 3)


def test_conflicts_in_ones_own_care_do_not_count(office: Office) -> None:
    with office.store.write() as tx:
        for n in range(HOMES_PER_HOUR_MAX):
            tx.run(
                "INSERT INTO conflicts (n, record, home, collection, field, policy, state,"
                " opened_seq, opened_at_ms, siblings) VALUES (?, ?, ?, 'household', 'phone', 'ask',"
                " 'open', 1, 1, '[]')",
                [n + 1, f"h{n}", f"h{n}"],
            )
            tx.run(
                "INSERT INTO conflict_care (conflict, assignee, due, by, at_ms)"
                " VALUES (?, 'settles', '', 'x', 1)",
                [n + 1],
            )
    read(office, "settles", range(HOMES_PER_HOUR_MAX + 5), 1)
    read(office, "browses", range(HOMES_PER_HOUR_MAX + 5), 1)
    with office.store.read() as tx:
        found = {count.name: count.unusual for count in by_officer(tx)}
    assert found == {"settles": False, "browses": True}


def test_a_reading_that_was_altered_or_taken_out_is_named(office: Office) -> None:
    read(office, "gsy", range(5), 1)
    with office.store.read() as tx:
        size = stand_of(tx).size
        assert check_beside(tx) == []
    office.sql("UPDATE access_log SET home = 'h9' WHERE n = 2")
    office.sql("DELETE FROM access_log WHERE n = 4")
    with office.store.read() as tx:
        assert check_beside(tx) == [
            Problem(ALTERED, size - 4, size - 4),
            Problem(REMOVED, size - 2, size - 2),
        ]


def test_whatever_the_command_line_shows_of_people_is_in_the_access_log(tmp_path: Path) -> None:
    office = tmp_path / "office"

    def doorstep(*arguments: str) -> None:
        found = CliRunner().invoke(main, ["--data-dir", str(office), *arguments])
        assert found.exit_code == 0, found.output + repr(found.exception)

    doorstep("init")
    with opened_district(district_settings(office)) as (district, _):
        fields = {"area": "440103019003", "address": "九号", "head_name": "李"}
        home = district.write("gsy", "household", None, fields)
        other = district.write("gsy", "household", None, fields)
    doorstep("audit", "history", home)
    doorstep("duplicates", "show", home, other)
    doorstep("person", "show", home, "--reason", "本人查询")
    doorstep("export", str(tmp_path / "plain.db"), "--by", "周", "--reason", "核对")
    doorstep("sql", "SELECT head_name FROM household", "--by", "周")
    with opened_district(district_settings(office)) as (district, _), district.store.read() as tx:
        rows = tx.rows("SELECT home, purpose FROM access_log ORDER BY n")
        unusual = {c.name: c.unusual for c in by_officer(tx)}
    assert [str(purpose).split()[0] for _, purpose in rows] == [
        "history",
        "duplicates",
        "duplicates",
        "rights",
        "export",
        "sql",
    ]
    assert [str(h) for h, _ in rows] == [home, *sorted([home, other]), home, "*", "*"]
    assert unusual["周"]
    doorstep("log", "verify")
