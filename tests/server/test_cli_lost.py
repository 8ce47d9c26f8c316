# SPDX-License-Identifier: Apache-2.0
"""The commands on lost tablets and moved households, against real tablets and a running server."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from client_sdk.ending import sign_proof
from client_sdk.errors import Revoked
from client_sdk.tablet import Tablet
from fixtures.district import Local, add_team, local_district, ticket_text
from fixtures.world import HOUSEHOLD
from server.cli import main

PASSPHRASE = "雨夜敲门三百次也不停"


@pytest.mark.slow
def test_an_office_moves_households_and_loses_a_tablet(tmp_path: Path) -> None:
    with local_district(tmp_path / "d") as server:
        add_team(server.settings, "one", {"w1": "张霞"})
        add_team(server.settings, "two", {"w2": "陈宇轩"})
        server.service.reload()
        tablet = enrolled(server, tmp_path)
        home = tablet.create_record("household", HOUSEHOLD)
        tablet.sync()
        tablet.sync()

        def doorstep(*arguments: str) -> str:
            base = ["--data-dir", str(tmp_path / "d"), "--lang", "en"]
            found = CliRunner().invoke(main, [*base, *arguments])
            assert found.exit_code == 0, found.output + repr(found.exception)
            return found.output

        said = doorstep("unassign", "--team", "one", "--dry-run", "--", home)
        assert "1 households" in said
        assert "tablet 1" in said
        assert tablet.sync().left == ()
        doorstep("assign", "--team", "two", "--", home)
        doorstep("unassign", "--team", "one", "--", home)
        tablet.edit(home, phone="13700137000")
        assert tablet.sync().left == (home,)
        assert "张霞" in doorstep("moved")
        assert "张霞" in doorstep("sql", "SELECT worker_name, team FROM moved_work")
        doorstep("revoke", "tablet 1", "--reason", "left in a taxi")
        said = doorstep("lost", "tablet 1")
        assert home in said
        assert "phone" in said
        proof = sign_proof(tablet._store, 1, 5)
        with pytest.raises(Revoked):
            tablet.sync()
        (tmp_path / "proof").write_bytes(proof)
        assert "holds" in doorstep("wiped", str(tmp_path / "proof"))
        assert "device-wiped" in doorstep("journal", "list")


def enrolled(server: Local, folder: Path) -> Tablet:
    return Tablet.enrol(
        folder / "t",
        ticket_text(server.settings, "one", server.port),
        name="tablet 1",
        worker="w1",
        secret=PASSPHRASE,
        show_digits=lambda digits: None,
        keyring=None,
    )
