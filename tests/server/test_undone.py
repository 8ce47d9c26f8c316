# SPDX-License-Identifier: Apache-2.0
"""An exchange that is undone leaves nothing behind, in the store or in memory."""

from pathlib import Path

import pytest

from server.store.base import Transaction
from tests.server.pens import Office, Pen


class Interrupted(Exception):
    """What ends a transaction in these tests."""


def test_a_writer_whose_new_key_was_not_stored_goes_on_under_the_old_one(tmp_path: Path) -> None:
    office = Office(tmp_path)
    district = office.district
    first = district.write("officer", "household", None, {"phone": "1"})
    key = district.own.key.replica

    def stop(tx: Transaction) -> None:
        district.succeed(tx)
        raise Interrupted

    with pytest.raises(Interrupted):
        district.write_many("officer", [("household", first, {"phone": "2"}, [])], before=stop)
    assert district.own.key.replica == key
    district.write("officer", "household", first, {"phone": "3"})
    assert office.verify().holds


def test_an_open_question_between_a_household_and_none_does_not_stop_an_upload(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    home = office.district.write("officer", "household", None, {"phone": "1"})
    person = office.district.write("officer", "person", None, {"household": home})
    a, b = Pen(office, "wa", "a"), Pen(office, "wb", "b")
    a.sync()
    b.sync()
    a.write(person, "person", household=home, name="a")
    b.office.now_ms += 1_000
    b.write(person, "person", household="")
    a.sync()
    b.sync()
    a.sync()
    rows = office.rows("SELECT field FROM conflicts WHERE record = ?", person)
    assert [row[0] for row in rows] == ["household"]
    assert office.verify().holds
