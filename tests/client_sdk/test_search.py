# SPDX-License-Identifier: Apache-2.0
"""Finding households."""

import random
from typing import Any

import pytest

from client_sdk.search import HITS_MAX, initials

HOUSEHOLDS = 2_000


@pytest.mark.parametrize(
    "question", ["雄信", "龙津东", "1380", "8000", "sxx", "DXX", "单 龙津", "ljdl", "１３８００"]
)
def test_any_part_or_the_initials_find_a_household(
    world: Any, fields: dict[str, Any], question: str
) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.create_record("household", fields | {"head_name": "张霞", "address": "桥中路", "phone": ""})
    assert [hit.id for hit in a.search(question)] == [home]


@pytest.mark.parametrize("question", ["", "  ", "李", "zzz", "单 桥中", "%", "_"])
def test_what_is_nowhere_is_not_found(world: Any, fields: dict[str, Any], question: str) -> None:
    a = world.tablet("a")
    a.create_record("household", fields)
    assert a.search(question) == []


def test_a_member_of_a_household_leads_to_it(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    person = a.create_record("person", {"household": home, "name": "梁颖媚"})
    assert [hit.id for hit in a.search("lym")] == [home]
    a.edit(person, name="欧阳倩")
    assert a.search("lym") == []
    assert [hit.id for hit in a.search("欧阳")] == [home]


def test_words_may_stand_in_different_records_of_one_household_but_not_of_two(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home, other = (a.create_record("household", fields | {"address": x}) for x in ("甲路", "乙路"))
    person = a.create_record("person", {"household": home, "name": "梁颖媚"})
    assert [hit.id for hit in a.search("甲路 颖媚")] == [home]
    assert a.search("乙路 颖媚") == []
    # She moves: her old household is no longer found by her name.
    a.edit(person, household=other)
    assert a.search("甲路 颖媚") == []
    assert [hit.id for hit in a.search("乙路 颖媚")] == [other]
    assert [hit.id for hit in a.search("lym")] == [other]


def test_of_more_hits_than_are_shown_the_first_households_are_given(
    world: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client_sdk.search.HITS_MAX", 3)
    a = world.tablet("a")
    homes = [a.create_record("household", fields) for _ in range(5)]
    assert {hit.id for hit in a.search("雄信 龙津")} == set(sorted(homes)[:3])


def test_a_store_from_before_finds_what_it_found(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    assert a.search("雄信")
    a._store.run("DROP TABLE search")
    a._store.run(
        "CREATE TABLE search (record TEXT PRIMARY KEY, home TEXT NOT NULL, text TEXT NOT NULL)"
        " WITHOUT ROWID"
    )
    a._store.run("INSERT INTO search VALUES (?, ?, '单雄信')", [home, home])
    a._store.run("DELETE FROM _sqlite_migrations WHERE name = '0007-search-by-household'")
    a._store.run("PRAGMA user_version = 6")
    a.close()
    a = world.open("a")
    assert [hit.id for hit in a.search("雄信")] == [home]
    a.edit(home, head_name="张霞")
    assert a.search("雄信") == []


def test_heteronyms_are_found_by_each_reading() -> None:
    assert {"zx", "cx"} <= set(initials("曾霞"))
    assert initials("abc 12") == []


@pytest.mark.slow
def test_among_two_thousand_households_exactly_those_are_found_that_hold_the_words(
    world: Any,
) -> None:
    a = world.tablet("a")
    rng = random.Random(1)
    syllables = "陈李张黄何欧阳颖媚霞宇轩倩桂兰明珠伟强"
    texts = {}
    with a._store.transaction():
        for number in range(HOUSEHOLDS):
            fields = {
                "area": "440103019003",
                "address": f"龙津东路{number}号",
                "head_name": "".join(rng.choices(syllables, k=3)),
                "phone": f"1380013{number:04}",
            }
            home = a.create_record("household", fields)
            texts[home] = [fields["address"], fields["head_name"], fields["phone"]]
    a.prepare_search()
    for question in ("陈", "津东路19", "130019", "0013199", "阳颖"):
        expected = {home for home, parts in texts.items() if any(question in p for p in parts)}
        found = {hit.id for hit in a.search(question)}
        assert found <= expected, question
        assert len(found) == min(HITS_MAX, len(expected)), question
