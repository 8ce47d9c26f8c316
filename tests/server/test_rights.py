# SPDX-License-Identifier: Apache-2.0
"""A person's rights on one server: a copy of everything, holds, retention, a store set back."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fixtures.world import HOUSEHOLD, World
from server import rights_document
from server.area_names import AreaNames
from server.district import District
from server.erasing_certificate import certificate, facts_of
from server.erasing_keeping import erase_here, hear_outside, keep_outside, read_outside
from server.erasing_plan import add_hold, plan_erasure, release_hold
from server.errors import HoldStands
from server.reports.folding import refresh
from server.retention import due, retain
from server.rights import everything
from server.store.sqlite import SqliteStore
from server.verify import verify_store

DAY_MS = 86_400_000
NAME = "欧阳若兰<b>甲"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def home(world: World) -> tuple[str, str]:
    a = world.tablet("a")
    household = a.create_record("household", HOUSEHOLD)
    person = a.create_record("person", {"household": household, "name": NAME, "birth_year": 1950})
    a.create_record("need", {"household": household, "person": person, "kind": "rice"})
    a.consent(person, "photos", "given", signature=b"picture of a signature")
    a.set_fields(person, {"name": NAME + "乙"}, reason="本人更正")
    a.sync()
    a.read(person)
    a.sync()
    return household, person


def test_a_person_gets_everything_held_in_both_languages_and_as_json(
    world: World, home: tuple[str, str]
) -> None:
    with world.store.read() as tx:
        found = everything(tx, world.district.schema, home[1], world.now_ms)
    kinds = sorted(one.collection for one in found.records)
    assert kinds == ["attachment", "consent", "household", "need", "person"]
    own = found.records[0]
    assert [change.values["name"] for change in own.changes] == [NAME, NAME + "乙"]
    assert own.changes[1].reason == "本人更正"
    assert {(r.who, r.purpose) for r in found.readings} == {("w-a", "tablet-opened")}
    assert [p.name for p in found.places] == ["a"]
    assert [one["lacks"] for one in found.consents] == [[]]
    area = str(HOUSEHOLD["area"])
    areas = AreaNames({area[:9]: "东漖街道", area: "东漖社区<i>"})
    page = rights_document.as_html(found, world.district.schema, str, areas)
    assert page.index("个人信息副本") < page.index("Copy of personal information")
    assert "欧阳若兰&lt;b&gt;甲乙" in page
    assert NAME not in page
    # At the head, as the household's field now, and as it was written.
    assert page.count(f"东漖街道 东漖社区&lt;i&gt;（{area}）") == 3
    assert msgspec.json.decode(rights_document.as_json(found))["name"] == NAME + "乙"
    assert b"blob_key" not in rights_document.as_json(found)


def test_a_hold_keeps_a_record_until_it_is_released(world: World, home: tuple[str, str]) -> None:
    household, person = home
    with world.store.write() as tx:
        n = add_hold(tx, household, "法院调查", "法务", world.now_ms)
    with world.store.read() as tx, pytest.raises(HoldStands):
        plan_erasure(tx, world.district.schema, person, "request", "", "周")
    with world.store.write() as tx:
        release_hold(tx, n, "案结", "法务", world.now_ms)
        plan = plan_erasure(tx, world.district.schema, person, "request", "", "周")
    assert len(plan.records) == 4


def test_what_a_hold_keeps_of_a_case_stands_in_its_certificate(
    world: World, home: tuple[str, str]
) -> None:
    household, _ = home
    with world.store.read() as tx:
        rows = tx.rows(
            "SELECT r.id FROM records r JOIN kinds k ON k.kind = r.kind WHERE k.collection = 'need'"
        )
        need = str(rows[0][0])
    with world.store.write() as tx:
        add_hold(tx, need, "法院调查", "法务", world.now_ms)
    refresh(world.store, world.district.schema)
    case = erase_here(world.district, world.folder, household, "request", "本人要求", "周", [])
    with world.store.write() as tx:
        assert tx.rows("SELECT 1 FROM facts_household") == []
        assert tx.rows("SELECT 1 FROM facts_person") == []
        assert len(tx.rows("SELECT 1 FROM facts_need")) == 1
        facts = facts_of(tx, world.district.key, case.hex()[:8], world.now_ms)
        assert certificate(tx, world.district.key, case.hex(), world.now_ms)
        assert tx.rows("SELECT 1 FROM records WHERE id = ?", [need])
        verdict = verify_store(tx, world.district.schema, world.district.key.public)
    assert facts["not_erased"] == [{"record": need, "why": "hold: 法院调查"}]
    assert not facts["complete"]
    assert [place["state"] for place in facts["places"]] == ["asked"]
    assert verdict.problems == []


def test_what_its_time_is_over_for_goes_by_itself_and_only_that(
    world: World, home: tuple[str, str]
) -> None:
    household, _ = home
    write = world.district.write
    old, young, open_one = (
        write("office", "letter", None, {"household": household, "title": title, "status": status})
        for title, status in (("旧", "signed"), ("新", "signed"), ("未办", "to_hand_over"))
    )
    world.now_ms += 1_200 * DAY_MS
    write("office", "letter", young, {"title": "新二"})
    with world.store.read() as tx:
        found = {one.collection: one for one in due(tx, world.district.schema, world.now_ms)}
    assert found["letter"].records == [old]
    assert retain(world.district) == 1
    assert retain(world.district) == 0
    with world.store.read() as tx:
        left = {str(r[0]) for r in tx.rows("SELECT id FROM records")}
    assert {young, open_one, household} < left
    assert old not in left


def test_a_store_set_back_behind_an_erasure_hears_of_it_again(
    world: World, home: tuple[str, str], tmp_path: Path
) -> None:
    household, _ = home
    backup = tmp_path / "before.db"
    world.store.backup(str(backup))
    erase_here(world.district, tmp_path, household, "request", "", "周", [])
    assert len(read_outside(tmp_path)) == keep_outside(world.district, tmp_path) == 1
    again = SqliteStore(backup, world.store_key)
    restored = District(again, world.district.schema, world.district.key, world.box, world.clock)
    with again.read() as tx:
        assert tx.rows("SELECT 1 FROM records WHERE id = ?", [household])
    assert hear_outside(restored, tmp_path) == 1
    assert hear_outside(restored, tmp_path) == 0
    with again.read() as tx:
        assert not tx.rows("SELECT 1 FROM records WHERE id = ?", [household])
        assert verify_store(tx, restored.schema, restored.key.public).problems == []
    again.close()
