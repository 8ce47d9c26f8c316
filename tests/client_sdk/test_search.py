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
