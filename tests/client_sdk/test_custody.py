# SPDX-License-Identifier: Apache-2.0
"""Custody: a worker sees where each change is, and only on evidence."""

from typing import Any

import pytest
from click.testing import CliRunner

from client_sdk.cli import cli
from client_sdk.devices import succeed
from client_sdk.enrolment import Ready
from client_sdk.keys import Keys
from client_sdk.tablet import Tablet
from crypto.errors import UnlockRefused
from crypto.unlock import Cost
from fixtures.district import admit

OLD, NEW = "雨夜敲门三百次也不停", "晴天也要敲三百零一次门"


def kinds(tablet: Any, record: str) -> list[list[str]]:
    return [[place.kind for place in one.places] for one in tablet.custody(record)]


def test_a_change_goes_from_the_tablet_to_a_carrier_to_the_district(
    world: Any, fields: dict[str, Any]
) -> None:
    a, b = world.tablet("a"), world.tablet("b")
    home = a.create_record("household", fields)
    assert kinds(a, home) == [["tablet"]]
    # What was only given is not yet known to be anywhere else.
    b.take(a.greet(b.replica), a.give(b.greet(a.replica)))
    assert kinds(a, home) == [["tablet"]]
    a.compare(b.greet(a.replica))
    assert kinds(a, home) == [["tablet", "carried"]]
    assert [place.who for place in a.custody(home)[0].places] == ["", "b"]
    a.edit(home, phone="13700137000")
    assert kinds(a, home) == [["tablet"], ["tablet", "carried"]]
    a.sync()
    assert kinds(a, home) == [["tablet", "district"], ["tablet", "carried", "district"]]
    shown = a.custody(home)[0]
    assert (shown.fields, shown.worker, shown.collection) == (("phone",), "w-a", "household")


def test_a_branch_that_is_not_on_this_chain_is_no_evidence(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.close()
    world.copy("a", "twin")
    a, twin = world.open("a"), world.open("a", "twin")
    a.edit(home, phone="13700137000")
    twin.edit(home, phone="13600136000")
    a.compare(twin.greet(a.replica))
    mine = [one for one in a.custody(home) if one.fields == ("phone",)]
    assert [place.kind for place in mine[0].places] == ["tablet"]


def test_a_server_that_was_set_back_holds_what_it_says_now(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.sync()
    assert kinds(a, home) == [["tablet", "district"]]
    with a._store.transaction():
        a._store.run("UPDATE feed SET receipted = 0")
    assert kinds(a, home) == [["tablet"]]


def test_the_commands_show_custody_and_change_a_secret(
    world: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = admit(world.district, "t", "team")
    public, box = found.server_public, found.server_box_public
    ready = Ready(
        found.key,
        found.box,
        found.certificate,
        public,
        box,
        "",
        b"",
        (),
        b"",
        "team",
        "t",
        [],
        None,
    )
    folder = world.folder / "t"
    tablet = Tablet.make(folder, ready, Keys(folder), worker="w1", secret=OLD, cost=Cost(64, 1, 1))
    home = tablet.create_record("household", fields)
    tablet.close()
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")

    def run(*arguments: str, **environment: str) -> str:
        base = ["--dir", str(folder), "--worker", "w1", "--lang", "en"]
        done = CliRunner(env=environment).invoke(cli, [*base, *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert "on this tablet" in run("custody", "--", home, DOORSTEP_TABLET_SECRET=OLD)
    run("change-secret", DOORSTEP_TABLET_SECRET=OLD, DOORSTEP_TABLET_NEW_SECRET=NEW)
    with pytest.raises(UnlockRefused):
        Tablet.open(folder, "w1", OLD, keyring=None)


def test_pages_of_changes_go_on_through_the_feeds_of_earlier_keys(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    for number in range(4):
        a.edit(home, phone=f"1380013800{number}")
    with a._store.transaction():
        succeed(a._store)
    for number in range(3):
        a.edit(home, phone=f"1380013801{number}")
    every = [(one.replica, one.counter) for one in a.custody()]
    assert len(set(every)) == len(every) == 8
    assert every[0][0] == a.replica.hex() != every[-1][0]
    for size in (1, 3, 4, 5):
        parts = [a.custody(limit=size, offset=at) for at in range(0, len(every) + size, size)]
        assert [(one.replica, one.counter) for part in parts for one in part] == every
