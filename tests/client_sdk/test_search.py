# SPDX-License-Identifier: Apache-2.0
"""Finding households."""

import json
import random
from typing import Any

import pytest

from client_sdk.scope import purge
from client_sdk.search import HITS_MAX, folded, initials, search

HOUSEHOLDS = 2_000


def texts_of(tablet: Any) -> list[str]:
    """The search texts that lie in a tablet's store."""
    return [text for (text,) in tablet._store.rows("SELECT text FROM search")]


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


@pytest.mark.parametrize("version", [6, 7])
def test_a_store_from_before_finds_what_it_found(
    world: Any, fields: dict[str, Any], version: int
) -> None:
    a = world.tablet("a")
    home, other = (a.create_record("household", fields | {"address": x}) for x in ("甲路", "乙路"))
    person = a.create_record("person", {"household": other, "name": "梁颖媚"})
    assert a.search("lym")
    run = a._store.run
    for made in ("TRIGGER search_moved", "TRIGGER search_gone", "TABLE search"):
        run(f"DROP {made}")
    run("DROP TABLE search_stale")
    key = "record TEXT PRIMARY KEY" if version == 6 else "record TEXT NOT NULL"
    keys = "" if version == 6 else ", PRIMARY KEY (home, record)"
    run(f"CREATE TABLE search (home TEXT NOT NULL, {key}, text TEXT NOT NULL{keys}) WITHOUT ROWID")
    run("CREATE TABLE search_stale (record TEXT PRIMARY KEY) WITHOUT ROWID")
    # She has moved here since the last search.
    for row in ((home, home, "甲路\n雄信"), (home, person, "梁颖媚\nlym"), (other, other, "乙路")):
        run("INSERT INTO search VALUES (?, ?, ?)", row)
    run("INSERT INTO search_stale VALUES (?)", [person])
    run(f"DELETE FROM _sqlite_migrations WHERE substr(name, 1, 4) > '000{version}'")
    run(f"PRAGMA user_version = {version}")
    a.close()
    a = world.open("a")
    assert [hit.id for hit in a.search("lym")] == [other]
    assert [hit.id for hit in a.search("雄信 甲路")] == [home]
    a.edit(home, head_name="张霞")
    assert [hit.id for hit in a.search("张霞")] == [home]
    assert a.search("雄信 甲路") == []


def test_who_moved_and_was_not_searched_since_leaves_no_text_when_purged(
    world: Any, fields: dict[str, Any]
) -> None:
    a = world.tablet("a")
    home, other = (a.create_record("household", fields) for _ in range(2))
    person = a.create_record("person", {"household": home, "name": "梁颖媚"})
    assert a.search("lym")
    a.edit(person, household=other)
    with a._store.transaction():
        purge(a._store, {person})
    assert [text for text in texts_of(a) if "梁" in text or "lym" in text] == []
    assert {hit.id for hit in a.search("雄信")} == {home, other}


def test_a_visit_makes_no_search_text_anew(world: Any, fields: dict[str, Any]) -> None:
    a = world.tablet("a")
    home = a.create_record("household", fields)
    a.prepare_search()
    a.create_record("visit", {"household": home, "mode": "door", "outcome": "met"})
    assert a._store.rows("SELECT home FROM search_stale") == []


def test_heteronyms_are_found_by_each_reading() -> None:
    assert {"zx", "cx"} <= set(initials("曾霞"))
    assert initials("abc 12") == []


@pytest.mark.slow
def test_after_any_edits_moves_and_purges_a_search_finds_what_a_plain_scan_finds(
    world: Any, fields: dict[str, Any]
) -> None:
    a, rng = world.tablet("a"), random.Random(20261122)
    homes: list[str] = []
    people: list[str] = []
    for step in range(STEPS):
        with a._store.transaction():
            for _ in range(8):
                _anything(a, rng, fields, homes, people)
            if step % 3 == 0:
                # Of the texts of who goes none stays until the next search.
                gone = rng.sample(people, 2) + ([rng.choice(homes)] if step % 2 else [])
                named = {str(a.read(one).values.get("name")) for one in gone} - {"None"}
                named -= {body.get("name") for _, i, _, body in _records(a) if i not in gone}
                purge(a._store, set(gone))
                homes[:] = [one for one in homes if one not in gone]
                people[:] = [one for one in people if one not in gone]
                assert not [text for text in texts_of(a) for n in named if n in text.split("\n")]
        for _ in range(12):
            question = " ".join(_word(rng) for _ in range(rng.choice([1, 1, 2, 3])))
            assert search(a._store, a.schema, question) == _plainly(a, question), question


SYLLABLES = "陈李张曾何欧阳颖媚霞宇轩倩桂兰明珠伟强单"
STEPS = 25


def _word(rng: random.Random) -> str:
    name = "".join(rng.choices(SYLLABLES, k=rng.randint(1, 3)))
    return rng.choice([name[:2], rng.choice(initials(name)), str(rng.randint(0, 99)), "路", "\x1c"])


def _anything(
    a: Any, rng: random.Random, fields: dict[str, Any], homes: list[str], people: list[str]
) -> None:
    """One new or changed household or person."""
    name = "".join(rng.choices(SYLLABLES, k=3))
    address = f"龙津东路{rng.randint(1, 99)}号"
    what = rng.choice(["new home", "new", "name", "moves", "address"])
    if what == "new home" or len(homes) < 5:
        values = fields | {"address": address, "head_name": name, "phone": ""}
        homes.append(a.create_record("household", values))
    elif what == "new" or len(people) < 5:
        known = {"household": rng.choice(homes), "name": name}
        people.append(a.create_record("person", known))
    elif what == "name":
        a.edit(rng.choice(people), name=name)
    elif what == "moves":
        a.edit(rng.choice(people), household=rng.choice(homes))
    else:
        a.edit(rng.choice(homes), address=address)


def _records(a: Any) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Household, id, collection and shown values of all that is held."""
    rows = a._store.rows("SELECT home, id, collection, body FROM records")
    return [(home, record, name, json.loads(body)) for home, record, name, body in rows]


def _plainly(a: Any, question: str) -> list[str]:
    """What a search is to give, by looking through all records."""
    words = [folded(word) for word in question.split()]
    texts: dict[str, list[str]] = {}
    for home, _, name, body in _records(a):
        for field in a.schema.collections[name].searched():
            value = body.get(field) or ""
            texts.setdefault(home, []).extend([folded(value), *initials(value)])
    return sorted(
        home
        for home, found in texts.items()
        if words and all(any(word in text for text in found) for word in words)
    )[:HITS_MAX]


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
