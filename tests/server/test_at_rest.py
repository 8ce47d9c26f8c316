# SPDX-License-Identifier: Apache-2.0
"""A backup alone shows nothing of what is in it; a plain export shows it to the same scan."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.district import district_settings
from server.app import opened_district
from server.cli import main

pytestmark = pytest.mark.slow

PLANTED = ("单雄信的姓名", "13800138999", "440103195001011234", "罕见病史")


def scan(folder: Path) -> set[str]:
    """What of the planted words any file below a folder shows, in the encodings a store uses."""
    found = set()
    for file in filter(Path.is_file, folder.rglob("*")):
        data = file.read_bytes()
        for word in PLANTED:
            forms = {word.encode(), word.encode("utf-16-le"), word.encode("unicode_escape")}
            if any(form in data for form in forms):
                found.add(word)
    return found


def test_a_backup_alone_shows_nothing_and_a_plain_export_all(tmp_path: Path) -> None:
    office, taken, plain = (tmp_path / name for name in ("office", "taken", "plain"))
    taken.mkdir()
    plain.mkdir()

    def doorstep(*arguments: str) -> None:
        found = CliRunner().invoke(main, ["--data-dir", str(office), *arguments])
        assert found.exit_code == 0, found.output + repr(found.exception)

    doorstep("init")
    with opened_district(district_settings(office)) as (district, _):
        fields = dict(zip(("head_name", "phone", "id_number", "notes_of"), PLANTED, strict=True))
        district.write(
            "gsy", "household", None, fields | {"area": "440103019003"}, reason=PLANTED[3]
        )
    doorstep("backup", str(taken / "backup.db"))
    doorstep("export", str(plain / "plain.db"), "--reason", PLANTED[3])
    assert scan(plain) >= set(PLANTED[:2])
    assert scan(taken) == set()
    # Nor does anything that lies beside it in the office's own folder.
    assert scan(office) == set()
