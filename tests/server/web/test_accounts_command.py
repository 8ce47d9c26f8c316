# SPDX-License-Identifier: Apache-2.0
"""``doorstep accounts``: the first administrator is made at the machine."""

from pathlib import Path

from click.testing import CliRunner

from fixtures.district import new_district
from server.cli import main


def run(folder: Path, *words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(main, ["--data-dir", str(folder), "--lang", "en", *words])
    return answer.exit_code, answer.output


def test_an_account_is_added_listed_reset_and_closed(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    new_district(folder)
    code, said = run(folder, "accounts", "add", "wu", "吴管理", "--role", "administrator")
    assert code == 0
    first = said.split("First password of wu: ")[1].split()[0]
    assert len(first) >= 12
    assert run(folder, "accounts", "add", "wu", "吴", "--role", "officer")[0] == 1
    code, said = run(folder, "accounts", "reset", "wu")
    assert code == 0
    assert first not in said
    assert run(folder, "accounts", "close", "wu")[0] == 0
    listed = run(folder, "accounts", "list")[1]
    assert "吴管理" in listed
    assert "closed" in listed
    assert run(folder, "accounts", "close", "nobody")[0] == 1


def test_an_account_of_no_known_role_or_area_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    new_district(folder)
    assert run(folder, "accounts", "add", "a", "某", "--role", "king")[0] == 2
    words = ("accounts", "add", "a", "某", "--role", "officer", "--area", "荔湾")
    assert run(folder, *words)[0] == 1
    assert "a" not in run(folder, "accounts", "list")[1].split()
