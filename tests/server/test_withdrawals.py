# SPDX-License-Identifier: Apache-2.0
"""A consent that is taken back on a tablet waits in the office's list, whatever way it comes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.district import add_team, new_district
from fixtures.world import HOUSEHOLD, World
from server.cli import main
from server.doctor_rights import rights_findings
from server.erasing_keeping import erase_here
from server.errors import NotFound
from server.office import writing
from server.withdrawals import close_withdrawal, withdrawals

SIGNED = b"picture of a signature"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def listed(world: World, area: str = "") -> list[str]:
    with world.store.read() as tx:
        return [one.record for one in withdrawals(tx, area)]


def test_a_withdrawal_from_a_tablet_is_listed_until_an_officer_saw_to_it(
    world: World, tmp_path: Path
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", HOUSEHOLD)
    one, two = (
        a.create_record("person", {"household": home, "name": name, "birth_year": 1950})
        for name in ("李秋水", "巫行云")
    )
    given = a.consent(one, "photos", "given", signature=SIGNED)
    back = a.consent(one, "photos", "withdrawn", signature=SIGNED)
    other = a.consent(two, "sensitive", "withdrawn", signature=SIGNED)
    mistake = a.consent(two, "visits", "withdrawn", signature=SIGNED)
    a.sync()
    assert set(listed(world)) == {back, other, mistake}
    assert given not in listed(world)
    assert set(listed(world, "440103")) == {back, other, mistake}
    assert listed(world, "440105") == []
    # What was entered by mistake is voided on the tablet, and gone from the list.
    a.void(mistake, "签错了人")
    a.sync()
    a.sync()
    assert set(listed(world)) == {back, other}
    with world.store.read() as tx:
        assert [f.name for f in rights_findings(tx, 1) if f.grade != "good"] == ["withdrawals"]
    with world.store.write() as tx:
        close_withdrawal(tx, other, "法定职责", "周", world.clock())
        with pytest.raises(NotFound):
            close_withdrawal(tx, other, "法定职责", "周", world.clock())
    assert listed(world) == [back]
    erase_here(world.district, tmp_path, one, "consent", "撤回同意", "周", [])
    assert listed(world) == []


def test_the_command_lists_names_the_command_that_erases_and_closes(tmp_path: Path) -> None:
    settings = new_district(tmp_path / "one")
    add_team(settings, "t1")
    with writing(settings) as desk:
        home = desk.writer.write("office", "household", None, HOUSEHOLD)
        person = desk.writer.write("office", "person", None, {"household": home, "name": "李秋水"})
        said = {"purpose": "photos", "answer": "withdrawn", "on": "2026-06-09"}
        made = desk.writer.write(
            "office", "consent", None, said | {"household": home, "person": person}
        )
    call = ["--lang", "en", "--data-dir", settings.data_dir, "person", "withdrawn", "--by", "周"]
    found = CliRunner().invoke(main, call)
    assert f"doorstep erase now {person} --basis consent" in found.output.replace("\n", " ")
    assert CliRunner().invoke(main, [*call, "--close", made]).exit_code == 2
    closed = CliRunner().invoke(main, [*call, "--close", made, "--reason", "statutory duty"])
    assert (closed.exit_code, "erase now" in closed.output) == (0, False)
