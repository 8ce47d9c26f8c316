# SPDX-License-Identifier: Apache-2.0
"""The name of somebody who is erased, in records that stay: found, told, taken out where chosen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from client_sdk.tablet import Tablet
from fixtures.district import new_district
from fixtures.pages import count_of, plain_pages
from fixtures.world import HOUSEHOLD, World
from server import field_readers
from server.cli import main
from server.erasing_certificate import facts_of, sentences
from server.erasing_keeping import erase_here
from server.erasing_mentions import redact
from server.erasing_plan import Chosen, Plan, plan_erasure
from server.office import writing
from server.verify import verify_store

NAME, NUMBER, PHONE = "慕容若兰", "44010319520706123X", "13800138999"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


class Case:
    """A person, and records of the household that stay and name them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.a = a = world.tablet("a")
        with world.store.write() as tx:
            for readers in ("identity", "illness"):
                field_readers.allow_team(tx, world.district.schema, "team", readers, "o", 1)
        a.sync()
        self.home = a.create_record("household", HOUSEHOLD | {"head_name": NAME})
        said = {"name": NAME, "phone": PHONE, "identity_number": NUMBER}
        self.person = self._add("person", **said)
        self.other = self._add("person", name="段誉", illness=f"与{NAME}同住时染病")
        self.visit = self._add("visit", mode="door", outcome="met", at_ms=1, notes=f"{NAME}开门")
        self.number = self._add("visit", mode="door", outcome="met", at_ms=2, notes=NUMBER)
        self.need = self._add("shortage", goods="gas", found_at_ms=1, prescription=f"找{NAME}")
        a.set_fields(self.need, {"prescription": "找邻居"})
        self.clean = self._add("need", kind="rice", status="open", remark="无")
        self.follows = self._add("shortage", goods="rice", found_at_ms=1, visit=self.visit)
        a.sync()

    def _add(self, collection: str, **fields: Any) -> str:
        return self.a.create_record(collection, {"household": self.home, **fields})

    def plan(self, *redact: str) -> Plan:
        district = self.world.district
        with self.world.store.read() as tx:
            chosen = Chosen((), redact)
            return plan_erasure(
                tx, district.schema, self.person, "request", "", "周", chosen, district.fields
            )

    def erase(self, *redact: str) -> dict[str, Any]:
        world = self.world
        asked = (self.person, "request", "本人要求", "周", [], list(redact))
        number = erase_here(world.district, world.folder, *asked)
        with world.store.write() as tx:
            return facts_of(tx, world.district.key, number.hex(), world.now_ms)

    def words(self) -> dict[str, int]:
        """How often the words stand in the pages of the district's store."""
        path, key = self.world.folder / "district.db", bytes.fromhex(self.world.store_key)
        return count_of([NAME, NUMBER, PHONE], plain_pages(path, key, 8192, "sha256"))


@pytest.fixture
def case(world: World) -> Case:
    return Case(world)


def shown(tablet: Tablet, home: str, collection: str) -> list[dict[str, Any]]:
    return [dict(tablet.read(hit.id).values) for hit in tablet.listed(home, collection)[collection]]


def test_a_dry_run_tells_every_record_that_stays_and_names_the_person(case: Case) -> None:
    plan = case.plan()
    assert {one.record for one in plan.records} == {case.person}
    # Sealed values of this district are looked through too, and what stood there before.
    assert {(one.record, one.why, one.detail) for one in plan.kept} == {
        (case.home, "mention", "head_name"),
        (case.other, "mention", "illness"),
        (case.visit, "mention", "notes"),
        (case.number, "mention", "notes"),
        (case.need, "before", "prescription"),
    }
    stays = {one["record"]: one["why"] for one in case.erase()["not_erased"]}
    assert stays == {one.record: f"{one.why}: {one.detail}" for one in plan.kept}


def test_what_an_officer_chose_is_written_anew_and_the_name_is_on_no_page_of_it(
    case: Case,
) -> None:
    world, a = case.world, case.a
    facts = case.erase(case.visit, case.number, case.need, case.other, case.clean)
    why = {one["record"]: one["why"].split(":")[0] for one in facts["not_erased"]}
    assert sorted(why.values()) == ["masked", "mention", "replaced", "replaced", "replaced"]
    assert {case.home, case.other} < why.keys()
    a.sync()
    a.sync()
    for gone in (case.person, case.visit, case.number, case.need):
        assert not a.holds(gone)
    visits = sorted(shown(a, case.home, "visit"), key=lambda one: one["at_ms"])
    assert [one.get("notes") for one in visits] == [["＊＊＊＊开门"], None]
    assert [one["outcome"] for one in visits] == ["met", "met"]
    asked = {one["goods"][0]: one.get("prescription") for one in shown(a, case.home, "shortage")}
    assert asked == {"gas": "找邻居", "rice": None}
    assert a.read(case.other)["illness"] == "与＊＊＊＊同住时染病"
    # What was built on a record that was written anew leads to the new one.
    new = a.read(case.follows)["visit"]
    assert (why[new], a.read(new)["at_ms"]) == ("replaced", 1)
    # Of the name only the household's own is left, which nobody chose.
    found = case.words()
    assert (found[NUMBER], found[PHONE]) == (0, 0)
    assert a.read(case.home)["head_name"] == NAME
    with world.store.read() as tx:
        assert verify_store(tx, world.district.schema, world.district.key.public).holds


def test_of_a_household_the_name_goes_from_what_is_shown_and_the_certificate_says_so(
    case: Case,
) -> None:
    facts = case.erase(case.home, case.visit)
    case.a.sync()
    assert case.a.read(case.home)["head_name"] == "＊＊"
    (why,) = (one["why"] for one in facts["not_erased"] if one["record"] == case.home)
    assert why == "masked: head_name"
    for lang, words in (("zh", "修改历史仍在"), ("en", "its history stays")):
        assert any(words in line for line in sentences(facts, lang, str))


def test_cut_off_before_the_erasure_it_is_done_again_and_written_once(case: Case) -> None:
    district = case.world.district
    for _ in range(2):
        plan = case.plan(case.visit, case.home)
        redact(district, plan.words, plan.rows, plan.redactions, "周")
        counter = district.own.counter
    assert counter == 3
    case.erase(case.visit)
    case.a.sync()
    assert len(shown(case.a, case.home, "visit")) == 2


def test_the_dry_run_at_the_command_line_says_why_in_words_and_how_to_redact(
    tmp_path: Path,
) -> None:
    settings = new_district(tmp_path / "one")
    with writing(settings) as desk:
        write = desk.writer.write
        home = write("office", "household", None, HOUSEHOLD | {"head_name": NAME})
        person = write("office", "person", None, {"household": home, "name": NAME})
    call = ["--lang", "en", "--data-dir", settings.data_dir, "erase", "plan", person]
    found = CliRunner().invoke(main, call).output.replace("\n", " ")
    assert f"Stays: {home}" in found
    assert "names the person head_name" in found
    assert "--redact RECORD" in found
    again = CliRunner().invoke(main, [*call, "--redact", home]).output.replace("\n", " ")
    assert "its history stays" in again
    assert "--redact RECORD" not in again
