# SPDX-License-Identifier: Apache-2.0
"""Sealed values at the console: sealed in every list, opened one by one for who may, and logged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.console import Visitor, World, console_world
from fixtures.pages import count_of, plain_pages
from server.cli import main
from sync.labels import SEALED_WORDS

pytestmark = pytest.mark.slow

ONE, TWO, NUMBER = "帕金森综合征甲", "脑梗塞后遗症乙", "44010319520706123X"


class Sealed:
    """A console whose two teams read illnesses, and a person over whom they disagree."""

    def __init__(self, world: World) -> None:
        self.world = world
        for readers in ("illness", "identity"):
            for team in ("t1", "t2"):
                self.cli("fields", "allow", readers, "--team", team, "--by", "office")
        self.first, self.second = (world.tablets[n] for n in ("zhangxia", "chenyuxuan"))
        for tablet in (self.first, self.second, self.first):
            tablet.sync()
        self.person = self.first.create_record(
            "person", {"household": "h1", "name": "陈秀英", "identity_number": NUMBER}
        )
        for tablet in (self.first, self.second):
            tablet.sync()
        self.first.edit(self.person, illness=ONE)
        self.second.edit(self.person, illness=TWO)
        for tablet in (self.first, self.second):
            tablet.sync()
        with world.local.district.store.read() as tx:
            found = tx.rows("SELECT n FROM conflicts WHERE field = 'illness'")
        self.conflict = int(found[0][0])

    def cli(self, *arguments: str) -> str:
        settings = self.world.local.settings
        found = CliRunner().invoke(
            main, ["--lang", "en", "--data-dir", settings.data_dir, *arguments]
        )
        assert found.exit_code == 0, found.output + repr(found.exception)
        return found.output

    def readings(self, account: str) -> list[tuple[str, str, str]]:
        """Record, fields and purpose of what an account opened."""
        with self.world.local.district.store.read() as tx:
            found = tx.rows(
                "SELECT record, fields, purpose FROM access_log WHERE account = ?"
                " AND fields LIKE 'opened:%' ORDER BY n",
                [account],
            )
        return [(str(r), str(f), str(p)) for r, f, p in found]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    with console_world(tmp_path_factory.mktemp("sealed")) as world:
        yield Sealed(world)


@pytest.fixture
def auditor(sealed: Sealed) -> Iterator[Visitor]:
    sealed.world.forget_codes("auditor")
    with sealed.world.browse("auditor") as found:
        yield found


def test_who_was_not_allowed_sees_who_wrote_it_and_that_it_is_sealed(
    sealed: Sealed, auditor: Visitor
) -> None:
    for path in (f"/conflicts/{sealed.conflict}", f"/records/{sealed.person}", "/conflicts"):
        page = auditor.get(path)
        assert page.status_code == 200, path
        for word in (ONE, TWO, NUMBER, "sealed/1:"):
            before, found, _ = page.text.partition(word)
            assert not found, (path, before[-200:])
    page = auditor.get(f"/conflicts/{sealed.conflict}").text
    assert page.count(SEALED_WORDS[0]) >= 2
    assert "张霞" in page
    assert "陈宇轩" in page
    assert sealed.readings("auditor") == []
    with sealed.world.local.district.store.read() as tx:
        dot = tx.rows("SELECT dot FROM conflict_sides WHERE conflict = ?", [sealed.conflict])[0][0]
    refused = auditor.post(
        f"/conflicts/{sealed.conflict}/decide",
        choice=bytes(dot).hex(),
        reason="看不到也要定",
        seen=seen_of(page),
    )
    assert refused.status_code == 403
    assert "封存" in refused.text


def seen_of(page: str) -> str:
    """The state of the record that a conflict's page was made of."""
    return page.split('name="seen" value="')[1][:16]


def test_no_page_of_the_districts_own_store_has_it(sealed: Sealed) -> None:
    local = sealed.world.local
    key = bytes.fromhex(local.keys.store_hex)
    pages = plain_pages(Path(local.settings.store_path), key, 8192, "sha256")
    found = count_of([ONE, TWO, NUMBER, "陈秀英"], pages)
    assert found.pop("陈秀英") > 0
    assert found == {ONE: 0, TWO: 0, NUMBER: 0}


def test_exports_and_reports_hold_it_sealed(sealed: Sealed, tmp_path: Path) -> None:
    sealed.cli("export", str(tmp_path / "plain.db"), "--reason", "核对")
    data = (tmp_path / "plain.db").read_bytes()
    assert "陈秀英".encode() in data
    assert not any(word.encode() in data for word in (ONE, TWO, NUMBER))


def test_who_may_read_opens_it_by_itself_it_is_logged_and_settles_what_stands(
    sealed: Sealed, auditor: Visitor
) -> None:
    sealed.cli("fields", "allow", "illness", "--officer", "auditor", "--by", "office")
    assert "auditor" in sealed.cli("fields", "list")
    page = auditor.get(f"/conflicts/{sealed.conflict}").text
    assert ONE in page
    assert TWO in page
    opened = (sealed.person, "opened:illness", f"conflict {sealed.conflict}")
    assert sealed.readings("auditor") == [opened]
    record = auditor.get(f"/records/{sealed.person}").text
    assert ONE in record
    assert NUMBER not in record
    assert SEALED_WORDS[0] in record
    assert (sealed.person, "opened:illness", "history") in sealed.readings("auditor")
    lists = auditor.get("/conflicts").text
    assert not any(word in lists for word in (ONE, TWO))
    answer = auditor.post(
        f"/conflicts/{sealed.conflict}/decide",
        choice="other",
        value=ONE + "，已核对病历",
        reason="看过病历",
        seen=seen_of(page),
    )
    assert answer.status_code == 303, answer.text
    for tablet in (sealed.first, sealed.second):
        tablet.sync()
        assert tablet.read(sealed.person)["illness"] == ONE + "，已核对病历"
        assert tablet.conflicts() == []
    settled = auditor.get(f"/conflicts/{sealed.conflict}").text
    assert "已核对病历" in settled
    undone = auditor.post(
        f"/conflicts/{sealed.conflict}/undo", reason="病历是别人的", seen=seen_of(settled)
    )
    assert undone.status_code == 303, undone.text
    sealed.first.sync()
    assert sealed.first.read(sealed.person)["illness"] in (ONE, TWO)
    test_no_page_of_the_districts_own_store_has_it(sealed)
    sealed.cli("fields", "withdraw", "illness", "--officer", "auditor", "--by", "office")
    assert ONE not in auditor.get(f"/conflicts/{sealed.conflict}").text


def test_a_class_that_no_field_names_is_refused_by_name(sealed: Sealed) -> None:
    settings = sealed.world.local.settings
    for who in (("--team", "t1"), ("--officer", "auditor")):
        found = CliRunner().invoke(
            main, ["--data-dir", settings.data_dir, "fields", "allow", "wages", *who, "--by", "x"]
        )
        assert found.exit_code != 0
        assert "server/field-class" in found.output
