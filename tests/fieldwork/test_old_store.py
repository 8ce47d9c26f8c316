# SPDX-License-Identifier: Apache-2.0
"""A tablet with last year's declaration keeps working beside a server and a tablet of this year."""

from pathlib import Path

from client_sdk.tablet import Tablet
from fixtures.old_store import LAST_YEAR, last_year, write_store
from fixtures.world import HOUSEHOLD, World
from server.resolving import quarantined
from sync.collections import SCHEMA
from sync.schema import Collection, Field, Label, Schema


def test_a_store_of_last_year_opens_by_its_own_declaration(tmp_path: Path) -> None:
    key, home = write_store(tmp_path / "old")
    with Tablet.open_with(tmp_path / "old", key, worker="w1") as tablet:
        assert tuple(tablet.schema.collections) == LAST_YEAR
        assert tablet.read(home)["address"] == HOUSEHOLD["address"]
        tablet.edit(home, phone="12611112222")
        assert [v["outcome"] for v in tablet.of_household(home, "visit")] == ["met"]


def test_an_old_and_a_new_tablet_work_on_one_household(tmp_path: Path) -> None:
    world = World(tmp_path)
    old, new = world.tablet("o", schema=last_year()), world.tablet("n")
    home = old.create_record("household", HOUSEHOLD)
    world.sync(old, new)
    new.edit(home, gas="bottled")
    visit = new.create_record(
        "visit", {"household": home, "mode": "door", "outcome": "met", "shortages": ["rice"]}
    )
    new.create_record("assessment", {"household": home, "grade": "poor"})
    letter = new.create_record("letter", {"household": home, "title": "一封信", "edition": "1"})
    old.edit(home, phone="12611112222")
    world.sync(old, new)
    for tablet in (old, new):
        shown = tablet.read(home)
        assert (shown["gas"], shown["phone"]) == ("bottled", "12611112222")
        assert tablet.read(visit)["shortages"] == ["rice"]
        assert tablet.read(letter)["title"] == "一封信"
        assert [n["kind"] for n in tablet.of_household(home, "need")] == ["care"]
    # What the old one does not know it keeps through its own edits, and conflicts still show.
    (need,) = old.of_household(home, "need")
    old.edit(need.id, status="solved")
    new.edit(need.id, status="accepted")
    old.edit(visit, outcome="by_other")
    new.edit(home, gas="electric")
    world.sync(old, new)
    for tablet in (old, new):
        assert tablet.read(need.id)["status"] == "accepted"
        assert tablet.read(need.id)["source"] == "assessment"
        assert tablet.read(home)["gas"] == "electric"
    with world.store.read() as tx:
        assert quarantined(tx) == []
    world.close()


def test_a_new_field_and_a_new_collection_need_nothing_but_their_declaration(
    tmp_path: Path,
) -> None:
    household = SCHEMA.collections["household"]
    label = Label(zh="纳凉间", en="Cool room")
    fields = {**household.fields, "cool_room": Field(policy="latest", why="Plain.", label=label)}
    pet = Collection(
        name="pet",
        label=Label(zh="宠物", en="Pet"),
        fields={
            "household": SCHEMA.collections["visit"].fields["household"],
            "name": Field(policy="ask", why="It answers to one.", label=Label(zh="名", en="Name")),
        },
    )
    grown = Collection(name="household", label=household.label, fields=fields)
    schema = Schema({**SCHEMA.collections, "household": grown, "pet": pet}, version=99)
    world = World(tmp_path, schema)
    one, two = world.tablet("a", schema=schema), world.tablet("b")
    home = one.create_record("household", {**HOUSEHOLD, "cool_room": "楼下"})
    dog = one.create_record("pet", {"household": home, "name": "阿黄"})
    world.sync(one, two)
    assert world.sql("SELECT cool_room FROM household") == [("楼下",)]
    assert world.sql("SELECT name, home FROM pet") == [("阿黄", home)]
    assert two.read(home)["cool_room"] == "楼下"
    assert two.read(dog)["name"] == "阿黄"
    world.close()
